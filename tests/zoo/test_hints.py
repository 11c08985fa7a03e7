"""Z60, Z61: validators that are misused and hints that are absurd. Obeyed byte for byte, within limits."""

from __future__ import annotations

from datetime import timedelta

from tests.zoo.conftest import START, Zoo, get_feed, list_stored, on_sqlite, run_round, wait_until_due
from tests.zoo.documents import HEALTHY, in_turn, items, rss, serve
from tests.zoo.server import Visit

pytestmark = on_sqlite

HOUR = timedelta(hours=1)
#: As configured by default; waits are lengthened by chance, never shortened.
SHORTEST, LONGEST, SPREAD = timedelta(minutes=30), timedelta(days=1), 1.15

VALIDATORS = {
    "strong": '"abc"',
    "weak": 'W/"abc"',
    "quotes inside": '"a\\"b"',
    "without quotes": "abc",
    "wrong quotes": "'abc'",
    "of Apache with gzip": '"5f2-5e4-gzip"',
    "spaces": '"a b  c"',
    "empty in quotes": '""',
}


def test_validators_come_back_byte_for_byte_and_nothing_is_asked_for_in_full_twice(zoo: Zoo) -> None:
    """Z60: opaque, quotes and all; junk dates, too."""
    urls = {}
    for name, etag in VALIDATORS.items():
        junk = f"junk of {name}, 99:99"

        async def endpoint(visit: Visit, etag: str = etag, junk: str = junk) -> None:
            if visit.asked.headers.get("if-none-match") == etag:
                await visit.answer(b"", 304, ETag=etag)
            else:
                await visit.answer(HEALTHY, ETag=etag, Last_Modified=junk)

        urls[zoo.add(endpoint)] = (etag, junk)
    with zoo.open() as app:
        for _ in range(5):
            run_round(app)
            zoo.clock.now += LONGEST * SPREAD
        assert all(get_feed(app, url).failures == 0 for url in urls)

    for number, (etag, junk) in enumerate(urls.values()):
        first, *rest = zoo.server.asked_for(f"/feed-{number}")
        assert not first.conditional and len(rest) >= 3
        for asked in rest:
            assert (asked.headers.get("if-none-match"), asked.headers.get("if-modified-since")) == (etag, junk)


def test_a_304_refreshes_the_validators(zoo: Zoo) -> None:
    """Z60, RFC 9111 4.3.4: the next request shows what the last answer said."""

    async def turning(visit: Visit) -> None:
        if visit.asked.conditional:
            await visit.answer(b"", 304, ETag=f'"{visit.times}"', Last_Modified=f"day {visit.times}")
        else:
            await visit.answer(HEALTHY, ETag='"0"', Last_Modified="day 0")

    url = zoo.add(turning)
    with zoo.open() as app:
        for _ in range(4):
            run_round(app)
            wait_until_due(zoo, app, url)

    said = [(one.headers.get("if-none-match"), one.headers.get("if-modified-since")) for one in zoo.server.requests]
    assert said == [(None, None), ('"0"', "day 0"), ('"1"', "day 1"), ('"2"', "day 2")]


def test_answers_that_misuse_validators_cost_nothing(zoo: Zoo) -> None:
    """Z60: 304 to everybody, a new ETag each time, one of 64 KiB, one that matches nothing."""
    always = zoo.add(serve(b"", 304, ETag='"x"'))

    async def ever_new(visit: Visit) -> None:
        await visit.answer(HEALTHY, ETag=f'"{visit.rng.random()}{visit.times}"')

    ever = zoo.add(ever_new)
    huge = zoo.add(serve(HEALTHY, ETag='"' + "x" * 65_536 + '"'))
    large = zoo.add(serve(HEALTHY, ETag='"' + "x" * 4_000 + '"'))
    odd = zoo.add(serve(HEALTHY, ETag='"\xff\x01\x7f"', Last_Modified="\x80"))
    with zoo.open() as app:
        for _ in range(5):
            run_round(app)
            zoo.clock.now += LONGEST * SPREAD
        assert get_feed(app, always).failure_class == "http"
        assert get_feed(app, huge).failure_class == "too_large"
        for url in (ever, large, odd):
            assert (get_feed(app, url).failures, len(list_stored(app, url))) == (0, 3)

    for asked in zoo.server.requests:
        assert sum(len(value) for value in asked.headers.values()) < 4096


HINTS: dict[str, tuple[str, dict[str, str]]] = {
    "Z61 ttl of years": ("<ttl>1000000000</ttl>", {}),
    "Z61 ttl below zero": ("<ttl>-5</ttl>", {}),
    "Z61 ttl of nothing": ("<ttl>0</ttl>", {}),
    "Z61 ttl of words": ("<ttl>often</ttl>", {}),
    "Z61 ttl of 400 digits": (f"<ttl>{'9' * 400}</ttl>", {}),
    "Z61 every hour skipped": (f"<skipHours>{''.join(f'<hour>{n}</hour>' for n in range(25))}</skipHours>", {}),
    "Z61 every day skipped": (
        "<skipDays>"
        + "".join(f"<day>{day}</day>" for day in ("Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()))
        + "</skipDays>",
        {},
    ),
    "Z61 hours of nonsense": ("<skipHours><hour>-1</hour><hour>99</hour><hour>x</hour></skipHours>", {}),
    "Z61 a century's period": (
        "<sy:updatePeriod xmlns:sy='http://purl.org/rss/1.0/modules/syndication/'>yearly</sy:updatePeriod>",
        {},
    ),
    "Z61 a million times an hour": (
        "<sy:updatePeriod xmlns:sy='http://purl.org/rss/1.0/modules/syndication/'>hourly</sy:updatePeriod>"
        "<sy:updateFrequency xmlns:sy='http://purl.org/rss/1.0/modules/syndication/'>1000000</sy:updateFrequency>",
        {},
    ),
    "Z61 a frequency of zero": (
        "<sy:updateFrequency xmlns:sy='http://purl.org/rss/1.0/modules/syndication/'>0</sy:updateFrequency>",
        {},
    ),
    "Z61 max-age of 10^12": ("", {"Cache_Control": "max-age=1000000000000"}),
    "Z61 max-age of 10^40": ("", {"Cache_Control": "max-age=1" + "0" * 40}),
    "Z61 max-age below zero": ("", {"Cache_Control": "max-age=-1"}),
    "Z61 no-store": ("", {"Cache_Control": "no-store, no-cache, must-revalidate", "Pragma": "no-cache"}),
    "Z61 expires in 9999": ("", {"Expires": "Fri, 31 Dec 9999 23:59:59 GMT"}),
    "Z61 expires never": ("", {"Expires": "-1"}),
    "Z61 expires before it was": ("", {"Expires": "Thu, 01 Jan 1970 00:00:00 GMT"}),
    "Z61 an age": ("", {"Cache_Control": "max-age=100", "Age": "99999999999999999999"}),
    "Z61 Retry-After of a good answer": ("", {"Retry_After": "1000000000"}),
}


def test_absurd_hints_are_clamped(zoo: Zoo) -> None:
    """Z61: whatever a feed asks, it is read within a day, and not before half an hour; 304 and 200 alike."""
    urls = {
        zoo.add(in_turn(serve(rss(items(3), channel), 200, ETag='"1"', **headers), serve(b"", 304, **headers))): name
        for name, (channel, headers) in HINTS.items()
    }
    with zoo.open() as app:
        run_round(app)
        for url, name in urls.items():
            wait = get_feed(app, url).next_due_at - START
            assert SHORTEST <= wait <= LONGEST * SPREAD, (name, wait)
            assert get_feed(app, url).next_due_reason, name
        zoo.clock.now += LONGEST * SPREAD
        results = run_round(app)
        for url, name in urls.items():
            assert results[url].not_modified, name
            wait = get_feed(app, url).next_due_at - zoo.clock.now
            assert SHORTEST <= wait <= LONGEST * SPREAD, (name, wait)


def test_hints_are_obeyed_within_the_limits(zoo: Zoo) -> None:
    """Z61: the longest of them counts."""
    six = zoo.add(serve(rss(items(3), "<ttl>360</ttl>"), Cache_Control="max-age=3600"))
    nine = zoo.add(serve(rss(items(3), "<ttl>60</ttl>"), Cache_Control="max-age=32400"))
    with zoo.open() as app:
        run_round(app)
        assert 6 * HOUR <= get_feed(app, six).next_due_at - START <= 6 * HOUR * SPREAD
        assert 9 * HOUR <= get_feed(app, nine).next_due_at - START <= 9 * HOUR * SPREAD
