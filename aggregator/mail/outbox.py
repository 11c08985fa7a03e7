"""Mail into a folder, one ``.eml`` file each, for trying things out and for other programs to fetch. Never sends.

The file's name is made from the Message-ID, so a mail written twice is one file.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from aggregator.errors import SenderRefused
from aggregator.model.subscriber import Message

_UNSAFE = re.compile(r"[^A-Za-z0-9@._-]+")
_MAX_NAME = 120


class OutboxMailer:
    """Writes messages into a folder, each complete or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, message: Message, *, about_to_commit: Callable[[], None]) -> str:
        """Write one message and return where.

        ``about_to_commit`` is called when the bytes are on the disk under another name; when it raises, they are taken
        away again. Raises SenderRefused, naming the path, when the folder cannot be written: no mail could be.
        """
        path = self._folder / get_file_name(message.message_id)
        draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with _naming(path):
                self._folder.mkdir(parents=True, exist_ok=True)
                with os.fdopen(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
                    file.write(message.data)
                    file.flush()
                    os.fsync(file.fileno())
            about_to_commit()
            with _naming(path):
                draft.replace(path)
                _sync_folder(self._folder)
        finally:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
        return f"written to {path}"

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
