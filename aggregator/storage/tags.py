"""Tags as entries bear them: counted, by day, with their evidence. Never knows the taxonomy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.tag import TagKind
from aggregator.storage.engine import iter_chunks
from aggregator.storage.schema import entries, entry_tags

_DAY, _WEEK = timedelta(days=1), timedelta(weeks=1)
#: Counted by one statement, which has a column for each: the first issue of all looks back for years.
_DAYS = 100


def list_tags(
    conn: Connection, *, since: datetime | None = None, until: datetime | None = None
) -> tuple[tuple[str, TagKind, int], ...]:
    """(slug, kind, number of entries) of every tag that some entry of [since, until) bears, most used first."""
    query = _count(since, until)
    return tuple((slug, kind, count) for slug, kind, count in conn.execute(query))


def count_by_day(
    conn: Connection, *, since: datetime, until: datetime, limit: int
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """(slug, entries per day) of the ``limit`` (0: all) most used tags of [since, until), most used first.

    A day is 24 hours counted from ``since``, oldest first; the last may be shorter.
    """
    top = _count(since, until)
    if limit:
        top = top.limit(limit)
    slugs = [slug for slug, _, _ in conn.execute(top)]
    starts = [since + _DAY * number for number in range(-((since - until) // _DAY))]
    days: dict[str, list[int]] = {slug: [] for slug in slugs}
    for part in iter_chunks(starts, _DAYS):
        counted = _count_days(conn, slugs, part, until)
        for slug, by_day in days.items():
            by_day += counted.get(slug, [0] * len(part))
    return tuple((slug, tuple(by_day)) for slug, by_day in days.items() if any(by_day))


def _count_days(
    conn: Connection, slugs: Sequence[str], starts: Sequence[datetime], until: datetime
) -> dict[str, list[int]]:
    """Of each tag that is there, entries of each day that begins with one of ``starts``."""
    at = entry_tags.c.effective_at
    window = (at >= starts[0], at < min(starts[-1] + _DAY, until), _is_shown())
    days: dict[str, list[int]] = {}
    for some in iter_chunks(slugs):
        # An entry has as many rows as there are reasons for its tag.
        found = sa.select(entry_tags.c.slug, entry_tags.c.entry_id, at).distinct()
        rows = found.where(*window, entry_tags.c.slug.in_(some)).subquery()
        day = [(rows.c.effective_at >= start, rows.c.effective_at < start + _DAY) for start in starts]
        counts = [sa.func.sum(sa.case((sa.and_(*bounds), 1), else_=0)) for bounds in day]
        for slug, *by_day in conn.execute(sa.select(rows.c.slug, *counts).group_by(rows.c.slug)):
            days[slug] = list(map(int, by_day))
    return days


def count_by_week(conn: Connection, slug: str, *, until: datetime, weeks: int, now: datetime) -> tuple[int, ...]:
    """Entries that readers see ``now`` with tag ``slug``, in each of ``weeks`` times seven days before ``until``."""
    start = until - weeks * _WEEK
    at = entry_tags.c.effective_at
    # Counted where they lie: of a tag that all the world bears, three months are a million rows.
    query = sa.select(sa.func.count(entry_tags.c.entry_id.distinct())).where(entry_tags.c.slug == slug, _is_shown())
    ends = [start + number * _WEEK for number in range(weeks + 1)]
    return tuple(
        conn.execute(query.where(at >= since, at < min(end, now))).scalar_one() for since, end in pairwise(ends)
    )


def _is_shown() -> sa.ColumnElement[bool]:
    """Those of entries that the editor's rules keep from readers are not counted. They are few, and have an index."""
    return entry_tags.c.entry_id.not_in(sa.select(entries.c.id).where(entries.c.hidden))


def _count(since: datetime | None, until: datetime | None) -> sa.Select[Any]:
    number = sa.func.count(entry_tags.c.entry_id.distinct()).label("number")
    counted = sa.select(entry_tags.c.slug, number).group_by(entry_tags.c.slug)
    if since is not None:
        # A few days hold few entries: their tags are found by them.
        within = sa.select(entries.c.id).where(entries.c.effective_at >= since, sa.not_(entries.c.hidden))
        if until is not None:
            within = within.where(entries.c.effective_at < until)
        counted = counted.where(entry_tags.c.entry_id.in_(within))
    else:
        # Slug, time and entry stand in one index: millions of rows are counted without looking at one of them...
        counted = counted.where(_is_shown())
        if until is not None:
            counted = counted.where(entry_tags.c.effective_at < until)
    # ... but the kind is not in it. A tag has one; any of its rows tells it.
    found, rows = counted.subquery(), entry_tags.alias()
    kind = sa.select(rows.c.kind).where(rows.c.slug == found.c.slug).limit(1).scalar_subquery()
    return sa.select(found.c.slug, kind, found.c.number).order_by(found.c.number.desc(), found.c.slug)
