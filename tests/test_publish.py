"""Files appear whole, stay when unchanged, and go only when they were ours."""

from __future__ import annotations

import errno
import gzip
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import brotli
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.errors import PublishError, RenderError, UsageError
from aggregator.publish import WORKSHOP, File, Group, Published, publish_tree

LONG = b"<p>" + b"A sentence that is long enough to be compressed. " * 20
OTHER = LONG.replace(b"sentence", b"SENTENCE")
PROJECT = Path(__file__).resolve().parent.parent


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


def test_a_tree_is_written_and_a_second_time_left_alone(tmp_path: Path) -> None:
    """Not one file is touched: its time, and what web servers make of it, stay."""
    files = {"static/a.css": LONG, "index.html": LONG, "short.html": b"<p>"}

    first = put(tmp_path / "site", files)
    before = see_times(tmp_path / "site")
    second = put(tmp_path / "site", files)

    assert (first.written, first.unchanged) == (3, 0)
    assert (second.written, second.unchanged, second.removed) == (0, 3, 0)
    assert see_times(tmp_path / "site") == before
    assert sorted(see(tmp_path / "site")) == [
        *("index.html", "index.html.br", "index.html.gz", "short.html"),
        *("static/a.css", "static/a.css.br", "static/a.css.gz"),
    ]
    check_forms(tmp_path / "site")


def test_two_machines_make_the_same_bytes(tmp_path: Path) -> None:
    """No clock and no name of a file is inside the compressed forms."""
    for name in ("one", "two"):
        put(tmp_path / name, {"index.html": LONG})

    assert see(tmp_path / "one") == see(tmp_path / "two")


def test_pictures_and_the_like_are_not_compressed(tmp_path: Path) -> None:
    put(tmp_path, {"a.png": LONG, "b.atom": LONG})

    assert sorted(see(tmp_path)) == ["a.png", "b.atom", "b.atom.br", "b.atom.gz"]


def test_a_changed_file_has_new_forms_and_one_that_is_short_now_has_none(tmp_path: Path) -> None:
    put(tmp_path, {"a.html": LONG, "b.html": LONG})
    done = put(tmp_path, {"a.html": OTHER, "b.html": b"<p>"})

    assert done.written == 2
    assert sorted(see(tmp_path)) == ["a.html", "a.html.br", "a.html.gz", "b.html"]
    check_forms(tmp_path)


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


@pytest.mark.parametrize("damage", ["stale", "gone", "old plain"])
def test_a_form_that_does_not_belong_to_its_file_is_made_anew(tmp_path: Path, damage: str) -> None:
    """As a kill between two renames leaves it; the file itself is not touched."""
    put(tmp_path, {"a.html": LONG})
    old = {form: (tmp_path / f"a.html{form}").read_bytes() for form in (".br", ".gz")}
    put(tmp_path, {"a.html": OTHER})
    if damage == "old plain":
        (tmp_path / "a.html").write_bytes(LONG)
    elif damage == "gone":
        (tmp_path / "a.html.br").unlink()
    else:
        (tmp_path / "a.html.gz").write_bytes(old[".gz"])
        os.utime(tmp_path / "a.html.gz", ns=(1, 1))
    before = (tmp_path / "a.html").stat().st_mtime_ns

    assert put(tmp_path, {"a.html": OTHER}).written == 1

    assert (tmp_path / "a.html").read_bytes() == OTHER
    assert (damage == "old plain") or (tmp_path / "a.html").stat().st_mtime_ns == before
    check_forms(tmp_path)


def test_what_is_not_published_any_more_goes_and_the_editors_own_files_stay(tmp_path: Path) -> None:
    """With its compressed forms, and the folders that it leaves empty."""
    put(tmp_path, {"tags/old/index.html": LONG, "tags/index.html": LONG, "index.html": LONG})
    (tmp_path / "CNAME").write_text("theirs")
    (tmp_path / "tags" / "old" / "theirs.txt").write_text("theirs")

    done = put(tmp_path, {"index.html": LONG})

    assert done.removed == 2
    assert sorted(see(tmp_path)) == ["CNAME", "index.html", "index.html.br", "index.html.gz", "tags/old/theirs.txt"]
    (tmp_path / "tags" / "old" / "theirs.txt").unlink()
    put(tmp_path, {"index.html": LONG, "tags/old/index.html": LONG})
    put(tmp_path, {"index.html": LONG})
    assert not (tmp_path / "tags" / "old").exists()


def test_a_file_that_gives_way_leaves_the_editors_own_in_its_place(tmp_path: Path) -> None:
    """robots.txt, say."""
    (tmp_path / "robots.txt").write_text("theirs")
    ours = File(name="robots.txt", make=lambda: LONG, gives_way=True)

    publish_tree(tmp_path, [ours])
    assert (tmp_path / "robots.txt").read_text() == "theirs"

    (tmp_path / "robots.txt").unlink()
    publish_tree(tmp_path, [ours])
    assert publish_tree(tmp_path, [ours]).unchanged == 1
    assert (tmp_path / "robots.txt").read_bytes() == LONG


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


def test_a_page_that_cannot_be_made_keeps_its_old_file_and_the_rest_goes_on(tmp_path: Path) -> None:
    """One that was never there is missing, and named."""

    def fail() -> bytes:
        raise RenderError("story.html:3: odd")

    put(tmp_path, {"a.html": LONG, "b.html": LONG})
    bad = [File(name="a.html", make=fail, stamp="1"), File(name="new.html", make=fail), make_file("b.html", OTHER)]

    done = publish_tree(tmp_path, bad)

    assert done.failed == [("a.html", "story.html:3: odd"), ("new.html", "story.html:3: odd")]
    assert (done.removed, done.written) == (0, 1)
    assert see(tmp_path)["a.html"] == LONG and see(tmp_path)["b.html"] == OTHER
    assert put(tmp_path, {"b.html": OTHER}).removed == 1, "it is still ours"


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


def test_a_page_that_somebody_removed_and_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """Although its first turn, as an early one, says nothing."""

    def fail() -> bytes:
        raise RenderError("odd")

    put(tmp_path, {"a.html": LONG})
    (tmp_path / "a.html").unlink()
    files = [File(name="a.html", make=fail, early=early) for early in (True, False)]

    assert publish_tree(tmp_path, files).failed == [("a.html", "odd")]


def test_what_has_not_changed_by_its_stamp_is_not_even_made(tmp_path: Path) -> None:
    """Unless its file is gone, or all is wanted anew; a page that failed is tried again."""
    made = []

    def make() -> bytes:
        made.append(1)
        return LONG

    def run(stamp: str, *, anew: bool = False) -> Published:
        return publish_tree(tmp_path, [File(name="a.html", make=make, stamp=stamp)], anew=anew)

    for stamp in ("1", "1", "2", "2"):
        run(stamp)
    assert len(made) == 2
    (tmp_path / "a.html.gz").unlink()
    assert run("2").written == 1
    assert run("2", anew=True).unchanged == 1
    assert len(made) == 4
    check_forms(tmp_path)


def test_an_early_file_is_written_only_where_there_is_none(tmp_path: Path) -> None:
    """So what refers to it may come next, and bringing the others up to date may wait."""

    made: list[str] = []

    def run(body: bytes) -> Published:
        def make(name: str, *, early: bool = False) -> File:
            def make_body() -> bytes:
                made.append(name)
                return body

            return File(name=name, make=make_body, early=early)

        return publish_tree(tmp_path, [make("a.html", early=True), make("b.html"), make("a.html")])

    order = [run(LONG), run(LONG), run(OTHER)]

    assert [(done.written, done.unchanged) for done in order] == [(2, 0), (0, 2), (2, 0)]
    assert made == ["a.html", "b.html", *("b.html", "a.html") * 2]
    assert see(tmp_path)["a.html"] == OTHER


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "a/../../outside", "", "a//b", "a\nb", ".publishing/x"])
def test_no_file_lands_outside_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        put(tmp_path / "site", {name: b"x"})


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(UsageError, match="cannot publish to"):
        put(tmp_path / "file" / "site", {"index.html": b""})


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


NAMES = st.sampled_from(["index.html", "a/index.html", "a/b.atom", "c.json", "d.png"])
BODIES = st.one_of(st.none(), st.sampled_from([b"", b"short", LONG, OTHER]))


@settings(max_examples=40, deadline=None)
@given(states=st.lists(st.dictionaries(NAMES, BODIES), min_size=1, max_size=5))
def test_whatever_was_there_before_the_folder_ends_as_the_last_call_says(
    tmp_path_factory: pytest.TempPathFactory, states: list[dict[str, bytes | None]]
) -> None:
    folder = tmp_path_factory.mktemp("site")
    for state in states:
        put(folder, state)
        shown = {name: body for name, body in see(folder).items() if not name.endswith((".gz", ".br"))}
        assert shown == {name: body for name, body in state.items() if body is not None}
        check_forms(folder)


def test_a_group_of_files_stays_as_a_whole_while_its_stamp_does(tmp_path: Path) -> None:
    """Not even asked what it holds; when it has changed, what it holds no more goes."""
    asked: list[str] = []

    def make_group(key: str, stamp: str, *names: str) -> Group:
        def make() -> list[File]:
            asked.append(key)
            return [make_file(name, LONG) for name in names]

        return Group(key=key, stamp=stamp, make=make)

    def run(*groups: Group, anew: bool = False) -> Published:
        asked.clear()
        return publish_tree(tmp_path, [make_file("index.html", LONG), *groups], anew=anew)

    a, b = make_group("a", "1", "a.html", "a/b.html"), make_group("b", "1", "b.html")
    run(a, b)
    assert run(a, b).unchanged == 4 and asked == []
    (tmp_path / "a" / "b.html").unlink()
    assert run(a, b).written == 1 and asked == ["a"]
    changed = run(make_group("a", "2", "a.html"), b)
    assert (asked, changed.removed, changed.unchanged) == (["a"], 1, 3)
    assert run(make_group("a", "2", "a.html"), b, anew=True).unchanged == 3 and asked == ["a", "b"]
    assert run(b).removed == 1
    assert {name for name in see(tmp_path) if name.endswith("html")} == {"index.html", "b.html"}


def test_a_group_with_a_page_that_cannot_be_made_is_asked_again(tmp_path: Path) -> None:
    def fail() -> bytes:
        raise RenderError("a.html:1: odd")

    group = Group(key="a", stamp="1", make=lambda: [make_file("b.html", LONG), File(name="a.html", make=fail)])

    assert [len(publish_tree(tmp_path, [group]).failed) for _ in range(2)] == [1, 1]


def test_what_a_broken_page_led_to_stays_until_it_is_mended(tmp_path: Path) -> None:
    """An editor's slip in the template of a tag must not take the tag's feeds away from their readers."""

    def fail() -> bytes:
        raise RenderError("tag.html:1: odd")

    def run(*files: File) -> Published:
        return publish_tree(tmp_path, [Group(key="x", stamp="", make=lambda: files)])

    page, feed = make_file("x/index.html", LONG), make_file("x.atom", LONG)
    run(page, feed)
    assert run(File(name="x/index.html", make=fail)).removed == 0
    assert see(tmp_path)["x.atom"] == LONG

    assert run(page).removed == 1
