"""Files appear whole, stay when unchanged, and go only when they were ours."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.errors import UsageError
from aggregator.publish import File, publish_tree
from tests.publish.trees import LONG, OTHER, check_forms, put, see, see_times


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


def test_two_machines_make_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No clock and no name of a file is inside the compressed forms."""
    for name, seconds in (("one", 1_000_000_000.0), ("two", 1_700_000_000.0)):
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda now=seconds: now)
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


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "a/../../outside", "", "a//b", "a\nb", ".publishing/x"])
def test_no_file_lands_outside_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        put(tmp_path / "site", {name: b"x"})


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(UsageError, match="cannot publish to"):
        put(tmp_path / "file" / "site", {"index.html": b""})


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
