"""The desk at size: what large or odd values do to its answers. Never measures (`bench/desk.py` does)."""

from datetime import UTC, datetime

from aggregator.web.desk.serving import _plain


def test_headers_that_are_no_utf8_can_be_told_to_programs() -> None:
    etag = b'W/"\xff\xfe"'.decode("utf-8", "surrogateescape")
    told = _plain({"etag": etag, "at": datetime(2026, 3, 4, tzinfo=UTC), "tags": ("é", None)})
    assert told == {"etag": 'W/"??"', "at": "2026-03-04T00:00:00Z", "tags": ["é", None]}
