"""What is old enough to go, counted or taken away some rows at a time. How old that is says `model.retention`."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model import retention
from aggregator.storage.schema import (
    bounces,
    deliveries,
    fetch_log,
    issues,
    letters,
    notices,
    subscribers,
    subscriptions,
)

#: Rows that somebody may be sending at this moment.
_UNDER_WAY = ("sending", "committing")


def count_old(conn: Connection, *, now: datetime) -> dict[str, int]:
    """How many rows of each kind would go."""
    return {
        name: conn.execute(sa.select(sa.func.count()).select_from(table).where(which)).scalar_one()
        for name, (table, which) in {**_list_old(now), **_list_log(now)}.items()
    }


def prune_people(conn: Connection, *, now: datetime, limit: int = 2_000) -> bool:
    """Take away at most so many rows of each kind; True: there is more to do, in a transaction of its own."""
    more = False
    for table, which in _list_old(now).values():
        old = sa.select(table.c.id).where(which).limit(limit)
        gone = conn.execute(sa.delete(table).where(table.c.id.in_(old))).rowcount
        more = more or gone >= limit
    return more


def _list_old(now: datetime) -> dict[str, tuple[sa.Table, sa.ColumnElement[bool]]]:
    """In the order in which rows may go: bounces before the deliveries that they are about."""
    unconfirmed, delivered = now - retention.UNCONFIRMED, now - retention.DELIVERIES
    # An issue is older than what was sent of it: where none is old, no delivery is looked at.
    of_old_issues = deliveries.c.issue_id.in_(sa.select(issues.c.id).where(issues.c.created_at < delivered))
    ties, asked = (sa.exists().where(table.c.subscriber_id == subscribers.c.id) for table in (subscriptions, letters))
    mailed = sa.exists().where(deliveries.c.subscription_id == subscriptions.c.id)
    return {
        "bounces": (bounces, bounces.c.received_at < now - retention.BOUNCES),
        "deliveries": (
            deliveries,
            sa.and_(of_old_issues, deliveries.c.created_at < delivered, deliveries.c.state.not_in(_UNDER_WAY)),
        ),
        # Whatever their state: one whose answer was never seen stays as it is, and nobody sends for a month.
        "letters": (letters, letters.c.created_at < unconfirmed),
        "unconfirmed": (
            subscriptions,
            sa.and_(subscriptions.c.state == "pending", subscriptions.c.created_at < unconfirmed, ~mailed),
        ),
        "addresses": (subscribers, sa.and_(subscribers.c.created_at < unconfirmed, ~ties, ~asked)),
        "notices": (notices, notices.c.created_at < now - retention.NOTICES),
    }


def _list_log(now: datetime) -> dict[str, tuple[sa.Table, sa.ColumnElement[bool]]]:
    return {"fetch_log": (fetch_log, fetch_log.c.at < now - retention.FETCH_LOG)}
