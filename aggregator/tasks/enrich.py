"""clean -> language -> excerpt, for one entry. Never stores, dates or tags it."""

from __future__ import annotations

from aggregator.model.entry import CleanEntry, IdentifiedEntry
from aggregator.model.feed import Feed
from aggregator.model.parsed import Enclosure, ParsedEntry, ParsedFeed
from aggregator.pipeline.clean import POLICY_VERSION, clean_parts
from aggregator.pipeline.excerpt import choose_excerpt
from aggregator.pipeline.htmltext import count_reading_minutes, drop_repeats, html_to_text
from aggregator.pipeline.language import find_language
from aggregator.pipeline.urls import drop_query, resolve_url
from aggregator.pipeline.words import clean_line

#: How much of its id serves as the title of an entry that has nothing else.
_TITLE_FROM_ID = 100


def enrich_entry(item: IdentifiedEntry, *, feed: Feed, document: ParsedFeed | None) -> CleanEntry:
    """Everything that is shown of an entry, safe, from what its publisher said."""
    parsed = item.parsed
    names = tuple(filter(None, (feed.spec.title, feed.title, document.title if document else "")))
    parts = clean_parts(parsed, drop_query(feed.spec.url), names)
    claimed = parsed.language or feed.spec.language or (document.language if document else "") or feed.language
    # What is said twice tells no more: a title that is its own summary is still a short text.
    said = parts.text if parts.text.startswith(parts.title) else f"{parts.title}\n{parts.text}"
    language = find_language(said, claimed)
    told = drop_repeats(parts.text)
    return CleanEntry(
        key=item.key,
        content_hash=item.content_hash,
        guid=parsed.id,
        url=parts.url,
        canonical_url=parts.canonical_url,
        title=parts.title or clean_line(parsed.id, _TITLE_FROM_ID),
        author=parts.author,
        language=language,
        content_html=parts.content_html,
        excerpt=_make_excerpt(parsed, title=parts.title if parsed.title else "", text=told, language=language),
        reading_minutes=parsed.reading_minutes or count_reading_minutes(told, language),
        published_at=parsed.published_at,
        updated_at=parsed.updated_at,
        categories=tuple(clean_line(name, 100) for name in parsed.categories),
        enclosures=_clean_enclosures(parsed, parts.base_url),
        parsed=parsed,
        policy_version=POLICY_VERSION,
    )


def _make_excerpt(parsed: ParsedEntry, *, title: str, text: str, language: str) -> str:
    """A summary that stands for the content is read as it is shown, and only once."""
    if not parsed.content_html:
        return choose_excerpt(title=title, summary=text, text="", language=language)
    summary = html_to_text(parsed.summary_html) if parsed.summary_html else ""
    return choose_excerpt(title=title, summary=summary, text=text, language=language)


def _clean_enclosures(parsed: ParsedEntry, base_url: str) -> tuple[Enclosure, ...]:
    """Those at a safe, absolute address."""
    return tuple(
        Enclosure(url=url, type=clean_line(enclosure.type, 100), length=enclosure.length)
        for enclosure in parsed.enclosures
        if (url := resolve_url(base_url, enclosure.url))
    )
