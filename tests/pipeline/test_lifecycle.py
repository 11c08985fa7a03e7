"""Moves, deaths, strikes, alarms and outages: what is believed on which evidence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.feed import Feed, FeedSpec, Hop, Move
from aggregator.model.ids import FeedId
from aggregator.pipeline.lifecycle import (
    OVERDUE_AT_ONCE,
    OVERDUE_SPAN,
    count_strikes,
    find_alarm,
    find_gone,
    follow_move,
    is_local_outage,
    spread_overdue,
)

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OLD, NEW = "https://old.example/feed", "https://new.example/feed"


def make_feed(url: str = OLD, **changes: Any) -> Feed:
    given: dict[str, Any] = {
        "id": FeedId(1), "spec": FeedSpec(url=url), "state": "active", "title": "", "site_url": "", "language": "",
        "atom_id": "", "rights": "", "author": "", "feed_updated_at": None, "etag": "", "last_modified": "",
        "body_hash": "", "last_fetched_at": NOW - HOUR, "last_status": 200, "first_imported_at": NOW - 400 * DAY,
        "next_due_at": NOW, "next_due_reason": "", "failures": 0, "failure_class": "", "failure_reason": "",
        "arrivals": (NOW - HOUR,), "document_entries": 30, "largest_document": 30,
    }  # fmt: skip
    return Feed(**(given | changes))


def go(*targets: str, status: int = 301) -> tuple[Hop, ...]:
    return tuple(Hop(status=status, url=target) for target in targets)


def follow(feed: Feed, *hops: Hop, readable: bool = True, same_content: bool = False) -> tuple[Move | None, str]:
    return follow_move(feed, hops, now=NOW, readable=readable, same_content=same_content)


def moved(url: str = NEW, ago: timedelta = 2 * DAY, times: int = 4) -> Move:
    return Move(url=url, first_seen_at=NOW - ago, times=times)


def test_a_move_is_adopted_when_it_was_seen_five_times_over_two_days() -> None:
    """Neither four times, nor two days less an hour, nor a place that is no feed is enough."""
    hops = go("https://hop.example/", NEW)

    assert follow(make_feed(), *hops) == (moved(ago=0 * DAY, times=1), "")
    assert follow(make_feed(move=moved(times=3)), *hops) == (moved(), "")
    assert follow(make_feed(move=moved(ago=47 * HOUR)), *hops) == (moved(ago=47 * HOUR, times=5), "")
    assert follow(make_feed(move=moved()), *hops, readable=False) == (moved(times=5), "")
    assert follow(make_feed(move=moved()), *hops) == (moved(times=5), NEW)


@pytest.mark.parametrize(
    "hops",
    [
        go(NEW, status=302),
        go(NEW, status=307),
        (*go(NEW), *go("https://cdn.example/feed", status=302)),
        go("http://old.example/feed"),
        go("http://hop.example/", NEW),
        go(OLD),
        go(OLD + "#top"),
        go("https://user@new.example/feed"),
        (),
    ],
)
def test_what_is_no_permanent_safe_move_begins_anew(hops: tuple[Hop, ...]) -> None:
    assert follow(make_feed(move=moved(times=50)), *hops) == (None, "")


def test_another_target_begins_anew_and_a_failure_without_redirect_says_nothing() -> None:
    feed = make_feed(move=moved(times=50))

    assert follow(feed, *go("https://third.example/")) == (moved("https://third.example/", 0 * DAY, 1), "")
    assert follow(feed, readable=False) == (feed.move, "")


@pytest.mark.parametrize(
    ("url", "target", "at_once"),
    [
        ("http://a.example/feed?x=1", "https://a.example/feed?x=1", True),
        ("http://A.example:80/feed", "https://a.example:443/feed", True),
        ("http://a.example", "https://a.example/", True),
        ("http://a.example/feed", "https://www.a.example/feed", False),
        ("http://a.example/feed", "https://a.example/feed/", False),
        ("http://a.example:8000/feed", "https://a.example/feed", False),
        ("https://a.example/feed", "https://b.example/feed", False),
    ],
)
def test_http_becomes_https_at_once_when_it_is_the_same(url: str, target: str, at_once: bool) -> None:
    """The same address, the same content, a permanent redirect."""
    assert follow(make_feed(url), *go(target), same_content=True)[1] == (target if at_once else "")
    assert follow(make_feed(url), *go(target))[1] == ""
    assert follow(make_feed(url), *go(target, status=302), same_content=True) == (None, "")


def test_a_folder_never_moves() -> None:
    assert follow(make_feed("folder:/posts", move=moved()), *go(NEW)) == (None, "")


def test_410_twice_a_day_apart_is_the_end_and_404_never_is() -> None:
    reason = "gone: answers 410 since 2026-11-24"
    once = make_feed(gone_since=NOW - DAY)

    assert find_gone(make_feed(), 410, now=NOW) == (NOW, "")
    assert find_gone(once, 410, now=NOW - HOUR) == (NOW - DAY, "")
    assert find_gone(once, 410, now=NOW) == (NOW - DAY, reason)
    for says_nothing in (None, 429, 500, 503):
        assert find_gone(once, says_nothing, now=NOW) == (NOW - DAY, "")
    for ends_it in (200, 304, 301, 403, 404):
        assert find_gone(once, ends_it, now=NOW) == (None, "")


def test_three_hostile_documents_in_a_row_bring_quarantine_and_a_readable_one_ends_it() -> None:
    assert count_strikes(make_feed(), "too_hostile") == (1, False)
    assert count_strikes(make_feed(strikes=2), "too_hostile") == (3, True)
    assert count_strikes(make_feed(strikes=3), "quarantined") == (4, True)
    assert count_strikes(make_feed(strikes=3), "timeout") == (3, True)
    assert count_strikes(make_feed(strikes=2), "not_a_feed") == (2, False)
    assert count_strikes(make_feed(strikes=9), "") == (0, False)


def alarm(feed: Feed, **changes: Any) -> str:
    given = {"now": NOW, "document_entries": None, "failures": 0, "failure_class": "", "page": False}
    return find_alarm(feed, **(given | changes))


WEEKLY = tuple(NOW - 40 * DAY - n * 7 * DAY for n in range(10))
QUARTERLY = tuple(NOW - 100 * DAY - n * 91 * DAY for n in range(4) for _ in range(5))


@pytest.mark.parametrize(
    ("feed", "changes", "words"),
    [
        ({}, {}, ""),
        ({}, {"document_entries": 30}, ""),
        ({"strikes": 3}, {"failures": 3, "failure_class": "quarantined"},
         "in quarantine: too hostile 3 times in a row"),
        ({}, {"failures": 9, "failure_class": "dns"}, ""),
        ({}, {"failures": 10, "failure_class": "dns"}, "failed 10 times in a row"),
        ({"last_fetched_at": NOW - 4 * DAY}, {"failures": 4}, "failed for about a week or longer"),
        ({"last_fetched_at": NOW - 4 * DAY}, {"failures": 1}, ""),
        ({}, {"failures": 1, "failure_class": "no_items"}, "its rules find nothing on the page any more"),
        ({"largest_document": 1}, {"document_entries": 0, "page": True}, "its rules find nothing on the page any more"),
        ({}, {"document_entries": 0}, "holds no entries any more, once 30"),
        ({"document_entries": 0}, {}, "holds no entries any more, once 30"),
        ({"document_entries": 0, "largest_document": 4}, {}, ""),
        ({"document_entries": 0, "largest_document": 0, "first_imported_at": None}, {}, ""),
        ({}, {"document_entries": 5}, "shrank: holds 5 entries, once 30"),
        ({}, {"document_entries": 5, "held": 1},
         "1 new entry matches nothing that it said before and is held for review: `feeds release` admits them"),
        ({}, {"failures": 10, "failure_class": "dns", "held": 7}, "failed 10 times in a row"),
        ({}, {"document_entries": 1}, "shrank: holds 1 entry, once 30"),
        ({}, {"document_entries": 6}, ""),
        ({"largest_document": 19}, {"document_entries": 1}, ""),
        ({"largest_document": 500}, {"document_entries": 50}, ""),
        ({"arrivals": WEEKLY}, {}, ""),
        ({"arrivals": WEEKLY}, {"now": NOW + 5 * DAY}, "silent for 45 days, usually about 7 days"),
        ({"arrivals": tuple(NOW - n * HOUR for n in range(20))}, {"now": NOW + 30 * DAY},
         "silent for 30 days, usually less than a day"),
        ({"arrivals": QUARTERLY}, {}, ""),
        ({"arrivals": QUARTERLY}, {"now": NOW + 500 * DAY}, "silent for 600 days, usually about 91 days"),
        ({"arrivals": (), "first_imported_at": NOW - 179 * DAY}, {}, ""),
        ({"arrivals": ()}, {}, "silent for 400 days"),
        ({"arrivals": (NOW + DAY,)}, {}, "silent for 400 days"),
        ({"arrivals": (), "first_imported_at": None}, {}, ""),
        ({"gone_since": NOW}, {}, "says that it is gone (410) since 2026-11-25: paused if it does so a day later"),
        ({"move": moved(times=3)}, {}, f"moved permanently to {NEW}, seen 3 times"),
        ({"move": moved(times=1)}, {}, f"moved permanently to {NEW}, seen 1 time"),
        ({"move": moved(OLD)}, {}, ""),
        ({"move": moved()}, {"failures": 12}, "failed 12 times in a row"),
    ],
)  # fmt: skip
def test_the_most_important_alarm_in_words(feed: dict[str, Any], changes: dict[str, Any], words: str) -> None:
    assert alarm(make_feed(**feed), **changes) == words


def outcomes(dns: int = 0, timeout: int = 0, ok: int = 0, http: int = 0) -> list[tuple[str, str]]:
    classes = ["dns"] * dns + ["timeout"] * timeout + [""] * ok + ["http"] * http
    return [(f"host{number}", failure_class) for number, failure_class in enumerate(classes)]


@pytest.mark.parametrize(
    ("found", "is_outage"),
    [
        ([], False),
        (outcomes(dns=4), False),
        (outcomes(dns=3, timeout=2), True),
        (outcomes(dns=4, ok=1), True),
        (outcomes(dns=4, http=2), False),
        (outcomes(http=9), False),
        (outcomes(dns=1) * 20, False),
        ([*outcomes(dns=5), ("host0", ""), ("host1", "http")], False),
        ([("", "dns")] * 20, False),
    ],
)
def test_it_is_us_when_nearly_no_host_answers(found: list[tuple[str, str]], is_outage: bool) -> None:
    """Hosts count, not feeds; a host that answered once is up; an error status is an answer."""
    assert is_local_outage(found) is is_outage
    assert is_local_outage(found[::-1]) is is_outage


OVERDUE = st.dictionaries(st.integers(1, 10**6), st.sampled_from(["", "a", "b", "c", "d"]), max_size=200)


@given(OVERDUE, st.text(max_size=3), st.randoms(use_true_random=False))
def test_overdue_feeds_come_back_spread_and_in_the_same_way_each_time(
    hosts: dict[int, str], rng_key: str, random: Any
) -> None:
    feeds = [(FeedId(number), host) for number, host in hosts.items()]
    due = spread_overdue(feeds, now=NOW, rng_key=rng_key)
    random.shuffle(feeds)

    assert spread_overdue(feeds, now=NOW, rng_key=rng_key) == due
    assert set(due) == set(hosts)
    assert all(NOW <= at <= NOW + OVERDUE_SPAN for at in due.values())
    at_once = [hosts[feed_id] or str(feed_id) for feed_id, at in due.items() if at == NOW]
    assert len(at_once) <= OVERDUE_AT_ONCE
    assert not hosts or at_once


def test_ten_thousand_overdue_feeds_make_no_burst() -> None:
    """A host with many is asked evenly over the half hour, and no minute has much more than its share."""
    feeds = [(FeedId(number), "big" if number < 900 else f"host{number}") for number in range(10_000)]
    due = spread_overdue(feeds, now=NOW, rng_key="x")
    minutes = [0] * 31
    for at in due.values():
        minutes[int((at - NOW) / timedelta(minutes=1))] += 1
    big = sorted(at for feed_id, at in due.items() if feed_id < 900)

    assert max(minutes) < 2 * 10_000 / 30
    assert max(later - earlier for earlier, later in pairwise(big)) < 3 * OVERDUE_SPAN / 900
    assert min(later - earlier for earlier, later in pairwise(big[1:])) > OVERDUE_SPAN / 900 / 2
    few = spread_overdue(feeds[-20:], now=NOW, rng_key="x")
    assert set(few.values()) == {NOW}
