"""Rendered bytes -> a public folder, atomically: a reader sees the old file or the new one, never half of either.
Never renders anything itself, and never deletes a file that it did not write.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from aggregator.errors import UsageError

_MANIFEST = ".published.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What one `publish_tree` did."""

    written: int
    unchanged: int
    removed: int


def publish_tree(folder: Path, files: Iterable[tuple[str, bytes]]) -> Published:
    """Write ``files`` (relative POSIX path, bytes) below ``folder``, in their order; then remove what an earlier call
    wrote and this one did not.

    Put files that others refer to (style sheets) first. Raises `UsageError` when the folder cannot be written.
    """
    try:
        return _publish(folder, files)
    except OSError as error:
        raise UsageError(f"cannot publish to {folder}: {error.strerror or error}") from error


def _publish(folder: Path, files: Iterable[tuple[str, bytes]]) -> Published:
    folder.mkdir(parents=True, exist_ok=True)
    before = _read_manifest(folder)
    now: set[str] = set()
    written = unchanged = 0
    for name, body in files:
        path = _inside(folder, name)
        now.add(name)
        if path.is_file() and path.read_bytes() == body:
            unchanged += 1
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, body)
        written += 1
    write_file(folder / _MANIFEST, json.dumps(sorted(now), indent=0).encode())
    removed = 0
    for name in sorted(before - now):
        with contextlib.suppress(FileNotFoundError):
            _inside(folder, name).unlink()
            removed += 1
    return Published(written=written, unchanged=unchanged, removed=removed)


def write_file(path: Path, body: bytes) -> None:
    """Replace ``path`` by ``body``: temporary file in the same folder, fsync, rename, fsync of the folder."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _inside(folder: Path, name: str) -> Path:
    path = folder.joinpath(*name.split("/"))
    if ".." in name.split("/") or name.startswith("/"):
        raise UsageError(f"{name!r} is outside the published folder")
    return path


def _read_manifest(folder: Path) -> set[str]:
    try:
        names = json.loads((folder / _MANIFEST).read_bytes())
    except (FileNotFoundError, ValueError):
        return set()
    return {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()
