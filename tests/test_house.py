"""The rules of the house that a machine can check: floors, sizes, and nothing of one machine in what is tracked."""

from __future__ import annotations

import ast
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 80
WANTED_FUNCTION_LINES = 40
MAX_PUBLIC_METHODS = 15
#: Words that say nothing about what a module or class does.
EMPTY_WORDS = frozenset(
    word + ending
    for word in (
        "util",
        "helper",
        "manager",
        "service",
        "handler",
        "processor",
        "base",
        "common",
        "misc",
        "info",
        "impl",
    )
    for ending in ("", "s")
)
# Spelt in pieces, so that this file does not find itself.
FORBIDDEN_TEXT = re.compile(
    "|".join(
        (
            r"(?<![\w.:/])/(?:work" + r"|root|home)/\w",  # paths of somebody's machine
            r"https?://(?!my\.netscape\.com/rdf/)[^\s\"']+/(?:simple|packages)/",  # an index of packages, not RSS 0.90
            r"https?://[^\s\"']+/debian(?:-security)?/?(?=\s|$)",
            "--(?:extra-)?index" + "-url",
        )
    )
)


def list_tracked(pattern: str = "*") -> list[Path]:
    """Files that git knows; in an unpacked archive, which has no git, all files."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", pattern]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    paths = (PROJECT / name for name in done.stdout.split("\0") if name)
    return sorted(path for path in paths if path.is_file())


def list_python() -> list[Path]:
    return list_tracked("*.py")


def iter_functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name with place, and length in lines, of each function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            place = f"{path.relative_to(PROJECT)}:{node.lineno} {node.name}"
            yield place, (node.end_lineno or node.lineno) - node.lineno + 1


def test_import_contracts_hold() -> None:
    """A module imports only from floors below its own, and the four other contracts of pyproject.toml."""
    lint_imports = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run([lint_imports, "--no-cache"], cwd=PROJECT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 kept, 0 broken" in done.stdout


def test_files_are_short() -> None:
    """A Python file has at most 400 lines; a room that outgrows it becomes a package."""
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in list_python()}

    assert not {str(path): count for path, count in lengths.items() if count > MAX_FILE_LINES}


def test_functions_are_short() -> None:
    """No function of the program is over 80 lines, and hardly one in fifty is over 40."""
    functions = [found for path in list_tracked("aggregator/*.py") for found in iter_functions(path)]
    long = [found for found in functions if found[1] > WANTED_FUNCTION_LINES]

    assert not [found for found in long if found[1] > MAX_FUNCTION_LINES]
    assert len(long) <= len(functions) / 50, long


def test_classes_are_small() -> None:
    """No class of the program has more than 15 public methods."""
    crowded = []
    for path in list_tracked("aggregator/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                methods = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name[0] != "_"]
                if len(methods) > MAX_PUBLIC_METHODS:
                    crowded.append(f"{path.relative_to(PROJECT)} {node.name}: {len(methods)}")

    assert not crowded


def last_word(name: str) -> str:
    """``feed_utils`` -> ``utils``, ``FeedManager`` -> ``manager``."""
    return re.split(r"_|(?<=[a-z0-9])(?=[A-Z])", name)[-1].lower()


def test_modules_and_classes_have_telling_names() -> None:
    """No module or class is called by a word that would fit any other as well (a library's base class may be)."""
    named = []
    for path in list_tracked("aggregator/*.py"):
        if last_word(path.stem) in EMPTY_WORDS:
            named.append(str(path.relative_to(PROJECT)))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and last_word(node.name) in EMPTY_WORDS:
                bases = {last_word(ast.unparse(base)) for base in node.bases}
                if last_word(node.name) not in bases:
                    named.append(f"{path.relative_to(PROJECT)}:{node.lineno} {node.name}")

    assert not named


def test_nothing_of_one_machine_is_tracked() -> None:
    """No tracked file names a path of somebody's machine, or where packages come from."""
    found = []
    for path in list_tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if FORBIDDEN_TEXT.search(line):
                found.append(f"{path.relative_to(PROJECT)}:{number}: {line.strip()[:100]}")

    assert not found


def test_no_tracked_file_is_large() -> None:
    """Pictures included, no tracked file is over 1 MiB."""
    assert not [str(path) for path in list_tracked() if path.stat().st_size > 1 << 20]


def test_requirements_are_locked_with_hashes() -> None:
    """Each locked requirement is one exact version with its hashes, and both lists agree."""
    pins: dict[str, dict[str, str]] = {}
    for name in ("build", "run", "test"):
        text = (PROJECT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        blocks = re.split(r"\n(?=\S)", text.strip())

        assert all(re.match(r"[a-z0-9-]+(\[[a-z,]+\])?==\S+", block) and "--hash=sha256:" in block for block in blocks)
        pins[name] = dict(block.split(maxsplit=1)[0].split("==") for block in blocks)

    for name in ("build", "run"):
        assert {key: pins["test"][key] for key in pins[name] if key in pins["test"]}.items() <= pins[name].items()
    assert pins["run"].keys() <= pins["test"].keys()


def test_guard_refuses_the_network(only_loopback: list[str]) -> None:
    """No test reaches beyond this machine, and names do not resolve, whatever the code makes of the error."""
    with socket.socket() as line, pytest.raises(PermissionError):
        line.connect(("192.0.2.1", 80))
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("feeds.example.org", 443)

    assert only_loopback == ["192.0.2.1:80"]
    only_loopback.clear()  # or the guard would fail this test too
    assert socket.getaddrinfo("localhost", 80)
