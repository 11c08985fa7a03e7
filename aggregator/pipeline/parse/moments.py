"""Dates as JSON Feeds and web pages write them -> instants in UTC. Never guesses: what may be two days is none.

feedparser reads the dates of XML feeds; this is for what it never sees. RFC 3339 and its sloppy relatives, RFC 5322,
Unix seconds, and for pages the forms that people read. A time without zone is UTC, a day stands for its first minute.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from aggregator.pipeline.dates import to_utc

#: Nothing longer is a date, so no pattern here ever sees a long text.
MAX_DATE = 100

_ISO = re.compile(
    r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})"
    r"(?:(?:[Tt_]|\s+)([0-9]{1,2}):?([0-9]{2})(?::?([0-9]{2})(?:[.,]([0-9]{1,12}))?)?)?"
    r"\s*(?:([Zz]|UTC|GMT)|([+-])([0-9]{2}):?([0-9]{2})?)?\Z"
)
_ISO_DAY = re.compile(r"(?<![0-9])([12][0-9]{3})[-/.]([01]?[0-9])[-/.]([0-3]?[0-9])(?![0-9])")
_EASTERN_DAY = re.compile(r"(?<![0-9])([12][0-9]{3})\s*[年년]\s*([01]?[0-9])\s*[月월]\s*([0-3]?[0-9])\s*[日일号]")
_NUMBERS = re.compile(r"(?<![0-9.])([0-3]?[0-9])([./-])([0-3]?[0-9])\2([12][0-9]{3})(?![0-9])")
_MONTH_FIRST = re.compile(r"\b([A-Za-z]{3,9})\.?\s+([0-3]?[0-9])(?:st|nd|rd|th)?,?\s+([12][0-9]{3})(?![0-9])")
_DAY_FIRST = re.compile(
    r"(?<![0-9])([0-3]?[0-9])(?:st|nd|rd|th|\.)?[\s-]+([^\W\d_]{3,9})\.?,?[\s-]+([12][0-9]{3})(?![0-9])"
)
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar janvier enero gennaio",
            "feb february februar febrero febbraio février",
            "mar march märz mars marzo",
            "apr april avril abril aprile",
            "may mai mayo maggio",
            "jun june juni juin junio giugno",
            "jul july juli juillet julio luglio",
            "aug august août agosto",
            "sep sept september septembre septiembre settembre",
            "oct october oktober octobre octubre ottobre",
            "nov november novembre noviembre",
            "dec december dezember décembre diciembre dicembre",
        ),
        start=1,
    )
    for name in names.split()
}
#: Seconds since 1970 from 2001 on, and the same in milliseconds: smaller numbers are something else.
_FIRST_SECOND, _LAST_SECOND = 1_000_000_000, 10_000_000_000


def read_moment(value: object) -> datetime | None:
    """A date that a machine wrote: RFC 3339 and near it, RFC 5322, or Unix seconds or milliseconds."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return _from_seconds(value)
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > MAX_DATE:
        return None
    found = _ISO.match(text)
    if found:
        return _from_iso(found)
    try:
        return to_utc(parsedate_to_datetime(text))
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def read_written_date(text: str) -> datetime | None:
    """A date that people read, with its year, alone or in few words; None when it is missing or may be two days."""
    text = " ".join(text[: 4 * MAX_DATE].split())
    moment = read_moment(text)
    if moment is not None or len(text) > MAX_DATE:
        return moment
    for pattern in (_ISO_DAY, _EASTERN_DAY):
        found = pattern.search(text)
        if found:
            return _make_day(int(found[1]), int(found[2]), int(found[3]))
    found = _MONTH_FIRST.search(text)
    if found and found[1].lower() in _MONTHS:
        return _make_day(int(found[3]), _MONTHS[found[1].lower()], int(found[2]))
    found = _DAY_FIRST.search(text)
    if found and found[2].lower() in _MONTHS:
        return _make_day(int(found[3]), _MONTHS[found[2].lower()], int(found[1]))
    found = _NUMBERS.search(text)
    return _from_numbers(int(found[1]), found[2], int(found[3]), int(found[4])) if found else None


def _from_seconds(number: float) -> datetime | None:
    if 1000 * _FIRST_SECOND <= number < 1000 * _LAST_SECOND:
        number = number / 1000
    return datetime.fromtimestamp(number, UTC) if _FIRST_SECOND <= number < _LAST_SECOND else None


def _from_iso(found: re.Match[str]) -> datetime | None:
    year, month, day, hour, minute, second = (int(found[group] or 0) for group in range(1, 7))
    offset = timedelta(hours=int(found[10] or 0), minutes=int(found[11] or 0))
    try:
        if hour == 24:  # ISO 8601: the midnight at the day's end
            return to_utc(_at_offset(year, month, day, 0, minute, second, offset, found[9]) + timedelta(days=1))
        return to_utc(_at_offset(year, month, day, hour, minute, second, offset, found[9]))
    except (ValueError, OverflowError):
        return None


def _at_offset(
    year: int, month: int, day: int, hour: int, minute: int, second: int, offset: timedelta, sign: str | None
) -> datetime:
    zone = timezone(-offset if sign == "-" else offset)
    return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone)


def _from_numbers(first: int, separator: str, second: int, year: int) -> datetime | None:
    """``25.11.2026``: with dots the day comes first; with another mark only what can be but one of the two."""
    if separator == "." or first > 12 or first == second:
        return _make_day(year, second, first)
    return _make_day(year, first, second) if second > 12 else None


def _make_day(year: int, month: int, day: int) -> datetime | None:
    try:
        return datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return None
