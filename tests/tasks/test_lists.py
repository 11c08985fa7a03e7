"""A followed list on a real server: its feeds come and go with it, and a list that fails changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from aggregator.app import App
from aggregator.storage import feeds, lists
from aggregator.tasks.lists import follow_lists
from tests.fixtures.http_server import Answer
from tests.fixtures.program import Program

DAY = timedelta(days=1)


class Clock:
    """Stands until it is moved."""

    def __init__(self, now: Any) -> None:
        self.now = now

    def __call__(self) -> Any:
        return self.now


def write_opml(*urls: str) -> bytes:
    outlines = "".join(f"<outline type='rss' text='{url}' xmlUrl='{url}'/>" for url in urls)
    return f"<opml version='2.0'><head/><body>{outlines}</body></opml>".encode()


A, B, OWN = "https://a.example/feed", "https://b.example/feed", "https://own.example/feed"


@pytest.fixture
def app(program: Program, http_server: Any) -> Iterator[App]:
    """Follows one list, with a tag and a weight for all of it, and has a feed of its own."""
    http_server.add("/list.opml", write_opml(A, B), etag='"1"')
    followed = {"opml": f"{http_server.url}/list.opml", "tags": ["listed"], "weight": 2}
    program.configure(feeds=[{"url": OWN}, followed])
    with program.app() as opened:
        clock = Clock(opened.now())
    with program.app(now=clock) as opened:
        yield opened


def move(app: App, by: timedelta) -> None:
    assert isinstance(app.now, Clock)
    app.now.now += by


def list_active(app: App) -> list[str]:
    with app.db.read() as conn:
        return sorted(feed.spec.url for feed in feeds.list_feeds(conn) if feed.state == "active")


def test_the_feeds_of_a_list_are_stored_with_what_is_said_of_the_list(app: App) -> None:
    asked = follow_lists(app)
    with app.db.read() as conn:
        found = {feed.spec.url: feed.spec for feed in feeds.list_feeds(conn)}

    assert asked == 1
    assert sorted(found) == [A, B, OWN]
    assert (found[A].origin, found[A].tags, found[A].weight) == ("opml", ("listed",), 2.0)


def test_a_list_is_asked_once_a_day_and_conditionally(app: App, http_server: Any) -> None:
    asked = [follow_lists(app), follow_lists(app)]
    move(app, DAY)
    asked.append(follow_lists(app))

    assert asked == [1, 0, 1]
    assert [request.headers.get("if-none-match") for request in http_server.requests] == [None, '"1"']
    assert list_active(app) == [A, B, OWN]


def test_a_feed_that_leaves_its_list_is_paused_and_goes_on_when_it_comes_back(app: App, http_server: Any) -> None:
    follow_lists(app)
    http_server.add("/list.opml", write_opml(A), etag='"2"')
    move(app, DAY)
    follow_lists(app)
    without = list_active(app)
    http_server.add("/list.opml", write_opml(A, B), etag='"3"')
    move(app, DAY)
    follow_lists(app)

    assert without == [A, OWN]
    assert list_active(app) == [A, B, OWN]


@pytest.mark.parametrize("body", [b"", b"<html>moved</html>", write_opml()])
def test_a_list_that_names_no_feed_changes_nothing_and_is_asked_again_soon(
    app: App, http_server: Any, body: bytes
) -> None:
    follow_lists(app)
    http_server.add("/list.opml", body, etag='"2"')
    move(app, DAY)
    follow_lists(app)
    with app.db.read() as conn:
        (state,) = lists.list_states(conn)

    assert list_active(app) == [A, B, OWN]
    assert state.failures == 1
    assert app.now() < state.next_due_at < app.now() + DAY / 2


def test_a_list_that_cannot_be_fetched_changes_nothing(app: App, http_server: Any) -> None:
    follow_lists(app)
    http_server.handle("/list.opml", lambda request: Answer(status=500))
    move(app, DAY)
    follow_lists(app)
    with app.db.read() as conn:
        (state,) = lists.list_states(conn)

    assert list_active(app) == [A, B, OWN]
    assert "500" in state.failure_reason


def test_a_list_that_is_followed_no_more_takes_its_feeds_along(app: App, program: Program) -> None:
    follow_lists(app)
    program.configure(feeds=[{"url": OWN}])
    with program.app() as later:
        follow_lists(later)

        assert list_active(later) == [OWN]
        with later.db.read() as conn:
            assert lists.list_states(conn) == ()


def test_a_list_on_which_reading_stumbles_has_failed_and_costs_nobody_else(
    app: App, http_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow_lists(app)
    http_server.add("/list.opml", write_opml(A), etag='"2"')
    move(app, DAY)

    def stumble(data: bytes) -> Any:
        raise RecursionError("a fault of ours")

    monkeypatch.setattr("aggregator.tasks.lists.parse_opml", stumble)
    asked = follow_lists(app)
    with app.db.read() as conn:
        (state,) = lists.list_states(conn)

    assert asked == 1
    assert (state.failures, "RecursionError" in state.failure_reason) == (1, True)
    assert list_active(app) == [A, B, OWN]
