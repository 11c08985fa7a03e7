"""Lists of feeds on the web (OPML) that are followed: how fetching them stands. Never fetches or reads one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.storage.engine import insert
from aggregator.storage.schema import lists


@dataclass(frozen=True, slots=True, kw_only=True)
class ListState:
    """One followed list."""

    url: str
    etag: str = ""
    last_modified: str = ""
    body_hash: str = ""
    last_fetched_at: datetime | None = None
    next_due_at: datetime
    failures: int = 0
    failure_reason: str = ""


def sync(conn: Connection, urls: Collection[str], *, now: datetime) -> None:
    """Make the followed lists those of ``urls``; a new one is due at once."""
    for url in urls:
        fresh = insert(conn, lists).values(
            url=url,
            etag="",
            last_modified="",
            body_hash="",
            last_fetched_at=None,
            next_due_at=now,
            failures=0,
            failure_reason="",
        )
        conn.execute(fresh.on_conflict_do_nothing(index_elements=["url"]))
    conn.execute(sa.delete(lists).where(lists.c.url.not_in(list(urls))))


def claim_due(conn: Connection, *, now: datetime, lease: timedelta) -> tuple[ListState, ...]:
    """Those whose time has come; until the lease ends nobody else gets them."""
    query = sa.select(lists).where(lists.c.next_due_at <= now).with_for_update(skip_locked=True)
    due = tuple(ListState(**dict(row)) for row in conn.execute(query).mappings())
    for state in due:
        conn.execute(sa.update(lists).where(lists.c.url == state.url).values(next_due_at=now + lease))
    return due


def list_states(conn: Connection) -> tuple[ListState, ...]:
    """All of them, by address."""
    return tuple(ListState(**dict(row)) for row in conn.execute(sa.select(lists).order_by(lists.c.url)).mappings())


def save(conn: Connection, state: ListState) -> None:
    """How it stands after a fetch."""
    values = {field.name: getattr(state, field.name) for field in fields(state)}
    conn.execute(sa.update(lists).where(lists.c.url == state.url).values(**values))
