"""What requests ask of a representation, without a server."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.web.conditions import CODINGS, find_tag, is_unchanged_since, order_codings, read_wishes

CHANGED = datetime(2026, 11, 26, 8, 30, 5, tzinfo=UTC)
NOW = datetime(2026, 11, 26, 9, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "best"),
    [
        ("", ""),
        ("gzip", "gzip"),
        ("br", "br"),
        ("gzip, deflate, br, zstd", "br"),
        ("GZip", "gzip"),
        ("x-gzip", "gzip"),
        ("*", "br"),
        ("br;q=0, *", "gzip"),
        ("*;q=0", ""),
        ("gzip;q=0", ""),
        ("gzip; q=0.000", ""),
        ("br;q=0,gzip;q=0.1", "gzip"),
        ("br;q=0.2, gzip;q=0.9", "gzip"),
        ("br;q=0.5, gzip;q=0.5", "br"),
        ("gzip;q=0.5, identity;q=1", ""),
        ("gzip;q=1.0, identity;q=0.5, *;q=0", "gzip"),
        ("identity;q=0", ""),
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("deflate, zstd, compress", ""),
        ("gzip;q=often", ""),
        ("gzip;q=nan", ""),
        (";;,,;q=1,gzip", "gzip"),
    ],
)
def test_the_coding_that_is_liked_best_comes_first(header: str, best: str) -> None:
    order = order_codings(header.encode())

    assert order[0] == best.encode()
    assert b"" in order and set(order) <= set(CODINGS)


@given(st.binary(max_size=400))
def test_no_header_is_a_fault(header: bytes) -> None:
    order = order_codings(header)
    find_tag(header, (b'"a"',))

    assert len(order) == len(set(order)) and b"" in order
    assert is_unchanged_since(header, CHANGED, now=NOW) in (True, False)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ('"a"', '"a"'),
        ('"a-gz"', '"a-gz"'),
        ('W/"a"', '"a"'),
        ('"x", "a-gz"', '"a-gz"'),
        ('"a,b", "a"', '"a"'),
        ("*", '"a"'),
        (" * ", '"a"'),
        ('"x"', None),
        ("a", None),
        ('"A"', None),
        ('"a', None),
        ("", None),
        (",,,", None),
        ('"*"', None),
    ],
)
def test_tags_are_compared_weakly(header: str, found: str | None) -> None:
    tag = find_tag(header.encode(), (b'"a"', b'"a-gz"'))

    assert tag == (found.encode() if found else None)


@pytest.mark.parametrize(
    ("header", "unchanged"),
    [
        ("Thu, 26 Nov 2026 08:30:05 GMT", True),
        ("Thu, 26 Nov 2026 08:45:00 GMT", True),
        ("Thursday, 26-Nov-26 08:30:05 GMT", True),
        ("Thu Nov 26 08:30:05 2026", True),
        ("Thu, 26 Nov 2026 08:30:04 GMT", False),
        ("Wed, 25 Nov 2026 23:00:00 GMT", False),
        ("Thu, 26 Nov 2026 09:00:01 GMT", False),  # ahead of us: it was not our date
        ("Thu, 26 Nov 2026", False),
        ("yesterday", False),
        ("Thu, 99 Nov 2026 08:30:05 GMT", False),
        ("Thu, 26 Nov 99999999999999999 08:30:05 GMT", False),
        ("Thu, 26 Nov 2026 08:45:00 GMT, Thu, 26 Nov 2026 08:45:00 GMT", False),
        ("(" * 10_000, False),
        ("", False),
    ],
)
def test_dates_are_those_of_http_or_none(header: str, unchanged: bool) -> None:
    assert is_unchanged_since(header.encode(), CHANGED, now=NOW) is unchanged


def test_several_lines_of_a_header_are_one_list() -> None:
    wishes = read_wishes([(b"if-none-match", b'"a"'), (b"host", b"x"), (b"if-none-match", b'"b"')])

    assert wishes.if_none_match == b'"a","b"'
    assert not wishes.wants_document
