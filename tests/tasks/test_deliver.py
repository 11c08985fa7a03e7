"""The ledger against a mail server that misbehaves and processes that die: nobody is lost, nobody is mailed for fun."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aggregator.errors import DatabaseUnavailable
from aggregator.model.subscriber import Delivery, Message
from aggregator.storage import deliveries, ledger
from aggregator.tasks.deliver import is_paused, recover_dead
from aggregator.tasks.due import get_tasks
from aggregator.tasks.issue_mails import IssueMails
from aggregator.tasks.sending_rules import ANSWER, LINE_PAUSE, SENDER_PAUSE
from aggregator.tasks.startup import recover_claims
from tests.fixtures.program import Program
from tests.fixtures.smtp_server import FOR_EVER, Drop, SmtpServer
from tests.tasks.paper import READERS, SLOT, Paper, count_states, get_issue, ready, send_all

_PROJECT = Path(__file__).resolve().parent.parent.parent
BOB = READERS[1]


def test_a_recipient_who_is_put_off_gets_it_later_and_the_others_now(paper: Paper) -> None:
    paper.smtp.answer("RCPT", "450 4.2.0 greylisted, try again", to=BOB)
    with ready(paper) as (app, issue):
        done = send_all(app, issue)
        assert (done.stopped, is_paused(app)) == ("", False)
        assert count_states(app, issue) == {"sent": 2, "deferred": 1}
        paper.clock.move(minutes=4)
        assert not send_all(app, issue).counts
        paper.clock.move(minutes=2)
        send_all(app, issue)
        assert count_states(app, issue) == {"sent": 3}
        assert get_issue(app, issue.slug).state == "sent"
    assert Counter(paper.recipients()) == Counter(READERS)


def test_an_address_that_does_not_exist_fails_alone(paper: Paper) -> None:
    paper.smtp.answer("RCPT", "550 5.1.1 no such user", to=BOB, times=FOR_EVER)
    with ready(paper) as (app, issue):
        send_all(app, issue)
        assert count_states(app, issue) == {"sent": 2, "bounced": 1}
        assert get_issue(app, issue.slug).state == "sent"


def test_a_login_that_is_refused_loses_nobody_and_is_told_in_one_line(
    program: Program, make_smtp_server: Callable[..., SmtpServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make_smtp_server(login=("user", "right"))
    paper = Paper(program, server)
    paper.post(1, SLOT - timedelta(days=1))
    paper.configure()
    password = program.folder / "password"
    password.write_text("wrong\n")
    password.chmod(0o600)
    smtp = {"host": "127.0.0.1", "port": server.port, "tls": "none", "username": "user", "password_file": "password"}
    program.configure(
        feeds=[{"folder": "posts"}], mail={"from": "News <news@example.org>", "smtp": smtp}, combined={"window": "7d"}
    )
    for email in READERS:
        program.run("subscribers", "add", email)
    program.run("fetch", "--all")
    program.run("issues", "build", "weekly", "--until", SLOT.isoformat())

    told = program.run("issues", "send", "weekly")

    assert told.code == 1
    (line,) = [line for line in told.err.splitlines() if line.startswith("aggregator: ")]
    assert "535" in line
    assert f"127.0.0.1:{server.port}" in line
    assert "Traceback" not in told.err
    (issue,) = program.json("issues", "list")
    assert (issue["state"], sum(issue["deliveries"].values())) == ("sending", 3)
    assert set(issue["deliveries"]) <= {"queued", "deferred"}

    with program.app() as app:
        attempts = server.count("AUTH")
        with app.db.read() as conn:
            assert deliveries.find_due_issues(conn, now=app.now()) == ()
        assert server.count("AUTH") == attempts
    password.write_text("right\n")
    assert program.run("issues", "send", "weekly").code == 0
    assert Counter(a for mail in server.mails for a in mail.recipients) == Counter(READERS)


def test_one_mail_that_is_always_refused_as_if_we_were_holds_up_nobody(paper: Paper) -> None:
    """554 5.7.1 at RCPT says "you", and means one recipient: the others of this and of the next issue get theirs."""
    paper.smtp.answer("RCPT", "554 5.7.1 recipient address rejected: access denied", to=READERS[0], times=FOR_EVER)
    with ready(paper) as (app, issue):
        for _ in range(3):
            send_all(app, issue)
            paper.clock.at += SENDER_PAUSE
        assert count_states(app, issue) == {"sent": 2, "deferred": 1}
        paper.clock.move(minutes=24 * 60)
        before = paper.smtp.count("RCPT")
        for _ in range(4 * 12):
            send_all(app, issue)
            paper.clock.at += SENDER_PAUSE
        assert paper.smtp.count("RCPT") - before < 10


def test_a_server_that_refuses_us_is_asked_less_and_less(paper: Paper) -> None:
    paper.smtp.answer("MAIL", "554 5.7.1 relaying denied", times=FOR_EVER)
    with ready(paper) as (app, issue):
        send_all(app, issue)
        tried = paper.smtp.count("MAIL")
        from dataclasses import replace

        from aggregator.tasks.due import defer_due

        class Queue:
            is_shared = False

            def defer(self, task: str, *, key: str, **ids: int | str) -> bool:
                if task == "deliver":
                    get_tasks(app, pause=lambda _: False)["deliver"]()
                return True

            def run(self, tasks: object) -> None: ...

            def stop(self) -> None: ...

            def measure(self) -> tuple[()]:
                return ()

            def close(self) -> None: ...

        tries = []
        for minute in range(1, 60 * 9):
            paper.clock.move(minutes=1)
            before = paper.smtp.count("MAIL")
            defer_due(replace(app, queue=Queue()))
            tries += [minute] * (paper.smtp.count("MAIL") > before)
        assert tries == [15, 45, 105, 225, 465]  # after a quarter of an hour, then twice as long, four hours at most
        assert tried
        assert get_issue(app, issue.slug).paused_reason.startswith("554 5.7.1 relaying denied")
        assert sum(count_states(app, issue).values()) == 3
        assert count_states(app, issue).get("failed", 0) == 0


@pytest.mark.parametrize(
    ("step", "answer"),
    [
        ("CONNECT", "421 4.3.2 too busy"),
        ("MAIL", "421 4.7.0 too many mails"),
        ("RCPT", "421 4.3.2 shutting down"),
        ("DATA", Drop()),
        ("BODY", Drop(after_bytes=200)),
        ("DOT", "451 4.3.0 disk full"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_line_that_ends_before_the_dot_is_certain_and_sent_once_more(
    paper: Paper, step: str, answer: str | Drop
) -> None:
    paper.smtp.answer(step, answer)
    with ready(paper) as (app, issue):
        for _ in range(3):
            send_all(app, issue)
            paper.clock.move(minutes=6)
        assert count_states(app, issue) == {"sent": 3}
    assert Counter(paper.recipients()) == Counter(READERS)


@pytest.mark.parametrize("accepted", [True, False])
def test_a_line_that_ends_after_the_dot_is_unknown_and_sent_again_as_the_same_mail(
    paper: Paper, accepted: bool
) -> None:
    paper.smtp.answer("DOT", Drop(accept=accepted))
    with ready(paper, BOB) as (app, issue):
        assert send_all(app, issue).counts == {"again": 1}
        assert count_states(app, issue) == {"queued": 1}
        assert not send_all(app, issue).counts
        paper.clock.at += LINE_PAUSE
        send_all(app, issue)
        assert count_states(app, issue) == {"sent": 1}
        assert get_issue(app, issue.slug).state == "sent"
    assert paper.recipients() == [BOB] * (2 if accepted else 1)
    assert len({mail.message["Message-ID"] for mail in paper.smtp.mails}) == 1


def test_nobody_is_given_up_within_two_days(paper: Paper) -> None:
    paper.smtp.answer("RCPT", "450 4.2.0 mailbox busy", times=FOR_EVER)
    with ready(paper, BOB) as (app, issue):
        start = paper.clock()
        while count_states(app, issue) != {"bounced": 1}:
            send_all(app, issue)
            last = paper.clock()
            paper.clock.move(minutes=30)
            assert paper.clock() - start < timedelta(days=4)
        assert last - start >= timedelta(days=2)
        assert get_issue(app, issue.slug).state == "sent"


def test_asked_to_stop_it_begins_nothing(paper: Paper) -> None:
    with ready(paper) as (app, issue):
        assert not send_all(app, issue, is_stopping=lambda: True).counts
        assert count_states(app, issue) == {"queued": 3}


def test_a_run_that_breaks_off_goes_on_and_doubles_nothing_that_it_had_noted(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database goes away for good, before or after a commit: what was asked is not sent, what was sent is noted."""
    emails = [f"reader{number}@example.org" for number in range(30)]
    real, calls = ledger.mark_committing, [0]
    breaks = set(random.sample(range(1, 12), 4))

    def mark_committing(*args: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] in breaks:
            raise OSError("a fault")
        return real(*args, **named)

    monkeypatch.setattr(ledger, "mark_committing", mark_committing)
    with ready(paper, *emails) as (app, issue):
        for _ in range(6):
            try:
                send_all(app, issue)
            except OSError:
                paper.clock.at += ANSWER
        assert count_states(app, issue) == {"sent": 30}
    assert Counter(paper.recipients()) == Counter(emails)


def test_a_fault_of_ours_with_one_mail_is_waited_over_and_the_others_go_on(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = IssueMails.write

    def write(self: IssueMails, delivery: Delivery, now: datetime) -> Message:
        if delivery.address == BOB and delivery.attempts == 1:
            raise ValueError("a bug")
        return real(self, delivery, now)

    monkeypatch.setattr(IssueMails, "write", write)
    with ready(paper) as (app, issue):
        send_all(app, issue)
        assert count_states(app, issue) == {"sent": 2, "deferred": 1}
        paper.clock.move(minutes=6)
        send_all(app, issue)
        assert count_states(app, issue) == {"sent": 3}


def test_a_database_that_goes_away_after_the_dot_is_waited_for(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    real, failures, waits = ledger.settle, [2], list[float]()

    def settle(conn: Any, marks: Any, *, now: datetime) -> int:
        if failures[0] and any(mark.result == "sent" for mark in marks):
            failures[0] -= 1
            raise DatabaseUnavailable("the database went away")
        return real(conn, marks, now=now)

    with ready(paper, BOB) as (app, issue):
        monkeypatch.setattr(ledger, "settle", settle)
        send_all(app, issue, wait=waits.append)
        assert count_states(app, issue) == {"sent": 1}
    assert paper.recipients() == [BOB]
    assert len(waits) == 2


def test_claims_of_a_dead_process_of_this_machine_are_free_at_once_and_those_of_a_live_one_are_not(
    paper: Paper,
) -> None:
    from aggregator.storage import issues, meta
    from aggregator.tasks.worker import worker_name

    host, number, start = worker_name().split(":")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as living:
        alive = f"{host}:{living.pid}:"
        earlier = f"{host}:{number}:{int(start) - 1}"  # the same number in a container that was restarted
        with ready(paper) as (app, issue):
            with app.db.write() as conn:
                issues.mark_sending(conn, issue.id, now=app.now())
                meta.set_value(conn, f"senders on {host}", sorted([alive, earlier]))
                for owner in (alive, earlier):
                    ledger.claim(conn, issue.id, owner=owner, now=app.now(), limit=1, lease=ANSWER)
            recover_dead(app)
            assert count_states(app, issue) == {"queued": 2, "sending": 1}
            living.communicate(b"\n")
            recover_claims(app)
            assert count_states(app, issue) == {"queued": 3}
