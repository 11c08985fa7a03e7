"""The entries of a window, found again by what they hold. Never compares all with all, never joins any.

Each entry is listed under its telling features (rare names, words, versions, amounts), under pairs of its common ones
("openai" with "lay-off"), under its address and under the addresses it links to. Only entries listed under one key are
weighed. A key that too many entries of three days hold tells nothing there and is passed over for those days; which
keys these are depends on the set of entries alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import combinations, product

from aggregator.model.ids import EntryId
from aggregator.pipeline.group.clusters import THRESHOLD
from aggregator.pipeline.group.pairs import MANY_LINKS, WINDOW, weigh
from aggregator.pipeline.group.reading import Reading

#: Entries of one cell of time under one key, beyond which the key is passed over there.
MANY = 40
#: A feature that weighs this much is a key by itself; lighter ones are so in pairs, if they weigh as much as `_PAIRED`.
_ALONE, _PAIRED = 0.55, 0.3
#: Of the heaviest names so many are paired with so many of the heaviest other features, and those with each other.
_NAMES, _OTHERS, _EACH_OTHER = 3, 5, 4
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def get_cell(moment: datetime) -> int:
    """The number of the three days that a moment lies in: entries of one window lie in neighbouring cells."""
    return (moment - _EPOCH) // WINDOW


def list_keys(reading: Reading) -> list[str]:
    """What an entry is listed under, each once."""
    keys: list[str] = []
    names: list[tuple[float, str]] = []
    others: list[tuple[float, str]] = []
    for feature, weight in reading.title.items():
        if weight >= _ALONE or feature[0] == "c":
            keys.append(feature)
        if weight >= _PAIRED and feature[0] != "c":
            (names if feature[0] == "n" else others).append((-weight, feature))
    for feature, weight in reading.more.items():
        if weight >= _PAIRED and feature[0] == "n":
            names.append((-weight / 2, feature))
            if weight >= _ALONE:
                keys.append(feature)
    names.sort()
    others.sort()
    chosen = [feature for _, feature in names[:_NAMES]]
    beside = [feature for _, feature in others[:_OTHERS]]
    pairs = [*combinations(chosen, 2), *product(chosen, beside), *combinations(beside[:_EACH_OTHER], 2)]
    keys += [f"{one}&{other}" if one < other else f"{other}&{one}" for one, other in pairs]
    if reading.candidate.canonical_url:
        keys.append("u:" + reading.candidate.canonical_url)
    keys += ["u:" + link for link in reading.candidate.links[:MANY_LINKS]]
    return list(dict.fromkeys(keys))


class PairIndex:
    """Readings, and the bonds between them."""

    def __init__(self) -> None:
        self.readings: dict[EntryId, Reading] = {}
        #: Symmetric; `pairs.NEVER` for pairs that contradict each other.
        self.bonds: dict[EntryId, dict[EntryId, int]] = {}
        self._lists: dict[tuple[int, str], list[EntryId]] = {}
        self._crowded: set[tuple[int, str]] = set()

    def add(self, readings: Sequence[Reading]) -> set[EntryId]:
        """The entries that bonds tie to others than before, ``readings`` included.

        A bond too weak to tie counts only between entries that others tie together.
        """
        touched: set[EntryId] = set()
        crowded: list[tuple[int, str]] = []
        keys: list[list[str]] = []
        for reading in readings:
            number, cell = reading.candidate.id, get_cell(reading.candidate.effective_at)
            self.readings[number] = reading
            self.bonds[number] = {}
            touched.add(number)
            keys.append(list_keys(reading))
            for key in keys[-1]:
                listed = self._lists.setdefault((cell, key), [])
                listed.append(number)
                if len(listed) == MANY + 1:
                    self._crowded.add((cell, key))
                    crowded.append((cell, key))
        for place in crowded:
            touched |= self._loosen(self._lists[place])
        for reading, of_reading in zip(readings, keys, strict=True):
            number, cell = reading.candidate.id, get_cell(reading.candidate.effective_at)
            bonds = self.bonds[number]
            for other in self._find_others(number, of_reading, cell):
                if other not in bonds and (strength := weigh(reading, self.readings[other])):
                    bonds[other] = self.bonds[other][number] = strength
                    if strength >= THRESHOLD:
                        touched.add(other)
        return touched

    def remove(self, number: EntryId) -> set[EntryId]:
        """Take one entry away; those that a bond tied to it. Crowded keys stay so: whole cells go together."""
        reading = self.readings.pop(number)
        cell = get_cell(reading.candidate.effective_at)
        for key in list_keys(reading):
            listed = self._lists[cell, key]
            listed.remove(number)
            if not listed:
                del self._lists[cell, key]
                self._crowded.discard((cell, key))
        others = self.bonds.pop(number)
        for other in others:
            del self.bonds[other][number]
        return {other for other, strength in others.items() if strength >= THRESHOLD}

    def close(self, cell: int) -> None:
        """Nothing older than ``cell`` will be added any more: what was only there to find it goes."""
        for place in [place for place in self._lists if place[0] < cell]:
            del self._lists[place]

    def _find_others(self, number: EntryId, keys: Iterable[str], cell: int) -> set[EntryId]:
        """Those that meet ``number`` under a telling key, or under two: one word in common is no reason to look."""
        found: set[EntryId] = set()
        once: set[EntryId] = set()
        for key in keys:
            if (cell, key) in self._crowded:
                continue
            single = key[0] in "wc" and "&" not in key
            for near in (cell - 1, cell, cell + 1):
                listed = self._lists.get((near, key))
                if listed is None or (near, key) in self._crowded:
                    continue
                if single:
                    found.update(once.intersection(listed))
                    once.update(listed)
                else:
                    found.update(listed)
        found.discard(number)
        return found

    def _loosen(self, listed: Iterable[EntryId]) -> set[EntryId]:
        """A key has become crowded: bonds stay only between entries that meet under another."""
        touched: set[EntryId] = set()
        for number in listed:
            bonds = self.bonds[number]
            if not bonds:
                continue
            reading = self.readings[number]
            still = self._find_others(number, list_keys(reading), get_cell(reading.candidate.effective_at))
            for other in [other for other in bonds if other not in still]:
                del bonds[other], self.bonds[other][number]
                touched |= {number, other}
        return touched
