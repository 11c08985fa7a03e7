"""A published feed as Atom 1.0 (RFC 4287) by feedgen. Never writes XML by hand and never reads a clock.

What feedgen cannot write (``xml:lang``, the details of ``atom:source``, any attribute of an entry's link but its
``href``, RFC 5005's ``fh:archive``, pictures) comes through its extension interface. Its traps: it puts the newest
call first (we append), stamps a missing ``updated`` with the clock (always given), and one illegal character or one
entry without link and content loses the whole document (then each entry is tried by itself).
"""

from __future__ import annotations

from typing import Any

from aggregator.model.published import FeedItem, FeedOrigin, PublishedFeed
from aggregator.render.extensions import (
    HISTORY,
    LANGUAGE,
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


def render_atom(feed: PublishedFeed) -> bytes:
    """UTF-8 XML, the same bytes for the same values; items as given. An item that cannot be written is left out."""
    return write_feed(feed, _write)


def _write(feed: PublishedFeed) -> bytes:
    from feedgen.feed import FeedGenerator

    document = FeedGenerator()
    document.register_extension("ours", FeedExtension, EntryExtension, rss=False)
    document.id(feed.id)
    document.title(get_title(feed))
    document.updated(to_utc(feed.updated_at))
    document.author({"name": keep_legal(feed.author).strip() or get_title(feed)})
    document.generator(GENERATOR)
    if feed.subtitle:
        document.subtitle(keep_legal(feed.subtitle))
    if (language := get_language(feed.language)) != "und":
        document.language(language)
    _add_links(document, feed)
    if feed.is_archive:
        document.ours.elements = (Element(name=f"{HISTORY}archive"),)
    for item in feed.items:
        document.add_entry(_make_entry(item, feed.scheme), order="append")
    xml: bytes = document.atom_str(pretty=True)
    return xml


def _add_links(document: Any, feed: PublishedFeed) -> None:
    document.link(href=feed.self_url, rel="self", type=FORMATS["atom"])
    document.link(href=feed.page_url, rel="alternate", type="text/html")
    for name, url in sorted(feed.other_formats.items()):
        document.link(href=url, rel="alternate", type=FORMATS[name])
    for relation, url in list_relations(feed):
        document.link(href=url, rel=relation)


def _make_entry(item: FeedItem, scheme: str) -> Any:
    from feedgen.entry import FeedEntry

    entry = FeedEntry()
    entry.register_extension("ours", EntryExtension, rss=False)
    entry.id(item.id)
    entry.title(item.title)
    entry.updated(to_utc(item.updated_at))
    entry.published(to_utc(item.published_at))
    entry.author({"name": item.author})
    for slug, name in item.categories:
        entry.category({"term": slug, "scheme": scheme, "label": name})
    if item.summary:
        entry.summary(item.summary)
    entry.content(item.content_html, type="html")
    entry.ours.language = get_language(item.language)
    entry.ours.elements = (*_list_links(item), *_list_pictures(item), *_list_origins(item.origin))
    return entry


def _list_links(item: FeedItem) -> list[Element]:
    """Where a reader goes, and the enclosures."""
    alternate = {"rel": "alternate", "type": "text/html", "href": item.url}
    if (language := get_language(item.language)) != "und":
        alternate["hreflang"] = language
    links = [alternate]
    for enclosure in item.enclosures:
        attributes = {"rel": "enclosure", "href": enclosure.url}
        if enclosure.type:
            attributes["type"] = enclosure.type
        if enclosure.length is not None:
            attributes["length"] = str(enclosure.length)
        links.append(attributes)
    return [Element(name="link", attributes=attributes) for attributes in links]


def _list_pictures(item: FeedItem) -> list[Element]:
    return [Element(name=f"{MEDIA}thumbnail", attributes={"url": item.image_url})] if item.image_url else []


def _list_origins(origin: FeedOrigin | None) -> list[Element]:
    """``atom:source`` (RFC 4287 4.2.11): feedgen's own knows but title and link."""
    if origin is None:
        return []
    children = [Element(name="id", text=origin.id), Element(name="title", text=origin.title)]
    if origin.updated_at:
        children.append(Element(name="updated", text=write_moment(origin.updated_at)))
    for relation, url in (("self", origin.self_url), ("alternate", origin.page_url)):
        if url:
            children.append(Element(name="link", attributes={"rel": relation, "href": url}))
    if origin.author:
        children.append(Element(name="author", children=(Element(name="name", text=origin.author),)))
    if origin.rights:
        children.append(Element(name="rights", text=origin.rights))
    language = get_language(origin.language)
    attributes = {LANGUAGE: language} if language != "und" else {}
    return [Element(name="source", attributes=attributes, children=tuple(children))]
