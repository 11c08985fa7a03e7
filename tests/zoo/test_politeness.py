"""Z55-Z57, Z62: what servers ask for is done, seen from the server's own log by the program's clock.

Z61 has no case: ``robots.txt`` is never asked for. It is for crawlers that find addresses by themselves; each address
that is asked here was given by an editor, or by the host itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest

from aggregator.app import App
from tests.zoo.conftest import START, Zoo, get_feed, list_stored, live, on_sqlite, run_round, wait_until_due
from tests.zoo.documents import HEALTHY, in_turn, item, rss, serve
from tests.zoo.expect import check_sentence
from tests.zoo.server import Asked, Visit

pytestmark = on_sqlite

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
#: As configured by default.
SHORTEST, LONGEST, GIVEN_UP = 30 * MINUTE, DAY, 7 * DAY
#: Waits are lengthened by chance, never shortened.
SPREAD = 1.15


def find_gaps(asked: Sequence[Asked]) -> list[timedelta]:
    times = [one.when for one in asked]
    return [later - earlier for earlier, later in pairwise(times)]


def ask_once(zoo: Zoo, app: App, url: str) -> timedelta:
    """One round; how long the feed is left alone after it."""
    run_round(app)
    return get_feed(app, url).next_due_at - zoo.clock.now


RETRY_AFTER = {
    "Z55 two hours": ("7200", 2 * HOUR, 2 * HOUR * SPREAD),
    "Z55 a second": ("1", SHORTEST, LONGEST),
    "Z55 zero": ("0", SHORTEST, LONGEST),
    "Z55 two days": (str(2 * 86_400), 2 * DAY, 2 * DAY * SPREAD),
    "Z56 a date": (format_datetime(START + 3 * HOUR, usegmt=True), 3 * HOUR, 3 * HOUR * SPREAD),
    "Z56 a date that is past": (format_datetime(START - DAY, usegmt=True), SHORTEST, LONGEST),
    "Z56 a date in 3000": ("Fri, 31 Dec 2999 23:59:59 GMT", GIVEN_UP, GIVEN_UP * SPREAD),
    "Z56 10^9": ("1000000000", GIVEN_UP, GIVEN_UP * SPREAD),
    "Z56 10^30": ("1" + "0" * 30, SHORTEST, GIVEN_UP * SPREAD),
    "Z56 negative": ("-5", SHORTEST, LONGEST),
    "Z56 garbage": ("soon; \x80 maybe", SHORTEST, LONGEST),
    "Z56 a fraction": ("1.5", SHORTEST, LONGEST),
    "Z56 nothing": ("", SHORTEST, LONGEST),
}


@pytest.mark.parametrize("status", [429, 503, 403, 500])
def test_retry_after_is_obeyed_and_clamped(status: int, zoo: Zoo) -> None:
    """Z55, Z56: in seconds or as a date, of any error status."""
    now = format_datetime(START, usegmt=True)
    urls = {
        zoo.add(serve(b"", status, Retry_After=value, Date=now)): (name, low, high)
        for name, (value, low, high) in RETRY_AFTER.items()
    }
    with zoo.open() as app:
        run_round(app)
        for url, (name, low, high) in urls.items():
            wait = get_feed(app, url).next_due_at - START
            assert low <= wait <= high, (name, wait)
            assert get_feed(app, url).state == "active"


def test_retry_after_holds_for_the_whole_of_a_public_host(zoo: Zoo) -> None:
    """Z55: feeds of a host that asked for quiet are not asked meanwhile, others' are; nor after a restart."""
    busy = zoo.add(in_turn(serve(HEALTHY), serve(b"", 429, Retry_After="36000")), host="busy.example", interval="30m")
    for _ in range(3):
        zoo.add(serve(HEALTHY), host="busy.example", interval="2h")
    other = zoo.add(serve(HEALTHY), interval="30m")
    with zoo.open() as app:
        run_round(app)
        zoo.clock.now = get_feed(app, busy).next_due_at
        run_round(app)
        quiet_from = zoo.clock.now
        live(zoo, app, until=quiet_from + 4 * HOUR)
    with zoo.open() as app:
        live(zoo, app, until=quiet_from + 9 * HOUR)
        assert [one for one in zoo.server.requests if one.host == "busy.example" and one.when > quiet_from] == []
        assert get_feed(app, other).failures == 0
        assert {get_feed(app, spec["url"]).failures for spec in zoo.specs[1:]} == {0}, "to wait is no failure"
    with zoo.open() as app:
        live(zoo, app, until=quiet_from + 16 * HOUR)
    late = [one for one in zoo.server.requests if one.host == "busy.example" and one.when > quiet_from]
    assert {one.path for one in late} == {"/feed-0", "/feed-1", "/feed-2", "/feed-3"}


def test_retry_after_of_one_feed_freezes_no_host_of_our_own_network(zoo: Zoo) -> None:
    """FreshRSS 7880: a bridge in one's own network that says 429 for one site serves the others."""
    zoo.add(serve(b"", 429, Retry_After="36000"), host="bridge.example")
    other = zoo.add(serve(HEALTHY), host="bridge.example", interval="30m")
    with zoo.open(fetch={"allow_networks": ["93.184.0.0/16"]}, allow_networks=("93.184.0.0/16",)) as app:
        run_round(app)
        live(zoo, app, until=START + 4 * HOUR)
        assert get_feed(app, other).failures == 0

    assert len([one for one in zoo.server.requests if one.path == "/feed-1"]) >= 4


def test_a_storm_of_503_is_met_with_ever_longer_waits_and_survived(zoo: Zoo) -> None:
    """Z57: doubling up to seven days, never the end; the first good answer sets all right."""

    async def storm(visit: Visit) -> None:
        if visit.times < 14:
            await visit.answer(b"overloaded", 503)
        else:
            await visit.answer(HEALTHY)

    url = zoo.add(storm)
    with zoo.open() as app:
        waits = [ask_once(zoo, app, url)]
        for _ in range(13):
            wait_until_due(zoo, app, url)
            waits.append(ask_once(zoo, app, url))
        assert all(SHORTEST <= wait <= GIVEN_UP * SPREAD for wait in waits)
        assert all(later >= earlier * 1.5 or later >= GIVEN_UP for earlier, later in pairwise(waits))
        assert waits[-1] >= GIVEN_UP
        assert get_feed(app, url).state == "active"
        check_sentence(get_feed(app, url).failure_reason)
        wait_until_due(zoo, app, url)
        assert ask_once(zoo, app, url) <= LONGEST * SPREAD
        assert (get_feed(app, url).failures, len(list_stored(app, url))) == (0, 3)

    gaps = find_gaps(zoo.server.requests)
    assert gaps == sorted(gaps)


def test_a_wall_is_named_and_met_with_patience_and_an_honest_name(zoo: Zoo) -> None:
    """Z62: 403 for names it does not know."""
    plain = zoo.add(serve(b"Forbidden", 403))
    wall = zoo.add(serve(b"<html>", 403, cf_mitigated="challenge"))
    with zoo.open() as app:
        run_round(app)
        live(zoo, app, until=START + 3 * DAY)
        assert get_feed(app, plain).failure_class == get_feed(app, wall).failure_class == "http"
        assert "403" in get_feed(app, plain).failure_reason
        assert "Cloudflare" in get_feed(app, wall).failure_reason
        assert get_feed(app, plain).state == "active"

    assert {asked.headers["user-agent"] for asked in zoo.server.requests} == {"Zoo/1 (+https://example.org)"}
    assert all({"cookie", "referer", "authorization"}.isdisjoint(asked.headers) for asked in zoo.server.requests)
    gaps = find_gaps(zoo.server.asked_for("/feed-0"))
    assert gaps == sorted(gaps) and gaps[-1] > gaps[0]


def test_a_host_that_says_403_where_it_means_429_is_left_alone_as_a_whole(zoo: Zoo) -> None:
    """Z62 with ``fetch.forbidden_as_rate_limit``."""
    zoo.add(in_turn(serve(HEALTHY), serve(b"", 403)), host="reddit.example", interval="30m")
    calm = zoo.add(serve(HEALTHY), host="reddit.example", interval="40m")
    with zoo.open(
        fetch={"forbidden_as_rate_limit": ["reddit.example"]}, forbidden_as_rate_limit=("reddit.example",)
    ) as app:
        run_round(app)
        wait_until_due(zoo, app, zoo.specs[0]["url"])
        run_round(app)
        frozen_at = zoo.clock.now
        zoo.clock.now = get_feed(app, calm).next_due_at
        run_round(app)
        assert [one for one in zoo.server.asked_for("/feed-1") if one.when > frozen_at] == []
        assert get_feed(app, calm).failures == 0


def test_a_restart_asks_nobody_again_and_keeps_every_due_time(zoo: Zoo) -> None:
    """Nothing is due because the program is new."""
    for _ in range(20):
        zoo.add(serve(rss(item(1)), ETag='"1"'))
    with zoo.open() as app:
        run_round(app)
        due = [get_feed(app, spec["url"]).next_due_at for spec in zoo.specs]
    zoo.clock.now += MINUTE
    with zoo.open() as app:
        assert run_round(app) == {}
        assert [get_feed(app, spec["url"]).next_due_at for spec in zoo.specs] == due

    assert len(zoo.server.requests) == 20


def test_feeds_of_one_host_that_are_overdue_after_a_stop_come_one_by_one(zoo: Zoo) -> None:
    """A gap between requests that the configuration asks for; at no time two of them."""
    for _ in range(8):
        zoo.add(serve(rss(item(1)), ETag='"1"'), host="one.example")
    with zoo.open(host_gap_seconds=0.0) as app:
        run_round(app)
    zoo.clock.now += 30 * DAY
    with zoo.open(host_gap_seconds=0.1) as app:
        assert len(run_round(app)) == 8

    times = [one.at for one in zoo.server.requests[8:]]
    assert len(times) == 8 and all(one.conditional for one in zoo.server.requests[8:])
    assert all(later - earlier > 0.05 for earlier, later in pairwise(times))
