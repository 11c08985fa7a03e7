"""``aggregator fetch`` and ``feeds``: what is wrong with one feed is said, and the others go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from aggregator.app import App
from aggregator.model.round import Round
from aggregator.storage import feeds
from aggregator.tasks.refresh import refresh_due, refresh_feeds
from tests.cli.feeds import make_item, make_rss
from tests.fixtures.http_server import Answer, Line, TestHttpServer
from tests.fixtures.program import Program

#: What a shell puts in the background has SIGINT ignored, and so have the tests in it, and so would this.
START = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from aggregator.cli import main; main()"
)
GOOD = make_rss(make_item(1, "01 Dec 2025"))
PAGE = b"<!doctype html><html><head><title>Sign in</title></head><body><p>Sign in</p></body></html>"


def test_failing_feeds_are_listed_and_the_rest_goes_on(program: Program, http_server: TestHttpServer) -> None:
    """A page, an error, a name that does not resolve, a port that nobody listens on, a missing folder, a good feed."""
    http_server.handle("/gone", lambda _: Answer(status=410))
    urls = {
        "": http_server.add("/feed.xml", GOOD),
        "web_page": http_server.add("/page", PAGE, content_type="text/html"),
        "http": http_server.url + "/gone",
        "dns": "http://nonesuch.example.org/feed.xml",
        "not_a_feed": http_server.add("/numbers", b"1 2 3", content_type="text/plain"),
    }
    program.configure(feeds=[*({"url": url} for url in urls.values()), {"folder": "nonesuch"}])

    done = program.json("fetch", "--all")
    found = {failure["class"]: failure for failure in done["failures"]}

    assert (done["feeds"], done["ok"], done["failed"], done["new"]) == (6, 1, 5, 1)
    assert set(found) == set(urls) - {""} | {"folder"}
    assert all(failure["reason"] for failure in found.values())
    assert all(found[name]["url"] == url for name, url in urls.items() if name)


def test_the_table_of_failures_folds_long_addresses(
    local: Program, http_server: TestHttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 80 columns every letter of the address is there; the log does not say it all again."""
    monkeypatch.setenv("COLUMNS", "80")
    path = "/" + "/".join(f"a-very-long-part-{number}" for number in range(9))
    http_server.add("/feed.xml", GOOD)
    local.configure(feeds=[{"url": http_server.url + path}, {"url": http_server.url + "/feed.xml"}])

    result = local.run("fetch", "--all")

    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert max(map(len, lines)) <= 80
    column = slice(lines[1].index("feed"), lines[1].index("reason"))
    assert "".join(line[column].strip() for line in lines[3:-3]) == http_server.url + path
    assert lines[-2] == "2 feeds: 1 read, 0 not modified, 1 failed."
    assert lines[-1].startswith("Entries: 1 new, ")


def test_a_round_in_which_everything_failed_is_code_1(local: Program, http_server: TestHttpServer) -> None:
    """Something is wrong with us or with our line."""
    local.configure(feeds=[{"url": http_server.url + "/a"}, {"url": http_server.url + "/b"}])

    assert local.run("fetch", "--all").code == 1


def test_nothing_due_is_said(local: Program, http_server: TestHttpServer) -> None:
    """And is no failure."""
    local.configure(feeds=[{"url": http_server.add("/feed.xml", GOOD)}])
    local.run("fetch")

    result = local.run("fetch")

    assert (result.code, result.out) == (0, "")
    assert "no feed is due" in result.err


def test_an_unknown_feed_does_not_keep_from_the_known_one(local: Program, http_server: TestHttpServer) -> None:
    """Each is named; code 1 says that not all was done."""
    url = http_server.add("/feed.xml", GOOD)
    local.configure(feeds=[{"url": url}])

    result = local.run("fetch", "--feed", "http://a.example", "--feed", url, "--feed", "http://b.example", "--json")

    assert result.code == 1
    assert [line.split()[3] for line in result.err.splitlines()] == ["http://a.example", "http://b.example"]
    assert '"new": 1' in result.out


def test_odd_entries_are_read_or_named(program: Program, http_server: TestHttpServer) -> None:
    """Without a date, an id or a link, with control characters: nothing is lost without a word, nothing is obeyed."""
    document = make_rss(
        "<title>No date</title><link>https://wire.example.com/a</link><guid>a</guid>",
        "<title>No id</title><link>https://wire.example.com/b</link>",
        "<title>No link</title><guid isPermaLink='false'>c</guid><description>Text.</description>",
        "<title>Bell &#7; and &#x1b;[31mred\x1b[0m\x07</title><link>https://wire.example.com/d</link>",
        "",
    )
    program.configure(feeds=[{"url": http_server.add("/feed.xml", document)}])

    done = program.json("fetch", "--all")
    listed = program.run("entries", "list")
    stored = program.json("entries", "list")

    assert done["new"] + done["rejected"] + done["folded"] == 5
    assert len(stored) == done["new"] >= 4
    assert not set("\x07\x1b") & set(listed.out + "".join(entry["title"] for entry in stored))
    assert {entry["url"] for entry in stored} >= {"", "https://wire.example.com/b"}


def test_feeds_that_another_process_fetches_are_left_to_it(program: Program, http_server: TestHttpServer) -> None:
    """`--all` does not ask a publisher twice at one time."""
    program.configure(feeds=[{"url": http_server.add("/feed.xml", GOOD)}])
    with program.app() as app, app.db.write() as conn:
        feeds.claim_due(conn, now=app.now(), limit=9, lease=timedelta(minutes=1))

    result = program.run("fetch", "--all")

    assert (result.code, http_server.requests) == (0, [])
    assert "another process" in result.err


def test_an_interrupt_ends_quietly_and_frees_what_was_claimed(local: Program, http_server: TestHttpServer) -> None:
    """Ctrl-C while a server keeps us waiting: code 130, no traceback, and the next round asks again."""
    asked = Event()

    def hang(line: Line) -> None:
        asked.set()
        line.wait_until_closed()

    http_server.script("/slow", hang)
    local.configure(feeds=[{"url": http_server.url + "/slow"}])
    process = subprocess.Popen(
        [sys.executable, "-c", START, "fetch"],
        cwd=local.folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert asked.wait(30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()

    assert (process.returncode, out, err) == (130, "", "")
    with local.app() as app, app.db.read() as conn:
        assert feeds.has_due(conn, now=app.now())


def test_feeds_are_added_and_removed(program: Program) -> None:
    """Once, and only what was added by command; one of the configuration is found by file and line."""
    program.configure(feeds=[{"url": "http://wire.example.com/feed.xml"}])
    line = program.config.read_text().splitlines().index("- url: http://wire.example.com/feed.xml") + 1
    added = "http://other.example.com/feed.xml"

    assert program.run("feeds", "add", added, "--exact", "--title", "Other").code == 0
    assert program.run("feeds", "add", added).code == 2
    assert [feed["origin"] for feed in program.json("feeds", "list")] == ["config", "added"]
    refused = program.run("feeds", "remove", "http://wire.example.com/feed.xml", "--yes")
    assert program.run("feeds", "remove", added, "--yes").code == 0
    assert len(program.json("feeds", "list")) == 1
    assert refused.code == 2
    assert f"config.yaml:{line}: remove it there" in refused.err


def test_a_feed_of_a_list_is_found_in_the_list(local: Program) -> None:
    """The list is named, because that is where a person takes it out."""
    url = "http://wire.example.com/feed.xml"
    (local.folder / "a.opml").write_text('<opml version="2.0"><body/></opml>')
    (local.folder / "b.opml").write_text(f'<opml version="2.0"><body><outline xmlUrl="{url}"/></body></opml>')
    local.configure(feeds=[{"opml": "a.opml"}, {"opml": "b.opml"}])

    result = local.run("feeds", "remove", url, "--yes")

    assert result.code == 2
    assert "b.opml: remove it there" in result.err


@pytest.mark.parametrize(
    "url", ["ftp://a.example/x", "example.org", "", "http://", "javascript:alert(1)", "http://[::1"]
)
def test_what_is_no_address_is_no_feed(url: str, local: Program) -> None:
    """Refused before anything is opened."""
    local.configure()

    result = local.run("feeds", "add", url)

    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert repr(url) in result.err


def test_lists_of_feeds_come_and_go_as_opml(local: Program) -> None:
    """What was exported is imported; a file that is none adds nothing."""
    local.configure()
    for number in range(3):
        local.run("feeds", "add", "--exact", f"http://wire.example.com/{number}")
    (local.folder / "list.opml").write_text(local.run("feeds", "export").out)
    local.run("feeds", "remove", "http://wire.example.com/1", "--yes")

    imported = local.run("feeds", "import", "list.opml")

    assert (imported.code, imported.out) == (0, "1 feed added, 2 known already.\n")
    for content in (b"", b"\0\1\2", b"<html/>", b"<opml/>", b"\xff\xfe<opml/>"):
        (local.folder / "none.opml").write_bytes(content)
        refused = local.run("feeds", "import", "none.opml")
        assert refused.code == 2
        assert "none.opml: " in refused.err
        assert "Traceback" not in refused.err
    assert local.run("feeds", "import", "missing.opml").code == 2
    assert len(local.json("feeds", "list")) == 3


def test_a_feed_that_another_process_has_just_asked_is_not_asked_again(
    local: Program, http_server: TestHttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between choosing what is due and claiming it, a daemon may have been quicker; `--all` asks all the same."""
    local.configure(feeds=[{"url": http_server.add("/feed.xml", GOOD)}])

    def be_quicker(app: App, *arguments: Any, **options: Any) -> Round:
        with local.app() as other:
            refresh_due(other)
        return refresh_feeds(app, *arguments, **options)

    monkeypatch.setattr("aggregator.cli.fetch.refresh_feeds", be_quicker)
    local.run("fetch")
    once = len(http_server.requests)
    local.run("fetch", "--all")

    assert (once, len(http_server.requests)) == (1, 2)
