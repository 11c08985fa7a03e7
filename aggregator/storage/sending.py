"""An issue that goes out: it rests, goes on, is broken off, or goes out once more to those it missed. Never sends."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Connection  # handed on, for what tasks say about it

from aggregator.model.ids import IssueId
from aggregator.storage.deliveries import CANCELLED, gets_issue, lock_reason, queue_deliveries
from aggregator.storage.ledger import WAITING, goes_out, may_be_mailed
from aggregator.storage.schema import deliveries, issues, subscriptions


def pause(conn: Connection, issue_id: IssueId, reason: str, *, until: datetime | None) -> bool:
    """Nothing more of it is sent until then (None: until `resume`); False: it is not being sent.

    One that ends by itself begins only while there is no other: False as well, and the other stays as it is.
    """
    which = sa.and_(issues.c.id == issue_id, issues.c.state == "sending")
    if until is not None:
        which = sa.and_(which, issues.c.paused_reason == "")
    return _update(conn, which, paused_reason=reason, paused_until=until)


def resume(conn: Connection, issue_id: IssueId) -> bool:
    """It goes on; False: it did not rest."""
    which = sa.and_(issues.c.id == issue_id, issues.c.paused_reason != "")
    return _update(conn, which, paused_reason="", paused_until=None)


def resume_due(conn: Connection, issue_id: IssueId, *, now: datetime) -> bool:
    """The same, if its pause is over."""
    over = sa.and_(issues.c.id == issue_id, issues.c.paused_reason != "", issues.c.paused_until <= now)
    return _update(conn, over, paused_reason="", paused_until=None)


def is_going_out(conn: Connection, issue_id: IssueId) -> bool:
    """Whether it is being sent and does not rest."""
    return bool(conn.execute(sa.select(goes_out(issue_id))).scalar())


def cancel(conn: Connection, issue_id: IssueId, *, now: datetime) -> int | None:
    """Nobody else gets it; how many rows that stops. None: it is neither frozen nor being sent.

    A mail whose final dot may be on its way cannot be taken back; its row gets the answer when it comes. One that
    nobody got yet becomes no issue: its stories are the next one's.
    """
    this = issues.c.id == issue_id
    is_begun = _update(
        conn,
        sa.and_(this, issues.c.state == "sending"),
        state="sent",
        sent_at=now,
        reason=CANCELLED,
        paused_reason="",
        paused_until=None,
    )
    if not is_begun and not _update(conn, sa.and_(this, issues.c.state == "ready"), state="skipped", reason=CANCELLED):
        return None
    rows = sa.update(deliveries).where(
        deliveries.c.issue_id == issue_id, deliveries.c.state.in_(("queued", "deferred", "sending"))
    )
    values = {"state": "suppressed", "reply_text": CANCELLED, "lease_owner": "", "lease_until": None}
    return conn.execute(rows.values(**values, changed_at=now)).rowcount


def end_cancelled(conn: Connection, issue_id: IssueId, *, now: datetime) -> int:
    """Rows of a cancelled issue whose dot was on its way and that were put off since wait for nothing; how many."""
    is_cancelled = sa.exists().where(issues.c.id == issue_id, issues.c.state == "sent", issues.c.reason == CANCELLED)
    rows = sa.update(deliveries).where(deliveries.c.issue_id == issue_id, deliveries.c.state.in_(WAITING), is_cancelled)
    return conn.execute(rows.values(state="suppressed", reply_text=CANCELLED, changed_at=now)).rowcount


def count_missed(conn: Connection, issue_id: IssueId) -> int:
    """How many people `send_to_missed` would mail."""
    newsletter, sent_at = _get_issue(conn, issue_id)
    tried = sa.select(sa.func.count()).where(_is_missed(issue_id))
    untried = (
        sa.select(sa.func.count())
        .select_from(subscriptions)
        .where(gets_issue(newsletter, sent_at), ~sa.exists().where(_is_row_of(issue_id)))
    )
    return conn.execute(tried).scalar_one() + conn.execute(untried).scalar_one()


def send_to_missed(conn: Connection, issue_id: IssueId, *, now: datetime) -> int:
    """Queue it for everybody who should have got it and did not, and open the issue again; how many.

    Those are people confirmed before it was sent: whose mail failed or is in doubt, who were left when it was
    cancelled, and who have no row.
    """
    lock_reason(conn, issue_id)
    newsletter, sent_at = _get_issue(conn, issue_id)
    fresh = {"state": "queued", "attempts": 0, "next_try_at": now, "reply_text": "", "code": 0, "changed_at": now}
    count = conn.execute(sa.update(deliveries).where(_is_missed(issue_id)).values(**fresh)).rowcount
    count += queue_deliveries(conn, issue_id, newsletter, now=now, confirmed_until=sent_at)
    if count:
        _update(conn, issues.c.id == issue_id, state="sending", reason="")
    return count


def _get_issue(conn: Connection, issue_id: IssueId) -> tuple[str, datetime | None]:
    row = conn.execute(sa.select(issues.c.newsletter, issues.c.sent_at).where(issues.c.id == issue_id)).one()
    return row.newsletter, row.sent_at


def _is_missed(issue_id: IssueId) -> sa.ColumnElement[bool]:
    cancelled = sa.and_(deliveries.c.state == "suppressed", deliveries.c.reply_text == CANCELLED)
    states = sa.or_(deliveries.c.state.in_(("failed", "unknown")), cancelled)
    return sa.and_(deliveries.c.issue_id == issue_id, states, may_be_mailed())


def _is_row_of(issue_id: IssueId) -> sa.ColumnElement[bool]:
    return sa.and_(deliveries.c.issue_id == issue_id, deliveries.c.subscriber_id == subscriptions.c.subscriber_id)


def _update(conn: Connection, which: sa.ColumnElement[bool], **values: Any) -> bool:
    return bool(conn.execute(sa.update(issues).where(which).values(**values)).rowcount)
