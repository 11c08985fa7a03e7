"""A stored item of one feed, and an entry on its way there. Never what the publisher sent, but what we made of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aggregator.model.ids import EntryId, FeedId, StoryId
from aggregator.model.parsed import Enclosure, ParsedEntry
from aggregator.model.tag import TagEvidence


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifiedEntry:
    """What the publisher said, with the key that tells it from the feed's others and a hash of all its fields."""

    key: str
    content_hash: str
    parsed: ParsedEntry


def share_key(key: str, content_hash: str) -> str:
    """The key of an entry whose ``key`` others of its document have, too."""
    return f"{key}#{content_hash}"


def split_key(key: str, content_hash: str) -> str | None:
    """What `share_key` was made of; None for a key that is an entry's own."""
    tail = f"#{content_hash}"
    return key.removesuffix(tail) if key.endswith(tail) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanEntry:
    """An entry that is safe to show, made from a `ParsedEntry` by the stages clean, language and excerpt."""

    key: str
    content_hash: str
    #: As the publisher gave it; empty when none.
    guid: str
    #: Absolute http(s) address, or empty.
    url: str
    #: ``url`` without tracking parameters and in canonical form, for grouping; empty when ``url`` is.
    canonical_url: str
    #: Plain text, one line.
    title: str
    author: str
    #: BCP 47, or ``und``.
    language: str
    content_html: str
    #: Plain text cut at the end of a sentence.
    excerpt: str
    reading_minutes: int
    published_at: datetime | None
    updated_at: datetime | None
    categories: tuple[str, ...]
    enclosures: tuple[Enclosure, ...]
    #: What the publisher said, kept (compressed) for the day when a better policy comes.
    parsed: ParsedEntry
    policy_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryChange:
    """An entry to write: new when ``entry_id`` is None."""

    feed_id: FeedId
    entry_id: EntryId | None
    entry: CleanEntry
    #: Where the entry stands in the river; frozen at first save (None for a change: it stays).
    effective_at: datetime | None
    #: Beyond what a feed's first import may bring to the combined feed; kept at a change.
    backlog: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLink:
    """What tells a stored entry from its feed's others when its key does not."""

    id: EntryId
    key: str
    url: str
    canonical_url: str
    title: str
    effective_at: datetime
    content_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryVersion:
    """What an entry said until ``replaced_at``."""

    replaced_at: datetime
    content_hash: str
    parsed: ParsedEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A stored entry as lists, feeds and pages show it."""

    id: EntryId
    feed_id: FeedId
    feed_url: str
    feed_name: str
    feed_weight: float
    guid: str
    #: ``atom:id``: chosen at first save, never changed.
    atom_id: str
    url: str
    canonical_url: str
    title: str
    author: str
    language: str
    excerpt: str
    reading_minutes: int
    published_at: datetime | None
    updated_at: datetime | None
    first_seen_at: datetime
    effective_at: datetime
    story_id: StoryId | None
    categories: tuple[str, ...] = ()
    tags: tuple[TagEvidence, ...] = ()
    enclosures: tuple[Enclosure, ...] = ()
    #: Comments or points that the feed tells of; None: it tells nothing.
    discussion: int | None = None
    #: The editor's rules keep it from every output; it stays stored.
    hidden: bool = False
    #: By the editor's rules: multiplies the weight of its feed.
    weight: float = 1.0
    #: By the editor's rules: the section of an issue that it belongs to; empty: any.
    section: str = ""
