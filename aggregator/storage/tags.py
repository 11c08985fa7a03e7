"""Tags as entries bear them: counted, by day, with their evidence. Never knows the taxonomy."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.tag import TagKind
from aggregator.storage.engine import iter_chunks
from aggregator.storage.schema import entries, entry_tags

_DAY = timedelta(days=1)


def list_tags(
    conn: Connection, *, since: datetime | None = None, until: datetime | None = None
) -> tuple[tuple[str, TagKind, int], ...]:
    """(slug, kind, number of entries) of every tag that some entry of [since, until) bears, most used first."""
    query = _count()
    if since is not None:
        query = query.where(entry_tags.c.effective_at >= since)
    if until is not None:
        query = query.where(entry_tags.c.effective_at < until)
    return tuple((slug, kind, count) for slug, kind, count in conn.execute(query))


def count_by_day(
    conn: Connection, *, since: datetime, until: datetime, limit: int
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """(slug, entries per day) of the ``limit`` (0: all) most used tags of [since, until), most used first.

    A day is 24 hours counted from ``since``, oldest first; the last may be shorter.
    """
    window = (entry_tags.c.effective_at >= since, entry_tags.c.effective_at < until, _is_shown())
    top = _count().where(*window)
    if limit:
        top = top.limit(limit)
    days = {slug: [0] * -((since - until) // _DAY) for slug, _, _ in conn.execute(top)}
    for some in iter_chunks(sorted(days)):
        query = sa.select(entry_tags.c.slug, entry_tags.c.entry_id, entry_tags.c.effective_at).distinct()
        for slug, _, effective_at in conn.execute(query.where(*window, entry_tags.c.slug.in_(some))):
            days[slug][(effective_at - since) // _DAY] += 1
    return tuple((slug, tuple(counts)) for slug, counts in days.items())


def _is_shown() -> sa.ColumnElement[bool]:
    """Those of entries that the editor's rules keep from readers are not counted. They are few, and have an index."""
    return entry_tags.c.entry_id.not_in(sa.select(entries.c.id).where(entries.c.hidden))


def _count() -> sa.Select[Any]:
    number = sa.func.count(entry_tags.c.entry_id.distinct())
    # A tag has one kind; `max` only says so to the database.
    query = (
        sa.select(entry_tags.c.slug, sa.func.max(entry_tags.c.kind), number)
        .where(_is_shown())
        .group_by(entry_tags.c.slug)
    )
    return query.order_by(number.desc(), entry_tags.c.slug)
