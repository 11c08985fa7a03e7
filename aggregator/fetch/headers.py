"""What a request says and what an answer's headers mean for the next one (RFC 9110, 9111). Never sends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from aggregator.fetch.decode import ACCEPT_ENCODING
from aggregator.model.feed import FetchRequest

MAX_HEADER_COUNT = 100
MAX_HEADER_BYTES = 64 * 1024
#: One line of them.
MAX_FIELD_BYTES = 16 * 1024

_ACCEPT = (
    "application/atom+xml, application/rss+xml, application/rdf+xml, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.5"
)
_MAX_VALIDATOR_CHARS = 1024
_LONGEST_FRESH = timedelta(days=31)
_RETRY_RANGE = (timedelta(minutes=1), timedelta(days=7))
_MAX_AGE = re.compile(r'(?:^|[,\s])max-age\s*=\s*"?(\d{1,12})', re.IGNORECASE)


def make_request_headers(
    request: FetchRequest, user_agent: str, *, with_own: bool, keep_line: bool = True
) -> dict[str, str]:
    """All headers of one hop; without ``with_own`` those that the editor set are left out: they are for one origin.

    ``keep_line``: more will be asked of this host; else neither side should hold an idle connection (RFC 9112 9.6).
    """
    headers = {"User-Agent": user_agent, "Accept": _ACCEPT, "Accept-Encoding": ACCEPT_ENCODING}
    if with_own:
        own = {name.lower() for name, _ in request.headers}
        headers = {name: value for name, value in headers.items() if name.lower() not in own}
        headers.update(request.headers)
    if not keep_line:
        headers["Connection"] = "close"
    if request.etag:
        headers["If-None-Match"] = request.etag
    if request.last_modified:
        headers["If-Modified-Since"] = request.last_modified
    return headers


def get_validator(headers: Mapping[str, str], name: str) -> str:
    """An ETag or Last-Modified byte for byte; empty when it could not be sent back so, or is absurdly long."""
    value = headers.get(name, "")
    sendable = len(value) <= _MAX_VALIDATOR_CHARS and value.isascii() and value.isprintable()
    return value if sendable else ""


def count_header_bytes(raw_headers: Iterable[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) + 4 for name, value in raw_headers)


def find_fresh_for(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """How long the answer asks to be kept (RFC 9111 4.2.1): max-age less Age, else Expires; None when it does not."""
    control = headers.get("Cache-Control", "")
    if re.search(r"\bno-(?:cache|store)\b", control, re.IGNORECASE):
        return None
    found = _MAX_AGE.search(control)
    if found:
        seconds = int(found[1]) - _parse_seconds(headers.get("Age", ""), default=0)
        return _clamp(timedelta(seconds=min(seconds, 10**9)), timedelta(0), _LONGEST_FRESH) or None
    expires = _parse_date(headers.get("Expires", ""))
    if expires is None:
        return None
    return _clamp(expires - (_parse_date(headers.get("Date", "")) or now), timedelta(0), _LONGEST_FRESH) or None


def find_retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Retry-After, in seconds or a date (RFC 9110 10.2.3), between a minute and a week; None when there is none."""
    value = headers.get("Retry-After", "").strip()
    seconds = _parse_seconds(value, default=-1)
    if seconds >= 0:
        return _clamp(timedelta(seconds=min(seconds, 10**9)), *_RETRY_RANGE)
    at = _parse_date(value)
    if at is None:
        return None
    return _clamp(at - (_parse_date(headers.get("Date", "")) or now), *_RETRY_RANGE)


def _parse_seconds(value: str, *, default: int) -> int:
    value = value.strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else default


def _parse_date(value: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(value)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _clamp(value: timedelta, low: timedelta, high: timedelta) -> timedelta:
    return max(low, min(value, high))
