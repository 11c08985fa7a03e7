"""Rendered bytes -> a public folder, atomically: a reader sees the old file or the new one, never half of either.

Beside each text lie its compressed forms (``.br``, ``.gz``) for web servers that hand out what they find. They bear
the modification time of their file, by which a stale one is known. Never renders anything itself, never touches a file
that has not changed, and never deletes one that it did not write.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from aggregator.errors import PublishError, RenderError, UsageError

#: Below the published folder: the lock, the list of our files, and files on their way.
WORKSHOP = ".publishing"
_MANIFEST = "files"
_TEXTS = frozenset((".html", ".atom", ".rss", ".json", ".xml", ".opml", ".css", ".svg", ".txt"))
#: Shorter ones fit into one packet anyway.
_MIN_COMPRESSED = 256
#: Brotli's quality: the hardest takes fifty times as long as the usual one and saves a sixth.
_OFTEN, _SELDOM = 11, 6
_WORKERS, _MAX_AHEAD = 3, 24
#: Files in the workshop, each with the place where it belongs; none: nothing has changed.
_Staged = tuple[tuple[Path, Path], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of a published folder."""

    #: Relative POSIX path.
    name: str
    #: Its bytes; None: there is no such file. May raise RenderError: then what was published of it stays.
    make: Callable[[], bytes | None]
    #: Of all that its bytes depend on: while it is the same as last time, ``make`` is not called. Empty: unknown.
    stamp: str = ""
    #: Read often, so worth the hardest compression.
    often: bool = False
    #: Only when there is none yet, so that what comes next may refer to it; the same file follows later once more.
    early: bool = False
    #: Leaves its place to a file of this name that somebody else has put there.
    gives_way: bool = False


@dataclass(slots=True, kw_only=True)
class Published:
    """What one `publish_tree` did, or has done so far."""

    written: int = 0
    unchanged: int = 0
    removed: int = 0
    #: Files that could not be made, with the reason; their old ones stay.
    failed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def seen(self) -> int:
        """Files looked at so far."""
        return self.written + self.unchanged + len(self.failed)


def publish_tree(
    folder: Path,
    files: Iterable[File],
    *,
    on_file: Callable[[Published], None] = lambda _: None,
    anew: bool = False,
) -> Published:
    """Write ``files`` below ``folder``, in their order; then remove what an earlier call wrote and this one does not
    name. Put files that others refer to (style sheets) first.

    ``anew``: believe no stamp. A second call at the same time is refused; a call that ends early, however, leaves every
    file whole and removes none. Raises PublishError, and UsageError for a folder that cannot be one.
    """
    done = Published()
    with _open_workshop(folder) as workshop:
        tree = _Tree(folder, workshop, done)
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="publish") as workers:
            waiting: deque[tuple[File, Future[_Staged]]] = deque()
            try:
                for number, file in enumerate(files):
                    body = tree.prepare(file, anew=anew)
                    if body is not None:
                        waiting.append((file, workers.submit(tree.stage, file, body, number)))
                    while waiting and (len(waiting) >= _MAX_AHEAD or waiting[0][1].done()):
                        tree.finish(*waiting.popleft())
                    on_file(done)
                while waiting:
                    tree.finish(*waiting.popleft())
                    on_file(done)
            finally:
                for _, future in waiting:
                    future.cancel()
        tree.clear()
    return done


class _Tree:
    """The state of one call: what was there before, and what is now."""

    def __init__(self, folder: Path, workshop: Path, done: Published) -> None:
        self._folder = folder
        self._workshop = workshop
        self._done = done
        self._before = _read_manifest(workshop / _MANIFEST)
        self._now: dict[str, str] = {}
        self._known_folders: set[Path] = {folder}

    def prepare(self, file: File, *, anew: bool) -> bytes | None:
        """The bytes to write, or None when there is nothing to do for it. Counts it then."""
        path = _find_inside(self._folder, file.name)
        ours = file.name in self._before
        if file.name in self._now or (file.gives_way and not ours and path.exists()):
            return None
        if file.early and path.exists():
            return None
        if ours and file.stamp and not anew and self._before[file.name] == file.stamp and _is_complete(path):
            self._now[file.name] = file.stamp
            self._done.unchanged += 1
            return None
        try:
            body = file.make()
        except RenderError as error:
            if ours:
                self._now[file.name] = ""
            if not file.early:
                self._done.failed.append((file.name, str(error)))
            return None
        if body is None:
            return None
        self._now[file.name] = file.stamp
        if not ours:
            self._note(file.name, "" if path.exists() else file.stamp)
        return body

    def _note(self, name: str, stamp: str) -> None:
        """Before a new file appears it is ours, so that even a kill leaves none that nobody ever removes."""
        try:
            with (self._workshop / _MANIFEST).open("a", encoding="utf-8") as manifest:
                manifest.write(f"\n{stamp}\t{name}")  # the line end first: a line that a kill cut short spoils no other
        except OSError as error:
            raise _refuse(self._workshop / _MANIFEST, error) from error

    def stage(self, file: File, body: bytes, number: int) -> _Staged:
        """In a thread: put what has changed of ``file`` into the workshop, safe on the disk."""
        path = _find_inside(self._folder, file.name)
        packed = path.suffix in _TEXTS and len(body) >= _MIN_COMPRESSED
        staged: list[tuple[Path, Path]] = []
        try:
            if not _holds(path, body):
                temporary = self._workshop / f"{number}.tmp"
                mtime = _write_through(temporary, body)
                staged.append((temporary, path))
            elif not _is_complete(path):
                mtime = path.stat().st_mtime_ns
            else:
                return ()
            forms = zip(_list_forms(path), _compress(body, often=file.often), strict=True) if packed else ()
            for form, compressed in forms:
                temporary = self._workshop / f"{number}{form.suffix}.tmp"
                _write_through(temporary, compressed)
                os.utime(temporary, ns=(mtime, mtime))
                staged.append((temporary, form))
        except OSError as error:
            raise _refuse(path, error) from error
        return tuple(staged)

    def finish(self, file: File, staging: Future[_Staged]) -> None:
        """Let what was staged appear: the file itself first."""
        staged = staging.result()
        if not staged:
            self._done.unchanged += 1
            return
        path = _find_inside(self._folder, file.name)
        try:
            self._make_folder(path.parent)
            for temporary, target in staged:
                temporary.replace(target)
            if len(staged) == 1:
                _remove(*_list_forms(path))  # it is too short for them now
        except OSError as error:
            raise _refuse(path, error) from error
        self._done.written += 1

    def _make_folder(self, folder: Path) -> None:
        """Readable by web servers, whatever our umask."""
        if folder not in self._known_folders:
            self._make_folder(folder.parent)
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                folder.chmod(0o755)
            self._known_folders.add(folder)

    def clear(self) -> None:
        """Remove what is no more, folders that it leaves empty too, and write down what there is."""
        for name in sorted(self._before.keys() - self._now.keys()):
            path = _find_inside(self._folder, name)
            try:
                _remove(*_list_forms(path))
                path.unlink()
                self._done.removed += 1
            except FileNotFoundError:
                pass
            except OSError as error:
                raise _refuse(path, error) from error
            with contextlib.suppress(OSError):
                for folder in list(path.parents)[: name.count("/")]:
                    folder.rmdir()
        lines = "".join(f"{stamp}\t{name}\n" for name, stamp in sorted(self._now.items()))
        manifest = self._workshop / _MANIFEST
        try:
            if not _holds(manifest, lines.encode()):
                write_file(manifest, lines.encode())
        except OSError as error:
            raise _refuse(manifest, error) from error


@contextlib.contextmanager
def _open_workshop(folder: Path) -> Iterator[Path]:
    """Ours alone: what an earlier call left on its way is thrown away, and so is ours, should we fail."""
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
            _remove(*workshop.glob("*.tmp"))
            yield workshop
        finally:
            _remove(*workshop.glob("*.tmp"))
    finally:
        os.close(lock)


def write_file(path: Path, body: bytes) -> None:
    """Replace ``path`` by ``body``: temporary file in the same folder, fsync, rename, fsync of the folder."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        os.close(handle)
        _write_through(Path(temporary), body)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _write_through(path: Path, body: bytes) -> int:
    """Onto the disk before it gets its name, or a power cut could leave the name on an empty file; its mtime (ns)."""
    with path.open("wb") as file:
        file.write(body)
        file.flush()
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_mtime_ns


def _compress(body: bytes, *, often: bool) -> tuple[bytes, bytes]:
    """As Brotli and as gzip: the same bytes for the same bytes, for nothing of the clock is in them."""
    import gzip

    import brotli

    packed: bytes = brotli.compress(body, mode=brotli.MODE_TEXT, quality=_OFTEN if often else _SELDOM)
    return packed, gzip.compress(body, 9, mtime=0)


def _list_forms(path: Path) -> tuple[Path, Path]:
    """Where the compressed forms of a file lie, in the order of `_compress`."""
    return path.with_name(f"{path.name}.br"), path.with_name(f"{path.name}.gz")


def _is_complete(path: Path) -> bool:
    """Whether a file is there, with its compressed forms where it is long enough, made of it as it is."""
    try:
        state = path.stat()
        wanted = path.suffix in _TEXTS and state.st_size >= _MIN_COMPRESSED
        return not wanted or all(form.stat().st_mtime_ns == state.st_mtime_ns for form in _list_forms(path))
    except OSError:
        return False


def _holds(path: Path, body: bytes) -> bool:
    try:
        return path.stat().st_size == len(body) and path.read_bytes() == body
    except OSError:
        return False


def _remove(*paths: Path) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def _find_inside(folder: Path, name: str) -> Path:
    if not _is_name(name):
        raise UsageError(f"{name!r} is outside the published folder")
    return folder / name


def _is_name(name: str) -> bool:
    parts = name.split("/")
    return name.isprintable() and parts[0] != WORKSHOP and not any(part in ("", ".", "..") for part in parts)


def _refuse(path: Path, error: OSError) -> PublishError:
    reason = error.strerror or error
    return PublishError(f"{path}: cannot be written: {reason}. What was published before is still there")


def _read_manifest(path: Path) -> dict[str, str]:
    """Name -> stamp of every file that we have written, a killed call's included."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _refuse(path, error) from error
    pairs = (line.partition("\t") for line in lines)
    return {name: stamp for stamp, tab, name in pairs if tab and _is_name(name)}
