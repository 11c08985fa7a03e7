"""The ledger against a mail server that misbehaves and processes that die: nobody is lost, nobody is mailed for fun."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from aggregator.app import App
from aggregator.errors import DatabaseUnavailable
from aggregator.model.subscriber import Message
from aggregator.storage import deliveries
from aggregator.tasks.deliver import ANSWER, SENDER_PAUSE, deliver_slice, is_paused, recover_dead
from aggregator.tasks.due import get_tasks
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
        assert send_all(app, issue).empty
        paper.clock.move(minutes=2)
        send_all(app, issue)
        assert count_states(app, issue) == {"sent": 3}
        assert get_issue(app, issue.slug).state == "sent"
    assert Counter(paper.recipients()) == Counter(READERS)


def test_an_address_that_does_not_exist_fails_alone(paper: Paper) -> None:
    paper.smtp.answer("RCPT", "550 5.1.1 no such user", to=BOB, times=FOR_EVER)
    with ready(paper) as (app, issue):
        send_all(app, issue)
        assert count_states(app, issue) == {"sent": 2, "failed": 1}
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
        for _ in range(5):
            assert is_paused(app)
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
        for _ in range(4 * 24):
            send_all(app, issue)
            paper.clock.at += SENDER_PAUSE
        assert paper.smtp.count("RCPT") - before < 10


def test_a_server_that_refuses_us_is_asked_four_times_an_hour(paper: Paper) -> None:
    paper.smtp.answer("MAIL", "554 5.7.1 relaying denied", times=FOR_EVER)
    with ready(paper) as (app, issue):
        send_all(app, issue)
        tried = paper.smtp.count("MAIL")
        from dataclasses import replace

        from aggregator.tasks.due import defer_due

        class Queue:
            def defer(self, task: str, *, key: str, **ids: int | str) -> bool:
                if task == "deliver":
                    get_tasks(app, pause=lambda _: False)["deliver"]()
                return True

            def run(self, tasks: object) -> None: ...

            def stop(self) -> None: ...

        for _ in range(60):
            paper.clock.move(minutes=1)
            defer_due(replace(app, queue=Queue()))
        assert paper.smtp.count("MAIL") - tried == timedelta(hours=1) // SENDER_PAUSE
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
        assert "after the final dot" in send_all(app, issue).stopped
        assert count_states(app, issue) == {"committing": 1}
        assert send_all(app, issue).empty
        paper.clock.at += ANSWER
        send_all(app, issue)
        assert count_states(app, issue) == {"sent": 1}
        assert get_issue(app, issue.slug).state == "sent"
    assert paper.recipients() == [BOB] * (2 if accepted else 1)
    assert len({mail.message["Message-ID"] for mail in paper.smtp.mails}) == 1


def test_nobody_is_given_up_within_two_days(paper: Paper) -> None:
    paper.smtp.answer("RCPT", "450 4.2.0 mailbox busy", times=FOR_EVER)
    with ready(paper, BOB) as (app, issue):
        start = paper.clock()
        while count_states(app, issue) != {"failed": 1}:
            send_all(app, issue)
            last = paper.clock()
            paper.clock.move(minutes=5)
            assert paper.clock() - start < timedelta(days=4)
        assert last - start >= timedelta(days=2)
        assert get_issue(app, issue.slug).state == "sent"


def test_the_rate_is_kept_between_mails_and_slices(paper: Paper) -> None:
    paper.configure(rate=0.5)
    emails = [f"reader{number}@example.org" for number in range(25)]
    with ready(paper, *emails) as (app, issue):
        waits: list[float] = []

        def pause(seconds: float) -> bool:
            waits.append(seconds)
            return paper.clock.pause(seconds)

        start = paper.clock()
        send_all(app, issue, pause=pause)
        assert count_states(app, issue) == {"sent": 25}
        assert paper.clock() - start == timedelta(seconds=50)
        assert waits == [2.0] * 25


def test_with_a_very_low_rate_no_lease_ends_while_its_owner_waits(paper: Paper) -> None:
    paper.configure(rate=0.004)
    with ready(paper) as (app, issue):
        send_all(app, issue, pause=paper.clock.pause)
        assert count_states(app, issue) == {"sent": 3}
    assert Counter(paper.recipients()) == Counter(READERS)


def test_asked_to_stop_it_hands_back_what_it_has_not_tried(paper: Paper) -> None:
    with ready(paper) as (app, issue):
        with app.db.write() as conn:
            from aggregator.storage import issues

            issues.mark_sending(conn, issue.id, now=app.now())
        deliver_slice(app, issue.id, pause=lambda seconds: True)
        assert count_states(app, issue) == {"sent": 1, "queued": 2}


class BadMailer:
    """Raises what the test says at the mails that it names, before or after the moment of commitment."""

    def __init__(self, app: App, faults: dict[int, tuple[str, BaseException]]) -> None:
        self._inner = app.mailer
        self._faults = faults
        self.calls = 0

    def send(self, message: Message, *, about_to_commit: Callable[[], None]) -> str:
        self.calls += 1
        when, error = self._faults.pop(self.calls, ("", KeyError()))
        if when == "before":
            raise error
        reply = self._inner.send(message, about_to_commit=about_to_commit)
        if when == "after":
            raise error
        return reply

    def check(self) -> str:
        return self._inner.check()

    def close(self) -> None: ...


def test_a_run_that_breaks_off_goes_on_and_doubles_one_mail_a_break_at_most(paper: Paper) -> None:
    from dataclasses import replace

    emails = [f"reader{number}@example.org" for number in range(30)]
    with ready(paper, *emails) as (app, issue):
        breaks = sorted(random.sample(range(1, 30), 4))
        faults = {n: (random.choice(["before", "after"]), KeyboardInterrupt()) for n in breaks}
        broken = replace(app, mailer=BadMailer(app, dict(faults)))
        for _ in range(6):
            try:
                send_all(broken, issue)
            except KeyboardInterrupt:
                paper.clock.at += ANSWER
        assert count_states(app, issue) == {"sent": 30}
    got = Counter(paper.recipients())
    assert set(got) == set(emails)
    assert sum(got.values()) - 30 <= sum(when == "after" for when, _ in faults.values())


def test_a_fault_of_ours_with_one_mail_is_waited_over_and_the_others_go_on(paper: Paper) -> None:
    from dataclasses import replace

    with ready(paper) as (app, issue):
        broken = replace(app, mailer=BadMailer(app, {1: ("before", ValueError("a bug"))}))
        send_all(broken, issue)
        assert count_states(app, issue) == {"sent": 2, "deferred": 1}
        paper.clock.move(minutes=6)
        send_all(broken, issue)
        assert count_states(app, issue) == {"sent": 3}


def test_a_database_that_goes_away_after_the_dot_is_waited_for(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    real, failures = deliveries.mark_sent, [2]

    def mark_sent(*args: object, **named: object) -> bool:
        if failures[0]:
            failures[0] -= 1
            raise DatabaseUnavailable("the database went away")
        return real(*args, **named)  # type: ignore[arg-type]

    with ready(paper, BOB) as (app, issue):
        monkeypatch.setattr(deliveries, "mark_sent", mark_sent)
        send_all(app, issue, pause=lambda seconds: False)
        assert count_states(app, issue) == {"sent": 1}
    assert paper.recipients() == [BOB]


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
                    deliveries.claim(conn, issue.id, owner=owner, now=app.now(), limit=1, lease=ANSWER)
            recover_dead(app)
            assert count_states(app, issue) == {"queued": 2, "sending": 1}
            living.communicate(b"\n")
            recover_claims(app)
            assert count_states(app, issue) == {"queued": 3}
