"""Lines to a mail server: how they are opened, and what each refusal means."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable

import pytest

from aggregator.errors import MailError, MailUnavailable, RecipientRefused, SenderRefused
from aggregator.mail.opening import is_loopback
from aggregator.mail.replies import Step, is_about_server, read_refusal, to_line
from aggregator.mail.smtp import SmtpMailer
from aggregator.model.settings import SmtpSettings
from tests.fixtures.mail_ledger import LONG, MailLedger, make_mailer
from tests.fixtures.smtp_server import SmtpServer


def test_a_silent_server_times_out() -> None:
    """A server that takes the connection and never speaks is unavailable, and the message names it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        mailer = SmtpMailer(SmtpSettings(host="127.0.0.1", port=port, tls="none", timeout_seconds=0.2))

        with pytest.raises(MailUnavailable, match=f"127.0.0.1:{port}"):
            mailer.check()


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
    """On the loopback a login may go over a plain line; 535 is the sender's fault, names the server, and comes once."""
    server = make_smtp_server(login=("news", "secret"))
    good, bad = MailLedger(1), MailLedger(20)

    make_mailer(server, username="news", password="secret").deliver(good.rows)
    with pytest.raises(SenderRefused, match=r"127\.0\.0\.1.*credentials invalid") as caught:
        make_mailer(server, username="news", password="wrong").deliver(bad.rows)

    assert server.mails[0].username == "news"
    assert caught.value.code == 535
    assert "wrong" not in str(caught.value)
    assert server.count("AUTH") == 2
    assert set(bad.count()) == {"untouched"}


def test_login_that_is_asked_for_but_not_set(make_smtp_server: Callable[..., SmtpServer]) -> None:
    """530 at MAIL FROM: our settings lack a login, no subscriber is to blame."""
    ledger = MailLedger(1)

    with pytest.raises(SenderRefused, match="Authentication required"):
        make_mailer(make_smtp_server(login=("news", "secret"))).deliver(ledger.rows)

    assert ledger.count() == {"SenderRefused": 1}


def test_starttls_encrypts(make_smtp_server: Callable[..., SmtpServer]) -> None:
    """STARTTLS with a certificate that we trust, then a login over it; many mails over many lines."""
    server = make_smtp_server(login=("news", "secret"), tls=True)
    mailer = make_mailer(server, tls="starttls", username="news", password="secret")
    text = LONG[:300_000] + b"\r\n"
    ledger = MailLedger(20, data=text).watch(server)

    said = mailer.check()
    mailer.deliver(ledger.rows)

    assert said == f"127.0.0.1:{server.port} answers, encrypted (TLSv1.3), logged in as news"
    assert ledger.count() == {"accepted": 20}
    assert all(mail.encrypted and mail.data.endswith(text) for mail in server.mails)


def test_implicit_tls_is_encrypted_from_the_first_byte(make_smtp_server: Callable[..., SmtpServer]) -> None:
    """Port 465's way."""
    server = make_smtp_server(implicit=True)

    make_mailer(server, tls="implicit").deliver(MailLedger(1).rows)

    assert server.mails[0].encrypted


@pytest.mark.parametrize("is_trusted", [True, False])
def test_opportunistic_encrypts_where_it_can(make_smtp_server: Callable[..., SmtpServer], is_trusted: bool) -> None:
    """Whoever the other end is; a server that cannot encrypt gets the mail in the clear."""
    server, plain = make_smtp_server(tls=True), make_smtp_server()
    if not is_trusted:
        server.client_context = None

    for each in (server, plain):
        make_mailer(each, tls="opportunistic").deliver(MailLedger(1).rows)

    assert server.mails[0].encrypted
    assert not plain.mails[0].encrypted


def test_starttls_with_an_unknown_certificate_fails_closed(make_smtp_server: Callable[..., SmtpServer]) -> None:
    """A certificate that nobody vouches for: no mail, and the editor is told why."""
    server = make_smtp_server(tls=True)
    server.client_context = ssl.create_default_context()
    ledger = MailLedger(20)

    with pytest.raises(SenderRefused, match="certificate verify failed"):
        make_mailer(server, tls="starttls").deliver(ledger.rows)

    assert server.count("CONNECT") == 1
    assert server.count("MAIL") == 0
    assert set(ledger.count()) == {"untouched"}


def test_starttls_that_is_not_offered_fails_closed(smtp_server: SmtpServer) -> None:
    """A stripped STARTTLS stops the mail."""
    with pytest.raises(SenderRefused, match="offers no encryption"):
        make_mailer(smtp_server, tls="starttls").deliver(MailLedger(3).rows)

    assert smtp_server.count("MAIL") == 0


def test_words_before_the_encrypted_line_are_an_attack(make_smtp_server: Callable[..., SmtpServer]) -> None:
    """Text that comes in one piece with the answer to STARTTLS is not taken for the encrypted server's."""
    server = make_smtp_server(tls=True)
    server.answer("STARTTLS", "220 Ready\r\n250 2.0.0 injected")

    with pytest.raises(SenderRefused, match="between STARTTLS and the encrypted line"):
        make_mailer(server, tls="starttls").deliver(MailLedger(1).rows)


def test_a_line_that_is_lost_while_it_is_encrypted_is_nobodys_fault() -> None:
    """A server that dies in the handshake is away, not to be distrusted."""

    def speak(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            for words in (b"220 hello", b"250-hello\r\n250 STARTTLS", b"220 go on"):
                connection.sendall(words + b"\r\n")
                connection.recv(1_000)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        speaker = threading.Thread(target=speak, args=(listener,))
        speaker.start()
        settings = SmtpSettings(host="127.0.0.1", port=listener.getsockname()[1], timeout_seconds=5.0)

        with pytest.raises(MailUnavailable):
            SmtpMailer(settings).check()
        speaker.join(10)


def test_no_password_over_a_plain_line_to_another_machine() -> None:
    """Names that may lead elsewhere are not loopback."""
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert is_loopback("localhost")
    assert not is_loopback("mail.example.org")
    assert not is_loopback("localhost.example.org")


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (b"2.0.0 Ok: queued as 4D2", "2.0.0 Ok: queued as 4D2"),
        (b" 2.0.0 Ok \r", "2.0.0 Ok"),
        (b"a\tb\x00c  d\xff", "a b c d\N{REPLACEMENT CHARACTER}"),
        ("\u202eevil\n", " evil"),
        ("x" * 400, "x" * 300),
    ],
)
def test_words_are_one_printable_line(said: bytes | str, line: str) -> None:
    """Whatever a server says ends up in logs and on pages."""
    assert to_line(said) == line


@pytest.mark.parametrize(
    ("code", "text", "step", "expected"),
    [
        (421, "4.7.0 slow down", Step.RCPT, True),
        (450, "4.2.0 greylisted", Step.RCPT, False),
        (451, "4.3.0 temporary lookup failure", Step.RCPT, True),
        (452, "4.3.1 disk full", Step.MAIL, True),
        (450, "unknown client", Step.MAIL, True),
        (451, "4.7.1 later", Step.DOT, False),
        (550, "5.7.1 no", Step.MAIL, False),
        (550, "5.3.0 no", Step.RCPT, False),
    ],
)
def test_some_passing_refusals_are_about_the_server(code: int, text: str, step: Step, expected: bool) -> None:
    """They must not put off one recipient after the other."""
    assert is_about_server(read_refusal(code, text, step), step) is expected


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
