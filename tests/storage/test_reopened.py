"""An issue that is over goes out again to single people: none of them waits for ever, and a cancelled one does not."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import IssueId
from aggregator.storage import deliveries, issues, ledger, sending, subscribers
from aggregator.storage.engine import Database
from aggregator.storage.schema import deliveries as table
from tests.storage import marks
from tests.storage.samples import HOUR, NOW, add_sending, subscribe
from tests.storage.test_beside import Beside

LATE = "late@example.org"


def get_state(conn: Connection, issue_id: IssueId) -> str:
    found = issues.get_by_id(conn, issue_id)
    assert found is not None
    return found.state


def queue_late(conn: Connection, issue_id: IssueId) -> bool:
    (late,) = subscribers.find_by_address(conn, LATE)
    return deliveries.queue_one(conn, issue_id, late.id, now=NOW)


def fail_all(conn: Connection, issue_id: IssueId) -> None:
    conn.execute(sa.update(table).where(table.c.issue_id == issue_id).values(state="failed"))


def test_an_issue_is_not_over_while_somebody_is_queued_beside(db: Database) -> None:
    with db.write() as conn:
        issue_id = add_sending(conn, "p@example.org")
        fail_all(conn, issue_id)
        subscribe(conn, LATE)
    with db.write() as conn:
        assert queue_late(conn, issue_id)
        beside = Beside(db, conn, lambda other: issues.mark_sent(other, issue_id, now=NOW))
    assert beside.finish() is False
    with db.read() as conn:
        assert get_state(conn, issue_id) == "sending"


def test_an_issue_is_not_over_while_those_it_missed_are_queued_beside(db: Database) -> None:
    with db.write() as conn:
        issue_id = add_sending(conn, "p@example.org")
        fail_all(conn, issue_id)
    with db.write() as conn:
        assert sending.send_to_missed(conn, issue_id, now=NOW) == 1
        beside = Beside(db, conn, lambda other: issues.mark_sent(other, issue_id, now=NOW))
    assert beside.finish() is False
    with db.read() as conn:
        assert get_state(conn, issue_id) == "sending"


def test_nobody_is_welcomed_with_an_issue_that_the_editor_cancelled(db: Database) -> None:
    with db.write() as conn:
        issue_id = add_sending(conn, "p@example.org")
        sending.cancel(conn, issue_id, now=NOW)
        subscribe(conn, LATE)
        assert not queue_late(conn, issue_id)
        assert get_state(conn, issue_id) == "sent"
        assert deliveries.count_states(conn, issue_id) == {"suppressed": 1}


def test_an_issue_was_sent_when_it_was_sent_first(db: Database) -> None:
    with db.write() as conn:
        issue_id = add_sending(conn, "p@example.org")
        fail_all(conn, issue_id)
        assert issues.mark_sent(conn, issue_id, now=NOW)
        subscribe(conn, LATE)
        assert queue_late(conn, issue_id)
        (row,) = ledger.claim(conn, issue_id, owner="me", now=NOW, limit=9, lease=HOUR)
        ledger.mark_committing(conn, [row], now=NOW)
        marks.mark_sent(conn, row, reply="ok", now=NOW)
        assert issues.mark_sent(conn, issue_id, now=NOW + HOUR)
        found = issues.get_by_id(conn, issue_id)
    assert found is not None
    assert found.sent_at == NOW
