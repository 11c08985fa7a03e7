"""Which process may ask which hosts. Never knows what is due, never asks.

A host is leased together with the first of its feeds that a process claims, and nobody else claims one of them before
the lease ends: when its owner has none of them in hand and the host's gap is over, or when its time runs out.

Rows are locked in the order of their keys, after those of `feeds`: no two transactions wait for each other.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import FeedId
from aggregator.storage.engine import CHUNK, UTC, insert, iter_chunks
from aggregator.storage.schema import feeds, host_leases
from aggregator.storage.values import select_values


def take(conn: Connection, keys: Collection[str], *, now: datetime, until: datetime, owner: str) -> frozenset[str]:
    """Those of ``keys`` that are ``owner``'s from now on: they were free, or its own already."""
    key = select_values(conn, sorted(keys), sa.Text()).subquery().c.value
    rows = sa.select(key, sa.literal(owner, sa.Text), sa.literal(until, UTC)).where(sa.true())
    new = insert(conn, host_leases).from_select(["host_key", "owner", "lease_until"], rows)
    free = sa.or_(host_leases.c.lease_until <= now, host_leases.c.owner == owner)
    values = {"owner": owner, "lease_until": until}
    statement = new.on_conflict_do_update(index_elements=["host_key"], set_=values, where=free)
    return frozenset(conn.execute(statement.returning(host_leases.c.host_key)).scalars())


def extend(conn: Connection, keys: Collection[str], *, until: datetime, owner: str) -> None:
    """Keep the leases of hosts that are still to be asked, those that are ``owner``'s still."""
    held = _lock(conn, keys, owner)
    conn.execute(sa.update(host_leases).where(_is_among(conn, held)).values(lease_until=until))


def release(
    conn: Connection, keys: Collection[str] | None = None, *, now: datetime, gap: timedelta, owner: str
) -> None:
    """End ``owner``'s leases of these hosts, or (None) of all; who comes next waits for the ``gap`` first.

    A host of which ``owner`` still has feeds claimed stays leased.
    """
    # Locked first: what was claimed while we waited is seen by the next statement only.
    held = _lock(conn, keys, owner)
    in_hand = sa.exists().where(
        feeds.c.host_key == host_leases.c.host_key, feeds.c.claimed_by == owner, feeds.c.claimed_until.is_not(None)
    )
    ended = (_is_among(conn, held), host_leases.c.lease_until > now + gap, ~in_hand)
    conn.execute(sa.update(host_leases).where(*ended).values(lease_until=now + gap))


def is_taken(key: sa.ColumnElement[str], *, now: datetime, owner: str) -> sa.ColumnElement[bool]:
    """Whether somebody else than ``owner`` has the host."""
    others = (host_leases.c.host_key == key, host_leases.c.owner != owner, host_leases.c.lease_until > now)
    # Not a plain EXISTS: PostgreSQL would make a join of it, and might sort all that is due before the first row.
    return sa.case((sa.exists().where(*others), sa.true()), else_=sa.false())


def find_wait(
    conn: Connection, ids: Sequence[FeedId], *, now: datetime, gap: timedelta, owner: str
) -> timedelta | None:
    """How long until the hosts of these feeds are free that nobody has any more, but for the ``gap``; None: no host."""
    ends: list[datetime] = []
    for some in iter_chunks(ids):
        query = sa.select(sa.func.max(host_leases.c.lease_until)).where(
            host_leases.c.host_key.in_(sa.select(feeds.c.host_key).where(feeds.c.id.in_(some))),
            host_leases.c.owner != owner,
            host_leases.c.lease_until > now,
            host_leases.c.lease_until <= now + gap,
        )
        if (end := conn.execute(query).scalar()) is not None:
            ends.append(end)
    return max(ends) - now if ends else None


def list_owners(conn: Connection, *, now: datetime) -> tuple[str, ...]:
    """Who has leases that have not run out."""
    query = sa.select(host_leases.c.owner).where(host_leases.c.lease_until > now)
    return tuple(conn.execute(query.distinct().order_by(host_leases.c.owner)).scalars())


def prune(conn: Connection, *, now: datetime) -> bool:
    """Forget leases that have ended, some at a time; True: there are more, for a transaction of its own."""
    ended = sa.select(host_leases.c.host_key).where(host_leases.c.lease_until <= now)
    some = ended.order_by(host_leases.c.host_key).limit(CHUNK).with_for_update(skip_locked=True)
    return conn.execute(sa.delete(host_leases).where(host_leases.c.host_key.in_(some))).rowcount >= CHUNK


def _lock(conn: Connection, keys: Collection[str] | None, owner: str) -> Sequence[str]:
    """Those of ``keys``, or (None) of all hosts, that are ``owner``'s, until this transaction ends."""
    held = sa.select(host_leases.c.host_key).where(host_leases.c.owner == owner)
    if keys is not None:
        held = held.where(_is_among(conn, sorted(keys)))
    return conn.execute(held.order_by(host_leases.c.host_key).with_for_update()).scalars().all()


def _is_among(conn: Connection, keys: Sequence[str]) -> sa.ColumnElement[bool]:
    return host_leases.c.host_key.in_(select_values(conn, keys, sa.Text()))
