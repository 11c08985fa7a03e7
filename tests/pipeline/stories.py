"""Entries and stories for the tests of rank and compose. Never stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId, FeedId, StoryId
from aggregator.model.story import Story
from aggregator.model.tag import Field, TagEvidence, TagKind

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


def make_entry(number: int, **changes: Any) -> Entry:
    """An entry of a feed of its own, ``number`` hours before NOW."""
    entry = Entry(
        id=EntryId(number),
        feed_id=FeedId(number),
        feed_url=f"https://feed{number}.example.org/feed",
        feed_name=f"Feed {number}",
        feed_weight=1.0,
        guid=str(number),
        atom_id=f"tag:example.org,2026:entry/{number}",
        url=f"https://site{number}.example/{number}",
        canonical_url=f"https://site{number}.example/{number}",
        title=f"Entry {number}",
        author="",
        language="en",
        excerpt="Something happened.",
        reading_minutes=2,
        published_at=None,
        updated_at=None,
        first_seen_at=NOW - timedelta(hours=number),
        effective_at=NOW - timedelta(hours=number),
        story_id=None,
    )
    return replace(entry, **changes)


def make_story(number: int, *entries: Entry, score: float = 0.0) -> Story:
    """A story of the given entries, or of one of its own."""
    return Story(
        id=StoryId(number),
        atom_id=f"tag:example.org,2026:story/{number}",
        updated_at=NOW,
        score=score,
        reasons=(),
        entries=entries or (make_entry(number),),
    )


def make_tag(slug: str, kind: TagKind = "org", field: Field = "title") -> TagEvidence:
    return TagEvidence(slug=slug, kind=kind, field=field, found=slug, rule="alias")
