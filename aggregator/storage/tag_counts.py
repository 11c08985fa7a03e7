"""How often tags were put on entries of late, week by week, and on what. Never counts without bounds."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from itertools import pairwise

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import EntryId
from aggregator.storage.schema import entries, entry_tags

_WEEK = timedelta(weeks=1)


def count_weeks(conn: Connection, *, until: datetime, weeks: int) -> dict[str, tuple[int, ...]]:
    """slug -> entries in each of so many times seven days before ``until``, oldest first. Not for a page.

    An entry bears a tag once. Those that rules hide are counted, too.
    """
    at = entry_tags.c.effective_at
    ends = [until - number * _WEEK for number in range(weeks, -1, -1)]
    # All weeks in one walk along the index of slugs and instants: there is none of instants alone.
    columns = [sa.func.sum(sa.case((sa.and_(at >= since, at < end), 1), else_=0)) for since, end in pairwise(ends)]
    query = sa.select(entry_tags.c.slug, *columns).where(at >= ends[0], at < until).group_by(entry_tags.c.slug)
    return {row[0]: tuple(int(number) for number in row[1:]) for row in conn.execute(query)}


def list_newest(conn: Connection, slug: str, *, limit: int) -> tuple[EntryId, ...]:
    """Of entries that bear a tag, newest first."""
    order = (entry_tags.c.effective_at.desc(), entry_tags.c.entry_id.desc())
    query = sa.select(entry_tags.c.entry_id).where(entry_tags.c.slug == slug).order_by(*order).limit(limit)
    return tuple(EntryId(number) for number in conn.execute(query).scalars())


def list_titles(conn: Connection, ids: Collection[EntryId]) -> dict[EntryId, str]:
    """Of these entries."""
    query = sa.select(entries.c.id, entries.c.title).where(entries.c.id.in_(sorted(ids)))
    return {EntryId(number): title for number, title in conn.execute(query)}


def list_new_titles(conn: Connection, *, limit: int) -> tuple[tuple[EntryId, int, str, str], ...]:
    """(number, feed, title, language) of the entries that came last and are shown, newest first."""
    query = sa.select(entries.c.id, entries.c.feed_id, entries.c.title, entries.c.language)
    newest = query.where(sa.not_(entries.c.hidden)).order_by(entries.c.id.desc()).limit(limit)
    return tuple((EntryId(row.id), row.feed_id, row.title, row.language) for row in conn.execute(newest))
