"""What our feeds need: archives of weeks, what the hub was told, which feeds may be shown whole."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("feeds", sa.Column("full_content", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("ix_stories_created_at", "stories", ["created_at"])
    op.create_index("ix_entries_first_seen_at", "entries", ["first_seen_at"])
    _create_archives()
    _create_announcements()


def _create_archives() -> None:
    op.create_table(
        "archives",
        sa.Column("week", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_with", sa.Text(), nullable=False),
        sa.Column("item_count", sa.Integer(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("packed_items", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("week", name="pk_archives"),
    )
    op.create_table(
        "archive_scopes",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("week", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["week"], ["archives.week"], name="fk_archive_scopes_week_archives", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("scope", "week", name="pk_archive_scopes"),
    )
    op.create_index("ix_archive_scopes_week", "archive_scopes", ["week"])
    op.create_table(
        "archive_entries",
        sa.Column("week", sa.Text(), nullable=False),
        sa.Column("entry_id", _ID, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["week"], ["archives.week"], name="fk_archive_entries_week_archives", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("week", "entry_id", name="pk_archive_entries"),
    )
    op.create_index("ix_archive_entries_entry_id", "archive_entries", ["entry_id"])


def _create_announcements() -> None:
    op.create_table(
        "announcements",
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("path", name="pk_announcements"),
    )
    op.create_index("ix_announcements_next_try_at", "announcements", ["next_try_at"])
