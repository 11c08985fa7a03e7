"""A folder on an IMAP server (RFC 3501). Never deletes a mail, never says its password again.

The line is opened by the first call and by each call after it was lost. Whatever goes wrong is one `MailboxError` with
the server's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from aggregator.errors import MailboxError
from aggregator.mail.mailbox import MAX_READ, BoxedMail
from aggregator.mail.replies import to_line
from aggregator.model.bounce import BounceOrigin
from aggregator.model.settings import ImapSettings

if TYPE_CHECKING:
    import ssl

    from imap_tools import BaseMailBox

_TIMEOUT = 60.0
_UID = re.compile(rb"\bUID (\d+)")


class ImapBox:
    """Its unread mails: what somebody else opens first is not seen here, so the box is to be for this alone."""

    origin: BounceOrigin = "imap"

    def __init__(self, settings: ImapSettings, *, context: ssl.SSLContext | None = None) -> None:
        self._settings = settings
        self._context = context
        self._box: BaseMailBox | None = None
        self.place = f"{settings.host}:{settings.port}"

    def find(self) -> Sequence[str]:
        """UIDs, which grow."""
        with self._speaking("the unread mails cannot be listed") as box:
            return sorted(box.uids("UNSEEN", charset=None), key=int)

    def load(self, names: Sequence[str]) -> Sequence[BoxedMail]:
        """All at once, without marking them as seen."""
        if not names:
            return ()
        with self._speaking("mails cannot be fetched") as box:
            status, data = box.client.uid("FETCH", ",".join(names), f"(UID BODY.PEEK[]<0.{MAX_READ}>)")
            _expect_ok(status, data)
            return [mail for mail in _read_fetched(data) if mail.name in names]

    def mark_done(self, names: Sequence[str]) -> None:
        r"""``\Seen``; imap-tools' own way would expunge what others have marked, too."""
        if not names:
            return
        with self._speaking("mails cannot be marked as seen") as box:
            _expect_ok(*box.client.uid("STORE", ",".join(names), "+FLAGS.SILENT", r"(\Seen)"))

    def close(self) -> None:
        """Say goodbye if there is a line; what goes wrong now does not matter."""
        from imap_tools import ImapToolsError

        box, self._box = self._box, None
        if box is not None:
            with suppress(OSError, box.client.error, ImapToolsError, ValueError):
                box.logout()
            with suppress(OSError):
                box.client.shutdown()

    @contextmanager
    def _speaking(self, problem: str) -> Iterator[BaseMailBox]:
        """A box whose folder is open; an error ends the line and names the server and ``problem``."""
        from imaplib import IMAP4

        from imap_tools import ImapToolsError

        try:
            if self._box is None:
                self._box = self._connect()
            yield self._box
        except (OSError, IMAP4.error, ImapToolsError, ValueError) as error:
            self.close()
            raise self._refused(problem, error) from error

    def _connect(self) -> BaseMailBox:
        from imaplib import IMAP4

        from imap_tools import ImapToolsError
        from imap_tools.errors import MailboxFolderSelectError, MailboxLoginError

        settings, faults = self._settings, (OSError, IMAP4.error, ImapToolsError, ValueError)
        try:
            box = self._open_line()
        except faults as error:
            self.close()
            raise self._refused("the server cannot be reached", error) from error
        self._box = box  # closed by whoever catches what comes now
        try:
            login: Callable[..., object] = box.login if self._is_plain() else box.login_utf8
            login(settings.username, settings.password, initial_folder=None)
            box.folder.set(settings.folder)
        except MailboxLoginError as error:
            self.close()
            raise self._refused(f"the login of {settings.username} was refused", error) from error
        except MailboxFolderSelectError as error:
            self.close()
            raise self._refused(f"the folder {settings.folder} cannot be opened", error) from error
        except faults as error:
            self.close()
            raise self._refused(f"the login of {settings.username} failed", error) from error
        return box

    def _open_line(self) -> BaseMailBox:
        import ssl

        from imap_tools import MailBox, MailBoxUnencrypted

        settings, context = self._settings, self._context
        if settings.tls == "implicit":
            context = context or ssl.create_default_context()
            return MailBox(settings.host, settings.port, timeout=_TIMEOUT, ssl_context=context)
        box = MailBoxUnencrypted(settings.host, settings.port, timeout=_TIMEOUT)
        if settings.tls == "starttls":
            self._box = box  # closed when this fails, which imap-tools' own class for it does not do
            box.client.starttls(context or ssl.create_default_context())
        return box

    def _is_plain(self) -> bool:
        """LOGIN knows ASCII only."""
        return (self._settings.username + self._settings.password).isascii()

    def _refused(self, problem: str, error: Exception) -> MailboxError:
        words = _find_words(error)
        if self._settings.password:
            words = words.replace(self._settings.password, "***")
        return MailboxError(f"{self.place}: {problem}: {words}")


def _expect_ok(status: object, data: object) -> None:
    from imap_tools import ImapToolsError

    if status != "OK":
        raise ImapToolsError(_join(data) or str(status))


def _find_words(error: Exception) -> str:
    """The server's own words where there are any, in one line."""
    result = getattr(error, "command_result", None)
    if isinstance(result, tuple) and len(result) > 1 and _join(result[1]):
        return to_line(_join(result[1]))
    if isinstance(error, OSError) and error.strerror:
        return to_line(error.strerror)
    return to_line(str(error)) or type(error).__name__


def _join(data: object) -> str:
    parts = data if isinstance(data, list | tuple) else [data]
    return " ".join(part.decode("utf-8", "replace") for part in parts if isinstance(part, bytes))


def _read_fetched(data: Sequence[Any]) -> Iterator[BoxedMail]:
    """imaplib's list: a pair of introduction and text for each mail, and what stood behind it as bytes alone.

    The UID may stand before the text or behind it.
    """
    for number, part in enumerate(data):
        if not isinstance(part, tuple) or len(part) < 2:
            continue
        behind = data[number + 1] if number + 1 < len(data) and isinstance(data[number + 1], bytes) else b""
        found = _UID.search(part[0]) or _UID.search(behind)
        if found:
            yield BoxedMail(found[1].decode("ascii"), bytes(part[1]))
