"""The HTTP client over real sockets: what is sent, what comes back, in which order, and how a batch ends."""

from __future__ import annotations

import gzip
import hashlib
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from aggregator.fetch.client import HttpFetcher
from aggregator.model.feed import Exchanged, Fetched, FetchFailed, FolderRead, NotModified, Reply
from tests.fetch.conftest import SETTINGS, Ask, FixedResolver, OpenFetcher, make_request
from tests.fixtures.http_server import Answer, TestHttpServer

CERTIFICATE = Path(__file__).parent / "data" / "self_signed.pem"
FEED = b"<rss><channel/></rss>"


def hash_body(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def bare(reply: Reply) -> Reply:
    """Without what every exchange tells: that has tests of its own."""
    assert not isinstance(reply, FolderRead)
    return replace(reply, exchanged=Exchanged())


def redirect_to(target: str, status: int = 302) -> Answer:
    return Answer(b"moved", status, {"Location": target})


def test_a_document_comes_with_its_hash_validators_and_hints(http_server: TestHttpServer, ask: Ask) -> None:
    headers = {"Cache-Control": "max-age=900"}
    url = http_server.add("/feed", FEED, etag='W/"a b"', last_modified="Sun, 01 Mar 2026 12:00:00 GMT", headers=headers)

    reply = ask(url)

    assert isinstance(reply, Fetched)
    assert reply == Fetched(
        request=make_request(url),
        final_url=url,
        status=200,
        body=FEED,
        body_hash=hash_body(FEED),
        content_type="application/xml",
        etag='W/"a b"',
        last_modified="Sun, 01 Mar 2026 12:00:00 GMT",
        fresh_for=timedelta(minutes=15),
        exchanged=Exchanged(received_bytes=len(FEED), seconds=reply.exchanged.seconds, host_key="127.0.0.1", own=True),
    )
    assert 0 < reply.exchanged.seconds < 10


def test_a_request_is_honest_and_says_no_more_than_it_must(http_server: TestHttpServer, ask: Ask) -> None:
    ask(http_server.add("/feed?x=1", FEED))

    (request,) = http_server.requests
    assert request.method == "GET"
    assert request.path == "/feed?x=1"
    assert request.headers["user-agent"] == "Tests/1 (+https://example.org)"
    assert request.headers["accept"].startswith("application/atom+xml")
    assert request.headers["accept-encoding"] == "gzip, deflate, br, zstd"
    assert set(request.headers) == {"host", "user-agent", "accept", "accept-encoding", "connection"}


def test_a_line_is_kept_only_while_its_host_has_more_to_tell(
    http_server: TestHttpServer, open_fetcher: OpenFetcher, as_public: None
) -> None:
    """Ten thousand hosts asked once each would be ten thousand idle lines."""
    url = http_server.add("/feed", FEED)

    replies = list(open_fetcher(host_gap_seconds=0.0).fetch([make_request(f"{url}?{n}", n) for n in range(20)]))

    assert len(replies) == 20
    kept = ["connection" not in request.headers for request in http_server.requests]
    assert kept == [True] * 19 + [False]


def test_validators_go_back_byte_for_byte(http_server: TestHttpServer, ask: Ask) -> None:
    url = http_server.add("/feed", FEED, etag='W/"x, y" odd')

    reply = ask(url, etag='W/"x, y" odd', last_modified="yesterday, about noon")

    assert http_server.requests[0].headers["if-none-match"] == 'W/"x, y" odd'
    assert http_server.requests[0].headers["if-modified-since"] == "yesterday, about noon"
    assert bare(reply) == NotModified(request=reply.request, status=304, etag='W/"x, y" odd')


def test_304_brings_refreshed_validators_and_hints(http_server: TestHttpServer, ask: Ask) -> None:
    headers = {"ETag": '"2"', "Last-Modified": "now", "Cache-Control": "max-age=60"}
    url = http_server.handle("/feed", lambda _: Answer(status=304, headers=headers))

    reply = ask(url, etag='"1"')

    assert bare(reply) == NotModified(
        request=reply.request, status=304, etag='"2"', last_modified="now", fresh_for=timedelta(minutes=1)
    )


def test_304_to_an_unconditional_request_is_a_failure(http_server: TestHttpServer, ask: Ask) -> None:
    reply = ask(http_server.handle("/feed", lambda _: Answer(status=304)))

    assert isinstance(reply, FetchFailed)
    assert (reply.failure_class, reply.status) == ("http", 304)


def test_a_body_whose_hash_is_known_stops_here(http_server: TestHttpServer, ask: Ask) -> None:
    packed = Answer(gzip.compress(FEED), headers={"Content-Encoding": "gzip", "ETag": '"9"'})

    reply = ask(http_server.handle("/feed", lambda _: packed), body_hash=hash_body(FEED))

    assert bare(reply) == NotModified(request=reply.request, status=200, etag='"9"')


def test_no_cookie_is_kept(http_server: TestHttpServer, open_fetcher: OpenFetcher) -> None:
    url = http_server.add("/feed", FEED, headers={"Set-Cookie": "id=1; Path=/"})
    fetcher = open_fetcher()

    list(fetcher.fetch([make_request(url)]))
    list(fetcher.fetch([make_request(url)]))

    assert ["cookie" in request.headers for request in http_server.requests] == [False, False]


def test_the_environments_proxy_is_not_used(
    http_server: TestHttpServer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert isinstance(ask(http_server.add("/feed", FEED)), Fetched)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(status: int, http_server: TestHttpServer, ask: Ask) -> None:
    url = http_server.handle("/old/feed", lambda _: redirect_to("../new?q=ü#part", status))
    http_server.add("/new", FEED)

    reply = ask(url)

    assert isinstance(reply, Fetched)
    assert reply.final_url == http_server.url + "/new?q=%C3%BC"


def test_five_redirects_are_followed_and_a_sixth_is_not(http_server: TestHttpServer, ask: Ask) -> None:
    for n in range(6):
        http_server.handle(f"/{n}", lambda request: redirect_to(f"/{int(request.path[1:]) + 1}"))
    http_server.add("/6", FEED)

    assert isinstance(ask(http_server.url + "/1"), Fetched)
    reply = ask(http_server.url + "/0")

    assert isinstance(reply, FetchFailed)
    assert (reply.failure_class, reply.reason) == ("redirect", "127.0.0.1 redirects more than 5 times")


def test_a_circle_is_seen_at_once(http_server: TestHttpServer, ask: Ask) -> None:
    http_server.handle("/a", lambda _: redirect_to("/b"))
    http_server.handle("/b", lambda _: redirect_to("/a#again"))

    reply = ask(http_server.url + "/a")

    assert isinstance(reply, FetchFailed)
    assert (reply.failure_class, reply.reason) == ("redirect", "127.0.0.1 redirects in a circle")
    assert len(http_server.requests) == 2


@pytest.mark.parametrize(
    "headers", [{}, {"Location": ""}, {"Location": "http://["}, {"Location": "http://127.0.0.1:x/"}]
)
def test_a_redirect_to_nowhere_is_a_failure(headers: dict[str, str], http_server: TestHttpServer, ask: Ask) -> None:
    reply = ask(http_server.handle("/a", lambda _: Answer(status=302, headers=headers)))

    assert isinstance(reply, FetchFailed)
    assert (reply.failure_class, reply.status) == ("redirect", 302)


def test_a_feeds_own_headers_do_not_follow_to_another_origin(http_server: TestHttpServer, ask: Ask) -> None:
    other = TestHttpServer()
    try:
        http_server.handle("/a", lambda _: redirect_to("/b"))
        http_server.handle("/b", lambda _: redirect_to(other.url + "/c"))
        other.handle("/c", lambda _: redirect_to(http_server.url + "/d"))
        http_server.add("/d", FEED)

        reply = ask(
            http_server.url + "/a", headers=(("Authorization", "Bearer s"), ("user-agent", "Own/1")), etag='"1"'
        )

        assert isinstance(reply, Fetched)
        asked = {request.path: request.headers for request in [*http_server.requests, *other.requests]}
        assert {path for path, headers in asked.items() if "authorization" in headers} == {"/a", "/b"}
        assert [asked[path]["user-agent"][:5] for path in ("/a", "/b", "/c", "/d")] == [
            "Own/1",
            "Own/1",
            "Tests",
            "Tests",
        ]
        assert all(headers["if-none-match"] == '"1"' for headers in asked.values())
    finally:
        other.close()


@pytest.fixture
def tls_server() -> Iterator[TestHttpServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    server = TestHttpServer(context)
    yield server
    server.close()


@pytest.fixture
def trusting() -> Iterator[HttpFetcher]:
    """A client that trusts the certificate of `tls_server`."""
    fetcher = HttpFetcher(SETTINGS, ssl_context=ssl.create_default_context(cafile=str(CERTIFICATE)))
    yield fetcher
    fetcher.close()


def test_tls_is_spoken_and_a_way_back_to_plain_http_is_refused(
    http_server: TestHttpServer, tls_server: TestHttpServer, trusting: HttpFetcher
) -> None:
    tls_server.add("/feed", FEED)
    tls_server.handle("/down", lambda _: redirect_to(http_server.add("/feed", FEED)))
    http_server.handle("/up", lambda _: redirect_to(tls_server.url + "/feed"))

    first, down, up = sorted(
        trusting.fetch(
            [
                make_request(tls_server.url + "/feed", 1),
                make_request(tls_server.url + "/down", 2),
                make_request(http_server.url + "/up", 3),
            ]
        ),
        key=lambda reply: reply.request.feed_id,
    )

    assert isinstance(first, Fetched)
    assert isinstance(up, Fetched)
    assert isinstance(down, FetchFailed)
    assert (down.failure_class, down.reason) == (
        "redirect",
        "127.0.0.1 redirects from https to http, which is refused",
    )
    assert http_server.count("/feed") == 0


def test_an_unknown_certificate_is_named(tls_server: TestHttpServer, ask: Ask) -> None:
    reply = ask(tls_server.add("/feed", FEED))

    assert isinstance(reply, FetchFailed)
    assert reply.failure_class == "connect"
    assert reply.reason.startswith("the certificate of 127.0.0.1 is not valid: self")


def test_a_host_without_tls_is_named(http_server: TestHttpServer, ask: Ask) -> None:
    reply = ask(http_server.url.replace("http:", "https:") + "/feed")

    assert isinstance(reply, FetchFailed)
    assert reply.failure_class == "connect"
    assert reply.reason == "127.0.0.1 broke the connection"


@pytest.mark.parametrize(
    ("status", "headers", "reason", "retry_after"),
    [
        (404, {}, "127.0.0.1 answered 404 Not Found", None),
        (410, {}, "127.0.0.1 answered 410 Gone", None),
        (429, {"Retry-After": "120"}, "127.0.0.1 answered 429 Too Many Requests", timedelta(minutes=2)),
        (503, {"Retry-After": "1"}, "127.0.0.1 answered 503 Service Unavailable", timedelta(minutes=1)),
        (403, {"Retry-After": "999999999"}, "127.0.0.1 answered 403 Forbidden", timedelta(days=7)),
        (403, {"cf-mitigated": "challenge"}, "127.0.0.1 answered 403 Forbidden (a Cloudflare challenge page)", None),
        (202, {"x-amzn-waf-action": "challenge"}, "127.0.0.1 answered 202 Accepted (an AWS WAF challenge page)", None),
        (204, {}, "127.0.0.1 answered 204 No Content", None),
        (300, {"Location": "/x"}, "127.0.0.1 answered 300 Multiple Choices", None),
    ],
)
def test_an_error_status_says_so(
    status: int,
    headers: dict[str, str],
    reason: str,
    retry_after: timedelta | None,
    http_server: TestHttpServer,
    ask: Ask,
) -> None:
    url = http_server.handle("/feed", lambda _: Answer(b"" if status == 204 else b"an error page", status, headers))

    reply = ask(url)

    assert bare(reply) == FetchFailed(
        request=reply.request, failure_class="http", reason=reason, status=status, retry_after=retry_after
    )


def test_a_name_that_does_not_resolve_is_named(open_fetcher: OpenFetcher) -> None:
    (reply,) = open_fetcher(resolver=FixedResolver({})).fetch([make_request("http://nowhere.example/feed?key=secret")])

    assert isinstance(reply, FetchFailed)
    assert (reply.failure_class, reply.reason) == ("dns", "the name nowhere.example does not resolve")


def test_a_name_that_no_name_server_can_be_asked_for_is_a_dns_failure(ask: Ask) -> None:
    reply = ask(f"http://{'x' * 70}.example/")

    assert isinstance(reply, FetchFailed)
    assert reply.failure_class in ("dns", "blocked")


def test_a_refused_connection_is_named(ask: Ask) -> None:
    server = TestHttpServer()
    server.close()

    reply = ask(server.url + "/feed")

    assert isinstance(reply, FetchFailed)
    assert (reply.failure_class, reply.reason) == ("connect", "127.0.0.1 refused the connection")


def test_what_nobody_foresaw_costs_only_its_feed(http_server: TestHttpServer, open_fetcher: OpenFetcher) -> None:
    url = http_server.add("/feed", FEED)
    broken = make_request(url, 1, headers=(("X-Bad", "line\r\nbreak"),))

    replies = {reply.request.feed_id: reply for reply in open_fetcher().fetch([broken, make_request(url, 2)])}

    assert isinstance(replies[broken.feed_id], FetchFailed)
    assert replies[broken.feed_id].failure_class == "connect"  # type: ignore[union-attr]
    assert "unexpected ValueError" in replies[broken.feed_id].reason  # type: ignore[union-attr]
    assert sum(isinstance(reply, Fetched) for reply in replies.values()) == 1
