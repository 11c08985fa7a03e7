"""The desk: accounts, sessions, the audit log, what is set there, and who is told of events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("feeds", sa.Column("edits", sa.JSON(), nullable=True))
    _create_accounts()
    _create_audit()
    _create_notices()
    _index_people()


def _create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        _text("name"), _text("role"), _text("password"), _text("language"), _instant("created_at"),
        _instant("changed_at"),
        sa.CheckConstraint("role IN ('editor', 'viewer')", name="role"),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("name", name="uq_accounts_name"),
        sqlite_autoincrement=True,
    )  # fmt: skip
    op.create_table(
        "sessions",
        _text("token_hash"), sa.Column("account_id", _ID, nullable=False), _instant("created_at"), _instant("seen_at"),
        _instant("expires_at"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_sessions"),
        _belongs("sessions"),
    )  # fmt: skip
    op.create_index("ix_sessions_account_id", "sessions", ["account_id"])
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    op.create_table(
        "api_tokens",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        _text("token_hash"), sa.Column("account_id", _ID, nullable=False), _text("label"), _text("role"),
        _instant("created_at"), sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("role IN ('editor', 'viewer')", name="role"),
        sa.PrimaryKeyConstraint("id", name="pk_api_tokens"),
        sa.UniqueConstraint("token_hash", name="uq_api_tokens_token_hash"),
        _belongs("api_tokens"),
        sqlite_autoincrement=True,
    )  # fmt: skip
    op.create_index("ix_api_tokens_account_id", "api_tokens", ["account_id"])
    op.create_table(
        "login_failures",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        _text("key"), _instant("at"),
        sa.PrimaryKeyConstraint("id", name="pk_login_failures"),
    )  # fmt: skip
    op.create_index("ix_login_failures_key_at", "login_failures", ["key", "at"])
    op.create_index("ix_login_failures_at", "login_failures", ["at"])


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        _instant("at"), _text("who"), _text("action"), _text("subject"), _text("title"),
        sa.Column("before", sa.JSON(), nullable=True), sa.Column("after", sa.JSON(), nullable=True),
        sa.Column("undone_by", _ID, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sqlite_autoincrement=True,
    )  # fmt: skip
    op.create_index("ix_audit_subject_id", "audit", ["subject", "id"])
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_table(
        "desk_settings",
        _text("name"), sa.Column("value", sa.JSON(), nullable=False), _instant("made_at"), _text("made_by"),
        sa.PrimaryKeyConstraint("name", name="pk_desk_settings"),
    )  # fmt: skip


def _create_notices() -> None:
    op.create_table(
        "notices",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        _text("kind"), _text("subject"), _text("target"), sa.Column("body", sa.JSON(), nullable=False), _text("state"),
        _text("lease_owner"), sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False), _instant("next_try_at"),
        sa.Column("code", sa.Integer(), nullable=False), _text("reply_text"), _instant("created_at"),
        sa.CheckConstraint("state IN ('waiting', 'done', 'failed')", name="state"),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        sa.UniqueConstraint("target", "kind", "subject", name="uq_notices_target_kind_subject"),
    )  # fmt: skip
    op.create_index("ix_notices_state_next_try_at", "notices", ["state", "next_try_at"])
    op.create_index("ix_notices_created_at", "notices", ["created_at"])


def _index_people() -> None:
    """What the desk looks people and their mails up by, a page at a time."""
    kind = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.add_column("subscribers", sa.Column("folded", kind, nullable=False, server_default=sa.text("''")))
    op.execute("UPDATE subscribers SET folded = lower(email)")
    op.create_index("ix_subscribers_folded", "subscribers", ["folded"])
    op.drop_index("ix_subscriptions_newsletter_state", "subscriptions")
    op.create_index("ix_subscriptions_newsletter_state_id", "subscriptions", ["newsletter", "state", "id"])
    op.create_index("ix_subscriptions_state_id", "subscriptions", ["state", "id"])
    op.drop_index("ix_deliveries_issue_id_state_next_try_at", "deliveries")
    op.create_index(
        "ix_deliveries_issue_id_state_next_try_at_id", "deliveries", ["issue_id", "state", "next_try_at", "id"]
    )
    op.create_index("ix_letters_subscriber_id", "letters", ["subscriber_id"])
    op.create_index("ix_bounces_address_hash", "bounces", ["address_hash"])


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _instant(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def _belongs(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["account_id"], ["accounts.id"], name=f"fk_{table}_account_id_accounts", ondelete="CASCADE"
    )
