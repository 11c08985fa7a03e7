"""Lists as JSON and as tables, on both databases: the keys of the contract, windows of time, limits, counts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.feeds import make_items, make_rss
from tests.fixtures.http_server import TestHttpServer
from tests.fixtures.program import Program

DAYS = ("01 Dec 2025", "02 Dec 2025", "03 Dec 2025")
KEYS = {
    "feeds": "id url title origin state last_status last_fetched_at next_due_at next_due_reason failures entries",
    "entries": "id feed_url guid title url author language published_at effective_at tags excerpt reading_minutes "
    "story_id",
    "stories": "id title url score language tags entries",
    "issues": "id newsletter slug state reason subject window_start window_end stories deliveries",
    "tags": "slug kind name entries",
}


@pytest.fixture
def filled(program: Program, http_server: TestHttpServer) -> Program:
    """On both databases: three entries of three days, three stories, one issue with one recipient."""
    return fill(program, http_server)


@pytest.fixture
def filled_here(local: Program, http_server: TestHttpServer) -> Program:
    """The same on SQLite alone, for what has nothing to do with storage."""
    return fill(local, http_server)


def fill(program: Program, http_server: TestHttpServer) -> Program:
    """Fetch, one subscriber, one issue."""
    program.configure(feeds=[{"url": http_server.add("/feed.xml", make_rss(*make_items(DAYS))), "title": "Wire"}])
    program.json("fetch", "--all")
    assert program.run("subscribers", "add", "reader@example.org").code == 0
    assert program.json("issues", "build", "--until", "2025-12-03")["state"] == "ready"
    return program


def test_every_list_has_the_keys_of_the_contract(filled: Program) -> None:
    """In JSON, where more may follow; none is empty here."""
    for noun, keys in KEYS.items():
        (first, *_) = filled.json(noun, "list", "--limit", "0")
        assert list(first)[: len(keys.split())] == keys.split() or set(keys.split()) <= set(first), noun
    (entry, *_) = filled.json("entries", "list")
    (story, *_) = filled.json("stories", "list")
    assert {"slug", "kind"} <= set(entry["tags"][0])
    assert set(story["entries"][0]) >= {"id", "guid", "feed_url", "title", "url"}
    assert filled.json("issues", "list")[0]["deliveries"] == {"queued": 1}
    done = filled.json("fetch", "--all")

    wanted = "feeds ok not_modified failed new changed unchanged rejected folded failures".split()
    assert list(done)[: len(wanted)] == wanted
    assert (done["feeds"], done["new"], done["failures"]) == (1, 0, [])


def test_windows_of_time(filled: Program) -> None:
    """Dates are days of the site's zone (Berlin), both ends included; instants are exact, the end excluded."""

    def titles(*window: str) -> list[str]:
        return [entry["guid"] for entry in filled.json("entries", "list", *window)]

    assert titles() == ["wire-2", "wire-1", "wire-0"]
    assert titles("--since", "2025-12-02", "--until", "2025-12-02") == ["wire-1"]
    assert titles("--since", "2025-12-02T12:00:00Z") == ["wire-2", "wire-1"]
    assert titles("--until", "2025-12-02T13:00:00+01:00") == ["wire-0"]
    assert titles("--until", "2025-12-02T13:00:01") == ["wire-1", "wire-0"]
    assert len(filled.json("stories", "list", "--since", "2025-12-03")) == 1
    assert len(filled.json("issues", "list", "--since", "2025-12-05")) == 0
    assert len(filled.json("issues", "list", "--since", "2025-12-03", "--until", "2025-12-04")) == 1
    assert len(filled.json("feeds", "list", "--until", "2025-12-05")) == 0
    assert len(filled.json("subscribers", "list", "--since", "2025-12-05")) == 1
    assert _count(filled.json("tags", "list", "--since", "2025-12-02")) < _count(filled.json("tags", "list"))


def _count(tags: list[dict[str, Any]]) -> int:
    return sum(tag["entries"] for tag in tags)


def test_limits(filled_here: Program) -> None:
    """0 is all."""
    assert len(filled_here.json("entries", "list", "--limit", "2")) == 2
    assert len(filled_here.json("entries", "list", "--limit", "0")) == 3
    assert len(filled_here.json("stories", "list", "--limit", "1")) == 1
    assert len(filled_here.json("tags", "list", "--limit", "5")) == 5
    assert len(filled_here.json("tags", "list", "--limit", "0")) > 100
    for noun in ("feeds", "issues", "subscribers"):
        assert len(filled_here.json(noun, "list", "--limit", "1")) == 1


def test_tables_for_people(filled_here: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """80 columns, no colour where there is no terminal, a sentence where there is nothing."""
    monkeypatch.setenv("COLUMNS", "80")

    for noun in KEYS:
        result = filled_here.run(noun, "list")
        assert (result.code, result.err) == (0, "")
        assert max(map(len, result.out.splitlines())) <= 80
        assert "\x1b" not in result.out
    assert filled_here.run("entries", "list", "--since", "2030-01-01").out == "No entries.\n"
    assert filled_here.run("issues", "list", "--since", "2030-01-01").out == "No issues in that time.\n"


def test_one_of_each(filled_here: Program) -> None:
    """What the lists number can be shown."""
    (entry, *_) = filled_here.json("entries", "list")
    (story, *_) = filled_here.json("stories", "list")

    assert entry["title"] in filled_here.run("entries", "show", str(entry["id"])).out
    assert "sea water" not in filled_here.run("tags", "explain", str(entry["id"])).err
    assert story["title"] in filled_here.run("stories", "show", str(story["id"])).out
    assert filled_here.json("entries", "show", str(entry["id"]))["content_html"]
    assert filled_here.json("stories", "show", str(story["id"]))["reasons"]
    assert filled_here.json("tags", "explain", str(entry["id"]))["tags"]


def test_stats_count_what_the_lists_hold(filled: Program) -> None:
    """On both databases."""
    counts = filled.json("stats")

    for noun in ("feeds", "entries", "stories", "issues"):
        assert counts[noun] == len(filled.json(noun, "list", "--limit", "0")), noun
    assert counts["tags"] == sum(tag["entries"] > 0 for tag in filled.json("tags", "list"))
    assert (counts["subscriptions"], counts["deliveries"]) == (1, 1)
    assert filled.run("stats").out.split()[:2] == ["feeds", "1"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("entries", "show", "4711"), "no entry 4711"),
        (("stories", "show", "4711"), "no story 4711"),
        (("tags", "explain", "4711"), "no entry 4711"),
        (("entries", "list", "--feed", "http://nonesuch.example"), "no feed http://nonesuch.example"),
        (("feeds", "remove", "http://nonesuch.example", "--yes"), "no feed http://nonesuch.example"),
        (("fetch", "--feed", "http://nonesuch.example"), "no feed http://nonesuch.example"),
        (("issues", "list", "nonesuch"), "no newsletter nonesuch; configured: weekly"),
        (("issues", "build", "nonesuch"), "no newsletter nonesuch; configured: weekly"),
        (("issues", "send", "--issue", "1999-W01"), "weekly has no issue 1999-W01"),
        (("issues", "preview"), "weekly has no issue"),
        (("subscribers", "list", "--newsletter", "nonesuch"), "no newsletter nonesuch"),
        (("subscribers", "export", "--newsletter", "nonesuch"), "no newsletter nonesuch"),
        (("subscribers", "add", "a@example.org", "--newsletter", "nonesuch"), "no newsletter nonesuch"),
        (("subscribers", "remove", "a@example.org", "--newsletter", "nonesuch"), "no newsletter nonesuch"),
        (("subscribers", "remove", "a@example.org"), "a@example.org has no subscription"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_not_there_is_code_1_and_one_line(arguments: tuple[str, ...], words: str, local: Program) -> None:
    """It names the thing."""
    local.configure()

    result = local.run(*arguments)

    assert (result.code, result.out, len(result.err.splitlines())) == (1, "", 1)
    assert words in result.err


@pytest.mark.parametrize(
    "text", ["2025-13-01", "yesterday", "2025", "0001-01-01", "9999-12-31", "2025-12-04T25:00", ""]
)
def test_a_bad_date_is_code_2_and_one_line(text: str, local: Program) -> None:
    """With an example of a good one."""
    local.configure()

    result = local.run("entries", "list", "--since", text)

    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert f"{text!r} is neither a date like 2025-12-04 nor" in result.err


@pytest.mark.parametrize(
    "words", ["feeds list", "stories list", "tags list", "issues list", "subscribers list", "issues build"]
)
def test_every_command_that_takes_a_date_reads_it_alike(words: str, local: Program) -> None:
    """A bad one is refused before anything is done."""
    local.configure()

    assert local.run(*words.split(), "--until", "yesterday").code == 2


def test_json_is_one_document_even_where_the_terminal_knows_few_letters(local: Program) -> None:
    """An empty list is a list."""
    local.configure()

    assert json.loads(local.run("entries", "list", "--json").out) == []
