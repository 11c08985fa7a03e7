"""The public door over a real socket, on both databases."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from time import monotonic
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page

from aggregator.app import App
from aggregator.errors import DatabaseUnavailable
from aggregator.model.story import GroupedStory
from aggregator.storage import meta, stories, subscribers
from aggregator.storage.stories import StoryQuery
from aggregator.tasks.personal_links import UNSUBSCRIBE
from aggregator.tokens import sign_token
from aggregator.web.headers import HEADERS
from tests.fixtures.program import Program
from tests.web.conftest import SECOND, Door, News, Reply, write_rss

Site = tuple[Program, App, Door]


def check_common(reply: Reply) -> Reply:
    """What holds for every answer whatever it says."""
    for name, value in HEADERS.items():
        assert reply.headers[name.lower()] == value
    assert "set-cookie" not in reply.headers
    assert "server" not in reply.headers
    assert "cache-control" in reply.headers
    return reply


def list_paths(door: Door) -> list[str]:
    """One path of every kind, from the site's own links."""
    front = door.ask("/").text
    archive = door.ask("/issues/").text
    found = ["/", "/feed.atom", "/tags/", "/tags/openai", "/tags/openai.atom", "/feeds", "/issues/"]
    for pattern, text in ((r"/static/[^\"]+", front), (r"/stories/\d+", front), (r"/entries/\d+", front)):
        found += sorted(set(re.findall(pattern, text)))
    return found + re.findall(r'/issues/weekly/[^"]+', archive)


def test_every_path_answers_to_get_and_head_and_knows_its_etag(site: Site) -> None:
    _, _, door = site
    paths = list_paths(door)
    assert {path.split("/")[1] for path in paths} >= {"static", "stories", "entries", "issues", "tags", "feeds"}
    for path in paths:
        got = check_common(door.ask(path))
        head = check_common(door.ask(path, "HEAD"))
        assert (got.status, head.status) == (200, 200), path
        assert got.body and not head.body
        changing = {"date"}
        assert {k: v for k, v in got.headers.items() if k not in changing} == {
            k: v for k, v in head.headers.items() if k not in changing
        }
        kind = "application/atom+xml" if path.endswith(".atom") else "text/html"
        assert path.startswith("/static/") or got.headers["content-type"] == f"{kind}; charset=utf-8"
        expected = (
            "public, max-age=31536000, immutable"
            if path.startswith("/static/")
            else "public, max-age=60, stale-while-revalidate=300"
        )
        assert got.headers["cache-control"] == expected
        tag = got.headers["etag"]
        for value in (tag, f"W/{tag}", f'"x", {tag}', f'"x",W/{tag} ,"y"', "*"):
            same = check_common(door.ask(path, headers={"If-None-Match": value}))
            assert (same.status, same.body, same.headers["etag"]) == (304, b"", tag)
        assert door.ask(path, headers={"If-None-Match": '"x", W/"y"'}).status == 200


FEEDS = {"atom": "application/atom+xml", "rss": "application/rss+xml", "json": "application/feed+json"}


def test_every_feed_is_shown_to_people_and_given_to_readers(site: Site) -> None:
    _, _, door = site
    for path in ("/feed", "/tags/openai", "/feeds/1", "/lang/en", "/issues/weekly", "/search"):
        for suffix, kind in FEEDS.items():
            for query in ("?q=OpenAI", "?q=OpenAI&utm_source=x") if path == "/search" else ("", "?utm_source=x"):
                address = f"{path}.{suffix}{query}"
                feed = check_common(door.ask(address, headers={"Accept-Encoding": "gzip"}))
                shown = check_common(door.ask(address, headers={"Sec-Fetch-Dest": "document"}))
                assert (feed.status, shown.status) == (200, 200), address
                assert feed.headers["content-type"].startswith(kind)
                assert shown.headers["content-type"].startswith("text/html") and "<main" in shown.text, address
                assert {feed.headers["vary"], shown.headers["vary"]} == {"Accept-Encoding, Sec-Fetch-Dest"}
                again = door.ask(address, headers={"If-None-Match": feed.headers["etag"]})
                assert (again.status, again.headers["etag"]) == (304, feed.headers["etag"])
    assert "shows a new model" in shown.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_real_browser_that_opens_a_feed_shows_a_page(site: Site, browser_page: Page) -> None:
    _, _, door = site
    for path in ("/feed.atom", "/feeds/1.json", "/tags/openai.rss"):
        answer = browser_page.goto(door.url + path)
        assert answer is not None and answer.status == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert browser_page.locator("main h1").count() == 1
        assert browser_page.evaluate("document.styleSheets.length") == 1


def test_health_and_readiness(site: Site) -> None:
    _, _, door = site
    for path in ("/healthz", "/readyz"):
        for method in ("GET", "HEAD"):
            reply = check_common(door.ask(path, method))
            assert (reply.status, reply.headers["cache-control"]) == (200, "no-store")


def test_many_who_ask_whether_it_is_ready_cost_one_look(site: Site, serve: Callable[..., Door]) -> None:
    _, app, _ = site
    writes: list[int] = []

    class Counting:
        """The database, counting."""

        def __getattr__(self, name: str) -> Any:
            return getattr(app.db, name)

        def write(self) -> AbstractContextManager[sa.Connection]:
            writes.append(1)
            return app.db.write()

    door = serve(replace(app, db=Counting()))  # type: ignore[arg-type]
    began = monotonic()
    statuses = {door.ask("/readyz").status for _ in range(100)}

    assert statuses == {200}
    assert len(writes) <= 1 + (monotonic() - began)


#: There is but one way to write a number down, so each page has one address.
NO_NUMBERS = ("/entries/0", "/entries/01", "/stories/001", "/feeds/01", "/feeds/01.atom", "/feeds/01/before/2.json")


def test_what_is_not_there_is_a_page_that_says_so(site: Site) -> None:
    _, _, door = site
    for path in ("/nowhere-at-all", "/tags/nowhere-at-all", "/issues/weekly/1999-W01", "/stories/99999", *NO_NUMBERS):
        reply = check_common(door.ask(path))
        assert (reply.status, reply.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert "nowhere" not in reply.text
        assert "There is no page at this address." in reply.text
        assert check_common(door.ask(path, "HEAD")).status == 404


ODD = [
    "//evil.example/",
    "/\\evil.example",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/static/../config.yaml",
    "/static/..%2fconfig.yaml",
    "/static/%00",
    "/%00",
    "/%ff%fe",
    "/%",
    "/%zz",
    "/tags/%E2%80%AEopenai",
    "/tags/" + "a" * 8000,
    "/" + "%41" * 5000,
    "/entries/" + "9" * 18,
    "/entries/" + "9" * 400,
    "/entries/-1",
    "/entries/%D9%A3",
    "/stories/1%0d%0aSet-Cookie:%20a=b",
    "/stories/" + "9" * 18,
    "/feeds%0a",
    "/feeds%0a/",
    "//evil.example%0a/",
    "/%3Fx",
    "/feed.atom%23",
    "/issues/weekly/%00",
    "/before/" + "9" * 30,
    "/before/0",
    "/feeds/page/1000000000",
    "/feeds/" + "9" * 18 + "/before/" + "9" * 18,
    "/tags/all/org/1000000000",
    "/lang/xx/before/1",
    "/search?q=" + quote('％%_\\"*()^:-NEAR AND OR NOT'),
    "/search?q=" + quote("新"),
    "/search?q=%00%ff&page=1000000000",
    "/search?q=" + "a" * 10_000,
    "/search?q=" + "a%20" * 3_000,
    "/search.atom?q=%00",
    "/issues/" + quote("週刊") + "/x",
    "/<script>alert(1)</script>",
    "/%3Cscript%3Ealert(1)%3C/script%3E",
    "/{{7*7}}",
    "*",
    "http://evil.example/",
    "/unsubscribe/",
    "/unsubscribe/%00",
    "/unsubscribe/" + "A" * 9000,
    "/unsubscribe/%F0%9F%A6%86",
]


def test_odd_paths_and_hosts_are_never_a_fault(site: Site) -> None:
    _, _, door = site
    for path in ODD:
        for method in ("GET", "HEAD", "POST"):
            reply = door.ask(path, method)
            assert reply.status < 500, (path, method)
            assert reply.status not in (301, 302, 307, 308), path
            assert b"<script>" not in reply.body and b"evil" not in reply.body
    for host in ("[", "evil.example", "a b", "::::", "]", "x" * 3000, "@", ""):
        for path in ("/", "/feeds", "/nowhere", "/feeds/"):
            reply = door.ask(path, headers={"Host": host})
            assert reply.status < 500, (path, host)
            assert b"evil.example" not in reply.body


def test_bytes_that_are_no_http_are_never_a_fault(site: Site) -> None:
    _, _, door = site
    for line in (
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: \xb2",
        b"\x00\x01",
    ):
        with socket.create_connection(("127.0.0.1", door.port), timeout=10) as raw:
            raw.sendall(line + b"\r\nConnection: close\r\n\r\n")
            answer = raw.makefile("rb").readline()
        assert b" 5" not in answer[:13], line


def test_other_methods_are_answered_with_405_and_those_allowed(site: Site) -> None:
    _, _, door = site
    wanted = {"/": {"GET", "HEAD"}, "/feed.atom": {"GET", "HEAD"}, "/unsubscribe/x": {"GET", "HEAD", "POST"}}
    for path, allowed in wanted.items():
        for method in {"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"} - allowed:
            reply = check_common(door.ask(path, method))
            assert reply.status == 405
            assert set(re.split(r",\s*", reply.headers["allow"])) == allowed
        assert check_common(door.ask(path, "ODD")).status == 400


def test_a_request_that_brings_too_much_is_refused(site: Site) -> None:
    _, _, door = site
    for path in ("/", "/unsubscribe/x"):
        assert check_common(door.ask(path, "POST", body=b"x" * (64 * 1024 + 1))).status == 413
    assert door.ask("/unsubscribe/x", "POST", body=b"x" * (64 * 1024)).status == 200


def test_a_merged_story_redirects_to_the_one_that_swallowed_it(site: Site) -> None:
    _, app, door = site
    with app.db.read() as conn:
        first, second = stories.list_stories(conn, StoryQuery())[:2]
    ids = tuple(entry.id for story in (first, second) for entry in story.entries)
    group = GroupedStory(story_id=first.id, entry_ids=ids, merged_ids=(second.id,))
    with app.db.write() as conn:
        stories.save_groups(conn, [group], now=app.now(), identity=meta.get_identity(conn))
    reply = check_common(door.ask(f"/stories/{second.id}"))
    assert (reply.status, reply.headers["location"]) == (301, f"/stories/{first.id}")
    assert door.ask(f"/stories/{first.id}").status == 200


def test_pages_change_as_soon_as_there_is_something_new(site: Site, http_server: Any) -> None:
    program, _, door = site
    tags = {path: door.ask(path).headers["etag"] for path in ("/", "/feed.atom", "/feeds")}
    assert {path: door.ask(path).headers["etag"] for path in tags} == tags
    http_server.add("/b", write_rss([("https://b.example/new", "A wholly other thing"), *SECOND], "Feed b"))
    program.json("fetch", "--all")
    for path in ("/", "/feed.atom"):
        reply = door.ask(path, headers={"If-None-Match": tags[path]})
        assert reply.status == 200
        assert "A wholly other thing" in reply.text


class _Silent:
    """A database that does not answer."""

    url_text = "sqlite:///gone"
    dialect = "sqlite"

    def read(self) -> AbstractContextManager[sa.Connection]:
        raise DatabaseUnavailable("it is gone: secret detail")

    write = read


def test_without_a_database_it_says_503_and_when_to_come_back(site: Site, serve: Callable[[App], Door]) -> None:
    _, app, _ = site
    door = serve(replace(app, db=_Silent()))  # type: ignore[arg-type]
    for path, method in (("/", "GET"), ("/feed.atom", "HEAD"), ("/unsubscribe/x", "POST"), ("/readyz", "GET")):
        reply = check_common(door.ask(path, method))
        assert reply.status == 503
        assert b"secret" not in reply.body
    assert door.ask("/").headers["retry-after"] == "60"
    assert door.ask("/healthz").status == 200
    assert door.ask("/unsubscribe/x").status == 200


def test_a_bug_is_a_page_without_its_traceback(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, door = site

    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("aggregator.web.cache.find_page", fail)
    reply = check_common(door.ask("/"))
    assert (reply.status, reply.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "secret" not in reply.text and "Traceback" not in reply.text and "ZeroDivision" not in reply.text


def test_unsubscribe_by_post_only_and_silently(site: Site) -> None:
    program, app, door = site
    people = ["one@example.org", "two@example.org", "three@example.org"]
    for person in people:
        assert program.run("subscribers", "add", person).code == 0
    with app.db.read() as conn:
        key = meta.get_identity(conn).signing_key
        before = subscribers.list_subscriptions(conn, "weekly")
    paths = [f"/unsubscribe/{sign_token(key, UNSUBSCRIBE, one.public_id)}" for one in before]

    def list_ended() -> list[bool]:
        with app.db.read() as conn:
            return [one.ended_at is not None for one in subscribers.list_subscriptions(conn, "weekly")]

    for _ in range(100):
        shown = check_common(door.ask(paths[0]))
        assert shown.status == 200
    assert "<form" in shown.text and "AI Weekly" in shown.text and "one@" not in shown.text
    assert check_common(door.ask(paths[0], "HEAD")).status == 200
    assert list_ended() == [False, False, False]

    token = paths[0].rpartition("/")[2]
    flipped = token[:-1] + chr(ord(token[-1]) ^ 1)
    other = sign_token(key, "confirm", before[0].public_id)
    for wrong in (flipped, token[1:], token + "A", other, "unknown", before[0].public_id, quote(token + "\0")):
        reply = check_common(door.ask(f"/unsubscribe/{wrong}", "POST"))
        assert reply.status == 200, wrong
    assert list_ended() == [False, False, False]

    form = {"Content-Type": "application/x-www-form-urlencoded"}
    multipart = {"Content-Type": "multipart/form-data; boundary=b"}
    part = b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'
    done = check_common(door.ask(paths[0], "POST", form, b"List-Unsubscribe=One-Click"))
    assert (done.status, done.headers["cache-control"]) == (200, "no-store")
    assert list_ended() == [True, False, False]
    assert door.ask(paths[1], "POST", multipart, part).status == 200
    assert list_ended() == [True, True, False]
    again = door.ask(paths[0], "POST", form, b"List-Unsubscribe=One-Click")
    assert (again.status, again.body, reply.body) == (200, done.body, done.body)
    with app.db.read() as conn:
        ended = subscribers.list_subscriptions(conn, "weekly")[0].ended_at
    door.ask(paths[0], "POST")
    with app.db.read() as conn:
        assert subscribers.list_subscriptions(conn, "weekly")[0].ended_at == ended


def test_one_click_in_chunks_is_understood(site: Site) -> None:
    program, app, door = site
    program.run("subscribers", "add", "one@example.org")
    with app.db.read() as conn:
        key = meta.get_identity(conn).signing_key
        (one,) = subscribers.list_subscriptions(conn, "weekly")
    path = f"/unsubscribe/{sign_token(key, UNSUBSCRIBE, one.public_id)}"
    headers = {"Transfer-Encoding": "chunked"}
    assert door.ask(path, "POST", headers, b"1a\r\nList-Unsubscribe=One-Click\r\n0\r\n\r\n").status == 200
    with app.db.read() as conn:
        assert subscribers.list_subscriptions(conn, "weekly")[0].ended_at is not None


def test_below_a_path_every_link_and_redirect_keeps_it(news: News, serve: Callable[[App], Door]) -> None:
    url = "http://example.org/news"
    site = {"title": "AI News", "url": url, "contact": "editor@example.org", "timezone": "UTC"}
    news.configure(site=site)
    news.program.json("fetch", "--all")
    with news.program.app() as app:
        front = serve(app).ask("/").text
    links = re.findall(r'(?:href|src)="([^"]*)"', front)
    assert all(link.startswith(("/news/", "http", "#")) for link in links)
