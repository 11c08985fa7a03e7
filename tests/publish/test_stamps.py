"""What has not changed by its stamp is not made; what cannot be made stays as it was."""

from __future__ import annotations

from pathlib import Path

from aggregator.errors import RenderError
from aggregator.publish import File, Group, Published, publish_tree
from tests.publish.trees import LONG, OTHER, check_forms, make_file, put, see


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


def test_a_page_that_somebody_removed_and_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """Although its first turn, as an early one, says nothing."""

    def fail() -> bytes:
        raise RenderError("odd")

    put(tmp_path, {"a.html": LONG})
    (tmp_path / "a.html").unlink()
    files = [File(name="a.html", make=fail, early=early) for early in (True, False)]

    assert publish_tree(tmp_path, files).failed == [("a.html", "odd")]


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


def test_progress_is_told_of_unchanged_files_too(tmp_path: Path) -> None:
    """Of a large site most files are; a group that stays is one step."""
    group = Group(key="b", stamp="1", make=lambda: [make_file("b.html", LONG), make_file("c.html", LONG)])
    files = [make_file(f"{number}.html", LONG, stamp="1") for number in range(3)]
    publish_tree(tmp_path, [*files, group])
    seen: list[int] = []

    publish_tree(tmp_path, [*files, group], on_file=lambda done: seen.append(done.seen))

    assert seen == [1, 2, 3, 5, 5]
