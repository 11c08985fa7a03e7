"""Servers that do what no server should: each costs its own feed one clear line, within the deadline."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import pytest

from aggregator.fetch.feeds import FeedFetcher
from aggregator.model.feed import Fetched, FetchFailed, Reply
from tests.fetch.conftest import Ask, OpenFetcher, make_request
from tests.fixtures.http_server import Answer, Line, TestHttpServer

OK = b"HTTP/1.1 200 OK\r\n"
SECONDS = 0.4


def drip(data: bytes) -> Callable[[Line], None]:
    """Sends byte by byte, far slower than the deadline."""

    def script(line: Line) -> None:
        for n in range(len(data)):
            line.send(data[n : n + 1])
            if line.closed_within(0.05):
                return

    return script


def pour(head: bytes, block: bytes) -> Callable[[Line], None]:
    """Sends without end."""

    def script(line: Line) -> None:
        line.send(head)
        while True:
            line.send(block)

    return script


def say(data: bytes) -> Callable[[Line], None]:
    return lambda line: line.send(data)


SLOW = {
    "Z15 accepts and never answers": lambda line: line.wait_until_closed(),
    "Z16 a byte now and then of a header": drip(OK + b"X: " + b"y" * 1000),
    "Z17 a byte now and then of a body": drip(OK + b"Content-Length: 1000\r\n\r\n" + b"<rss>" * 200),
}


@pytest.mark.parametrize("case", SLOW)
def test_the_deadline_covers_the_whole_fetch(case: str, http_server: TestHttpServer, open_fetcher: OpenFetcher) -> None:
    url = http_server.script("/feed", SLOW[case])
    fetcher = open_fetcher(timeout_seconds=SECONDS)
    started = time.monotonic()

    (reply,) = fetcher.fetch([make_request(url)])

    assert isinstance(reply, FetchFailed)
    assert reply.failure_class == "timeout", reply.reason
    assert time.monotonic() - started < SECONDS + 3


def test_a_body_that_only_trickles_is_given_up_before_the_deadline(
    http_server: TestHttpServer, open_fetcher: OpenFetcher
) -> None:
    url = http_server.script("/feed", drip(OK + b"\r\n" + b"<rss>" * 200))
    started = time.monotonic()

    (reply,) = open_fetcher(timeout_seconds=5 * SECONDS).fetch([make_request(url)])

    assert isinstance(reply, FetchFailed)
    assert (reply.failure_class, reply.reason) == ("timeout", "127.0.0.1 sends too slowly")
    assert time.monotonic() - started < 5 * SECONDS


def test_the_deadline_covers_all_redirects_together(http_server: TestHttpServer, open_fetcher: OpenFetcher) -> None:
    for n in range(6):

        def hop(line: Line, n: int = n) -> None:
            if not line.closed_within(SECONDS * 0.4):
                line.send(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /%d\r\n\r\n" % (n + 1))

        http_server.script(f"/{n}", hop)
    http_server.add("/6", b"<rss/>")

    (reply,) = open_fetcher(timeout_seconds=SECONDS).fetch([make_request(http_server.url + "/1")])

    assert isinstance(reply, FetchFailed)
    assert reply.failure_class == "timeout"


def test_changing_addresses_do_not_make_an_endless_chain(http_server: TestHttpServer, ask: Ask) -> None:
    url = http_server.handle(
        "/feed",
        lambda request: Answer(status=302, headers={"Location": request.path.split("?")[0] + "?" + str(time.time())}),
    )

    reply = ask(url)

    assert isinstance(reply, FetchFailed)
    assert reply.failure_class == "redirect"
    assert len(http_server.requests) == 6


ENDLESS = {
    "Z18 a body without length": pour(OK + b"\r\n", b"<item/>" * 1000),
    "Z18 chunks without end": pour(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n"),
    "Z18 a large promised length": pour(OK + b"Content-Length: 99999999999\r\n\r\n", b"x" * 65536),
    "Z21 a bomb": say(
        OK + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + gzip.compress(bytes(64 * 1024 * 1024))
    ),
    "Z19 a header of 100 KiB": say(OK + b"X: " + b"y" * 102_400 + b"\r\n\r\n<rss/>"),
    "Z19 10,000 headers": say(OK + b"".join(b"X-%d: y\r\n" % n for n in range(10_000)) + b"\r\n<rss/>"),
    "Z19 90 headers of 1 KiB": say(OK + (b"X: " + b"y" * 1024 + b"\r\n") * 90 + b"\r\n<rss/>"),
    "Z19 headers without end": pour(OK, b"X-More: y\r\n" * 100),
}


@pytest.mark.parametrize("case", ENDLESS)
def test_what_never_ends_hits_a_cap_with_flat_memory(case: str, http_server: TestHttpServer, ask: Ask) -> None:
    url = http_server.script("/feed", ENDLESS[case])
    ask(http_server.add("/warm-up", b"<rss/>"))

    tracemalloc.start()
    reply = ask(url)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert isinstance(reply, FetchFailed)
    assert reply.failure_class == "too_large", reply.reason
    assert peak < 12 * 1024 * 1024


def is_failure(*classes: str) -> Callable[[Reply], bool]:
    return lambda reply: isinstance(reply, FetchFailed) and reply.failure_class in classes


def is_half(body: bytes) -> Callable[[Reply], bool]:
    """What came is kept, but nothing that would make the next answer a 304."""
    return lambda reply: isinstance(reply, Fetched) and (reply.body, reply.etag, reply.last_modified) == (body, "", "")


def is_whole(body: bytes) -> Callable[[Reply], bool]:
    return lambda reply: isinstance(reply, Fetched) and (reply.body, reply.etag) == (body, '"1"')


TAGGED = OK + b'ETag: "1"\r\nLast-Modified: now\r\nConnection: close\r\n'
GZIPPED = gzip.compress(b"".join(b"<item>%d</item>" % (n * n) for n in range(2000)))
ODD: dict[str, tuple[bytes, Callable[[Reply], bool]]] = {
    "Z19 closes without a word": (b"", is_failure("connect")),
    "Z19 HTTP/0.9": (b"<html>hello</html>", is_failure("connect")),
    "Z19 no status line": (b"Content-Type: text/xml\r\n\r\n<rss/>", is_failure("connect")),
    "Z19 a status that is no number": (b"HTTP/1.1 abc OK\r\n\r\n<rss/>", is_failure("connect")),
    "Z19 NUL in a header": (OK + b"X: a\0b\r\n\r\n<rss/>", is_failure("connect")),
    "Z19 a bare LF in a header": (TAGGED + b"X: a\n b\r\n\r\n<rss/>", lambda _: True),
    "Z19 a header without a colon": (OK + b"nonsense\r\n\r\n<rss/>", is_failure("connect")),
    "Z19 some interim answers": (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" * 20 + TAGGED + b"\r\n<rss/>",
        is_whole(b"<rss/>"),
    ),
    "Z19 too many interim answers": (b"HTTP/1.1 100 Continue\r\n\r\n" * 200 + OK + b"\r\n", is_failure("connect")),
    "Z19 101 instead of a document": (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", is_failure("http", "connect")),
    "Z22 gzip in gzip": (TAGGED + b"Content-Encoding: gzip, gzip\r\n\r\n" + GZIPPED, is_failure("bad_encoding")),
    "Z22 20 codings": (TAGGED + b"Content-Encoding: gzip\r\n" * 20 + b"\r\n" + GZIPPED, is_failure("bad_encoding")),
    "Z22 an unknown coding": (TAGGED + b"Content-Encoding: rot13\r\n\r\n<rff/>", is_failure("bad_encoding")),
    "Z23 not gzip at all": (TAGGED + b"Content-Encoding: gzip\r\n\r\n<rss/>", is_failure("bad_encoding")),
    "Z23 corrupt gzip": (
        TAGGED + b"Content-Encoding: gzip\r\n\r\n" + GZIPPED[:50] + b"\xff" * 50 + GZIPPED[100:],
        is_failure("bad_encoding"),
    ),
    "Z23 gzip cut before its first block": (
        TAGGED + b"Content-Encoding: gzip\r\n\r\n" + GZIPPED[:11],
        is_failure("bad_encoding"),
    ),
    "Z24 a length that is too large": (TAGGED + b"Content-Length: 100\r\n\r\n<rss>half", is_half(b"<rss>half")),
    "Z24 a length that is too large, and nothing": (
        TAGGED + b"Content-Length: 100\r\n\r\n",
        is_failure("bad_encoding"),
    ),
    "Z24 a length that is too small": (
        TAGGED + b"Content-Length: 5\r\n\r\n<rss>half",
        lambda reply: is_whole(b"<rss>")(reply) or is_failure("connect")(reply),
    ),
    "Z24 a length that is no number": (TAGGED + b"Content-Length: ten\r\n\r\n<rss/>", is_failure("connect")),
    "Z24 two lengths": (
        TAGGED + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n<rss/>",
        is_failure("connect"),
    ),
    "Z24 length and chunks": (
        TAGGED + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n<rss/>\r\n0\r\n\r\n",
        lambda reply: is_failure("connect")(reply) or is_whole(b"<rss/>")(reply),
    ),
    "Z24 a chunk size that is no number": (
        TAGGED + b"Transfer-Encoding: chunked\r\n\r\n5\r\n<rss>\r\nzz\r\nhalf\r\n",
        lambda reply: is_half(b"<rss>")(reply) or is_failure("connect", "bad_encoding")(reply),
    ),
    "Z24 chunks that break off": (
        TAGGED + b"Transfer-Encoding: chunked\r\n\r\n9\r\n<rss>half\r\n",
        is_half(b"<rss>half"),
    ),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_answer_is_a_document_or_one_clear_line(case: str, http_server: TestHttpServer, ask: Ask) -> None:
    data, expected = ODD[case]
    url = http_server.script("/feed", say(data))

    reply = ask(url)

    assert expected(reply), reply
    if isinstance(reply, FetchFailed):
        assert "127.0.0.1" in reply.reason
        assert "Error" not in reply.reason
        assert "\n" not in reply.reason


def test_a_reset_line_is_named_or_leaves_what_came(http_server: TestHttpServer, ask: Ask) -> None:
    reply = ask(http_server.script("/feed", lambda line: line.reset()))

    assert isinstance(reply, FetchFailed)
    assert (reply.failure_class, reply.reason) == ("connect", "127.0.0.1 broke the connection")


def test_truncated_gzip_is_kept_as_far_as_it_unpacks(http_server: TestHttpServer, ask: Ask) -> None:
    body = gzip.decompress(GZIPPED)
    url = http_server.script("/feed", say(TAGGED + b"Content-Encoding: gzip\r\n\r\n" + GZIPPED[:-200]))

    reply = ask(url)

    assert isinstance(reply, Fetched)
    assert body.startswith(reply.body)
    assert len(reply.body) > len(body) // 2
    assert (reply.etag, reply.last_modified, reply.fresh_for) == ("", "", None)


def test_one_round_survives_the_whole_zoo(http_server: TestHttpServer, open_fetcher: OpenFetcher) -> None:
    scripts = {**SLOW, **ENDLESS, **{case: say(data) for case, (data, _) in ODD.items()}}
    urls = [http_server.script(f"/{n}", script) for n, script in enumerate(scripts.values())]
    urls.append(http_server.add("/good", b"<rss/>"))
    fetcher: FeedFetcher = open_fetcher(timeout_seconds=2.0, max_bytes=200_000)

    replies = list(fetcher.fetch([make_request(url, n) for n, url in enumerate(urls)]))

    assert len(replies) == len(urls)
    good = next(reply for reply in replies if reply.request.url.endswith("/good"))
    assert isinstance(good, Fetched)
    assert good.body == b"<rss/>"
    assert replace(good, body=b"").status == 200
