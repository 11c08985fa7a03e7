"""What the page of one feed tells: how much it published, week by week, and its entries, a page at a time.

Only entries that readers see; what is in no story yet may still be waiting for the editor's rules. Costs the page, not
what is stored.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.entry import Entry
from aggregator.model.ids import FeedId
from aggregator.storage.entries import EntryQuery, is_shown, list_entries
from aggregator.storage.schema import entries

_WEEK = timedelta(weeks=1)


def count_by_week(conn: Connection, feed_id: FeedId, *, until: datetime, weeks: int) -> tuple[int, ...]:
    """Entries that readers see in each of the last ``weeks`` times seven days before ``until``, oldest first."""
    starts = [until - _WEEK * back for back in range(weeks, 0, -1)]
    # A count for each week is read from the index alone, however much the feed publishes.
    counted = [
        sa.select(sa.func.count())
        .select_from(entries)
        .where(entries.c.feed_id == feed_id, entries.c.effective_at >= start, entries.c.effective_at < start + _WEEK)
        .scalar_subquery()
        for start in starts
    ]
    counts = [int(number) for number in conn.execute(sa.select(*counted)).one()]
    hidden = sa.select(entries.c.effective_at).where(entries.c.hidden, entries.c.feed_id == feed_id)
    for instant in conn.execute(
        hidden.where(entries.c.effective_at >= starts[0], entries.c.effective_at < until)
    ).scalars():
        counts[(instant - starts[0]) // _WEEK] -= 1
    return tuple(counts)


def count_entries(conn: Connection, feed_id: FeedId) -> int:
    """All that readers see of it."""
    query = sa.select(sa.func.count()).where(entries.c.feed_id == feed_id)
    hidden = conn.execute(query.where(entries.c.hidden)).scalar_one()
    return int(conn.execute(query).scalar_one() - hidden)


def list_page(
    conn: Connection, feed_id: FeedId, *, before: Entry | None, limit: int, until: datetime
) -> tuple[Entry, ...]:
    """The newest of the feed's entries before ``until``, or of those that stand below ``before``; at most ``limit``.

    An entry's place never changes, so what stands below one does not shift when new ones arrive.
    """
    query = sa.select(entries.c.id).where(entries.c.feed_id == feed_id, is_shown(), entries.c.story_id.is_not(None))
    query = query.where(entries.c.effective_at < until)
    if before is not None:
        at, number = entries.c.effective_at, entries.c.id
        below = sa.or_(at < before.effective_at, number < before.id)
        query = query.where(at <= before.effective_at, below)
    newest = query.order_by(entries.c.effective_at.desc(), entries.c.id.desc()).limit(limit)
    return list_entries(conn, EntryQuery(ids=tuple(conn.execute(newest).scalars())))
