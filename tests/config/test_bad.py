"""Every bad file of `bad/` gives exactly the messages that stand in its own first lines. Add a file to add a case."""

from __future__ import annotations

from pathlib import Path

import pytest

from aggregator.config import load_config
from aggregator.errors import ConfigError

BAD = Path(__file__).parent / "bad"
FILES = sorted(BAD.glob("*.yaml"))


def read_expected(path: Path) -> list[str]:
    """Lines such as ``#: 12: site.url: found ..., expected ...`` at the top."""
    return [line[3:] for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#: ")]


def read_messages(path: Path, environ: dict[str, str] | None = None) -> list[str]:
    """What loading says, without the name of the file."""
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ or {})
    return [str(problem).removeprefix(f"{path}:").strip() for problem in caught.value.problems]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_bad_file_gives_the_messages_that_it_names(path: Path) -> None:
    """All mistakes at once, in the order of their lines, in these words."""
    messages = read_messages(path)

    assert messages == read_expected(path)


def test_there_are_enough_bad_files() -> None:
    """A mistake that people make deserves a file."""
    assert len(FILES) >= 40


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_message_says_what_was_found_and_what_was_expected(path: Path) -> None:
    """An editor must not have to guess either half."""
    for message in read_expected(path):
        assert ", expected " in message


def test_no_message_repeats_a_secret() -> None:
    """Every bad file that holds a secret calls it ``geheim``."""
    secret_files = [path for path in FILES if "geheim" in path.read_text(encoding="utf-8")]

    assert len(secret_files) >= 4
    for path in secret_files:
        assert "geheim" not in "\n".join(read_messages(path))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "found an empty file, expected settings"),
        (b"# only a comment\n", "found an empty file, expected settings"),
        (b"site:\n  title: caf\xe9\n", "2: found the byte 0xe9, expected UTF-8 text"),
        (b"site:\n  title: a\x00b\n", "2: found the character U+0000, expected printable text"),
        (b"\xff\xfes\x00i\x00t\x00e\x00", "1: found the byte 0xff, expected UTF-8 text"),
        (b"[" * 2_000, "found lists within lists without end, expected valid YAML"),
        (
            b"#" * 1_100_000,
            "found more than 1,048,576 bytes, expected less (long lists of feeds belong in an OPML file)",
        ),
    ],
    ids=["empty", "comment", "latin-1", "nul", "utf-16", "deep", "large"],
)
def test_bytes_that_are_no_settings_are_named(tmp_path: Path, data: bytes, expected: str) -> None:
    """What cannot be kept as a readable YAML file."""
    path = tmp_path / "config.yaml"
    path.write_bytes(data)

    assert read_messages(path) == [expected]


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    """The first thing that goes wrong on a new machine."""
    missing = read_messages(tmp_path / "none.yaml")
    folder = read_messages(tmp_path)

    assert len(missing) == len(folder) == 1
    assert "found no readable file (no such file or directory), expected a YAML file" in missing[0]
    assert "found no readable file (is a directory), expected a YAML file" in folder[0]


def test_a_bomb_of_aliases_is_refused_quickly(tmp_path: Path) -> None:
    """Ten lines of YAML that would be ten thousand million values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    path = tmp_path / "config.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")

    messages = read_messages(path)

    assert any("found too many values or levels" in message for message in messages)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    """Windows editors write one."""
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbfsite: {title: A, url: 'https://a.example'}\n")

    assert load_config(path, {}).site.title == "A"
