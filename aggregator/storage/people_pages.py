"""Subscribers as the desk lists them: a page at a time, found by the beginning of an address; and their numbers.

`sum_up` reads all subscriptions, and belongs beside a request (`web.desk.aside`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import get_args

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Connection  # handed on, for what tasks say about it

from aggregator.model.ids import SubscriberId
from aggregator.model.subscriber import Subscription, SubscriptionState
from aggregator.storage.schema import bounces, subscribers, subscriptions
from aggregator.storage.subscribers import make_subscription, select_subscriptions

STATES: tuple[SubscriptionState, ...] = get_args(SubscriptionState)
_HIGHEST = "\U0010ffff"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleSum:
    """All subscriptions in numbers."""

    #: Newsletter -> state -> subscriptions.
    states: Mapping[str, Mapping[str, int]]
    #: The oldest week first: (begin, how many began, how many ended).
    weeks: Sequence[tuple[datetime, int, int]]
    #: How many were confirmed when the first of these weeks began.
    before: int
    #: Mails that came back in these weeks, by kind.
    bounces: Mapping[str, int]
    #: When they were counted.
    at: datetime

    @property
    def confirmed(self) -> int:
        """Over all newsletters."""
        return sum(states.get("confirmed", 0) for states in self.states.values())


def list_page(
    conn: Connection,
    *,
    newsletter: str = "",
    state: SubscriptionState | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> tuple[Subscription, ...]:
    """Newest first."""
    if newsletter and state is None:
        # Each state along its index: all of a newsletter would be sorted.
        each = (list_page(conn, newsletter=newsletter, state=one, before_id=before_id, limit=limit) for one in STATES)
        return tuple(sorted((item for some in each for item in some), key=lambda item: -item.id)[:limit])
    query = select_subscriptions().order_by(subscriptions.c.id.desc()).limit(limit)
    if newsletter:
        query = query.where(subscriptions.c.newsletter == newsletter)
    if state:
        query = query.where(subscriptions.c.state == state)
    if before_id is not None:
        query = query.where(subscriptions.c.id < before_id)
    return tuple(make_subscription(row) for row in conn.execute(query).mappings())


def search(
    conn: Connection, beginning: str, *, after: str = "", limit: int = 50
) -> tuple[tuple[SubscriberId, str], ...]:
    """(number, address) of people whose address begins so, by address; ``after``: those that follow that address."""
    folded = beginning.lower()
    query = sa.select(subscribers.c.id, subscribers.c.email).where(
        subscribers.c.folded >= folded, subscribers.c.folded < folded + _HIGHEST
    )
    if after:
        query = query.where(subscribers.c.folded > after.lower())
    rows = conn.execute(query.order_by(subscribers.c.folded).limit(limit))
    return tuple((SubscriberId(row.id), row.email) for row in rows)


def list_of_people(conn: Connection, ids: Sequence[SubscriberId]) -> Mapping[SubscriberId, tuple[Subscription, ...]]:
    """The subscriptions of some people."""
    query = select_subscriptions().where(subscriptions.c.subscriber_id.in_(ids)).order_by(subscriptions.c.id)
    found: dict[SubscriberId, tuple[Subscription, ...]] = {}
    for row in conn.execute(query).mappings():
        one = make_subscription(row)
        found[one.subscriber_id] = (*found.get(one.subscriber_id, ()), one)
    return found


def get_address(conn: Connection, subscriber_id: int) -> str | None:
    """None: there is nobody of this number."""
    return conn.execute(sa.select(subscribers.c.email).where(subscribers.c.id == subscriber_id)).scalar()


def sum_up(conn: Connection, *, now: datetime, weeks: int = 26) -> PeopleSum:
    """All subscriptions are read, and the bounces of so many weeks."""
    query = sa.select(subscriptions.c.newsletter, subscriptions.c.state, sa.func.count())
    states: dict[str, dict[str, int]] = {}
    for newsletter, state, number in conn.execute(query.group_by(subscriptions.c.newsletter, subscriptions.c.state)):
        states.setdefault(newsletter, {})[state] = number
    begins = [now - timedelta(weeks=back) for back in range(weeks, 0, -1)]
    began = _count_weeks(conn, subscriptions.c.confirmed_at, begins, subscriptions.c.confirmed_at.is_not(None))
    ended = _count_weeks(conn, subscriptions.c.ended_at, begins, subscriptions.c.confirmed_at.is_not(None))
    confirmed = sum(found.get("confirmed", 0) for found in states.values())
    returned = sa.select(bounces.c.kind, sa.func.count()).where(bounces.c.received_at >= begins[0])
    return PeopleSum(
        at=now,
        states=states,
        weeks=list(zip(begins, began, ended, strict=True)),
        before=confirmed - sum(began) + sum(ended),
        bounces={row[0]: row[1] for row in conn.execute(returned.group_by(bounces.c.kind))},
    )


def _count_weeks(
    conn: Connection, column: sa.Column[datetime], begins: Sequence[datetime], which: sa.ColumnElement[bool]
) -> list[int]:
    """In one reading: how many since each begin, and what lies between two of them."""
    sums = [sa.func.coalesce(sa.func.sum(sa.case((column >= begin, 1), else_=0)), 0) for begin in begins]
    since = [int(number) for number in conn.execute(sa.select(*sums).where(which, column >= begins[0])).one()]
    return [number - later for number, later in zip(since, (*since[1:], 0), strict=True)]
