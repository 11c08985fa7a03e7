"""How much one feed published that readers see, in all and week by week. Its entries are in `river_pages`."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import FeedId
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
