"""What is done to one stored feed apart from its fetches: pausing it, moving it, noting where it may live now.
Never fetches.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.feed import Move
from aggregator.model.ids import FeedId
from aggregator.storage.engine import lock_name
from aggregator.storage.feed_outcomes import ADDRESSES
from aggregator.storage.feed_rows import NEVER_FAILED, keep_asked, storable
from aggregator.storage.meta import renew_revision
from aggregator.storage.schema import feeds

#: Why a feed is paused that an editor paused without saying why.
BY_HAND = "paused by command"


def pause(conn: Connection, feed_id: FeedId, reason: str = BY_HAND) -> bool:
    """Ask a feed no more until `feeds.resume`, whatever the configuration says. False: it is not active."""
    active = (feeds.c.id == feed_id, feeds.c.state == "active")
    values = {"state": "paused", "paused_reason": storable(reason)}
    paused = bool(conn.execute(sa.update(feeds).where(*active).values(**values)).rowcount)
    if paused:
        renew_revision(conn)
    return paused


def move(conn: Connection, feed_id: FeedId, url: str) -> bool:
    """The feed lives at ``url`` from now on, with its entries and as if it had never failed; due when it was.

    It is still known by the address it was asked for under. What its old server gave it (validators, host, moves) is
    forgotten. False: another feed, even a removed one, has that address.
    """
    lock_name(conn, ADDRESSES)
    url = storable(url)
    taken = sa.select(feeds.c.id).where(feeds.c.url == url, feeds.c.id != feed_id)
    if conn.execute(taken).first() is not None:
        return False
    forgotten = dict.fromkeys(("etag", "last_modified", "host_key", "moved_url"), "")
    unmoved = {"moved_since": None, "moved_times": 0}
    values = {**NEVER_FAILED, **forgotten, **unmoved, "url": url, "asked_url": keep_asked(url)}
    conn.execute(sa.update(feeds).where(feeds.c.id == feed_id, feeds.c.url != url).values(values))
    renew_revision(conn)
    return True


def note_move(conn: Connection, feed_id: FeedId, offered: Move, alarm: str) -> None:
    """Remember where a feed may live now, for the editor to decide; a readable answer of the old address forgets it."""
    values = {
        "moved_url": storable(offered.url),
        "moved_since": offered.first_seen_at,
        "moved_times": offered.times,
        "alarm": storable(alarm),
    }
    conn.execute(sa.update(feeds).where(feeds.c.id == feed_id).values(**values))
