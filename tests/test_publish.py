"""Files appear whole, stay when unchanged, and go only when they were ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from aggregator.errors import UsageError
from aggregator.publish import publish_tree


def test_a_tree_is_written_and_a_second_time_left_alone(tmp_path: Path) -> None:
    files = [("static/a.css", b"a"), ("index.html", b"<p>")]

    first, second = publish_tree(tmp_path / "site", files), publish_tree(tmp_path / "site", files)

    assert (tmp_path / "site" / "static" / "a.css").read_bytes() == b"a"
    assert (first.written, first.unchanged) == (2, 0)
    assert (second.written, second.unchanged, second.removed) == (0, 2, 0)


def test_what_is_not_published_any_more_goes_and_the_editors_own_files_stay(tmp_path: Path) -> None:
    publish_tree(tmp_path, [("old.html", b"1"), ("index.html", b"2")])
    (tmp_path / "robots.txt").write_text("theirs")

    done = publish_tree(tmp_path, [("index.html", b"3")])

    assert done.removed == 1
    assert sorted(path.name for path in tmp_path.iterdir() if path.name[0] != ".") == ["index.html", "robots.txt"]


def test_a_failure_half_way_leaves_no_half_file(tmp_path: Path) -> None:
    def files() -> object:
        yield "index.html", b"new"
        raise RuntimeError("on purpose")

    publish_tree(tmp_path, [("index.html", b"old"), ("other.html", b"old")])
    with pytest.raises(RuntimeError):
        publish_tree(tmp_path, files())  # type: ignore[arg-type]

    assert (tmp_path / "index.html").read_bytes() == b"new"
    assert (tmp_path / "other.html").read_bytes() == b"old"
    assert not list(tmp_path.glob("**/*.tmp"))


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "a/../../outside"])
def test_no_file_lands_outside_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        publish_tree(tmp_path / "site", [(name, b"x")])


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(UsageError, match="cannot publish to"):
        publish_tree(tmp_path / "file" / "site", [("index.html", b"")])
