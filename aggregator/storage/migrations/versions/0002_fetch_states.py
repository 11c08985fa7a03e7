"""How fetching goes, in full: hints, moves, strikes, hosts, the log, hubs, followed lists, earlier versions."""

from __future__ import annotations

from hashlib import blake2b

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _widen_feeds()
    _create_hosts_and_log()
    _create_hubs_and_lists()
    _create_entry_parts()
    _widen_entries()


def _widen_feeds() -> None:
    for name in ("page", "hints", "arrivals"):
        op.add_column("feeds", sa.Column(name, sa.JSON(), nullable=True))
    for name in ("list_url", "asked_url", "claimed_by", "host_key", "moved_url", "alarm"):
        op.add_column("feeds", sa.Column(name, sa.Text(), nullable=False, server_default=sa.text("''")))
    for name in ("document_entries", "largest_document", "moved_times", "strikes"):
        op.add_column("feeds", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    for name in ("moved_since", "gone_since"):
        op.add_column("feeds", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.drop_index("ix_feeds_state_next_due_at", "feeds")
    op.create_index("ix_feeds_state_next_due_at_id", "feeds", ["state", "next_due_at", "id"])
    op.create_index("ix_feeds_host_key", "feeds", ["host_key"])
    moved = sa.text("asked_url <> ''")
    op.create_index("ix_feeds_asked_url", "feeds", ["asked_url"], sqlite_where=moved, postgresql_where=moved)
    op.create_table(
        "feed_slices",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False),
        sa.Column("slices", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["feed_id"], ["feeds.id"], name="fk_feed_slices_feed_id_feeds", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("feed_id", name="pk_feed_slices"),
    )


def _create_hosts_and_log() -> None:
    op.create_table(
        "hosts",
        sa.Column("host_key", sa.Text(), nullable=False),
        sa.Column("frozen_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("host_key", name="pk_hosts"),
    )
    op.create_table(
        "fetch_log",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("feed_id", _ID, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("failure_class", sa.Text(), nullable=False),
        sa.Column("failure_reason", sa.Text(), nullable=False),
        sa.Column("not_modified", sa.Boolean(), nullable=False),
        sa.Column("received_bytes", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("new", "changed", "unchanged")),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("rejected", "folded")),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("next_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_due_reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["feed_id"], ["feeds.id"], name="fk_fetch_log_feed_id_feeds", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_fetch_log"),
    )
    op.create_index("ix_fetch_log_feed_id_id", "fetch_log", ["feed_id", "id"])
    op.create_index("ix_fetch_log_at", "fetch_log", ["at"])


def _create_hubs_and_lists() -> None:
    op.create_table(
        "hubs",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("hub_url", "topic_url", "token", "secret")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("state", "reason")),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("pushed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("misses", sa.Integer(), nullable=False),
        sa.CheckConstraint("state IN ('asked', 'live', 'refused', 'distrusted')", name=op.f("ck_hubs_state")),
        sa.ForeignKeyConstraint(["feed_id"], ["feeds.id"], name="fk_hubs_feed_id_feeds", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("feed_id", name="pk_hubs"),
        sa.UniqueConstraint("token", name="uq_hubs_token"),
    )
    op.create_index("ix_hubs_next_try_at", "hubs", ["next_try_at"])
    op.create_table(
        "lists",
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("etag", sa.LargeBinary(), nullable=False),
        sa.Column("last_modified", sa.LargeBinary(), nullable=False),
        sa.Column("body_hash", sa.Text(), nullable=False),
        sa.Column("last_fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failure_reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("url", name="pk_lists"),
    )


def _create_entry_parts() -> None:
    op.create_table(
        "entry_versions",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("entry_id", _ID, nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("parsed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entries.id"], name="fk_entry_versions_entry_id_entries", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_entry_versions"),
    )
    op.create_index("ix_entry_versions_entry_id_id", "entry_versions", ["entry_id", "id"])
    op.create_table(
        "entry_changes",
        sa.Column("entry_id", _ID, autoincrement=False, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entries.id"], name="fk_entry_changes_entry_id_entries", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("entry_id", name="pk_entry_changes"),
    )


def _widen_entries() -> None:
    # A new policy reads every entry anyhow, and comes once in a year.
    op.drop_index("ix_contents_policy_version", "contents")
    op.add_column("entries", sa.Column("base_hash", sa.LargeBinary(), nullable=True))
    op.add_column("entries", sa.Column("edits", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("entries", sa.Column("edits_since", sa.DateTime(timezone=True), nullable=True))
    _find_shared_keys()
    where = sa.text("base_hash IS NOT NULL")
    op.create_index(
        "ix_entries_feed_id_base_hash",
        "entries",
        ["feed_id", "base_hash"],
        sqlite_where=where,
        postgresql_where=where,
    )


def _find_shared_keys() -> None:
    """Entries whose key was shared are stored under that key, ``#`` and their content hash."""
    conn = op.get_bind()
    table = sa.table("entries", *(sa.column(name) for name in ("id", "key", "content_hash", "base_hash")))
    shared = table.c.key.endswith("#" + table.c.content_hash)
    found = conn.execute(sa.select(table.c.id, table.c.key, table.c.content_hash).where(shared)).all()
    for number, key, content_hash in found:
        base_hash = blake2b(key.removesuffix(f"#{content_hash}").encode(), digest_size=16).digest()
        conn.execute(sa.update(table).where(table.c.id == number).values(base_hash=base_hash))
