"""The second server stands in for the first while that cannot be used, and only then."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aggregator.errors import MailUnavailable, SenderRefused
from aggregator.mail.servers import TRY_AGAIN_SECONDS, TRY_LOGIN_AGAIN_SECONDS, Servers
from aggregator.model.settings import SmtpSettings
from tests.fixtures.mail_ledger import MailLedger, make_mailer
from tests.fixtures.smtp_server import FOR_EVER, Drop, SmtpServer, Wait

Make = Callable[..., SmtpServer]
FIRST, SECOND = SmtpSettings(host="first", port=25), SmtpSettings(host="second", port=25)
AWAY, REFUSED = MailUnavailable(0, "nobody is there"), SenderRefused(535, "wrong password")


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("error", "seconds"), [(AWAY, TRY_AGAIN_SECONDS), (REFUSED, TRY_LOGIN_AGAIN_SECONDS)])
def test_the_first_server_is_tried_again_after_a_while(error: MailUnavailable | SenderRefused, seconds: float) -> None:
    """Five minutes when it was away, an hour when it refused us; it is used again when a line to it is open."""
    clock = Clock()
    servers = Servers([FIRST, SECOND], clock=clock)

    assert servers.get_used() is FIRST
    assert servers.note_down(FIRST, error)
    assert servers.get_used() is SECOND
    clock.now += seconds - 1
    assert servers.get_due() is None
    clock.now += 1
    assert servers.get_due() is FIRST
    assert servers.get_due() is None
    assert servers.get_used() is SECOND
    servers.note_up(FIRST)
    assert servers.get_used() is FIRST


def test_when_both_are_away_both_are_asked_next_time() -> None:
    """But not a first one that refused our password: it would be asked every minute."""
    away, refused = Servers([FIRST, SECOND]), Servers([FIRST, SECOND])

    assert away.note_down(FIRST, AWAY)
    assert refused.note_down(FIRST, REFUSED)
    assert not away.note_down(SECOND, AWAY)
    assert not refused.note_down(SECOND, AWAY)

    assert away.get_used() is FIRST
    assert refused.get_used() is SECOND


def test_a_single_server_has_no_substitute() -> None:
    """It is used again the next time, whatever it did."""
    servers = Servers([FIRST])

    assert not servers.note_down(FIRST, REFUSED)
    assert servers.get_used() is FIRST
    assert servers.get_due() is None


@pytest.mark.parametrize(
    ("step", "reply"),
    [("CONNECT", "554 5.3.2 out of order"), ("CONNECT", "421 busy"), ("EHLO", Drop()), ("MAIL", "421 4.3.2 busy")],
)
def test_mails_go_to_the_second_server(make_smtp_server: Make, step: str, reply: str | Drop) -> None:
    """All of them, once each, and the next sending begins there."""
    first, second = make_smtp_server(), make_smtp_server()
    first.answer(step, reply, times=FOR_EVER)
    mailer = make_mailer(first, second)
    ledgers = [MailLedger(20), MailLedger(1)]

    for ledger in ledgers:
        mailer.deliver(ledger.watch(second).rows)
    tries = first.count("CONNECT")

    assert [ledger.count() for ledger in ledgers] == [{"accepted": 20}, {"accepted": 1}]
    assert first.mails == []
    assert len(second.mails) == 21
    assert tries <= (8 if step == "MAIL" else 1)


def test_a_login_that_is_refused_turns_to_the_second_server(make_smtp_server: Make) -> None:
    """After one try."""
    first, second = make_smtp_server(login=("news", "secret")), make_smtp_server(login=("news", "wrong"))
    ledger = MailLedger(20).watch(second)

    make_mailer(first, second, username="news", password="wrong").deliver(ledger.rows)

    assert ledger.count() == {"accepted": 20}
    assert first.count("AUTH") == 1


def test_a_mail_that_is_refused_does_not(make_smtp_server: Make) -> None:
    """Policy is no matter of which server."""
    first, second = make_smtp_server(), make_smtp_server()
    first.answer("DOT", "550 5.7.1 we do not like it")
    ledger = MailLedger(20).watch(first)

    with pytest.raises(SenderRefused):
        make_mailer(first, second).deliver(ledger.rows)

    assert second.commands == []


def test_a_server_that_vanishes_while_it_sends(make_smtp_server: Make) -> None:
    """After ten mails every line is cut and no new one is taken: the rest goes over the second server."""
    first, second = make_smtp_server(), make_smtp_server()
    ledger = MailLedger(60)

    def vanish(number: int) -> None:
        if len(first.mails) >= 10 and first.take("CONNECT") is None:
            first.answer("CONNECT", Drop(), times=FOR_EVER)
            first.answer("MAIL", Drop(), times=FOR_EVER)

    ledger.on_commit = vanish
    ledger.watch(first)
    make_mailer(first, second).deliver(ledger.watch(second).rows)

    assert ledger.count() == {"accepted": 60}
    assert len(first.mails) + len(second.mails) == 60
    assert len(second.mails) > 0


def test_both_away_ends_it(make_smtp_server: Make) -> None:
    """The error is that of the last one; no mail is touched."""
    first, second = make_smtp_server(), make_smtp_server()
    for server in (first, second):
        server.answer("CONNECT", Drop(), times=FOR_EVER)
    ledger = MailLedger(20)

    with pytest.raises(MailUnavailable, match=f"127.0.0.1:{second.port}"):
        make_mailer(first, second).deliver(ledger.rows)

    assert set(ledger.count()) == {"untouched"}


def test_the_first_server_takes_over_again(make_smtp_server: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the second one is used it is tried now and then; the lines change over between two mails."""
    monkeypatch.setattr("aggregator.mail.servers.TRY_AGAIN_SECONDS", 0.0)
    first, second = make_smtp_server(), make_smtp_server()
    monkeypatch.setattr("aggregator.mail.engine.LOOK_SECONDS", 0.05)
    first.answer("CONNECT", Drop())
    ledger = MailLedger(40).watch(first).watch(second)
    held = [Wait(), Wait()]
    for wait in held:
        second.answer("RCPT", wait)

    def go_on(number: int) -> None:
        if first.mails:
            for wait in held:
                wait.let_go()

    ledger.on_commit = go_on
    make_mailer(first, second, connections=2, timeout_seconds=30.0).deliver(ledger.rows)

    assert ledger.count() == {"accepted": 40}
    assert len(first.mails) + len(second.mails) == 40
    assert len(second.mails) <= 2
    assert second.left >= second.used
