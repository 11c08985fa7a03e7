"""One feed of stories as Atom 1.0 (RFC 4287), by feedgen. Never writes XML by hand and never reads a clock.

What feedgen cannot write (``xml:lang``, the details of ``atom:source``, and any attribute of an entry's link but its
``href``) comes through its own extension interface. Its traps: it puts the newest call first (we append), stamps a
missing ``updated`` with the clock (always given), and one illegal character or one entry without link and content
loses the whole document (each entry is tried by itself).
"""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

from aggregator import __version__
from aggregator.model.entry import Entry
from aggregator.model.feed import Feed
from aggregator.model.settings import Site
from aggregator.model.shown import FeedDocument
from aggregator.model.story import Story
from aggregator.model.tag import Tag
from aggregator.render.links import get_public_url, get_web_url
from aggregator.render.tagnames import list_tags
from aggregator.render.words import get_feed_name, get_headline, keep_legal

#: How many "also covered by" links an entry carries.
MAX_OTHERS = 10
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")


_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*")
#: Name, text, attributes.
_Element = tuple[str, str | None, dict[str, str]]


def render_atom(document: FeedDocument, site: Site) -> bytes:
    """UTF-8 XML, the same bytes for the same values; entries as given. A story that cannot be written is left out."""
    from feedgen.feed import FeedGenerator

    feed = FeedGenerator()
    feed.register_extension("attribution", _FeedExtension, _EntryExtension, rss=False)
    feed.id(keep_legal(document.id))
    feed.title(keep_legal(document.title))
    feed.updated(document.updated_at)
    feed.link(href=document.self_url, rel="self", type="application/atom+xml")
    feed.link(href=document.page_url, rel="alternate", type="text/html")
    feed.author({"name": keep_legal(site.author) or keep_legal(site.title)})
    feed.generator("AI News Aggregator", version=__version__)
    if site.description:
        feed.subtitle(keep_legal(site.description))
    if _LANGUAGE.fullmatch(site.language):
        feed.language(site.language)
    seen = set()
    for story in document.stories:
        entry = _make_entry(story, document, site)
        if entry is not None and story.atom_id not in seen:
            seen.add(story.atom_id)  # RFC 4287 4.1.1: no two entries with one id and one date
            feed.add_entry(entry, order="append")
    xml: bytes = feed.atom_str(pretty=True)
    return xml


def _make_entry(story: Story, document: FeedDocument, site: Site) -> Any | None:
    """A feedgen entry, or None when a value in it cannot be written."""
    from feedgen.entry import FeedEntry

    entry = FeedEntry()
    entry.register_extension("attribution", _EntryExtension, rss=False)
    try:
        _fill_entry(entry, story, document, site)
        entry.attribution.describe(story.lead, document.feeds.get(story.lead.feed_id), document.id, site)
        entry.atom_entry()
    except (ValueError, TypeError, OverflowError):
        return None
    return entry


def _fill_entry(entry: Any, story: Story, document: FeedDocument, site: Site) -> None:
    lead = story.lead
    entry.id(story.atom_id)
    entry.title(get_headline(lead))
    entry.updated(story.updated_at)
    entry.published(lead.published_at or lead.effective_at)
    entry.author({"name": keep_legal(lead.author) or get_feed_name(lead.feed_name) or keep_legal(site.title)})
    tags = list_tags(story, document.tags)
    for tag in tags:
        entry.category({"term": tag.slug, "scheme": f"{site.url}/tags/", "label": keep_legal(tag.name)})
    if lead.excerpt:
        entry.summary(keep_legal(lead.excerpt))
    source = document.feeds.get(lead.feed_id)
    entry.content(_render_content(story, source, tags, site), type="html")


def _render_content(story: Story, source: Feed | None, tags: tuple[Tag, ...], site: Site) -> str:
    """The excerpt, where it comes from (few readers show ``atom:source``), who else covers it, and our tags.

    HTML made of escaped text only.
    """
    parts = []
    if story.lead.excerpt:
        parts.append(Markup("<p>{}</p>").format(keep_legal(story.lead.excerpt)))
    parts.append(Markup("<p>Source: {}</p>").format(_render_source(story.lead, source)))
    if story.others:
        lines = [_render_other(other, site) for other in story.others[:MAX_OTHERS]]
        if more := len(story.others) - len(lines):
            lines.append(Markup('<li><a href="{}/stories/{}">{} more</a></li>').format(site.url, story.id, more))
        parts.append(Markup("<p>Also covered by:</p>\n<ul>\n{}\n</ul>").format(Markup("\n").join(lines)))
    if tags:
        links = [Markup('<a href="{}/tags/{}">{}</a>').format(site.url, tag.slug, keep_legal(tag.name)) for tag in tags]
        parts.append(Markup("<p>Tags: {}</p>").format(Markup(", ").join(links)))
    return str(Markup("\n").join(parts))


def _render_source(entry: Entry, feed: Feed | None) -> Markup | str:
    name = get_feed_name(feed.name if feed else entry.feed_name)
    url = get_web_url(feed.site_url) if feed else ""
    return Markup('<a href="{}">{}</a>').format(url, name) if url else name


def _render_other(entry: Entry, site: Site) -> Markup:
    url = get_web_url(entry.url) or f"{site.url}/entries/{entry.id}"
    name = get_feed_name(entry.feed_name)
    return Markup('<li>{}: <a href="{}">{}</a></li>').format(name, url, get_headline(entry))


class _FeedExtension:
    """feedgen asks for one on the feed; ours has nothing to add there."""

    def extend_ns(self) -> dict[str, str]:
        return {}

    def extend_atom(self, feed: Any) -> Any:
        return feed


class _EntryExtension:
    """``xml:lang``, links and ``atom:source`` (RFC 4287 4.2.11) of an entry, in feedgen's extension interface.

    feedgen builds its tree without a namespace and writes ``xmlns`` as if it were an attribute: so must we.
    """

    def __init__(self) -> None:
        self._language = "und"
        self._links: tuple[_Element, ...] = ()
        self._source: tuple[_Element, ...] = ()

    def describe(self, entry: Entry, feed: Feed | None, document_id: str, site: Site) -> None:
        """Takes what is to be said about ``entry`` and where it comes from; ``feed`` None: only its name is known."""
        self._language = entry.language if _LANGUAGE.fullmatch(entry.language) else "und"
        self._links = _make_links(entry, site)
        self._source = _make_source(entry, feed, document_id)

    def extend_ns(self) -> dict[str, str]:
        return {}

    def extend_atom(self, entry: Any) -> Any:
        from lxml import etree

        entry.set("{http://www.w3.org/XML/1998/namespace}lang", self._language)
        for name, text, attributes in self._links:
            etree.SubElement(entry, name, attributes).text = text
        source = etree.SubElement(entry, "source")
        for name, text, attributes in self._source:
            etree.SubElement(source, name, attributes).text = text
        return entry


def _make_links(entry: Entry, site: Site) -> tuple[_Element, ...]:
    """The entry's page (ours when it has none) and its enclosures."""
    alternate = {
        "rel": "alternate",
        "type": "text/html",
        "href": get_web_url(entry.url) or f"{site.url}/entries/{entry.id}",
    }
    if entry.language != "und" and _LANGUAGE.fullmatch(entry.language):
        alternate["hreflang"] = entry.language
    links: list[_Element] = [("link", None, alternate)]
    for enclosure in entry.enclosures:
        if href := get_web_url(enclosure.url):
            attributes = {"rel": "enclosure", "href": href}
            if _MEDIA_TYPE.fullmatch(enclosure.type):
                attributes["type"] = enclosure.type
            if enclosure.length is not None:
                attributes["length"] = str(enclosure.length)
            links.append(("link", None, attributes))
    return tuple(links)


def _make_source(entry: Entry, feed: Feed | None, document_id: str) -> tuple[_Element, ...]:
    name = get_feed_name(feed.name if feed else entry.feed_name)
    elements: list[_Element] = [("id", _get_source_id(entry, feed, document_id), {}), ("title", name, {})]
    if feed and feed.feed_updated_at:
        elements.append(("updated", feed.feed_updated_at.isoformat(), {}))
    if feed and (url := get_public_url(feed.spec)):
        elements.append(("link", None, {"rel": "self", "href": url}))
    if feed and (url := get_web_url(feed.site_url)):
        elements.append(("link", None, {"rel": "alternate", "href": url}))
    if feed and feed.rights:
        elements.append(("rights", keep_legal(feed.rights), {}))
    return tuple(elements)


def _get_source_id(entry: Entry, feed: Feed | None, document_id: str) -> str:
    """The feed's own id where it is an IRI, else its public address, else one of ours."""
    own = keep_legal(feed.atom_id) if feed else ""
    if _IRI.fullmatch(own):
        return get_web_url(own) or own  # a web address may hold a password
    return (get_public_url(feed.spec) if feed else "") or f"{document_id}/{entry.feed_id}"
