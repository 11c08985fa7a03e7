"""The ledger of an issue as a whole: a row for each recipient, what is due, what dead senders leave. Never sends.

Found after a crash, ``sending`` was certainly not accepted and is queued again; ``committing`` may have been: it
becomes ``unknown``, and by policy is sent again (``resend``) or left for the editor (``hold``). The steps of a row
between are in `ledger`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import IssueId
from aggregator.model.subscriber import DeliveryState
from aggregator.storage.engine import insert, iter_chunks
from aggregator.storage.ledger import UNDER_WAY, WAITING
from aggregator.storage.schema import deliveries, issues, renderings, subscribers, subscriptions

UncertainPolicy = Literal["resend", "hold"]

#: While a row is in one of these its issue is not sent.
OPEN: tuple[DeliveryState, ...] = ("queued", "sending", "committing", "deferred")
#: A mail that was in doubt so often is not sent once more by itself.
MAX_UNCERTAIN = 5
NO_ANSWER = "the final dot was sent, no answer was seen"
NOTHING_FOR_THEM = "nothing in this issue is about their topics"
CANCELLED = "cancelled by the editor"


def queue_deliveries(
    conn: Connection, issue_id: IssueId, newsletter: str, *, now: datetime, confirmed_until: datetime | None = None
) -> int:
    """One queued row for each confirmed subscription that has none for this issue; how many rows.

    Whose wishes (`renderings`, by variant) leave nothing of the issue gets a row that is ``suppressed``.
    ``confirmed_until``: nobody who came later.
    """
    return _insert(conn, issue_id, gets_issue(newsletter, confirmed_until), now)


def gets_issue(newsletter: str, confirmed_until: datetime | None = None) -> sa.ColumnElement[bool]:
    """Which subscriptions an issue goes to."""
    which = sa.and_(subscriptions.c.newsletter == newsletter, subscriptions.c.state == "confirmed")
    return which if confirmed_until is None else sa.and_(which, subscriptions.c.confirmed_at <= confirmed_until)


def queue_one(conn: Connection, issue_id: IssueId, subscription_id: int, *, now: datetime) -> bool:
    """The same for one person who was confirmed after the issue went out; the issue is being sent again until then.

    False, and nothing happens, when he has a row, or when the editor cancelled the issue.
    """
    if lock_reason(conn, issue_id) == CANCELLED or not _insert(
        conn, issue_id, sa.and_(subscriptions.c.id == subscription_id, subscriptions.c.state == "confirmed"), now
    ):
        return False
    reopened = sa.update(issues).where(issues.c.id == issue_id, issues.c.state == "sent")
    conn.execute(reopened.values(state="sending"))
    return True


def lock_reason(conn: Connection, issue_id: IssueId) -> str | None:
    """The issue's ``reason``; until this transaction ends nobody else finds the issue to be over, or opens it again.

    To be called before rows are added or counted: on PostgreSQL a statement that waited for the issue would still count
    the rows as they were when it began.
    """
    return conn.execute(sa.select(issues.c.reason).where(issues.c.id == issue_id).with_for_update()).scalar()


def _insert(conn: Connection, issue_id: IssueId, which: sa.ColumnElement[bool], now: datetime) -> int:
    is_empty = sa.exists().where(
        renderings.c.issue_id == issue_id, renderings.c.variant == subscriptions.c.variant, renderings.c.mail_html == ""
    )
    fixed = {
        "issue_id": issue_id,
        "lease_owner": "",
        "fence": 0,
        "attempts": 0,
        "uncertain": 0,
        "next_try_at": now,
        "code": 0,
        "created_at": now,
        "changed_at": now,
    }
    recipients = (
        sa.select(
            subscriptions.c.subscriber_id,
            subscriptions.c.id,
            subscribers.c.email,
            subscriptions.c.variant,
            sa.case((is_empty, "suppressed"), else_="queued"),
            sa.case((is_empty, NOTHING_FOR_THEM), else_=""),
            *(sa.literal(value, deliveries.c[name].type).label(name) for name, value in fixed.items()),
        )
        .join_from(subscriptions, subscribers)
        .where(which)
        .order_by(subscriptions.c.id)
    )
    columns = ["subscriber_id", "subscription_id", "address", "variant", "state", "reply_text", *fixed]
    statement = insert(conn, deliveries).from_select(columns, recipients, include_defaults=False)
    counted = {"preserve_rowcount": True}
    return conn.execute(statement.on_conflict_do_nothing(), execution_options=counted).rowcount


def find_due_issues(conn: Connection, *, now: datetime) -> tuple[IssueId, ...]:
    """Issues being sent with something to do: a row to send, a row to recover, or none left and the issue to close.

    One that rests is none of them until its pause is over.
    """
    mine = deliveries.c.issue_id == issues.c.id
    due = sa.exists().where(mine, deliveries.c.state.in_(WAITING), deliveries.c.next_try_at <= now)
    stuck = sa.exists().where(mine, deliveries.c.state.in_(UNDER_WAY), deliveries.c.lease_until <= now)
    waiting = sa.exists().where(mine, deliveries.c.state.in_(OPEN))
    rests = sa.and_(issues.c.paused_reason != "", sa.func.coalesce(issues.c.paused_until > now, sa.true()))
    query = sa.select(issues.c.id).where(issues.c.state == "sending", sa.or_(due, stuck, ~waiting), ~rests)
    return tuple(IssueId(number) for number in conn.execute(query.order_by(issues.c.id)).scalars())


def has_due(conn: Connection, issue_id: IssueId, count: int, *, now: datetime) -> bool:
    """Whether so many rows wait that may be claimed at once; no more than these are looked at."""
    due = (deliveries.c.issue_id == issue_id, deliveries.c.state == "queued", deliveries.c.next_try_at <= now)
    some = sa.select(sa.literal(1)).where(*due).limit(count).subquery()
    return conn.execute(sa.select(sa.func.count()).select_from(some)).scalar_one() >= count


def recover(conn: Connection, *, now: datetime, policy: UncertainPolicy, owner: str | None = None) -> dict[str, int]:
    """Settle claims whose lease is over, and those of ``owner`` (a dead process of our own) whatever their lease.

    How many were ``requeued`` (certainly not accepted), ``resent`` (maybe accepted, queued again) and ``held``: by
    policy, because they were in doubt too often, or because their issue goes out no more.
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
        .values(state="unknown", reply_text=NO_ANSWER, **free)
        .returning(deliveries.c.id)
    ).scalars()
    found = list(uncertain)
    resent = 0
    for some in iter_chunks(found if policy == "resend" else []):
        goes_out = sa.exists().where(issues.c.id == deliveries.c.issue_id, issues.c.state == "sending")
        resent += conn.execute(
            sa.update(deliveries)
            .where(deliveries.c.id.in_(some), deliveries.c.uncertain < MAX_UNCERTAIN, goes_out)
            .values(state="queued", next_try_at=now, uncertain=deliveries.c.uncertain + 1)
        ).rowcount
    return {"requeued": requeued, "resent": resent, "held": len(found) - resent}


def sum_waiting(conn: Connection, issue_id: IssueId) -> int:
    """How many rows are still to be sent, now or later."""
    counts = count_states(conn, issue_id)
    return sum(counts.get(state, 0) for state in OPEN)


def measure_pace(conn: Connection, issue_id: IssueId, *, now: datetime) -> float:
    """Mails a minute over the last five."""
    minutes = 5
    query = sa.select(sa.func.count()).where(
        deliveries.c.issue_id == issue_id,
        deliveries.c.state == "sent",
        deliveries.c.changed_at > now - timedelta(minutes=minutes),
    )
    return float(conn.execute(query).scalar_one()) / minutes


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
