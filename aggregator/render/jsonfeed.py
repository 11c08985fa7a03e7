"""A published feed as JSON Feed 1.1 (jsonfeed.org). Never a lone surrogate, never an empty value.

What the format has no name for stands in an extension of ours, ``_source``: the feed that an item comes from.
"""

from __future__ import annotations

import json
from typing import Any

from aggregator.model.parsed import Enclosure
from aggregator.model.published import FeedItem, FeedOrigin, PublishedFeed
from aggregator.render.extensions import get_language, write_moment
from aggregator.render.items import get_title, write_feed
from aggregator.render.words import keep_legal

VERSION = "https://jsonfeed.org/version/1.1"
#: An attachment must have a type.
_UNKNOWN_TYPE = "application/octet-stream"


def render_json(feed: PublishedFeed) -> bytes:
    """UTF-8 JSON, the same bytes for the same values, keys always in one order. An item that cannot be written is
    left out."""
    return write_feed(feed, _write)


def _write(feed: PublishedFeed) -> bytes:
    values = {
        "version": VERSION,
        "title": get_title(feed),
        "home_page_url": feed.page_url,
        "feed_url": feed.self_url,
        "description": keep_legal(feed.subtitle),
        "next_url": feed.places.next,
        "authors": _list_authors(keep_legal(feed.author).strip() or get_title(feed)),
        "language": _get_language(feed.language),
        "hubs": [{"type": "WebSub", "url": feed.hub_url}] if feed.hub_url else [],
    }
    head = _drop_empty(values)
    items = [_make_item(item) for item in feed.items]
    # Half a character is no text: UnicodeEncodeError, a ValueError.
    return json.dumps({**head, "items": items}, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _make_item(item: FeedItem) -> dict[str, Any]:
    return _drop_empty(
        {
            "id": item.id,
            "url": item.url,
            "title": item.title,
            "content_html": item.content_html,
            "summary": item.summary,
            "image": item.image_url,
            "date_published": write_moment(item.published_at),
            "date_modified": write_moment(item.updated_at),
            "authors": _list_authors(item.author),
            "tags": [name for _, name in item.categories],
            "language": _get_language(item.language),
            "attachments": [_describe(enclosure) for enclosure in item.enclosures],
            "_source": _describe_source(item.origin) if item.origin else {},
        }
    )


def _list_authors(name: str) -> list[dict[str, str]]:
    return [{"name": name}] if name else []


def _get_language(language: str) -> str:
    known = get_language(language)
    return "" if known == "und" else known


def _describe(enclosure: Enclosure) -> dict[str, str | int]:
    attachment: dict[str, str | int] = {"url": enclosure.url, "mime_type": enclosure.type or _UNKNOWN_TYPE}
    if enclosure.length is not None:
        attachment["size_in_bytes"] = enclosure.length
    return attachment


def _describe_source(origin: FeedOrigin) -> dict[str, Any]:
    return _drop_empty(
        {
            "id": origin.id,
            "title": origin.title,
            "url": origin.page_url,
            "feed_url": origin.self_url,
            "rights": origin.rights,
        }
    )


def _drop_empty(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in ("", [], {})}
