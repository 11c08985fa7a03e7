"""Tables of feeds and of how fetching them goes. Never of what they brought."""

from __future__ import annotations

import sqlalchemy as sa

from aggregator.model.feed import FeedState, HubState, Origin
from aggregator.storage.engine import Opaque
from aggregator.storage.schema.columns import (
    Id,
    instant,
    later_number,
    later_text,
    make_id,
    metadata,
    number,
    one_of,
    points_to,
    text,
)

_HAS_MOVED = sa.text("asked_url <> ''")

feeds = sa.Table(
    "feeds",
    metadata,
    make_id(),
    # What the editor asked for.
    sa.Column("url", sa.Text, nullable=False, unique=True),
    text("origin"),
    text("spec_title"),
    text("spec_language"),
    sa.Column("weight", sa.Double, nullable=False),
    sa.Column("spec_tags", sa.JSON, nullable=False),
    sa.Column("interval_seconds", sa.Integer, nullable=True),
    sa.Column("headers", sa.JSON, nullable=False),
    text("url_prefix"),
    text("state"),
    text("paused_reason"),
    instant("added_at"),
    instant("removed_at", optional=True),
    # What the publisher says.
    text("title"),
    text("site_url"),
    text("language"),
    text("atom_id"),
    text("rights"),
    text("author"),
    instant("feed_updated_at", optional=True),
    # How fetching goes.
    sa.Column("etag", Opaque, nullable=False),
    sa.Column("last_modified", Opaque, nullable=False),
    text("body_hash"),
    instant("last_fetched_at", optional=True),
    sa.Column("last_status", sa.Integer, nullable=True),
    instant("first_imported_at", optional=True),
    instant("next_due_at"),
    text("next_due_reason"),
    number("failures"),
    text("failure_class"),
    text("failure_reason"),
    instant("claimed_until", optional=True),
    # Since revision 0002: what the editor asked for.
    sa.Column("page", sa.JSON(none_as_null=True), nullable=True),
    later_text("list_url"),
    # The address in the editor's words, where the feed has moved since; empty: `url` is.
    later_text("asked_url"),
    # Since revision 0002: how fetching goes.
    later_text("claimed_by"),
    later_text("host_key"),
    sa.Column("hints", sa.JSON(none_as_null=True), nullable=True),
    # Seconds since 1970, newest first.
    sa.Column("arrivals", sa.JSON(none_as_null=True), nullable=True),
    later_number("document_entries"),
    later_number("largest_document"),
    later_text("moved_url"),
    instant("moved_since", optional=True),
    later_number("moved_times"),
    instant("gone_since", optional=True),
    later_number("strikes"),
    later_text("alarm"),
    # Since revision 0003: where in a JSON feed's items stands how much they are discussed.
    later_text("points"),
    # Since revision 0005: what the editor asked for.
    sa.Column("full_content", sa.Boolean, nullable=False, server_default=sa.false()),
    # Since revision 0011: what the desk says in place of what was asked for, by column.
    sa.Column("edits", sa.JSON(none_as_null=True), nullable=True),
    one_of("origin", Origin),
    one_of("state", FeedState),
    sa.Index(None, "state", "next_due_at", "id"),
    sa.Index(None, "host_key"),
    sa.Index(None, "asked_url", sqlite_where=_HAS_MOVED, postgresql_where=_HAS_MOVED),
    sqlite_autoincrement=True,
)

#: What a feed's next document is held against, apart from it: its row is written at every check, this at few.
feed_slices = sa.Table(
    "feed_slices",
    metadata,
    sa.Column("feed_id", Id, sa.ForeignKey("feeds.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    sa.Column("slices", sa.LargeBinary, nullable=False),
)

#: Hosts that asked for a pause; their feeds are not due before it ends.
hosts = sa.Table(
    "hosts",
    metadata,
    sa.Column("host_key", sa.Text, primary_key=True),
    instant("frozen_until"),
    text("reason"),
)

#: Which process may ask a host's feeds: nobody else claims one of them meanwhile.
host_leases = sa.Table(
    "host_leases",
    metadata,
    sa.Column("host_key", sa.Text, primary_key=True),
    text("owner"),
    instant("lease_until"),
)

#: One row a fetch, bounded by number and age.
fetch_log = sa.Table(
    "fetch_log",
    metadata,
    make_id(),
    points_to("feed_id", "feeds.id", cascade=True),
    instant("at"),
    sa.Column("status", sa.Integer, nullable=True),
    text("failure_class"),
    text("failure_reason"),
    sa.Column("not_modified", sa.Boolean, nullable=False),
    sa.Column("received_bytes", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    number("new"),
    number("changed"),
    number("unchanged"),
    number("rejected"),
    number("folded"),
    sa.Column("warnings", sa.JSON, nullable=False),
    instant("next_due_at"),
    text("next_due_reason"),
    sa.Index(None, "feed_id", "id"),
    sa.Index(None, "at"),
)

#: Subscriptions at hubs (WebSub), one a feed.
hubs = sa.Table(
    "hubs",
    metadata,
    sa.Column("feed_id", Id, sa.ForeignKey("feeds.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    text("hub_url"),
    text("topic_url"),
    # What the callback's address ends with; unguessable.
    sa.Column("token", sa.Text, nullable=False, unique=True),
    # Of the hub's signatures (WebSub 7).
    text("secret"),
    text("state"),
    text("reason"),
    instant("lease_until", optional=True),
    instant("next_try_at"),
    number("tries"),
    # When it last delivered, and how often a check found what it had not.
    instant("pushed_at", optional=True),
    number("misses"),
    one_of("state", HubState),
    sa.Index(None, "next_try_at"),
)

#: Lists of feeds on the web (OPML) that are followed.
lists = sa.Table(
    "lists",
    metadata,
    sa.Column("url", sa.Text, primary_key=True),
    sa.Column("etag", Opaque, nullable=False),
    sa.Column("last_modified", Opaque, nullable=False),
    text("body_hash"),
    instant("last_fetched_at", optional=True),
    instant("next_due_at"),
    number("failures"),
    text("failure_reason"),
)
