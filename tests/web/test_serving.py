"""The rules of HTTP for what is served: validators, codings, HEAD, Vary, caching, over a real socket."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import brotli
import pytest
from starlette.concurrency import run_in_threadpool

from aggregator.cli.run import Daemon
from aggregator.config.schema import Web
from aggregator.tasks.site.found import Moved, Query
from aggregator.web.cache import Pace
from aggregator.web.headers import HEADERS
from tests.web.conftest import Door, Reply, run_server
from tests.web.stage import ATOM, TEXT, Stage

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

Serve = Callable[..., Door]
ACCEPT = {"": "", "gzip": "gzip", "br": "br"}


def decode(reply: Reply) -> str:
    coding = reply.headers.get("content-encoding", "")
    undo: Mapping[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "br": brotli.decompress, "": bytes}
    return undo[coding](reply.body).decode()


def ask_all(door: Door, path: str, **headers: str) -> dict[str, Reply]:
    return {
        coding: door.ask(path, headers={**({"Accept-Encoding": wanted} if wanted else {}), **headers})
        for coding, wanted in ACCEPT.items()
    }


def test_each_coding_has_its_own_bytes_and_tag(stage: Stage, serve: Serve) -> None:
    stage.write("/feed.atom", content_type=ATOM)
    replies = ask_all(serve(stage.app), "/feed.atom")

    assert [reply.headers.get("content-encoding", "") for reply in replies.values()] == list(ACCEPT)
    assert {decode(reply) for reply in replies.values()} == {TEXT}
    tags = [reply.headers["etag"] for reply in replies.values()]
    assert len(set(tags)) == 3 and all(re.fullmatch(r'"[\w-]{32,}"', tag) for tag in tags)
    for reply in replies.values():
        assert int(reply.headers["content-length"]) == len(reply.body)
        assert reply.headers["vary"] == "Accept-Encoding"
    assert stage.made == ["/feed.atom"]


def test_any_tag_of_the_same_bytes_is_answered_with_304(stage: Stage, serve: Serve) -> None:
    stage.write("/")
    door = serve(stage.app)
    tags = {coding: reply.headers["etag"] for coding, reply in ask_all(door, "/").items()}
    for mine in ACCEPT:
        for given, tag in tags.items():
            reply = door.ask("/", headers={"Accept-Encoding": mine, "If-None-Match": tag})
            assert (reply.status, reply.body, reply.headers["etag"]) == (304, b"", tag), (mine, given)
            assert "content-length" not in reply.headers and "content-encoding" not in reply.headers
            assert {"cache-control", "vary", "last-modified", *(name.lower() for name in HEADERS)} <= set(reply.headers)
    stage.write("/", TEXT + "!")
    stage.commit()
    news = ask_all(door, "/", **{"If-None-Match": ", ".join(tags.values())})
    assert {reply.status for reply in news.values()} == {200}
    assert not {reply.headers["etag"] for reply in news.values()} & set(tags.values())


def test_what_is_in_memory_needs_neither_database_nor_thread(
    stage: Stage, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    real = run_in_threadpool

    async def count(work: Callable[..., Any], *given: Any) -> Any:
        looks.append(work.__name__)
        return await real(work, *given)

    monkeypatch.setattr("aggregator.web.cache.run_in_threadpool", count)
    stage.write("/feed.atom", content_type=ATOM)
    door = serve(stage.app, pace=Pace(watch_seconds=3600))
    tag = door.ask("/feed.atom").headers["etag"]
    before = list(looks)
    for headers in ({}, {"Accept-Encoding": "br"}, {"If-None-Match": tag}, {"If-Modified-Since": "x"}) * 25:
        assert door.ask("/feed.atom", headers=headers).status in (200, 304)

    assert before == ["_load_revision", "_render"] and looks == before


def test_head_says_what_get_would(stage: Stage, serve: Serve) -> None:
    stage.write("/feed.atom", content_type=ATOM, view_path="/")
    stage.write("/")
    door = serve(stage.app)
    for headers in ({}, {"Accept-Encoding": "br"}, {"Accept-Encoding": "gzip"}, {"Sec-Fetch-Dest": "document"}):
        got, head = door.ask("/feed.atom", "GET", headers), door.ask("/feed.atom", "HEAD", headers)
        assert (got.status, head.status, head.body) == (200, 200, b"")
        assert int(head.headers["content-length"]) == len(got.body) > 0
        assert {**got.headers, "date": ""} == {**head.headers, "date": ""}
        again = door.ask("/feed.atom", "HEAD", {**headers, "If-None-Match": head.headers["etag"]})
        assert again.status == 304


def test_last_modified_moves_with_the_bytes_only(stage: Stage, serve: Serve) -> None:
    first = stage.app.now()
    clock = [first]
    stage.write("/")
    door = serve(replace(stage.app, now=lambda: clock[0]))

    def ask(**headers: str) -> Reply:
        return door.ask("/", headers={name.replace("_", "-"): value for name, value in headers.items()})

    seen = ask().headers["last-modified"]
    assert parsedate_to_datetime(seen) <= parsedate_to_datetime(ask().headers["date"])
    clock[0] += timedelta(hours=1)
    stage.commit()
    assert ask().headers["last-modified"] == seen and stage.made == ["/", "/"]
    assert ask(If_Modified_Since=seen).status == 304
    assert ask(If_Modified_Since=format_datetime(first, usegmt=True)).status == 304
    before = format_datetime(parsedate_to_datetime(seen) - timedelta(seconds=1), usegmt=True)
    for old in (before, "yesterday", "Thu, 01 Jan 2099 00:00:00 GMT"):
        assert ask(If_Modified_Since=old).status == 200
    # If-None-Match alone decides where both are there (RFC 9110 13.2.2).
    assert ask(If_Modified_Since=seen, If_None_Match='"x"').status == 200
    assert ask(If_Modified_Since=before, If_None_Match=ask().headers["etag"]).status == 304

    stage.write("/", TEXT + "!")
    stage.commit()
    news = ask(If_Modified_Since=seen)
    assert news.status == 200
    assert parsedate_to_datetime(news.headers["last-modified"]) > parsedate_to_datetime(seen)
    stage.write("/", TEXT + "!!")
    stage.commit()
    assert ask(If_Modified_Since=news.headers["last-modified"]).status == 200, "two changes within a second"


def test_what_is_short_or_no_text_goes_out_as_it_is(stage: Stage, serve: Serve) -> None:
    stage.write("/short", "a word")
    stage.write("/picture", content_type="image/png")
    stage.write("/icon", content_type="image/svg+xml")
    stage.write("/list", content_type="application/feed+json")
    door = serve(stage.app)
    coded = {path: door.ask(path, headers={"Accept-Encoding": "br, gzip"}).headers for path in stage.pages}

    assert [path for path, headers in coded.items() if "content-encoding" in headers] == ["/icon", "/list"]
    assert ["vary" in headers for headers in coded.values()] == [False, False, True, True]


def test_a_browser_that_opens_a_feed_gets_the_page_for_people(stage: Stage, serve: Serve) -> None:
    stage.write("/feed.atom", content_type=ATOM, view_path="/view")
    stage.write("/view", "<!doctype html>" + TEXT)
    stage.write("/lost.atom", content_type=ATOM, view_path="/gone")
    door = serve(stage.app)
    for _ in range(2):  # made, and from memory
        shown = door.ask("/feed.atom", headers={"Sec-Fetch-Dest": "document", "Accept-Encoding": "gzip"})
        assert shown.status == 200 and decode(shown).startswith("<!doctype html>")
        assert shown.headers["content-type"] == "text/html; charset=utf-8"
        again = door.ask("/feed.atom", headers={"Sec-Fetch-Dest": "document", "If-None-Match": shown.headers["etag"]})
        feeds = [door.ask("/feed.atom", headers=headers) for headers in ({}, {"Sec-Fetch-Dest": "empty"})]
        assert again.status == 304
        assert {feed.headers["content-type"] for feed in feeds} == {ATOM}
        assert {one.headers["vary"] for one in (shown, again, *feeds)} == {"Accept-Encoding, Sec-Fetch-Dest"}
    other = door.ask("/feed.atom", headers={"Sec-Fetch-Dest": "document", "If-None-Match": feeds[0].headers["etag"]})
    assert other.status == 200
    assert door.ask("/lost.atom", headers={"Sec-Fetch-Dest": "document"}).headers["content-type"] == ATOM


def test_pages_of_others_words_are_not_indexed_and_files_with_a_hash_stay_for_ever(stage: Stage, serve: Serve) -> None:
    stage.write("/entries/1", noindex=True)
    stage.write("/static/style-1.css", content_type="text/css; charset=utf-8", immutable=True)
    door = serve(stage.app)
    entry, style = door.ask("/entries/1"), door.ask("/static/style-1.css")

    assert entry.headers["x-robots-tag"] == "noindex" and "x-robots-tag" not in style.headers
    assert entry.headers["cache-control"] == "public, max-age=60, stale-while-revalidate=300"
    assert style.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert door.ask("/entries/1", headers={"If-None-Match": "*"}).headers["x-robots-tag"] == "noindex"


@pytest.mark.parametrize(("url", "told"), [("https://news.example.org/x", True), ("http://news.example.org", False)])
def test_browsers_are_told_to_stay_under_https_where_the_site_is(
    stage: Stage, serve: Serve, url: str, told: bool
) -> None:
    settings = replace(stage.app.settings, site=replace(stage.app.settings.site, url=url))
    stage.write("/")
    door = serve(replace(stage.app, settings=settings))
    replies = [door.ask("/"), door.ask("/"), door.ask("/nowhere"), door.ask("/healthz"), door.ask("/", "POST")]

    assert {"strict-transport-security" in reply.headers for reply in replies} == {told}


def test_of_the_query_only_what_a_route_knows_makes_another_page(
    stage: Stage, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aggregator.web.site.read_query", read_known)
    stage.write("/search")
    door = serve(stage.app)
    queries = ("q=a&utm=1", "utm=2&q=a", "q=a", "q=%61", "", "x=1", "&&=&%", "q=", "a&" * 5000)
    assert {door.ask(f"/search?{query}").status for query in queries} == {200}
    assert stage.made == ["/search?q=a", "/search", "/search?q="]


def read_known(path: str, pairs: list[tuple[str, str]]) -> Query:
    return tuple(pair for pair in pairs if pair[0] == "q")


def test_one_address_searches_only_so_often_and_others_do_not_pay_for_it(
    stage: Stage, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aggregator.web.site.read_query", read_known)
    stage.write("/search")
    door = serve(stage.app, proxies=["127.0.0.0/8"], searches=6)

    def search(number: int, client: str) -> Reply:
        return door.ask(f"/search?q={number}", headers={"X-Forwarded-For": client})

    assert [search(number, "192.0.2.1").status for number in range(5)] == [200, 200, 200, 429, 429]
    refused = search(9, "198.51.100.7, 192.0.2.1")
    assert refused.status == 429 and 1 <= int(refused.headers["retry-after"]) <= 10
    assert refused.headers["cache-control"] == "no-store" and "<main" in refused.text
    assert search(0, "192.0.2.1").status == 200, "what is in memory costs nothing"
    assert search(6, "192.0.2.2").status == 200
    assert door.ask("/search", headers={"X-Forwarded-For": "192.0.2.1"}).status == 200
    # IPv6: a customer has a whole /64.
    assert [search(number, f"2001:db8::{number}").status for number in range(10, 14)] == [200, 200, 200, 429]


def test_who_is_no_trusted_proxy_cannot_hide_behind_other_addresses(
    stage: Stage, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aggregator.web.site.read_query", read_known)
    stage.write("/search")
    door = serve(stage.app, proxies=["192.0.2.0/24"], searches=4)
    statuses = [
        door.ask(f"/search?q={number}", headers={"X-Forwarded-For": f"10.0.0.{number}"}).status for number in range(4)
    ]

    assert statuses == [200, 200, 429, 429]


def test_the_daemon_takes_its_limits_from_the_configuration(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aggregator.web.site.read_query", read_known)
    stage.write("/search")
    web = Web(trusted_proxies=("127.0.0.0/8", "192.0.2.0/24"), searches_per_minute=2)
    with run_server(Daemon(stage.app, web, None)._make_web()) as door:
        clients = ("198.51.100.1", "198.51.100.1, 192.0.2.7", "198.51.100.2", "198.51.100.2")
        statuses = [
            door.ask(f"/search?q={number}", headers={"X-Forwarded-For": client}).status
            for number, client in enumerate(clients)
        ]

    assert statuses == [200, 429, 200, 429]


def test_a_redirect_is_never_made_of_the_request(stage: Stage, serve: Serve) -> None:
    stage.pages["/stories/2"] = Moved(path="/stories/1")
    reply = serve(stage.app).ask("/stories/2", headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})

    assert (reply.status, reply.headers["location"]) == (301, "/stories/1")
    assert "evil" not in str(reply)


def test_nothing_that_went_wrong_shows_what_was_asked(stage: Stage, serve: Serve) -> None:
    door = serve(stage.app)
    bad = "evil-word"
    replies = [
        door.ask(f"/{bad}?{bad}={bad}", headers={"X-Evil": bad}),
        door.ask(f"/{bad}", "POST", body=b"x" * 70_000),
        door.ask(f"/{bad}", "DELETE"),
        door.ask(f"/{bad}", "ODD"),
        door.ask(f"/{bad * 10_000}"),
    ]
    stage.fault = RuntimeError(bad)
    replies.append(door.ask(f"/{bad}"))

    assert [reply.status for reply in replies] == [404, 413, 405, 400, 431, 500]
    for reply in replies:
        assert bad not in str(reply)
        assert "<main" in reply.text, "within the site's frame"
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["content-type"] == "text/html; charset=utf-8"
        assert all(reply.headers[name.lower()] == value for name, value in HEADERS.items())
