"""How sending ends: by the ledger, by a fault, by a server that is away. No row is left without a word."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import pytest

from aggregator.errors import MailUnavailable, SenderRefused
from aggregator.model.mailing import Supply
from tests.fixtures.mail_ledger import MailLedger, make_mailer
from tests.fixtures.smtp_server import FOR_EVER, Drop, SmtpServer, Wait


@pytest.mark.parametrize(("step", "reply"), [("MAIL", "550 5.7.1 go away"), ("DOT", "554 5.7.515 not authenticated")])
def test_what_is_our_fault_stops_everything(smtp_server: SmtpServer, step: str, reply: str) -> None:
    """The refused mail is settled, nothing more is begun, and the error is raised; all others are untouched."""
    ledger = MailLedger(50).watch(smtp_server)
    smtp_server.answer(step, reply, times=FOR_EVER)

    with pytest.raises(SenderRefused, match=reply[4:]):
        make_mailer(smtp_server).deliver(ledger.rows)

    count = ledger.count()
    assert 1 <= count["SenderRefused"] <= 8
    assert set(count) <= {"SenderRefused", "untouched"}
    assert smtp_server.mails == []


@pytest.mark.parametrize(
    ("step", "reply"),
    [
        ("CONNECT", "421 4.3.2 too busy"),
        ("EHLO", Drop()),
        ("MAIL", "421 slow down"),
        ("RCPT", Drop()),
        ("MAIL", "451 4.3.0 no"),
    ],
)
def test_a_server_that_is_away_ends_it_and_costs_no_mail(smtp_server: SmtpServer, step: str, reply: str | Drop) -> None:
    """Nobody is put off one by one: after a few lines that took nothing the whole sending waits."""
    ledger = MailLedger(100).watch(smtp_server)
    smtp_server.answer(step, reply, times=FOR_EVER)

    with pytest.raises(MailUnavailable, match=f"127.0.0.1:{smtp_server.port}"):
        make_mailer(smtp_server).deliver(ledger.rows)

    count = ledger.count()
    assert count["untouched"] >= sum(count.values()) - 1
    assert smtp_server.count("CONNECT") <= 8


def test_a_server_that_forgets_to_answer_leaves_few_in_doubt(smtp_server: SmtpServer) -> None:
    """Every line is lost after the dot: it ends after a few, not after all."""
    ledger = MailLedger(100).watch(smtp_server)
    smtp_server.answer("DOT", Drop(accept=True), times=FOR_EVER)

    with pytest.raises(MailUnavailable):
        make_mailer(smtp_server).deliver(ledger.rows)

    assert ledger.count()["MailUncertain"] == len(smtp_server.mails) <= 8


@pytest.mark.parametrize("data", [b"A: b\r\n\r\nx", b"A: b\r\n\r\nx\n"])
def test_a_text_without_an_end_is_never_sent(smtp_server: SmtpServer, data: bytes) -> None:
    """The final dot would be a part of it, and the commands after it as well."""
    ledger = MailLedger(1, data=data).watch(smtp_server)

    with pytest.raises(SenderRefused, match="does not end where its text ends"):
        make_mailer(smtp_server).deliver(ledger.rows)

    assert smtp_server.count("MAIL") == 0


def test_stopping_finishes_what_is_under_way(smtp_server: SmtpServer) -> None:
    """Nothing new is taken; what was given and not begun is untouched."""
    ledger = MailLedger(10_000, stops_after=5).watch(smtp_server)

    ended = make_mailer(smtp_server).deliver(ledger.rows)

    count = ledger.count()
    assert ended == "asked to stop"
    assert set(count) <= {"accepted", "untouched"}
    assert count["accepted"] == len(smtp_server.mails)


def test_an_interruption_leaves_no_row_without_a_word(smtp_server: SmtpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C: lines are cut; what was answered, allowed or sent with its dot is noted, all else is untouched."""
    monkeypatch.setattr("aggregator.mail.engine.LOOK_SECONDS", 0.0)
    ledger = MailLedger(10_000).watch(smtp_server)

    def interrupt() -> bool:
        if len(ledger.outcomes) > 30:
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        make_mailer(smtp_server).deliver(replace(ledger.rows, is_stopping=interrupt))

    count = ledger.count()
    assert set(count) <= {"accepted", "untouched", "MailUnavailable", "MailUncertain"}
    assert count.get("MailUnavailable", 0) + count.get("MailUncertain", 0) <= 4


def test_a_line_that_does_not_open_is_not_waited_for(smtp_server: SmtpServer) -> None:
    """The second one hangs in its greeting; the first carries all mails, and the end does not wait either."""
    first, second = Wait(), Wait()
    smtp_server.answer("CONNECT", first)
    first.let_go()
    smtp_server.answer("CONNECT", second)
    ledger = MailLedger(20).watch(smtp_server)

    make_mailer(smtp_server, connections=2, timeout_seconds=30.0).deliver(ledger.rows)
    second.let_go()

    assert ledger.count() == {"accepted": 20}


def test_waiting_for_the_next_mail_is_not_the_end(smtp_server: SmtpServer) -> None:
    """The ledger gives nothing now and more a little later; the lines stay open."""
    ledger = MailLedger(4, waits=deque([0.05, 0.05])).watch(smtp_server)
    ledger.size = 2

    def grow(number: int) -> None:
        ledger.size = 4 if number >= 2 else 2

    ledger.on_commit = grow
    make_mailer(smtp_server, connections=1).deliver(ledger.rows)

    assert ledger.count() == {"accepted": 4}
    assert smtp_server.count("CONNECT") == 1


def test_a_ledger_that_fails_stops_all_dots(smtp_server: SmtpServer) -> None:
    """The third commit raises: no dot after that, what was answered is noted once more, and the error comes out."""

    def fail(number: int) -> None:
        if number == 3:
            raise LookupError("the disk is full")

    ledger = MailLedger(100, on_commit=fail).watch(smtp_server)

    with pytest.raises(LookupError, match="disk is full"):
        make_mailer(smtp_server).deliver(ledger.rows)

    assert set(ledger.count()) <= {"accepted", "untouched"}
    assert all(allowed == 0 for allowed, _ in ledger.commits[3:])


def test_a_ledger_that_cannot_give_ends_it(smtp_server: SmtpServer) -> None:
    """What it gave before is finished first."""
    ledger = MailLedger(6).watch(smtp_server)
    taken: list[int] = []

    def take(limit: int) -> Supply:
        taken.append(limit)
        if len(taken) > 2:
            raise LookupError("no database")
        return ledger.rows.take(limit)

    def is_stopping() -> bool:
        raise LookupError("no database")

    for broken in (replace(ledger.rows, take=take), replace(ledger.rows, is_stopping=is_stopping)):
        with pytest.raises(LookupError, match="no database"):
            make_mailer(smtp_server).deliver(broken)

    assert set(ledger.count()) <= {"accepted", "untouched"}


def test_nothing_due_opens_no_line(smtp_server: SmtpServer) -> None:
    """An empty ledger costs nothing."""
    assert make_mailer(smtp_server).deliver(MailLedger(0).rows) == "nothing more is due"
    assert smtp_server.commands == []
