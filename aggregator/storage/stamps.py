"""A short hash of all that the page of a story, or of an entry, is made from: pages are made anew when it changes.

Never makes one. Reads everything once, in order, and holds a few dozen bytes for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.storage.schema import entries, entry_tags, feeds, issue_stories, stories

#: What pages show of a feed; the rest of its row changes with every fetch.
_FEED = ("url", "origin", "spec_title", "spec_language", "weight", "state", "title", "site_url", "language", "rights")
_ENTRY = (
    "id", "feed_id", "content_hash", "changed_at", "effective_at", "discussion", "hidden", "weight", "section",
    "backlog", "links", "excerpt", "title", "reading_minutes",
)  # fmt: skip
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


def count(conn: Connection) -> int:
    """How many stories and entries there are, about."""
    numbers = [conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in (stories, entries)]
    return sum(numbers)


def list_stamps(conn: Connection, *, salt: str) -> Stamps:
    """Every page's stamp; ``salt`` stands for what all pages depend on. Twice the same when nothing has changed."""
    named = {number: _hash(salt, *row) for number, *row in conn.execute(_select(feeds, "id", *_FEED))}
    tagged = _hash_tags(conn)
    told: dict[int, str] = {}
    alone: list[tuple[int, int | None, str]] = []
    for story_id, group in groupby(_iter_entries(conn), key=lambda row: row.story_id):
        members = []
        for row in group:
            one = _hash(named.get(row.feed_id), tagged.get(row.id), *row)
            members.append(one)
            if not row.hidden:
                alone.append((row.id, story_id, one))
        if story_id is not None:
            told[story_id] = _hash(*members)
    mailed = _hash_issues(conn)
    columns = ("id", "merged_into", "lead_entry_id", "score", "reasons", "updated_at")
    rows = conn.execute(_select(stories, *columns).order_by(stories.c.id))
    found = {
        row.id: _hash(salt, told.get(row.merged_into or row.id), mailed.get(row.merged_into or row.id), *row)
        for row in rows
    }
    return Stamps(
        stories=tuple(Stamped(id=number, stamp=stamp) for number, stamp in found.items()),
        entries=tuple(
            Stamped(id=number, stamp=_hash(one, found.get(story_id or 0))) for number, story_id, one in sorted(alone)
        ),
    )


def _select(table: sa.Table, *names: str) -> sa.Select[Any]:
    return sa.select(*(table.c[name] for name in names))


def _iter_entries(conn: Connection) -> Iterator[Any]:
    query = _select(entries, "story_id", *_ENTRY).order_by(entries.c.story_id, entries.c.id)
    yield from conn.execute(query, execution_options=_STREAMED)


def _hash_tags(conn: Connection) -> dict[int, str]:
    query = sa.select(entry_tags).order_by(entry_tags.c.entry_id, entry_tags.c.position)
    rows = conn.execute(query, execution_options=_STREAMED)
    return {number: _hash(*map(tuple, group)) for number, group in groupby(rows, key=lambda row: int(row.entry_id))}


def _hash_issues(conn: Connection) -> dict[int, str]:
    query = sa.select(issue_stories).order_by(issue_stories.c.story_id)
    rows = conn.execute(query, execution_options=_STREAMED)
    by_story = groupby(rows, key=lambda row: int(row.story_id))
    return {number: _hash(*sorted(map(repr, map(tuple, group)))) for number, group in by_story}


def _hash(*parts: object) -> str:
    return blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
