"""Whom we read, as a list that others can take over (OPML 2.0). Never an address that may hold a secret.

Without a date: the same feeds give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

from aggregator.model.feed import Feed
from aggregator.model.settings import Site
from aggregator.render.extensions import get_language
from aggregator.render.links import get_public_url, get_web_url
from aggregator.render.words import get_feed_name, keep_legal


def render_opml(feeds: Iterable[Feed], *, site: Site) -> bytes:
    """UTF-8, in the order given. Folders of ours, and feeds that take the editor's headers to read, are left out."""
    from lxml import etree

    root = etree.Element("opml", {"version": "2.0"})
    head = etree.SubElement(root, "head")
    etree.SubElement(head, "title").text = keep_legal(site.title)
    etree.SubElement(head, "docs").text = "http://opml.org/spec2.opml"
    body = etree.SubElement(root, "body")
    for feed in feeds:
        url = get_public_url(feed.spec)
        if not url:
            continue
        name = get_feed_name(feed.name)
        outline = etree.SubElement(body, "outline", {"type": "rss", "text": name, "title": name, "xmlUrl": url})
        if home := get_web_url(feed.site_url):
            outline.set("htmlUrl", home)
        language = get_language(feed.spec.language or feed.language)
        if language != "und":
            outline.set("language", language)
    etree.indent(root)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))
