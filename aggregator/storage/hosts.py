"""Hosts that asked for a pause, and what it means for their feeds. Never knows which host a feed is at: rows do."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import FeedId
from aggregator.storage.engine import insert, iter_chunks
from aggregator.storage.feed_claims import put_off
from aggregator.storage.feed_rows import storable
from aggregator.storage.schema import feeds, hosts

#: Feeds that a pause has held back come over so many seconds, not in one second.
SPREAD_SECONDS = 60
#: A pause that ended is shown for so long.
KEPT = timedelta(days=7)


def freeze(conn: Connection, host_key: str, until: datetime, reason: str) -> None:
    """Ask nothing of a host before ``until``; a longer pause that it has already stays.

    Its active feeds are not due before the pause ends (each a little later, by its id). A feed that is being fetched
    right now is left alone: who holds it asks `get_frozen` before the next check is set.
    """
    row = insert(conn, hosts).values(host_key=storable(host_key), frozen_until=until, reason=storable(reason))
    conn.execute(
        row.on_conflict_do_update(
            index_elements=["host_key"],
            set_={"frozen_until": row.excluded.frozen_until, "reason": row.excluded.reason},
            where=hosts.c.frozen_until < row.excluded.frozen_until,
        )
    )
    end, reason = conn.execute(
        sa.select(hosts.c.frozen_until, hosts.c.reason).where(hosts.c.host_key == storable(host_key))
    ).one()
    held = (
        sa.select(feeds.c.id, feeds.c.next_due_at)
        .where(
            feeds.c.host_key == storable(host_key),
            feeds.c.state == "active",
            feeds.c.claimed_until.is_(None),
            feeds.c.next_due_at < end + timedelta(seconds=SPREAD_SECONDS),
        )
        .order_by(feeds.c.id)
        .with_for_update(skip_locked=True)
    )
    put_off(
        conn,
        {
            FeedId(feed_id): later
            for feed_id, due_at in conn.execute(held)
            if due_at < (later := end + timedelta(seconds=feed_id % SPREAD_SECONDS))
        },
        reason=reason,
    )


def get_frozen(conn: Connection, keys: Collection[str], now: datetime) -> dict[str, tuple[datetime, str]]:
    """Those of ``keys`` that are to be left alone now: until when, and why."""
    found: dict[str, tuple[datetime, str]] = {}
    for some in iter_chunks(sorted(set(keys))):
        query = sa.select(hosts).where(hosts.c.host_key.in_(some), hosts.c.frozen_until > now)
        found |= {key: (until, reason) for key, until, reason in conn.execute(query)}
    return found


def prune(conn: Connection, *, now: datetime) -> None:
    """Forget pauses that have ended."""
    conn.execute(sa.delete(hosts).where(hosts.c.frozen_until < now - KEPT))
