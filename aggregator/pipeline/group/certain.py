"""What joins entries for certain: the editor's word, one address, one stored story, titles that say the same.

Never weighs anything.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice

from aggregator.model.ids import EntryId, FeedId, StoryId
from aggregator.model.story import Ruling
from aggregator.pipeline.group.clusters import Bonds, Sets
from aggregator.pipeline.group.pairs import CERTAIN, WINDOW
from aggregator.pipeline.group.reading import Reading
from aggregator.pipeline.group.titles import MIN_WEIGHT_EQUAL

#: An address that one feed gives to this many entries of different titles is a page, not an article.
_PAGE_TITLES = 3
#: Entries with one title are linked to this many before them; the rest follows by joining.
_LINKS = 6


class Word:
    """The editor's word; of two rulings about the same pair the later counts."""

    def __init__(self, rulings: Sequence[Ruling]) -> None:
        pairs: dict[tuple[EntryId, EntryId], str] = {}
        self._leads: dict[EntryId, int] = {}
        for turn, ruling in enumerate(rulings):
            if ruling.kind == "lead":
                self._leads.pop(ruling.entry_id, None)
                self._leads[ruling.entry_id] = turn
            elif ruling.kind in ("merge", "never") and ruling.other_id not in (None, ruling.entry_id):
                one, other = sorted((ruling.entry_id, EntryId(ruling.other_id or 0)))
                pairs[one, other] = ruling.kind
        self.merged = _pair_up(pairs, "merge")
        self.apart = _pair_up(pairs, "never")

    def get_apart(self, members: Collection[EntryId]) -> dict[EntryId, list[EntryId]]:
        """The pairs among ``members`` that are never together."""
        return {one: [other for other in self.apart[one] if other in members] for one in self.apart if one in members}

    def find_lead(self, members: Sequence[EntryId]) -> EntryId | None:
        """The one that the editor chose last."""
        chosen = [number for number in members if number in self._leads]
        return max(chosen, key=self._leads.__getitem__) if chosen else None


def _pair_up(pairs: Mapping[tuple[EntryId, EntryId], str], kind: str) -> dict[EntryId, list[EntryId]]:
    found: dict[EntryId, list[EntryId]] = defaultdict(list)
    for (one, other), said in sorted(pairs.items()):
        if said == kind:
            found[one].append(other)
            found[other].append(one)
    return dict(found)


Hub = tuple[str, object]


@dataclass(slots=True)
class _Sharers:
    """How often each title and each part of a page (its fragment) is told under one address, by feed.

    Counted one by one: a feed may tell thousands of entries under one address.
    """

    titles: dict[FeedId, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    parts: dict[FeedId, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    #: Feeds that make it a page.
    _crowded: set[FeedId] = field(default_factory=set)

    def count(self, reading: Reading, by: int) -> None:
        """One more (1) or one less (-1)."""
        candidate = reading.candidate
        titles, parts = self.titles[candidate.feed_id], self.parts[candidate.feed_id]
        _count(titles, reading.surface.key, by)
        if fragment := candidate.url.partition("#")[2]:
            _count(parts, fragment, by)
        if len(titles) >= (_PAGE_TITLES if len(parts) < 2 else 2):
            self._crowded.add(candidate.feed_id)
        else:
            self._crowded.discard(candidate.feed_id)

    def is_page(self) -> bool:
        """Tell whether one feed gives this address to entries of many titles: a changelog, a home page.

        Two titles are enough when the feed itself points to different parts of the page.
        """
        return bool(self._crowded)


def _count(counter: Counter[str], name: str, by: int) -> None:
    counter[name] += by
    if not counter[name]:
        del counter[name]


class Hubs:
    """Entries that share an address, a title or a stored story."""

    def __init__(self, word: Word, *, keep_stories: bool) -> None:
        self._word = word
        self._keep_stories = keep_stories
        self._hubs: dict[Hub, dict[EntryId, Reading]] = {}
        self._sharers: dict[Hub, _Sharers] = {}
        self._pages: set[Hub] = set()

    def add(self, reading: Reading) -> set[EntryId]:
        """Those whose story may be another now."""
        touched: set[EntryId] = set()
        for hub in _list_hubs(reading):
            members = self._hubs.setdefault(hub, {})
            # One speaks for all: they hung together before by the hub itself.
            touched.update(islice(members, 1))
            members[reading.candidate.id] = reading
            touched |= self._look_again(hub, reading, 1)
        touched.update(number for number in self._word.merged.get(reading.candidate.id, ()) if self._has(number))
        return touched

    def remove(self, reading: Reading) -> set[EntryId]:
        touched: set[EntryId] = set()
        for hub in _list_hubs(reading):
            members = self._hubs[hub]
            del members[reading.candidate.id]
            touched |= self._look_again(hub, reading, -1)
            # Its neighbours may have met only by it.
            touched.update(members)
            if not members:
                del self._hubs[hub]
                self._sharers.pop(hub, None)
        touched.update(number for number in self._word.merged.get(reading.candidate.id, ()) if self._has(number))
        return touched

    def iter_hubs(self, reading: Reading) -> Iterator[tuple[Hub, Collection[EntryId]]]:
        """(hub, members) of all that could join this entry with others for certain."""
        for hub in _list_hubs(reading):
            joins = hub[0] in ("url", "title") or (hub[0] == "story" and self._keep_stories)
            if joins and hub not in self._pages:
                yield hub, self._hubs[hub]
        merged = [number for number in self._word.merged.get(reading.candidate.id, ()) if self._has(number)]
        if merged:
            yield ("word", reading.candidate.id), merged

    def get_members(self, kind: str, key: object) -> Collection[Reading]:
        """None when the hub is a page, or nothing is known of it."""
        hub = (kind, key)
        return () if hub in self._pages else self._hubs.get(hub, {}).values()

    def is_oldest(self, number: EntryId, story_id: StoryId) -> bool:
        """Whether no known entry of a stored story is older."""
        members = self._hubs[("story", story_id)].values()
        oldest = min(members, key=lambda r: (r.candidate.effective_at, r.candidate.id))
        return oldest.candidate.id == number

    def _has(self, number: EntryId) -> bool:
        return ("entry", number) in self._hubs

    def _look_again(self, hub: Hub, reading: Reading, by: int) -> set[EntryId]:
        """An address may become a page when one comes (1), and a page an address when one goes (-1)."""
        if hub[0] != "url":
            return set()
        sharers = self._sharers.setdefault(hub, _Sharers())
        sharers.count(reading, by)
        if sharers.is_page() == (hub in self._pages):
            return set()
        self._pages ^= {hub}
        return set(self._hubs[hub])


def _list_hubs(reading: Reading) -> list[Hub]:
    candidate, surface = reading.candidate, reading.surface
    hubs: list[Hub] = [("entry", candidate.id)]
    if candidate.canonical_url:
        hubs.append(("url", candidate.canonical_url))
    if candidate.story_id is not None:
        hubs.append(("story", candidate.story_id))
    if surface.weight >= MIN_WEIGHT_EQUAL and not reading.is_digest:
        hubs.append(("title", (surface.key, surface.marks)))
    return hubs


def join_certain(readings: Mapping[EntryId, Reading], bonds: Bonds, hubs: Hubs, word: Word) -> Sets:
    """``readings``: all that hang together, in the order of their ids."""
    sets = Sets(readings, word.get_apart(readings))
    for number in readings:
        for other in word.merged.get(number, ()):
            if other in readings:
                sets.join(number, other)
    sharers: dict[Hub, Sequence[Reading]] = {}
    for number, reading in readings.items():
        for hub, _ in hubs.iter_hubs(reading):
            if hub[0] in ("story", "url"):
                if hub not in sharers:
                    sharers[hub] = sorted(hubs.get_members(*hub), key=lambda r: r.candidate.id)
                # One of each kind is enough, and another where the editor keeps the first apart.
                any(sets.join(number, earlier) for earlier in _iter_earlier(reading, hub, sharers[hub], readings))
    feeds = {number: {reading.candidate.feed_id} for number, reading in readings.items()}
    for members in sets.iter_sets():
        feeds[sets.find(members[0])] = {readings[number].candidate.feed_id for number in members}
    # The closest in time first: which pairs win must not depend on the order in which they came.
    for _, _, one, other in sorted(set(_iter_title_pairs(readings, bonds, hubs))):
        first, second = sets.find(one), sets.find(other)
        # A headline that a feed repeats is another event: nothing joins two entries of one feed by their titles.
        if first != second and feeds[first].isdisjoint(feeds[second]) and sets.join(one, other):
            feeds[sets.find(one)] = feeds[first] | feeds[second]
    return sets


def _iter_earlier(
    reading: Reading, hub: Hub, sharers: Sequence[Reading], readings: Collection[EntryId]
) -> Iterator[EntryId]:
    """Those of ``sharers`` (by their ids) with a lower id that the hub joins with this one: a round-up is at an address
    for itself."""
    for other in sharers:
        number = other.candidate.id
        if number >= reading.candidate.id:
            return
        is_one = other.surface.key == reading.surface.key or not (reading.is_digest or other.is_digest)
        if number in readings and (hub[0] == "story" or is_one):
            yield number


TitlePair = tuple[int, timedelta, EntryId, EntryId]


def _iter_title_pairs(readings: Mapping[EntryId, Reading], bonds: Bonds, hubs: Hubs) -> Iterator[TitlePair]:
    """Yield (0 equal or 1 near, distance in time, entry, entry) for entries of different feeds whose titles agree."""
    seen: set[Hub] = set()
    for number, reading in readings.items():
        for hub, _ in hubs.iter_hubs(reading):
            if hub[0] == "title" and hub not in seen:
                seen.add(hub)
                yield from _link_neighbours([r for r in hubs.get_members(*hub) if r.candidate.id in readings])
        for other, strength in bonds[number].items():
            if strength == CERTAIN and number < other and other in readings:
                theirs = readings[other]
                distance = abs(reading.candidate.effective_at - theirs.candidate.effective_at)
                yield int(reading.surface.key != theirs.surface.key), distance, number, other


def _link_neighbours(sharers: list[Reading]) -> Iterator[TitlePair]:
    """Link each entry to the newest before it of each of a few other feeds."""
    recent: deque[Reading] = deque(maxlen=_LINKS)
    for reading in sorted(sharers, key=lambda r: (r.candidate.effective_at, r.candidate.id)):
        mine = reading.candidate
        for other in recent:
            distance = mine.effective_at - other.candidate.effective_at
            if other.candidate.feed_id != mine.feed_id and distance <= WINDOW:
                one, two = sorted((mine.id, other.candidate.id))
                yield 0, distance, one, two
        for other in tuple(recent):
            if other.candidate.feed_id == mine.feed_id:
                recent.remove(other)
        recent.append(reading)
