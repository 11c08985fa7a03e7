"""What the command line says about itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from aggregator.cli.commands import cli
from tests.fixtures.program import Program


def list_commands() -> Iterator[tuple[str, ...]]:
    """Every group and command, as words."""

    def walk(group: typer.Typer, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield words
        for command in group.registered_commands:
            yield (*words, command.name or "")
        for below in group.registered_groups:
            assert below.typer_instance is not None
            yield from walk(below.typer_instance, (*words, below.name or ""))

    return walk(cli, ())


@pytest.mark.parametrize("words", list(list_commands()), ids=" ".join)
def test_help_fits_a_terminal_and_cuts_nothing(
    words: tuple[str, ...], local: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """80 columns, every summary a whole sentence, and colour codes never in what is no terminal."""
    monkeypatch.setenv("COLUMNS", "80")

    result = local.run(*words, "--help")

    assert result.code == 0
    assert max(map(len, result.out.splitlines())) <= 80
    assert not [line for line in result.out.splitlines()[1:] if line.endswith("...")]
    assert "\x1b" not in result.out
    assert "--config" in result.out or words == ("init",)


def test_commands_of_the_contract_are_there() -> None:
    """`DESIGN` names them; what later releases add may follow."""
    wanted = """init check run fetch publish stats
        feeds.list feeds.add feeds.remove feeds.import feeds.export entries.list entries.show stories.list stories.show
        tags.list tags.explain issues.list issues.build issues.preview issues.send
        subscribers.list subscribers.add subscribers.import subscribers.export subscribers.remove subscribers.forget
        db.upgrade db.check db.backup db.prune""".split()

    assert set(wanted) <= {".".join(words) for words in list_commands()}


def test_completion_can_be_installed(local: Program) -> None:
    """The shells' own mechanism, offered by the first help page."""
    assert "--install-completion" in local.run("--help").out


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonesuch",),
        ("feeds", "nonesuch"),
        ("fetch", "--nonesuch"),
        ("entries", "list", "--limit", "-1"),
        ("entries", "list", "--limit", "9" * 30),
        ("entries", "show", "one"),
        ("entries", "show", "9" * 30),
        ("feeds", "add"),
        ("worker", "--metrics-listen", "9100"),
        ("worker", "--metrics-listen", "127.0.0.1:99999"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_code_2(arguments: tuple[str, ...], local: Program) -> None:
    """Said on standard error, with the way to help; standard output stays clean."""
    result = local.run(*arguments)

    assert result.code == 2
    assert result.out == ""
    assert "Traceback" not in result.err
    assert "Error: " in result.err


def test_no_command_shows_the_help(local: Program) -> None:
    """For those who only type the name."""
    shown = local.run()

    assert "Commands:" in shown.out + shown.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "here.yaml", "feeds", "list"),
        ("feeds", "--config", "here.yaml", "list"),
        ("feeds", "list", "-c", "here.yaml"),
    ],
)
def test_config_may_stand_before_or_behind_a_command(arguments: tuple[str, ...], local: Program) -> None:
    """All three places mean the same file."""
    local.configure(feeds=[{"url": "http://wire.example.com/feed.xml"}])
    local.config.rename(local.folder / "here.yaml")

    assert "wire.example.com" in local.run(*arguments).out


def test_the_nearest_config_counts(local: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the command, before it, the environment, the folder: in this order."""
    for name in ("command", "root", "environment", "config"):
        local.configure(feeds=[{"url": f"http://{name}.example.com/feed.xml"}])
        local.config.rename(local.folder / f"{name}.yaml")

    def read(*arguments: str) -> str:
        return str(local.json(*arguments)[0]["url"]).split("/")[2].split(".")[0]

    assert read("feeds", "list", "--limit", "1") == "config"
    monkeypatch.setenv("AGGREGATOR_CONFIG", "environment.yaml")
    (local.folder / "news.sqlite3").unlink()
    assert read("feeds", "list") == "environment"
    (local.folder / "news.sqlite3").unlink()
    assert read("--config", "root.yaml", "feeds", "list") == "root"
    (local.folder / "news.sqlite3").unlink()
    assert read("-c", "root.yaml", "feeds", "list", "-c", "command.yaml") == "command"


def test_a_named_configuration_that_is_missing_is_an_error(local: Program) -> None:
    """The shipped one only stands in where nobody asked for a certain file."""
    result = local.run("stats", "--config", "missing.yaml")

    assert result.code == 2
    assert result.err.startswith("aggregator: missing.yaml: ")


def test_without_any_configuration_the_shipped_one_is_used(local: Program, tmp_path: Path) -> None:
    """With a word about it on standard error, and its files under the current folder."""
    result = local.run("feeds", "list", "--json")

    assert result.code == 0
    assert "shipped configuration" in result.err
    assert (tmp_path / "var" / "aggregator.db").exists()


def test_output_that_cannot_be_written_is_a_line(local: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk behind ``>`` is no traceback."""
    local.configure()
    with Path("/dev/full").open("w", encoding="utf-8", buffering=1) as full:
        monkeypatch.setattr(sys, "stdout", full)
        result = local.run("stats")
        monkeypatch.undo()

    assert result.code == 1
    assert "No space left" in result.err
    assert "Traceback" not in result.err


def test_bytes_that_are_no_text_are_refused(local: Program) -> None:
    """Python hands them over as lone surrogates."""
    local.configure()

    result = local.run("entries", "list", "--tag", "\udcff")

    assert (result.code, result.err) == (2, "aggregator: an argument is not UTF-8 text\n")
