"""A fifth of the feeds is hostile, and no healthy one waits for them: seen by the order of things, not by a watch.

The hostile hosts keep their answers until every healthy feed stands in the database; would one of those wait for a
hostile one, it would wait until that one's time is out, and come after it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from aggregator.app import App
from aggregator.model.feed import FAILURE_CLASSES, Fetched
from aggregator.model.parsed import ParsedFeed
from aggregator.sandbox import ParseSandbox
from aggregator.tasks.readers import PARSERS
from aggregator.tasks.refresh import refresh_feeds
from tests.zoo.conftest import Zoo, get_feed, list_stored, on_sqlite, run_round
from tests.zoo.documents import HEALTHY, rss, serve
from tests.zoo.server import Endpoint, Visit

pytestmark = on_sqlite

HEALTHY_COUNT, HOSTILE_COUNT = 40, 10
#: So long a healthy feed would wait if it waited for a hostile one.
SECONDS = 4.0


class Gate:
    """Shut until `open`: the end of what hostile hosts keep."""

    def __init__(self) -> None:
        self._opened = asyncio.Event()
        self.is_open = False

    def open(self, zoo: Zoo) -> None:
        self.is_open = True
        zoo.server.call(self._opened.set)

    async def wait(self) -> None:
        await self._opened.wait()

    def silent(self) -> Endpoint:
        """Takes the request and says nothing."""

        async def endpoint(visit: Visit) -> None:
            await self.wait()

        return endpoint

    def halting(self) -> Endpoint:
        """A good beginning, and then nothing."""

        async def endpoint(visit: Visit) -> None:
            await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + HEALTHY[:-20])
            await self.wait()

        return endpoint

    def dripping(self) -> Endpoint:
        """A byte now and then, for as long as it takes."""

        async def endpoint(visit: Visit) -> None:
            await visit.send(b"HTTP/1.1 200 OK\r\nX-Word: ")
            while not self.is_open and not await visit.closed_within(0.02):
                await visit.send(b"y")

        return endpoint

    def leading_astray(self) -> Endpoint:
        """A redirect, and at its end nothing."""

        async def endpoint(visit: Visit) -> None:
            if "step" in visit.asked.query:
                await self.wait()
            else:
                await visit.answer(b"", 302, Location="?step=1")

        return endpoint


def settle_animals(zoo: Zoo, gate: Gate) -> list[str]:
    """Hostile feeds first, so that they are asked first; returns their addresses."""
    kinds: list[Callable[[], Endpoint]] = [gate.silent, gate.halting, gate.dripping, gate.leading_astray]
    hostile = [zoo.add(kinds[number % len(kinds)]()) for number in range(HOSTILE_COUNT)]
    zoo.add_healthy(HEALTHY_COUNT, interval="2h")
    return hostile


def find_order(zoo: Zoo, app: App, gate: Gate, then: Callable[[], object] = lambda: None) -> list[str]:
    """One round over all feeds, in the order in which they were saved; the gate opens after the last healthy one."""
    order: list[str] = []
    waiting = set(zoo.healthy)

    def note(url: str) -> None:
        order.append(url)
        waiting.discard(url)
        if not waiting:
            gate.open(zoo)
            then()

    ids = [get_feed(app, spec["url"]).id for spec in zoo.specs]
    refresh_feeds(app, ids, on_result=lambda result: note(result.url))
    return order


def test_no_healthy_feed_waits_for_a_hostile_one(zoo: Zoo) -> None:
    gate = Gate()
    hostile = settle_animals(zoo, gate)
    with zoo.open(timeout_seconds=SECONDS) as app:
        order = find_order(zoo, app, gate)
        assert set(order[:HEALTHY_COUNT]) == set(zoo.healthy)
        assert set(order[HEALTHY_COUNT:]) == set(hostile)
        assert all(len(list_stored(app, url)) == 3 for url in zoo.healthy)


def test_feeds_that_were_hostile_before_hold_no_slot_that_others_need(zoo: Zoo) -> None:
    """More hostile hosts than may be asked at one time, which have failed once already."""
    gate = Gate()
    hostile = settle_animals(zoo, gate)
    with zoo.open(timeout_seconds=0.3, concurrency=8) as app:
        assert len(run_round(app)) == HEALTHY_COUNT + HOSTILE_COUNT
        latest = max(get_feed(app, url).next_due_at for url in hostile)
        assert all(latest < get_feed(app, url).next_due_at for url in zoo.healthy), "hostile ones come first"
    with zoo.open(timeout_seconds=SECONDS, concurrency=8) as app:
        order = find_order(zoo, app, gate)
        assert set(order[:HEALTHY_COUNT]) == set(zoo.healthy)


def test_feeds_that_are_hostile_for_the_first_time_hold_no_slot_that_others_need(zoo: Zoo) -> None:
    """The same, and nobody could know it: a crowd of hosts falls silent in one night."""
    gate = Gate()
    settle_animals(zoo, gate)
    with zoo.open(timeout_seconds=SECONDS, concurrency=8) as app:
        order = find_order(zoo, app, gate)
        assert set(order[:HEALTHY_COUNT]) == set(zoo.healthy)


def test_hostile_feeds_of_a_host_delay_only_that_host(zoo: Zoo) -> None:
    """All ten live at one address: one of them is waited for, and the others wait behind it."""
    gate = Gate()
    hostile = [zoo.add(gate.silent(), host="bad.example") for _ in range(HOSTILE_COUNT)]
    zoo.add_healthy(HEALTHY_COUNT)
    with zoo.open(timeout_seconds=SECONDS, concurrency=2) as app:
        order = find_order(zoo, app, gate)
        assert set(order[:HEALTHY_COUNT]) == set(zoo.healthy)
        assert set(order[HEALTHY_COUNT:]) == set(hostile)


class HeldSandbox:
    """Parses as ever, but sends bombs to a child, which is not done before the gate is open: as if it took for ever."""

    def __init__(self, sandbox: ParseSandbox) -> None:
        self._sandbox = sandbox
        self.opened = threading.Event()

    def parse_at_once(self, reply: Fetched) -> ParsedFeed | None:
        return None if b"<bomb/>" in reply.body else self._sandbox.parse_at_once(reply)

    def parse_in_child(self, reply: Fetched) -> ParsedFeed:
        if b"<bomb/>" in reply.body:
            self.opened.wait(SECONDS)
        return self._sandbox.parse_in_child(reply)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sandbox, name)


@pytest.mark.parametrize("count", [1, PARSERS, HOSTILE_COUNT])
def test_no_healthy_feed_waits_for_a_document_that_is_a_bomb(count: int, zoo: Zoo) -> None:
    """One bomb, as many as there are parsers, and more than may be read at one time."""
    gate, held = Gate(), HeldSandbox(zoo.sandbox)
    bombs = [zoo.add(serve(HEALTHY + b"<bomb/>")) for _ in range(count)]
    zoo.healthy = [zoo.add(serve(HEALTHY), interval="2h") for _ in range(HEALTHY_COUNT)]
    zoo.sandbox = held  # type: ignore[assignment]
    with zoo.open() as app:
        order = find_order(zoo, app, gate, held.opened.set)
        assert set(order[HEALTHY_COUNT:]) == set(bombs)


@pytest.mark.parametrize("kind", ["categories", "nesting"])
def test_documents_that_are_bombs_cost_no_other_document(kind: str, zoo: Zoo) -> None:
    """Ten of them among forty, two parsers: all healthy ones are read, and every bomb has its class."""
    body = rss("<item><title>x</title>" + ("<a>" * 2_000 if kind == "nesting" else "<category>c</category>" * 2_000))
    bombs = [zoo.add(serve(body)) for _ in range(HOSTILE_COUNT)]
    zoo.add_healthy(HEALTHY_COUNT)
    with zoo.open() as app:
        results = run_round(app)
        assert all(results[url].new == 3 for url in zoo.healthy)
        assert all(not results[url].failed or results[url].failure_class in FAILURE_CLASSES for url in bombs)
