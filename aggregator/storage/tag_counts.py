"""How often tags were put on entries of late, week by week, and on what. Never counts without bounds."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import EntryId
from aggregator.model.tag import TagEvidence
from aggregator.storage.engine import iter_chunks
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


def list_evidence(conn: Connection, slug: str, *, limit: int) -> tuple[tuple[EntryId, TagEvidence], ...]:
    """Of the newest entries that bear a tag, why they do; newest first."""
    # Found along the index first: the rest of a row is read of those alone.
    newest = (
        sa.select(entry_tags.c.entry_id, entry_tags.c.effective_at)
        .where(entry_tags.c.slug == slug)
        .order_by(entry_tags.c.effective_at.desc(), entry_tags.c.entry_id.desc())
        .limit(limit)
    )
    ids = [row.entry_id for row in conn.execute(newest)]
    rows: dict[int, Any] = {}
    for some in iter_chunks(sorted(ids)):
        query = sa.select(entry_tags).where(entry_tags.c.entry_id.in_(some), entry_tags.c.slug == slug)
        rows |= {row.entry_id: row for row in conn.execute(query)}
    return tuple(
        (
            EntryId(number),
            TagEvidence(
                slug=slug, kind=row.kind, field=row.field, found=row.found, rule=row.rule, count=row.count,
            ),
        )
        for number in ids
        if (row := rows.get(number)) is not None
    )  # fmt: skip


def count_beside(conn: Connection, ids: Collection[EntryId]) -> dict[str, int]:
    """slug -> how many of these entries bear it."""
    found: dict[str, int] = {}
    for some in iter_chunks(sorted(ids)):
        query = sa.select(entry_tags.c.slug, sa.func.count()).where(entry_tags.c.entry_id.in_(some))
        for slug, number in conn.execute(query.group_by(entry_tags.c.slug)):
            found[slug] = found.get(slug, 0) + number
    return found


def list_titles(conn: Connection, ids: Collection[EntryId]) -> dict[EntryId, str]:
    """Of these entries."""
    query = sa.select(entries.c.id, entries.c.title).where(entries.c.id.in_(sorted(ids)))
    return {EntryId(number): title for number, title in conn.execute(query)}


def list_new_titles(conn: Connection, *, limit: int) -> tuple[tuple[EntryId, int, str, str], ...]:
    """(number, feed, title, language) of the entries that came last and are shown, newest first."""
    query = sa.select(entries.c.id, entries.c.feed_id, entries.c.title, entries.c.language)
    newest = query.where(sa.not_(entries.c.hidden)).order_by(entries.c.id.desc()).limit(limit)
    return tuple((EntryId(row.id), row.feed_id, row.title, row.language) for row in conn.execute(newest))
