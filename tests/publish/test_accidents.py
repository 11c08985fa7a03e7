"""A kill, a full disk, a second call: every file is whole, and the next call mends the rest."""

from __future__ import annotations

import errno
import gzip
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import brotli
import pytest

from aggregator.errors import PublishError
from aggregator.publish import WORKSHOP, File, Group, publish_tree
from tests.publish.trees import LONG, OTHER, check_forms, make_file, put, see

PROJECT = Path(__file__).resolve().parents[2]


def test_a_failure_half_way_leaves_no_half_file_and_removes_none(tmp_path: Path) -> None:
    def files() -> Iterator[File]:
        yield make_file("index.html", OTHER)
        raise RuntimeError("on purpose")

    put(tmp_path, {"index.html": LONG, "other.html": LONG})
    with pytest.raises(RuntimeError):
        publish_tree(tmp_path, files())

    assert see(tmp_path)["index.html"] in (LONG, OTHER)
    assert see(tmp_path)["other.html"] == LONG
    assert not list(tmp_path.glob("**/*.tmp"))


def test_a_full_disk_is_told_with_the_file_and_leaves_the_old_one(tmp_path: Path) -> None:
    """The kernel itself refuses to write further: no file of more than so many bytes."""
    put(tmp_path, {"a.html": LONG, "b.html": LONG})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(PublishError, match=r"b\.html: cannot be written: File too large\. What was published"):
            put(tmp_path, {"b.html": os.urandom(5000), "c.html": LONG})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert see(tmp_path)["a.html"] == see(tmp_path)["b.html"] == LONG
    check_forms(tmp_path)
    assert not list(tmp_path.rglob("*.tmp"))
    assert put(tmp_path, {"a.html": LONG}).removed >= 1, "it goes on when there is room again"


@pytest.mark.parametrize("failing", range(1, 7))
def test_a_disk_that_is_full_at_any_write_leaves_every_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """Six files are put on the disk for two pages: the first, or any later one, meets the end of the room."""
    put(tmp_path, {"a.html": LONG, "b.html": LONG})
    calls = iter(range(1, 100))

    def sync(number: int) -> None:
        if next(calls) >= failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", sync)
        with pytest.raises(PublishError, match="No space left on device"):
            put(tmp_path, {"a.html": OTHER, "b.html": OTHER})

    seen = see(tmp_path)
    assert seen["a.html"] in (LONG, OTHER) and seen["b.html"] in (LONG, OTHER)
    check_forms(tmp_path)
    assert not list(tmp_path.rglob("*.tmp"))
    put(tmp_path, {"a.html": OTHER, "b.html": OTHER})
    assert see(tmp_path)["a.html"] == see(tmp_path)["b.html"] == OTHER


def test_a_second_one_at_the_same_time_is_refused_and_does_no_harm(tmp_path: Path) -> None:
    def files() -> Iterator[File]:
        yield make_file("a.html", LONG)
        with pytest.raises(PublishError, match="another `publish`"):
            put(tmp_path, {"b.html": LONG})
        yield make_file("c.html", LONG)

    publish_tree(tmp_path, files())

    assert {name for name in see(tmp_path) if name.endswith("html")} == {"a.html", "c.html"}


KILLED = """
import sys
from pathlib import Path
from aggregator.publish import File, publish_tree
folder, mark = Path(sys.argv[1]), sys.argv[2].encode()
bodies = [(f"p/{n}/index.html", b"<p>" + (mark + b" %d " % n) * 200) for n in range(150)]
print("go", flush=True)
publish_tree(folder, [File(name=name, make=lambda body=body: body) for name, body in bodies])
"""


@pytest.mark.parametrize("number", [0, 30, 100])
def test_a_kill_leaves_every_file_whole_and_the_next_call_mends_the_rest(tmp_path: Path, number: int) -> None:
    """Old or new, plain or compressed; nothing that is left lying stays."""
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    subprocess.run([*command, "old"], cwd=PROJECT, check=True, capture_output=True, timeout=60)
    with subprocess.Popen([*command, "new"], cwd=PROJECT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        while b"new" not in (tmp_path / f"p/{number}/index.html").read_bytes():
            os.sched_yield()
        process.send_signal(signal.SIGKILL)
    for name, body in see(tmp_path).items():
        plain = {".gz": gzip.decompress, ".br": brotli.decompress}.get(Path(name).suffix, bytes)(body)
        assert len(set(plain.removeprefix(b"<p>").split())) == 2 and plain.endswith(b" "), name

    subprocess.run([*command, "new"], cwd=PROJECT, check=True, capture_output=True, timeout=60)

    assert all(b"new" in body for name, body in see(tmp_path).items() if name.endswith("html"))
    check_forms(tmp_path)
    assert sorted(path.name for path in (tmp_path / WORKSHOP).iterdir()) == ["files", "lock"]
    assert put(tmp_path, {}).removed == 150
    assert see(tmp_path) == {}


def test_files_of_a_call_that_was_killed_are_ours_all_the_same(tmp_path: Path) -> None:
    """Else what it wrote, and nobody names any more, would stay for ever; a line cut short spoils no other."""

    def files() -> Iterator[File]:
        yield make_file("a.html", LONG)
        yield make_file("b.html", LONG)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish_tree(tmp_path, files())
    with (tmp_path / WORKSHOP / "files").open("a") as manifest:
        manifest.write("\n\tcut/sho")

    put(tmp_path, {"c.html": LONG})

    assert {name for name in see(tmp_path) if name.endswith("html")} == {"c.html"}


@pytest.mark.parametrize("cut", ["CNAME", "tags", "tags/index.htm"])
def test_a_name_that_a_full_disk_cut_short_is_not_ours(tmp_path: Path, cut: str) -> None:
    """It may have become that of a folder, or of a file that the editor has put there."""
    put(tmp_path, {"tags/index.html": LONG})
    (tmp_path / "CNAME").write_text("theirs")
    with (tmp_path / WORKSHOP / "files").open("a") as manifest:
        manifest.write(f"\nstamp\t{cut}")

    assert put(tmp_path, {"tags/index.html": LONG}).removed == 0
    assert (tmp_path / "CNAME").read_text() == "theirs"


def test_what_a_killed_call_has_made_is_not_made_again(tmp_path: Path) -> None:
    """A first call may take long; what another one put there is not believed to be its own."""
    made: list[str] = []

    def make(name: str) -> File:
        def make_body() -> bytes:
            made.append(name)
            return LONG

        return File(name=name, make=make_body, stamp="1")

    def files() -> Iterator[File]:
        yield from map(make, names)
        raise KeyboardInterrupt

    names = ["a.html", "b.html", *(f"{number}.html" for number in range(30))]
    (tmp_path / "b.html").write_bytes(b"of somebody else")
    with pytest.raises(KeyboardInterrupt):
        publish_tree(tmp_path, files())
    (tmp_path / "b.html").write_bytes(b"<p>")  # as if the kill had come before its own appeared
    publish_tree(tmp_path, map(make, names))

    assert (made.count("a.html"), made.count("b.html")) == (1, 2)
    assert see(tmp_path)["b.html"] == LONG


@pytest.mark.parametrize("grouped", [False, True])
def test_what_a_killed_call_has_changed_is_changed_back(tmp_path: Path, grouped: bool) -> None:
    """An editor sees a wrong title, stops it, and takes the title back: then the stamp is the old one, the file not."""

    def list_files(body: bytes, stamp: str) -> Iterator[File | Group]:
        page = make_file("a.html", body, "" if grouped else stamp)
        yield Group(key="/a", stamp=stamp, make=lambda: [page]) if grouped else page
        yield from (make_file(f"{number}.html", LONG) for number in range(30))

    def list_and_stop(body: bytes, stamp: str) -> Iterator[File | Group]:
        yield from list_files(body, stamp)
        raise KeyboardInterrupt

    publish_tree(tmp_path, list_files(LONG, "1"))
    with pytest.raises(KeyboardInterrupt):
        publish_tree(tmp_path, list_and_stop(OTHER, "2"))
    assert see(tmp_path)["a.html"] == OTHER

    publish_tree(tmp_path, list_files(LONG, "1"))
    assert see(tmp_path)["a.html"] == LONG


def test_no_old_form_outlives_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were we killed when the file has appeared, nobody would ever look again at forms that it does not want."""
    put(tmp_path, {"a.html": LONG})
    real = Path.replace

    def appear_and_stop(source: Path, target: Path) -> Path:
        real(source, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", appear_and_stop)
        with pytest.raises(KeyboardInterrupt):
            put(tmp_path, {"a.html": b"<p>"})

    assert see(tmp_path) == {"a.html": b"<p>"}


@pytest.mark.parametrize(("old", "new"), [("a/b", "a/b/index.html"), ("a/b/index.html", "a/b"), ("a", "a/b/c")])
def test_a_file_where_a_folder_was_costs_itself_once(tmp_path: Path, old: str, new: str) -> None:
    """And the other way round: the next call has room."""
    put(tmp_path, {old: LONG, "x.html": LONG})

    done = put(tmp_path, {new: OTHER, "x.html": OTHER})
    assert [name for name, _ in done.failed] == [new]
    assert see(tmp_path)["x.html"] == OTHER

    assert put(tmp_path, {new: OTHER, "x.html": OTHER}).failed == []
    assert see(tmp_path)[new] == OTHER and old not in see(tmp_path)
    (tmp_path / new).unlink()
    (tmp_path / new).mkdir()
    assert put(tmp_path, {"x.html": OTHER}).removed == 0
    assert (tmp_path / new).is_dir(), "somebody else's by now"
