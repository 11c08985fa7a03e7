"""What a document asks about its next check, found in the text before its first entry. Never reads entries.

One look at a bounded head, the same for both roads, so that they agree by construction: how often it is updated
(RSS 1.0 syndication module), when not to ask (RSS 2.0 ``skipHours``, ``skipDays``), which hub tells of news and by
which address that knows the feed (WebSub 4). RSS ``ttl`` is read with the feed itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from aggregator.pipeline.urls import resolve_url
from aggregator.pipeline.words import read_references

#: Characters of a document that are looked at.
MAX_HEAD = 64 * 1024

_ENTRY = re.compile(r"<(?:[\w.-]{1,20}:)?(?:item|entry)[\s/>]")
#: What may hold the same words and means nothing.
_UNSAID = re.compile(r"<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)", re.DOTALL)
_PERIOD = re.compile(r"<(?:\w{1,20}:)?updatePeriod(?:\s[^<>]{0,500})?>\s{0,50}([a-zA-Z]{4,8})\s{0,50}<")
_FREQUENCY = re.compile(r"<(?:\w{1,20}:)?updateFrequency(?:\s[^<>]{0,500})?>\s{0,50}([0-9]{1,4})\s{0,50}<")
_SKIPPED = re.compile(r"<skip(Hours|Days)>([^!]{0,4000}?)</skip\1>")
_HOUR = re.compile(r"<hour>\s{0,50}([0-9]{1,2})\s{0,50}</hour>")
_DAY = re.compile(r"<day>\s{0,50}([A-Za-z]{6,9})\s{0,50}</day>")
_LINK = re.compile(r"<(?:[\w.-]{1,20}:)?link\s([^<>]{1,2000})>")
_ATTRIBUTE = re.compile(r"""\b(rel|href)\s{0,50}=\s{0,50}(?:"([^"]*)"|'([^']*)')""")
_MINUTES = {"hourly": 60, "daily": 24 * 60, "weekly": 7 * 24 * 60, "monthly": 30 * 24 * 60, "yearly": 365 * 24 * 60}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """The fields of `ParsedFeed` with the same names."""

    update_minutes: int | None = None
    skip_hours: tuple[int, ...] = ()
    skip_days: tuple[int, ...] = ()
    hub_url: str = ""
    self_url: str = ""


NO_HINTS = Hints()


def find_hints(document: str | bytes, *, url: str) -> Hints:
    """The hints of a document (bytes: UTF-8) that was fetched from ``url``. Never raises."""
    head = _find_head(document)
    skipped = {found[1]: found[2] for found in _SKIPPED.finditer(head)} if "<skip" in head else {}
    hub_url, self_url = _find_addresses(head, url)
    return Hints(
        update_minutes=_find_rhythm(head) if "updatePeriod" in head else None,
        skip_hours=tuple(sorted(set(_iter_hours(skipped.get("Hours", ""))))),
        skip_days=tuple(sorted(set(_iter_days(skipped.get("Days", ""))))),
        hub_url=hub_url,
        self_url=self_url,
    )


def _find_head(document: str | bytes) -> str:
    if isinstance(document, bytes):
        end = _find_end(document, MAX_HEAD // 8) or _find_end(document, 4 * MAX_HEAD) or 4 * MAX_HEAD
        document = document[:end].decode("utf-8", "ignore")
    head = _UNSAID.sub("", document[:MAX_HEAD])
    entry = _ENTRY.search(head)
    return head[: entry.start()] if entry else head


def _find_end(document: bytes, limit: int) -> int:
    """Just behind the name of the first entry in so many bytes; 0 when there is none."""
    entries = (document.find(tag, 0, limit) for tag in (b"<item", b"<entry"))
    return min((found + 10 for found in entries if found >= 0), default=0)


def _find_rhythm(head: str) -> int | None:
    """``updateFrequency`` times in each ``updatePeriod``; a rhythm that nobody knows is none."""
    period, frequency = _PERIOD.search(head), _FREQUENCY.search(head)
    minutes = _MINUTES.get(period[1].lower()) if period else None
    times = int(frequency[1]) if frequency else 1
    return max(minutes // times, 1) if minutes and times else None


def _iter_hours(text: str) -> Iterator[int]:
    for found in _HOUR.finditer(text):
        if int(found[1]) <= 24:  # RSS 0.91 counts from 1 to 24, RSS 2.0 from 0 to 23
            yield int(found[1]) % 24


def _iter_days(text: str) -> Iterator[int]:
    for found in _DAY.finditer(text):
        if found[1].lower() in _DAYS:
            yield _DAYS.index(found[1].lower())


def _find_addresses(head: str, url: str) -> tuple[str, str]:
    """The first hub and the first address of its own that the feed names."""
    addresses = {"hub": "", "self": ""}
    for link in _LINK.finditer(head):
        said = {found[1]: found[2] or found[3] or "" for found in _ATTRIBUTE.finditer(link[1])}
        for relation in said.get("rel", "").lower().split():
            if not addresses.get(relation, "-"):
                addresses[relation] = resolve_url(url, read_references(said.get("href", "")))
    return addresses["hub"], addresses["self"]
