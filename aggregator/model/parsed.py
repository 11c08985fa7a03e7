"""What a publisher said in one fetch, nothing of ours. Never cleaned: every field is hostile until `pipeline.clean`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure:
    """A linked file of an entry (RFC 4287 ``rel="enclosure"``, RSS ``<enclosure>``)."""

    url: str
    type: str = ""
    length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedEntry:
    """One entry as its publisher wrote it."""

    #: RFC 4287 ``atom:id`` / RSS ``guid``; empty when the publisher gave none.
    id: str = ""
    #: As written, resolved against the document's base; may be empty or unsafe.
    url: str = ""
    #: Text or HTML, as written.
    title: str = ""
    author: str = ""
    summary_html: str = ""
    content_html: str = ""
    #: As claimed; None when missing or unreadable.
    published_at: datetime | None = None
    updated_at: datetime | None = None
    categories: tuple[str, ...] = ()
    enclosures: tuple[Enclosure, ...] = ()
    #: BCP 47 tag as claimed for this entry (``xml:lang``, front matter ``lang``); empty when not claimed.
    language: str = ""
    #: What relative addresses in the HTML are relative to.
    base_url: str = ""
    #: Reading time as claimed (front matter ``reading_time``); None when not claimed.
    reading_minutes: int | None = None
    #: Comments or points as claimed; None when the feed tells of none. No part of what was said: it is never hashed.
    discussion: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedEntry:
    """An entry that cannot be stored, with the reason, so that stored + rejected + folded = what the document holds."""

    #: Position in the document, from 0.
    index: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFeed:
    """One document as its publisher wrote it."""

    id: str = ""
    title: str = ""
    #: The human page this feed belongs to (``rel="alternate"``).
    site_url: str = ""
    language: str = ""
    rights: str = ""
    author: str = ""
    updated_at: datetime | None = None
    entries: tuple[ParsedEntry, ...] = ()
    rejected: tuple[RejectedEntry, ...] = ()
    #: What was odd but survivable ("not well-formed: ...").
    warnings: tuple[str, ...] = ()
    #: Hints for the next check: RSS ``ttl`` in minutes.
    ttl_minutes: int | None = None
    #: Minutes between two updates, from ``sy:updatePeriod`` and ``sy:updateFrequency`` (RSS 1.0 syndication module).
    update_minutes: int | None = None
    #: RSS ``skipHours`` (0-23, UTC) and ``skipDays`` (0 = Monday, UTC): when not to ask.
    skip_hours: tuple[int, ...] = ()
    skip_days: tuple[int, ...] = ()
    #: ``rel="hub"`` and ``rel="self"`` of the feed (WebSub 4), resolved; empty when not named.
    hub_url: str = ""
    self_url: str = ""
    #: Entries that were recognised by their bytes as those of the last document, and not read again.
    skipped: int = 0
    #: What the next document's bytes are held against, opaque; empty: it must be read in full.
    slices: bytes = b""
