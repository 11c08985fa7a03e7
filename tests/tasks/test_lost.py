"""A feed that is not found any more is looked for on its site, and what is found waits for the editor."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from aggregator.app import App
from aggregator.model.feed import Feed
from aggregator.storage import feeds
from aggregator.tasks.lost import find_lost, search_lost
from aggregator.tasks.refresh import refresh_due
from tests.fixtures.http_server import Answer
from tests.fixtures.program import Program


class Clock:
    """Stands until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def write_rss(title: str, guid: str) -> bytes:
    item = f"<item><guid isPermaLink='false'>{guid}</guid><title>One</title></item>"
    return f"<rss version='2.0'><channel><title>{title}</title>{item}</channel></rss>".encode()


def lose(program: Program, http_server: Any, *, new_feed: bytes) -> Feed:
    """A feed that was read once and then moved without a word; how it stands after five failures."""
    http_server.add("/old.xml", write_rss("Robots of the week", "tag:robots,2026:1"))
    program.configure(feeds=[{"url": f"{http_server.url}/old.xml"}])
    with program.app() as opened:
        clock = Clock(opened.now())
    with program.app(now=clock) as app:
        refresh_due(app)
        http_server.handle("/old.xml", lambda request: Answer(status=404))
        page = b"<html><head><link rel=alternate type='application/rss+xml' href='/new.xml'></head></html>"
        http_server.handle("/", lambda request: Answer(body=page, headers={"Content-Type": "text/html"}))
        http_server.add("/new.xml", new_feed)
        for _ in range(5):
            clock.now += timedelta(days=8)
            search_lost(app, find_lost(app, refresh_due(app).results))
        with app.db.read() as conn:
            (feed,) = feeds.list_feeds(conn)
        return feed


def test_a_feed_with_our_entries_is_offered_and_stays_where_it_is_until_the_editor_decides(
    program: Program, http_server: Any
) -> None:
    feed = lose(program, http_server, new_feed=write_rss("Another title", "tag:robots,2026:1"))

    assert feed.spec.url == f"{http_server.url}/old.xml"
    assert feed.move is not None
    assert feed.move.url == f"{http_server.url}/new.xml"
    assert feed.alarm == f"not found; its site now names a feed at {http_server.url}/new.xml"
    # Once for the third failure, not for each.
    assert [request.path for request in http_server.requests].count("/new.xml") == 1


def test_another_feed_of_the_site_is_not_offered(program: Program, http_server: Any) -> None:
    feed = lose(program, http_server, new_feed=write_rss("Recipes", "tag:recipes,2026:1"))

    assert feed.move is None
    assert "new.xml" not in feed.alarm


def test_a_search_that_stumbles_costs_its_feed_only(
    program: Program, http_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[str] = []

    def stumble(app: App, feed: Feed) -> None:
        searched.append(feed.spec.url)
        raise RecursionError("a fault of ours")

    monkeypatch.setattr("aggregator.tasks.lost.rediscover", stumble)
    for path in ("/one", "/two"):
        http_server.handle(path, lambda request: Answer(status=404))
    program.configure(feeds=[{"url": f"{http_server.url}{path}"} for path in ("/one", "/two")])
    with program.app() as opened:
        clock = Clock(opened.now())
    with program.app(now=clock) as app:
        for _ in range(3):
            clock.now += timedelta(days=8)
            found = search_lost(app, find_lost(app, refresh_due(app).results))

    assert found == 0
    assert len(searched) == 2
