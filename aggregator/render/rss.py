"""A published feed as RSS 2.0 (RSS Advisory Board's specification and profile) by feedgen. Never writes XML by hand.

Its extension interface brings what feedgen's RSS lacks: names of authors (``dc:creator``), links of Atom, more than one
enclosure, pictures, and all dates: feedgen would stamp the channel with the clock, and it sets the locale of the whole
process to write a date, which other threads would notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from markupsafe import escape

from aggregator.model.parsed import Enclosure
from aggregator.model.published import FeedItem, PublishedFeed
from aggregator.render.extensions import (
    MEDIA,
    Element,
    EntryExtension,
    FeedExtension,
    get_language,
    to_utc,
    write_moment,
)
from aggregator.render.items import FORMATS, GENERATOR, get_title, list_relations, write_feed
from aggregator.render.words import keep_legal

_ATOM = "{http://www.w3.org/2005/Atom}"
_DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
#: RFC 2046 4.5.1; the specification wants a type.
_UNKNOWN_TYPE = "application/octet-stream"
_MEDIA = ("image", "audio", "video")


class _Unsaid(datetime):
    """A date that feedgen takes for none: it has one by itself, that of the clock, and lets nobody take it away."""

    def __bool__(self) -> bool:
        return False


class _ChannelExtension(FeedExtension):
    namespaces: Mapping[str, str] = {"media": MEDIA[1:-1], "dc": _DUBLIN_CORE[1:-1]}


def render_rss(feed: PublishedFeed) -> bytes:
    """UTF-8 XML, the same bytes for the same values; items as given. An item that cannot be written is left out."""
    return write_feed(feed, _write)


def _write(feed: PublishedFeed) -> bytes:
    from feedgen.feed import FeedGenerator

    document = FeedGenerator()
    document.register_extension("ours", _ChannelExtension, EntryExtension, atom=False)
    document.title(get_title(feed))
    document.link(href=feed.page_url, rel="alternate")
    document.description(keep_legal(feed.subtitle).strip() or get_title(feed))
    document.generator(GENERATOR)
    document.lastBuildDate(_Unsaid(1, 1, 1, tzinfo=UTC))
    if (language := get_language(feed.language)) != "und":
        document.language(language)
    document.ours.elements = tuple(_list_channel_elements(feed))
    for item in feed.items:
        document.add_entry(_make_entry(item, feed.scheme), order="append")
    xml: bytes = document.rss_str(pretty=True)
    return xml


def _list_channel_elements(feed: PublishedFeed) -> list[Element]:
    links = [{"rel": "self", "type": FORMATS["rss"], "href": feed.self_url}]
    links += [
        {"rel": "alternate", "type": FORMATS[name], "href": url} for name, url in sorted(feed.other_formats.items())
    ]
    links += [{"rel": relation, "href": url} for relation, url in list_relations(feed)]
    return [
        Element(name="lastBuildDate", text=_write_date(feed.updated_at)),
        *(Element(name=f"{_ATOM}link", attributes=attributes) for attributes in links),
    ]


def _make_entry(item: FeedItem, scheme: str) -> Any:
    from feedgen.entry import FeedEntry

    entry = FeedEntry()
    entry.register_extension("ours", EntryExtension, atom=False)
    entry.guid(item.id, permalink=False)
    entry.title(item.title)
    entry.link(href=item.url, rel="alternate")
    if item.summary:
        entry.description(str(escape(item.summary)))  # HTML by custom, and ours is plain text
    entry.content(item.content_html)
    for slug, name in item.categories:
        entry.category({"term": slug, "scheme": scheme, "label": name})
    if item.origin and (url := item.origin.self_url or item.origin.page_url):
        entry.source(url, item.origin.title)
    first, rest = _split_enclosures(item.enclosures)
    if first:
        entry.enclosure(first.url, first.length or 0, first.type or _UNKNOWN_TYPE)
    entry.ours.elements = tuple(_list_item_elements(item, rest))
    return entry


def _list_item_elements(item: FeedItem, rest: tuple[Enclosure, ...]) -> list[Element]:
    """``pubDate``, and what RSS has no name for itself."""
    elements = [
        Element(name="pubDate", text=_write_date(item.published_at)),
        Element(name=f"{_ATOM}updated", text=write_moment(item.updated_at)),
    ]
    if item.author:
        elements.append(Element(name=f"{_DUBLIN_CORE}creator", text=item.author))
    if (language := get_language(item.language)) != "und":
        elements.append(Element(name=f"{_DUBLIN_CORE}language", text=language))
    if item.origin and item.origin.rights:
        elements.append(Element(name=f"{_DUBLIN_CORE}rights", text=item.origin.rights))
    elements += [Element(name=f"{MEDIA}content", attributes=_describe(enclosure)) for enclosure in rest]
    if item.image_url:
        elements.append(Element(name=f"{MEDIA}thumbnail", attributes={"url": item.image_url}))
    return elements


def _split_enclosures(enclosures: tuple[Enclosure, ...]) -> tuple[Enclosure | None, tuple[Enclosure, ...]]:
    """The one that RSS has room for, and the rest: sound or film before pictures, which show without it."""
    if not enclosures:
        return None, ()
    first = next((one for one in enclosures if one.type.startswith(("audio/", "video/"))), enclosures[0])
    return first, tuple(one for one in enclosures if one is not first)


def _describe(enclosure: Enclosure) -> dict[str, str]:
    """The attributes of ``media:content``."""
    attributes = {"url": enclosure.url}
    if enclosure.length is not None:
        attributes["fileSize"] = str(enclosure.length)
    if enclosure.type:
        attributes["type"] = enclosure.type
        if (medium := enclosure.type.partition("/")[0]) in _MEDIA:
            attributes["medium"] = medium
    return attributes


def _write_date(at: datetime) -> str:
    """RFC 822 with four digits of the year, in UTC."""
    return format_datetime(to_utc(at))
