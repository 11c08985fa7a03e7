"""What a newsletter needs beyond one mail for all: review and edits, variants, pauses, letters, bounces."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _extend_issues()
    _extend_renderings()
    _add_variants()
    _create_letters()
    _create_bounces()


def _text(name: str, *, later: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, server_default=sa.text("''") if later else None)


def _extend_issues() -> None:
    op.add_column("issues", sa.Column("review_until", _INSTANT, nullable=True))
    op.add_column("issues", sa.Column("approved_at", _INSTANT, nullable=True))
    op.add_column("issues", sa.Column("edits", sa.JSON(), nullable=True))
    op.add_column("issues", _text("paused_reason", later=True))
    op.add_column("issues", sa.Column("paused_until", _INSTANT, nullable=True))


def _extend_renderings() -> None:
    """One row more for each variant: what is there is the whole issue."""
    names = ("issue_id", "preheader", "mail_html", "mail_text", "web_html")
    op.rename_table("renderings", "renderings_before")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE renderings_before RENAME CONSTRAINT pk_renderings TO pk_renderings_before")
        op.execute(
            "ALTER TABLE renderings_before RENAME CONSTRAINT fk_renderings_issue_id_issues "
            "TO fk_renderings_before_issue_id_issues"
        )
    op.create_table(
        "renderings",
        sa.Column("issue_id", _ID, autoincrement=False, nullable=False),
        _text("variant", later=True),
        _text("subject", later=True),
        *(_text(name) for name in names[1:]),
        sa.ForeignKeyConstraint(["issue_id"], ["issues.id"], name="fk_renderings_issue_id_issues", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("issue_id", "variant", name="pk_renderings"),
    )
    columns = ", ".join(names)
    op.execute(
        f"INSERT INTO renderings ({columns}, variant, subject) SELECT {columns}, '', "
        "(SELECT subject FROM issues WHERE issues.id = issue_id) FROM renderings_before"
    )
    op.drop_table("renderings_before")


def _add_variants() -> None:
    op.add_column("subscriptions", _text("variant", later=True))
    op.add_column("deliveries", _text("variant", later=True))
    op.create_index("ix_deliveries_subscriber_id", "deliveries", ["subscriber_id"])
    table = sa.table("subscriptions", sa.column("id"), sa.column("language"), sa.column("topics"), sa.column("variant"))
    conn = op.get_bind()
    rows = conn.execute(sa.select(table.c.id, table.c.language, table.c.topics)).all()
    for number, language, stored in rows:
        topics = sorted(json.loads(stored) if isinstance(stored, str) else stored or ())
        if language or topics:
            variant = f"{language}|{' '.join(topics)}"
            conn.execute(sa.update(table).where(table.c.id == number).values(variant=variant))


def _create_letters() -> None:
    op.create_table(
        "letters",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        *(_text(name) for name in ("public_id", "kind", "address", "address_hash", "mailbox_hash")),
        sa.Column("subscriber_id", _ID, nullable=True),
        sa.Column("newsletters", sa.JSON(), nullable=False),
        _text("language"),
        sa.Column("topics", sa.JSON(), nullable=False),
        *(_text(name) for name in ("network_hash", "domain", "form")),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.Column("used_at", _INSTANT, nullable=True),
        _text("state"),
        _text("lease_owner"),
        sa.Column("lease_until", _INSTANT, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", _INSTANT, nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        _text("reply_text"),
        sa.CheckConstraint("kind IN ('confirm', 'known', 'change', 'changed')", name="kind"),
        sa.CheckConstraint("state IN ('queued', 'sending', 'committing', 'sent', 'failed')", name="state"),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscribers.id"], name="fk_letters_subscriber_id_subscribers"),
        sa.PrimaryKeyConstraint("id", name="pk_letters"),
        sa.UniqueConstraint("public_id", name="uq_letters_public_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_letters_state_next_try_at", "letters", ["state", "next_try_at"])
    op.create_index("ix_letters_address_hash_created_at", "letters", ["address_hash", "created_at"])
    op.create_index("ix_letters_mailbox_hash_created_at", "letters", ["mailbox_hash", "created_at"])
    op.create_index("ix_letters_network_hash_created_at", "letters", ["network_hash", "created_at"])
    op.create_index("ix_letters_created_at", "letters", ["created_at"])


def _create_bounces() -> None:
    kinds = "'hard', 'soft', 'policy', 'complaint', 'unsubscribe', 'reply', 'other'"
    op.create_table(
        "bounces",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        _text("raw_hash"),
        _text("kind"),
        sa.Column("delivery_id", _ID, nullable=True),
        sa.Column("subscription_id", _ID, nullable=True),
        *(_text(name) for name in ("address_hash", "status", "diagnostic", "origin")),
        sa.Column("received_at", _INSTANT, nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(f"kind IN ({kinds})", name="kind"),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name="fk_bounces_delivery_id_deliveries", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscriptions.id"],
            name="fk_bounces_subscription_id_subscriptions",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_bounces"),
        sa.UniqueConstraint("raw_hash", name="uq_bounces_raw_hash"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_bounces_subscription_id_received_at", "bounces", ["subscription_id", "received_at"])
    op.create_index("ix_bounces_delivery_id", "bounces", ["delivery_id"])
    op.create_index("ix_bounces_received_at", "bounces", ["received_at"])
