"""Which entries are about one event. Never looks at the clock, never compares all with all.

Certain are: the editor's word, one article's address, and titles of different feeds that say the same within three
days. Beyond that entries are joined by what they share: names by their rarity, versions, amounts, words, and the events
and things of a lexicon in four languages, so that "OpenAI raises $110B" and "OpenAI lève 110 milliards" meet.

`reading` reads one entry (with `terms` and `numbers`), `titles` compares two titles as such, `pairs` weighs two
readings, `index` finds what is worth weighing, `certain` and `clusters` join, `naming` gives stories their ids, leads
and reasons. Each pair is weighed by itself, and all entries that hang together are joined anew whenever one comes in:
the result depends on the set of entries only, not on their order, nor on how many came at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby

from aggregator.model.ids import EntryId
from aggregator.model.lexicon import Lexicon
from aggregator.model.story import GroupCandidate, GroupedStory, Ruling
from aggregator.pipeline.group.certain import Hubs, Word, join_certain
from aggregator.pipeline.group.clusters import THRESHOLD, link_averages
from aggregator.pipeline.group.index import PairIndex, get_cell
from aggregator.pipeline.group.naming import make_story
from aggregator.pipeline.group.pairs import CERTAIN, MANY_LINKS
from aggregator.pipeline.group.reading import Reading, read_entry
from aggregator.pipeline.group.terms import get_terms

__all__ = ["MANY_LINKS", "StoryIndex", "group_entries"]

#: More entries are never looked at together, unless certainty joins them.
MAX_SET = 150
#: By how much the bonds that count must be stronger, again and again, where more hang together.
_TIGHTEN = 1.15

_NO_WORDS = Lexicon()


def group_entries(
    candidates: Sequence[GroupCandidate],
    rulings: Sequence[Ruling] = (),
    lexicon: Lexicon = _NO_WORDS,
    *,
    keep_stories: bool = True,
) -> tuple[GroupedStory, ...]:
    """Return one story for every set of candidates about one event, also for sets of one; every candidate is in one.

    The editor's ``rulings`` are obeyed always; of two that contradict each other the later counts. Candidates of one
    stored story stay together unless a ruling parts them; with ``keep_stories`` off only ids remember what was stored.
    A story that swallows others keeps the lowest id and names the others in ``merged_ids``; when a stored story is
    parted, the part with its oldest entry keeps the id. The lead is the entry that the editor chose, else that of the
    weightiest feed, then the earliest, then the lowest id; the others follow by date. Stories come in the order of
    their lowest entry id.
    """
    index = StoryIndex(rulings, lexicon, keep_stories=keep_stories)
    latest = {candidate.id: candidate for candidate in candidates}
    for cell, some in groupby(sorted(latest.values(), key=_get_place), lambda c: get_cell(c.effective_at)):
        index.take(some)
        index.close(cell - 1)
    return index.regroup()


def _get_place(candidate: GroupCandidate) -> tuple[datetime, EntryId]:
    return candidate.effective_at, candidate.id


class StoryIndex:
    """The entries of a window in memory: say what came in, and ask for the stories that changed.

    After any sequence of `add` and `forget` the stories are those that `group_entries` makes of the same entries.
    """

    def __init__(
        self, rulings: Sequence[Ruling] = (), lexicon: Lexicon = _NO_WORDS, *, keep_stories: bool = True
    ) -> None:
        self._terms = get_terms(lexicon)
        self._pairs = PairIndex()
        self._word = Word(rulings)
        self._hubs = Hubs(self._word, keep_stories=keep_stories)

    def __len__(self) -> int:
        return len(self._pairs.readings)

    def add(self, candidates: Iterable[GroupCandidate]) -> frozenset[EntryId]:
        """Take in entries, new or edited ones; the ids of all whose story is to be made anew (see `regroup`)."""
        new = tuple(candidates)
        return self._spread(self.take(new), [candidate.id for candidate in new])

    def take(self, candidates: Iterable[GroupCandidate]) -> set[EntryId]:
        """As `add`, when all stories will be asked for: the ids of those only that are tied to others."""
        touched: set[EntryId] = set()
        latest = {candidate.id: candidate for candidate in candidates}
        readings: list[Reading] = []
        for candidate in sorted(latest.values(), key=_get_place):
            if candidate.id in self._pairs.readings:
                touched |= self._remove(candidate.id)
            readings.append(read_entry(candidate, self._terms))
        touched |= self._pairs.add(readings)
        for reading in readings:
            touched |= self._hubs.add(reading)
        return touched

    def _spread(self, touched: Iterable[EntryId], new: Collection[EntryId]) -> frozenset[EntryId]:
        """All whose set is another than before: those around ``touched``, and around what they were without ``new``."""
        found: set[EntryId] = set()
        before: set[EntryId] = set()
        fresh = frozenset(new)
        for number in touched:
            if number in self._pairs.readings:
                if number not in found:
                    found |= self._find_set(number)
                if number not in before and number not in fresh:
                    before |= self._find_set(number, fresh)
        return frozenset(found | before)

    def close(self, cell: int) -> None:
        """Save memory: no entry of a cell of time before this one (`index.get_cell`) will come or go any more."""
        self._pairs.close(cell)

    def forget(self, before: datetime) -> frozenset[EntryId]:
        """Drop what is older, in steps of three days; the ids of the entries left whose story is to be made anew.

        An entry that has a younger one in its story should not be forgotten: a story lives three days beyond its last.
        """
        cell = get_cell(before)
        gone = [n for n, reading in self._pairs.readings.items() if get_cell(reading.candidate.effective_at) < cell]
        touched: set[EntryId] = set()
        for number in gone:
            touched |= self._remove(number)
        return self._spread(touched.difference(gone), ())

    def regroup(self, ids: Iterable[EntryId] | None = None) -> tuple[GroupedStory, ...]:
        """The stories of these entries and of all that hang together with them; None: all stories."""
        stories: list[GroupedStory] = []
        seen: set[EntryId] = set()
        for number in sorted(self._pairs.readings if ids is None else ids):
            if number not in seen:
                members = self._find_set(number)
                seen |= members
                stories += self._group(sorted(members))
        return tuple(sorted(stories, key=lambda story: min(story.entry_ids)))

    def _remove(self, number: EntryId) -> set[EntryId]:
        reading = self._pairs.readings[number]
        return self._pairs.remove(number) | self._hubs.remove(reading)

    def _find_set(self, number: EntryId, without: Collection[EntryId] = ()) -> set[EntryId]:
        """Every entry that could end up in one story with this one, itself included.

        A set that would be too large is cut where it hangs loosest: only ever stronger bonds count until it is small
        enough. The sets of two entries are the same or have nothing in common, whichever is asked for first.
        """
        least = THRESHOLD
        found = self._find_connected(number, least, without)
        while len(found) > MAX_SET and least < CERTAIN:
            least = min(CERTAIN, least * _TIGHTEN)
            found = self._find_connected(number, least, without)
        return found

    def _find_connected(self, number: EntryId, least: float, without: Collection[EntryId]) -> set[EntryId]:
        """All that hang together by bonds of at least ``least``; some of them, more than `MAX_SET`, when too many."""
        found, stack = {number}, [number]
        hubs: set[object] = set()
        while stack and (len(found) <= MAX_SET or least >= CERTAIN):
            member = stack.pop()
            near = [other for other, strength in self._pairs.bonds[member].items() if strength >= least]
            for hub, others in self._hubs.iter_hubs(self._pairs.readings[member]):
                if hub not in hubs:
                    hubs.add(hub)
                    near += others
            for other in near:
                if other not in found and other not in without:
                    found.add(other)
                    stack.append(other)
        return found

    def _group(self, members: Sequence[EntryId]) -> Iterator[GroupedStory]:
        readings: dict[EntryId, Reading] = {number: self._pairs.readings[number] for number in members}
        if len(members) == 1:
            yield make_story(members, readings, self._pairs.bonds, self._hubs, self._word)
            return
        certain = join_certain(readings, self._pairs.bonds, self._hubs, self._word)
        groups = list(certain.iter_sets())
        apart = self._word.get_apart(readings)
        bonds = {number: self._pairs.bonds[number] for number in members}
        headlines = {
            number: (reading.candidate.feed_id, reading.surface.key, reading.surface.marks)
            for number, reading in readings.items()
            if reading.surface.key
        }
        for group in link_averages(groups, bonds, apart, headlines):
            yield make_story(sorted(group), readings, self._pairs.bonds, self._hubs, self._word)
