"""Stored entries, to be read: lists, single ones, their content; `save` writes them. Never cleans, dates or tags."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from aggregator.model.entry import Entry, StoredLink
from aggregator.model.ids import EntryId, FeedId, StoryId
from aggregator.model.parsed import Enclosure, ParsedEntry
from aggregator.model.tag import TagEvidence
from aggregator.storage.engine import iter_chunks
from aggregator.storage.entry_rows import find_unstorable, hash_asked
from aggregator.storage.entry_saving import save
from aggregator.storage.entry_versions import list_versions
from aggregator.storage.packing import unpack_parsed
from aggregator.storage.schema import contents, entries, entry_tags, feeds

__all__ = [
    "EntryQuery",
    "find_known",
    "find_links",
    "find_unstorable",
    "get",
    "get_content_html",
    "get_parsed",
    "get_tags",
    "list_entries",
    "list_versions",
    "save",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryQuery:
    """Which entries: those that meet every condition given."""

    #: Of ``effective_at``, half open: [since, until).
    since: datetime | None = None
    until: datetime | None = None
    #: 0: all.
    limit: int = 0
    feed_id: FeedId | None = None
    tag: str = ""
    #: A primary tag (``pt``) stands for its regions too (``pt-BR``).
    language: str = ""
    #: None: whichever; empty: none at all.
    ids: Collection[EntryId] | None = None
    story_ids: Collection[StoryId] | None = None
    #: Leave out what is in no story yet: it may still be waiting for the editor's rules.
    told_only: bool = False
    #: The same, and what a first import may not bring to the combined feed.
    combined_only: bool = False
    #: What the editor's rules keep from readers: left out unless it is asked for, alone or beside the rest.
    hidden: Literal["out", "only", "too"] = "out"


def find_known(conn: Connection, feed_id: FeedId, keys: Collection[str]) -> dict[str, tuple[EntryId, str]]:
    """Of one feed, those that are stored under ``keys``: key -> (id, hash of the raw parsed fields).

    Complete for comparing: beside a plain key come the keys that entries got which shared it in one document
    (``key#CONTENTHASH``), beside such a one the plain key and its other forms. Costs what is asked, not what is stored.
    """
    found: dict[str, tuple[EntryId, str]] = {}
    hashes = {hashed for key in keys for hashed in hash_asked(key)}
    query = sa.select(entries.c.key, entries.c.id, entries.c.content_hash).where(entries.c.feed_id == feed_id)
    for some in iter_chunks(sorted(hashes)):
        # Each half has an index of its own; the second's holds next to nothing.
        both = sa.union_all(query.where(entries.c.key_hash.in_(some)), query.where(entries.c.base_hash.in_(some)))
        found |= {key: (EntryId(number), content_hash) for key, number, content_hash in conn.execute(both)}
    return found


def find_links(conn: Connection, feed_id: FeedId, limit: int = 2_000) -> tuple[StoredLink, ...]:
    """What the newest entries of a feed can be recognised by when their keys have changed, newest first."""
    names = ("id", "key", "url", "canonical_url", "title", "effective_at", "content_hash")
    query = sa.select(*(entries.c[name] for name in names)).where(entries.c.feed_id == feed_id)
    newest = query.order_by(entries.c.effective_at.desc(), entries.c.id.desc()).limit(limit)
    return tuple(StoredLink(**row) for row in conn.execute(newest).mappings())


def list_entries(conn: Connection, query: EntryQuery) -> tuple[Entry, ...]:
    """Newest ``effective_at`` first, of two at one instant the later stored one."""
    chosen = _select().where(*conditions(query)).order_by(entries.c.effective_at.desc(), entries.c.id.desc())
    if query.limit:
        chosen = chosen.limit(query.limit)
    by_column = [
        (column, sorted(set(wanted)))
        for column, wanted in ((entries.c.id, query.ids), (entries.c.story_id, query.story_ids))
        if wanted is not None
    ]
    rows = _fetch(conn, chosen, by_column)
    if len(rows) > (query.limit or len(rows)):
        rows = rows[: query.limit]
    return _make_entries(conn, rows)


def conditions(query: EntryQuery) -> list[sa.ColumnElement[bool]]:
    """Everything of ``query`` but its lists of ids, as conditions on `entries`."""
    found: list[sa.ColumnElement[bool]] = []
    if query.since is not None:
        found.append(entries.c.effective_at >= query.since)
    if query.until is not None:
        found.append(entries.c.effective_at < query.until)
    if query.feed_id is not None:
        found.append(entries.c.feed_id == query.feed_id)
    if query.tag:
        found.append(entries.c.id.in_(_select_tagged(query)))
    if query.language:
        regions = entries.c.language.startswith(f"{query.language}-", autoescape=True)
        found.append(sa.or_(entries.c.language == query.language, regions))
    if query.combined_only:
        found.append(entries.c.backlog.is_(False))
    if query.told_only or query.combined_only:
        found.append(entries.c.story_id.is_not(None))
    if query.hidden != "too":
        found.append(entries.c.hidden if query.hidden == "only" else is_shown())
    return found


def _select_tagged(query: EntryQuery) -> sa.Select[Any]:
    """The entries of a tag, of the time asked for alone: its rows bear the entry's time."""
    tagged = sa.select(entry_tags.c.entry_id).where(entry_tags.c.slug == query.tag)
    if query.since is not None:
        tagged = tagged.where(entry_tags.c.effective_at >= query.since)
    if query.until is not None:
        tagged = tagged.where(entry_tags.c.effective_at < query.until)
    return tagged


def count_window(conn: Connection, query: EntryQuery) -> tuple[int, int]:
    """How many entries meet the conditions, and of how many feeds they are. Reads each of them."""
    counted = sa.select(sa.func.count(), sa.func.count(entries.c.feed_id.distinct())).select_from(entries)
    row = conn.execute(counted.where(*conditions(query))).one()
    return int(row[0]), int(row[1])


def is_shown() -> sa.ColumnElement[bool]:
    """The condition on `entries` of everything that readers see: the editor's rules do not keep it from them."""
    return sa.not_(entries.c.hidden)


def get(conn: Connection, entry_id: EntryId, *, hidden: Literal["out", "too"] = "out") -> Entry | None:
    """One entry; one that is kept from readers only when it is asked for."""
    found = list_entries(conn, EntryQuery(ids=(entry_id,), hidden=hidden))
    return found[0] if found else None


def get_content_html(conn: Connection, ids: Sequence[EntryId]) -> dict[EntryId, str]:
    """The cleaned content, by id."""
    found: dict[EntryId, str] = {}
    for some in iter_chunks(ids):
        query = sa.select(contents.c.entry_id, contents.c.content_html).where(contents.c.entry_id.in_(some))
        found |= {EntryId(number): html for number, html in conn.execute(query)}
    return found


def get_parsed(conn: Connection, entry_id: EntryId) -> ParsedEntry | None:
    """What the publisher said, as it was parsed; None when there is no such entry."""
    packed = conn.execute(sa.select(contents.c.parsed).where(contents.c.entry_id == entry_id)).scalar()
    return None if packed is None else unpack_parsed(packed)


def _select() -> sa.Select[Any]:
    feed_name = sa.case(
        (feeds.c.spec_title != "", feeds.c.spec_title), (feeds.c.title != "", feeds.c.title), else_=feeds.c.url
    )
    return sa.select(
        *(entries.c[name] for name in _SAME),
        entries.c.categories,
        entries.c.enclosures,
        feeds.c.url.label("feed_url"),
        feed_name.label("feed_name"),
        feeds.c.weight.label("feed_weight"),
    ).join_from(entries, feeds)


#: Columns that a stored entry calls by the same name.
_SAME = (
    "id", "feed_id", "guid", "atom_id", "url", "canonical_url", "title", "author", "language", "excerpt",
    "reading_minutes", "published_at", "updated_at", "first_seen_at", "effective_at", "story_id",
    "discussion", "hidden", "weight", "section",
)  # fmt: skip


def _fetch(
    conn: Connection, chosen: sa.Select[Any], by_column: Sequence[tuple[sa.Column[Any], Sequence[int]]]
) -> list[RowMapping]:
    """Run ``chosen`` once, or once for each part of its longest list of ids: statements have room for so many."""
    if not by_column:
        return list(conn.execute(chosen).mappings())
    *rest, (column, wanted) = sorted(by_column, key=lambda pair: len(pair[1]))
    for other, values in rest:
        chosen = chosen.where(other.in_(values))
    rows = [row for some in iter_chunks(wanted) for row in conn.execute(chosen.where(column.in_(some))).mappings()]
    return sorted(rows, key=lambda row: (row["effective_at"], row["id"]), reverse=True)


def _make_entries(conn: Connection, rows: Sequence[RowMapping]) -> tuple[Entry, ...]:
    evidence = get_tags(conn, [row["id"] for row in rows])
    return tuple(
        Entry(
            feed_url=row["feed_url"],
            feed_name=row["feed_name"],
            feed_weight=row["feed_weight"],
            categories=tuple(row["categories"]),
            tags=evidence.get(row["id"], ()),
            enclosures=tuple(Enclosure(url=url, type=type_, length=length) for url, type_, length in row["enclosures"]),
            **{name: row[name] for name in _SAME},
        )
        for row in rows
    )


def get_tags(conn: Connection, ids: Sequence[EntryId]) -> Mapping[EntryId, tuple[TagEvidence, ...]]:
    """The tags of entries with their evidence, in the order in which the tagger gave them."""
    found: dict[EntryId, list[TagEvidence]] = {}
    for some in iter_chunks(sorted(ids)):
        query = sa.select(entry_tags).where(entry_tags.c.entry_id.in_(some))
        for row in conn.execute(query.order_by(entry_tags.c.entry_id, entry_tags.c.position)).mappings():
            evidence = TagEvidence(**{name: row[name] for name in ("slug", "kind", "field", "found", "rule", "count")})
            found.setdefault(row["entry_id"], []).append(evidence)
    return {entry_id: tuple(tags) for entry_id, tags in found.items()}
