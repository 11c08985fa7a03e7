"""Two web processes on one PostgreSQL: whichever a proxy asks, the answer is the same, byte for byte."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from aggregator.app import App
from tests.web.conftest import FIRST, Door, News, Reply

pytestmark = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)

PATHS = ("/feed.atom", "/feed.rss", "/feed.json", "/tags/openai.atom", "/", "/tags/openai")


def ask_both(doors: tuple[Door, Door]) -> Mapping[str, Reply]:
    """What both answer at each path, once they are found to agree; each takes the other's validator."""
    found = {}
    for path in PATHS:
        one, other = (door.ask(path) for door in doors)
        assert one.status == 200, path
        assert one.headers["etag"] == other.headers["etag"], path
        assert one.body == other.body, path
        for door, etag in zip(doors, (other.headers["etag"], one.headers["etag"]), strict=True):
            assert door.ask(path, headers={"If-None-Match": etag}).status == 304, path
        found[path] = one
    return found


def test_they_answer_alike_before_and_after_news(news: News, serve: Callable[[App], Door]) -> None:
    news.configure()
    assert news.program.json("fetch", "--all")["new"] == 5
    with news.program.app() as one, news.program.app() as other:
        doors = serve(one), serve(other)
        before = ask_both(doors)
        news.add_feed("/a", [*FIRST, ("https://a.example/three", "OpenAI opens an office in Lisbon")])
        assert news.program.json("fetch", "--all")["new"] == 1
        after = ask_both(doors)
        outdated = [
            door.ask(path, headers={"If-None-Match": before[path].headers["etag"]}) for door in doors for path in PATHS
        ]

    assert all("Lisbon" in after[path].text and "Lisbon" not in before[path].text for path in PATHS)
    assert [reply.status for reply in outdated] == [200] * len(outdated)
