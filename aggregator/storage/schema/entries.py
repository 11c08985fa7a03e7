"""Tables of what feeds brought: entries with their parts, stories. Never of how it was fetched."""

from __future__ import annotations

import sqlalchemy as sa

from aggregator.model.story import RulingKind
from aggregator.model.tag import Field, TagKind
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

_IS_UNSCORED = sa.text("score IS NULL AND merged_into IS NULL")

stories = sa.Table(
    "stories",
    metadata,
    make_id(),
    sa.Column("atom_id", sa.Text, nullable=False, unique=True),
    # No foreign key: entries point here already, and two tables that need each other cannot be made or copied in order.
    sa.Column("lead_entry_id", Id, nullable=False),
    # NULL: to be reckoned (anew), because its entries have changed.
    sa.Column("score", sa.Double, nullable=True),
    sa.Column("reasons", sa.JSON, nullable=False),
    instant("created_at"),
    instant("updated_at"),
    points_to("merged_into", "stories.id", optional=True),
    # Since revision 0010: what orders stories at whatever time (`pipeline.rank.get_rank`); NULL: never reckoned.
    sa.Column("rank", sa.Double, nullable=True),
    sa.Index(None, "lead_entry_id"),
    sa.Index(None, "merged_into"),
    sa.Index(None, "score"),
    # Since revision 0005: an archive holds the stories of a week.
    sa.Index(None, "created_at"),
    sa.Index(None, "rank"),
    # Of millions that have a score, those that have none are not looked for one by one.
    sa.Index("ix_stories_unscored", "id", sqlite_where=_IS_UNSCORED, postgresql_where=_IS_UNSCORED),
    sqlite_autoincrement=True,
)

_IS_SHARED = sa.text("base_hash IS NOT NULL")

entries = sa.Table(
    "entries",
    metadata,
    make_id(),
    points_to("feed_id", "feeds.id"),
    text("key"),
    # blake2b-128 of the key: keys are as long as publishers like, index rows of PostgreSQL are not.
    sa.Column("key_hash", sa.LargeBinary, nullable=False),
    text("content_hash"),
    text("guid"),
    sa.Column("atom_id", sa.Text, nullable=False, unique=True),
    text("url"),
    text("canonical_url"),
    text("title"),
    text("author"),
    text("language"),
    text("excerpt"),
    number("reading_minutes"),
    sa.Column("categories", sa.JSON, nullable=False),
    sa.Column("enclosures", sa.JSON, nullable=False),
    instant("published_at", optional=True),
    instant("updated_at", optional=True),
    instant("first_seen_at"),
    instant("changed_at"),
    instant("effective_at"),
    sa.Column("backlog", sa.Boolean, nullable=False),
    points_to("story_id", "stories.id", optional=True),
    # Since revision 0002: blake2b-128 of the key that this one shares with others; NULL: the key is its own.
    sa.Column("base_hash", sa.LargeBinary, nullable=True),
    # Since revision 0002: how often it was edited, and since when that is counted.
    later_number("edits"),
    instant("edits_since", optional=True),
    # Since revision 0003: canonical addresses its content links to (NULL: not looked at); how much it is discussed.
    sa.Column("links", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("discussion", sa.Integer, nullable=True),
    # Since revision 0003: what the editor's rules made of it.
    sa.Column("hidden", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("weight", sa.Double, nullable=False, server_default="1"),
    later_text("section"),
    sa.UniqueConstraint("feed_id", "key_hash"),
    sa.Index(None, "feed_id", "base_hash", sqlite_where=_IS_SHARED, postgresql_where=_IS_SHARED),
    sa.Index(None, "effective_at", "id"),
    sa.Index(None, "feed_id", "effective_at"),
    # Since revision 0005: an archive holds the entries of a week.
    sa.Index(None, "first_seen_at"),
    sa.Index(None, "story_id"),
    sa.Index(None, "hidden", sqlite_where=sa.text("hidden = 1"), postgresql_where=sa.text("hidden")),
    sqlite_autoincrement=True,
)

#: The long parts of an entry, apart from it so that lists stay quick.
contents = sa.Table(
    "contents",
    metadata,
    sa.Column("entry_id", Id, sa.ForeignKey("entries.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    number("policy_version"),
    text("content_html"),
    sa.Column("parsed", sa.LargeBinary, nullable=False),
)

#: What an entry said before its edits, the latest few.
entry_versions = sa.Table(
    "entry_versions",
    metadata,
    make_id(),
    points_to("entry_id", "entries.id", cascade=True),
    instant("replaced_at"),
    text("content_hash"),
    sa.Column("parsed", sa.LargeBinary, nullable=False),
    sa.Index(None, "entry_id", "id"),
)

#: Entries that are stored and wait for their tags.
entry_changes = sa.Table(
    "entry_changes",
    metadata,
    sa.Column("entry_id", Id, sa.ForeignKey("entries.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    instant("changed_at"),
)

entry_tags = sa.Table(
    "entry_tags",
    metadata,
    sa.Column("entry_id", Id, sa.ForeignKey("entries.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    text("slug"),
    text("kind"),
    text("field"),
    text("found"),
    text("rule"),
    number("count"),
    # The entry's own, which never changes: a tag's page is read from one index.
    instant("effective_at"),
    one_of("kind", TagKind),
    one_of("field", Field),
    sa.Index(None, "slug", "effective_at", "entry_id"),
)

#: What the editor's rules did to an entry, in their order.
rule_decisions = sa.Table(
    "rule_decisions",
    metadata,
    sa.Column("entry_id", Id, sa.ForeignKey("entries.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    text("rule"),
    text("action"),
    text("value"),
    sa.Index(None, "rule"),
)

#: Why an entry is in its story: the strongest tie to another member. A story's first entry has none.
story_links = sa.Table(
    "story_links",
    metadata,
    sa.Column("entry_id", Id, sa.ForeignKey("entries.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    points_to("other_id", "entries.id", cascade=True),
    sa.Column("strength", sa.Double, nullable=False),
    sa.Column("evidence", sa.JSON, nullable=False),
    sa.Index(None, "other_id"),
)

#: The editor's word about stories, which every regrouping obeys. It names entries: they outlive their stories.
rulings = sa.Table(
    "rulings",
    metadata,
    make_id(),
    text("kind"),
    points_to("entry_id", "entries.id", cascade=True),
    points_to("other_id", "entries.id", optional=True, cascade=True),
    instant("made_at"),
    one_of("kind", RulingKind),
    sa.Index(None, "entry_id"),
    sa.Index(None, "other_id"),
)

#: Vectors of what entries mean, where an encoder is installed (`pipeline.meaning`).
meanings = sa.Table(
    "meanings",
    metadata,
    sa.Column("entry_id", Id, sa.ForeignKey("entries.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    sa.Column("vector", sa.LargeBinary, nullable=False),
)
