"""Every table. The migrations build the same (a test compares them). Never holds a statement.

Column types are chosen once for both databases. Texts are never NULL (empty means none); instants may be, where
they can be missing.
"""

from __future__ import annotations

from typing import Any, get_args

import sqlalchemy as sa

from aggregator.model.feed import FeedState, HubState, Origin
from aggregator.model.newsletter import IssueState, Section
from aggregator.model.subscriber import DeliveryState, SubscriptionState
from aggregator.model.tag import Field, TagKind
from aggregator.storage.engine import UTC, Opaque

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: 64 bits everywhere; SQLite numbers rows by itself only when the type says exactly INTEGER.
_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _id() -> sa.Column[int]:
    return sa.Column("id", _Id, primary_key=True, autoincrement=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False)


def _later_text(name: str) -> sa.Column[str]:
    """A text that came with a later revision: what was stored before has none."""
    return sa.Column(name, sa.Text, nullable=False, server_default=sa.text("''"))


def _later_number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default="0")


def _instant(name: str, *, optional: bool = False) -> sa.Column[Any]:
    return sa.Column(name, UTC, nullable=optional)


def _points_to(name: str, target: str, *, optional: bool = False, cascade: bool = False) -> sa.Column[int]:
    return sa.Column(name, _Id, sa.ForeignKey(target, ondelete="CASCADE" if cascade else None), nullable=optional)


def _one_of(column: str, words: object) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{column} IN ({', '.join(repr(word) for word in get_args(words))})", name=column)


#: Facts about this installation, as JSON by name.
meta = sa.Table(
    "meta", metadata, sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.JSON, nullable=False)
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    _text("owner"),
    _instant("lease_until"),
    _number("fence"),
)

feeds = sa.Table(
    "feeds",
    metadata,
    _id(),
    # What the editor asked for.
    sa.Column("url", sa.Text, nullable=False, unique=True),
    _text("origin"),
    _text("spec_title"),
    _text("spec_language"),
    sa.Column("weight", sa.Double, nullable=False),
    sa.Column("spec_tags", sa.JSON, nullable=False),
    sa.Column("interval_seconds", sa.Integer, nullable=True),
    sa.Column("headers", sa.JSON, nullable=False),
    _text("url_prefix"),
    _text("state"),
    _text("paused_reason"),
    _instant("added_at"),
    _instant("removed_at", optional=True),
    # What the publisher says.
    _text("title"),
    _text("site_url"),
    _text("language"),
    _text("atom_id"),
    _text("rights"),
    _text("author"),
    _instant("feed_updated_at", optional=True),
    # How fetching goes.
    sa.Column("etag", Opaque, nullable=False),
    sa.Column("last_modified", Opaque, nullable=False),
    _text("body_hash"),
    _instant("last_fetched_at", optional=True),
    sa.Column("last_status", sa.Integer, nullable=True),
    _instant("first_imported_at", optional=True),
    _instant("next_due_at"),
    _text("next_due_reason"),
    _number("failures"),
    _text("failure_class"),
    _text("failure_reason"),
    _instant("claimed_until", optional=True),
    # Since revision 0002: what the editor asked for.
    sa.Column("page", sa.JSON, nullable=True),
    _later_text("list_url"),
    # Since revision 0002: how fetching goes.
    _later_text("host_key"),
    sa.Column("hints", sa.JSON, nullable=True),
    sa.Column("arrivals", sa.JSON, nullable=True),
    _later_number("document_entries"),
    _later_number("largest_document"),
    _later_text("moved_url"),
    _instant("moved_since", optional=True),
    _later_number("moved_times"),
    _instant("gone_since", optional=True),
    _later_number("strikes"),
    _later_text("alarm"),
    sa.Column("slices", sa.LargeBinary, nullable=True),
    _one_of("origin", Origin),
    _one_of("state", FeedState),
    sa.Index(None, "state", "next_due_at", "id"),
    sa.Index(None, "host_key"),
    sqlite_autoincrement=True,
)

#: Hosts that asked for a pause; their feeds are not due before it ends.
hosts = sa.Table(
    "hosts",
    metadata,
    sa.Column("host_key", sa.Text, primary_key=True),
    _instant("frozen_until"),
    _text("reason"),
)

#: One row a fetch, bounded by number and age.
fetch_log = sa.Table(
    "fetch_log",
    metadata,
    _id(),
    _points_to("feed_id", "feeds.id", cascade=True),
    _instant("at"),
    sa.Column("status", sa.Integer, nullable=True),
    _text("failure_class"),
    _text("failure_reason"),
    sa.Column("not_modified", sa.Boolean, nullable=False),
    sa.Column("received_bytes", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    _number("new"),
    _number("changed"),
    _number("unchanged"),
    _number("rejected"),
    _number("folded"),
    sa.Column("warnings", sa.JSON, nullable=False),
    _instant("next_due_at"),
    _text("next_due_reason"),
    sa.Index(None, "feed_id", "id"),
    sa.Index(None, "at"),
)

#: Subscriptions at hubs (WebSub), one a feed.
hubs = sa.Table(
    "hubs",
    metadata,
    sa.Column("feed_id", _Id, sa.ForeignKey("feeds.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    _text("hub_url"),
    _text("topic_url"),
    # What the callback's address ends with; unguessable.
    sa.Column("token", sa.Text, nullable=False, unique=True),
    # Of the hub's signatures (WebSub 7).
    _text("secret"),
    _text("state"),
    _text("reason"),
    _instant("lease_until", optional=True),
    _instant("next_try_at"),
    _number("tries"),
    # When it last delivered, and how often a check found what it had not.
    _instant("pushed_at", optional=True),
    _number("misses"),
    _one_of("state", HubState),
    sa.Index(None, "next_try_at"),
)

#: Lists of feeds on the web (OPML) that are followed.
lists = sa.Table(
    "lists",
    metadata,
    sa.Column("url", sa.Text, primary_key=True),
    sa.Column("etag", Opaque, nullable=False),
    sa.Column("last_modified", Opaque, nullable=False),
    _text("body_hash"),
    _instant("last_fetched_at", optional=True),
    _instant("next_due_at"),
    _number("failures"),
    _text("failure_reason"),
)

stories = sa.Table(
    "stories",
    metadata,
    _id(),
    sa.Column("atom_id", sa.Text, nullable=False, unique=True),
    # No foreign key: entries point here already, and two tables that need each other cannot be made or copied in order.
    sa.Column("lead_entry_id", _Id, nullable=False),
    # NULL: to be reckoned (anew), because its entries have changed.
    sa.Column("score", sa.Double, nullable=True),
    sa.Column("reasons", sa.JSON, nullable=False),
    _instant("created_at"),
    _instant("updated_at"),
    _points_to("merged_into", "stories.id", optional=True),
    sa.Index(None, "lead_entry_id"),
    sa.Index(None, "merged_into"),
    sa.Index(None, "score"),
    sqlite_autoincrement=True,
)

entries = sa.Table(
    "entries",
    metadata,
    _id(),
    _points_to("feed_id", "feeds.id"),
    _text("key"),
    # blake2b-128 of the key: keys are as long as publishers like, index rows of PostgreSQL are not.
    sa.Column("key_hash", sa.LargeBinary, nullable=False),
    _text("content_hash"),
    _text("guid"),
    sa.Column("atom_id", sa.Text, nullable=False, unique=True),
    _text("url"),
    _text("canonical_url"),
    _text("title"),
    _text("author"),
    _text("language"),
    _text("excerpt"),
    _number("reading_minutes"),
    sa.Column("categories", sa.JSON, nullable=False),
    sa.Column("enclosures", sa.JSON, nullable=False),
    _instant("published_at", optional=True),
    _instant("updated_at", optional=True),
    _instant("first_seen_at"),
    _instant("changed_at"),
    _instant("effective_at"),
    sa.Column("backlog", sa.Boolean, nullable=False),
    _points_to("story_id", "stories.id", optional=True),
    sa.UniqueConstraint("feed_id", "key_hash"),
    sa.Index(None, "effective_at", "id"),
    sa.Index(None, "feed_id", "effective_at"),
    sa.Index(None, "story_id"),
    sqlite_autoincrement=True,
)

#: The long parts of an entry, apart from it so that lists stay quick.
contents = sa.Table(
    "contents",
    metadata,
    sa.Column("entry_id", _Id, sa.ForeignKey("entries.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    _number("policy_version"),
    _text("content_html"),
    sa.Column("parsed", sa.LargeBinary, nullable=False),
    sa.Index(None, "policy_version"),
)

#: What an entry said before its edits, the latest few.
entry_versions = sa.Table(
    "entry_versions",
    metadata,
    _id(),
    _points_to("entry_id", "entries.id", cascade=True),
    _instant("replaced_at"),
    _text("content_hash"),
    sa.Column("parsed", sa.LargeBinary, nullable=False),
    sa.Index(None, "entry_id", "id"),
)

#: Entries that are stored and wait for their tags.
entry_changes = sa.Table(
    "entry_changes",
    metadata,
    sa.Column("entry_id", _Id, sa.ForeignKey("entries.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    _instant("changed_at"),
)

entry_tags = sa.Table(
    "entry_tags",
    metadata,
    sa.Column("entry_id", _Id, sa.ForeignKey("entries.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    _text("slug"),
    _text("kind"),
    _text("field"),
    _text("found"),
    _text("rule"),
    _number("count"),
    # The entry's own, which never changes: a tag's page is read from one index.
    _instant("effective_at"),
    _one_of("kind", TagKind),
    _one_of("field", Field),
    sa.Index(None, "slug", "effective_at", "entry_id"),
)

issues = sa.Table(
    "issues",
    metadata,
    _id(),
    _text("newsletter"),
    _text("slug"),
    _instant("slot_at"),
    _instant("window_start"),
    _instant("window_end"),
    _text("state"),
    _text("reason"),
    _text("subject"),
    _instant("created_at"),
    _instant("frozen_at", optional=True),
    _instant("sent_at", optional=True),
    _one_of("state", IssueState),
    sa.UniqueConstraint("newsletter", "slot_at"),
    sa.UniqueConstraint("newsletter", "slug"),
    sqlite_autoincrement=True,
)

#: The frozen bytes of an issue.
renderings = sa.Table(
    "renderings",
    metadata,
    sa.Column("issue_id", _Id, sa.ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    _text("preheader"),
    _text("mail_html"),
    _text("mail_text"),
    _text("web_html"),
)

issue_stories = sa.Table(
    "issue_stories",
    metadata,
    sa.Column("issue_id", _Id, sa.ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    _points_to("story_id", "stories.id"),
    _text("section"),
    _one_of("section", Section),
    sa.Index(None, "story_id"),
)

issue_entries = sa.Table(
    "issue_entries",
    metadata,
    sa.Column("issue_id", _Id, sa.ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    sa.Column("entry_id", _Id, sa.ForeignKey("entries.id"), primary_key=True, autoincrement=False),
    _number("story_position"),
    _number("position"),
    sa.Index(None, "entry_id"),
)

subscribers = sa.Table(
    "subscribers",
    metadata,
    _id(),
    _text("email"),
    # SHA-256 of the normalised address, hex: what suppressions know a person by.
    sa.Column("address_hash", sa.Text, nullable=False, unique=True),
    _instant("created_at"),
    sqlite_autoincrement=True,
)

subscriptions = sa.Table(
    "subscriptions",
    metadata,
    _id(),
    _points_to("subscriber_id", "subscribers.id"),
    _text("newsletter"),
    _text("state"),
    sa.Column("public_id", sa.Text, nullable=False, unique=True),
    _text("language"),
    sa.Column("topics", sa.JSON, nullable=False),
    _text("consent"),
    _instant("created_at"),
    _instant("confirmed_at", optional=True),
    _instant("ended_at", optional=True),
    _text("ended_reason"),
    _one_of("state", SubscriptionState),
    sa.UniqueConstraint("subscriber_id", "newsletter"),
    sa.Index(None, "newsletter", "state"),
    sqlite_autoincrement=True,
)

#: Addresses that get no mail, whoever adds them again; kept when the person is forgotten.
suppressions = sa.Table(
    "suppressions",
    metadata,
    sa.Column("address_hash", sa.Text, primary_key=True),
    _text("reason"),
    _instant("created_at"),
)

#: The ledger: one row for each issue and subscriber, whatever happens to the mail.
deliveries = sa.Table(
    "deliveries",
    metadata,
    _id(),
    _points_to("issue_id", "issues.id"),
    _points_to("subscriber_id", "subscribers.id"),
    _points_to("subscription_id", "subscriptions.id"),
    _text("address"),
    _text("state"),
    _text("lease_owner"),
    _instant("lease_until", optional=True),
    _number("fence"),
    _number("attempts"),
    # How often the dot was sent, no answer seen, and the mail sent again.
    _number("uncertain"),
    _instant("next_try_at"),
    _number("code"),
    _text("reply_text"),
    _instant("created_at"),
    _instant("changed_at"),
    _one_of("state", DeliveryState),
    sa.UniqueConstraint("issue_id", "subscriber_id"),
    sa.Index(None, "issue_id", "state", "next_try_at"),
    sa.Index(None, "state", "lease_until"),
    sa.Index(None, "subscription_id"),
    sqlite_autoincrement=True,
)
