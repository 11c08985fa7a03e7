"""What the hub of our feeds is told: of each feed that has changed, once, and again when it did not hear it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

from aggregator.storage import announcements
from aggregator.tasks.announce import announce, has_news
from aggregator.web.cache import Pace
from tests.fixtures.http_server import Answer
from tests.fixtures.program import Program
from tests.tasks.told import Press, open_press

SITE = "http://news.example.org"
COMBINED = [f"{SITE}/feed.atom", f"{SITE}/feed.json", f"{SITE}/feed.rss"]


class Hub:
    """Takes what it is told, or answers as the test wants."""

    def __init__(self, server: Any) -> None:
        self.url = f"{server.url}/hub"
        self.status = 204
        self.asked = 0
        self.on_ask: Callable[[], object] = lambda: None
        self._told: list[str] = []
        server.handle("/hub", self._take)

    def _take(self, request: Any) -> Answer:
        form = parse_qs(request.body.decode())
        assert form["hub.mode"] == ["publish"]
        assert form["hub.url"] == form["hub.topic"]
        self.asked += 1
        self.on_ask()
        if self.status < 300:
            self._told += form["hub.topic"]
        return Answer(status=self.status)

    def take_told(self) -> list[str]:
        """What it was told since it was asked for this last."""
        told, self._told = sorted(self._told), []
        return told


@contextmanager
def open_hub(program: Program, server: Any, **sections: Any) -> Iterator[tuple[Press, Hub]]:
    hub = Hub(server)
    site = {"title": "AI News", "url": SITE, "contact": "e@example.org", "hub": hub.url}
    with open_press(program, **({"site": site} | sections)) as press:
        yield press, hub


def test_the_hub_is_told_of_each_feed_that_has_changed(program: Program, http_server: Any) -> None:
    """And of no other; once."""
    with open_hub(program, http_server) as (press, hub):
        press.tell("One", tags=["nvidia"], language="de-AT")
        assert has_news(press.app)
        assert announce(press.app) == 5
        first = hub.take_told()
        assert not has_news(press.app) and announce(press.app) == 0
        press.clock.move(hours=1)
        press.tell("Two", feed="b", tags=["openai", "not-a-tag"], language="und")
        announce(press.app)
        second = hub.take_told()

    assert first == sorted([*COMBINED, f"{SITE}/tags/nvidia.atom", f"{SITE}/lang/de.atom"])
    assert second == sorted([*COMBINED, f"{SITE}/tags/openai.atom"])


def test_a_change_that_no_reader_sees_is_no_news(program: Program, http_server: Any) -> None:
    """Another voice joins a story, a first import brings what is old."""
    with open_hub(program, http_server) as (press, hub):
        _, told = press.tell("One")
        announce(press.app)
        hub.take_told()
        press.tell("Another voice", story=told, feed="b")
        press.tell("Old", feed="c", backlog=True)
        assert has_news(press.app)
        announce(press.app)

        assert hub.take_told() == []
        assert not has_news(press.app)


def test_a_hub_that_fails_is_tried_again_later_and_later(program: Program, http_server: Any) -> None:
    """Nothing is lost, whatever happens meanwhile."""
    with open_hub(program, http_server) as (press, hub):
        hub.status = 500
        press.tell("One", language="und")
        assert announce(press.app) == 0
        assert not has_news(press.app)
        press.clock.move(seconds=61)
        assert announce(press.app) == 0
        asked = hub.asked
        press.clock.move(seconds=61)
        press.tell("Two", feed="b", language="und")
        assert announce(press.app) == 0
        assert hub.asked == asked
        hub.status = 202
        press.clock.move(hours=1)
        announce(press.app)

        assert hub.take_told() == COMBINED
        assert not has_news(press.app)


def test_what_comes_in_while_the_hub_listens_is_told_next(program: Program, http_server: Any) -> None:
    with open_hub(program, http_server) as (press, hub):
        press.tell("One", language="und")

        def interrupt() -> None:
            hub.on_ask = lambda: None
            press.tell("Two", feed="b", language="und")

        hub.on_ask = interrupt
        announce(press.app)
        hub.take_told()
        assert has_news(press.app)
        announce(press.app)
        assert hub.take_told() == COMBINED
        assert not has_news(press.app)


def test_the_hub_hears_of_news_when_they_are_out(program: Program, http_server: Any) -> None:
    """It comes at once, and what is in memory may be a few seconds old. What comes in meanwhile is told next."""
    pace, asked = Pace(), []
    with open_hub(program, http_server) as (press, hub):
        press.tell("One", language="und")

        def pause(seconds: float) -> bool:
            if seconds > pace.watch_seconds + pace.patience_seconds:
                asked.append(hub.asked)
                press.tell("Two", feed="b", language="und")
            return False

        announce(press.app, pause=pause)
        assert asked == [0] and hub.take_told() == COMBINED
        announce(press.app)
        assert hub.take_told() == COMBINED


def test_a_shutdown_does_not_wait_for_the_hub(program: Program, http_server: Any) -> None:
    """It is told after the next start."""
    with open_hub(program, http_server) as (press, hub):
        press.tell("One", language="und")
        assert announce(press.app, pause=lambda seconds: seconds > 0) == 0
        assert hub.asked == 0
        press.clock.move(minutes=11)
        announce(press.app)
        assert hub.take_told() == COMBINED


def test_whoever_dies_over_it_holds_nobody_up(program: Program, http_server: Any) -> None:
    """Its claim ends after a while; then the hub may hear a thing twice, which does no harm."""
    with open_hub(program, http_server) as (press, hub):
        press.tell("One", language="und")
        with press.app.db.write() as conn:
            announcements.note(conn, ["/feed.atom"], hub_url=hub.url, revision="", now=press.clock())
            assert announcements.claim_due(conn, now=press.clock(), limit=9)
        press.clock.move(minutes=11)
        announce(press.app)

        assert COMBINED[0] in hub.take_told()


def test_another_hub_is_told_from_the_beginning(program: Program, http_server: Any) -> None:
    with open_hub(program, http_server) as (press, hub):
        press.tell("One", language="und")
        announce(press.app)
        hub.take_told()
    other = f"{http_server.url}/hub?other"
    site = {"title": "AI News", "url": SITE, "contact": "e@example.org", "hub": other}
    with open_hub(program, http_server, site=site) as (press, hub):
        announce(press.app)
        assert hub.take_told() == COMBINED


def test_a_site_without_a_public_name_tells_nobody(program: Program, http_server: Any) -> None:
    site = {"title": "AI News", "url": "http://127.0.0.1:8000", "contact": "e@example.org", "hub": http_server.url}
    with open_hub(program, http_server, site=site) as (press, hub):
        press.tell("One")
        assert not has_news(press.app)
        assert announce(press.app) == 0
        assert hub.asked == 0


def test_a_hub_in_a_private_network_is_not_asked(program: Program, http_server: Any) -> None:
    """The address guard holds for it, too."""
    fetch: dict[str, list[str]] = {"allow_networks": []}
    with open_hub(program, http_server, fetch=fetch) as (press, hub):
        press.tell("One")
        assert announce(press.app) == 0
        assert hub.asked == 0
        press.clock.move(hours=1)
        assert has_news(press.app)


def test_many_tags_are_told_in_turns(program: Program, http_server: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("aggregator.tasks.announce.AT_ONCE", 2)
    with open_hub(program, http_server) as (press, hub):
        press.tell("One", tags=["nvidia", "openai", "anthropic"], language="de")
        announce(press.app)

        assert len(hub.take_told()) == len(COMBINED) + 4
