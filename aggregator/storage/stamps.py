"""A short hash of all that a page is made from: of a story, of an entry, of the lists of a tag, a feed or a language.
It is made anew when the hash changes. Never makes one; reads everything once, in order, and holds little of each.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.language import get_primary
from aggregator.storage.schema import entries, entry_tags, feeds, issue_stories, stories

#: What pages show of a feed; the rest of its row changes with every fetch.
_FEED = ("url", "origin", "spec_title", "spec_language", "weight", "state", "title", "site_url", "language", "rights")
_ENTRY = (
    "id", "feed_id", "language", "content_hash", "changed_at", "effective_at", "discussion", "hidden", "weight",
    "section", "backlog", "links", "excerpt", "title", "reading_minutes",
)  # fmt: skip
#: What feeds tell of the feed that an entry comes from, and pages do not.
_SOURCE = ("atom_id", "author", "full_content")
#: Of an entry: its source was updated no later than that (`render.items`).
_DATES = ("updated_at", "published_at", "first_seen_at")
_STREAMED = {"yield_per": 2_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamped:
    """The page of story, or entry, ``id``."""

    id: int
    stamp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamps:
    """Of all stories, those that others swallowed included, and of all entries that readers see; by number."""

    stories: tuple[Stamped, ...]
    entries: tuple[Stamped, ...]
    #: Of what lists tell: ``tag:openai``, ``feed:12``, ``language:ja`` (primary tag) -> stamp.
    lists: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Alone:
    """An entry that readers see, and where it is listed."""

    id: int
    story_id: int
    stamp: str
    #: What its lists show beside: hash of the sources of its story.
    sources: str
    lists: tuple[str, ...]


def count(conn: Connection) -> int:
    """How many stories and entries there are, about."""
    numbers = [conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in (stories, entries)]
    return sum(numbers)


def list_stamps(conn: Connection, *, salt: str) -> Stamps:
    """Every page's stamp; ``salt`` stands for what all pages depend on. Twice the same when nothing has changed."""
    told, alone = _read_entries(conn, salt)
    mailed = _hash_issues(conn)
    columns = ("id", "merged_into", "lead_entry_id", "score", "reasons", "updated_at")
    rows = conn.execute(_select(stories, *columns).order_by(stories.c.id))
    found = {
        row.id: _hash(salt, told.get(row.merged_into or row.id), mailed.get(row.merged_into or row.id), *row)
        for row in rows
    }
    stamped = {one.id: _hash(one.stamp, found.get(one.story_id)) for one in alone}
    lists = {key: blake2b(start.encode(), digest_size=12) for key, start in _list_keys(conn)}
    for one in alone:
        for key in one.lists:
            lists.setdefault(key, blake2b(digest_size=12)).update(f"{stamped[one.id]}{one.sources}".encode())
    return Stamps(
        stories=tuple(Stamped(id=number, stamp=stamp) for number, stamp in found.items()),
        entries=tuple(Stamped(id=number, stamp=stamp) for number, stamp in sorted(stamped.items())),
        lists={key: _hash(salt, whole.hexdigest()) for key, whole in sorted(lists.items())},
    )


def _read_entries(conn: Connection, salt: str) -> tuple[dict[int, str], list[_Alone]]:
    """The hash of each story's members, and the entries that readers see."""
    named = {number: _hash(salt, *row) for number, *row in conn.execute(_select(feeds, "id", *_FEED))}
    sources = _read_sources(conn)
    tagged = _hash_tags(conn)
    told: dict[int, str] = {}
    alone: list[_Alone] = []
    for key, group in groupby(_iter_entries(conn), key=lambda row: row.story_id or -row.id):
        rows = list(group)
        beside = _hash(*(_tell_source(sources.get(row.feed_id), row) for row in rows))
        members = []
        for row in rows:
            tags_hash, slugs = tagged.get(row.id, ("", ()))
            stamp = _hash(named.get(row.feed_id), tags_hash, *row[: -len(_DATES)])
            members.append(stamp)
            if not row.hidden:
                keys = (*slugs, f"feed:{row.feed_id}", f"language:{get_primary(row.language)}")
                alone.append(_Alone(row.id, row.story_id or 0, stamp, beside, tuple(map(sys.intern, keys))))
        if key > 0:
            told[key] = _hash(*members)
    return told, alone


def _read_sources(conn: Connection) -> dict[int, tuple[str, datetime | None]]:
    """Feed -> a hash of `_SOURCE`, and when it says that it was updated. Of the editor's headers only that there are
    some: they hide its address."""
    rows = conn.execute(_select(feeds, "id", "feed_updated_at", "headers", *_SOURCE))
    return {number: (_hash(bool(headers), *rest), updated_at) for number, updated_at, headers, *rest in rows}


def _tell_source(source: tuple[str, datetime | None] | None, row: Any) -> tuple[object, ...]:
    """What feeds tell of the source of one entry. Many say "now" whenever they are asked, which ours do not repeat."""
    if source is None:
        return ()
    told, updated_at = source
    own = row.updated_at or row.published_at or row.first_seen_at
    return (told, min(updated_at, own) if updated_at else None)


def _list_keys(conn: Connection) -> list[tuple[str, str]]:
    """What is listed, though nothing of it may be seen just now; and how it stands."""
    slugs = conn.execute(sa.select(entry_tags.c.slug).distinct()).scalars()
    stand = conn.execute(_select(feeds, "id", "state", "failure_class"))
    return [*((f"tag:{slug}", "") for slug in slugs), *((f"feed:{number}", _hash(*rest)) for number, *rest in stand)]


def _select(table: sa.Table, *names: str) -> sa.Select[Any]:
    return sa.select(*(table.c[name] for name in names))


def _iter_entries(conn: Connection) -> Iterator[Any]:
    query = _select(entries, "story_id", *_ENTRY, *_DATES).order_by(entries.c.story_id, entries.c.id)
    yield from conn.execute(query, execution_options=_STREAMED)


def _hash_tags(conn: Connection) -> dict[int, tuple[str, tuple[str, ...]]]:
    """Entry -> a hash of its tags with their evidence, and the keys of their lists."""
    query = sa.select(entry_tags).order_by(entry_tags.c.entry_id, entry_tags.c.position)
    rows = conn.execute(query, execution_options=_STREAMED)
    found = {}
    for number, group in groupby(rows, key=lambda row: int(row.entry_id)):
        evidence = list(group)
        keys = dict.fromkeys(sys.intern(f"tag:{row.slug}") for row in evidence)
        found[number] = (_hash(*map(tuple, evidence)), tuple(keys))
    return found


def _hash_issues(conn: Connection) -> dict[int, str]:
    query = sa.select(issue_stories).order_by(issue_stories.c.story_id)
    rows = conn.execute(query, execution_options=_STREAMED)
    by_story = groupby(rows, key=lambda row: int(row.story_id))
    return {number: _hash(*sorted(map(repr, map(tuple, group)))) for number, group in by_story}


def _hash(*parts: object) -> str:
    return blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
