"""What a published feed must be, whatever stands in it: valid by its format's rules, and harmless.

Atom is held against RFC 4287's grammar (``data/atom.rng``) and what a grammar cannot say, RSS against the rules of the
RSS Advisory Board (``data/rss.rng``), JSON Feed against those of version 1.1, written out here.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lxml import etree, html

A = "{http://www.w3.org/2005/Atom}"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
_DATA = Path(__file__).parent / "data"
_ACTIVE = frozenset(
    "script style iframe frame frameset object embed applet form input button select textarea svg math meta link base"
    " template noscript portal marquee title".split()
)
_ADDRESSES = (
    "href",
    "src",
    "cite",
    "poster",
    "action",
    "formaction",
    "data",
    "background",
    "srcset",
    "ping",
    "xlink:href",
)
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")
#: What may not stand in an IRI, behind the host (RFC 3987 2.2).
_NO_IRI = re.compile(r"[\s<>\"{}|\\^`\[\]]|%(?![0-9A-Fa-f]{2})|#.*#")
#: RFC 3339 5.6.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


@cache
def load_grammar(name: str) -> etree.RelaxNG:
    return etree.RelaxNG(etree.parse(_DATA / f"{name}.rng"))


def check_atom(data: bytes) -> etree._Element:
    """The feed element of ``data``, which is Atom by all of RFC 4287's rules that bind a document."""
    feed = etree.fromstring(data)
    grammar = load_grammar("atom")
    assert grammar.validate(feed), grammar.error_log
    entries = feed.findall(f"{A}entry")
    # 4.1.1 and 4.1.2: authors, and alternates that tell themselves apart.
    assert feed.findall(f"{A}author") or all(entry.findall(f"{A}author") for entry in entries)
    assert find_links(feed, "self")
    for element in (feed, *entries):
        kinds = [(link.get("type"), link.get("hreflang")) for link in find_links(element, "alternate")]
        assert len(kinds) == len(set(kinds))
        for link in element.findall(f"{A}link"):
            check_address(link.get("href"))
    ids = [entry.findtext(f"{A}id") for entry in entries]
    assert len(ids) == len(set(ids))
    for entry in entries:
        content = entry.find(f"{A}content")
        assert content is not None or find_links(entry, "alternate")
        if content is not None:
            check_content(content.text)
    return feed


def find_links(element: etree._Element, relation: str) -> list[etree._Element]:
    return [link for link in element.findall(f"{A}link") if link.get("rel", "alternate") == relation]


def check_rss(data: bytes) -> etree._Element:
    """The channel of ``data``, which is RSS 2.0."""
    rss = etree.fromstring(data)
    grammar = load_grammar("rss")
    assert grammar.validate(rss), grammar.error_log
    channel = rss.find("channel")
    assert channel is not None
    for link in channel.findall(f"{A}link"):
        check_address(link.get("href"))
    guids = [item.findtext("guid") for item in channel.findall("item")]
    assert len(guids) == len(set(guids))
    for item in channel.findall("item"):
        check_address(item.findtext("link"))
        check_content(item.findtext("description") or "")
        check_content(item.findtext(CONTENT) or "")
    return channel


_FEED_KEYS: dict[str, type | tuple[type, ...]] = {
    "version": str,
    "title": str,
    "home_page_url": str,
    "feed_url": str,
    "description": str,
    "user_comment": str,
    "next_url": str,
    "icon": str,
    "favicon": str,
    "authors": list,
    "language": str,
    "expired": bool,
    "hubs": list,
    "items": list,
}
_ITEM_KEYS: dict[str, type | tuple[type, ...]] = {
    "id": str,
    "url": str,
    "external_url": str,
    "title": str,
    "content_html": str,
    "content_text": str,
    "summary": str,
    "image": str,
    "banner_image": str,
    "date_published": str,
    "date_modified": str,
    "authors": list,
    "tags": list,
    "language": str,
    "attachments": list,
}


def check_json(data: bytes) -> dict[str, Any]:
    """The object of ``data``, which is JSON Feed 1.1 (jsonfeed.org/version/1.1), each rule in its order."""
    feed: dict[str, Any] = json.loads(data.decode("utf-8"))
    check_keys(feed, _FEED_KEYS, required={"version", "title", "items"})
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    for key in ("home_page_url", "feed_url", "next_url"):
        check_address(feed.get(key, "https://absent.example/"))
    assert feed.get("next_url") != feed.get("feed_url") or "next_url" not in feed
    for hub in feed.get("hubs", []):
        check_keys(hub, {"type": str, "url": str}, required={"type", "url"})
    check_authors(feed)
    for item in feed["items"]:
        check_json_item(item)
    ids = [item["id"] for item in feed["items"]]
    assert len(ids) == len(set(ids))
    return feed


def check_json_item(item: dict[str, Any]) -> None:
    check_keys(item, _ITEM_KEYS, required={"id"})
    assert "content_html" in item or "content_text" in item
    check_content(item.get("content_html", ""))
    for key in ("url", "external_url", "image", "banner_image"):
        check_address(item.get(key, "https://absent.example/"))
    for key in ("date_published", "date_modified"):
        assert _MOMENT.fullmatch(item.get(key, "2020-01-01T00:00:00Z"))
        datetime.fromisoformat(item.get(key, "2020-01-01T00:00:00Z"))
    check_authors(item)
    assert all(isinstance(tag, str) and tag for tag in item.get("tags", []))
    for attachment in item.get("attachments", []):
        keys = {"url": str, "mime_type": str, "title": str, "size_in_bytes": int, "duration_in_seconds": int}
        check_keys(attachment, keys, required={"url", "mime_type"})
        check_address(attachment["url"])


def check_authors(value: dict[str, Any]) -> None:
    assert _LANGUAGE.fullmatch(value.get("language", "en"))
    for author in value.get("authors", []):
        check_keys(author, {"name": str, "url": str, "avatar": str}, required=set())
        assert author


def check_keys(value: dict[str, Any], known: dict[str, Any], *, required: set[str]) -> None:
    """Nothing null or empty, nothing unknown but extensions, which begin with an underscore and a letter."""
    assert required <= value.keys()
    for key, inner in value.items():
        if key[0] == "_":
            assert key[1].isalpha() and isinstance(inner, dict)
        else:
            assert isinstance(inner, known[key]), key
        assert inner not in (None, "") or key == "size_in_bytes"


def check_address(url: str | None) -> None:
    assert url is not None
    parts = urlsplit(url)
    assert parts.scheme in ("http", "https"), url
    assert parts.hostname
    assert "@" not in parts.netloc
    assert not _NO_IRI.search(url.removeprefix(f"{parts.scheme}://{parts.netloc}")), url


def check_content(content: str | None) -> None:
    """HTML in which nothing runs: no active element, no handler, no style, no foreign scheme, no relative address."""
    assert content is not None
    for element in html.fragment_fromstring(content, create_parent="div").iter():
        if not isinstance(element.tag, str):
            raise AssertionError(f"a comment or an instruction: {element!r}")
        assert element.tag not in _ACTIVE, element.tag
        for name, value in element.attrib.items():
            assert not name.startswith("on") and name not in ("style", "srcdoc"), name
            if name in _ADDRESSES:
                assert urlsplit(value.strip()).scheme in ("http", "https", "mailto"), value
