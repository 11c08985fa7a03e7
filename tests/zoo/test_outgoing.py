"""Z14 and T1: what documents name for the program to ask (hubs, listed feeds, feeds of a page) is judged like a feed.

Each test holds the whole table of addresses out to one part of the program that goes out by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from xml.sax.saxutils import quoteattr

import pytest

from aggregator.app import App
from aggregator.model.hub import Hub
from aggregator.storage import feeds, hubs
from aggregator.tasks.discover import discover_feed
from aggregator.tasks.lists import follow_lists
from aggregator.tasks.websub import renew_hubs
from tests.zoo.conftest import Zoo, check_healthy, get_feed, on_sqlite, run_round
from tests.zoo.documents import HEALTHY, atom, in_turn, redirect, rss, serve
from tests.zoo.test_addresses import ADDRESSES
from tests.zoo.world import SocketLog

pytestmark = on_sqlite

ATOM = "http://www.w3.org/2005/Atom"
SITE = {"title": "AI News", "url": "https://news.public-site.org", "contact": "editor@example.org"}


@pytest.fixture(autouse=True)
def nothing_leaves(zoo: Zoo, socket_log: SocketLog) -> Iterator[None]:
    """Only the zoo's own server was connected, as the interpreter saw it."""
    socket_log.start()
    yield
    seen = socket_log.stop()
    assert [event for event in seen if event[1] != ("127.0.0.1", zoo.server.plain_port)] == []


def naming(hub: str) -> bytes:
    """A feed whose hub this is."""
    return rss(
        "<item><guid>1</guid><title>T</title></item><item><guid>2</guid><title>T2</title></item>"
        "<item><guid>3</guid><title>T3</title></item>",
        f"<a:link xmlns:a='{ATOM}' rel='hub' href={quoteattr(hub)}/>",
    )


def test_no_hub_is_asked_at_an_address_that_is_not_public(zoo: Zoo) -> None:
    """Z14: no packet leaves, the feed is kept, and the hub is not asked again and again."""
    targets = [f"http://{host}/hub" for host in ADDRESSES] + [
        "file:///etc/passwd",
        "http://u:p@hub.example/",
        "ftp://h/",
    ]
    urls = [zoo.add(serve(naming(target))) for target in targets]
    zoo.add_healthy()
    with zoo.open(site=SITE) as app:
        check_healthy(zoo, run_round(app))
        asked = 0
        for _ in range(6):
            asked += renew_hubs(app)
            zoo.clock.now += timedelta(hours=1)
        assert 0 < asked < 6 * len(targets)
        for url in urls:
            feed = get_feed(app, url)
            assert (feed.state, feed.failures) == ("active", 0)

    assert len(zoo.server.requests) == len(zoo.specs)


def test_no_hub_leads_on_to_an_address_that_is_not_public(zoo: Zoo) -> None:
    """Z14: a public hub that redirects what we post."""
    for number, host in enumerate(ADDRESSES[:40]):
        hub = zoo.server.put(f"/hub-{number}", redirect(f"http://{host}/", (301, 302, 307, 308)[number % 4]))
        zoo.add(serve(naming(zoo.world.url(f"hub{number}.example", hub))))
    with zoo.open(site=SITE) as app:
        run_round(app)
        assert renew_hubs(app) == 40
        states = {find_hub_of(app, spec["url"]).state for spec in zoo.specs}
        assert "live" not in states

    posts = [asked for asked in zoo.server.requests if asked.method == "POST"]
    assert len(posts) == 40


def find_hub_of(app: App, url: str) -> Hub:
    with app.db.read() as conn:
        feed = feeds.get_by_url(conn, url)
        assert feed is not None
        hub = hubs.get_hub(conn, feed.id)
    assert hub is not None
    return hub


def test_no_listed_feed_is_asked_at_an_address_that_is_not_public(zoo: Zoo) -> None:
    """T1: a followed list of feeds that names the whole table, and one that has moved there itself."""
    named = [f"http://{host}/feed" for host in ADDRESSES]
    outlines = "".join(f"<outline type='rss' text='T' xmlUrl={quoteattr(url)}/>" for url in named)
    opml = f"<opml version='2.0'><head/><body>{outlines}</body></opml>".encode()
    good = zoo.server.put("/list.opml", serve(opml))
    moved = zoo.server.put("/moved.opml", redirect("http://169.254.169.254/list.opml", 301))
    zoo.add_healthy()
    zoo.specs += [{"opml": zoo.world.url("lists.example", good)}, {"opml": zoo.world.url("moved.example", moved)}]
    with zoo.open() as app:
        assert follow_lists(app) == 2
        results = run_round(app)
        check_healthy(zoo, results)
        taken = [result for url, result in results.items() if url not in zoo.healthy]
        assert {result.failure_class for result in taken} <= {"blocked", "dns"}
        assert len(taken) > 40


@pytest.mark.parametrize("by", ["link", "redirect", "itself"])
def test_no_search_for_a_feed_goes_to_an_address_that_is_not_public(by: str, zoo: Zoo) -> None:
    """T1: a page that names feeds there, a page that leads there, an address that lies there."""
    with zoo.open() as app:
        for number, host in enumerate(ADDRESSES[::3]):
            target = f"http://{host}/feed"
            link = f"<link rel=alternate type=application/rss+xml href={quoteattr(target)}>"
            page = serve(f"<!doctype html><title>x</title>{link}".encode(), Content_Type="text/html")
            path = zoo.server.put(f"/{number}", page if by == "link" else redirect(target))
            url = target if by == "itself" else zoo.world.url(f"page{number}.example", path)
            assert discover_feed(app, url).found == ()


def test_a_feed_that_is_lost_is_not_looked_for_at_such_an_address(zoo: Zoo) -> None:
    """T1: a feed names its site's home page, and then answers 404."""
    entry = "<entry><id>urn:1</id><title>T</title></entry>"
    for host in ADDRESSES[::4]:
        home = f"<link rel='alternate' href={quoteattr(f'http://{host}/')}/>"
        zoo.add(in_turn(serve(atom(entry, home)), serve(b"", 404)))
    zoo.add(serve(HEALTHY))
    with zoo.open() as app:
        for _ in range(12):
            run_round(app)
            zoo.clock.now += timedelta(days=2)
