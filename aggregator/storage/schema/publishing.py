"""Tables of what we publish: archives that never change, what the hub was told. Never of what is in the news."""

from __future__ import annotations

import sqlalchemy as sa

from aggregator.storage.schema.columns import Id, instant, metadata, number, text

#: Weeks that are over, with what stood in them (RFC 5005 4).
archives = sa.Table(
    "archives",
    metadata,
    # ISO 8601, in UTC: ``2025-W49``. By its letters it stands in the order of time.
    sa.Column("week", sa.Text, primary_key=True),
    instant("closed_at"),
    # What it was made with: another address of the site, or another version of the packing, makes it anew.
    text("made_with"),
    number("item_count"),
    # The combined feed's document, and the items of all feeds of that week; both compressed.
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("packed_items", sa.LargeBinary, nullable=False),
)

#: Of what feeds there is something in an archive: ``all``, ``tag:openai``, ``language:ja``, ``feed:12``.
archive_scopes = sa.Table(
    "archive_scopes",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("week", sa.Text, sa.ForeignKey("archives.week", ondelete="CASCADE"), primary_key=True),
    sa.Index(None, "week"),
)

#: The entries that an archive tells of: when readers may not see one of them any more, it is made anew. No reference
#: to the entry: an archive outlives what is pruned.
archive_entries = sa.Table(
    "archive_entries",
    metadata,
    sa.Column("week", sa.Text, sa.ForeignKey("archives.week", ondelete="CASCADE"), primary_key=True),
    sa.Column("entry_id", Id, primary_key=True, autoincrement=False),
    sa.Index(None, "entry_id"),
)

#: What the hub was told of each of our feeds, and when it is to be told next.
announcements = sa.Table(
    "announcements",
    metadata,
    # Its path: ``/feed.atom``.
    sa.Column("path", sa.Text, primary_key=True),
    # Of what stood in it when the hub was told; empty: it never was.
    text("fingerprint"),
    instant("told_at", optional=True),
    # NULL: nothing to tell.
    instant("next_try_at", optional=True),
    number("tries"),
    text("reason"),
    sa.Index(None, "next_try_at"),
)
