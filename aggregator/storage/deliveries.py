"""The ledger: one row for each issue and subscriber, claimed before a mail, marked at each step. Never sends.

A claim is committed before MAIL FROM, ``committing`` before the final dot, ``sent`` after the answer. Found after a
crash, ``sending`` was certainly not accepted and is queued again; ``committing`` may have been: it becomes ``unknown``,
and by policy is sent again (``resend``) or left for the editor (``hold``). Each claim raises the row's fence; a mark
that carries an older one, or finds the row in another state, changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import IssueId
from aggregator.model.subscriber import Delivery, DeliveryState
from aggregator.storage.engine import insert, iter_chunks
from aggregator.storage.schema import deliveries, issues, subscribers, subscriptions, suppressions

UncertainPolicy = Literal["resend", "hold"]

#: While a row is in one of these its issue is not sent.
OPEN: tuple[DeliveryState, ...] = ("queued", "sending", "committing", "deferred")
_WAITING = ("queued", "deferred")
_UNDER_WAY = ("sending", "committing")


def queue_deliveries(conn: Connection, issue_id: IssueId, newsletter: str, *, now: datetime) -> int:
    """One queued row for each confirmed subscription that has none for this issue; how many."""
    fixed = {
        "issue_id": issue_id,
        "state": "queued",
        "lease_owner": "",
        "fence": 0,
        "attempts": 0,
        "uncertain": 0,
        "next_try_at": now,
        "code": 0,
        "reply_text": "",
        "created_at": now,
        "changed_at": now,
    }
    recipients = (
        sa.select(
            subscriptions.c.subscriber_id,
            subscriptions.c.id,
            subscribers.c.email,
            *(sa.literal(value, deliveries.c[name].type).label(name) for name, value in fixed.items()),
        )
        .join_from(subscriptions, subscribers)
        .where(subscriptions.c.newsletter == newsletter, subscriptions.c.state == "confirmed")
        .order_by(subscriptions.c.id)
    )
    columns = ["subscriber_id", "subscription_id", "address", *fixed]
    statement = insert(conn, deliveries).from_select(columns, recipients, include_defaults=False)
    counted = {"preserve_rowcount": True}
    return conn.execute(statement.on_conflict_do_nothing(), execution_options=counted).rowcount


def find_due_issues(conn: Connection, *, now: datetime) -> tuple[IssueId, ...]:
    """Issues being sent with something to do: a row to send, a row to recover, or none left and the issue to close."""
    mine = deliveries.c.issue_id == issues.c.id
    due = sa.exists().where(mine, deliveries.c.state.in_(_WAITING), deliveries.c.next_try_at <= now)
    stuck = sa.exists().where(mine, deliveries.c.state.in_(_UNDER_WAY), deliveries.c.lease_until <= now)
    waiting = sa.exists().where(mine, deliveries.c.state.in_(OPEN))
    query = sa.select(issues.c.id).where(issues.c.state == "sending", sa.or_(due, stuck, ~waiting))
    return tuple(IssueId(number) for number in conn.execute(query.order_by(issues.c.id)).scalars())


def recover(conn: Connection, *, now: datetime, policy: UncertainPolicy, owner: str | None = None) -> dict[str, int]:
    """Settle claims whose lease is over, and those of ``owner`` (a dead process of our own) whatever their lease.

    How many were ``requeued`` (certainly not accepted), ``resent`` (maybe accepted, queued again) and ``held``.
    """
    lost = deliveries.c.lease_until <= now
    if owner is not None:
        lost = sa.or_(lost, deliveries.c.lease_owner == owner)
    free = {"lease_owner": "", "lease_until": None, "changed_at": now}
    requeued = conn.execute(
        sa.update(deliveries)
        .where(deliveries.c.state == "sending", lost)
        .values(state="queued", next_try_at=now, **free)
    ).rowcount
    uncertain = conn.execute(
        sa.update(deliveries)
        .where(deliveries.c.state == "committing", lost)
        .values(state="unknown", reply_text="the final dot was sent, no answer was seen", **free)
        .returning(deliveries.c.id)
    ).scalars()
    found = list(uncertain)
    if policy == "hold":
        return {"requeued": requeued, "resent": 0, "held": len(found)}
    for some in iter_chunks(found):
        conn.execute(
            sa.update(deliveries)
            .where(deliveries.c.id.in_(some))
            .values(state="queued", next_try_at=now, uncertain=deliveries.c.uncertain + 1)
        )
    return {"requeued": requeued, "resent": len(found), "held": 0}


def claim(
    conn: Connection, issue_id: IssueId, *, owner: str, now: datetime, limit: int, lease: timedelta
) -> tuple[Delivery, ...]:
    """Up to ``limit`` rows that are due, longest waiting first, now ``sending`` and ours until the lease ends.

    Empty means that nothing is due. Subscriptions and suppressions are read again here: who left since the issue was
    frozen becomes ``suppressed``. To be committed before the first MAIL FROM; an issue that is not being sent gives
    nothing.
    """
    claimed: list[int] = []
    while len(claimed) < limit:
        wanted = limit - len(claimed)
        due = _find_due(conn, issue_id, now, wanted)
        unwanted = _suppress(conn, deliveries.c.id.in_(due), now) if due else set()
        ours = [number for number in due if number not in unwanted]
        for some in iter_chunks(ours):
            conn.execute(
                sa.update(deliveries)
                .where(deliveries.c.id.in_(some))
                .values(
                    state="sending",
                    lease_owner=owner,
                    lease_until=now + lease,
                    fence=deliveries.c.fence + 1,
                    attempts=deliveries.c.attempts + 1,
                    changed_at=now,
                )
            )
        claimed += ours
        if len(due) < wanted:
            break
    return _load(conn, claimed)


def _find_due(conn: Connection, issue_id: IssueId, now: datetime, limit: int) -> list[int]:
    being_sent = sa.exists().where(issues.c.id == issue_id, issues.c.state == "sending")
    query = (
        sa.select(deliveries.c.id)
        .where(
            deliveries.c.issue_id == issue_id,
            deliveries.c.state.in_(_WAITING),
            deliveries.c.next_try_at <= now,
            being_sent,
        )
        .order_by(deliveries.c.next_try_at, deliveries.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(conn.execute(query).scalars())


def _suppress(conn: Connection, which: sa.ColumnElement[bool], now: datetime) -> set[int]:
    """Mark those of the rows ``which`` that may not be mailed (any more); their ids."""
    suppressed = sa.exists().where(
        suppressions.c.address_hash == subscribers.c.address_hash, subscribers.c.id == deliveries.c.subscriber_id
    )
    confirmed = sa.exists().where(
        subscriptions.c.id == deliveries.c.subscription_id, subscriptions.c.state == "confirmed"
    )
    reason = sa.case((suppressed, "the address is suppressed"), else_="the subscription has ended")
    statement = (
        sa.update(deliveries)
        .where(which, sa.or_(suppressed, ~confirmed))
        .values(state="suppressed", reply_text=reason, lease_owner="", lease_until=None, changed_at=now)
        .returning(deliveries.c.id)
    )
    return set(conn.execute(statement).scalars())


def _load(conn: Connection, ids: Sequence[int]) -> tuple[Delivery, ...]:
    found: dict[int, Delivery] = {}
    for some in iter_chunks(ids):
        query = sa.select(deliveries, subscriptions.c.public_id).join_from(deliveries, subscriptions)
        for row in conn.execute(query.where(deliveries.c.id.in_(some))).mappings():
            same = ("id", "issue_id", "subscription_id", "public_id", "address", "state", "attempts", "fence")
            found[row["id"]] = Delivery(**{name: row[name] for name in same})
    return tuple(found[number] for number in ids)


def mark_committing(conn: Connection, delivery: Delivery, *, now: datetime, until: datetime | None = None) -> bool:
    """The final dot comes next. False: it may not be sent, because the row is another's now or the person has left.

    ``until``: how long the answer may take; so long nobody else takes the row (None: as long as it was claimed for).
    """
    if _suppress(conn, _is_ours(delivery, ("sending",)), now):
        return False
    lease = {} if until is None else {"lease_until": until}
    return _mark(conn, delivery, ("sending",), state="committing", changed_at=now, **lease)


def mark_sent(conn: Connection, delivery: Delivery, *, reply: str, now: datetime) -> bool:
    """The server said 250, with ``reply``.

    That stays true when recovery took the row meanwhile but nobody claimed it again: then this spares a second mail.
    """
    states = ("committing", "unknown", "queued")
    return _mark(conn, delivery, states, state="sent", code=250, reply_text=reply, **_freed(now))


def mark_deferred(
    conn: Connection, delivery: Delivery, *, code: int, reply: str, next_try_at: datetime, now: datetime
) -> bool:
    """Not accepted this time (4xx, a dropped line before the dot): again at ``next_try_at``."""
    values = {"state": "deferred", "code": code, "reply_text": reply, "next_try_at": next_try_at, **_freed(now)}
    return _mark(conn, delivery, _UNDER_WAY, **values)


def mark_failed(conn: Connection, delivery: Delivery, *, code: int, reply: str, now: datetime) -> bool:
    """Refused for good."""
    return _mark(conn, delivery, _UNDER_WAY, state="failed", code=code, reply_text=reply, **_freed(now))


def requeue(conn: Connection, delivery: Delivery, *, now: datetime) -> bool:
    """Hand a claimed row back that was never tried: it costs no attempt, and it keeps its place in the queue."""
    values = {"state": "queued", "attempts": deliveries.c.attempts - 1, **_freed(now)}
    return _mark(conn, delivery, ("sending",), **values)


def count_states(conn: Connection, issue_id: IssueId) -> dict[str, int]:
    """How many rows of an issue are in which state; states without rows are left out."""
    return count_by_issue(conn, [issue_id]).get(issue_id, {})


def count_by_issue(conn: Connection, issue_ids: Sequence[IssueId]) -> dict[IssueId, dict[str, int]]:
    """The same for many issues."""
    found: dict[IssueId, dict[str, int]] = {}
    for some in iter_chunks(issue_ids):
        query = sa.select(deliveries.c.issue_id, deliveries.c.state, sa.func.count())
        grouped = query.where(deliveries.c.issue_id.in_(some)).group_by(deliveries.c.issue_id, deliveries.c.state)
        for issue_id, state, number in conn.execute(grouped):
            found.setdefault(IssueId(issue_id), {})[state] = number
    return found


def _is_ours(delivery: Delivery, states: Sequence[str]) -> sa.ColumnElement[bool]:
    return sa.and_(deliveries.c.id == delivery.id, deliveries.c.fence == delivery.fence, deliveries.c.state.in_(states))


def _mark(conn: Connection, delivery: Delivery, states: Sequence[str], **values: Any) -> bool:
    statement = sa.update(deliveries).where(_is_ours(delivery, states)).values(**values)
    return bool(conn.execute(statement).rowcount)


def _freed(now: datetime) -> dict[str, Any]:
    return {"lease_owner": "", "lease_until": None, "changed_at": now}
