"""Named leases with a fencing number: one daemon leads, the others stand by. Never reads the clock."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.storage.engine import insert
from aggregator.storage.schema import leases


def acquire(conn: Connection, name: str, owner: str, *, now: datetime, ttl: timedelta) -> int | None:
    """Take the lease or make it longer; its fence, or None while another holds it.

    The fence grows with every change of owner: work that carries an old one comes from a leader that was replaced.
    """
    until = now + ttl
    conn.execute(insert(conn, leases).values(name=name, owner="", lease_until=now, fence=0).on_conflict_do_nothing())
    return conn.execute(
        sa.update(leases)
        .where(leases.c.name == name, sa.or_(leases.c.owner == owner, leases.c.lease_until <= now))
        .values(
            owner=owner,
            lease_until=until,
            fence=sa.case((leases.c.owner == owner, leases.c.fence), else_=leases.c.fence + 1),
        )
        .returning(leases.c.fence)
    ).scalar()


def release(conn: Connection, name: str, owner: str) -> None:
    """Give the lease up, if it is ours: the next one need not wait until it runs out."""
    conn.execute(
        sa.update(leases)
        .where(leases.c.name == name, leases.c.owner == owner)
        .values(owner="", lease_until=sa.literal(_LONG_AGO, leases.c.lease_until.type))
    )


def get_owner(conn: Connection, name: str) -> str:
    """Who has the lease, or had it last; empty when nobody does."""
    return conn.execute(sa.select(leases.c.owner).where(leases.c.name == name)).scalar() or ""


def holds(conn: Connection, name: str, fence: int) -> bool:
    """Whether ``fence`` is still the newest; asked inside the transaction that it guards, which keeps it so."""
    row = conn.execute(sa.select(leases.c.fence, leases.c.owner).where(leases.c.name == name).with_for_update()).first()
    return row is not None and row.fence == fence and row.owner != ""


_LONG_AGO = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
