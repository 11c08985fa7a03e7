"""clean -> language -> excerpt -> tag, for one entry. Never stores it, never dates it."""

from __future__ import annotations

from aggregator.model.entry import CleanEntry, IdentifiedEntry
from aggregator.model.feed import Feed
from aggregator.model.parsed import ParsedFeed
from aggregator.model.tag import TagRules
from aggregator.pipeline.clean import POLICY_VERSION, clean_parts
from aggregator.pipeline.excerpt import make_excerpt
from aggregator.pipeline.htmltext import count_reading_minutes, html_to_text
from aggregator.pipeline.language import find_language
from aggregator.pipeline.tag import find_tags
from aggregator.pipeline.words import clean_line

#: How much of a title-less entry's text serves as its title.
_TITLE_FROM_TEXT = 100


def enrich_entry(item: IdentifiedEntry, *, feed: Feed, document: ParsedFeed | None, rules: TagRules) -> CleanEntry:
    """Everything that is shown of an entry, safe, from what its publisher said."""
    parsed = item.parsed
    parts = clean_parts(parsed, feed.spec.url)
    claimed = parsed.language or feed.spec.language or (document.language if document else "") or feed.language
    language = find_language(f"{parts.title}\n{parts.text}", claimed)
    summary = html_to_text(parsed.summary_html) if parsed.summary_html else ""
    title = parts.title or clean_line(parts.text or summary, _TITLE_FROM_TEXT) or parts.url or parsed.id
    tags = find_tags(
        title=parts.title,
        text=parts.text,
        categories=parsed.categories,
        url=parts.url,
        language=language,
        feed_tags=feed.spec.tags,
        rules=rules,
    )
    return CleanEntry(
        key=item.key,
        content_hash=item.content_hash,
        guid=parsed.id,
        url=parts.url,
        canonical_url=parts.canonical_url,
        title=title,
        author=parts.author,
        language=language,
        content_html=parts.content_html,
        excerpt=make_excerpt(summary or parts.text, language),
        reading_minutes=parsed.reading_minutes or count_reading_minutes(parts.text, language),
        published_at=parsed.published_at,
        updated_at=parsed.updated_at,
        categories=tuple(clean_line(name, 100) for name in parsed.categories),
        enclosures=parsed.enclosures,
        tags=tags,
        parsed=parsed,
        policy_version=POLICY_VERSION,
    )
