"""Many mails over a few lines: each recipient ends in the right state, whatever the server does."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from aggregator.mail.engine import MAX_STRIKES
from tests.fixtures.mail_ledger import LONG, TEXT, MailLedger, make_mailer, make_message, read_key
from tests.fixtures.smtp_server import FOR_EVER, Drop, SmtpServer, Wait

Make = Callable[..., SmtpServer]


def get_keys(server: SmtpServer) -> list[int]:
    """The rows whose mails a server took."""
    return sorted(read_key(mail.recipients[0]) for mail in server.mails)


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("drip", [True, False])
def test_all_mails_arrive_once_as_they_are(make_smtp_server: Make, pipelining: bool, drip: bool) -> None:
    """With and without PIPELINING, and when replies come byte by byte."""
    server = make_smtp_server(pipelining=pipelining, drip=drip)
    ledger = MailLedger(30).watch(server)

    ended = make_mailer(server).deliver(ledger.rows)

    assert ended == "nothing more is due"
    assert ledger.count() == {"accepted": 30}
    assert get_keys(server) == list(range(30))
    assert all(mail.data == make_message(read_key(mail.recipients[0])).data for mail in server.mails)
    assert all(mail.sender == f"b+d{read_key(mail.recipients[0])}@example.org" for mail in server.mails)
    assert ledger.outcomes[0].reply.startswith("2.0.0 Ok: queued as ")
    assert 1 <= server.count("CONNECT") <= 4
    assert server.early == []
    assert server.left >= server.used  # one that was still being opened at the end is dropped


def test_a_text_that_no_socket_takes_at_once(smtp_server: SmtpServer) -> None:
    """Four megabytes a mail, on several lines at the same time."""
    ledger = MailLedger(6, data=LONG).watch(smtp_server)

    make_mailer(smtp_server, connections=3).deliver(ledger.rows)

    assert ledger.count() == {"accepted": 6}
    assert all(mail.data.endswith(LONG) for mail in smtp_server.mails)


def test_one_commit_serves_many_lines(smtp_server: SmtpServer) -> None:
    """While the ledger writes, the other lines get ready; the next commit is for them together."""
    seventh = Wait()

    def wait_for_others(number: int) -> None:
        if number == 1:
            seventh.wait_until_it_came()

    ledger = MailLedger(40, on_commit=wait_for_others).watch(smtp_server)
    smtp_server.answer("RCPT", seventh, to="r7@example.net")
    smtp_server.answer("DOT", "451 4.2.0 later", times=1)
    ledger.on_settled = seventh.let_go

    make_mailer(smtp_server, connections=8).deliver(ledger.rows)

    assert ledger.count() == {"accepted": 39, "MailUnavailable": 1}
    assert max(allowed for allowed, settled in ledger.commits) > 1


def test_what_the_ledger_forbids_is_never_finished(smtp_server: SmtpServer) -> None:
    """The line is cut before the dot, and the other mails go over another."""
    ledger = MailLedger(20, forbidden={0, 7, 8}).watch(smtp_server)

    make_mailer(smtp_server).deliver(ledger.rows)

    assert ledger.count() == {"accepted": 17, "forbidden": 3}
    assert not {0, 7, 8} & set(get_keys(smtp_server))


@pytest.mark.parametrize("pipelining", [True, False])
def test_recipients_that_are_refused_cost_nobody_else(make_smtp_server: Make, pipelining: bool) -> None:
    """Greylisted, unknown, full: each its own outcome, on the one line that all others use, too."""
    server = make_smtp_server(pipelining=pipelining)
    ledger = MailLedger(20).watch(server)
    server.answer("RCPT", "450 4.2.0 greylisted", to="r3@example.net")
    server.answer("RCPT", "550 5.1.1 no such user", to="r4@example.net")
    server.answer("RCPT", "550-5.1.1 no such\r\n550 5.1.1 user", to="r5@example.net")
    server.answer("RCPT", "552 5.2.2 mailbox full", to="r19@example.net")

    make_mailer(server, connections=1).deliver(ledger.rows)

    assert ledger.count() == {"accepted": 16, "MailUnavailable": 1, "RecipientRefused": 3}
    assert ledger.find("MailUnavailable") == [3]
    assert ledger.outcomes[3].error is not None
    assert ledger.outcomes[3].error.code == 450
    assert str(ledger.outcomes[5].error) == "550 5.1.1 no such 5.1.1 user"
    assert server.count("CONNECT") == 1


@pytest.mark.parametrize(
    ("reply", "state"),
    [("550 5.1.1 unknown after all", "RecipientRefused"), ("451 4.2.0 later", "MailUnavailable")],
)
@pytest.mark.parametrize("step", ["DATA", "DOT"])
def test_refused_at_data_or_after_the_text(smtp_server: SmtpServer, step: str, reply: str, state: str) -> None:
    """The answer is for that mail; the line goes on."""
    ledger = MailLedger(5).watch(smtp_server)
    smtp_server.answer(step, reply)

    make_mailer(smtp_server, connections=1).deliver(ledger.rows)

    assert ledger.count() == {"accepted": 4, state: 1}
    assert ledger.find(state) == [0]
    assert smtp_server.count("CONNECT") == 1


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("pipelining", [True, False])
def test_a_line_that_is_lost_before_the_dot_costs_no_mail(make_smtp_server: Make, step: str, pipelining: bool) -> None:
    """Certainly not accepted: the mail goes over another line, and the ledger hears nothing of it."""
    server = make_smtp_server(pipelining=pipelining)
    ledger = MailLedger(10).watch(server)
    server.answer(step, Drop())

    make_mailer(server).deliver(ledger.rows)

    assert ledger.count() == {"accepted": 10}
    assert get_keys(server) == list(range(10))


@pytest.mark.parametrize("after_bytes", [0, 1, 40])
def test_a_line_that_is_lost_in_the_text_costs_no_mail(smtp_server: SmtpServer, after_bytes: int) -> None:
    """Of a text that no socket takes at once, so that the loss is seen before the dot."""
    ledger = MailLedger(3, data=LONG).watch(smtp_server)
    smtp_server.answer("BODY", Drop(after_bytes=after_bytes))

    make_mailer(smtp_server).deliver(ledger.rows)

    assert ledger.count() == {"accepted": 3}
    assert get_keys(smtp_server) == [0, 1, 2]


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
def test_421_closes_the_line_and_costs_no_mail(smtp_server: SmtpServer, step: str) -> None:
    """It is about the line."""
    ledger = MailLedger(10).watch(smtp_server)
    smtp_server.answer(step, "421 4.3.2 too busy")

    make_mailer(smtp_server).deliver(ledger.rows)

    assert ledger.count() == {"accepted": 10}


def test_421_after_the_dot_is_a_refusal(smtp_server: SmtpServer) -> None:
    """The row was committed: only an outcome frees it."""
    ledger = MailLedger(10).watch(smtp_server)
    smtp_server.answer("DOT", "421 4.3.2 too busy")

    make_mailer(smtp_server).deliver(ledger.rows)

    assert ledger.count() == {"accepted": 9, "MailUnavailable": 1}


@pytest.mark.parametrize("accept", [True, False])
def test_a_line_that_is_lost_after_the_dot_leaves_one_in_doubt(smtp_server: SmtpServer, accept: bool) -> None:
    """Accepted or not, nobody knows; the mails after it go over another line."""
    ledger = MailLedger(10).watch(smtp_server)
    smtp_server.answer("DOT", Drop(accept=accept))

    make_mailer(smtp_server, connections=1).deliver(ledger.rows)

    assert ledger.count() == {"accepted": 9, "MailUncertain": 1}
    assert len(smtp_server.mails) == 9 + accept
    assert smtp_server.count("CONNECT") == 2


def test_one_mail_that_kills_lines_is_given_up(smtp_server: SmtpServer) -> None:
    """Twice on a line that was lost: it waits for another day, the others arrive."""
    ledger = MailLedger(10).watch(smtp_server)
    smtp_server.answer("RCPT", Drop(), to="r5@example.net", times=FOR_EVER)

    make_mailer(smtp_server).deliver(ledger.rows)

    assert ledger.count() == {"accepted": 9, "MailUnavailable": 1}
    assert ledger.find("MailUnavailable") == [5]
    assert 2 <= sum("r5@" in command for command in smtp_server.commands) <= MAX_STRIKES


def test_a_server_that_wants_few_mails_a_line(make_smtp_server: Make) -> None:
    """421 after every third: new lines, no mail lost or doubled."""
    server = make_smtp_server(max_mails=3)
    ledger = MailLedger(30).watch(server)

    make_mailer(server, connections=2).deliver(ledger.rows)

    assert ledger.count() == {"accepted": 30}
    assert server.count("CONNECT") >= 10


def test_a_server_that_wants_few_lines(make_smtp_server: Make) -> None:
    """The third line is refused: two go on."""
    server = make_smtp_server(max_lines=2)
    ledger = MailLedger(50).watch(server)

    make_mailer(server, connections=8).deliver(ledger.rows)

    assert ledger.count() == {"accepted": 50}
    assert server.count("CONNECT") <= 9


def test_a_slow_line_stops_no_other(smtp_server: SmtpServer) -> None:
    """One recipient's answer takes for ever; all others have theirs meanwhile."""
    slow = Wait()
    ledger = MailLedger(30).watch(smtp_server)
    ledger.on_commit = lambda number: slow.let_go() if len(ledger.outcomes) >= 28 else None
    smtp_server.answer("RCPT", slow, to="r4@example.net")

    make_mailer(smtp_server, connections=2, timeout_seconds=30.0).deliver(ledger.rows)

    assert ledger.count() == {"accepted": 30}
    assert list(ledger.outcomes)[-1] == 4 or list(ledger.outcomes)[-2] == 4


@pytest.mark.parametrize(
    ("step", "count"), [("RCPT", {"accepted": 3}), ("DOT", {"accepted": 2, "MailUncertain": 1})], ids=["RCPT", "DOT"]
)
def test_an_answer_that_does_not_come_in_time(smtp_server: SmtpServer, step: str, count: dict[str, int]) -> None:
    """Before the dot the mail is tried on another line; after it nobody knows."""
    wait = Wait()
    ledger = MailLedger(3).watch(smtp_server)
    smtp_server.answer(step, wait)

    make_mailer(smtp_server, connections=2, timeout_seconds=0.3, final_timeout_seconds=0.3).deliver(ledger.rows)
    wait.let_go()

    assert ledger.count() == count


@pytest.mark.parametrize(
    "reply", ["hello?", "250-" + "x" * 9_000, "2" * 9_000, "250-a\r\n" * 2_000 + "250 b", "999", "199 hm", "\x00"]
)
@pytest.mark.parametrize("step", ["RCPT", "DOT"])
def test_garbage_is_no_answer(smtp_server: SmtpServer, step: str, reply: str) -> None:
    """Or one without an end. Before the dot another line is tried, after it the mail is in doubt."""
    ledger = MailLedger(3).watch(smtp_server)
    smtp_server.answer(step, reply)

    make_mailer(smtp_server, connections=1, timeout_seconds=0.3, final_timeout_seconds=0.3).deliver(ledger.rows)

    assert ledger.count() in (
        {"accepted": 3},
        {"accepted": 2, "MailUncertain": 1},
        {"accepted": 2, "MailUnavailable": 1},
    )
    assert (ledger.find("MailUncertain") == [0]) is (step == "DOT")


def test_text_for_a_refused_recipient_is_never_sent(smtp_server: SmtpServer) -> None:
    """A server may say 354 to a mail that it has no recipient of (RFC 2920 3.1)."""
    ledger = MailLedger(3).watch(smtp_server)
    smtp_server.answer("RCPT", "550 5.1.1 no such user")
    smtp_server.answer("DATA", "354 go on")

    make_mailer(smtp_server, connections=1).deliver(ledger.rows)

    assert ledger.count() == {"accepted": 2, "RecipientRefused": 1}
    assert get_keys(smtp_server) == [1, 2]


def test_two_deliveries_at_once_do_not_mix(smtp_server: SmtpServer) -> None:
    """Two workers with one mailer."""
    mailer = make_mailer(smtp_server)
    ledgers = [MailLedger(20), MailLedger(20)]
    workers = [threading.Thread(target=mailer.deliver, args=(ledger.rows,)) for ledger in ledgers]

    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert [ledger.count() for ledger in ledgers] == [{"accepted": 20}] * 2
    assert get_keys(smtp_server) == sorted([*range(20), *range(20)])
    assert {mail.data[-len(TEXT) :] for mail in smtp_server.mails} == {TEXT}
