"""Feeds by command: found from a page, shown, paused, moved."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from aggregator.cli.feed_shown import find_feed
from aggregator.model.feed import FeedOutcome, FetchLogLine, Move
from aggregator.storage import audit, feeds
from aggregator.tasks.desk.feeds import pause_feed
from tests.cli.feeds import make_items, make_rss
from tests.fixtures.http_server import TestHttpServer
from tests.fixtures.program import Program

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAYS = ("01 Dec 2025", "02 Dec 2025", "03 Dec 2025", "04 Dec 2025")
PAGE = b'<!doctype html><title>Harbour</title><link rel="alternate" type="application/rss+xml" href="/feed.xml">'
FEED = make_rss(*make_items(DAYS))


@pytest.fixture
def site(http_server: TestHttpServer) -> TestHttpServer:
    """A home page that names a feed of four entries."""
    http_server.add("/", PAGE, content_type="text/html")
    http_server.add("/feed.xml", FEED)
    return http_server


def test_a_page_is_enough_to_add_its_feed(program: Program, site: TestHttpServer) -> None:
    """On both databases: the newest three entries are shown, and the feed is stored with what was wished for it."""
    program.configure()
    wishes = ("--title", "Wire", "--language", "en", "--tag", "openai", "--weight", "2", "--interval", "6h")

    result = program.run("feeds", "add", f"{site.url}/", *wishes)

    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == ('RSS: "Harbour Wire", 4 entries, the newest of 2025-12-04, because the page names it.')
    assert [line.split()[0] for line in lines[1:4]] == ["2025-12-04", "2025-12-03", "2025-12-02"]
    assert lines[4] == f"Added {site.url}/feed.xml with 4 entries."
    # The search has read it: nobody asks for it a second time without validators.
    assert [request.path for request in site.requests].count("/feed.xml") == 1
    assert len(program.json("entries", "list")) == 4
    (feed,) = program.json("feeds", "list")
    assert (feed["url"], feed["title"], feed["origin"]) == (f"{site.url}/feed.xml", "Wire", "added")
    shown = program.json("feeds", "show", str(feed["id"]))
    assert (shown["tags"], shown["weight"], shown["interval_seconds"], shown["language"]) == (
        ["openai"],
        2,
        21600,
        "en",
    )
    assert program.json("fetch", "--all")["not_modified"] == 1


def test_what_is_read_already_is_not_added_again(local: Program, site: TestHttpServer) -> None:
    """Neither by its own address, which costs no request, nor by its page's."""
    local.configure(feeds=[{"url": f"{site.url}/feed.xml"}])

    by_feed = local.run("feeds", "add", f"{site.url}/feed.xml")
    asked = len(site.requests)
    by_page = local.run("feeds", "add", f"{site.url}/")

    assert (by_feed.code, by_page.code, asked) == (2, 2, 0)
    assert by_feed.err == by_page.err == f"aggregator: {site.url}/feed.xml is read already\n"


def test_the_address_behind_permanent_redirects_is_stored(local: Program, site: TestHttpServer) -> None:
    """The temporary hop after it may lead elsewhere tomorrow."""
    local.configure()
    for path, status, target in (("/old", 301, "/older"), ("/older", 308, "/kept"), ("/kept", 302, "/feed.xml")):
        site.add(path, b"", status=status, headers={"Location": target})

    assert local.run("feeds", "add", f"{site.url}/old").code == 0
    assert local.json("feeds", "list")[0]["url"] == f"{site.url}/kept"


def test_a_page_cannot_send_us_to_private_places(local: Program, http_server: TestHttpServer) -> None:
    """What it names goes through the same guard as every feed: nothing leaves, and the refusal is told."""
    local.configure()
    places = ("http://169.254.169.254/latest", "http://10.0.0.1/feed", "http://[::1]/feed", "file:///etc/passwd")
    links = "".join(f'<link rel="alternate" type="application/rss+xml" href="{place}">' for place in places)
    page = http_server.add("/", b"<!doctype html>" + links.encode(), content_type="text/html")

    result = local.run("feeds", "add", page)

    assert result.code == 1
    refused = [line for line in result.err.splitlines() if "is not asked: " in line]
    assert [line.split()[0] for line in refused] == list(places[:3])


def test_no_feed_is_told_look_by_look(local: Program, http_server: TestHttpServer) -> None:
    """Exit code 1, every address on standard error with what was there, and the way round it."""
    local.configure()
    page = http_server.add("/about/", b"<!doctype html><title>About us</title>", content_type="text/html")

    result = local.run("feeds", "add", page)

    assert (result.code, result.out) == (1, "")
    lines = result.err.splitlines()
    assert lines[0] == f"aggregator: no feed found for {page}; this was looked at:"
    assert lines[1] == f'  {page} (it is the address given): this is a web page ("About us"), not a feed'
    assert len(lines) == 2 + len(http_server.requests) <= 2 + 20
    assert all("answered 404" in line for line in lines[2:-1])
    assert "--exact" in lines[-1]
    assert local.json("feeds", "list") == []
    assert local.run("feeds", "add", page, "--exact").code == 0
    assert local.json("feeds", "list")[0]["url"] == page


def test_one_of_several_is_picked(local: Program, site: TestHttpServer) -> None:
    """The order is that of `discover`."""
    local.configure()
    more = b'<link rel="alternate" type="application/rss+xml" href="/ships.xml" title="Ships">'
    site.add("/", PAGE + more, content_type="text/html")
    site.add("/ships.xml", make_rss(*make_items(DAYS[:1]), title="Ships"))

    too_far = local.run("feeds", "add", f"{site.url}/", "--pick", "3")
    picked = local.run("feeds", "add", f"{site.url}/", "--pick", "2")

    assert (too_far.code, picked.code) == (2, 0)
    assert "--pick 3: 2 found" in too_far.err
    assert [feed["url"] for feed in local.json("feeds", "list")] == [f"{site.url}/ships.xml"]


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--language", "english please", "--language: found"),
        ("--tag", "No Slug", "--tag: found"),
        ("--weight", "1000", "--weight: found"),
        ("--interval", "often", "--interval: found"),
    ],
)
def test_wishes_are_read_as_the_configuration_reads_them(option: str, value: str, words: str, local: Program) -> None:
    """Refused in one line before anybody is asked."""
    local.configure()

    result = local.run("feeds", "add", "http://wire.example.com/", option, value)

    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert words in result.err
    assert "expected" in result.err


def test_discover_stores_nothing(local: Program, site: TestHttpServer) -> None:
    """As JSON with every look; as a table for people; code 1 when there is none."""
    local.configure()

    done = local.json("feeds", "discover", f"{site.url}/")
    shown = local.run("feeds", "discover", f"{site.url}/")
    nothing = local.run("feeds", "discover", "http://127.0.0.1:9/", "--json")

    (feed,) = done["feeds"]
    assert (feed["url"], feed["kind"], feed["entries"]) == (f"{site.url}/feed.xml", "rss", 4)
    assert feed["newest_at"] == "2025-12-04T12:00:00Z"
    assert len(feed["latest"]) == 3
    assert [look["is_feed"] for look in done["looked_at"]] == [False, True]
    assert shown.code == 0
    assert "Harbour Wire" in shown.out
    assert (nothing.code, json.loads(nothing.out)["feeds"]) == (1, [])
    assert json.loads(nothing.out)["looked_at"][0]["outcome"] == "this feed is not asked: port 9 is not allowed"
    assert local.json("feeds", "list") == []
    assert local.run("feeds", "discover", "nothing").code == 2


def test_a_feed_is_shown_with_its_log(program: Program, site: TestHttpServer) -> None:
    """On both databases, by address and by number; what is not there is code 1."""
    url = f"{site.url}/feed.xml"
    program.configure(feeds=[{"url": url, "headers": {"Authorization": "Bearer secret"}}])
    program.json("fetch", "--all")
    (listed,) = program.json("feeds", "list")
    line = FetchLogLine(at=NOW, status=304, not_modified=True, next_due_at=NOW, next_due_reason="every hour")
    failed = replace(line, not_modified=False, failure_class="http", failure_reason="it answered 500")
    save(program, status=304, log=line)
    save(program, status=500, log=failed)

    shown = program.json("feeds", "show", url, "--log", "2")

    assert set(listed) <= set(shown)
    assert [line["failure_class"] for line in shown["log"]] == ["http", ""]
    assert program.json("feeds", "show", str(listed["id"]), "--log", "0")["log"] == []
    text = program.run("feeds", "show", url).out
    assert "every hour" in text
    assert "it answered 500" in text
    assert "secret" not in text + json.dumps(shown)
    for nobody in ("4711", "http://nonesuch.example", "99999999999999999999999"):
        result = program.run("feeds", "show", nobody)
        assert (result.code, result.err) == (1, f"aggregator: no feed {nobody} (see `aggregator feeds list`)\n")


def save(program: Program, number: int = 0, **fields: Any) -> None:
    """One outcome for a feed, by its place in the list."""
    with program.app() as app, app.db.write() as conn:
        feed = feeds.list_feeds(conn)[number]
        due: dict[str, Any] = {"next_due_at": NOW, "next_due_reason": "every hour"}
        feeds.save_outcomes(conn, [FeedOutcome(feed_id=feed.id, at=NOW, **due, **fields)])


def test_problems_come_with_the_worst_first(program: Program) -> None:
    """On both databases: alarms, pauses of the program's own, failures by their number, moves; never what is well."""
    names = ("well", "moving", "failing", "gone", "silent", "put-aside", "resting")
    program.configure(feeds=[{"url": f"http://{name}.example.org/feed"} for name in names])
    assert program.json("feeds", "list", "--problems") == []
    move = Move(url="https://moving.example.org/new", first_seen_at=NOW, times=3)
    fields: tuple[dict[str, Any], ...] = (
        {},
        {"move": move},
        {"failure_class": "http", "failure_reason": "it answered 500", "strikes": 1},
        {"pause": "gone for good (410)", "gone_since": NOW - timedelta(days=2)},
        {"alarm": "silent for 40 days"},
    )
    for number, some in enumerate(fields):
        save(program, number, **some)
    assert program.run("feeds", "pause", "http://put-aside.example.org/feed", "--reason", "too loud").code == 0
    with program.app() as app:
        pause_feed(app, find_feed(app, "http://resting.example.org/feed").id, "", who="anna")
        with app.db.read() as conn:
            logged = [(line.action, line.who) for line in audit.list_changes(conn)]

    found = program.json("feeds", "list", "--problems")
    everything = {feed["url"].split("/")[2].split(".")[0]: feed for feed in program.json("feeds", "list")}
    shown = program.run("feeds", "list", "--problems").out

    assert [feed["url"].split("/")[2].split(".")[0] for feed in found] == ["silent", "gone", "failing", "moving"]
    assert everything["moving"]["move"] == {"url": move.url, "first_seen_at": "2026-11-25T12:00:00Z", "times": 3}
    assert everything["silent"]["alarm"] == "silent for 40 days"
    assert everything["failing"]["strikes"] == 1
    assert everything["put-aside"]["paused_reason"] == "paused by command: too loud"
    assert logged == [("feed.pause", "anna"), ("feed.pause", "command")]
    for words in ("alarm: silent for 40 days", "paused: gone for good (410)", "failed 1x", "moves to https://moving"):
        assert words in " ".join(shown.split())


def test_a_feed_is_paused_and_resumed(program: Program, site: TestHttpServer) -> None:
    """On both databases; a paused one is not due, and the configuration does not wake it."""
    url = f"{site.url}/feed.xml"
    program.configure(feeds=[{"url": url}])

    assert program.run("feeds", "pause", url).code == 0
    assert program.json("fetch")["feeds"] == 0
    assert program.json("feeds", "list")[0]["state"] == "paused"
    assert program.run("feeds", "pause", url).code == 2
    refused = program.run("feeds", "add", url)
    assert (refused.code, "feeds resume" in refused.err) == (2, True)
    assert program.run("feeds", "resume", url).code == 0
    assert program.json("fetch")["new"] == 4
    assert program.run("feeds", "resume", url).code == 2


def test_entries_that_are_held_are_released(local: Program, site: TestHttpServer) -> None:
    """The alarm says how."""
    local.configure(feeds=[{"url": f"{site.url}/many.xml"}])
    site.add("/many.xml", write_many("first", hours=1))
    local.json("fetch", "--all")
    refused = local.run("feeds", "release", "1")
    site.add("/many.xml", write_many("second", hours=3))
    local.json("fetch", "--all")
    (held,) = local.json("feeds", "list")
    result = local.run("feeds", "release", "1")
    (after,) = local.json("feeds", "list")

    assert (refused.code, "held for review" in refused.err) == (2, True)
    assert held["alarm"].startswith("12 new entries match nothing")
    assert "feeds release" in held["alarm"]
    assert (result.code, result.out) == (0, f"Released 12 entries of {site.url}/many.xml.\n")
    assert after["alarm"] == ""


def write_many(word: str, *, hours: int) -> bytes:
    """Twelve items of the last days."""
    now = datetime.now(UTC) - timedelta(hours=hours)
    items = "".join(
        f"<item><guid>{word}{number}</guid><title>{word} {number}</title>"
        f"<pubDate>{format_datetime(now - timedelta(days=number))}</pubDate></item>"
        for number in range(12)
    )
    return f"<rss version='2.0'><channel><title>T</title>{items}</channel></rss>".encode()


def test_a_feed_moves_with_its_entries(program: Program, site: TestHttpServer) -> None:
    """On both databases: known again by what it holds, no entry twice, and the configuration still knows it."""
    old, new = f"{site.url}/feed.xml", site.add("/news/feed.xml", FEED)
    program.configure(feeds=[{"url": old}])
    program.json("fetch", "--all")

    result = program.run("feeds", "move", old, new)

    assert (result.code, result.out) == (0, f"Moved {old} to {new}.\n")
    done = program.json("fetch", "--all")
    assert (done["feeds"], done["failed"], done["new"], done["changed"]) == (1, 0, 0, 0)
    (feed,) = program.json("feeds", "list")
    assert (feed["url"], feed["entries"], feed["state"]) == (new, 4, "active")
    assert program.json("feeds", "show", old)["id"] == feed["id"]


def test_a_feed_moves_to_no_stranger_unasked(local: Program, site: TestHttpServer) -> None:
    """Not a feed, another feed, another's address, from https to http: each is refused with its reason."""
    old = f"{site.url}/feed.xml"
    other = site.add("/other.xml", make_rss("<guid>x</guid><title>Other</title>", title="Other"))
    local.configure(feeds=[{"url": old}, {"url": "https://wire.example.com/feed"}])
    local.json("fetch", "--feed", old)

    no_feed = local.run("feeds", "move", old, f"{site.url}/")
    stranger = local.run("feeds", "move", old, other)
    taken = local.run("feeds", "move", old, "https://wire.example.com/feed", "--exact")
    weaker = local.run("feeds", "move", "https://wire.example.com/feed", "http://wire.example.com/feed", "--exact")

    assert (no_feed.code, no_feed.err.startswith(f"aggregator: {site.url}/ is no feed: this is a web page")) == (
        1,
        True,
    )
    assert stranger.code == 1
    assert "none of the 4 entries we have" in stranger.out + stranger.err
    assert (taken.code, "another feed's address" in taken.err) == (2, True)
    assert (weaker.code, "from https to http" in weaker.err) == (2, True)
    assert local.run("feeds", "move", old, old).code == 2
    assert local.run("feeds", "move", old, "nothing").code == 2
    assert local.run("feeds", "move", old, other, "--yes").code == 0


def test_what_an_export_wrote_comes_back(local: Program) -> None:
    """Tags, weight and interval travel in OPML."""
    local.configure()
    url = "http://wire.example.com/feed"
    local.run("feeds", "add", url, "--exact", "--tag", "openai", "--weight", "0.5", "--interval", "2d")
    before = local.json("feeds", "show", url)
    (local.folder / "list.opml").write_text(local.run("feeds", "export").out)
    local.run("feeds", "remove", url, "--yes")

    assert local.run("feeds", "import", "list.opml").code == 0

    after = local.json("feeds", "show", url)
    assert {name: after[name] for name in ("tags", "weight", "interval_seconds", "origin")} == {
        name: before[name] for name in ("tags", "weight", "interval_seconds", "origin")
    }


def test_importing_an_older_list_leaves_a_feed_alone_that_has_moved_since(program: Program) -> None:
    old, new = "https://a.example.org/old", "https://a.example.org/new"
    program.configure(feeds=[{"url": old, "weight": 2}])
    program.run("feeds", "move", old, new, "--exact")
    (program.folder / "list.opml").write_text(
        f"<opml version='2.0'><head/><body><outline type='rss' text='A' xmlUrl='{old}'/></body></opml>"
    )
    result = program.run("feeds", "import", "list.opml")
    (feed,) = program.json("feeds", "list")

    assert result.out == "0 feeds added, 1 known already.\n"
    assert (feed["url"], feed["origin"]) == (new, "config")
