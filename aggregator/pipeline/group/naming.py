"""Gives a set of entries its story id, its lead and its reasons. Never decides who is in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from aggregator.model.ids import EntryId, StoryId
from aggregator.model.story import GroupedStory, StoryLink
from aggregator.pipeline.group.certain import Hubs, Word
from aggregator.pipeline.group.clusters import Bonds, Sets
from aggregator.pipeline.group.pairs import CERTAIN, tell_evidence
from aggregator.pipeline.group.reading import Reading

EDITOR = "the editor's word"
ADDRESS = "same address"
STORED = "in one story before"
#: What holds entries together that share nothing but the story they are in.
_STORED_STRENGTH = 1


def make_story(
    members: Sequence[EntryId], readings: Mapping[EntryId, Reading], bonds: Bonds, hubs: Hubs, word: Word
) -> GroupedStory:
    """``members`` in the order of their ids."""
    candidates = [readings[number].candidate for number in members]
    chosen = word.find_lead(members)
    lead = min(candidates, key=lambda c: (c.id != chosen, -c.feed_weight, c.effective_at, c.id))
    others = sorted((c for c in candidates if c is not lead), key=lambda c: (c.effective_at, c.id))
    story_ids: list[StoryId] = sorted(
        c.story_id for c in candidates if c.story_id is not None and hubs.is_oldest(c.id, c.story_id)
    )
    return GroupedStory(
        story_id=story_ids[0] if story_ids else None,
        entry_ids=(lead.id, *(c.id for c in others)),
        merged_ids=tuple(story_ids[1:]),
        links=tuple(_iter_links(lead.id, members, readings, bonds, hubs, word)) if others else (),
    )


_Edge = tuple[int, EntryId, EntryId, str]


def _iter_links(
    lead: EntryId,
    members: Sequence[EntryId],
    readings: Mapping[EntryId, Reading],
    bonds: Bonds,
    hubs: Hubs,
    word: Word,
) -> Iterator[StoryLink]:
    """The strongest links that hold the members together, each seen from the one that is further from the lead."""
    tree = Sets(members, {})
    near: dict[EntryId, list[_Edge]] = {number: [] for number in members}
    for edge in sorted(_iter_edges(members, readings, bonds, hubs, word), key=lambda e: (-e[0], e[1], e[2])):
        _, one, other, _ = edge
        if tree.find(one) != tree.find(other):
            tree.join(one, other)
            near[one].append(edge)
            near[other].append(edge)
    seen, waiting = {lead}, [lead]
    while waiting:
        number = waiting.pop(0)
        for strength, one, other, reason in near[number]:
            far = other if one == number else one
            if far not in seen:
                seen.add(far)
                waiting.append(far)
                evidence = (reason,) if reason else tell_evidence(readings[far], readings[number])
                yield StoryLink(entry_id=far, other_id=number, strength=strength / CERTAIN, evidence=evidence)


def _iter_edges(
    members: Sequence[EntryId], readings: Mapping[EntryId, Reading], bonds: Bonds, hubs: Hubs, word: Word
) -> Iterator[_Edge]:
    """Everything that joins two members; what the store alone says is the weakest."""
    inside = set(members)
    urls: dict[object, EntryId] = {}
    for number in members:
        for other in word.merged.get(number, ()):
            if number < other and other in inside:
                yield CERTAIN, number, other, EDITOR
        for other, strength in bonds[number].items():
            if strength > 0 and number < other and other in inside:
                yield strength, number, other, ""
        for hub, _ in hubs.iter_hubs(readings[number]):
            if hub[0] in ("url", "title"):
                first = urls.setdefault(hub, number)
                if first != number:
                    yield CERTAIN, first, number, ADDRESS if hub[0] == "url" else ""
    for number in members[1:]:
        yield _STORED_STRENGTH, members[0], number, STORED
