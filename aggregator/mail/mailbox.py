r"""The box that mail comes back to: what is unread in it, its mails, and that one is done. Never judges one.

A mail is done when its row is committed, not when it was read: whoever is killed in between reads it again. Nothing is
deleted: a done mail is moved to ``cur/`` of a Maildir, or marked ``\Seen`` on an IMAP server.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from aggregator.errors import MailboxError
from aggregator.log import get_logger
from aggregator.model.bounce import BounceOrigin
from aggregator.model.settings import BounceSettings

if TYPE_CHECKING:
    import ssl

log = get_logger(__name__)

#: Of a mail, so much is read: what says why it came back stands at its beginning.
MAX_READ = 256 * 1024


@dataclass(frozen=True, slots=True)
class BoxedMail:
    """A mail in the box, or its beginning."""

    name: str
    raw: bytes


class Mailbox(Protocol):
    """A Maildir or a folder on a server. Each method raises `MailboxError`."""

    #: What its mails are stored as.
    origin: BounceOrigin
    #: For people.
    place: str

    def find(self) -> Sequence[str]:
        """The names of the mails that are not done, oldest first."""
        ...

    def load(self, names: Sequence[str]) -> Sequence[BoxedMail]:
        """Those of them that are still there."""
        ...

    def mark_done(self, names: Sequence[str]) -> None:
        """They are not found again. One that has gone meanwhile is done, too."""
        ...

    def close(self) -> None: ...


def open_mailbox(settings: BounceSettings | None, *, context: ssl.SSLContext | None = None) -> Mailbox | None:
    """The box that the editor named; None: there is none. Nothing is opened or asked before the first call.

    ``context``: whose certificates are trusted; None: those of the system.
    """
    if settings is None:
        return None
    if settings.imap is not None:
        from aggregator.mail.mailbox_imap import ImapBox

        return ImapBox(settings.imap, context=context)
    return Maildir(Path(settings.maildir)) if settings.maildir else None


class Maildir:
    """A folder with ``new``, ``cur`` and ``tmp``; what a server is still writing lies in ``tmp`` and is left alone."""

    origin: BounceOrigin = "maildir"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.place = str(folder)

    def find(self) -> Sequence[str]:
        """By name, which begins with the second of arrival."""
        try:
            if not (self._folder / "cur").is_dir():
                raise MailboxError(f"{self.place}: is no Maildir: it has no folder cur")
            with os.scandir(self._folder / "new") as found:
                return sorted(entry.name for entry in found if entry.is_file(follow_symlinks=False))
        except OSError as error:
            raise MailboxError(f"{error.filename or self.place}: cannot be read: {error.strerror or error}") from error

    def load(self, names: Sequence[str]) -> Sequence[BoxedMail]:
        """One that may not be read is left out and said: the others are read all the same."""
        loaded = []
        for name in names:
            try:
                loaded.append(BoxedMail(name, _read_file(self._folder / "new" / name)))
            except FileNotFoundError:
                continue
            except OSError as error:
                log.warning("bounces.mail_not_read", file=str(self._folder / "new" / name), reason=error.strerror)
        return loaded

    def mark_done(self, names: Sequence[str]) -> None:
        """Moved to ``cur``, seen."""
        for name in names:
            try:
                (self._folder / "new" / name).rename(self._folder / "cur" / f"{name.partition(':')[0]}:2,S")
            except FileNotFoundError:
                continue
            except OSError as error:
                raise MailboxError(
                    f"{self._folder / 'new' / name}: cannot be moved to cur: {error.strerror or error}"
                ) from error

    def close(self) -> None:
        """Nothing is open."""


def _read_file(path: Path) -> bytes:
    """The beginning of a plain file; a link or a pipe in its place is refused without being followed or waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "is no plain file")
        return file.read(MAX_READ)
