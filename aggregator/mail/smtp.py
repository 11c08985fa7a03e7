"""Mail to a server over SMTP, on one persistent line. Never decides about a delivery: it says what the server said.

Our own conversation on smtplib's socket, because the ledger needs the moment before the final dot: everything up to it
can be taken back by hanging up, nothing after it can (RFC 1047).
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import NoReturn

from aggregator.errors import MailError, MailUnavailable, MailUncertain, SenderRefused
from aggregator.mail.line import Line
from aggregator.mail.replies import Step, read_refusal, to_line
from aggregator.model.settings import SmtpSettings
from aggregator.model.subscriber import Message

_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)
_BARE_LINE_END = re.compile(rb"\r(?!\n)|(?<!\r)\n")
#: Sent in pieces of this size, so that a server that hangs up is noticed early.
_CHUNK = 65_536


class SmtpMailer:
    """Sends one message at a time; connects when there is something to send and again after the line was lost."""

    def __init__(self, settings: SmtpSettings, *, tls_context: ssl.SSLContext | None = None) -> None:
        """``tls_context``: whom to trust; None: the machine's certificate authorities."""
        self._settings = settings
        self._tls_context = tls_context
        self._line: Line | None = None
        self._lock = threading.Lock()

    def send(self, message: Message, *, about_to_commit: Callable[[], None]) -> str:
        """Deliver one message and return the server's words.

        ``about_to_commit`` is called when all but the final dot is sent; when it raises, the line is cut, the server
        throws the mail away and the error goes on. Raises RecipientRefused, SenderRefused or MailUnavailable when the
        mail was certainly not accepted, MailUncertain when the dot was sent and no answer came.
        """
        if _BARE_LINE_END.search(message.data) or not message.data.endswith(b"\r\n"):
            raise SenderRefused(
                0, f"message {message.message_id} has bare line ends, which could smuggle a second mail"
            )
        with self._lock:
            line = self._begin(message.sender)
            self._expect(line, Step.RCPT, "RCPT", f"TO:<{message.recipient}>")
            self._expect(line, Step.DATA, "DATA")
            try:
                with self._watched("while the text was sent"):
                    body = _LEADING_DOT.sub(b"..", message.data)
                    for start in range(0, len(body), _CHUNK):
                        line.send(body[start : start + _CHUNK])
                about_to_commit()
            except BaseException:
                self._hang_up()  # without a dot there is no mail
                raise
            return self._finish(line)

    def check(self) -> str:
        """Connect, say hello, log in and quit; return a sentence about it. Raises MailError."""
        with self._lock:
            self._hang_up()
            line = self._connect()
            words = [f"{self._settings.host}:{self._settings.port} answers"]
            words.append(
                f"encrypted ({line.sock.version()})" if isinstance(line.sock, ssl.SSLSocket) else "not encrypted"
            )
            if self._settings.username:
                words.append(f"logged in as {self._settings.username}")
            self._quit()
            return ", ".join(words)

    def close(self) -> None:
        """Say goodbye and hang up."""
        with self._lock:
            self._quit()

    def _begin(self, sender: str) -> Line:
        """Return a line on which the server has accepted the sender."""
        if self._line is not None:
            try:
                self._expect(self._line, Step.MAIL, "MAIL", f"FROM:<{sender}>")
                return self._line
            except MailUnavailable:
                # A server hangs up on idle lines, and may say so (421) or not; nothing was sent yet.
                if self._line is not None:
                    raise
        line = self._connect()
        self._expect(line, Step.MAIL, "MAIL", f"FROM:<{sender}>")
        return line

    def _finish(self, line: Line) -> str:
        """Send the final dot and read the answer: the only place where a lost line leaves us in doubt."""
        line.reply_seconds = self._settings.final_timeout_seconds
        try:
            # The text's own last line end is there already.
            line.send(b".\r\n")
            code, text = line.getreply()
        except (OSError, smtplib.SMTPException) as error:
            self._hang_up()
            raise MailUncertain(0, f"the line was lost after the final dot: {to_line(str(error))}") from error
        except BaseException:
            self._hang_up()
            raise
        if 200 <= code < 300:
            line.reply_seconds = self._settings.timeout_seconds
            return to_line(text)
        if 400 <= code < 600:
            self._refuse(Step.DOT, code, text)
        self._hang_up()
        raise MailUncertain(0, f"no SMTP reply after the final dot: {to_line(text)}")

    def _expect(self, line: Line, step: Step, command: str, argument: str = "") -> None:
        """Send one command; raise what a refusal means. The line stays open for the next mail where it can."""
        with self._watched(f"at {step.value}"):
            code, text = line.docmd(command, argument)
        if not 200 <= code < 400:
            self._refuse(step, code, text)

    def _refuse(self, step: Step, code: int, text: bytes) -> NoReturn:
        if code == 421 or code < 400:
            self._hang_up()
        elif self._line is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                if self._line.rset()[0] != 250:
                    self._hang_up()
        raise read_refusal(code, text, step)

    @contextlib.contextmanager
    def _watched(self, when: str) -> Iterator[None]:
        """Turn a lost line into MailUnavailable and forget the line."""
        try:
            yield
        except (OSError, smtplib.SMTPException) as error:
            self._hang_up()
            place = f"{self._settings.host}:{self._settings.port}"
            raise MailUnavailable(0, f"{place}: the line was lost {when}: {to_line(str(error))}") from error

    def _connect(self) -> Line:
        """Connect, greet, encrypt and log in; the line is kept for the mails to come."""
        settings = self._settings
        line = Line(timeout=settings.timeout_seconds, local_hostname=settings.local_hostname or _get_own_name())
        place = f"{settings.host}:{settings.port}"
        self._line = line
        try:
            self._open(line)
            self._hello(line)
            if settings.tls == "starttls":
                self._start_tls(line)
            if settings.username:
                self._log_in(line)
        except MailError as error:
            self._hang_up()
            raise type(error)(error.code, f"{place}: {error.text}") from error
        except ssl.SSLError as error:
            self._hang_up()
            raise SenderRefused(0, f"{place}: the encrypted line cannot be trusted: {to_line(str(error))}") from error
        except (OSError, smtplib.SMTPException) as error:
            self._hang_up()
            raise MailUnavailable(0, f"{place}: cannot connect: {to_line(str(error))}") from error
        return line

    def _open(self, line: Line) -> None:
        settings = self._settings
        line.open(settings.host, settings.port, self._get_tls_context() if settings.tls == "implicit" else None)
        code, text = line.getreply()
        if code != 220:
            raise read_refusal(code, text, Step.CONNECT)

    def _hello(self, line: Line) -> None:
        code, text = line.ehlo()
        if 500 <= code < 600:
            code, text = line.helo()  # a server older than ESMTP
        if code != 250:
            raise read_refusal(code, text, Step.CONNECT)

    def _start_tls(self, line: Line) -> None:
        """Encrypt a plain line. Fails closed: a server that cannot is one that somebody may be speaking for."""
        if not line.has_extn("starttls"):
            raise SenderRefused(0, "the server offers no encryption (STARTTLS), and mail.smtp.tls asks for it")
        code, text = line.docmd("STARTTLS")
        if code != 220:
            raise read_refusal(code, text, Step.CONNECT)
        if line.has_unread():
            # Whoever speaks on the plain line now would be heard as the encrypted server (CVE-2021-33515 and its kin).
            raise SenderRefused(0, "the server sent text between STARTTLS and the encrypted line")
        line.encrypt(self._settings.host, self._get_tls_context())
        self._hello(line)

    def _log_in(self, line: Line) -> None:
        settings = self._settings
        if not isinstance(line.sock, ssl.SSLSocket) and not is_loopback(settings.host):
            raise SenderRefused(0, "a password is never sent over a line that is not encrypted")
        try:
            line.login(settings.username, settings.password)
        except smtplib.SMTPAuthenticationError as error:
            text = error.smtp_error if isinstance(error.smtp_error, bytes) else str(error.smtp_error).encode()
            raise read_refusal(error.smtp_code, text, Step.LOGIN) from error
        except smtplib.SMTPNotSupportedError as error:
            raise SenderRefused(0, "the server takes no login (AUTH)") from error
        except UnicodeEncodeError as error:
            raise SenderRefused(0, "user name and password must be ASCII") from error

    def _get_tls_context(self) -> ssl.SSLContext:
        if self._tls_context is None:
            self._tls_context = ssl.create_default_context()
        return self._tls_context

    def _quit(self) -> None:
        if self._line is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                self._line.docmd("QUIT")
        self._hang_up()

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
        self._line = None


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine by its very name: nobody can listen in between."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") in ("localhost", "localhost.localdomain")


def _get_own_name() -> str:
    """What we call ourselves (RFC 5321 4.1.3); smtplib would ask the name servers, which may take its time."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"
