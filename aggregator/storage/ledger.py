"""The steps of a delivery while it is sent: claimed, committed, settled; many rows at a time. Never sends.

A claim is committed before MAIL FROM, ``committing`` before the final dot, ``sent`` after the answer. Each claim raises
the row's fence; a mark that carries an older one, or finds the row in another state, changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import IssueId
from aggregator.model.subscriber import Delivery, DeliveryState
from aggregator.storage.engine import iter_chunks
from aggregator.storage.schema import deliveries, issues, subscribers, subscriptions, suppressions

#: ``queued``: handed back untried, it costs no attempt. ``again``: the dot was sent, no answer seen, sent once more.
Result = Literal["sent", "deferred", "failed", "unknown", "queued", "again"]

WAITING: tuple[DeliveryState, ...] = ("queued", "deferred")
UNDER_WAY: tuple[DeliveryState, ...] = ("sending", "committing")

#: From which states a row may get there. ``sent`` stays true when recovery took the row meanwhile and nobody claimed
#: it again: that spares a second mail.
_BEFORE: dict[Result, tuple[DeliveryState, ...]] = {
    "sent": ("committing", "unknown", "queued"),
    "deferred": UNDER_WAY,
    "failed": UNDER_WAY,
    "unknown": ("committing",),
    "again": ("committing",),
    "queued": ("sending",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What became of one claimed row."""

    delivery: Delivery
    result: Result
    code: int = 0
    reply: str = ""
    #: Of ``deferred`` and ``again``; of ``queued`` None: it keeps its place.
    next_try_at: datetime | None = None


def claim(
    conn: Connection, issue_id: IssueId, *, owner: str, now: datetime, limit: int, lease: timedelta
) -> tuple[Delivery, ...]:
    """Up to ``limit`` rows that are due, now ``sending`` and ours until the lease ends: new ones first, then retries.

    Empty means that nothing is due. Subscriptions and suppressions are read again here: who left since the issue was
    frozen becomes ``suppressed``. To be committed before the first MAIL FROM; an issue that is not being sent, or
    rests, gives nothing.
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
    """State by state, each in the order of its index: a million rows that wait are not sorted."""
    found: list[int] = []
    for state in WAITING:
        query = (
            sa.select(deliveries.c.id)
            .where(
                deliveries.c.issue_id == issue_id,
                deliveries.c.state == state,
                deliveries.c.next_try_at <= now,
                goes_out(issue_id),
            )
            .order_by(deliveries.c.next_try_at)
            .limit(limit - len(found))
            .with_for_update(skip_locked=True)
        )
        found += conn.execute(query).scalars()
        if len(found) >= limit:
            break
    return found


def goes_out(issue_id: IssueId | sa.BindParameter[Any]) -> sa.ColumnElement[bool]:
    """Whether the issue is being sent and does not rest."""
    return sa.exists().where(issues.c.id == issue_id, issues.c.state == "sending", issues.c.paused_reason == "")


def _suppress(conn: Connection, which: sa.ColumnElement[bool], now: datetime) -> set[int]:
    """Mark those of the rows ``which`` that may not be mailed (any more); their ids."""
    reason = sa.case((is_suppressed(), "the address is suppressed"), else_="the subscription has ended")
    statement = (
        sa.update(deliveries)
        .where(which, ~may_be_mailed())
        .values(state="suppressed", reply_text=reason, **_freed(now))
        .returning(deliveries.c.id)
    )
    return set(conn.execute(statement).scalars())


def may_be_mailed() -> sa.ColumnElement[bool]:
    """Whether a delivery's person still wants it, and the address is not suppressed."""
    confirmed = sa.exists().where(
        subscriptions.c.id == deliveries.c.subscription_id, subscriptions.c.state == "confirmed"
    )
    return sa.and_(confirmed, ~is_suppressed())


def is_suppressed() -> sa.ColumnElement[bool]:
    """Whether the address of a delivery's person is on the list of those that get no mail."""
    return sa.exists().where(
        suppressions.c.address_hash == subscribers.c.address_hash, subscribers.c.id == deliveries.c.subscriber_id
    )


def _load(conn: Connection, ids: Sequence[int]) -> tuple[Delivery, ...]:
    found: dict[int, Delivery] = {}
    for some in iter_chunks(ids):
        query = sa.select(*_CLAIMED).join_from(deliveries, subscriptions).where(deliveries.c.id.in_(some))
        for row in conn.execute(query):
            found[row[0]] = Delivery(**dict(zip(_NAMES, row, strict=True)))
    return tuple(found[number] for number in ids)


def mark_committing(
    conn: Connection, some: Sequence[Delivery], *, now: datetime, until: datetime | None = None
) -> frozenset[int]:
    """Return the ids of those whose final dot may be sent next; the others are another's now, or their person has left.

    ``until``: how long the answers may take; so long nobody else takes the rows (None: as long as they were claimed
    for). Who has left becomes ``suppressed``; the rows of an issue that rests or is cancelled stay as they are.
    """
    allowed: set[int] = set()
    _lock_subscriptions(conn, some)
    for (fence, issue_id), rows in groupby(sorted(some, key=_BY_CLAIM), key=_BY_CLAIM):
        values = {
            "rows": [delivery.id for delivery in rows],
            "mark": fence,
            "issue": issue_id,
            "at": now,
            "until": until,
        }
        done: set[int] = {row[0] for row in conn.execute(_COMMITTING, values)}
        if len(done) < len(values["rows"]):
            ours = sa.and_(deliveries.c.id.in_(values["rows"]), deliveries.c.fence == fence)
            _suppress(conn, sa.and_(ours, deliveries.c.state == "sending"), now)
        allowed |= done
    return frozenset(allowed)


def _lock_subscriptions(conn: Connection, some: Sequence[Delivery]) -> None:
    """Who leaves from now on waits for our commit, so that nobody's mail is allowed after he was told that he has left.

    SQLite lets one write at a time anyhow.
    """
    if conn.dialect.name != "sqlite":
        ids = sorted({delivery.subscription_id for delivery in some})
        query = sa.select(subscriptions.c.id).where(subscriptions.c.id.in_(ids)).order_by(subscriptions.c.id)
        conn.execute(query.with_for_update(read=True)).all()


def settle(conn: Connection, marks: Collection[Mark], *, now: datetime) -> int:
    """Write down what became of claimed rows; how many were still ours, in a state from which they may get there."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for mark in marks:
        rows.setdefault(mark.result, []).append(_describe(mark, now))
    return sum(
        conn.execute(_STATEMENTS[result], some, execution_options=_COUNTED).rowcount for result, some in rows.items()
    )


def _describe(mark: Mark, now: datetime) -> dict[str, Any]:
    values = {"row": mark.delivery.id, "mark": mark.delivery.fence, "at": now}
    if mark.result != "queued":
        values |= {"said": mark.code, "words": mark.reply}
    if mark.result in _AGAIN:
        values["next"] = mark.next_try_at
    return values


def _make_committing() -> sa.sql.dml.ReturningUpdate[Any]:
    """Made once: with ten rows at a time, making it would cost more than doing it."""
    ours = (
        deliveries.c.id.in_(sa.bindparam("rows", expanding=True)),
        deliveries.c.fence == _bind("mark"),
        deliveries.c.state == "sending",
    )
    lease = sa.func.coalesce(_bind("until", deliveries.c.lease_until.type), deliveries.c.lease_until)
    return (
        sa.update(deliveries)
        .where(*ours, may_be_mailed(), goes_out(_bind("issue")))
        .values(state="committing", changed_at=_at, lease_until=lease)
        .returning(deliveries.c.id)
    )


def _make_statement(result: Result) -> sa.Update:
    values: dict[str, Any] = {
        "state": _spell(result),
        "lease_owner": _spell(""),
        "lease_until": sa.null(),
        "changed_at": _at,
    }
    if result != "queued":
        values |= {"code": _bind("said", sa.Integer()), "reply_text": _bind("words", sa.Text())}
    if result in _AGAIN:
        next_try_at = deliveries.c.next_try_at
        values["next_try_at"] = sa.func.coalesce(_bind("next", next_try_at.type), next_try_at)
    if result == "queued":
        values["attempts"] = deliveries.c.attempts - 1
    if result == "again":
        values |= {"state": _spell("queued"), "uncertain": deliveries.c.uncertain + 1}
    before = sa.or_(*(deliveries.c.state == _spell(state) for state in _BEFORE[result]))
    where = (deliveries.c.id == _bind("row"), deliveries.c.fence == _bind("mark"))
    return sa.update(deliveries).where(*where, before).values(**values)


def _spell(word: str) -> sa.ColumnElement[str]:
    """A constant as it stands in the statement: what is bound costs its time for each row."""
    return sa.literal_column(f"'{word}'", sa.Text())


def _bind(name: str, kind: Any = None) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=kind or sa.BigInteger())


#: What a claimed row is made of: its name in `Delivery`, and its column.
_NAMES = (
    "id", "issue_id", "subscription_id", "address", "state", "attempts", "fence", "variant", "uncertain", "public_id",
)  # fmt: skip
_CLAIMED = (*(deliveries.c[name] for name in _NAMES[:-1]), subscriptions.c.public_id)
_AGAIN = ("deferred", "again", "queued")
_COUNTED = {"preserve_rowcount": True}
_at = _bind("at", deliveries.c.changed_at.type)
_BY_CLAIM = attrgetter("fence", "issue_id")
_COMMITTING = _make_committing()
_STATEMENTS: dict[str, sa.Update] = {result: _make_statement(result) for result in _BEFORE}


def _freed(now: datetime) -> dict[str, Any]:
    return {"lease_owner": "", "lease_until": None, "changed_at": now}
