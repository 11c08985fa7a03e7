"""How a line to a mail server is opened: connect, hello, encrypt, log in. Never sends a mail.

Blocks, and is therefore called in a thread of its own (`engine`) or by whoever has time (`SmtpMailer.check`).
"""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
from ipaddress import ip_address

from aggregator.errors import MailError, MailUnavailable, SenderRefused
from aggregator.mail.line import Line
from aggregator.mail.replies import Step, read_refusal, to_line
from aggregator.model.settings import SmtpSettings


def get_place(settings: SmtpSettings) -> str:
    """What a server is called in logs and errors."""
    return f"{settings.host}:{settings.port}"


def open_line(settings: SmtpSettings, tls: ssl.SSLContext) -> Line:
    """Return a line on which MAIL FROM may be said.

    Raises SenderRefused when the server is not to be trusted or does not trust us, MailUnavailable when it is not
    there; both name it.
    """
    line = Line(timeout=settings.timeout_seconds, local_hostname=settings.local_hostname or _get_own_name())
    place = get_place(settings)
    try:
        line.open(settings.host, settings.port, tls if settings.tls == "implicit" else None)
        code, text = line.getreply()
        if code != 220:
            raise read_refusal(code, text, Step.CONNECT)
        _hello(line)
        _encrypt(line, settings, tls)
        if settings.username:
            _log_in(line, settings)
    except MailError as error:
        line.close()
        raise type(error)(error.code, f"{place}: {error.text}") from error
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
        line.close()
        raise MailUnavailable(0, f"{place}: the line was lost while it was encrypted: {to_line(str(error))}") from error
    except ssl.SSLError as error:
        line.close()
        raise SenderRefused(0, f"{place}: the encrypted line cannot be trusted: {to_line(str(error))}") from error
    except (OSError, UnicodeError, smtplib.SMTPException) as error:  # UnicodeError: a name that DNS cannot take
        line.close()
        raise MailUnavailable(0, f"{place}: cannot connect: {to_line(str(error))}") from error
    except BaseException:
        line.close()
        raise
    return line


def check_line(settings: SmtpSettings, tls: ssl.SSLContext) -> str:
    """Open a line, say goodbye and return a sentence about it. Raises as `open_line`."""
    line = open_line(settings, tls)
    words = [f"{get_place(settings)} answers"]
    words.append(f"encrypted ({line.sock.version()})" if isinstance(line.sock, ssl.SSLSocket) else "not encrypted")
    if settings.username:
        words.append(f"logged in as {settings.username}")
    with contextlib.suppress(OSError, smtplib.SMTPException):
        line.docmd("QUIT")
    line.close()
    return ", ".join(words)


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine by its very name: nobody can listen in between."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") in ("localhost", "localhost.localdomain")


def _hello(line: Line) -> None:
    code, text = line.ehlo()
    if 500 <= code < 600:
        code, text = line.helo()  # a server older than ESMTP
    if code != 250:
        raise read_refusal(code, text, Step.CONNECT)


def _encrypt(line: Line, settings: SmtpSettings, tls: ssl.SSLContext) -> None:
    """Encrypt a plain line. Fails closed: a server that cannot is one that somebody may be speaking for."""
    if settings.tls == "starttls" and not line.has_extn("starttls"):
        raise SenderRefused(0, "the server offers no encryption (STARTTLS), and mail.smtp.tls asks for it")
    if settings.tls == "starttls" or (settings.tls == "opportunistic" and line.has_extn("starttls")):
        code, text = line.docmd("STARTTLS")
        if code != 220:
            raise read_refusal(code, text, Step.CONNECT)
        if line.has_unread():
            # Whoever speaks on the plain line now would be heard as the encrypted server (CVE-2021-33515 and its kin).
            raise SenderRefused(0, "the server sent text between STARTTLS and the encrypted line")
        line.encrypt(settings.host, tls if settings.tls == "starttls" else _trust_anybody())
        _hello(line)


def _log_in(line: Line, settings: SmtpSettings) -> None:
    if not is_loopback(settings.host):
        if not isinstance(line.sock, ssl.SSLSocket):
            raise SenderRefused(0, "a password is never sent over a line that is not encrypted")
        if settings.tls == "opportunistic":
            raise SenderRefused(0, "a password is sent only to a server that proves who it is (tls: starttls)")
    offered = line.esmtp_features.get("auth", "").upper().split()
    line.user, line.password = settings.username, settings.password
    try:
        # One try by one way: smtplib's own `login` goes on to the next, and servers lock out whoever fails often.
        for way, answer in (("PLAIN", line.auth_plain), ("LOGIN", line.auth_login), ("CRAM-MD5", line.auth_cram_md5)):
            if way in offered:
                line.auth(way, answer)
                return
    except smtplib.SMTPAuthenticationError as error:
        text = error.smtp_error if isinstance(error.smtp_error, bytes) else str(error.smtp_error).encode()
        raise read_refusal(error.smtp_code, text, Step.LOGIN) from error
    except UnicodeEncodeError as error:
        raise SenderRefused(0, "user name and password must be ASCII") from error
    raise SenderRefused(0, "the server takes no login that we know (AUTH PLAIN, LOGIN or CRAM-MD5)")


def _trust_anybody() -> ssl.SSLContext:
    """``opportunistic``: nobody listens along, but who is at the other end is not asked."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _get_own_name() -> str:
    """What we call ourselves (RFC 5321 4.1.3); smtplib would ask the name servers, which may take its time."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"
