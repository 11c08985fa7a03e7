"""Folders as they are published, and how readers see them."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from pathlib import Path

import brotli

from aggregator.publish import WORKSHOP, File, Published, publish_tree

LONG = b"<p>" + b"A sentence that is long enough to be compressed. " * 20
OTHER = LONG.replace(b"sentence", b"SENTENCE")


def make_file(name: str, body: bytes | None, stamp: str = "") -> File:
    return File(name=name, make=lambda: body, stamp=stamp)


def put(folder: Path, files: Mapping[str, bytes | None]) -> Published:
    return publish_tree(folder, [make_file(name, body) for name, body in files.items()])


def see(folder: Path) -> dict[str, bytes]:
    """Every file that readers can see."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in sorted(found.items()) if not name.startswith(WORKSHOP)}


def see_times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if WORKSHOP not in path.parts}


def check_forms(folder: Path) -> None:
    """Every compressed form holds its file, and bears its time."""
    for path in folder.rglob("*"):
        if path.suffix in (".gz", ".br"):
            unpack: Callable[[bytes], bytes] = gzip.decompress if path.suffix == ".gz" else brotli.decompress
            plain = path.with_suffix("")
            assert unpack(path.read_bytes()) == plain.read_bytes()
            assert path.stat().st_mtime_ns == plain.stat().st_mtime_ns
