"""Rendered bytes -> a public folder, atomically: a reader sees the old file or the new one, never half of either.

Beside each text lie its compressed forms (``.br``, ``.gz``) for web servers that hand out what they find. They bear
the modification time of their file, by which a stale one is known. Never renders anything itself, never touches a file
that has not changed, and never deletes one that it did not write.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from aggregator.errors import RenderError, UsageError
from aggregator.publish.disk import (
    WORKSHOP,
    compress,
    holds,
    is_complete,
    list_forms,
    open_workshop,
    refuse,
    remove,
    wants_forms,
    write_file,
    write_through,
)
from aggregator.publish.ledger import Ledger, is_name, note_file, read_ledger

__all__ = ["WORKSHOP", "File", "Group", "Published", "publish_tree", "write_file"]

_LEDGER = "files"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Files that depend on the same: while ``stamp`` is what it was, all that were made under ``key`` stay; so do those
    that are not named any more while one of them cannot be made."""

    key: str
    stamp: str
    make: Callable[[], Iterable[File]]


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
    files: Iterable[File | Group],
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
    with open_workshop(folder) as workshop:
        tree = _Tree(folder, workshop, done, on_file, anew=anew)
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="publish") as workers:
            waiting: deque[tuple[File, Future[_Staged]]] = deque()
            try:
                for number, (file, body) in enumerate(tree.iter_changed(files)):
                    waiting.append((file, workers.submit(tree.stage, file, body, number)))
                    while len(waiting) >= _MAX_AHEAD or (waiting and waiting[0][1].done()):
                        tree.finish(*waiting.popleft())
                    on_file(done)
                while waiting:
                    tree.finish(*waiting.popleft())
            finally:
                for _, future in waiting:
                    future.cancel()
        tree.clear()
    on_file(done)
    return done


class _Tree:
    """The state of one call: what was there before, and what is now."""

    def __init__(
        self, folder: Path, workshop: Path, done: Published, on_file: Callable[[Published], None], *, anew: bool
    ) -> None:
        self._folder = folder
        self._workshop = workshop
        self._done = done
        self._on_file = on_file
        self._anew = anew
        self._before = read_ledger(workshop / _LEDGER)
        self._grouped = self._before.list_groups()
        self._now = Ledger()
        self._known_folders: set[Path] = {folder}

    def iter_changed(self, files: Iterable[File | Group]) -> Iterator[tuple[File, bytes]]:
        """The files that may have changed, with their bytes; the others are counted."""
        for one in files:
            if isinstance(one, File):
                yield from self._look_at(one, "")
            elif not self._keep(one):
                failed = len(self._done.failed)
                if self._before.groups.get(one.key):
                    note_file(self._workshop / _LEDGER, "", "", one.key)
                for file in one.make():
                    yield from self._look_at(file, one.key)
                whole = len(self._done.failed) == failed
                self._now.groups[one.key] = one.stamp if whole else ""
                if not whole:
                    # What could not be made may be what leads to the others.
                    for name in self._grouped.get(one.key, []):
                        self._now.files.setdefault(name, ("", one.key))

    def _keep(self, group: Group) -> bool:
        """Whether nothing has changed in it and all of it is there."""
        if self._anew or not group.stamp or self._before.groups.get(group.key) != group.stamp:
            return False
        names = self._grouped.get(group.key, [])
        if not all(is_complete(self._folder / name) for name in names):
            return False
        self._now.groups[group.key] = group.stamp
        self._now.files |= {name: self._before.files[name] for name in names if name not in self._now.files}
        self._done.unchanged += len(names)
        self._on_file(self._done)
        return True

    def _look_at(self, file: File, group: str) -> Iterator[tuple[File, bytes]]:
        path = _find_inside(self._folder, file.name)
        known = self._before.files.get(file.name)
        if file.name in self._now.files or (file.gives_way and known is None and path.exists()):
            return
        if file.early and path.exists():
            return
        if known and file.stamp and not self._anew and known[0] == file.stamp and is_complete(path):
            self._now.files[file.name] = (file.stamp, group)
            self._done.unchanged += 1
            self._on_file(self._done)
            return
        try:
            body = file.make()
        except RenderError as error:
            if not file.early:  # else it is told when it comes once more
                if known:
                    self._now.files[file.name] = ("", group)
                self._done.failed.append((file.name, str(error)))
            return
        if body is not None:
            self._now.files[file.name] = (file.stamp, group)
            if known is None or known[0]:
                # What is there now is not what the stamp says, and not what an old one says once ours has appeared:
                # should we be killed before all is written down, neither may be believed.
                note_file(self._workshop / _LEDGER, file.name, "" if path.exists() else file.stamp, group)
            yield file, body

    def stage(self, file: File, body: bytes, number: int) -> _Staged:
        """In a thread: put what has changed of ``file`` into the workshop, safe on the disk."""
        path = self._folder / file.name
        staged: list[tuple[Path, Path]] = []
        try:
            if not holds(path, body):
                temporary = self._workshop / f"{number}.tmp"
                mtime = write_through(temporary, body)
                staged.append((temporary, path))
            elif not is_complete(path):
                mtime = path.stat().st_mtime_ns
            else:
                return ()
            packed = compress(body, often=file.often) if wants_forms(path, len(body)) else ()
            for form, compressed in zip(list_forms(path), packed, strict=False):
                temporary = self._workshop / f"{number}{form.suffix}.tmp"
                write_through(temporary, compressed)
                os.utime(temporary, ns=(mtime, mtime))
                staged.append((temporary, form))
        except OSError as error:
            raise refuse(path, error) from error
        return tuple(staged)

    def finish(self, file: File, staging: Future[_Staged]) -> None:
        """Let what was staged appear: the file itself first."""
        staged = staging.result()
        if not staged:
            self._done.unchanged += 1
            return
        path = self._folder / file.name
        try:
            self._make_folder(path.parent)
            if len(staged) == 1:
                # It is too short for them now. They go first: web servers hand out whatever form they find.
                remove(*list_forms(path))
            for temporary, target in staged:
                temporary.replace(target)
        except (IsADirectoryError, NotADirectoryError) as error:
            # A folder is where it wants to be, or a file where it wants a folder: of ours, they go at the end.
            self._done.failed.append((file.name, str(refuse(path, error))))
            return
        except OSError as error:
            raise refuse(path, error) from error
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
        for name in sorted(self._before.files.keys() - self._now.files.keys()):
            path = self._folder / name
            try:
                remove(*list_forms(path))
                path.unlink()
                self._done.removed += 1
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                pass  # whatever is there is not ours
            except OSError as error:
                raise refuse(path, error) from error
            with contextlib.suppress(OSError):
                for folder in list(path.parents)[: name.count("/")]:
                    folder.rmdir()
        self._now.write(self._workshop / _LEDGER)


def _find_inside(folder: Path, name: str) -> Path:
    if not is_name(name):
        raise UsageError(f"{name!r} is outside the published folder")
    return folder / name
