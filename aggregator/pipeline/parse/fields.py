"""What feedparser found -> `ParsedFeed`. Never trusts a value's type: an element named ``tags`` or ``published_parsed``
in a hostile feed lands in the same dictionary as feedparser's own.

One bad entry costs one entry: whatever goes wrong inside it makes a `RejectedEntry` with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from html import escape
from typing import Any

from aggregator.model.parsed import Enclosure, ParsedEntry, ParsedFeed, RejectedEntry
from aggregator.pipeline.dates import from_utc_fields
from aggregator.pipeline.htmltext import html_to_text
from aggregator.pipeline.parse.counts import find_count
from aggregator.pipeline.parse.hints import NO_HINTS, Hints
from aggregator.pipeline.words import clean_line, xml_text

MAX_HTML = 512 * 1024
MAX_TITLE = 2048
MAX_FEED_LINE = 500
MAX_AUTHOR = 320
MAX_ADDRESS = 4096
MAX_CATEGORIES = 100
MAX_CATEGORY = 200
MAX_ENCLOSURES = 20
MAX_WARNINGS = 20

HTML_TYPES = ("text/html", "application/xhtml+xml")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,4}\Z")
_NEWLINES = re.compile(r"\n\s*\n")


def read_feed(result: Mapping[str, Any], *, url: str, warnings: tuple[str, ...], hints: Hints = NO_HINTS) -> ParsedFeed:
    """All that feedparser's ``result`` holds, or the fast road's; ``url`` is where the document came from."""
    said = list(warnings)
    trouble = result.get("bozo_exception")
    if result.get("bozo") and trouble is not None:
        said.append("not well-formed: " + clean_line(str(trouble).replace("<unknown>:", ""), 200))
    feed = _mapping(result.get("feed"))
    site_url = _text(feed, "link", MAX_ADDRESS)
    entries: list[ParsedEntry] = []
    rejected: list[RejectedEntry] = []
    for index, entry in enumerate(result.get("entries", ())):
        try:
            entries.append(_read_entry(_mapping(entry), url=url, site_url=site_url, warnings=said))
        except Exception as error:  # noqa: BLE001  (one bad entry must not cost the others)
            rejected.append(RejectedEntry(index=index, reason=f"cannot be read: {type(error).__name__}: {error}"[:200]))
    return ParsedFeed(
        id=_text(feed, "id", MAX_ADDRESS),
        # Facts of the feed have no stage of their own that cleans them: they leave here as plain lines.
        title=clean_line(_title(feed), MAX_FEED_LINE),
        site_url=site_url,
        language=read_language(feed.get("language")),
        rights=clean_line(_text(feed, "rights", MAX_TITLE), MAX_FEED_LINE),
        author=clean_line(_author(feed), MAX_AUTHOR),
        updated_at=_moment(feed, "updated") or _moment(feed, "published"),
        entries=tuple(entries),
        rejected=tuple(rejected),
        warnings=tuple(said[:MAX_WARNINGS]),
        ttl_minutes=read_ttl(feed.get("ttl")),
        update_minutes=hints.update_minutes,
        skip_hours=hints.skip_hours,
        skip_days=hints.skip_days,
        hub_url=hints.hub_url,
        self_url=hints.self_url,
    )


def _read_entry(entry: Mapping[str, Any], *, url: str, site_url: str, warnings: list[str]) -> ParsedEntry:
    content = _best_content(entry)
    summary = _mapping(dict.get(entry, "summary_detail")) if isinstance(entry, dict) else {}
    content_html = _html(content, "value", warnings)
    summary_html = _html(summary, "value", warnings) or _html(entry, "summary", warnings)
    link = _link(entry)
    return ParsedEntry(
        id=_text(entry, "id", 16 * MAX_ADDRESS),
        url=link,
        title=_title(entry),
        author=_author(entry),
        # feedparser copies the content when there is no summary.
        summary_html="" if summary_html == content_html else summary_html,
        content_html=content_html,
        published_at=_moment(entry, "published") or _moment(entry, "created"),
        updated_at=_moment(entry, "updated"),
        categories=_categories(entry),
        enclosures=_enclosures(entry),
        language=_entry_language(entry, content, summary),
        base_url=_base_url(content, summary, url) or link or site_url or url,
        discussion=find_count(entry),
    )


def _get(source: Mapping[str, Any], key: str) -> Any:
    """A value as it stands: feedparser's dictionary answers for a missing ``updated`` with ``published``."""
    return dict.get(source, key) if isinstance(source, dict) else source.get(key)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, (list, tuple)):
        yield from (part for part in value if isinstance(part, Mapping))


def _text(source: Mapping[str, Any], key: str, limit: int) -> str:
    value = _get(source, key)
    return xml_text(value[:limit]).strip() if isinstance(value, str) else ""


def _title(source: Mapping[str, Any]) -> str:
    """Text or HTML. What the publisher calls plain text gets its brackets escaped, so that ``Vec<b>`` keeps them."""
    title = _text(source, "title", MAX_TITLE)
    detail = _mapping(_get(source, "title_detail"))
    return title.replace("<", "&lt;") if _get(detail, "type") == "text/plain" else title


def _html(source: Mapping[str, Any], key: str, warnings: list[str]) -> str:
    """HTML; plain text is made HTML, and what is longer than anybody reads becomes its text."""
    value = _get(source, key)
    if not isinstance(value, str):
        return ""
    if len(value) > MAX_HTML:
        return shorten_html(value, warnings)
    value = xml_text(value).strip()
    return make_paragraphs(value) if value and _get(source, "type") == "text/plain" else value


def shorten_html(value: str, warnings: list[str]) -> str:
    """The text of what is too long; said in ``warnings``."""
    warnings.append(f"a text of {len(value):,} characters was cut to {MAX_HTML // 4:,} without its markup")
    return make_paragraphs(html_to_text(value)[: MAX_HTML // 4])


def make_paragraphs(text: str) -> str:
    parts = _NEWLINES.split(escape(text, quote=False)) if "\n" in text else [escape(text, quote=False)]
    if len(parts) == 1:
        return parts[0].replace("\n", "<br>")
    return "".join(f"<p>{part.strip()}</p>".replace("\n", "<br>") for part in parts)


def _best_content(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of several, the longest HTML one, else the longest text; nothing when it is a picture or the like."""
    found = [part for part in _mappings(_get(entry, "content")) if isinstance(_get(part, "value"), str)]
    texts = [part for part in found if _get(part, "type") in HTML_TYPES] or [
        part for part in found if str(_get(part, "type") or "text/plain").startswith("text/")
    ]
    return max(texts, key=lambda part: len(part["value"]), default={})


def _link(entry: Mapping[str, Any]) -> str:
    """The entry's page, else its first other link that is a page."""
    link = _text(entry, "link", MAX_ADDRESS)
    if link:
        return link
    for other in _mappings(_get(entry, "links")):
        if _get(other, "rel") in (None, "alternate", "via", "related"):
            link = _text(other, "href", MAX_ADDRESS)
            if link:
                return link
    return ""


def _author(source: Mapping[str, Any]) -> str:
    """Names, in the order given; an e-mail address only when there is no name."""
    names: list[str] = []
    for author in _mappings(_get(source, "authors")):
        name = clean_line(_text(author, "name", MAX_AUTHOR) or _text(author, "email", MAX_AUTHOR), MAX_AUTHOR)
        if name and name not in names:
            names.append(name)
    return ", ".join(names)[:MAX_AUTHOR] or _text(source, "author", MAX_AUTHOR)


def _moment(source: Mapping[str, Any], key: str) -> datetime | None:
    """Of feedparser a `time.struct_time` in UTC, of the fast road a datetime."""
    claimed = _get(source, f"{key}_parsed")
    if isinstance(claimed, datetime):
        return claimed
    return from_utc_fields(claimed) if isinstance(claimed, tuple) else None


def _categories(entry: Mapping[str, Any]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for tag in _mappings(_get(entry, "tags")):
        term = clean_line(_text(tag, "label", MAX_TITLE) or _text(tag, "term", MAX_TITLE), MAX_CATEGORY)
        if term:
            found.setdefault(term)
        if len(found) == MAX_CATEGORIES:
            break
    return tuple(found)


def _enclosures(entry: Mapping[str, Any]) -> tuple[Enclosure, ...]:
    found: dict[str, Enclosure] = {}
    for link in _mappings(_get(entry, "links")):
        href = _text(link, "href", MAX_ADDRESS)
        if _get(link, "rel") == "enclosure" and href and len(found) < MAX_ENCLOSURES:
            length = _text(link, "length", 20)
            found.setdefault(href, Enclosure(url=href, type=_text(link, "type", 100), length=read_length(length)))
    return tuple(found.values())


def read_length(text: str) -> int | None:
    """The size of an enclosure in bytes, as claimed."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def read_language(value: object) -> str:
    """A well-formed language tag (RFC 5646), or nothing."""
    text = value.strip() if isinstance(value, str) else ""
    return text.replace("_", "-") if _LANGUAGE.match(text) else ""


def _entry_language(entry: Mapping[str, Any], *details: Mapping[str, Any]) -> str:
    for detail in (*details, _mapping(_get(entry, "title_detail"))):
        language = read_language(_get(detail, "language"))
        if language:
            return language
    return read_language(_get(entry, "language"))


def _base_url(content: Mapping[str, Any], summary: Mapping[str, Any], url: str) -> str:
    """``xml:base`` where there is one; without it, publishers mean the entry's own page, not the feed's address."""
    for detail in (content, summary):
        base = _text(detail, "base", MAX_ADDRESS)
        if base and base != url:
            return base
    return ""


def read_ttl(value: object) -> int | None:
    """Minutes; None for what is no number."""
    text = value.strip() if isinstance(value, str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


_language, _paragraphs = read_language, make_paragraphs
