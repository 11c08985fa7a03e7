"""Who is slow never takes the place of who is quick: shown by hosts that say nothing until the end of the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from itertools import islice

import pytest

from aggregator.fetch import slots as slots_module
from aggregator.fetch.batch import AHEAD, MOST, read_ahead
from aggregator.fetch.slots import Slot, Slots
from aggregator.model.feed import Fetched, FetchRequest, Reply
from tests.fetch.conftest import EveryName, OpenFetcher, make_request
from tests.fetch.test_hosts import run_apart
from tests.fixtures.http_server import Line, TestHttpServer

FEED = b"<rss><channel/></rss>"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<rss>"
FOR_EVER = 3600.0


@pytest.fixture
def hold(http_server: TestHttpServer) -> Iterator[Callable[[bytes], str]]:
    """Makes ``/held`` send what it is given, and then nothing before the test is over."""
    over = threading.Event()

    def make(beginning: bytes) -> str:
        def script(line: Line) -> None:
            if beginning:
                line.send(beginning)
            over.wait(20)

        return http_server.script("/held", script)

    yield make
    over.set()


def name_hosts(http_server: TestHttpServer, kind: str, path: str, count: int) -> list[str]:
    return [f"http://{kind}{n}.example:{http_server.port}{path}" for n in range(count)]


def take(replies: Iterator[Reply], count: int) -> list[Reply]:
    """The first so many; the rest is given up."""
    found = list(islice(replies, count))
    replies.close()  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("beginning", [b"", HEAD], ids=["silent", "halting"])
def test_suspects_keep_nobody_from_being_asked(
    beginning: bytes,
    http_server: TestHttpServer,
    open_fetcher: OpenFetcher,
    hold: Callable[[bytes], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A dozen hosts that failed last time hold three times as many lines as there are slots, for ever."""
    monkeypatch.setattr(slots_module, "SLOW_SECONDS", FOR_EVER)
    hold(beginning)
    http_server.add("/feed", FEED)
    hostile = [make_request(url, 0, suspect=True) for url in name_hosts(http_server, "held", "/held", 12)]
    healthy = [make_request(url, 1) for url in name_hosts(http_server, "well", "/feed", 40)]

    replies = take(open_fetcher(resolver=EveryName(), concurrency=4).fetch(hostile + healthy), 40)

    assert all(isinstance(reply, Fetched) for reply in replies)
    assert {reply.request.feed_id for reply in replies} == {1}
    assert http_server.count("/held") <= 1


@pytest.mark.parametrize("beginning", [b"", HEAD], ids=["silent", "halting"])
def test_who_turns_out_to_be_slow_gives_its_place_to_others(
    beginning: bytes,
    http_server: TestHttpServer,
    open_fetcher: OpenFetcher,
    hold: Callable[[bytes], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody knew of these hosts before: each holds a quick slot for as long as an answer may be quick, no longer."""
    monkeypatch.setattr(slots_module, "SLOW_SECONDS", 0.0)
    hold(beginning)
    http_server.add("/feed", FEED)
    hostile = [make_request(url, 0) for url in name_hosts(http_server, "held", "/held", 12)]
    healthy = [make_request(url, 1) for url in name_hosts(http_server, "well", "/feed", 40)]

    replies = take(open_fetcher(resolver=EveryName(), concurrency=4).fetch(hostile + healthy), 40)

    assert {reply.request.feed_id for reply in replies} == {1}
    assert http_server.count("/held") > 4


def test_many_feeds_of_a_slow_host_do_not_keep_the_rest_from_being_read(
    http_server: TestHttpServer, open_fetcher: OpenFetcher, hold: Callable[[bytes], str], as_public: None
) -> None:
    """More of them than are read ahead, and all before the others."""
    hold(b"")
    http_server.add("/feed", FEED)
    slow = [make_request(f"http://slow.example:{http_server.port}/held?{n}", 0) for n in range(3 * AHEAD)]
    healthy = [make_request(url, 1) for url in name_hosts(http_server, "well", "/feed", 20)]

    replies = take(open_fetcher(resolver=EveryName()).fetch(iter(slow + healthy)), 20)

    assert {reply.request.feed_id for reply in replies} == {1}


def test_many_slow_answers_do_not_keep_the_rest_from_being_read(
    http_server: TestHttpServer,
    open_fetcher: OpenFetcher,
    hold: Callable[[bytes], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many as are read ahead, each at a host of its own."""
    monkeypatch.setattr(slots_module, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr("aggregator.fetch.batch.AHEAD", 40)
    monkeypatch.setattr("aggregator.fetch.client.AHEAD", 40)
    monkeypatch.setattr("aggregator.fetch.batch._NEWS", 5)
    hold(b"")
    http_server.add("/feed", FEED)
    slow = [make_request(url, 0) for url in name_hosts(http_server, "slow", "/held", 90)]
    healthy = [make_request(url, 1) for url in name_hosts(http_server, "well", "/feed", 20)]

    replies = take(open_fetcher(resolver=EveryName()).fetch(iter(slow + healthy)), 20)

    assert {reply.request.feed_id for reply in replies} == {1}


def test_a_long_list_is_not_read_at_once(http_server: TestHttpServer, open_fetcher: OpenFetcher) -> None:
    http_server.add("/feed", FEED)
    read: list[str] = []

    def iter_requests() -> Iterator[FetchRequest]:
        for url in name_hosts(http_server, "well", "/feed", 4 * AHEAD):
            read.append(url)
            yield make_request(url)

    replies = open_fetcher(resolver=EveryName()).fetch(iter_requests())
    next(replies)
    read_at_first = len(read)
    replies.close()

    assert read_at_first == AHEAD


def test_what_is_stuck_is_bounded_too() -> None:
    def requests() -> Iterator[FetchRequest]:
        return iter([make_request("http://a.example/")] * 10_000)

    assert len(read_ahead(requests(), in_hand=AHEAD, stuck=0)) == 0
    assert len(read_ahead(requests(), in_hand=AHEAD // 2, stuck=0)) == AHEAD // 2
    assert len(read_ahead(requests(), in_hand=AHEAD, stuck=AHEAD)) == AHEAD
    assert len(read_ahead(requests(), in_hand=MOST - 10, stuck=MOST - 10)) == 10
    assert len(read_ahead(requests(), in_hand=MOST, stuck=MOST)) == 0


async def take_slots(slots: Slots, count: int) -> list[Slot]:
    """So many slots, each of which became slow before the next was asked for, where there was room."""
    taken = []
    for _ in range(count):
        slot = Slot(slots, suspect=False)
        await asyncio.wait_for(slot.take(), 5)
        for _ in range(3):
            await asyncio.sleep(0)
        taken.append(slot)
    return taken


def test_the_slow_are_many_but_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes after those keeps its quick slot until one of them is done."""
    monkeypatch.setattr(slots_module, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(slots_module, "SLOW_TIMES", 8)

    async def run() -> list[bool]:
        slots = Slots(1)
        slow = await take_slots(slots, 8)
        last = (await take_slots(slots, 1))[0]
        full = slots.quick.locked()
        slow[0].give_back()
        free = not slots.quick.locked()
        for slot in [*slow, last]:
            slot.give_back()
        fresh = await take_slots(slots, 8)
        for slot in fresh:
            slot.give_back()
        return [full, free, not slots.quick.locked()]

    assert run_apart(run()) == [True, True, True]


def test_who_is_done_is_not_slow_however_long_its_reader_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else bodies would pile up before a caller who is busy."""
    monkeypatch.setattr(slots_module, "SLOW_SECONDS", 0.0)

    async def run() -> tuple[bool, bool]:
        slots = Slots(1)
        slot = Slot(slots, suspect=False)
        await slot.take()
        slot.settle()
        await asyncio.sleep(0.01)
        kept = slots.quick.locked()
        slot.give_back()
        return kept, not slots.quick.locked()

    assert run_apart(run()) == (True, True)


def test_slow_bodies_together_hold_only_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots_module, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(slots_module, "SLOW_BYTES", 1000)

    async def run() -> list[bool]:
        slots = Slots(1)
        one, two = await take_slots(slots, 2)
        grown = [one.hold(600), two.hold(300), two.hold(400), two.hold(401)]
        one.give_back()
        grown.append(two.hold(402))
        two.give_back()
        return grown

    assert run_apart(run()) == [True, True, True, False, True]


def test_a_quick_body_may_be_as_large_as_any() -> None:
    async def run() -> bool:
        slot = Slot(Slots(1), suspect=False)
        await slot.take()
        held = slot.hold(10**9)
        slot.give_back()
        return held

    assert run_apart(run())
