"""Z58, Z59: feeds that are gone or live elsewhere. What is adopted needs evidence, what is given up needs more."""

from __future__ import annotations

import ssl
from datetime import timedelta

from aggregator.app import App
from aggregator.model.ids import FeedId
from aggregator.storage import feeds
from tests.zoo.conftest import START, Zoo, get_feed, list_stored, on_sqlite, run_round, wait_until_due
from tests.zoo.documents import HEALTHY, in_turn, redirect, serve
from tests.zoo.server import Visit

pytestmark = on_sqlite

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_410_twice_a_day_apart_pauses_and_404_never_does(zoo: Zoo) -> None:
    """Z58."""
    gone = zoo.add(in_turn(serve(HEALTHY), serve(b"", 410)))
    missing = zoo.add(in_turn(serve(HEALTHY), serve(b"", 404)))
    back = zoo.add(in_turn(serve(HEALTHY), serve(b"", 410), serve(HEALTHY)))
    with zoo.open() as app:
        run_round(app)
        wait_until_due(zoo, app, gone)
        zoo.clock.now += HOUR
        run_round(app)
        assert get_feed(app, gone).state == "active", "once may be a mistake"
        for _ in range(60):
            if get_feed(app, gone).state != "active":
                break
            zoo.clock.now += 4 * HOUR
            run_round(app)
        assert get_feed(app, gone).state == "paused"
        assert zoo.clock.now - START >= DAY
        asked = zoo.server.count("/feed-0")
        zoo.clock.now += 30 * DAY
        for _ in range(5):
            zoo.clock.now += 8 * DAY
            run_round(app)
        assert zoo.server.count("/feed-0") == asked, "a feed that is gone is asked no more"
        assert get_feed(app, missing).state == get_feed(app, back).state == "active"
        assert zoo.server.count("/feed-1") >= 5
        assert len(list_stored(app, gone)) == 3, "its entries stay"


def test_a_permanent_move_is_adopted_on_evidence_only(zoo: Zoo) -> None:
    """Z59: five sightings over two days, to a place that is a feed; 302, changing and parked targets never."""
    home = zoo.server.put("/home", serve(HEALTHY, ETag='"h"'))
    parked = zoo.server.put("/parked", serve(b"<!DOCTYPE html><html><title>For sale</title></html>"))
    zoo.world.settle("new.example")
    moved = zoo.add(redirect(f"http://new.example{home}", 301))
    permanent = zoo.add(redirect(f"http://new.example{home}?2", 308))
    temporary = zoo.add(redirect(f"http://new.example{home}?3", 302))
    flapping = zoo.add(in_turn(*[redirect(f"http://new.example{home}?flap={n % 2}", 301) for n in range(400)]))
    lost = zoo.add(redirect(f"http://new.example{parked}", 301))
    mixed = zoo.add(redirect("/hop", 301))
    zoo.server.put("/hop", redirect(f"http://new.example{home}?4", 302))
    urls = [spec["url"] for spec in zoo.specs]
    with zoo.open() as app:
        ids = {url: get_feed(app, url).id for url in urls}
        for _ in range(4):
            zoo.clock.now += HOUR
            run_round(app)
        assert {get_feed(app, url).spec.url for url in urls} == set(urls), "four in four hours are no evidence"
        for _ in range(40):
            zoo.clock.now += 6 * HOUR
            run_round(app)
        now = {feed_url: find_address(app, number) for feed_url, number in ids.items()}

    assert now[moved] == f"http://new.example{home}"
    assert now[permanent] == f"http://new.example{home}?2"
    for stays in (temporary, flapping, lost, mixed):
        assert now[stays] == stays


def find_address(app: App, number: FeedId) -> str:
    """Where a feed lives now."""
    with app.db.read() as conn:
        return feeds.get_feeds(conn, [number])[number].spec.url


def test_http_becomes_https_at_once_when_the_document_is_the_same(secure_zoo: tuple[Zoo, ssl.SSLContext]) -> None:
    """Z59."""
    zoo, trust = secure_zoo

    async def upgrade(visit: Visit) -> None:
        if visit.secure or visit.times == 0:
            await visit.answer(HEALTHY)
        else:
            await visit.answer(b"", 301, Location=f"https://secure.example{visit.asked.path}?{visit.asked.query}")

    url = zoo.add(upgrade, host="secure.example")
    with zoo.open(tls=trust) as app:
        number = get_feed(app, url).id
        run_round(app)
        wait_until_due(zoo, app, url)
        run_round(app)
        assert find_address(app, number) == url.replace("http://", "https://")
        assert len(list_stored(app)) == 3
