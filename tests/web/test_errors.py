"""What strangers can make the log say, and what they are told when even the page for errors is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aggregator.errors import DatabaseUnavailable
from aggregator.render.templates import load_templates
from aggregator.web.errors import ErrorLog
from tests.web.conftest import Door
from tests.web.stage import Stage

Serve = Callable[..., Door]
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What is written down."""

    written: list[dict[str, Any]] = []

    class Log:
        def error(self, event: str, **fields: Any) -> None:
            written.append({"event": event, **fields})

    monkeypatch.setattr("aggregator.web.errors.log", Log())
    yield written


def test_a_fault_that_many_ask_for_is_written_down_a_few_times(lines: list[dict[str, Any]]) -> None:
    told = ErrorLog()
    for number in range(1000):
        told.tell("web.fault", f"/{number}")
    told.tell("web.unavailable", "/", reason="it is gone")

    assert [line["path"] for line in lines] == [f"/{number}" for number in range(10)] + ["/"]


def test_no_token_and_no_endless_path_is_written_down(lines: list[dict[str, Any]]) -> None:
    for path in ("/unsubscribe/secret", "/websub/secret", "/confirm/secret", "/preferences/secret", "/" + "a" * 9000):
        ErrorLog().tell("web.fault", path)

    assert "secret" not in str(lines) and max(len(line["path"]) for line in lines) == 200


@on_sqlite
def test_a_database_that_is_away_tells_the_log_no_token(
    stage: Stage, serve: Serve, lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise DatabaseUnavailable("it is gone")

    monkeypatch.setattr("aggregator.web.unsubscribe.end_by_token", fail)
    reply = serve(stage.app).ask("/unsubscribe/secret", "POST")

    assert reply.status == 503 and lines == [
        {"event": "web.unavailable", "path": "/unsubscribe/...", "reason": "it is gone"}
    ]


@on_sqlite
def test_a_broken_template_for_errors_still_gives_an_answer(
    stage: Stage, serve: Serve, lines: list[dict[str, Any]], tmp_path: Path
) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "error.html").write_text("{{ no_such_thing }}")
    door = serve(replace(stage.app, templates=load_templates([folder])))
    replies = [door.ask("/nowhere"), door.ask("/nowhere"), door.ask("/", "POST"), door.ask("/", "ODD")]

    assert [reply.status for reply in replies] == [404, 404, 405, 400]
    assert all("Something went wrong" in reply.text and "no_such" not in reply.text for reply in replies)
    assert len(lines) == len({400, 404, 405}), "once for each status"
