"""A read document -> `ParsedFeed`, by the rules of `pipeline.parse.fields` for values whose types are certain.

What `fields` must ask of every value of feedparser's (is it text? is it XML?) is known here: expat gave it. That is
most of the difference in time. Equality is held by tests; whoever changes a rule changes it in both.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import Any

from aggregator.model.parsed import Enclosure, ParsedEntry, ParsedFeed
from aggregator.pipeline.parse import fields
from aggregator.pipeline.parse.counts import find_count
from aggregator.pipeline.parse.fast.reader import Reader
from aggregator.pipeline.parse.hints import Hints
from aggregator.pipeline.words import clean_line

#: `ParsedEntry` while it may still be written: a frozen one is built four times slower, attribute by attribute.
_Draft: Any = dataclasses.make_dataclass(
    "_Draft",
    [(told.name, Any, dataclasses.field(default=told.default)) for told in dataclasses.fields(ParsedEntry)],
    slots=True,
)
_PAGES = (None, "alternate", "via", "related")
_NOTHING: dict[str, Any] = {}
#: Authors and categories repeat from entry to entry.
_line = lru_cache(4096)(clean_line)
_MAX_TAG = 50
_language = lru_cache(256)(fields.read_language)


def make_feed(reader: Reader, *, url: str, warnings: tuple[str, ...], hints: Hints) -> ParsedFeed:
    """What `fields.read_feed` makes of the same document."""
    feed, said = reader.feed, list(warnings)
    site_url = _text(feed, "link", fields.MAX_ADDRESS)
    entries = tuple(_make_entry(entry, url, site_url, said) for entry in reader.entries)
    return ParsedFeed(
        id=_text(feed, "id", fields.MAX_ADDRESS),
        title=clean_line(_make_title(feed), fields.MAX_FEED_LINE),
        site_url=site_url,
        language=fields.read_language(feed.get("language")),
        rights=clean_line(_text(feed, "rights", fields.MAX_TITLE), fields.MAX_FEED_LINE),
        author=clean_line(_make_author(feed), fields.MAX_AUTHOR),
        updated_at=feed.get("updated_parsed") or feed.get("published_parsed"),
        entries=entries,
        warnings=tuple(said[: fields.MAX_WARNINGS]),
        ttl_minutes=fields.read_ttl(feed.get("ttl")),
        update_minutes=hints.update_minutes,
        skip_hours=hints.skip_hours,
        skip_days=hints.skip_days,
        hub_url=hints.hub_url,
        self_url=hints.self_url,
    )


def _make_entry(entry: dict[str, Any], url: str, site_url: str, warnings: list[str]) -> ParsedEntry:
    get = entry.get
    contents, summary, links = get("content"), get("summary_detail", _NOTHING), get("links", ())
    content, content_html, summary_html = _NOTHING, "", ""
    if contents:
        content = _choose_content(contents)
        content_html = _make_html(content.get("value", ""), content, warnings)
    if summary:
        summary_html = _make_html(summary["value"], summary, warnings)
    if not summary_html and (copied := get("summary")):
        summary_html = _make_html(copied, _NOTHING, warnings)
    link = get("link", "")[: fields.MAX_ADDRESS].strip() or _find_page(links)
    draft = _Draft(
        id=get("id", "")[: 16 * fields.MAX_ADDRESS].strip(),
        url=link,
        title=_make_title(entry),
        author=_make_author(entry),
        summary_html="" if summary_html == content_html else summary_html,
        content_html=content_html,
        published_at=get("published_parsed") or get("created_parsed"),
        updated_at=get("updated_parsed"),
        categories=_make_categories(entry["tags"]) if "tags" in entry else (),
        enclosures=_make_enclosures(links) if len(links) > 1 or (links and links[0]["rel"] == "enclosure") else (),
        language=_find_language(entry, content, summary),
        base_url=_find_base(content, summary, url) or link or site_url or url,
        discussion=find_count(entry),
    )
    draft.__class__ = ParsedEntry
    made: ParsedEntry = draft
    return made


def _text(source: dict[str, Any], key: str, limit: int) -> str:
    value: str = source.get(key, "")
    return value[:limit].strip()


def _make_title(source: dict[str, Any]) -> str:
    title: str = source.get("title", "")[: fields.MAX_TITLE].strip()
    if "<" in title and source.get("title_detail", _NOTHING).get("type") == "text/plain":
        return title.replace("<", "&lt;")
    return title


def _make_html(value: str, detail: dict[str, Any], warnings: list[str]) -> str:
    if len(value) > fields.MAX_HTML:
        return fields.shorten_html(value, warnings)
    value = value.strip()
    return fields.make_paragraphs(value) if value and detail.get("type") == "text/plain" else value


def _choose_content(contents: list[dict[str, Any]]) -> dict[str, Any]:
    if len(contents) == 1 and contents[0]["type"] in fields.HTML_TYPES:
        return contents[0]
    texts = [part for part in contents if part["type"] in fields.HTML_TYPES] or [
        part for part in contents if part["type"].startswith("text/")
    ]
    return max(texts, key=lambda part: len(part["value"]), default=_NOTHING)


def _find_page(links: list[dict[str, str]]) -> str:
    for other in links:
        if other["rel"] in _PAGES and (link := _text(other, "href", fields.MAX_ADDRESS)):
            return link
    return ""


def _make_author(source: dict[str, Any]) -> str:
    names: dict[str, None] = {}
    authors = source.get("authors", ())
    if len(authors) == 1 and "name" in authors[0]:
        name = _line(authors[0]["name"][: fields.MAX_AUTHOR].strip(), fields.MAX_AUTHOR)
        if name:
            return name
    for author in authors:
        if author:
            words = _text(author, "name", fields.MAX_AUTHOR) or _text(author, "email", fields.MAX_AUTHOR)
            if name := _line(words, fields.MAX_AUTHOR):
                names.setdefault(name)
    return ", ".join(names)[: fields.MAX_AUTHOR] or _text(source, "author", fields.MAX_AUTHOR)


def _make_categories(tags: list[tuple[str | None, str | None, str | None]]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for term, _, label in tags:
        words = label[: fields.MAX_TITLE].strip() if label else ""
        if not words and term:
            words = term[: fields.MAX_TITLE].strip()
        if line := _line(words, fields.MAX_CATEGORY):
            found.setdefault(line)
        if len(found) == fields.MAX_CATEGORIES:
            break
    return tuple(found)


def _make_enclosures(links: list[dict[str, str]]) -> tuple[Enclosure, ...]:
    found: dict[str, Enclosure] = {}
    for link in links:
        if link["rel"] != "enclosure" or len(found) >= fields.MAX_ENCLOSURES:
            continue
        if href := _text(link, "href", fields.MAX_ADDRESS):
            number = fields.read_length(_text(link, "length", 20))
            found.setdefault(href, Enclosure(url=href, type=_text(link, "type", 100), length=number))
    return tuple(found.values())


def _find_language(entry: dict[str, Any], content: dict[str, Any], summary: dict[str, Any]) -> str:
    for claim in (content, summary, entry.get("title_detail", _NOTHING), entry):
        if "language" in claim and (claimed := claim["language"]):
            read = _language if len(claimed) <= _MAX_TAG else fields.read_language  # no cache of long texts
            if language := read(claimed):
                return language
    return ""


def _find_base(content: dict[str, Any], summary: dict[str, Any], url: str) -> str:
    for detail in (content, summary):
        if detail and detail["base"] != url:
            base = _text(detail, "base", fields.MAX_ADDRESS)
            if base and base != url:
                return base
    return ""
