"""Hints and validators in an answer's headers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aggregator.fetch.headers import find_fresh_for, find_retry_after, get_validator, make_request_headers
from tests.fetch.conftest import make_request

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", timedelta(seconds=120)),
        (" 3600 ", timedelta(hours=1)),
        ("0", MINUTE),
        ("1", MINUTE),
        ("1000000000", 7 * DAY),
        ("9" * 18, 7 * DAY),
        ("Sun, 01 Mar 2026 13:00:00 GMT", timedelta(hours=1)),
        ("Sun, 01 Mar 2026 11:00:00 GMT", MINUTE),
        ("Sun, 01 Mar 2099 11:00:00 GMT", 7 * DAY),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("9" * 400, None),
        ("Mon, 99 Foo 2026 99:99:99 GMT", None),
    ],
)
def test_retry_after_is_read_and_clamped(value: str, wait: timedelta | None) -> None:
    assert find_retry_after({"Retry-After": value}, NOW) == wait


def test_a_date_is_measured_against_the_servers_own_clock() -> None:
    headers = {"Retry-After": "Sun, 01 Mar 2026 18:00:00 GMT", "Date": "Sun, 01 Mar 2026 17:50:00 GMT"}

    assert find_retry_after(headers, NOW) == timedelta(minutes=10)


@pytest.mark.parametrize(
    ("headers", "fresh"),
    [
        ({}, None),
        ({"Cache-Control": "max-age=600"}, timedelta(minutes=10)),
        ({"Cache-Control": 'public, MAX-AGE="600"'}, timedelta(minutes=10)),
        ({"Cache-Control": "s-maxage=9999, max-age=60"}, timedelta(minutes=1)),
        ({"Cache-Control": "max-age=600", "Age": "540"}, timedelta(minutes=1)),
        ({"Cache-Control": "max-age=600", "Age": "9999"}, None),
        ({"Cache-Control": "no-cache, max-age=600"}, None),
        ({"Cache-Control": "no-store"}, None),
        ({"Cache-Control": "max-age=0"}, None),
        ({"Cache-Control": "max-age=999999999999"}, timedelta(days=31)),
        ({"Expires": "Sun, 01 Mar 2026 12:30:00 GMT"}, timedelta(minutes=30)),
        ({"Expires": "Sun, 01 Mar 2026 12:30:00 GMT", "Cache-Control": "max-age=60"}, timedelta(minutes=1)),
        ({"Expires": "0"}, None),
        ({"Expires": "Sun, 01 Mar 2020 12:30:00 GMT"}, None),
    ],
)
def test_fresh_for_is_what_the_server_asks(headers: dict[str, str], fresh: timedelta | None) -> None:
    assert find_fresh_for(headers, NOW) == fresh


@pytest.mark.parametrize("etag", ['"abc"', 'W/"abc"', "unquoted", '""', '"a, b"', "x" * 1024])
def test_validators_are_kept_byte_for_byte(etag: str) -> None:
    assert get_validator({"ETag": etag}, "ETag") == etag


@pytest.mark.parametrize("etag", ["", "x" * 1025, '"\udce9"', '"é"', "a\tb", "a\0b"])
def test_validators_that_could_not_be_sent_back_are_dropped(etag: str) -> None:
    assert get_validator({"ETag": etag}, "ETag") == ""


def test_only_what_can_be_read_is_asked_for() -> None:
    accept = make_request_headers(make_request("https://example.org/feed"), "x/1", with_own=True)["Accept"]

    assert "json" not in accept
    assert "application/atom+xml" in accept
