"""Stories taken apart, or put together, as they were once: in place of what is stored other entries stay together.
Never decides which.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from aggregator.model.ids import EntryId, StoryId
from aggregator.model.lexicon import Lexicon
from aggregator.model.story import GroupCandidate, GroupedStory, Ruling, StoryLink
from aggregator.pipeline.group import group_entries
from aggregator.pipeline.group.clusters import Sets
from aggregator.pipeline.group.naming import EDITOR


def group_parts(
    candidates: Sequence[GroupCandidate],
    parts: Sequence[Collection[EntryId]],
    links: Mapping[EntryId, StoryLink],
    rulings: Sequence[Ruling],
    lexicon: Lexicon,
) -> tuple[GroupedStory, ...]:
    """As `group_entries`, but not what is in one stored story stays together: what is in one of ``parts`` does.

    An entry that is in none goes with the one that ``links`` tie it to.
    """
    places = {number: place for place, part in enumerate(parts) for number in part}
    for candidate in candidates:
        places.setdefault(candidate.id, _follow(candidate.id, links, places))
    held = [replace(c, story_id=StoryId(-1 - places[c.id]) if places[c.id] >= 0 else None) for c in candidates]
    oldest: dict[StoryId, GroupCandidate] = {}
    for candidate in sorted(candidates, key=lambda c: (c.effective_at, c.id)):
        if candidate.story_id is not None:
            oldest.setdefault(candidate.story_id, candidate)
    return tuple(_name(group, oldest) for group in group_entries(held, rulings, lexicon))


def _follow(number: EntryId, links: Mapping[EntryId, StoryLink], places: Mapping[EntryId, int]) -> int:
    """The part that it is tied to by however many links; -1: none."""
    seen: set[EntryId] = set()
    while number not in places:
        if number in seen or number not in links:
            return -1
        seen.add(number)
        number = links[number].other_id
    return places[number]


def _name(group: GroupedStory, oldest: Mapping[StoryId, GroupCandidate]) -> GroupedStory:
    """By what is stored: the part with the oldest entry of a story is that story."""
    known = sorted(story_id for story_id, first in oldest.items() if first.id in group.entry_ids)
    return replace(group, story_id=known[0] if known else None, merged_ids=tuple(known[1:]))


def find_tied(entry_ids: Sequence[EntryId], links: Mapping[EntryId, StoryLink]) -> tuple[tuple[EntryId, ...], ...]:
    """What hangs together by more than the editor's word."""
    sets = Sets(entry_ids, {})
    inside = set(entry_ids)
    for link in links.values():
        if link.evidence != (EDITOR,) and inside.issuperset((link.entry_id, link.other_id)):
            sets.join(link.entry_id, link.other_id)
    return tuple(tuple(members) for members in sets.iter_sets())
