"""Many feeds at once over real sockets: nobody waits for a stranger, nothing piles up, and how a batch ends."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from aggregator.fetch.client import HttpFetcher
from aggregator.model.feed import Fetched
from tests.fetch.conftest import SETTINGS, FixedResolver, OpenFetcher, make_request
from tests.fixtures.http_server import Answer, Line, LoggedRequest, TestHttpServer

FEED = b"<rss><channel/></rss>"


def test_many_feeds_each_get_exactly_one_reply(http_server: TestHttpServer, open_fetcher: OpenFetcher) -> None:
    paths = [http_server.add(f"/{n}", b"<rss>%d</rss>" % n) for n in range(200)]
    fetcher = open_fetcher(concurrency=16)

    replies = list(fetcher.fetch([make_request(url, n) for n, url in enumerate(paths)]))

    assert sorted(reply.request.feed_id for reply in replies) == list(range(200))
    assert all(isinstance(reply, Fetched) for reply in replies)
    assert len(http_server.requests) == 200


def test_an_own_host_is_asked_at_most_eight_times_at_once(
    http_server: TestHttpServer, open_fetcher: OpenFetcher
) -> None:
    lock, inside, most, full = threading.Lock(), 0, 0, threading.Event()

    def answer(_: LoggedRequest) -> Answer:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
            if inside >= 8:
                full.set()
        full.wait(5)
        with lock:
            inside -= 1
        return Answer(FEED)

    urls = [http_server.handle(f"/{n}", answer) for n in range(24)]
    replies = list(open_fetcher().fetch([make_request(url, n) for n, url in enumerate(urls)]))

    assert most == 8
    assert len(replies) == 24


def test_a_slow_host_delays_no_other(http_server: TestHttpServer, open_fetcher: OpenFetcher) -> None:
    released = threading.Event()

    def answer_late(_: LoggedRequest) -> Answer:
        released.wait(8)
        return Answer(FEED)

    slow = [http_server.handle(f"/slow/{n}", answer_late).replace("127.0.0.1", "127.0.0.2") for n in range(10)]
    resolver = FixedResolver({"slow.example": [["127.0.0.1"]], "quick.example": [["127.0.0.1"]]})
    http_server.add("/quick", FEED)
    slow = [url.replace("127.0.0.2", "slow.example") for url in slow]
    quick = [f"http://quick.example:{http_server.port}/quick?{n}" for n in range(30)]
    fetcher = open_fetcher(resolver=resolver, concurrency=16)

    replies = fetcher.fetch([make_request(url, n) for n, url in enumerate(slow + quick)])
    first = [next(replies) for _ in range(30)]
    released.set()
    rest = list(replies)

    assert {reply.request.feed_id for reply in first} == set(range(10, 40))
    assert {reply.request.feed_id for reply in rest} == set(range(10))


def test_bodies_do_not_pile_up_before_a_caller_who_is_busy(
    http_server: TestHttpServer, open_fetcher: OpenFetcher
) -> None:
    urls = [http_server.add(f"/{n}", FEED) for n in range(100)]
    replies = open_fetcher(concurrency=4).fetch([make_request(url, n) for n, url in enumerate(urls)])

    next(replies)
    waiting = threading.Event()
    while len(http_server.requests) < 12 and not waiting.wait(0.01):
        pass  # the client fills what may wait
    assert not waiting.wait(0.2)

    assert len(http_server.requests) <= 1 + 8 + 4
    assert len(list(replies)) == 99


def test_a_batch_left_early_asks_no_more(http_server: TestHttpServer, open_fetcher: OpenFetcher) -> None:
    hung_up = threading.Event()

    def hold(line: Line) -> None:
        line.wait_until_closed()
        hung_up.set()

    http_server.script("/hold", hold)
    urls = [http_server.add("/feed", FEED), http_server.url + "/hold"]
    fetcher = open_fetcher(timeout_seconds=60.0)
    replies = fetcher.fetch([make_request(url, n) for n, url in enumerate(urls)])
    next(replies)

    replies.close()

    assert hung_up.wait(5)
    assert isinstance(next(fetcher.fetch([make_request(urls[0])])), Fetched)


def test_close_ends_what_is_under_way_and_may_be_called_twice(http_server: TestHttpServer) -> None:
    started = threading.Event()

    def hold(line: Line) -> None:
        started.set()
        line.wait_until_closed()

    url = http_server.script("/hold", hold)
    fetcher = HttpFetcher(replace(SETTINGS, timeout_seconds=60.0))
    replies: list[object] = []
    caller = threading.Thread(target=lambda: replies.extend(fetcher.fetch([make_request(url)])))
    caller.start()
    assert started.wait(5)

    fetcher.close()
    fetcher.close()
    caller.join(5)

    assert not caller.is_alive()
    assert replies == []
    with pytest.raises(RuntimeError):
        next(fetcher.fetch([make_request(url)]))


def test_several_threads_may_ask_at_once(http_server: TestHttpServer, open_fetcher: OpenFetcher) -> None:
    url = http_server.add("/feed", FEED)
    fetcher = open_fetcher()
    counts: list[int] = []

    def run() -> None:
        counts.append(len(list(fetcher.fetch([make_request(url, n) for n in range(20)]))))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counts == [20, 20, 20, 20]


def test_nothing_to_ask_opens_nothing() -> None:
    fetcher = HttpFetcher(SETTINGS)

    assert list(fetcher.fetch([])) == []
    fetcher.close()
