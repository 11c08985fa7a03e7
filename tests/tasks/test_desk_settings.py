"""Rules and tags that the desk sets: obeyed by every process, in place of the file's or on top, until taken back."""

from __future__ import annotations

from typing import Any

import pytest

from aggregator.app import App, Layers
from aggregator.config.export import is_written
from aggregator.errors import ConfigError, UsageError
from aggregator.model.account import Change
from aggregator.storage import audit
from aggregator.tasks.desk.rules import list_rules, set_rules, set_tags, undo
from aggregator.tasks.desk.settings import adopt_settings, forget_written
from tests.fixtures.program import Program

OWN = {"name": "no robots", "when": {"title": "robot"}, "drop": True}
MINE = [{"name": "weigh", "when": {"tag": ["openai"]}, "weight": 2}, OWN]
NEW_TAG = {"tags": {"orrery-labs": {"org": "Orrery Labs", "aliases": ["Orrery"]}}}


def line(app: App, number: int) -> Change:
    with app.db.read() as conn:
        found = audit.get(conn, number)
    assert found is not None
    return found


def names(app: App) -> list[str]:
    return [rule.name for rule in app.settings.rules.rules]


def slugs(app: App) -> set[str]:
    return {rule.tag.slug for rule in app.settings.tag_rules.rules}


def test_the_desks_rules_stand_in_place_of_the_files_in_every_process(program: Program) -> None:
    program.configure(rules=[OWN])
    with program.app() as app, program.app() as other:
        place = app.settings.origins.rules[0][1]
        number = set_rules(app, MINE, who="anna", action="rule.add", seen=None)
        here, there = names(app), names(other)
        adopted, again = adopt_settings(other), adopt_settings(other)
        listed = list_rules(other)
        undo(app, line(app, number), who="anna")
        adopt_settings(other)

        assert here == ["weigh", "no robots"] and there == ["no robots"]
        assert (adopted, again) == (True, False) and listed == MINE
        assert names(app) == names(other) == ["no robots"]
        assert place.startswith(str(program.config)) and place.rpartition(":")[2].isdigit()


def test_commands_have_it_too(program: Program) -> None:
    program.configure(rules=[OWN])
    with program.app() as app:
        set_rules(app, MINE, who="anna", action="rule.add")
        set_tags(app, NEW_TAG, who="anna", action="tag.add")

    assert [rule["name"] for rule in program.json("rules", "list")] == ["weigh", "no robots"]
    with program.app() as app:
        assert "orrery-labs" in slugs(app) and "openai" in slugs(app)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([{"name": "a"}], "does nothing"),
        ([OWN, OWN], "each name once"),
        ([{"name": "a", "drop": True, "when": {"title": "/(/"}}], "rules[0].when.title"),
        ([{"name": "a", "drop": True, "wen": 1}], 'unknown key "wen"'),
        (["a"], "rules[0]"),
        ([{"name": "x" * 100, "drop": True}], "rules[0].name"),
    ],
)
def test_a_mistake_is_named_and_changes_nothing(program: Program, rules: Any, said: str) -> None:
    program.configure(rules=[OWN])
    with program.app() as app:
        with pytest.raises(ConfigError) as error:
            set_rules(app, rules, who="anna", action="rule.add")

        assert said in str(error.value) and "the desk" in str(error.value)
        assert names(app) == ["no robots"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_tag_that_clashes_is_refused(program: Program) -> None:
    program.configure()
    with program.app() as app:
        with pytest.raises(ConfigError, match="the desk"):
            set_tags(app, {"tags": {"Not A Slug": {"org": "X"}}}, who="anna", action="tag.add")

        assert "openai" in slugs(app)


def test_the_second_of_two_editors_sees_that_there_was_a_first(program: Program) -> None:
    program.configure(rules=[OWN])
    with program.app() as app:
        set_rules(app, MINE, who="anna", action="rule.add", seen=None)
        with pytest.raises(UsageError, match="meanwhile"):
            set_rules(app, [OWN], who="ben", action="rule.remove", seen=None)
        first = set_rules(app, MINE[:1], who="ben", action="rule.remove", seen=MINE)
        set_rules(app, None, who="anna", action="rules.reset")
        with pytest.raises(UsageError, match="changed since"):
            undo(app, line(app, first), who="ben")

        assert names(app) == ["no robots"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_the_desk_says_while_a_start_reads_the_file_is_kept(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.configure(rules=[OWN])
    with program.app() as app:
        set_rules(app, [OWN], who="anna", action="rule.add")

        def say_more(layers: Layers, name: str, value: Any) -> bool:
            set_rules(app, MINE, who="anna", action="rule.add")
            return is_written(layers.config, name, value)

        monkeypatch.setattr(Layers, "is_written", say_more)
        forget_written(app)

        assert list_rules(app) == MINE


def test_what_cannot_be_read_any_more_stops_nothing(program: Program) -> None:
    program.configure(rules=[OWN])
    newer = [{"name": "of a newer program", "sing": True}]
    with program.app() as app, app.db.write() as conn:
        audit.set_setting(conn, "rules", newer, who="anna", now=app.now())
    with program.app() as app:
        assert names(app) == ["no robots"]
        assert app.layers is not None and "sing" in str(app.layers.problems)
    told = program.run("check")
    assert "ok: desk: rules set by anna on " in told.out and "warning: desk: not obeyed: the desk" in told.out
    assert told.code == 0, told
