"""A host that asks for a pause has it from all of its feeds; who counts as one host is the editor's to say."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from yarl import URL

from aggregator.fetch.feeds import FeedFetcher
from aggregator.fetch.hosts import HostKeys, is_named
from aggregator.model.feed import Fetched, FetchFailed, Postponed, Reply
from tests.fetch.conftest import EveryName, OpenFetcher, make_request
from tests.fixtures.http_server import Answer, LoggedRequest, TestHttpServer

FEED = b"<rss><channel/></rss>"
OpenPublic = Callable[..., FeedFetcher]


@pytest.fixture
def open_public(open_fetcher: OpenFetcher, as_public: None) -> OpenPublic:
    """A fetcher to which every name is a public host at 127.0.0.1; no gap, so that tests need not wait."""

    def open_one(**changes: object) -> FeedFetcher:
        return open_fetcher(resolver=EveryName(), **{"host_gap_seconds": 0.0, **changes})

    return open_one


def refuse(http_server: TestHttpServer, status: int = 429, **headers: str) -> None:
    """``/busy`` is answered so, whatever the host; all other paths named ``/feed`` are well."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    http_server.handle("/busy", lambda _: Answer(b"", status, fields))
    http_server.add("/feed", FEED)


def ask_all(fetcher: FeedFetcher, http_server: TestHttpServer, *places: str) -> list[Reply]:
    """Asks ``host/path`` each, in this order where they are one host's; replies in the order of the places."""
    urls = [f"http://{place.replace('/', f':{http_server.port}/', 1)}" for place in places]
    replies = fetcher.fetch([make_request(url, n) for n, url in enumerate(urls)])
    return sorted(replies, key=lambda reply: reply.request.feed_id)


def get_kinds(replies: Sequence[Reply]) -> list[type[Reply]]:
    return [type(reply) for reply in replies]


def test_the_pause_of_a_host_holds_for_the_rest_of_the_round(
    http_server: TestHttpServer, open_public: OpenPublic
) -> None:
    refuse(http_server, Retry_After="7200")

    first, *others, stranger = ask_all(
        open_public(), http_server, "a.example/busy", *["a.example/feed"] * 20, "b.example/feed"
    )

    assert isinstance(first, FetchFailed)
    assert (first.status, first.retry_after) == (429, timedelta(hours=2))
    assert set(get_kinds(others)) == {Postponed}
    for reply in others:
        assert isinstance(reply, Postponed)
        assert reply.reason == "a.example asks for 2 h (Retry-After)"
        assert timedelta(hours=1.9) < reply.wait <= timedelta(hours=2)
        assert (reply.exchanged.host_key, reply.exchanged.received_bytes) == ("a.example", 0)
    assert isinstance(stranger, Fetched)
    assert [request.path for request in http_server.requests].count("/feed") == 1


@pytest.mark.parametrize("status", [404, 429, 500, 503])
def test_it_holds_in_later_rounds_and_with_any_error(
    status: int, http_server: TestHttpServer, open_public: OpenPublic
) -> None:
    refuse(http_server, status, Retry_After="600")
    fetcher = open_public()
    ask_all(fetcher, http_server, "a.example/busy")

    replies = ask_all(fetcher, http_server, "a.example/feed", "A.Example./busy", "b.example/feed")

    assert get_kinds(replies) == [Postponed, Postponed, Fetched]
    assert len(http_server.requests) == 2


def test_it_holds_in_a_round_that_runs_already(http_server: TestHttpServer, open_public: OpenPublic) -> None:
    held, go = threading.Event(), threading.Event()

    def answer(_: LoggedRequest) -> Answer:
        held.set()
        go.wait(8)
        return Answer(b"", 503, {"Retry-After": "600"})

    http_server.handle("/held", answer)
    http_server.add("/feed", FEED)
    fetcher = open_public()
    mine: list[Reply] = []
    caller = threading.Thread(target=lambda: mine.extend(ask_all(fetcher, http_server, "a.example/held")))
    caller.start()
    assert held.wait(8)
    replies = fetcher.fetch([make_request(f"http://a.example:{http_server.port}/feed")])
    threading.Timer(0.05, go.set).start()

    (reply,) = replies
    caller.join(8)

    assert get_kinds(mine) == [FetchFailed]
    assert isinstance(reply, Postponed)
    assert http_server.count("/feed") == 0


def test_an_own_host_is_never_left_alone_as_a_whole(http_server: TestHttpServer, open_fetcher: OpenFetcher) -> None:
    """FreshRSS 7880: one feed of a bridge at home must not stop all the others."""
    refuse(http_server, Retry_After="7200")
    fetcher = open_fetcher(resolver=EveryName())

    replies = ask_all(fetcher, http_server, "a.lan/busy") + ask_all(fetcher, http_server, "a.lan/feed")

    assert get_kinds(replies) == [FetchFailed, Fetched]
    assert [reply.exchanged.own for reply in replies] == [True, True]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("kind", "kinds"),
    [
        ("feed", [Fetched, Fetched, Fetched]),
        ("host", [Postponed, Fetched, Fetched]),
        ("domain", [Postponed, Postponed, Fetched]),
    ],
)
def test_who_counts_as_one_host_is_a_setting(
    kind: str, kinds: list[type[Reply]], http_server: TestHttpServer, open_public: OpenPublic
) -> None:
    refuse(http_server, Retry_After="600")
    fetcher = open_public(host_key=kind)
    ask_all(fetcher, http_server, "one.example.org/busy")

    urls = [f"http://{host}:{http_server.port}/feed" for host in ("one.example.org", "two.example.org", "example.net")]
    replies = sorted(
        fetcher.fetch([make_request(url, n) for n, url in enumerate(urls, 1)]), key=lambda reply: reply.request.feed_id
    )

    assert get_kinds(replies) == kinds


def test_with_keys_of_feeds_the_pause_holds_for_that_feed(http_server: TestHttpServer, open_public: OpenPublic) -> None:
    refuse(http_server, Retry_After="600")
    fetcher = open_public(host_key="feed")
    ask_all(fetcher, http_server, "a.example/busy")

    (again,) = ask_all(fetcher, http_server, "a.example/busy")

    assert isinstance(again, Postponed)
    assert again.exchanged.host_key == "a.example#0"


def test_where_a_redirect_leads_may_be_frozen_too(http_server: TestHttpServer, open_public: OpenPublic) -> None:
    """The host that asked for the pause is left alone, not the one that led there."""
    refuse(http_server, Retry_After="600")
    hub = f"http://hub.example:{http_server.port}/busy"
    http_server.handle("/moved", lambda _: Answer(b"", 302, {"Location": hub}))
    fetcher = open_public()

    (first,) = ask_all(fetcher, http_server, "a.example/moved")
    replies = ask_all(fetcher, http_server, "b.example/moved", "a.example/feed", "hub.example/feed")

    assert isinstance(first, FetchFailed)
    assert first.exchanged.host_key == "a.example"
    assert get_kinds(replies) == [Postponed, Fetched, Postponed]
    assert http_server.count("/busy") == 1


def test_too_many_requests_without_a_time_means_half_an_hour(
    http_server: TestHttpServer, open_public: OpenPublic
) -> None:
    refuse(http_server, Retry_After="whenever you like")
    fetcher = open_public()

    (first,) = ask_all(fetcher, http_server, "a.example/busy")
    (other,) = ask_all(fetcher, http_server, "a.example/feed")

    assert isinstance(first, FetchFailed)
    assert isinstance(other, Postponed)
    assert first.retry_after == timedelta(minutes=30)
    assert first.reason == "a.example answered 429 Too Many Requests; it said no time: left alone for 30 min"
    assert other.reason == "a.example answered 429 and said no time: left alone for 30 min"


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ((), Fetched),
        (("example",), Fetched),
        (("a.example.org",), Postponed),
        (("example.org",), Postponed),
        (("*",), Postponed),
    ],
)
def test_a_403_may_mean_the_same(
    names: tuple[str, ...], kind: type[Reply], http_server: TestHttpServer, open_public: OpenPublic
) -> None:
    """FreshRSS 8928."""
    refuse(http_server, 403)
    fetcher = open_public(forbidden_as_rate_limit=names)

    (first,) = ask_all(fetcher, http_server, "a.example.org/busy")
    (other,) = ask_all(fetcher, http_server, "a.example.org/feed")

    assert isinstance(first, FetchFailed)
    assert first.retry_after == (timedelta(minutes=30) if kind is Postponed else None)
    assert ("left alone for 30 min" in first.reason) == (kind is Postponed)
    assert isinstance(other, kind)


@pytest.mark.parametrize("status", [500, 503, 404, 401])
def test_other_errors_without_a_time_pause_nobody(
    status: int, http_server: TestHttpServer, open_public: OpenPublic
) -> None:
    refuse(http_server, status)
    fetcher = open_public(forbidden_as_rate_limit=("*",))

    replies = ask_all(fetcher, http_server, "a.example/busy") + ask_all(fetcher, http_server, "a.example/feed")

    assert get_kinds(replies) == [FetchFailed, Fetched]


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("www.example.org", "example.org"),
        ("Blog.Example.CO.UK.", "example.co.uk"),
        ("a.tumblr.com", "tumblr.com"),
        ("a.github.io", "a.github.io"),
        ("localhost", "localhost"),
        ("co.uk", "co.uk"),
        ("192.0.2.7", "192.0.2.7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("bücher.example.de", "example.de"),
        ("bücher.de", "xn--bcher-kva.de"),
    ],
)
def test_the_key_of_a_domain_is_what_somebody_registered(host: str, domain: str) -> None:
    """By the list of public suffixes; an IP address is nobody's subdomain."""
    url = URL(f"https://{host}/feed")
    request = make_request(str(url), 7)

    assert HostKeys("domain").get(request, url, own=False) == domain
    assert HostKeys("domain").get(request, url, own=True) == HostKeys("host").get(request, url, own=False)
    assert HostKeys("feed").get(request, url, own=False).endswith("#7")


def test_names_are_those_of_hosts_or_of_domains_around_them() -> None:
    assert is_named("old.Reddit.com.", ["reddit.com"])
    assert is_named("anything.example", ["*"])
    assert not is_named("notreddit.com", ["reddit.com"])
    assert not is_named("com", ["reddit.com"])
