"""What every answer tells beside its document, and how far a redirect may lead."""

from __future__ import annotations

import gzip
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from aggregator.fetch.client import HttpFetcher
from aggregator.model.feed import Exchanged, Fetched, FetchFailed, Hop, NotModified
from tests.fetch.conftest import SETTINGS, Ask, EveryName, OpenFetcher, make_request
from tests.fixtures.http_server import Answer, Line, TestHttpServer

CERTIFICATE = Path(__file__).parent / "data" / "self_signed.pem"
FEED = b"<rss><channel/></rss>"


def redirect_to(target: str, status: int = 302) -> Answer:
    return Answer(b"moved", status, {"Location": target})


def test_the_hops_are_told_in_their_order_with_absolute_addresses(
    http_server: TestHttpServer, open_fetcher: OpenFetcher
) -> None:
    """The host's key stays that of the feed's own address, wherever it leads."""
    at = f"new.example:{http_server.port}"
    http_server.handle("/old", lambda _: redirect_to("/older?x=1#part", 301))
    http_server.handle("/older", lambda _: redirect_to(f"//{at}/feed", 308))
    http_server.add("/feed", FEED)

    (reply,) = open_fetcher(resolver=EveryName()).fetch([make_request(f"http://Old.Example.:{http_server.port}/old")])

    assert isinstance(reply, Fetched)
    assert reply.exchanged.hops == (
        Hop(status=301, url=f"http://old.example.:{http_server.port}/older?x=1"),
        Hop(status=308, url=f"http://{at}/feed"),
    )
    assert reply.final_url == reply.exchanged.hops[-1].url
    assert (reply.exchanged.host_key, reply.exchanged.own) == ("old.example", True)


def test_bytes_are_counted_as_they_come_over_the_line(http_server: TestHttpServer, ask: Ask) -> None:
    packed = gzip.compress(FEED * 100)
    url = http_server.handle("/feed", lambda _: Answer(packed, headers={"Content-Encoding": "gzip"}))

    first = ask(url)
    again = ask(url, body_hash=first.body_hash)  # type: ignore[union-attr]

    assert isinstance(first, Fetched)
    assert isinstance(again, NotModified)
    assert first.exchanged.received_bytes == again.exchanged.received_bytes == len(packed)
    assert len(first.body) == len(FEED) * 100


@pytest.mark.parametrize("status", [304, 404, 500])
def test_answers_without_a_document_tell_it_too(status: int, http_server: TestHttpServer, ask: Ask) -> None:
    http_server.handle("/old", lambda _: redirect_to("/feed"))
    http_server.handle("/feed", lambda _: Answer(b"", status))

    reply = ask(http_server.url + "/old", etag='"1"')

    assert isinstance(reply, NotModified if status == 304 else FetchFailed)
    assert [hop.status for hop in reply.exchanged.hops] == [302]
    assert reply.exchanged.host_key == "127.0.0.1"
    assert reply.exchanged.seconds > 0


def test_an_address_that_is_refused_was_exchanged_with_nobody(ask: Ask) -> None:
    reply = ask("gopher://example.org/")

    assert isinstance(reply, FetchFailed)
    assert reply.exchanged == Exchanged()


def test_a_document_that_broke_off_says_so(http_server: TestHttpServer, ask: Ask) -> None:
    def break_off(line: Line) -> None:
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + FEED)

    broken, whole = ask(http_server.script("/broken", break_off)), ask(http_server.add("/whole", FEED))

    assert isinstance(broken, Fetched)
    assert isinstance(whole, Fetched)
    assert (broken.truncated, whole.truncated) == (True, False)
    assert broken.body == whole.body


@pytest.mark.parametrize("status", [400, 403, 404, 410, 429, 500, 502, 503, 599])
def test_retry_after_is_heard_with_any_error_and_any_page(status: int, http_server: TestHttpServer, ask: Ask) -> None:
    page = Answer(b"<html>" + b"please wait " * 5000, status, {"Retry-After": "7200", "Content-Type": "text/html"})

    reply = ask(http_server.handle("/feed", lambda _: page))

    assert isinstance(reply, FetchFailed)
    assert (reply.status, reply.retry_after) == (status, timedelta(hours=2))


@pytest.mark.parametrize("hops", [1, 2, 5])
@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("http://10.0.0.1/feed", "10.0.0.1 is not asked: 10.0.0.1 is not a public address"),
        ("http://[::1]/feed", "::1 is not asked: ::1 is not a public address"),
        ("http://169.254.169.254/latest", "169.254.169.254 is not asked: 169.254.169.254 is not a public address"),
        (
            "http://me:geheim@127.0.0.1/",
            "127.0.0.1 is not asked: a user name or password in the address is not allowed",
        ),
        ("http://127.0.0.1:22/", "127.0.0.1 is not asked: port 22 is not allowed"),
        ("file:///etc/passwd", "127.0.0.1 is not asked: only http and https are fetched, not file"),
    ],
)
def test_no_hop_leads_where_the_first_may_not(
    hops: int, target: str, reason: str, http_server: TestHttpServer, ask: Ask
) -> None:
    for n in range(1, hops):
        http_server.handle(f"/{n}", lambda request: redirect_to(f"/{int(request.path[1:]) + 1}"))
    http_server.handle(f"/{hops}", lambda _: redirect_to(target))

    reply = ask(http_server.url + "/1")

    assert isinstance(reply, FetchFailed)
    assert (reply.failure_class, reply.reason) == ("blocked", reason)
    assert len(http_server.requests) == hops
    assert "geheim" not in repr(reply)


@pytest.fixture
def tls_server() -> Iterator[TestHttpServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    server = TestHttpServer(context)
    yield server
    server.close()


def test_the_way_down_from_https_is_refused_at_a_later_hop_too(
    http_server: TestHttpServer, tls_server: TestHttpServer
) -> None:
    plain = http_server.add("/feed", FEED)
    http_server.handle("/start", lambda _: redirect_to(tls_server.url + "/down"))
    tls_server.handle("/down", lambda _: redirect_to(plain))
    fetcher = HttpFetcher(SETTINGS, ssl_context=ssl.create_default_context(cafile=str(CERTIFICATE)))

    (reply,) = fetcher.fetch([make_request(http_server.url + "/start")])
    fetcher.close()

    assert isinstance(reply, FetchFailed)
    assert reply.reason == "127.0.0.1 redirects from https to http, which is refused"
    assert [hop.url for hop in reply.exchanged.hops] == [tls_server.url + "/down"]
    assert http_server.count("/feed") == 0
