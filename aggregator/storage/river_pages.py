"""The river a page at a time: every entry that readers see, of one tag, language or feed if asked. Never ranks.

A page is what stands below one entry. An entry's place never changes, so no page shifts when new ones arrive. Costs the
page, not what is stored.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId
from aggregator.storage.entries import EntryQuery, conditions, list_entries
from aggregator.storage.schema import entries, entry_tags


def list_below(conn: Connection, query: EntryQuery, place: Entry | None, *, limit: int) -> tuple[Entry, ...]:
    """The first ``limit`` entries of ``query`` that stand below ``place``, newest first; from the top without one."""
    return list_entries(conn, EntryQuery(ids=_find(conn, query, place, limit=limit, above=False)))


def list_above(conn: Connection, query: EntryQuery, place: Entry, *, limit: int) -> tuple[Entry, ...]:
    """The ``limit`` entries of ``query`` that stand next above ``place``, newest first."""
    return list_entries(conn, EntryQuery(ids=_find(conn, query, place, limit=limit, above=True)))


def _find(conn: Connection, query: EntryQuery, place: Entry | None, *, limit: int, above: bool) -> list[EntryId]:
    """By time and number. Those of a tag are looked up among the tag's own rows, which bear the time, too."""
    rest = conditions(replace(query, tag="", until=None) if query.tag else query)
    at: sa.Column[Any]
    number: sa.Column[Any]
    if query.tag:
        at, number = entry_tags.c.effective_at, entry_tags.c.entry_id
        # One entry bears a tag by several rows: found in its title, in its text.
        chosen = sa.select(number, at).distinct().join(entries, entries.c.id == number)
        chosen = chosen.where(entry_tags.c.slug == query.tag, *rest)
        if query.until is not None:
            chosen = chosen.where(at < query.until)
    else:
        at, number = entries.c.effective_at, entries.c.id
        chosen = sa.select(number, at).where(*rest)
    if place is not None and above:
        chosen = chosen.where(at >= place.effective_at, sa.or_(at > place.effective_at, number > place.id))
    elif place is not None:
        chosen = chosen.where(at <= place.effective_at, sa.or_(at < place.effective_at, number < place.id))
    order = (at.asc(), number.asc()) if above else (at.desc(), number.desc())
    return [EntryId(found) for found, _ in conn.execute(chosen.order_by(*order).limit(limit))]
