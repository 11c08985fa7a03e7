"""JSON Feed 1.0 and 1.1 -> `ParsedFeed` (https://www.jsonfeed.org/version/1.1/). Never trusts a value's type.

Numbers where text belongs are read as written (ids are often numbers); what else has the wrong type counts as missing.
An item that is no object costs itself only, and a document that breaks off keeps the items before the fault.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html import escape
from itertools import islice
from typing import Any

from aggregator.errors import ParseError
from aggregator.model.parsed import Enclosure, ParsedEntry, ParsedFeed, RejectedEntry
from aggregator.pipeline.htmltext import html_to_text
from aggregator.pipeline.parse.charset import decode_document
from aggregator.pipeline.parse.counts import follow_path
from aggregator.pipeline.parse.fields import (
    MAX_ADDRESS,
    MAX_AUTHOR,
    MAX_CATEGORIES,
    MAX_CATEGORY,
    MAX_ENCLOSURES,
    MAX_FEED_LINE,
    MAX_HTML,
    MAX_TITLE,
    MAX_WARNINGS,
    _language,
    _paragraphs,
)
from aggregator.pipeline.parse.guard import MAX_BYTES, MAX_ENTRIES
from aggregator.pipeline.parse.moments import read_moment
from aggregator.pipeline.urls import is_web_url, resolve_url
from aggregator.pipeline.words import clean_line, xml_text

_VERSION = "jsonfeed.org/version"
#: Without a version, what still makes a JSON Feed: one of these beside ``items``, and one of those in an item.
_FEED_KEYS = ("title", "home_page_url", "feed_url")
_ITEM_KEYS = ("id", "url", "content_html", "content_text")
_ITEMS = re.compile(r'"items"\s{0,100}:\s{0,100}\[')
_SEPARATOR = re.compile(r"[\s,]{0,1000}")
#: Objects before anything is read: beyond it, memory is all that a document is about.
_MAX_OBJECTS = 40 * MAX_ENTRIES
_MAX_DIGITS = 18


def is_json(text: str) -> bool:
    """Whether a document's text can only be meant as JSON."""
    return text[:1024].lstrip("\ufeff \t\r\n").startswith(("{", "["))


def read_json_feed(text: str | bytes, *, url: str, points: str = "") -> ParsedFeed:
    """Read the document that was fetched from ``url``; items that cannot be read are in ``rejected``.

    ``points``: where in each item stands how much it is discussed (`counts.follow_path`); empty: nowhere.
    Raises `ParseError`: ``not_a_feed`` for JSON that is none, or no JSON, ``too_hostile`` over a limit.
    """
    if len(text) > MAX_BYTES:
        raise ParseError("too_hostile", f"{len(text):,} bytes, more than the {MAX_BYTES:,} that are read")
    if isinstance(text, bytes):
        text = decode_document(text, "").text
    warnings: list[str] = []
    said = _load(text.lstrip("\ufeff"), warnings)
    if not _is_feed(said):
        raise ParseError("not_a_feed", describe_json(said))
    items = said.get("items") or []
    if len(items) > MAX_ENTRIES:
        raise ParseError("too_hostile", f"more than {MAX_ENTRIES:,} entries")
    if _VERSION not in _text(said, "version", MAX_FEED_LINE):
        warnings.append("it names no version of JSON Feed")
    if said.get("expired") is True:
        warnings.append("its publisher says that it is finished and brings nothing new")
    return _read_feed(said, items, url=url, points=points, warnings=warnings)


def describe_json(said: object) -> str:
    """What a JSON document is that is no feed, in one sentence."""
    if not isinstance(said, Mapping):
        return "this is JSON (a list), and no feed" if isinstance(said, list) else "this is JSON, and no feed"
    if _VERSION in _text(said, "version", MAX_FEED_LINE):
        return "this is a JSON Feed without its list of items"
    if "@context" in said:
        named = said["@context"] if isinstance(said["@context"], list) else [said["@context"]]
        social = any(isinstance(name, str) and "activitystreams" in name[:500] for name in named[:20])
        return f"this is {'an ActivityPub document' if social else 'JSON-LD'}, and no feed"
    for key in ("error", "errors", "message", "detail"):
        told = said.get(key)
        if isinstance(told, Mapping):
            told = told.get("message")
        if isinstance(told, str) and clean_line(told, 80):
            return f'this is JSON, and no feed: an error message ("{clean_line(told, 80)}")'
    return "this is JSON, and no feed"


def _load(text: str, warnings: list[str]) -> Any:
    if text.count("{") > _MAX_OBJECTS:
        raise ParseError("too_hostile", f"more than {_MAX_OBJECTS:,} objects")
    try:
        return _DECODER.decode(text)
    except (RecursionError, MemoryError) as error:
        raise ParseError("too_hostile", "it is nested too deeply, or too large") from error
    except ValueError as error:
        fault = clean_line(str(error), 150)
        said = _load_beginning(text)
        if said is None:
            raise ParseError("not_a_feed", f"this is broken JSON: {fault}") from error
        warnings.append(f"broken JSON, read up to the fault: {fault}")
        return said


def _load_beginning(text: str) -> dict[str, Any] | None:
    """A feed that breaks off in its items, or has a fault there, up to the fault; None for anything else."""
    start = _ITEMS.search(text)
    if start is None:
        return None
    items: list[Any] = []
    try:
        feed = _DECODER.decode(text[: start.start()].rstrip().removesuffix(",") + "}")
    except (ValueError, RecursionError):
        return None
    position = start.end()
    try:
        while len(items) <= MAX_ENTRIES:
            after = _SEPARATOR.match(text, position)
            item, position = _DECODER.raw_decode(text, after.end() if after else position)
            items.append(item)
    except (ValueError, RecursionError):
        return {**feed, "items": items} if items else None
    return {**feed, "items": items}


def _read_number(digits: str) -> int | str:
    """Long numbers stay text: as ids they must keep every digit, and converting them takes quadratic time."""
    return int(digits) if len(digits) <= _MAX_DIGITS else digits


_DECODER = json.JSONDecoder(
    parse_int=_read_number, parse_float=str, parse_constant=lambda _: None, strict=False
)  # not strict: raw line breaks in texts are common


def _is_feed(said: object) -> bool:
    if not isinstance(said, Mapping) or "items" not in said:
        return False
    items = said["items"]
    named = _VERSION in _text(said, "version", MAX_FEED_LINE)
    if not isinstance(items, list):
        return named and items is None
    return named or (
        any(_text(said, key, MAX_ADDRESS) for key in _FEED_KEYS)
        and any(isinstance(item, Mapping) and any(key in item for key in _ITEM_KEYS) for item in items[:20])
    )


def _read_feed(said: Mapping[str, Any], items: list[Any], *, url: str, points: str, warnings: list[str]) -> ParsedFeed:
    site_url = resolve_url(url, _text(said, "home_page_url", MAX_ADDRESS))
    entries: list[ParsedEntry] = []
    rejected: list[RejectedEntry] = []
    for index, item in enumerate(items):
        if not isinstance(item, Mapping):
            rejected.append(RejectedEntry(index=index, reason="no object of JSON"))
            continue
        try:
            entry = _read_item(item, url=url, site_url=site_url, warnings=warnings)
            entries.append(replace(entry, discussion=follow_path(item, points)) if points else entry)
        except Exception as error:  # noqa: BLE001  (one bad entry must not cost the others)
            rejected.append(RejectedEntry(index=index, reason=f"cannot be read: {type(error).__name__}: {error}"[:200]))
    return ParsedFeed(
        id=_text(said, "feed_url", MAX_ADDRESS),
        title=clean_line(_title(said), MAX_FEED_LINE),
        site_url=site_url,
        language=_language(said.get("language")),
        author=clean_line(_author(said), MAX_AUTHOR),
        entries=tuple(entries),
        rejected=tuple(rejected),
        warnings=tuple(warnings[:MAX_WARNINGS]),
        hub_url=_hub(said, url),
        self_url=resolve_url(url, _text(said, "feed_url", MAX_ADDRESS)),
    )


def _read_item(item: Mapping[str, Any], *, url: str, site_url: str, warnings: list[str]) -> ParsedEntry:
    entry_id = _text(item, "id", 16 * MAX_ADDRESS)
    link = resolve_url(url, _text(item, "url", MAX_ADDRESS)) or resolve_url(
        url, _text(item, "external_url", MAX_ADDRESS)
    )
    if not link and is_web_url(entry_id):
        link = entry_id
    return ParsedEntry(
        id=entry_id,
        url=link,
        title=_title(item),
        author=_author(item),
        summary_html=_paragraphs(_text(item, "summary", MAX_HTML // 4)),
        content_html=_content(item, warnings),
        published_at=read_moment(item.get("date_published")),
        updated_at=read_moment(item.get("date_modified")),
        categories=_categories(item),
        enclosures=_enclosures(item, url),
        language=_language(item.get("language")),
        base_url=link or site_url or url,
    )


def _text(source: Mapping[str, Any], key: str, limit: int) -> str:
    """Text as written; a number is its digits, anything else nothing."""
    value = source.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return xml_text(value[:limit]).strip() if isinstance(value, str) else ""


def _mappings(value: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        yield from (part for part in islice(value, MAX_CATEGORIES) if isinstance(part, Mapping))


def _title(source: Mapping[str, Any]) -> str:
    """Plain text by the specification, so brackets are brackets."""
    return _text(source, "title", MAX_TITLE).replace("<", "&lt;")


def _content(item: Mapping[str, Any], warnings: list[str]) -> str:
    html = item.get("content_html")
    if isinstance(html, str) and len(html) > MAX_HTML:
        warnings.append(f"a text of {len(html):,} characters was cut to {MAX_HTML // 4:,} without its markup")
        return _paragraphs(html_to_text(html)[: MAX_HTML // 4])
    return _text(item, "content_html", MAX_HTML) or _paragraphs(_text(item, "content_text", MAX_HTML // 4))


def _author(source: Mapping[str, Any]) -> str:
    """Names in their order; ``author`` (1.0) counts where ``authors`` (1.1) names nobody."""
    for authors in (source.get("authors"), [source.get("author")]):
        names: dict[str, None] = {}
        for author in authors[:MAX_CATEGORIES] if isinstance(authors, list) else [authors]:
            name = _text(author, "name", MAX_AUTHOR) if isinstance(author, Mapping) else author
            line = clean_line(name, MAX_AUTHOR) if isinstance(name, str) else ""
            if line:
                names.setdefault(line)
        if names:
            return ", ".join(names)[:MAX_AUTHOR]
    return ""


def _categories(item: Mapping[str, Any]) -> tuple[str, ...]:
    tags = item.get("tags")
    if isinstance(tags, str):
        tags = tags[:MAX_ADDRESS].split(",")
    terms = (
        clean_line(escape(tag[:MAX_TITLE], quote=False), MAX_CATEGORY) if isinstance(tag, str) else ""
        for tag in (tags if isinstance(tags, list) else [])[: 2 * MAX_CATEGORIES]
    )
    return tuple(islice(dict.fromkeys(term for term in terms if term), MAX_CATEGORIES))


def _enclosures(item: Mapping[str, Any], url: str) -> tuple[Enclosure, ...]:
    """The attachments, and then the item's picture."""
    found: dict[str, Enclosure] = {}
    for part in _mappings(item.get("attachments")):
        address = resolve_url(url, _text(part, "url", MAX_ADDRESS))
        if address:
            length = _text(part, "size_in_bytes", _MAX_DIGITS + 2).partition(".")[0]
            number = int(length) if length.isascii() and length.isdigit() and len(length) < 16 else None
            found.setdefault(address, Enclosure(url=address, type=_text(part, "mime_type", 100), length=number))
    picture = resolve_url(url, _text(item, "image", MAX_ADDRESS))
    if picture:
        found.setdefault(picture, Enclosure(url=picture, type=_picture_type(picture)))
    return tuple(islice(found.values(), MAX_ENCLOSURES))


def _picture_type(address: str) -> str:
    ending = address.partition("?")[0].rpartition(".")[2].lower()
    known = {"jpg": "jpeg", "jpeg": "jpeg", "png": "png", "gif": "gif", "webp": "webp", "avif": "avif"}
    return f"image/{known.get(ending, '*')}"


def _hub(said: Mapping[str, Any], url: str) -> str:
    for hub in _mappings(said.get("hubs")):
        address = resolve_url(url, _text(hub, "url", MAX_ADDRESS))
        if address and _text(hub, "type", 40).lower() in ("websub", "pubsubhubbub"):
            return address
    return ""
