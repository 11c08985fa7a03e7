"""Files on the disk: whole or not there at all, each text with its compressed forms. Never knows what is in them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from aggregator.errors import PublishError, UsageError

#: Below the published folder: the lock, the list of our files, and files on their way.
WORKSHOP = ".publishing"
_TEXTS = frozenset((".html", ".atom", ".rss", ".json", ".xml", ".opml", ".css", ".svg", ".txt"))
#: Shorter ones fit into one packet anyway.
_MIN_COMPRESSED = 256
#: Brotli's quality: the hardest takes fifty times as long as the usual one and saves a sixth.
_OFTEN, _SELDOM = 11, 6


@contextlib.contextmanager
def open_workshop(folder: Path) -> Iterator[Path]:
    """Ours alone: what an earlier call left on its way is thrown away, and so is ours, should we fail.

    Raises UsageError for a folder that cannot be one, PublishError while somebody else is at work.
    """
    import fcntl

    workshop = folder / WORKSHOP
    try:
        if not folder.exists():
            folder.mkdir(parents=True)
            folder.chmod(0o755)
        workshop.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(workshop / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise UsageError(f"cannot publish to {folder}: {error.strerror or error}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PublishError(f"{folder}: another `publish` is writing into it; this one did nothing") from error
        except OSError:
            pass  # a file system without locks: then who starts two must know
        try:
            remove(*workshop.glob("*.tmp"))
            yield workshop
        finally:
            remove(*workshop.glob("*.tmp"))
    finally:
        os.close(lock)


def write_file(path: Path, body: bytes) -> None:
    """Replace ``path`` by ``body``: temporary file in the same folder, fsync, rename, fsync of the folder."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        os.close(handle)
        write_through(Path(temporary), body)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def write_through(path: Path, body: bytes) -> int:
    """Onto the disk before it gets its name, or a power cut could leave the name on an empty file; its mtime (ns)."""
    with path.open("wb") as file:
        file.write(body)
        file.flush()
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_mtime_ns


def compress(body: bytes, *, often: bool) -> tuple[bytes, bytes]:
    """As Brotli and as gzip: the same bytes for the same bytes, for nothing of the clock is in them."""
    import gzip

    import brotli

    packed: bytes = brotli.compress(body, mode=brotli.MODE_TEXT, quality=_OFTEN if often else _SELDOM)
    return packed, gzip.compress(body, 9, mtime=0)


def wants_forms(path: Path, size: int) -> bool:
    """Whether compressed forms belong beside a file of ``size`` bytes."""
    return path.suffix in _TEXTS and size >= _MIN_COMPRESSED


def list_forms(path: Path) -> tuple[Path, Path]:
    """Where the compressed forms of a file lie, in the order of `compress`."""
    return path.with_name(f"{path.name}.br"), path.with_name(f"{path.name}.gz")


def is_complete(path: Path) -> bool:
    """Whether a file is there, with its compressed forms where it wants them, made of it as it is."""
    try:
        state = path.stat()
        if not wants_forms(path, state.st_size):
            return True
        return all(form.stat().st_mtime_ns == state.st_mtime_ns for form in list_forms(path))
    except OSError:
        return False


def holds(path: Path, body: bytes) -> bool:
    """Whether the file is there with exactly these bytes."""
    try:
        return path.stat().st_size == len(body) and path.read_bytes() == body
    except OSError:
        return False


def remove(*paths: Path) -> None:
    """As far as they are there."""
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def refuse(path: Path, error: OSError) -> PublishError:
    """The disk said no to ``path``."""
    reason = error.strerror or error
    return PublishError(f"{path}: cannot be written: {reason}. What was published before is still there")
