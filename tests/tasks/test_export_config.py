"""``export-config``: what it writes, read alone, means what the file and the desk mean together."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aggregator.app import App, load_settings
from aggregator.config import load_config
from aggregator.model.feed import FeedSpec, PageRules
from aggregator.model.ids import FeedId
from aggregator.storage import audit, feeds
from aggregator.tasks.desk import feeds as desk
from aggregator.tasks.desk.rules import get_setting, set_rules, set_tags
from tests.fixtures.program import Program

FILE = """\
# Our paper.
site: {title: AI News, url: "http://news.example.org"}   # here
database: DATABASE
fetch: {allow_networks: [127.0.0.0/8]}
feeds:
  # Laboratories
  - url: https://a.example/feed   # the first
    weight: 2
    headers: {Authorization: Bearer of-the-file}
  # Lists
  - opml: more.opml
    tags: [agents]

rules:
  # sponsors pay others
  - name: sponsored
    when: {title: sponsored}
    drop: true
  # robots are dull
  - {name: robots, when: {title: robot}, weight: 0.5}
mail:
  from: news@example.org
  smtp: {host: mail.example.org, username: news, password_file: secret}   # chmod 600
"""
OPML = """<opml version="2.0"><body><outline type="rss" xmlUrl="https://b.example/feed" text="B"/>
<outline type="rss" xmlUrl="https://c.example/feed" text="C"/></body></opml>"""
NEW = FeedSpec(
    url="https://d.example/page", origin="added", title="no", language="ja", weight=1.5, tags=("agents", "gpt-4.1"),
    interval=timedelta(hours=36), headers=(("X-Key", "#: on"),), page=PageRules(items="li", title="h2"),
    points="_hn.points", full_content=True,
)  # fmt: skip
TAGS = {"tags": {"orrery": {"org": "Orrery Labs", "aliases": ["Orrery", "no", "4.10"]}, "opensea": {"remove": "yes"}}}


def write_file(program: Program) -> None:
    program.configure()
    (program.folder / "more.opml").write_text(OPML)
    (program.folder / "secret").write_text("of the file\n")
    (program.folder / "secret").chmod(0o600)
    url = load_config(program.config, {}).database_url
    program.config.write_text(FILE.replace("DATABASE", url))


def say_much(app: App) -> None:
    """Something of every kind."""
    with app.db.read() as conn:
        found = feeds.find_ids(conn, ["https://a.example/feed", "https://b.example/feed"])
    first, listed = found["https://a.example/feed"], found["https://b.example/feed"]
    desk.edit_feed(app, first, {"weight": 3.0, "tags": ["agents"], "interval": 7200, "title": "A: #1"}, who="anna")
    desk.move_feed(app, first, "https://a.example/new", who="anna")
    desk.edit_feed(app, listed, {"language": "de", "tags": []}, who="anna")
    desk.add_feed(app, NEW, who="anna")
    robots, sponsored = [dict(rule) for rule, _ in reversed(app.settings.origins.rules)]
    rules = [{"name": "labs", "when": {"tag": ["orrery"]}, "weight": 2}, robots | {"weight": 0.25}, sponsored]
    set_rules(app, rules, who="anna", action="rule.add")
    set_tags(app, TAGS, who="anna", action="tag.add")


def read_specs(app: App) -> dict[str, FeedSpec]:
    """By address; who asked for a feed is another matter."""
    with app.db.read() as conn:
        return {feed.spec.url: replace(feed.spec, origin="config") for feed in feeds.list_feeds(conn)}


def test_the_file_alone_says_what_file_and_desk_say(program: Program) -> None:
    write_file(program)
    with program.app() as app:
        say_much(app)
        wanted, meant = read_specs(app), app.settings
    result = program.run("export-config", "--out", "new.yaml")
    made = load_settings(load_config(program.folder / "new.yaml", {}))
    text = (program.folder / "new.yaml").read_text()

    assert result.code == 0, result
    assert {spec.url: replace(spec, origin="config") for spec in made.feeds} == wanted
    assert replace(made, feeds=(), tag_rules=meant.tag_rules) == replace(meant, feeds=())
    assert set(made.tag_rules.rules) == set(meant.tag_rules.rules)
    assert "password_file: secret" in text and "Authorization: Bearer of-the-file" in text and "of the file" not in text
    assert text.startswith('# Our paper.\nsite: {title: AI News, url: "http://news.example.org"}   # here\n')
    assert "  # robots are dull\n  - {name: robots" in text and "  # sponsors pay others\n  - name: sponsored" in text
    assert "  # Laboratories\n  - url: https://a.example/new" in text and "\n    weight: 3\n" in text
    assert "values of headers" in result.err and "secret" not in result.err
    assert ((program.folder / "new.yaml").stat().st_mode & 0o777) == 0o600


def test_what_the_file_says_by_now_the_desk_says_no_more(program: Program) -> None:
    """Then the file leads again: another weight in it counts."""
    write_file(program)
    with program.app() as app:
        say_much(app)
        wanted = read_specs(app)
    program.run("export-config", "--out", "new.yaml")
    shutil.move(program.folder / "new.yaml", program.config)
    with program.app() as app:
        after, problems = read_specs(app), app.layers and app.layers.problems
        with app.db.read() as conn:
            edits = [feed.edits for feed in feeds.list_feeds(conn) if feed.edits]
            last = audit.list_changes(conn, limit=2)
        assert after == wanted and edits == [] and not problems
        assert get_setting(app, "rules") is None and get_setting(app, "tags") is None
        assert {(line.who, line.action, line.subject) for line in last} == {
            ("command", "setting.written", "setting:rules"),
            ("command", "setting.written", "setting:tags"),
        }
        assert [rule.name for rule in app.settings.rules.rules] == ["labs", "robots", "sponsored"]
    again = program.run("export-config")
    assert again.out == program.config.read_text()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_without_a_desk_it_prints_the_file(program: Program) -> None:
    write_file(program)
    result = program.run("export-config")

    assert (result.code, result.out, result.err) == (0, program.config.read_text(), "")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_printed_tags_stand_below_and_no_file_is_written_over(program: Program) -> None:
    write_file(program)
    with program.app() as app:
        set_tags(app, TAGS, who="anna", action="tag.add")
    (program.folder / "desk-tags.yaml").write_text("tags: {}\n")
    printed = program.run("export-config")
    refused = program.run("export-config", "--out", "config.yaml")

    assert printed.code == 0 and "tags:\n  - desk-tags-2.yaml\n" in printed.out
    assert "# tags:\n#   orrery:\n#     org: Orrery Labs\n#     aliases: [Orrery, no, '4.10']\n" in printed.out
    assert (refused.code, "exists already" in refused.err) == (2, True)


def _pause(app: App) -> None:
    desk.pause_feed(app, FeedId(1), "too loud", who="anna")


def _move_listed(app: App) -> None:
    with app.db.read() as conn:
        number = feeds.find_ids(conn, ["https://c.example/feed"])["https://c.example/feed"]
    desk.move_feed(app, number, "https://c.example/new", who="anna")


def _add_odd(app: App) -> None:
    desk.add_feed(app, FeedSpec(url="https://u%40@e.example/", origin="added"), who="anna")


def _say_what_is_not_known(app: App) -> None:
    with app.db.write() as conn:
        audit.set_setting(conn, "rules", [{"name": "x", "sing": True}], who="anna", now=app.now())


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("say", "told"),
    [
        (_pause, "1 feed paused"),
        (_add_odd, "https://u%40@e.example/: the file would be refused for its url"),
        (_move_listed, "mend it in the list: https://c.example/new"),
        (_say_what_is_not_known, "cannot be read any more"),
    ],
)
def test_what_the_file_cannot_say_is_told(program: Program, say: Callable[[App], None], told: str) -> None:
    write_file(program)
    with program.app() as app:
        say(app)
    result = program.run("export-config")

    assert result.code == 0 and told in result.err and result.out == program.config.read_text()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_the_file_would_be_refused_for_is_left_out(program: Program) -> None:
    write_file(program)
    with program.app() as app:
        desk.add_feed(app, replace(NEW, title="x" * 201), who="anna")
    result = program.run("export-config", "--out", "new.yaml")
    *_, added = load_config(program.folder / "new.yaml", {}).feeds

    assert "the file would be refused for its title" in result.err
    assert (added.title, added.language, added.weight) == ("", "ja", 1.5)  # type: ignore[union-attr]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_file_with_anchors_keeps_its_meaning(program: Program) -> None:
    """Where remarks cannot be kept, that is said."""
    write_file(program)
    text = program.config.read_text().replace("  - url: https://a", "  - &a\n    url: https://a")
    program.config.write_text(f"{text}web: {{listen: '127.0.0.1:8000'}}\n")
    with program.app() as app:
        desk.edit_feed(app, FeedId(1), {"weight": 3.0}, who="anna")
    result = program.run("export-config", "--out", "new.yaml")
    values: Any = load_config(Path(program.folder / "new.yaml"), {})

    assert result.code == 0 and values.feeds[0].weight == 3
