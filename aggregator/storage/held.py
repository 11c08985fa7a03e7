"""New entries that are held for review: stored, but in no combined feed, page or mail until an editor admits them.

Which they are is remembered by feed among the store's values. Never decides what is held.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import FeedId
from aggregator.storage.engine import iter_chunks
from aggregator.storage.entry_rows import hash_key
from aggregator.storage.locks import lock_entries
from aggregator.storage.meta import get_value, renew_revision, set_value
from aggregator.storage.schema import entries, feeds, meta

_NAME = "entries held of feed {}"


def hold(conn: Connection, feed_id: FeedId, keys: Collection[str]) -> None:
    """Remember that entries just saved as backlog are held, those of ``keys``."""
    lock_entries(conn)  # whoever admits some meanwhile waits, or has done so
    ids: list[int] = list(get_value(conn, _NAME.format(feed_id)) or ())
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


def release(conn: Connection, feed_id: FeedId, *, alarm: str) -> int:
    """Admit what is held of a feed, where its dates put it; how many. ``alarm``: what told of it, forgotten now."""
    lock_entries(conn)
    name = _NAME.format(feed_id)
    ids: list[int] = list(get_value(conn, name) or ())
    for some in iter_chunks(ids):
        conn.execute(sa.update(entries).where(entries.c.id.in_(some)).values(backlog=False))
    if ids:
        conn.execute(sa.delete(meta).where(meta.c.name == name))
        conn.execute(sa.update(feeds).where(feeds.c.id == feed_id, feeds.c.alarm == alarm).values(alarm=""))
        renew_revision(conn)
    return len(ids)
