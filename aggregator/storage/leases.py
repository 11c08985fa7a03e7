"""Named leases: one daemon leads, the others stand by. Never reads the clock."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.storage.engine import insert
from aggregator.storage.schema import leases


def acquire(conn: Connection, name: str, owner: str, *, now: datetime, ttl: timedelta) -> int | None:
    """Take the lease or make it longer; its fence, or None while another holds it.

    The fence grows with every change of owner.
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


def is_held(conn: Connection, name: str, fence: int, *, now: datetime) -> bool:
    """Whether the lease that came with this ``fence`` still holds: who was stopped meanwhile cannot know otherwise."""
    held = sa.exists().where(leases.c.name == name, leases.c.fence == fence, leases.c.lease_until > now)
    return bool(conn.execute(sa.select(held)).scalar())


def release(conn: Connection, name: str, owner: str, *, now: datetime) -> None:
    """Give the lease up, if it is ours: the next one need not wait until it runs out."""
    mine = sa.and_(leases.c.name == name, leases.c.owner == owner)
    conn.execute(sa.update(leases).where(mine).values(owner="", lease_until=now))


def get_end(conn: Connection, name: str) -> datetime | None:
    """When it runs out, or did; None when nobody ever had it."""
    return conn.execute(sa.select(leases.c.lease_until).where(leases.c.name == name)).scalar()


def get_owner(conn: Connection, name: str) -> str:
    """Who has the lease, or had it last; empty when nobody does."""
    return conn.execute(sa.select(leases.c.owner).where(leases.c.name == name)).scalar() or ""
