"""Entries found by their words, newest first, on both databases. Never makes words, never decides what a reader meant.

`search_index` writes what is searched here; `search_sqlite` and `search_postgresql` ask it, each in its own way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import EntryId
from aggregator.model.search import SearchQuery
from aggregator.storage import search_postgresql, search_sqlite
from aggregator.storage.engine import iter_chunks
from aggregator.storage.entries import is_shown
from aggregator.storage.schema import entries
from aggregator.storage.search_keys import ABOVE_ALL, Hits, find_end

#: More entries are not counted.
COUNT_CAP = 1_000
#: The index is asked for so many at a time, so many times for one page at most: where nearly all that it finds is not
#: what is wanted, a page is short and says where the next one begins.
_ASKED = 200
_TIMES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFound:
    """One page of what was found."""

    #: Newest first, by the minute of ``effective_at``.
    ids: tuple[EntryId, ...] = ()
    #: How many there are, on whichever page one stands: exact, but for entries that are in no story yet...
    count: int = 0
    #: ... or there are at least so many, `COUNT_CAP` as a rule (PostgreSQL counts phrases among the newest).
    is_capped: bool = False
    #: What to give as ``before`` for the next page; None: this is the last one.
    next_before: int | None = None


def search(
    conn: Connection, query: SearchQuery, *, limit: int, before: int | None = None, until: datetime | None = None
) -> SearchFound:
    """Up to ``limit`` entries that readers may see: kept back by no rule, and in a story.

    ``before``: `SearchFound.next_before` of the page before this one; what comes in later moves nothing. ``until``: no
    entry of a later minute; they are counted all the same. A query with a problem finds nothing.
    """
    if query.problem is not None or limit < 1:
        return SearchFound()
    end = ABOVE_ALL if until is None else find_end(until)
    hits = _find(conn, query, end if before is None else min(before, end), limit + 1)
    count, is_capped = _count(conn, query, hits if before is None else None)
    page: list[tuple[int, int]] = []
    for _ in range(_TIMES):
        page += islice(_iter_shown(conn, hits.found, limit + 1), limit + 1 - len(page))
        if len(page) > limit or hits.rest is None:
            break
        hits = _find(conn, query, hits.rest, max(limit + 1, _ASKED))
    return SearchFound(
        ids=tuple(EntryId(number) for _, number in page[:limit]),
        count=count,
        is_capped=is_capped,
        next_before=page[limit - 1][0] if len(page) > limit else hits.rest,
    )


def _count(conn: Connection, query: SearchQuery, first: Hits | None) -> tuple[int, bool]:
    """``first``: what the first page found, where it is known."""
    if first is not None and first.rest is None:
        return min(len(first.found), COUNT_CAP), len(first.found) > COUNT_CAP
    if conn.dialect.name == "sqlite":
        return search_sqlite.count_keys(conn, query, limit=COUNT_CAP)
    return search_postgresql.count_keys(conn, query, limit=COUNT_CAP, first=first)


def _find(conn: Connection, query: SearchQuery, below: int, limit: int) -> Hits:
    find_keys = search_sqlite.find_keys if conn.dialect.name == "sqlite" else search_postgresql.find_keys
    return find_keys(conn, query, limit=limit, below=below)


def _iter_shown(conn: Connection, found: Sequence[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """Those that readers may see; ``size`` at a time are looked up."""
    for some in iter_chunks(found, size):
        query = sa.select(entries.c.id).where(entries.c.id.in_([number for _, number in some]))
        shown = set(conn.scalars(query.where(is_shown(), entries.c.story_id.is_not(None))))
        yield from (hit for hit in some if hit[1] in shown)
