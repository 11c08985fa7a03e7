"""Tables of the desk: who may work there, what was done, what it sets beside the configuration. Never of readers."""

from __future__ import annotations

import sqlalchemy as sa

from aggregator.model.account import Role
from aggregator.model.notice import NoticeState
from aggregator.storage.schema.columns import Id, instant, make_id, make_tries, metadata, one_of, points_to, text

accounts = sa.Table(
    "accounts",
    metadata,
    make_id(),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    text("role"),
    # argon2id, with its parameters and salt.
    text("password"),
    text("language"),
    instant("created_at"),
    instant("changed_at"),
    one_of("role", Role),
    sqlite_autoincrement=True,
)

#: Who is logged in, by SHA-256 (hex) of what the cookie holds.
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_hash", sa.Text, primary_key=True),
    points_to("account_id", "accounts.id", cascade=True),
    instant("created_at"),
    instant("seen_at"),
    instant("expires_at"),
    sa.Index(None, "account_id"),
    sa.Index(None, "expires_at"),
)

#: What programs show instead of a login, by SHA-256 (hex).
api_tokens = sa.Table(
    "api_tokens",
    metadata,
    make_id(),
    sa.Column("token_hash", sa.Text, nullable=False, unique=True),
    points_to("account_id", "accounts.id", cascade=True),
    text("label"),
    text("role"),
    instant("created_at"),
    instant("seen_at", optional=True),
    one_of("role", Role),
    sa.Index(None, "account_id"),
    sqlite_autoincrement=True,
)

#: Logins that failed, for the caps: by name, and by network.
login_failures = sa.Table(
    "login_failures",
    metadata,
    make_id(),
    text("key"),
    instant("at"),
    sa.Index(None, "key", "at"),
    sa.Index(None, "at"),
)

#: Who did what, to what, what stood there before. Never changed but for ``undone_by``.
audit = sa.Table(
    "audit",
    metadata,
    make_id(),
    instant("at"),
    text("who"),
    text("action"),
    text("subject"),
    text("title"),
    sa.Column("before", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("after", sa.JSON(none_as_null=True), nullable=True),
    # Of another line here; no reference, for it comes later than what it takes back.
    sa.Column("undone_by", Id, nullable=True),
    sa.Index(None, "subject", "id"),
    sa.Index(None, "at"),
    sqlite_autoincrement=True,
)

#: Sections that the desk sets beside the configuration: ``rules``, ``tags``.
desk_settings = sa.Table(
    "desk_settings",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.JSON, nullable=False),
    instant("made_at"),
    text("made_by"),
)

#: What other programs and people are to be told: one row for each event and who is told of it.
notices = sa.Table(
    "notices",
    metadata,
    make_id(),
    # ``story.new``, ``issue.sent``, ``feed.broken``...
    text("kind"),
    # What it is about, so that it is told once: ``feed:12:2026-11-27``.
    text("subject"),
    # The webhook's address, or ``mail:`` and an address.
    text("target"),
    sa.Column("body", sa.JSON, nullable=False),
    text("state"),
    *make_tries(),
    instant("created_at"),
    one_of("state", NoticeState),
    sa.UniqueConstraint("target", "kind", "subject"),
    sa.Index(None, "state", "next_try_at"),
    sa.Index(None, "created_at"),
)
