"""Who fetches which feed right now, and which are due. Never fetches.

A claim ends with the feed's outcome (`feed_outcomes`), by `release`, or when its lease runs out. Where hosts are named,
they are claimed with their feeds (`host_leases`): a host is asked by one process at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.feed import Feed
from aggregator.model.ids import FeedId
from aggregator.storage import host_leases
from aggregator.storage.bulk import update_columns
from aggregator.storage.engine import iter_chunks, lock_name
from aggregator.storage.feed_rows import make_feed, storable
from aggregator.storage.schema import feed_slices, feeds
from aggregator.storage.schema.columns import Id
from aggregator.storage.values import select_values

#: A feed's host key, of its id, its address and the key that is stored; empty: it shares its host with nobody.
NameHost = Callable[[FeedId, str, str], str]

#: Processes that claim hosts do so in turn: who comes second chooses among those that are left.
_CLAIMING = "claim hosts"


def claim_due(
    conn: Connection,
    *,
    now: datetime,
    limit: int,
    lease: timedelta,
    owner: str = "",
    due_by: datetime | None = None,
    after: tuple[datetime, FeedId] | None = None,
    name_host: NameHost | None = None,
) -> tuple[Feed, ...]:
    """Up to ``limit`` feeds whose time has come, longest waiting first, with their slices.

    Nobody else gets them until the lease ends. ``owner``: who may `release` them, a name of the claiming process.
    ``due_by``: only those that were due then already. ``after``: only those that come behind this `next_due_at` and id.

    ``name_host``: their hosts are leased with them, and feeds whose host another owner has are left; None: hosts are
    not looked at.
    """
    chosen = select_due(now, limit, due_by=due_by, after=after, owner=owner if name_host else None)
    return _claim(conn, chosen, now=now, until=now + lease, owner=owner, name_host=name_host)


def select_due(
    now: datetime,
    limit: int,
    *,
    due_by: datetime | None = None,
    after: tuple[datetime, FeedId] | None = None,
    owner: str | None = None,
) -> sa.Select[Any]:
    """What `claim_due` chooses: read from the start of one index, or from ``after``, as far as ``limit`` goes.

    ``owner``: without feeds whose host is another's.
    """
    chosen = sa.select(feeds.c.id).where(*is_due(now, due_by))
    if after is not None:
        chosen = chosen.where(sa.tuple_(feeds.c.next_due_at, feeds.c.id) > after)
    if owner is not None:
        chosen = chosen.where(~host_leases.is_taken(feeds.c.host_key, now=now, owner=owner))
    return chosen.order_by(feeds.c.next_due_at, feeds.c.id).limit(limit).with_for_update(skip_locked=True)


def claim(
    conn: Connection,
    ids: Sequence[FeedId],
    *,
    now: datetime,
    lease: timedelta,
    owner: str = "",
    due_by: datetime | None = None,
    name_host: NameHost | None = None,
) -> tuple[Feed, ...]:
    """Those of ``ids`` that nobody fetches right now, due or not, paused or not, with their slices.

    ``due_by``: only those that are due then; who was chosen as due may have been fetched by another process since.
    ``name_host``: as in `claim_due`.
    """
    claimed: list[Feed] = []
    for some in iter_chunks(ids):
        free = sa.select(feeds.c.id).where(feeds.c.id.in_(some), _is_free(now))
        if due_by is not None:
            free = free.where(feeds.c.next_due_at <= due_by)
        if name_host is not None:
            free = free.where(~host_leases.is_taken(feeds.c.host_key, now=now, owner=owner))
        chosen = free.with_for_update(skip_locked=True)
        claimed += _claim(conn, chosen, now=now, until=now + lease, owner=owner, name_host=name_host)
    return tuple(claimed)


def extend(conn: Connection, ids: Sequence[FeedId], *, until: datetime, owner: str) -> None:
    """Keep the claims of feeds that still wait for their answer, those that are ``owner``'s still."""
    for some in iter_chunks(ids):
        held = sa.and_(feeds.c.id.in_(some), feeds.c.claimed_until.is_not(None), feeds.c.claimed_by == owner)
        conn.execute(sa.update(feeds).where(held).values(claimed_until=until))


def release(conn: Connection, ids: Sequence[FeedId] | None = None, *, owner: str = "") -> None:
    """End the claims of feeds whose fetch brought nothing, or (None) of all feeds.

    ``owner``: only claims that are its own or nobody's; empty: whosesoever.
    """
    statement = sa.update(feeds).where(feeds.c.claimed_until.is_not(None)).values(claimed_until=None, claimed_by="")
    if owner:
        statement = statement.where(feeds.c.claimed_by.in_([owner, ""]))
    for some in iter_chunks(ids) if ids is not None else (None,):
        conn.execute(statement if some is None else statement.where(feeds.c.id.in_(some)))


def list_owners(conn: Connection) -> tuple[str, ...]:
    """Who has claims, run out or not; without those that name nobody."""
    held = sa.select(feeds.c.claimed_by).where(feeds.c.claimed_until.is_not(None), feeds.c.claimed_by != "")
    return tuple(conn.execute(held.distinct().order_by(feeds.c.claimed_by)).scalars())


def has_due(conn: Connection, *, now: datetime, owner: str | None = None) -> bool:
    """Whether `claim_due` would give any; costs the same however many are stored or due.

    ``owner``: without feeds whose host is another's; empty: without those whose host anybody has. A new
    feed has no host before somebody has tried to claim it.
    """
    # In order, or else PostgreSQL, when it plans for any instant at all, expects to find one sooner without an index.
    query = sa.select(feeds.c.id).where(*is_due(now)).order_by(feeds.c.next_due_at, feeds.c.id).limit(1)
    if owner is not None:
        query = query.where(~host_leases.is_taken(feeds.c.host_key, now=now, owner=owner))
    return conn.execute(query).first() is not None


def list_overdue(conn: Connection, *, now: datetime) -> tuple[tuple[FeedId, str], ...]:
    """Feeds that were asked before and are due: id and host key, longest waiting first."""
    known = feeds.c.last_fetched_at.is_not(None)
    query = sa.select(feeds.c.id, feeds.c.host_key).where(*is_due(now), known)
    return tuple(
        (FeedId(row.id), row.host_key) for row in conn.execute(query.order_by(feeds.c.next_due_at, feeds.c.id))
    )


def put_off(conn: Connection, due: Mapping[FeedId, datetime], *, reason: str) -> None:
    """Let each of these be due at its own time, for one ``reason``."""
    columns: dict[str, Sequence[Any]] = {"next_due_at": list(due.values()), "next_due_reason": [reason] * len(due)}
    update_columns(conn, feeds.c.id, list(due), columns)


def is_due(now: datetime, due_by: datetime | None = None) -> tuple[sa.ColumnElement[bool], ...]:
    """Whether a feed's time has come, or had come at ``due_by``, and nobody fetches it."""
    return (feeds.c.state == "active", feeds.c.next_due_at <= min(now, due_by or now), _is_free(now))


def _is_free(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(feeds.c.claimed_until.is_(None), feeds.c.claimed_until <= now)


def _claim(
    conn: Connection,
    chosen: sa.Select[Any],
    *,
    now: datetime,
    until: datetime,
    owner: str,
    name_host: NameHost | None,
) -> tuple[Feed, ...]:
    if name_host is None:
        return _mark(conn, feeds.c.id.in_(chosen), until, owner)
    named = _name_hosts(conn, chosen, name_host)
    won = host_leases.take(conn, set(named.values()) - {""}, now=now, until=until, owner=owner) | {""}
    ids = [feed_id for feed_id, key in named.items() if key in won]
    return _mark(conn, feeds.c.id.in_(select_values(conn, ids, Id)), until, owner)


def _name_hosts(conn: Connection, chosen: sa.Select[Any], name_host: NameHost) -> dict[FeedId, str]:
    """The host of each feed that is chosen, stored where another one was: new feeds, and those that have moved.

    Until all that are chosen are stored right: one whose host another owner has is then not chosen any more.
    """
    lock_name(conn, _CLAIMING)
    query = chosen.with_only_columns(feeds.c.id, feeds.c.url, feeds.c.host_key)
    while True:
        rows = conn.execute(query).all()
        named = {FeedId(number): storable(name_host(FeedId(number), url, stored)) for number, url, stored in rows}
        wrong = {number: named[number] for number, _, stored in rows if named[number] != stored}
        if not wrong:
            return named
        update_columns(conn, feeds.c.id, list(wrong), {"host_key": list(wrong.values())})


def _mark(conn: Connection, which: sa.ColumnElement[bool], until: datetime, owner: str) -> tuple[Feed, ...]:
    statement = sa.update(feeds).where(which).values(claimed_until=until, claimed_by=owner)
    rows = sorted(conn.execute(statement.returning(feeds)).mappings(), key=lambda row: (row["next_due_at"], row["id"]))
    slices = _get_slices(conn, [row["id"] for row in rows])
    return tuple(make_feed(row, slices=slices.get(row["id"], b"")) for row in rows)


def _get_slices(conn: Connection, ids: Sequence[int]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for some in iter_chunks(ids):
        query = sa.select(feed_slices.c.feed_id, feed_slices.c.slices).where(feed_slices.c.feed_id.in_(some))
        found |= {feed_id: bytes(slices) for feed_id, slices in conn.execute(query)}
    return found
