"""When a feed is asked again: who asks for how long, in which words, and the laws that hold whatever they ask."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.feed import CheckHints
from aggregator.model.said import say_wait
from aggregator.pipeline.checks import MAX_BACKOFF, SPREAD, next_check

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)  # a Wednesday
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LEAST, MOST = 30 * MINUTE, DAY


def ask(**changes: Any) -> tuple[timedelta, str]:
    """Wait and reason; of hints, as many as are named."""
    given: dict[str, Any] = {
        "now": NOW, "interval": None, "arrivals": (), "hints": CheckHints(), "fresh_for": None, "failures": 0,
        "retry_after": None, "pushed": False, "min_interval": LEAST, "max_interval": MOST, "jitter": 0.0,
    }  # fmt: skip
    hints = {name: changes.pop(name) for name in CheckHints.__slots__ if name in changes}
    due_at, reason = next_check(**(given | {"hints": CheckHints(**hints)} | changes))
    return due_at - NOW, reason


def came(*ago: timedelta) -> tuple[datetime, ...]:
    return tuple(NOW - each for each in ago)


@pytest.mark.parametrize(
    ("changes", "wait", "reason"),
    [
        ({}, LEAST, "its rhythm is not known yet, at least 30 min"),
        ({"known_since": NOW - 2 * DAY}, 2 * HOUR, "nothing new for 2 d"),
        ({"known_since": NOW - 90 * DAY}, DAY, "nothing new for 90 d, at most 1 d"),
        ({"known_since": NOW + DAY}, LEAST, "its rhythm is not known yet, at least 30 min"),
        ({"arrivals": came(DAY)}, HOUR, "nothing new for 1 d"),
        ({"arrivals": came(HOUR, 8 * HOUR, 16 * HOUR, DAY)}, 3 * HOUR, "about 4 entries a day"),
        ({"arrivals": came(*[HOUR / 4 * n for n in range(1, 21)])}, LEAST, "about 96 entries a day, at least 30 min"),
        ({"arrivals": came(DAY, 2 * DAY, 21 * DAY)}, DAY, "about 1 entry a week, at most 1 d"),
        ({"arrivals": came(*[3 * DAY] * 20)}, 3 * HOUR, "nothing new for 3 d"),
        ({"arrivals": came(*[DAY] * 20)}, HOUR, "nothing new for 1 d"),
        ({"arrivals": (NOW,) * 20}, LEAST, "about 1440 entries a day, at least 30 min"),
        ({"interval": 3 * HOUR}, 3 * HOUR, "every 3 h, as set for this feed"),
        ({"interval": MINUTE}, LEAST, "every 1 min, as set for this feed, at least 30 min"),
        ({"interval": 2 * DAY}, DAY, "every 2 d, as set for this feed, at most 1 d"),
        ({"interval": HOUR, "arrivals": came(DAY, 9 * DAY, 30 * DAY)}, HOUR, "every 1 h, as set for this feed"),
        ({"fresh_for": 2 * HOUR}, 2 * HOUR, "server asks for 2 h (Cache-Control)"),
        ({"fresh_for": 720 * HOUR}, DAY, "server asks for 30 d (Cache-Control), at most 1 d"),
        ({"ttl_minutes": 60}, HOUR, "feed asks for 1 h (ttl)"),
        ({"ttl_minutes": 60, "fresh_for": 2 * HOUR}, 2 * HOUR, "server asks for 2 h (Cache-Control)"),
        ({"ttl_minutes": 10**15}, DAY, "feed asks for 366 d (ttl), at most 1 d"),
        ({"ttl_minutes": -5, "update_minutes": 0}, LEAST, "its rhythm is not known yet, at least 30 min"),
        ({"update_minutes": 240}, 4 * HOUR, "feed asks for 4 h (sy:updatePeriod)"),
        ({"pushed": True}, DAY, "pushed by its hub: asked once a day"),
        ({"pushed": True, "max_interval": 6 * HOUR}, 6 * HOUR, "pushed by its hub: asked once a day, at most 6 h"),
        ({"failures": 1}, LEAST, "first failure in a row"),
        ({"failures": 3}, 2 * HOUR, "third failure in a row"),
        ({"failures": 2, "ttl_minutes": 60}, 2 * HOUR, "second failure in a row"),
        ({"failures": 11}, MAX_BACKOFF, "11th failure in a row"),
        ({"failures": 10**6 + 1}, MAX_BACKOFF, "1000001st failure in a row"),
        ({"failures": 1, "retry_after": 5 * HOUR}, 5 * HOUR, "server asks for 5 h (Retry-After)"),
        ({"failures": 9, "retry_after": 5 * HOUR}, 128 * HOUR, "ninth failure in a row"),
        ({"failures": 1, "retry_after": 30 * DAY}, MAX_BACKOFF, "server asks for 30 d (Retry-After), at most 7 d"),
        (
            {"failures": 1, "quarantined": True},
            MAX_BACKOFF,
            "in quarantine, too hostile three times: asked once a week",
        ),
        ({"jitter": 0.5}, LEAST * (1 + SPREAD / 2), "its rhythm is not known yet, at least 30 min"),
    ],
)
def test_the_longest_wait_counts_and_says_whose_it_is(changes: dict[str, Any], wait: timedelta, reason: str) -> None:
    assert ask(**changes) == (wait, reason)


@pytest.mark.parametrize(
    ("changes", "wait"),
    [
        ({"skip_hours": (12,)}, HOUR),
        ({"skip_hours": (12, 13, 14)}, 3 * HOUR),
        ({"skip_hours": (0, 1, 13)}, LEAST),
        ({"skip_hours": (13,), "interval": HOUR}, 2 * HOUR),
        ({"skip_days": (2,)}, 12 * HOUR),
        ({"skip_days": (2,), "skip_hours": (0, 1)}, 14 * HOUR),
        ({"skip_days": (2, 3, 4)}, LEAST + MOST),
        ({"skip_hours": tuple(range(24))}, LEAST),
        ({"skip_days": tuple(range(7))}, LEAST),
        ({"skip_hours": (-1, 99, 12), "skip_days": (7, -2)}, HOUR),
        ({"skip_days": (2, 3, 4, 5, 6, 0), "failures": 20}, 7 * DAY),
    ],
)
def test_hours_and_days_that_a_feed_skips_are_left_out(changes: dict[str, Any], wait: timedelta) -> None:
    """From Wednesday noon; within limits, and not when it skips them all."""
    found, reason = ask(**changes)

    assert found == wait
    assert ("feed skips these" in reason) == (wait != LEAST and wait != 7 * DAY)


def test_silence_makes_a_feed_asked_ever_less() -> None:
    """Busy in the week, quiet for longer and longer: from the shortest wait to the longest without a jump back."""
    busy = came(*[HOUR * n for n in range(20)])
    waits = [next_check_wait(busy, NOW + HOUR * hours) for hours in range(24 * 40)]

    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (LEAST, MOST)
    assert waits[60] <= 3 * HOUR, "a quiet weekend costs Monday's first entry little"


def next_check_wait(arrivals: tuple[datetime, ...], now: datetime) -> timedelta:
    return ask(arrivals=tuple(arrival + (NOW - now) for arrival in arrivals))[0]


WAITS = st.none() | st.timedeltas(timedelta(0), timedelta(days=4000)) | st.just(timedelta.max)
MINUTES = st.none() | st.integers(-5, 10**9) | st.integers(0, 3000)
INSTANTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)) | st.datetimes(  # noqa: DTZ001
    datetime(2026, 10, 1), datetime(2026, 11, 30), timezones=st.just(UTC)  # noqa: DTZ001
)  # fmt: skip
CALM = st.fixed_dictionaries(
    {
        "interval": st.none() | st.timedeltas(-DAY, timedelta(days=4000)),
        "arrivals": st.lists(INSTANTS, max_size=20).map(tuple),
        "known_since": st.none() | INSTANTS,
        "fresh_for": WAITS,
        "ttl_minutes": MINUTES,
        "update_minutes": MINUTES,
        "pushed": st.booleans(),
        "jitter": st.floats(0, 1, exclude_max=True),
    }
)
SKIPS = st.fixed_dictionaries(
    {
        "skip_hours": st.lists(st.integers(-3, 26), max_size=26).map(tuple),
        "skip_days": st.lists(st.integers(-2, 8), max_size=8).map(tuple),
    }
)
TROUBLE = st.fixed_dictionaries({"failures": st.integers(0, 10**6), "retry_after": WAITS})


@given(CALM, SKIPS, TROUBLE)
def test_no_wait_is_shorter_than_the_shortest_or_longer_than_allowed(
    calm: dict[str, Any], skips: dict[str, Any], trouble: dict[str, Any]
) -> None:
    """Whatever publishers, servers and clocks say."""
    wait, reason = ask(**calm)
    assert LEAST <= wait <= MOST * (1 + SPREAD)
    assert reason

    skipping, _ = ask(**calm, **skips)
    assert wait <= skipping <= wait + MOST

    troubled, reason = ask(**calm, **skips, **trouble)
    assert LEAST <= troubled <= MAX_BACKOFF
    assert reason


@given(CALM, SKIPS, TROUBLE)
def test_nobody_is_asked_before_the_time_that_they_named(
    calm: dict[str, Any], skips: dict[str, Any], trouble: dict[str, Any]
) -> None:
    wait, _ = ask(**calm, **skips, **trouble)

    for name in ("ttl_minutes", "update_minutes"):
        assert wait >= min(timedelta(minutes=calm[name] or 0), MOST)
    assert wait >= min(calm["fresh_for"] or LEAST, MOST)
    assert wait >= min(calm["interval"] or LEAST, MOST)
    assert wait >= min(trouble["retry_after"] or LEAST, MAX_BACKOFF)


@given(CALM, SKIPS, TROUBLE, st.integers(0, 3000), st.integers(0, 40))
def test_to_ask_for_more_never_gives_less(
    calm: dict[str, Any], skips: dict[str, Any], trouble: dict[str, Any], minutes: int, failures: int
) -> None:
    """Monotone in each hint, in failures, and in chance."""
    given = calm | skips | trouble
    wait, _ = ask(**given)
    for name in ("ttl_minutes", "update_minutes"):
        assert ask(**given | {name: max(given[name] or 0, 0) + minutes})[0] >= wait
    for name in ("fresh_for", "retry_after"):
        longer = min(given[name] or timedelta(0), timedelta(days=4000)) + minutes * MINUTE
        assert ask(**given | {name: longer})[0] >= wait
    assert ask(**given | {"failures": given["failures"] + failures})[0] >= wait
    assert ask(**given | {"jitter": (1 + given["jitter"]) / 2})[0] >= wait
    assert ask(**given | {"pushed": True})[0] >= wait


@given(st.lists(INSTANTS, max_size=20), st.randoms(use_true_random=False))
def test_arrivals_count_in_any_order(arrivals: list[datetime], random: Any) -> None:
    shuffled = list(arrivals)
    random.shuffle(shuffled)

    assert ask(arrivals=arrivals) == ask(arrivals=shuffled)


def test_hints_are_kept_apart_from_their_feed() -> None:
    """What is stored of a document counts like what it just said: a 304 repeats none of it."""
    hints = CheckHints(ttl_minutes=120)

    assert ask(hints=hints) == ask(hints=replace(hints)) == (2 * HOUR, "feed asks for 2 h (ttl)")


@pytest.mark.parametrize(
    ("wait", "words"),
    [(45 * MINUTE / 60, "45 s"), (90 * MINUTE, "90 min"), (2 * HOUR, "2 h"), (25 * HOUR, "25 h"), (7 * DAY, "7 d"),
     (50 * HOUR, "2 d"), (timedelta(0), "0 s"), (3 * HOUR + MINUTE / 60, "3 h")],
)  # fmt: skip
def test_a_wait_in_words(wait: timedelta, words: str) -> None:
    assert say_wait(wait) == words
