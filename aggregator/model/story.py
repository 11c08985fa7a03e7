"""The entries about one event: a lead, others that also cover it, a score with reasons. Never decides who is who."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId, FeedId, StoryId
from aggregator.model.tag import TagEvidence

#: The editor's word about stories: two entries belong together; two never do; one leads its story; its story comes
#: first, or last.
RulingKind = Literal["merge", "never", "lead", "pin", "bury"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """The editor's word about one entry, or about two (``merge``, ``never``).

    An entry split off its story is ``never`` against each other member of it. ``pin`` and ``bury`` are about scores.
    """

    kind: RulingKind
    entry_id: EntryId
    other_id: EntryId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCandidate:
    """What grouping needs to know of one entry."""

    id: EntryId
    #: The story it is in already; None for an entry not grouped yet.
    story_id: StoryId | None
    feed_id: FeedId
    feed_weight: float
    canonical_url: str
    title: str
    language: str
    effective_at: datetime
    #: As shown: its fragment tells posts of one page apart. Empty: not known.
    url: str = ""
    #: Our excerpt, at most 280 columns; may be empty.
    summary: str = ""
    #: Of the kinds org and product, in their stored order (title first); others are passed over.
    tags: tuple[TagEvidence, ...] = ()
    #: Canonical addresses that its content links to; its own may be among them.
    links: tuple[str, ...] = ()
    #: What the title means, as `pipeline.meaning` encodes it; empty where there is no encoder.
    meaning: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryLink:
    """Why ``entry_id`` is in its story: what it shares with ``other_id``, a member of the same story."""

    entry_id: EntryId
    other_id: EntryId
    #: From 0 to 1; 1 is certain (same address, the editor's word).
    strength: float
    #: One reason each, ready to print: ``same address``, ``names: openai, gpt-6``, ``event: release``.
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupedStory:
    """What grouping decided: the members of one story, lead first. ``story_id`` is None for a story not stored yet."""

    story_id: StoryId | None
    entry_ids: tuple[EntryId, ...]
    #: Stories that this one swallowed; they redirect here.
    merged_ids: tuple[StoryId, ...] = ()
    #: One for each member but one: the strongest links that hold the story together.
    links: tuple[StoryLink, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreTerm:
    """One reason of a score: ``name`` ("sources"), its ``value`` and what it adds."""

    name: str
    value: str
    points: float


#: Names of the terms that the editor's rulings make.
PINNED, BURIED = "pinned", "buried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A stored story with its entries, lead first, then by effective date."""

    id: StoryId
    #: ``tag:AUTHORITY,DATE:story/ID``; never changes.
    atom_id: str
    #: Moves only when the lead changes or is edited, never for a new "also covered by".
    updated_at: datetime
    score: float
    reasons: tuple[ScoreTerm, ...]
    entries: tuple[Entry, ...]

    @property
    def lead(self) -> Entry:
        return self.entries[0]

    @property
    def others(self) -> tuple[Entry, ...]:
        """The entries that also cover it."""
        return self.entries[1:]


def get_place(story: Story) -> int:
    """1 for a story that the editor pinned, -1 for one that the editor buried, 0 for all others."""
    names = {term.name for term in story.reasons}
    return (PINNED in names) - (BURIED in names)
