"""A feed as we publish it, in any format: what it is called, what its items are, where its other pages lie.
Never rendered here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from aggregator.model.parsed import Enclosure

Format = Literal["atom", "rss", "json"]
#: What a feed is about: everything, one tag, one of the feeds we read, one language, a search.
ScopeKind = Literal["all", "tag", "feed", "language", "search"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which entries: ``name`` is a slug, a feed's number, a BCP 47 tag, or what is searched for; empty for ``all``."""

    kind: ScopeKind = "all"
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOrigin:
    """The feed that an item comes from, as strangers may see it (``atom:source``, RFC 4287 4.2.11)."""

    id: str
    title: str
    #: Public addresses, or empty.
    self_url: str = ""
    page_url: str = ""
    updated_at: datetime | None = None
    rights: str = ""
    author: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedItem:
    """One item: a story by its lead, a single entry, or an issue of a newsletter. All of it legal in XML and safe."""

    #: An absolute IRI that never changes.
    id: str
    #: http(s); where a reader goes.
    url: str
    #: Plain text, never empty.
    title: str
    #: BCP 47 or ``und``.
    language: str
    author: str
    published_at: datetime
    updated_at: datetime
    #: Plain text; may be empty.
    summary: str = ""
    #: Safe HTML with absolute addresses; never empty.
    content_html: str
    #: (slug, name) of our tags; the scheme is the site's.
    categories: tuple[tuple[str, str], ...] = ()
    enclosures: tuple[Enclosure, ...] = ()
    #: The lead image at its publisher's; empty: none.
    image_url: str = ""
    #: None for what is our own.
    origin: FeedOrigin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPlaces:
    """Where the other documents of the same feed lie, in the same format: full addresses, empty where there is none."""

    #: Paging (RFC 5005 3): the newest page, the newer and the older neighbour.
    first: str = ""
    previous: str = ""
    next: str = ""
    #: Archives (RFC 5005 4): the living document, the archive before and after.
    current: str = ""
    prev_archive: str = ""
    next_archive: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFeed:
    """One document."""

    #: ``atom:id``: a ``tag:`` URI that never changes, the same for all documents and formats of one feed.
    id: str
    title: str
    subtitle: str = ""
    #: BCP 47.
    language: str = ""
    author: str = ""
    #: This document, and the page for people.
    self_url: str
    page_url: str
    #: Of what is in it, never the clock: the same content gives the same bytes.
    updated_at: datetime
    items: tuple[FeedItem, ...]
    places: FeedPlaces = FeedPlaces()
    #: The same feed in the other formats.
    other_formats: Mapping[Format, str]
    #: A closed archive (``fh:archive``): it never changes any more.
    is_archive: bool = False
    #: The hub that tells of news (WebSub); empty: none.
    hub_url: str = ""
    #: What categories belong to: ``https://news.example.org/tags/``.
    scheme: str
