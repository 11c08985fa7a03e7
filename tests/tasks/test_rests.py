"""What `/readyz` says of an issue that rests, and what is left of one cancelled while mails are on their way."""

from __future__ import annotations

from datetime import timedelta

from aggregator.app import App
from aggregator.errors import MailUnavailable
from aggregator.model.mailing import Outcome
from aggregator.storage import issues, sending, troubles
from aggregator.storage.deliveries import CANCELLED
from aggregator.tasks.deliver import deliver_issue
from aggregator.tasks.issue_ledger import IssueLedger
from aggregator.tasks.issue_mails import IssueMails
from aggregator.tasks.sending_rules import SENDER_PAUSE
from tests.fixtures.smtp_server import FOR_EVER
from tests.tasks.paper import Paper, count_states, get_issue, ready, send_all


def list_troubles(app: App) -> list[str]:
    with app.db.read() as conn:
        return [trouble.name for trouble in troubles.list_troubles(conn)]


def test_the_trouble_lasts_as_long_as_the_rest_whoever_looks_after_the_issue(paper: Paper) -> None:
    paper.smtp.answer("MAIL", "554 5.7.1 relaying denied", times=1)
    with ready(paper) as (app, issue):
        assert send_all(app, issue).stopped
        assert len(list_troubles(app)) == 1
        assert not deliver_issue(app, issue.id).counts  # another process that sends it, too
        assert len(list_troubles(app)) == 1
        paper.clock.at += SENDER_PAUSE
        assert send_all(app, issue).counts["sent"] == 3
        assert list_troubles(app) == []


def test_two_processes_that_are_refused_at_once_let_it_rest_once(paper: Paper) -> None:
    paper.smtp.answer("MAIL", "554 5.7.1 relaying denied", times=FOR_EVER)
    with ready(paper) as (app, issue):
        with app.db.write() as conn:
            issues.mark_sending(conn, issue.id, now=app.now())
            assert sending.pause(conn, issue.id, "another was refused", until=app.now() + SENDER_PAUSE)
            assert not sending.pause(conn, issue.id, "so were we", until=app.now() + timedelta(hours=4))
        assert get_issue(app, issue.slug).paused_until == app.now() + SENDER_PAUSE


def test_an_issue_that_is_cancelled_while_the_server_refuses_us_is_no_trouble(paper: Paper) -> None:
    paper.smtp.answer("MAIL", "554 5.7.1 relaying denied", times=FOR_EVER)
    with ready(paper) as (app, issue):

        def cancel(*_: object) -> None:
            with app.db.write() as conn:
                sending.cancel(conn, issue.id, now=app.now())

        assert send_all(app, issue, on_result=cancel).stopped
        assert get_issue(app, issue.slug).state == "sent"
        assert list_troubles(app) == []


def test_a_mail_that_is_put_off_after_its_issue_was_cancelled_waits_for_nothing(paper: Paper) -> None:
    with ready(paper) as (app, issue):
        with app.db.write() as conn:
            issues.mark_sending(conn, issue.id, now=app.now())
        ledger = IssueLedger(app, IssueMails(app, issue.id), is_stopping=lambda: False)
        (mail,) = ledger.rows.take(1).mails
        assert ledger.rows.commit([mail.key], ())
        with app.db.write() as conn:
            assert sending.cancel(conn, issue.id, now=app.now()) == 2
        ledger.rows.commit((), [Outcome(key=mail.key, error=MailUnavailable(451, "4.3.0 later"))])
        ledger.hand_back()
        deliver_issue(app, issue.id)
        assert count_states(app, issue) == {"suppressed": 3}
        assert get_issue(app, issue.slug).reason == CANCELLED
