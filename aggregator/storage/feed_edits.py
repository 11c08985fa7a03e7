"""What is done to one stored feed apart from its fetches: pausing it, moving it, saying other things of it,
noting where it may live now.
Never fetches.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.feed import Feed, Move
from aggregator.model.feed_edit import EditedField, FeedEdit, get_field, set_field
from aggregator.model.ids import FeedId
from aggregator.storage.engine import lock_name
from aggregator.storage.feed_outcomes import ADDRESSES
from aggregator.storage.feed_rows import NEVER_FAILED, keep_asked, pack_edits, spec_values, storable
from aggregator.storage.meta import renew_revision
from aggregator.storage.schema import feeds

#: How the reason begins of a feed that somebody paused; who did follows.
BY_HAND = "paused by "


def pause(conn: Connection, feed_id: FeedId, reason: str) -> bool:
    """Ask a feed no more until `feeds.resume`, whatever the configuration says. False: it is not active."""
    active = (feeds.c.id == feed_id, feeds.c.state == "active")
    values = {"state": "paused", "paused_reason": storable(reason)}
    paused = bool(conn.execute(sa.update(feeds).where(*active).values(**values)).rowcount)
    if paused:
        renew_revision(conn)
    return paused


def edit(
    conn: Connection,
    feed: Feed,
    values: Mapping[EditedField, Any],
    taken_back: Collection[EditedField] = (),
    *,
    who: str,
    now: datetime,
) -> None:
    """Say something in place of what was asked for, from now on; ``taken_back``: what was asked for holds again.

    ``values``: JSON, as `model.feed_edit` has them.
    """
    edits = dict(feed.edits)
    spec = feed.spec
    for name in taken_back:
        if (one := edits.pop(name, None)) is not None:
            spec = set_field(spec, name, one.base)
    for name, value in values.items():
        base = edits[name].base if name in edits else get_field(feed.spec, name)
        edits[name] = FeedEdit(value=value, base=base, at=now, by=who)
        spec = set_field(spec, name, value)
    stored = spec_values(spec) | {"edits": pack_edits(edits)}
    conn.execute(sa.update(feeds).where(feeds.c.id == feed.id).values(**stored))
    renew_revision(conn)


def forget_move(conn: Connection, feed_id: FeedId) -> None:
    """What was offered is not to be adopted; offered again, it is counted from the beginning."""
    values = {"moved_url": "", "moved_since": None, "moved_times": 0, "alarm": ""}
    conn.execute(sa.update(feeds).where(feeds.c.id == feed_id).values(**values))


def restore(conn: Connection, feed_id: FeedId, *, now: datetime) -> None:
    """A removed feed is read again."""
    values = {
        "state": "active", "paused_reason": "", "removed_at": None, "next_due_at": now, "next_due_reason": "back again",
    }  # fmt: skip
    conn.execute(sa.update(feeds).where(feeds.c.id == feed_id).values(**values))
    renew_revision(conn)


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
