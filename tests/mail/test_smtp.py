"""The SMTP mailer against a real server: what it sends, when it commits, and what each refusal means."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from aggregator.errors import MailError, MailUnavailable, MailUncertain, RecipientRefused, SenderRefused
from aggregator.mail.replies import Step, read_refusal
from aggregator.mail.smtp import SmtpMailer, is_loopback
from aggregator.model.settings import SmtpSettings
from aggregator.model.subscriber import Message
from tests.fixtures.smtp_server import FOR_EVER, Drop, SmtpServer

MESSAGE = Message(
    sender="news@example.org",
    recipient="reader@example.net",
    message_id="<2026-W48.abc@example.org>",
    data=b"Subject: Hello\r\nTo: reader@example.net\r\n\r\nOne.\r\n.\r\n..two\r\n.three\r\n",
)


def make_mailer(server: SmtpServer, **settings: object) -> SmtpMailer:
    given: dict[str, object] = {"tls": "none", "timeout_seconds": 5.0, "final_timeout_seconds": 5.0} | settings
    return SmtpMailer(
        SmtpSettings(host=server.host, port=server.port, **given),  # type: ignore[arg-type]
        tls_context=server.client_context,
    )


def ignore() -> None:
    """A ledger that has nothing to note."""


def test_mail_arrives_as_it_is_with_its_dots(smtp_server: SmtpServer) -> None:
    """Lines that begin with a dot, and one that is only a dot, reach the receiver unchanged."""
    mailer = make_mailer(smtp_server)

    reply = mailer.send(MESSAGE, about_to_commit=ignore)
    mailer.close()

    assert reply.endswith("queued as 1")
    assert smtp_server.mails[0].data == MESSAGE.data
    assert smtp_server.mails[0].sender == MESSAGE.sender
    assert smtp_server.mails[0].recipients == (MESSAGE.recipient,)


def test_commit_comes_before_the_mail_is_accepted(smtp_server: SmtpServer) -> None:
    """When about_to_commit is called the server does not have the mail; when it fails the server never gets it."""
    mailer = make_mailer(smtp_server)
    seen: list[int] = []

    def fail() -> None:
        seen.append(len(smtp_server.mails))
        raise LookupError("the row is lost")

    with pytest.raises(LookupError):
        mailer.send(MESSAGE, about_to_commit=fail)
    mailer.send(MESSAGE, about_to_commit=lambda: seen.append(len(smtp_server.mails)))
    mailer.close()

    assert seen == [0, 0]
    assert len(smtp_server.mails) == 1


def test_one_connection_serves_many_mails(smtp_server: SmtpServer) -> None:
    """Ten mails over one line; refusals in between do not cut it."""
    mailer = make_mailer(smtp_server)
    smtp_server.answer("RCPT", "550 5.1.1 no such user", to="bad@example.net", times=FOR_EVER)

    for number in range(10):
        with pytest.raises(RecipientRefused):
            mailer.send(replace(MESSAGE, recipient="bad@example.net"), about_to_commit=ignore)
        mailer.send(replace(MESSAGE, recipient=f"good{number}@example.net"), about_to_commit=ignore)
    mailer.close()

    assert smtp_server.count("CONNECT") == 1
    assert smtp_server.count("QUIT") == 1
    assert len(smtp_server.mails) == 10


def test_greylisting_is_nobodys_fault(smtp_server: SmtpServer) -> None:
    """450 first, 250 second."""
    mailer = make_mailer(smtp_server)
    smtp_server.answer("RCPT", "450 4.2.0 greylisted, come back in a minute")

    with pytest.raises(MailUnavailable, match="greylisted") as caught:
        mailer.send(MESSAGE, about_to_commit=ignore)
    mailer.send(MESSAGE, about_to_commit=ignore)
    mailer.close()

    assert caught.value.code == 450
    assert len(smtp_server.mails) == 1


@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "DOT"])
def test_421_hangs_up_and_the_next_mail_reconnects(smtp_server: SmtpServer, step: str) -> None:
    """421 anywhere means "not now"; the line is closed and a new one works."""
    mailer = make_mailer(smtp_server)
    smtp_server.answer(step, "421 4.3.2 too busy")

    with pytest.raises(MailUnavailable):
        mailer.send(MESSAGE, about_to_commit=ignore)
    mailer.send(MESSAGE, about_to_commit=ignore)
    mailer.close()

    assert len(smtp_server.mails) == 1


@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
def test_a_drop_before_the_dot_is_certain(smtp_server: SmtpServer, step: str) -> None:
    """A line lost before the dot: certainly not accepted, and the ledger was never told to commit."""
    mailer = make_mailer(smtp_server)
    smtp_server.answer(step, Drop())
    commits: list[str] = []

    with pytest.raises(MailUnavailable):
        mailer.send(MESSAGE, about_to_commit=lambda: commits.append("first"))
    mailer.send(MESSAGE, about_to_commit=lambda: commits.append("second"))
    mailer.close()

    assert commits == ["second"]
    assert len(smtp_server.mails) == 1


@pytest.mark.parametrize("after_bytes", [0, 1, 40, 4_096, 1_000_000])
def test_a_drop_in_the_text_never_delivers(smtp_server: SmtpServer, after_bytes: int) -> None:
    """The server hangs up after so many bytes of the text: it has no mail, whatever we noticed."""
    mailer = make_mailer(smtp_server)
    smtp_server.answer("BODY", Drop(after_bytes=after_bytes))
    big = replace(MESSAGE, data=MESSAGE.data + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 60_000)

    with pytest.raises((MailUnavailable, MailUncertain)):
        mailer.send(big, about_to_commit=ignore)
    mailer.close()

    assert smtp_server.mails == []


@pytest.mark.parametrize("accept", [True, False])
def test_a_drop_after_the_dot_is_uncertain(smtp_server: SmtpServer, accept: bool) -> None:
    """Accepted or not, we cannot know; the next mail goes over a new line."""
    mailer = make_mailer(smtp_server)
    smtp_server.answer("DOT", Drop(accept=accept))

    with pytest.raises(MailUncertain):
        mailer.send(MESSAGE, about_to_commit=ignore)
    mailer.send(MESSAGE, about_to_commit=ignore)
    mailer.close()

    assert len(smtp_server.mails) == 1 + accept


def test_an_idle_line_that_the_server_closed_is_replaced_unseen(smtp_server: SmtpServer) -> None:
    """Servers hang up on idle clients: the next mail goes through without an error."""
    mailer = make_mailer(smtp_server)
    mailer.send(MESSAGE, about_to_commit=ignore)
    smtp_server.answer("MAIL", Drop())

    mailer.send(MESSAGE, about_to_commit=ignore)
    smtp_server.answer("MAIL", "421 4.4.2 idle for too long")
    mailer.send(MESSAGE, about_to_commit=ignore)
    mailer.close()

    assert len(smtp_server.mails) == 3
    assert smtp_server.count("CONNECT") == 3


def test_a_silent_server_times_out() -> None:
    """A server that takes the connection and never speaks is unavailable, and the message names it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        mailer = SmtpMailer(SmtpSettings(host="127.0.0.1", port=port, tls="none", timeout_seconds=0.2))

        with pytest.raises(MailUnavailable, match=f"127.0.0.1:{port}"):
            mailer.send(MESSAGE, about_to_commit=ignore)


@pytest.mark.parametrize("words", [b"2", b"220-more\r\n", b"x" * 50_000], ids=["drip", "endless reply", "endless line"])
def test_a_server_that_talks_for_ever_is_cut_off(words: bytes) -> None:
    """A byte now and then, or lines without an end: the whole reply has one deadline and one greatest length."""

    def talk(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.settimeout(0.02)
            while True:
                connection.sendall(words)
                with contextlib.suppress(TimeoutError):
                    if not connection.recv(1):
                        return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        talker = threading.Thread(target=talk, args=(listener,))
        talker.start()
        settings = SmtpSettings(host="127.0.0.1", port=listener.getsockname()[1], tls="none", timeout_seconds=0.5)

        with pytest.raises(MailUnavailable):
            SmtpMailer(settings).check()
        talker.join(10)

    assert not talker.is_alive()


def test_no_server_is_unavailable() -> None:
    """Nobody listens: one clear line that names the place."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    with pytest.raises(MailUnavailable, match=f"127.0.0.1:{port}: cannot connect"):
        SmtpMailer(SmtpSettings(host="127.0.0.1", port=port, tls="none")).check()


def test_login_works_and_a_refused_one_is_ours(make_smtp_server: Callable[..., SmtpServer]) -> None:
    """On the loopback a login may go over a plain line; 535 is the sender's fault and names the server."""
    server = make_smtp_server(login=("news", "secret"))
    good = make_mailer(server, username="news", password="secret")
    bad = make_mailer(server, username="news", password="wrong")

    good.send(MESSAGE, about_to_commit=ignore)
    good.close()
    with pytest.raises(SenderRefused, match=r"127\.0\.0\.1.*credentials invalid") as caught:
        bad.send(MESSAGE, about_to_commit=ignore)

    assert server.mails[0].username == "news"
    assert caught.value.code == 535
    assert "wrong" not in str(caught.value)


def test_login_that_is_asked_for_but_not_set(make_smtp_server: Callable[..., SmtpServer]) -> None:
    """530 at MAIL FROM: our settings lack a login, no subscriber is to blame."""
    mailer = make_mailer(make_smtp_server(login=("news", "secret")))

    with pytest.raises(SenderRefused, match="Authentication required"):
        mailer.send(MESSAGE, about_to_commit=ignore)
    mailer.close()


def test_starttls_encrypts(make_smtp_server: Callable[..., SmtpServer]) -> None:
    """STARTTLS with a certificate that we trust, then a login over it."""
    server = make_smtp_server(login=("news", "secret"), tls=True)
    mailer = make_mailer(server, tls="starttls", username="news", password="secret")

    said = mailer.check()
    mailer.send(MESSAGE, about_to_commit=ignore)
    mailer.close()

    assert said == f"127.0.0.1:{server.port} answers, encrypted (TLSv1.3), logged in as news"
    assert server.mails[0].encrypted


def test_implicit_tls_is_encrypted_from_the_first_byte(make_smtp_server: Callable[..., SmtpServer]) -> None:
    """Port 465's way."""
    server = make_smtp_server(implicit=True)
    mailer = make_mailer(server, tls="implicit")

    mailer.send(MESSAGE, about_to_commit=ignore)
    mailer.close()

    assert server.mails[0].encrypted


def test_starttls_with_an_unknown_certificate_fails_closed(make_smtp_server: Callable[..., SmtpServer]) -> None:
    """A certificate that nobody vouches for: no mail, and the editor is told why."""
    server = make_smtp_server(tls=True)
    server.client_context = ssl.create_default_context()

    with pytest.raises(SenderRefused, match="certificate verify failed"):
        make_mailer(server, tls="starttls").send(MESSAGE, about_to_commit=ignore)

    assert server.count("MAIL") == 0


def test_starttls_that_is_not_offered_fails_closed(smtp_server: SmtpServer) -> None:
    """A stripped STARTTLS stops the mail."""
    with pytest.raises(SenderRefused, match="offers no encryption"):
        make_mailer(smtp_server, tls="starttls").send(MESSAGE, about_to_commit=ignore)

    assert smtp_server.mails == []


def test_words_before_the_encrypted_line_are_an_attack(make_smtp_server: Callable[..., SmtpServer]) -> None:
    """Text that comes in one piece with the answer to STARTTLS is not taken for the encrypted server's."""
    server = make_smtp_server(tls=True)
    server.answer("STARTTLS", "220 Ready\r\n250 2.0.0 injected")

    with pytest.raises(SenderRefused, match="between STARTTLS and the encrypted line"):
        make_mailer(server, tls="starttls").send(MESSAGE, about_to_commit=ignore)


def test_no_password_over_a_plain_line_to_another_machine() -> None:
    """Names that may lead elsewhere are not loopback."""
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert is_loopback("localhost")
    assert not is_loopback("mail.example.org")
    assert not is_loopback("localhost.example.org")


def test_bare_line_ends_are_never_sent(smtp_server: SmtpServer) -> None:
    """A bare LF or CR could end the text early at some receivers and smuggle a second mail."""
    mailer = make_mailer(smtp_server)

    for data in (b"A: b\r\n\r\nx\n.\r\nMAIL FROM:<a@b>\r\n", b"A: b\r\n\r\nx\r.\r\n", b"A: b\r\n\r\nx"):
        with pytest.raises(SenderRefused, match="bare line ends"):
            mailer.send(replace(MESSAGE, data=data), about_to_commit=ignore)

    assert smtp_server.commands == []


def test_threads_share_a_mailer_one_at_a_time(smtp_server: SmtpServer) -> None:
    """Two workers with one mailer: all mails arrive, none mixed with another."""
    mailer = make_mailer(smtp_server)

    def send_ten(name: str) -> None:
        for number in range(10):
            mailer.send(replace(MESSAGE, recipient=f"{name}{number}@example.net"), about_to_commit=ignore)

    workers = [threading.Thread(target=send_ten, args=(name,)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    mailer.close()

    assert len({mail.recipients for mail in smtp_server.mails}) == 20
    assert {mail.data for mail in smtp_server.mails} == {MESSAGE.data}


REFUSALS: list[tuple[int, str, Step, type[MailError]]] = [
    (550, "5.1.1 user unknown", Step.RCPT, RecipientRefused),
    (550, "5.1.10 null MX", Step.RCPT, RecipientRefused),
    (550, "5.2.1 mailbox disabled", Step.RCPT, RecipientRefused),
    (552, "5.2.2 mailbox full", Step.DOT, RecipientRefused),
    (550, "5.4.1 Recipient address rejected: Access denied", Step.RCPT, RecipientRefused),
    (553, "5.6.7 address needs SMTPUTF8", Step.RCPT, RecipientRefused),
    (550, "5.7.17 mailbox owner has changed", Step.RCPT, RecipientRefused),
    (550, "no such user here", Step.RCPT, RecipientRefused),
    (550, "5.7.1 relaying denied", Step.RCPT, SenderRefused),
    (550, "5.7.515 access denied, domain does not meet the required level", Step.DOT, SenderRefused),
    (550, "relay not permitted", Step.RCPT, SenderRefused),
    (553, "5.1.8 sender's domain does not exist", Step.MAIL, SenderRefused),
    (530, "must issue STARTTLS first", Step.MAIL, SenderRefused),
    (535, "5.7.8 bad credentials", Step.LOGIN, SenderRefused),
    (535, "authentication failed", Step.LOGIN, SenderRefused),
    (552, "5.3.4 message too big", Step.MAIL, SenderRefused),
    (554, "5.6.0 message is spam", Step.DOT, SenderRefused),
    (554, "no SMTP service here", Step.CONNECT, SenderRefused),
    (450, "4.2.0 greylisted", Step.RCPT, MailUnavailable),
    (451, "4.7.1 try again", Step.DOT, MailUnavailable),
    (454, "4.7.0 temporary authentication failure", Step.LOGIN, MailUnavailable),
    (421, "closing", Step.RCPT, MailUnavailable),
    (452, "4.5.3 too many recipients", Step.RCPT, MailUnavailable),
    (-1, "hello?", Step.MAIL, MailUnavailable),
]


@pytest.mark.parametrize(("code", "text", "step", "expected"), REFUSALS)
def test_refusals_are_laid_at_the_right_door(code: int, text: str, step: Step, expected: type[MailError]) -> None:
    """Enhanced status codes first, then the step: recipient, sender, or nobody."""
    error = read_refusal(code, text, step)

    assert type(error) is expected
    assert error.text == text
