"""Who sends mail at the moment, while it is counted for the rates. Never divides anything, never reads the clock."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.storage.engine import insert, lock_name
from aggregator.storage.schema import senders


def lock(conn: Connection) -> None:
    """For who joins: of two that do so at once one sees the other. Before all else, or they may wait for each other."""
    lock_name(conn, "senders")


def join(conn: Connection, name: str, *, now: datetime, until: datetime) -> int:
    """``name`` is one of those who send until then; how many are. After `lock`."""
    conn.execute(sa.delete(senders).where(senders.c.lease_until <= now))
    new = insert(conn, senders).values(name=name, lease_until=until)
    conn.execute(new.on_conflict_do_update(index_elements=["name"], set_={"lease_until": until}))
    return count(conn, now=now)


def renew(conn: Connection, name: str, *, now: datetime, until: datetime) -> int | None:
    """The same for one who has joined; None: its lease was over, and it may not have been counted since."""
    mine = sa.update(senders).where(senders.c.name == name, senders.c.lease_until > now)
    return count(conn, now=now) if conn.execute(mine.values(lease_until=until)).rowcount else None


def leave(conn: Connection, names: Collection[str]) -> None:
    """They send no more."""
    conn.execute(sa.delete(senders).where(senders.c.name.in_(names)))


def list_names(conn: Connection) -> tuple[str, ...]:
    """Who has joined and not left, leases that are over included."""
    return tuple(conn.execute(sa.select(senders.c.name).order_by(senders.c.name)).scalars())


def count(conn: Connection, *, now: datetime) -> int:
    """How many send."""
    return conn.execute(sa.select(sa.func.count()).where(senders.c.lease_until > now)).scalar_one()
