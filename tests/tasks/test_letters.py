"""Letters against a mail server that misbehaves, and daemons that die: each is sent once, or not at all."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from aggregator.app import App
from aggregator.mail.single import send_one
from aggregator.model.letter import Origin
from aggregator.model.subscriber import Wishes
from aggregator.storage import issues, subscribers
from aggregator.storage import letters as stored
from aggregator.storage import sending as outgoing
from aggregator.storage.schema import letters
from aggregator.tasks import letters as sending
from aggregator.tasks.due import get_tasks
from aggregator.tasks.issues import build_issue
from aggregator.tasks.letters import LEASE, has_due, send_letters
from aggregator.tasks.subscribe import ask, confirm
from tests.fixtures.smtp_server import FOR_EVER, Drop
from tests.tasks.paper import READERS, Paper, count_states, ready, send_all

ADA, BOB, CYD = READERS


@pytest.fixture
def app(paper: Paper) -> Iterator[App]:
    with paper.app() as app:
        yield app


def ask_for(app: App, *addresses: str) -> None:
    for address in addresses:
        ask(app, address, ("weekly",), Wishes(), Origin(form="test"))


def send(app: App) -> None:
    send_letters(app, pause=lambda _: False)


def list_states(app: App) -> list[str]:
    with app.db.read() as conn:
        return list(conn.execute(sa.select(letters.c.state).order_by(letters.c.id)).scalars())


def claim(app: App, owner: str, limit: int) -> tuple[int, ...]:
    """What another daemon has taken, and then died."""
    with app.db.write() as conn:
        found = stored.claim(conn, owner=owner, until=app.now() + LEASE, limit=limit, now=app.now())
    return tuple(letter.id for letter in found)


def test_who_is_put_off_gets_it_later_and_the_others_now(paper: Paper, app: App) -> None:
    paper.smtp.answer("RCPT", "450 4.2.0 greylisted, try again", to=BOB)
    ask_for(app, *READERS)
    send(app)
    assert (paper.recipients(), list_states(app)) == ([ADA, CYD], ["sent", "queued", "sent"])
    assert not has_due(app)
    paper.clock.move(minutes=2)
    assert has_due(app)
    send(app)
    assert (paper.recipients(), set(list_states(app))) == ([ADA, CYD, BOB], {"sent"})


def test_waits_grow_and_end_when_the_link_would_be_out_of_date(paper: Paper, app: App) -> None:
    paper.smtp.answer("RCPT", "450 4.2.0 greylisted, try again", to=BOB, times=FOR_EVER)
    ask_for(app, BOB)
    tries, hours = [], 0.0
    for _ in range(4 * 80):
        if has_due(app):
            tries.append(hours)
            send(app)
        paper.clock.move(minutes=15)
        hours += 0.25
    waits = [later - earlier for earlier, later in pairwise(tries)]
    assert waits == sorted(waits) and len(tries) < 15 and tries[-1] < 72
    assert list_states(app) == ["failed"]


def test_an_address_that_does_not_exist_fails_at_once(paper: Paper, app: App) -> None:
    paper.smtp.answer("RCPT", "550 5.1.1 no such user", to=BOB, times=FOR_EVER)
    ask_for(app, BOB, ADA)
    send(app)
    assert (paper.recipients(), list_states(app)) == ([ADA], ["failed", "sent"])


def test_a_template_that_breaks_costs_its_own_letter_only(paper: Paper, app: App) -> None:
    """The editor mends it, and the letter goes out after all."""
    folder = paper.program.folder / "templates"
    folder.mkdir()
    own = folder / "letter.txt"
    own.write_text("{% if kind == 'known' %}{{ 1 / 0 }}{% endif %}{{ action_url }}")
    paper.subscribe(app, BOB)
    with paper.app() as app:  # templates are read anew
        ask_for(app, *READERS)
        with capture_logs() as told:
            send(app)
        assert (paper.recipients(), list_states(app)) == ([ADA, CYD], ["sent", "queued", "sent"])
        assert [one["kind"] for one in told if one["event"] == "letter.broken"] == ["known"]
        own.unlink()
    with paper.app() as app:
        paper.clock.move(minutes=3)
        send(app)
    assert paper.recipients() == [ADA, CYD, BOB]


def test_a_bug_after_the_dot_never_mails_twice(paper: Paper, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have arrived: the row stays as it is, the others go on."""

    def stumble(deliver: object, message: object, about: object) -> str:
        reply = send_one(deliver, message, about)  # type: ignore[arg-type]
        if len(paper.smtp.mails) == 1:
            raise KeyError("a bug")
        return reply

    monkeypatch.setattr(sending, "send_one", stumble)
    ask_for(app, *READERS)
    with capture_logs():
        send(app)
        paper.clock.move(hours=1)
        send(app)
    assert (paper.recipients(), list_states(app)) == (list(READERS), ["committing", "sent", "sent"])


def test_an_answer_that_nobody_heard_is_not_asked_for_again(paper: Paper, app: App) -> None:
    paper.smtp.answer("DOT", Drop(accept=True))
    ask_for(app, ADA, BOB)
    send(app)
    paper.clock.move(days=1)
    send(app)
    assert (paper.recipients(), list_states(app)) == ([ADA, BOB], ["committing", "sent"])


def test_what_a_dead_daemon_left(paper: Paper, app: App) -> None:
    """Before the dot: sent when its lease ends. After it: never again."""
    ask_for(app, *READERS)
    first, second = claim(app, "another", 2)
    with app.db.write() as conn:
        assert stored.mark_committing(conn, second, owner="another")
    send(app)
    assert (paper.recipients(), list_states(app)) == ([CYD], ["sending", "committing", "sent"])
    paper.clock.move(minutes=LEASE / timedelta(minutes=1) + 1)
    send(app)
    assert (paper.recipients(), list_states(app)) == ([CYD, ADA], ["sent", "committing", "sent"])
    with app.db.write() as conn:  # one that was only slow finds that it is no longer its own
        assert not stored.mark_committing(conn, first, owner="another")
        stored.settle(conn, first, "queued", owner="another")
    assert list_states(app)[0] == "sent"


def test_two_daemons_send_each_letter_once(paper: Paper, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """In slices of two, so that they take turns."""
    addresses = [f"r{number}@d{number}.example.org" for number in range(12)]
    ask_for(app, *addresses)
    monkeypatch.setattr(sending, "worker_name", lambda: threading.current_thread().name)
    monkeypatch.setattr(sending, "SLICE", 2)
    start = threading.Barrier(2)

    def work() -> None:
        start.wait()
        send(app)

    threads = [threading.Thread(target=work, name=f"daemon-{number}") for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    send(app)
    assert Counter(paper.recipients()) == Counter(addresses)
    assert set(list_states(app)) == {"sent"}


def test_who_wants_no_mail_gets_no_letter(paper: Paper, app: App) -> None:
    """Said before it was asked for, while it waits, and while it is being sent."""

    def suppress(address: str) -> None:
        with app.db.write() as conn:
            subscribers.suppress(conn, address, reason="test", now=app.now())

    suppress("Ada@example.org")
    ask_for(app, *READERS)
    assert list_states(app) == ["failed", "queued", "queued"]
    suppress(BOB)

    def pause(_: float) -> bool:
        if "sending" in list_states(app):
            suppress(CYD)
        return False

    send_letters(app, pause=pause)
    assert (paper.recipients(), list_states(app)) == ([], ["failed"] * 3)


def test_a_daemon_that_is_stopped_hands_back_what_it_took(paper: Paper, app: App) -> None:
    ask_for(app, *READERS)
    send_letters(app, pause=lambda _: len(paper.smtp.mails) == 1)
    assert list_states(app) == ["sent", "queued", "queued"]
    send(app)
    assert paper.recipients() == list(READERS)


def test_the_last_issue_welcomes_who_confirms(paper: Paper) -> None:
    """By the daemon's own tasks; nobody who had it gets it again."""
    paper.configure(newsletter={"welcome": True})
    with ready(paper, ADA, BOB) as (app, issue):
        tasks = get_tasks(app, pause=paper.clock.pause, config=Path(paper.program.config))
        ask_for(app, "early@example.org")
        tasks["letters"]()
        confirm(app, read_token(paper))
        tasks["deliver"]()
        assert paper.recipients() == ["early@example.org"]  # no issue has gone out yet

        send_all(app, issue)
        paper.smtp.mails.clear()
        ask_for(app, CYD)
        tasks["letters"]()
        assert paper.recipients() == [CYD]
        assert {confirm(app, read_token(paper)).standing for _ in range(2)} == {"done"}
        tasks["letters"]()
        tasks["round"]()
        tasks["deliver"]()
        tasks["deliver"]()
    assert paper.recipients() == [CYD, CYD]
    welcome = paper.smtp.mails[-1].message
    assert welcome["Subject"] == issue.subject and "List-Unsubscribe" in welcome


def test_two_who_confirm_at_once_get_the_same_issue(paper: Paper) -> None:
    """The first one opens it again; what was cancelled welcomes nobody."""
    paper.configure(newsletter={"welcome": True})
    with ready(paper, ADA, BOB) as (app, issue):
        send_all(app, issue)
        paper.clock.move(days=7)
        paper.post(50, paper.clock() - timedelta(hours=1))
        paper.read(app)
        later = build_issue(app, paper.newsletter(app))
        with app.db.write() as conn:
            issues.mark_sending(conn, later.id, now=app.now())
            outgoing.cancel(conn, later.id, now=app.now())
        for address in (CYD, "dan@example.org"):
            ask_for(app, address)
            send(app)
            assert confirm(app, read_token(paper)).standing == "done"
        paper.smtp.mails.clear()
        get_tasks(app, pause=paper.clock.pause, config=Path(paper.program.config))["deliver"]()
        assert count_states(app, issue) == {"sent": 4}
    assert sorted(paper.recipients()) == [CYD, "dan@example.org"]
    assert {str(mail.message["Subject"]) for mail in paper.smtp.mails} == {issue.subject}


def read_token(paper: Paper) -> str:
    body = paper.smtp.mails[-1].message.get_body(("plain",))
    assert body is not None
    found = re.search(r"/confirm/(\S+)", body.get_content())
    assert found
    return found[1]
