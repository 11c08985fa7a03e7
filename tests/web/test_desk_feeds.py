"""The room for feeds: what needs a decision first, one feed, adding, lists; both databases."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from aggregator.app import App
from aggregator.model.account import Account
from aggregator.model.feed import FeedSpec
from aggregator.model.ids import FeedId
from aggregator.storage import feeds as feed_store
from aggregator.storage.schema import feeds, fetch_log
from aggregator.tasks.desk.accounts import create_account, make_token
from aggregator.web.desk import feed_new
from tests.fixtures.http_server import TestHttpServer
from tests.fixtures.program import Program
from tests.web.conftest import Door, Reply
from tests.web.desk_door import PASSWORD, make_visitor

Serve = Callable[..., Door]
#: Of what asks the database nothing that others do not ask it.
ON_ONE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
HTML = "text/html; charset=utf-8"
RSS = b"""<rss version="2.0"><channel><title>Neural Notes &amp;amp; more</title><link>http://notes.example/</link>
<item><title>What a gradient wants</title><link>javascript:alert(1)</link><guid>1</guid></item></channel></rss>"""


def add(app: App, name: str, **columns: object) -> FeedId:
    """A stored feed that stands as ``columns`` say."""
    with app.db.write() as conn:
        number = feed_store.add(conn, FeedSpec(url=f"https://{name}.example/feed", origin="added"), app.now())
        conn.execute(sa.update(feeds).where(feeds.c.id == number).values(title=name, **columns))
    return number


def log_fetch(app: App, number: FeedId, **columns: object) -> None:
    """A line in the log of fetches."""
    now = app.now()
    known = {
        "feed_id": number, "at": now, "status": 200, "failure_class": "", "failure_reason": "", "not_modified": False,
        "received_bytes": 1200, "seconds": 0.2, "new": 0, "changed": 0, "unchanged": 3, "rejected": 0, "folded": 0,
        "warnings": [], "next_due_at": now + timedelta(hours=1), "next_due_reason": "its rhythm",
    }  # fmt: skip
    with app.db.write() as conn:
        conn.execute(sa.insert(fetch_log).values({**known, **columns}))


def test_what_needs_a_decision_comes_first(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        now = app.now()
        add(app, "well")
        add(app, "silent", alarm="silent for 40 days", first_imported_at=now - timedelta(days=40))
        add(app, "stumbled", failures=1, failure_class="timeout", failure_reason="nothing within 20 s")
        add(app, "moved", moved_url="https://new.example/<script>", moved_since=now, moved_times=3)
        broken = add(app, "broken", failures=7, failure_class="dns", failure_reason="<b>no such name</b>")
        add(app, "worse", failures=9, failure_class="http", failure_reason="404 Not Found")
        add(app, "asleep", state="paused", paused_reason="paused by command")
        log_fetch(app, broken, new=3)
        log_fetch(app, broken, failure_class="dns", failure_reason="no such name", status=None)
        visitor = make_visitor(app, serve(app))
        page, only = visitor.get("/feeds"), visitor.get("/feeds?trouble=silent")
        found = visitor.get("/feeds?words=BROKEN+example&state=active")
        silly = visitor.get("/feeds?trouble=x&after=99999999999&order=%00&words=%25%5F'\"")

    assert page.status == 200, page.text[-3000:]
    places = [page.text.index(f">{name}</a>") for name in "worse broken moved silent stumbled asleep well".split()]
    assert places == sorted(places)
    assert "&lt;b&gt;no such name&lt;/b&gt;" in page.text and "The name of its server is not known." in page.text
    assert 'aria-label="Last fetches: 1 with news, 0 without, 1 failed; the very last one failed"' in page.text
    assert "4 of them need" not in page.text and "5 of them need a decision." in page.text
    assert ">silent</a>" in only.text and ">well</a>" not in only.text
    assert ">broken</a>" in found.text and ">worse</a>" not in found.text
    assert silly.status == 200 and "No feed is like that." in silly.text


def test_pages_follow_each_other(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        with app.db.write() as conn:
            for number in range(120):
                feed_store.add(conn, FeedSpec(url=f"https://x{number:03}.example/", origin="added"), app.now())
        visitor = make_visitor(app, serve(app))
        pages, path = [], "/feeds?order=name"
        while path:
            pages.append(visitor.get(path).text)
            path = find_next(pages[-1])

    names = [name for page in pages for name in re.findall(r">https://(x\d+)\.example/</a>", page)]
    assert names == [f"x{number:03}" for number in range(120)]
    assert len(pages) == 3


def find_next(text: str) -> str:
    """Where the link to the next page leads; empty on the last one."""
    found = re.search(r'href="/admin(/feeds[^"]*after=\d+)"', text)
    return html.unescape(found[1]) if found else ""


def test_one_feed_on_its_page(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        number = add(app, "lab", failures=4, failure_class="http", failure_reason="503 <b>Service Unavailable</b>")
        log_fetch(app, number, new=12, received_bytes=40_000, warnings=["two entries share the id <x>"])
        log_fetch(app, number, status=304, not_modified=True, received_bytes=0)
        log_fetch(app, number, status=503, failure_class="http", failure_reason="503 Service Unavailable")
        visitor = make_visitor(app, serve(app))
        page = visitor.get(f"/feeds/{number}")
        missing = [visitor.get(path).status for path in ("/feeds/999", f"/feeds/{2**70}", "/feeds/x")]

    assert page.status == 200, page.text[-2000:]
    assert "Failed 4 times in a row." in page.text and "&lt;b&gt;Service Unavailable&lt;/b&gt;" in page.text
    assert "two entries share the id &lt;x&gt;" in page.text
    assert "33\u202f%" in page.text.replace("&#8239;", "\u202f") and "at most 40 kB" in page.text
    assert missing == [404] * 3


@ON_ONE
def test_a_page_is_looked_at_and_nothing_is_stored(program: Program, serve: Serve, http_server: TestHttpServer) -> None:
    program.configure()
    home = http_server.add("/", b'<link rel="alternate" type="application/rss+xml" href="/neural">', content_type=HTML)
    http_server.add("/neural", RSS)
    empty = http_server.add("/empty", b"<p>nothing</p>", content_type=HTML)
    with program.app() as app:
        visitor = make_visitor(app, serve(app))
        found = visitor.post("/feeds/new", url=home)
        nothing = visitor.post("/feeds/new", url=f"{empty}?<b>")
        silly = [
            visitor.post("/feeds/new", url=url) for url in ("", "javascript:alert(1)", "file:///etc/passwd", "x" * 3000)
        ]
        with app.db.read() as conn:
            stored = feed_store.list_specs(conn)

    assert found.status == 200, found.text[-2000:]
    assert "Neural Notes &amp; more" in found.text and "What a gradient wants" in found.text
    assert f'name="url" value="{home}neural"' in found.text and "Read this one" in found.text
    assert nothing.status == 200 and f"No feed was found for {empty}?&lt;b&gt;." in nothing.text
    assert [reply.status for reply in silly] == [422] * 4 and "This is no web address" in silly[1].text
    assert stored == ()


@ON_ONE
def test_looking_ends_in_time_and_only_some_look_at_once(
    program: Program, serve: Serve, http_server: TestHttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.configure()
    slow = http_server.script("/slow", lambda line: line.wait_until_closed())
    monkeypatch.setattr(feed_new, "SECONDS", 0.3)
    with program.app() as app:
        visitor = make_visitor(app, serve(app))
        late = visitor.post("/feeds/new", url=slow)
        for _ in range(3):
            feed_new._LOOKING.acquire()
        try:
            full = visitor.post("/feeds/new", url=slow)
        finally:
            for _ in range(3):
                feed_new._LOOKING.release()

    assert late.status == 200 and "there was no answer in time" in late.text
    assert full.status == 422 and "Others are asking" in full.text


def test_a_list_is_shown_before_it_is_taken_over_and_can_be_taken_back(program: Program, serve: Serve) -> None:
    program.configure()
    opml = """<opml version="2.0"><body><outline type="rss" text="New &amp; one" xmlUrl="https://new.example/feed"/>
<outline text="Known" xmlUrl="https://known.example/feed"/><outline text="Odd" xmlUrl="gopher://x"/></body></opml>"""
    with program.app() as app:
        add(app, "known")
        visitor = make_visitor(app, serve(app))
        shown = visitor.post("/feeds/lists", opml=opml)
        before = visitor.get("/feeds").text
        done = visitor.post("/feeds/import", opml=opml)
        page = visitor.follow(done)
        twice = visitor.post("/feeds/import", opml=opml)
        export = visitor.get("/feeds.opml")
        undone = visitor.follow(visitor.post(f"/log/{find_change(done)}/undo"))
        after = visitor.get("/feeds").text
        again = visitor.post("/feeds/import", opml=opml)
        broken = [visitor.post("/feeds/lists", opml=text) for text in ("", "<opml", "<!DOCTYPE x><opml/>")]

    assert "New &amp; one" in shown.text and "gopher" in shown.text and "new.example" not in before
    assert "https://new.example/feed" in page.text and "Undo" in page.text
    assert twice.status == 422 and "nothing in this list is new" in twice.text
    assert "attachment" in export.headers["content-disposition"] and b'xmlUrl="https://new.example/feed"' in export.body
    assert undone.status == 200 and "new.example" not in after and "known.example" in after
    assert again.status == 303
    assert [reply.status for reply in broken] == [422, 200, 200]


def test_programs_read_the_same(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        number = add(app, "lab", failures=3, failure_class="dns", headers=[["X-Key", "s3cret"]])
        log_fetch(app, number, new=2)
        door = serve(app)
        token = make_token(app, make_account(app), "tests", "viewer")

        def ask(path: str) -> Reply:
            return door.ask(f"/api/v1{path}", headers={"Authorization": f"Bearer {token}"})

        listed, one, lines = ask("/feeds?trouble=broken"), ask(f"/feeds/{number}"), ask(f"/feeds/{number}/fetches")
        missing, refused = ask(f"/feeds/{2**65}"), ask("/discover?url=http://127.0.0.1/")

    assert [(feed["id"], feed["trouble"], feed["entries"]) for feed in json.loads(listed.body)] == [(1, "broken", 0)]
    assert json.loads(one.body)["host_key"] == "" and "s3cret" not in one.text + listed.text
    assert [line["new"] for line in json.loads(lines.body)] == [2]
    assert (missing.status, refused.status) == (404, 422)


def make_account(app: App) -> Account:
    """Who only looks."""
    return create_account(app, "vera", PASSWORD, role="viewer")


def find_change(reply: Reply) -> str:
    """The line of the log that an action names where it leads to."""
    return reply.headers["location"].partition("done=")[2]
