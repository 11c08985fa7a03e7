"""The log of fetches: what each brought, and when the next comes and why. Written with the outcomes, bounded here."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.feed import FetchLogLine
from aggregator.model.ids import FeedId
from aggregator.storage.engine import iter_chunks
from aggregator.storage.meta import get_value, set_value
from aggregator.storage.schema import fetch_log

#: The newest line whose feed has been looked at for having too many.
_SEEN = "fetch_log_pruned_to"
#: Feeds looked at in one statement.
_FEEDS = 200
_SAME = (
    "at", "status", "failure_class", "failure_reason", "not_modified", "received_bytes", "seconds", "new", "changed",
    "unchanged", "rejected", "folded", "next_due_at", "next_due_reason",
)  # fmt: skip


def list_lines(conn: Connection, feed_id: FeedId, limit: int) -> tuple[FetchLogLine, ...]:
    """The newest lines of one feed, newest first."""
    query = sa.select(fetch_log).where(fetch_log.c.feed_id == feed_id).order_by(fetch_log.c.id.desc()).limit(limit)
    return tuple(
        FetchLogLine(warnings=tuple(row["warnings"]), **{name: row[name] for name in _SAME})
        for row in conn.execute(query).mappings()
    )


def prune(conn: Connection, *, now: datetime, keep_days: int = 90, keep_lines: int = 200, limit: int = 5_000) -> bool:
    """Take away what is older than ``keep_days``, and of each feed what is beyond its newest ``keep_lines``.

    Bounded: one call takes at most ``limit`` lines for their age, and looks at the feeds of at most ``limit`` lines
    that were written since the last call; with nothing new and nothing old it costs two looks into an index. True:
    there is more to do, in a transaction of its own.
    """
    cutoff = now - timedelta(days=keep_days)
    old = sa.select(fetch_log.c.id).where(fetch_log.c.at < cutoff).order_by(fetch_log.c.at).limit(limit)
    aged = conn.execute(sa.delete(fetch_log).where(fetch_log.c.id.in_(old))).rowcount
    fresh = sa.select(fetch_log.c.id, fetch_log.c.feed_id).where(fetch_log.c.id > (get_value(conn, _SEEN) or 0))
    rows = conn.execute(fresh.order_by(fetch_log.c.id).limit(limit)).all()
    if rows:
        set_value(conn, _SEEN, rows[-1].id)
    for some in iter_chunks(sorted({row.feed_id for row in rows}), _FEEDS):
        place = sa.func.row_number().over(partition_by=fetch_log.c.feed_id, order_by=fetch_log.c.id.desc())
        placed = sa.select(fetch_log.c.id, place.label("place")).where(fetch_log.c.feed_id.in_(some)).subquery()
        beyond = sa.select(placed.c.id).where(placed.c.place > keep_lines)
        conn.execute(sa.delete(fetch_log).where(fetch_log.c.id.in_(beyond)))
    return aged >= limit or len(rows) >= limit
