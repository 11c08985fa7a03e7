"""Entries of the corpus, read and cleaned by the program, as items of a feed of ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from aggregator.errors import ParseError
from aggregator.model.entry import CleanEntry, Entry
from aggregator.model.feed import Feed, FeedSpec
from aggregator.model.ids import EntryId, FeedId, StoryId
from aggregator.model.parsed import ParsedEntry, ParsedFeed
from aggregator.model.published import FeedItem
from aggregator.model.story import Story
from aggregator.pipeline.identify import identify_entries
from aggregator.pipeline.parse import parse_feed
from aggregator.tasks.enrich import enrich_entry
from aggregator.tasks.outcome import clean_facts
from tests.render.published import make_item
from tests.render.samples import FEEDS

#: Of one document, and of one language: else one loud feed would stand for all.
PER_FEED = 12
PER_LANGUAGE = 120
SEEN = datetime(2025, 12, 1, tzinfo=UTC)


def load_items(paths: Iterable[Path]) -> tuple[FeedItem, ...]:
    """An item for each entry, most of them alone, some with others of the same document, half of them whole."""
    items = []
    for number, (feed, entries, contents) in enumerate(_iter_feeds(paths)):
        for index, entry in enumerate(entries):
            others = tuple(entries[:3]) if index % 4 == 3 else ()
            story = Story(
                id=StoryId(entry.id),
                atom_id=entry.atom_id,
                updated_at=entry.updated_at or entry.effective_at,
                score=0.0,
                reasons=(),
                entries=(entry, *others),
            )
            whole = contents[index] if (number + index) % 2 else ""
            items.append(make_item(story, feed=feed, tags={}, content_html=whole))
    return tuple(items)


def choose_by_language(items: Iterable[FeedItem], limit: int = PER_LANGUAGE) -> tuple[FeedItem, ...]:
    """The first ``limit`` of each language; those of no known one are left out."""
    counts: Counter[str] = Counter()
    chosen = []
    for item in items:
        language = item.language.partition("-")[0]
        counts[language] += 1
        if language != "und" and counts[language] <= limit:
            chosen.append(item)
    return tuple(chosen)


def _iter_feeds(paths: Iterable[Path]) -> Iterator[tuple[Feed, list[Entry], list[str]]]:
    for number, path in enumerate(paths, start=1):
        url = f"https://feeds.example/{number}"
        try:
            document = parse_feed(path.read_bytes(), url=url)
        except ParseError:
            continue
        feed = make_real_feed(number, url, document)
        found = identify_entries(document).entries[:PER_FEED]
        cleaned = [enrich_entry(item, feed=feed, document=document) for item in found]
        entries = [make_entry(number * 100 + index, feed, entry) for index, entry in enumerate(cleaned)]
        yield feed, entries, [entry.content_html for entry in cleaned]


def make_real_feed(number: int, url: str, document: ParsedFeed) -> Feed:
    """A stored feed with what ``document`` says about itself."""
    facts = clean_facts(document, url)
    return replace(
        FEEDS[FeedId(1)],
        id=FeedId(number),
        spec=FeedSpec(url=url),
        title=facts.title,
        site_url=facts.site_url,
        language=facts.language,
        atom_id=facts.atom_id,
        rights=facts.rights,
        author=facts.author,
        feed_updated_at=facts.updated_at,
    )


def make_entry(number: int, feed: Feed, cleaned: CleanEntry) -> Entry:
    """A stored entry; its id is ours, since real ones stand more than once in the corpus."""
    return Entry(
        id=EntryId(number),
        feed_id=feed.id,
        feed_url=feed.spec.url,
        feed_name=feed.name,
        feed_weight=1.0,
        guid=cleaned.guid,
        atom_id=f"tag:news.example.org,2025-11-01:entry/{number}",
        url=cleaned.url,
        canonical_url=cleaned.canonical_url,
        title=cleaned.title,
        author=cleaned.author,
        language=cleaned.language,
        excerpt=cleaned.excerpt,
        reading_minutes=cleaned.reading_minutes,
        published_at=cleaned.published_at,
        updated_at=cleaned.updated_at,
        first_seen_at=SEEN,
        effective_at=cleaned.published_at or SEEN,
        story_id=None,
        enclosures=cleaned.enclosures,
    )


def make_item_of_markup(number: int, payload: str) -> FeedItem:
    """``payload`` as content, summary, title, author and enclosure of an entry that went the program's whole way."""
    parsed = ParsedEntry(
        id=f"https://a.example/{number}",
        url=f"https://a.example/{number}?q={payload}",
        title=payload,
        author=payload,
        summary_html=payload,
        content_html=f"<p>Before</p>{payload}<p>After</p>",
        categories=(payload,),
        base_url=payload,
    )
    document = ParsedFeed(id=payload, title=payload, rights=payload, author=payload, entries=(parsed,))
    feed = make_real_feed(number, f"https://feeds.example/{number}", document)
    item = identify_entries(document).entries[0]
    cleaned = enrich_entry(item, feed=feed, document=document)
    entry = make_entry(number, feed, cleaned)
    story = Story(
        id=StoryId(number),
        atom_id=entry.atom_id,
        updated_at=SEEN,
        score=0.0,
        reasons=(),
        entries=(entry, replace(entry, id=EntryId(number + 1))),
    )
    return make_item(story, feed=feed, tags={}, content_html=cleaned.content_html)
