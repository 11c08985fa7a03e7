"""Mail into a folder, one ``.eml`` file each, for trying things out and for other programs to fetch. Never sends.

The file's name is made from the Message-ID, so a mail written twice is one file.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from aggregator.errors import SenderRefused
from aggregator.mail.engine import LOOK_SECONDS, NOTHING_DUE, STOPPED
from aggregator.model.mailing import Ledger, Outcome
from aggregator.model.subscriber import Message

_UNSAFE = re.compile(r"[^A-Za-z0-9@._-]+")
_MAX_NAME = 120
#: Files that are written for one question to the ledger.
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class _Draft:
    """A mail under a name that nobody looks for."""

    path: Path
    hidden: Path

    def discard(self) -> None:
        """Take it away again, if it has not got its name."""
        with contextlib.suppress(OSError):
            self.hidden.unlink(missing_ok=True)


class OutboxMailer:
    """Writes messages into a folder, each complete or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def deliver(self, ledger: Ledger) -> str:
        """Write what ``ledger`` gives until it has no more or stops; return why it ended.

        Each file is complete, under another name, before the ledger is asked, and gets its own name after that. Raises
        SenderRefused, naming the path, when the folder cannot be written: no mail could be.
        """
        settled: list[Outcome] = []
        patience = threading.Event()
        try:
            while not ledger.is_stopping():
                supply = ledger.take(_AT_ONCE)
                if supply.mails:
                    settled += self._write({mail.key: mail.message for mail in supply.mails}, ledger, settled)
                    for error in (outcome.error for outcome in settled if outcome.error):
                        raise error
                elif supply.wait_seconds is None:
                    return NOTHING_DUE
                else:
                    patience.wait(min(supply.wait_seconds, LOOK_SECONDS))
            return STOPPED
        finally:
            if settled:
                ledger.commit((), settled)

    def _write(self, messages: Mapping[int, Message], ledger: Ledger, settled: list[Outcome]) -> list[Outcome]:
        """Write some mails, one question to the ledger for all; what became of them. ``settled`` is noted with it."""
        drafts: dict[int, _Draft] = {}
        try:
            for key, message in messages.items():
                drafts[key] = self._draft(message)
            allowed = set(ledger.commit(tuple(drafts), tuple(settled)))
            settled.clear()
            outcomes = [self._keep(key, draft) for key, draft in drafts.items() if key in allowed]
            with _naming(self._folder):
                _sync_folder(self._folder)
            return outcomes
        finally:
            for draft in drafts.values():
                draft.discard()

    def _draft(self, message: Message) -> _Draft:
        path = self._folder / get_file_name(message.message_id)
        draft = _Draft(path, path.with_name(f".{path.name}.{os.getpid()}.tmp"))
        with _naming(path):
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                with os.fdopen(os.open(draft.hidden, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
                    file.write(message.data)
                    file.flush()
                    os.fsync(file.fileno())
            except BaseException:
                draft.discard()
                raise
        return draft

    def _keep(self, key: int, draft: _Draft) -> Outcome:
        try:
            with _naming(draft.path):
                draft.hidden.replace(draft.path)
        except SenderRefused as error:
            return Outcome(key=key, error=error)
        return Outcome(key=key, reply=f"written to {draft.path}")

    def check(self) -> str:
        """Make sure that the folder can be written; return a sentence about it. Raises SenderRefused."""
        probe = self._folder / f".check.{os.getpid()}.tmp"
        with _naming(probe):
            self._folder.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        return f"mail is written into {self._folder}"

    def close(self) -> None:
        """Nothing is held open."""


def get_file_name(message_id: str) -> str:
    """Return a file name for a Message-ID: itself without brackets, or with a hash where that would not be safe."""
    plain = message_id.strip("<>")
    name = _UNSAFE.sub("_", plain).lstrip(".")[:_MAX_NAME]
    if name != plain or not name:
        name = f"{name or 'mail'}-{sha256(message_id.encode('utf-8', 'replace')).hexdigest()[:12]}"
    return f"{name}.eml"


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn what the system says into a sentence that names the path."""
    try:
        yield
    except OSError as error:
        raise SenderRefused(0, f"cannot write {path}: {error.strerror or error}") from error


def _sync_folder(folder: Path) -> None:
    """Make the new name last: without this a power cut may take it back."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
