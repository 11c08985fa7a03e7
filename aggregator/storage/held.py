"""New entries that are held for review: stored, but in no combined feed, page or mail until an editor admits them.

Which they are is remembered by feed among the store's values. Never decides what is held.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import EntryId, FeedId
from aggregator.storage.engine import iter_chunks
from aggregator.storage.entry_rows import hash_key
from aggregator.storage.locks import lock_entries
from aggregator.storage.meta import get_value, renew_revision, set_value
from aggregator.storage.schema import entries, feeds, meta

_NAME = "entries held of feed {}"


def hold(conn: Connection, feed_id: FeedId, keys: Collection[str]) -> None:
    """Remember that entries just saved as backlog are held, those of ``keys``."""
    lock_entries(conn)  # whoever admits some meanwhile waits, or has done so
    ids: list[int] = list(list_held(conn, feed_id))
    for some in iter_chunks(sorted(map(hash_key, keys))):
        stored = (entries.c.feed_id == feed_id, entries.c.key_hash.in_(some), entries.c.backlog)
        ids += conn.execute(sa.select(entries.c.id).where(*stored)).scalars()
    if ids:
        set_value(conn, _NAME.format(feed_id), sorted(set(ids)))


def count_held(conn: Connection, ids: Collection[FeedId]) -> dict[FeedId, int]:
    """How many entries are held, of those feeds that have some."""
    names = {_NAME.format(feed_id): feed_id for feed_id in ids}
    found: dict[FeedId, int] = {}
    for some in iter_chunks(sorted(names)):
        query = sa.select(meta.c.name, meta.c.value).where(meta.c.name.in_(some))
        found |= {names[name]: len(held) for name, held in conn.execute(query)}
    return found


def list_held(conn: Connection, feed_id: FeedId) -> tuple[EntryId, ...]:
    """Which entries of a feed are held."""
    return tuple(EntryId(number) for number in get_value(conn, _NAME.format(feed_id)) or ())


def leave_out(conn: Connection, feed_id: FeedId, *, alarm: str) -> tuple[EntryId, ...]:
    """What is held of a feed stays out for good, stored but in no combined feed, page or mail; which those were."""
    lock_entries(conn)
    ids = list_held(conn, feed_id)
    if ids:
        _forget(conn, feed_id, alarm)
    return ids


def hold_again(conn: Connection, feed_id: FeedId, ids: Collection[EntryId], *, alarm: str) -> None:
    """What was left out waits again, as far as it is out still, and ``alarm`` tells of it."""
    lock_entries(conn)
    out: list[int] = []
    for some in iter_chunks(sorted(ids)):
        stored = (entries.c.feed_id == feed_id, entries.c.id.in_(some), entries.c.backlog)
        out += conn.execute(sa.select(entries.c.id).where(*stored)).scalars()
    if out:
        set_value(conn, _NAME.format(feed_id), sorted({*list_held(conn, feed_id), *out}))
        conn.execute(sa.update(feeds).where(feeds.c.id == feed_id, feeds.c.alarm == "").values(alarm=alarm))


def release(conn: Connection, feed_id: FeedId, *, alarm: str) -> int:
    """Admit what is held of a feed, where its dates put it; how many. ``alarm``: what told of it, forgotten now."""
    lock_entries(conn)
    ids = list_held(conn, feed_id)
    for some in iter_chunks(ids):
        conn.execute(sa.update(entries).where(entries.c.id.in_(some)).values(backlog=False))
    if ids:
        _forget(conn, feed_id, alarm)
        renew_revision(conn)
    return len(ids)


def _forget(conn: Connection, feed_id: FeedId, alarm: str) -> None:
    conn.execute(sa.delete(meta).where(meta.c.name == _NAME.format(feed_id)))
    conn.execute(sa.update(feeds).where(feeds.c.id == feed_id, feeds.c.alarm == alarm).values(alarm=""))
