"""Finding a feed from an address, over a web of a few pages that stands in memory."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aggregator.app import App
from aggregator.model.feed import Exchanged, Feed, Fetched, FetchFailed, FetchRequest, Hop, Reply
from aggregator.model.ids import FeedId
from aggregator.storage import feeds
from aggregator.tasks.discover import MAX_LOOKS, MAX_QUIET_LOOKS, discover_feed, rediscover
from aggregator.tasks.refresh import refresh_feeds
from tests.fixtures.program import Program

HOME = "https://harbour.example.org/"
PAGE = b'<!doctype html><title>Harbour</title><link rel="alternate" type="application/atom+xml" href="/news.xml">'
NO_FEEDS = b"<!doctype html><title>Harbour</title><p>Ships."


def make_atom(*numbers: int, title: str = "Harbour Wire") -> bytes:
    """An Atom feed, its entries a day apart."""
    body = "".join(
        f"<entry><id>tag:harbour.example.org,2025:{number}</id><title>Ship {number}</title>"
        f'<link href="{HOME}ships/{number}"/><updated>2025-12-{number:02}T12:00:00Z</updated></entry>'
        for number in numbers
    )
    return f'<feed xmlns="http://www.w3.org/2005/Atom"><title>{title}</title>{body}</feed>'.encode()


@pytest.fixture
def local(
    tmp_path: Path, sqlite_template: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Program:
    """On SQLite only: most of this has nothing to do with storage."""
    database = tmp_path / "news.sqlite3"
    shutil.copyfile(sqlite_template, database)
    return Program(tmp_path, f"sqlite:///{database}", capsys, monkeypatch)


class Web:
    """Answers from a table: bytes are a document, a pair is a redirect, a number or a word a failure; else 404."""

    def __init__(self, places: Mapping[str, bytes | tuple[int, str] | int | str]) -> None:
        self.places = dict(places)
        self.asked: list[FetchRequest] = []

    def fetch(self, requests: Iterable[FetchRequest], *, tick: float | None = None) -> Iterator[Reply]:
        for request in requests:
            self.asked.append(request)
            yield self._answer(request)

    def _answer(self, request: FetchRequest) -> Reply:
        url, hops = request.url, list[Hop]()
        while isinstance(place := self.places.get(url, 404), tuple):
            status, url = place
            hops.append(Hop(status=status, url=url))
        if isinstance(place, int):
            reason = f"the host answered {place}"
            return FetchFailed(request=request, failure_class="http", reason=reason, status=place)
        if isinstance(place, str):
            return FetchFailed(request=request, failure_class=place, reason="the host gave no answer")
        digest = hashlib.blake2b(place, digest_size=16).hexdigest()
        exchanged = Exchanged(hops=tuple(hops))
        return Fetched(request=request, final_url=url, status=200, body=place, body_hash=digest, exchanged=exchanged)

    def close(self) -> None:
        """Nothing is open."""

    @property
    def urls(self) -> list[str]:
        return [request.url for request in self.asked]


@contextmanager
def opened(local: Program, web: Web) -> Iterator[App]:
    local.configure()
    with local.app(fetcher=web) as app:
        yield app


def test_a_feed_is_its_own_answer(local: Program) -> None:
    """One request; title, kind, count and the newest three are told."""
    web = Web({HOME + "news.xml": make_atom(1, 2, 5, 4)})
    with opened(local, web) as app:
        (found,) = discover_feed(app, HOME + "news.xml").found

    assert (found.url, found.title, found.kind, found.entry_count) == (HOME + "news.xml", "Harbour Wire", "atom", 4)
    assert found.newest_at == datetime(2025, 12, 5, 12, tzinfo=UTC)
    assert [entry.title for entry in found.latest] == ["Ship 5", "Ship 4", "Ship 2"]
    assert len(web.asked) == 1


def test_the_page_names_its_feed(local: Program) -> None:
    """Two requests, both told; nothing else is asked."""
    web = Web({HOME: PAGE, HOME + "news.xml": make_atom(1)})
    with opened(local, web) as app:
        done = discover_feed(app, HOME + "#top")

    assert [found.url for found in done.found] == [HOME + "news.xml"]
    assert web.urls == [HOME, HOME + "news.xml"]
    assert [look.is_feed for look in done.looked_at] == [False, True]
    assert done.looked_at[0].outcome == 'this is a web page ("Harbour"), not a feed; it names a feed at /news.xml'
    assert done.looked_at[1].outcome == 'a feed: "Harbour Wire", 1 entry'


def test_the_usual_names_are_the_last_resort_and_end_with_the_first_feed(local: Program) -> None:
    """What the page names wrongly is tried first."""
    web = Web({HOME: PAGE, HOME + "rss.xml": make_atom(1), HOME + "index.xml": make_atom(2)})
    with opened(local, web) as app:
        done = discover_feed(app, HOME)

    assert [found.url for found in done.found] == [HOME + "rss.xml"]
    assert web.urls == [HOME, *(HOME + name for name in ("news.xml", "feed", "feed.xml", "rss.xml"))]


def test_a_service_is_known_by_its_address(local: Program) -> None:
    """All its feeds are asked, those without entries come last, and the usual names are left alone."""
    repo = "https://github.com/ada/engine"
    web = Web({repo: NO_FEEDS, f"{repo}/releases.atom": make_atom(), f"{repo}/tags.atom": make_atom(1)})
    with opened(local, web) as app:
        done = discover_feed(app, repo)

    assert [found.url for found in done.found] == [f"{repo}/tags.atom", f"{repo}/releases.atom"]
    assert web.urls == [repo, *(f"{repo}/{name}.atom" for name in ("releases", "tags", "commits"))]


def test_permanent_redirects_are_followed_for_good_temporary_ones_are_not(local: Program) -> None:
    """The address to keep is the one behind the permanent hops that come first."""
    old, new, cache = "http://harbour.example.org/feed", HOME + "feed", "https://cache.example.net/1"
    web = Web({old: (301, new), new: (302, cache), cache: make_atom(1)})
    with opened(local, web) as app:
        (found,) = discover_feed(app, old).found

    assert found.url == new


def test_nothing_found_is_told_look_by_look(local: Program) -> None:
    """Every address once, the reason beside it, at most twenty."""
    many = b"".join(b'<link rel="alternate" type="application/rss+xml" href="/%d">' % n for n in range(50))
    web = Web({HOME + "blog/": NO_FEEDS + many})
    with opened(local, web) as app:
        done = discover_feed(app, HOME + "blog/")

    assert done.found == ()
    assert [look.url for look in done.looked_at] == web.urls
    assert len(set(web.urls)) == len(web.urls) == MAX_LOOKS
    assert {look.outcome for look in done.looked_at[1:]} == {"the host answered 404"}


def test_a_host_that_does_not_answer_is_asked_once(local: Program) -> None:
    """Twelve usual names would be twelve more time-outs."""
    web = Web({HOME: "timeout"})
    with opened(local, web) as app:
        done = discover_feed(app, HOME)

    assert (web.urls, done.found) == ([HOME], ())
    assert done.looked_at[0].outcome == "the host gave no answer"


def test_a_page_that_is_gone_may_still_have_a_feed_beside_it(local: Program) -> None:
    """404 is an answer of one address, not of its host."""
    web = Web({HOME + "feed": make_atom(1)})
    with opened(local, web) as app:
        assert [found.url for found in discover_feed(app, HOME + "old-page").found] == [HOME + "feed"]


def test_one_feed_under_two_addresses_is_one_feed(local: Program) -> None:
    """Told by its bytes."""
    page = PAGE + b'<link rel="alternate" type="application/rss+xml" href="/feed">'
    web = Web({HOME: page, HOME + "news.xml": make_atom(1), HOME + "feed": make_atom(1)})
    with opened(local, web) as app:
        done = discover_feed(app, HOME)

    assert len(done.found) == 1
    assert done.looked_at[-1].outcome == 'the same feed again: "Harbour Wire", 1 entry'


def test_the_editors_headers_stay_with_their_host(local: Program) -> None:
    """A page may name a feed anywhere: it does not get the token."""
    elsewhere = "https://feeds.example.net/1"
    page = NO_FEEDS + b'<link rel="alternate" type="application/rss+xml" href="https://feeds.example.net/1">'
    web = Web({HOME: page, elsewhere: make_atom(1)})
    with opened(local, web) as app:
        discover_feed(app, HOME, headers=(("Authorization", "Bearer 1"),))

    assert [(request.url, bool(request.headers)) for request in web.asked] == [(HOME, True), (elsewhere, False)]


def test_comments_are_no_substitute(local: Program) -> None:
    """The page names only them: the search goes on, and they come last."""
    page = NO_FEEDS + b'<link rel="alternate" type="application/rss+xml" title="Comments" href="/comments/feed">'
    web = Web({HOME: page, HOME + "comments/feed": make_atom(9), HOME + "feed": make_atom(1)})
    with opened(local, web) as app:
        done = discover_feed(app, HOME)

    assert [found.url for found in done.found] == [HOME + "feed", HOME + "comments/feed"]


@pytest.mark.parametrize("status", [429, 503])
def test_a_host_that_asks_to_wait_is_left_alone(status: int, local: Program) -> None:
    """Twelve more requests would be the opposite of waiting."""
    web = Web({HOME: status})
    with opened(local, web) as app:
        done = discover_feed(app, HOME)

    assert (web.urls, done.found) == ([HOME], ())
    assert done.looked_at[0].outcome == f"the host answered {status}"


def test_a_page_with_a_feed_for_every_topic_is_not_emptied(local: Program) -> None:
    """The first eight are enough to choose from."""
    topics = {f"{HOME}topics/{number}.xml": make_atom(number + 1) for number in range(20)}
    links = b"".join(b'<link rel="alternate" type="application/rss+xml" href="/topics/%d.xml">' % n for n in range(20))
    web = Web({HOME: NO_FEEDS + links, **topics})
    with opened(local, web) as app:
        done = discover_feed(app, HOME)

    assert [found.url for found in done.found] == list(topics)[:8]
    assert len(web.asked) == 9


# Feeds that answer 404.


@contextmanager
def lost_feed(program: Program, web: Web) -> Iterator[tuple[App, Feed]]:
    """A feed with three stored entries, which has gone from its address."""
    old = HOME + "old.xml"
    web.places[old] = make_atom(1, 2, 3)
    program.configure(feeds=[{"url": old}])
    with program.app(fetcher=web) as app:
        with app.db.read() as conn:
            stored = feeds.get_by_url(conn, old)
        assert stored is not None
        refresh_feeds(app, [stored.id])
        with app.db.read() as conn:
            stored = feeds.get_feeds(conn, [stored.id])[stored.id]
        del web.places[old]
        web.asked.clear()
        yield app, stored


@pytest.mark.parametrize(
    ("body", "is_found"),
    [
        (make_atom(3, 4, title="New name"), True),  # an entry that we have
        (make_atom(8, 9), True),  # the same title
        (make_atom(8, 9, title="New name"), False),
        (make_atom(title="New name"), False),
    ],
)
def test_a_lost_feed_is_known_again_by_its_entries_or_its_title(program: Program, body: bytes, is_found: bool) -> None:
    """On both databases; what is not known again is not proposed."""
    web = Web({HOME: PAGE, HOME + "news.xml": body})
    with lost_feed(program, web) as (app, feed):
        found = rediscover(app, feed)

    assert (found.url if found else None) == (HOME + "news.xml" if is_found else None)
    assert feed.spec.url not in web.urls
    assert len(web.urls) <= MAX_QUIET_LOOKS


def test_a_lost_feed_is_looked_for_past_its_sites_other_feeds(local: Program) -> None:
    """The page still names the dead address and the feed of comments; the right one has a usual name."""
    page = PAGE.replace(b"/news.xml", b"/old.xml") + PAGE.replace(b"/news.xml", b"/comments.xml")
    web = Web({HOME: page, HOME + "comments.xml": make_atom(9, title="Comments"), HOME + "feed": make_atom(3, 4)})
    with lost_feed(local, web) as (app, feed):
        found = rediscover(app, feed)

    assert found is not None
    assert found.url == HOME + "feed"


def test_a_lost_feed_is_not_looked_for_at_somebody_elses(local: Program) -> None:
    """A copy of its entries on another site is no reason to move there."""
    page = PAGE.replace(b"/news.xml", b"https://thief.example.net/news.xml")
    web = Web({HOME: page, "https://thief.example.net/news.xml": make_atom(1, 2, 3)})
    with lost_feed(local, web) as (app, feed):
        assert rediscover(app, feed) is None


def test_the_search_names_no_stored_feed(local: Program) -> None:
    """Its requests belong to feed 0, which is nobody."""
    web = Web({HOME: PAGE})
    with opened(local, web) as app:
        discover_feed(app, HOME)

    assert {request.feed_id for request in web.asked} == {FeedId(0)}
