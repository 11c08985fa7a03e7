"""The entries of a window, found again by what they hold. Never compares all with all, never joins any.

Each entry is listed under its telling features (rare names, words, versions, amounts), under pairs of its common ones
("openai" with "lay-off"), under its address and under the addresses it links to. Only entries listed under one key are
weighed. A key that too many entries of three days hold tells nothing there and is passed over for those days; which
keys these are depends on the set of entries alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import combinations
from sys import intern

from aggregator.model.ids import EntryId
from aggregator.pipeline.group.pairs import WINDOW, weigh
from aggregator.pipeline.group.reading import Reading

#: Entries of one cell of time under one key, beyond which the key is passed over there.
MANY = 80
#: A feature that weighs this much is a key by itself; two lighter ones that weigh `_PAIRED` make one together.
_ALONE, _PAIRED = 0.55, 0.3
_MAX_PAIRED = 6
_MAX_LINKS = 25
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def get_cell(moment: datetime) -> int:
    """The number of the three days that a moment lies in: entries of one window lie in neighbouring cells."""
    return (moment - _EPOCH) // WINDOW


def iter_keys(reading: Reading) -> Iterator[str]:
    """What an entry is listed under."""
    common: list[tuple[float, str]] = []
    for feature, weight in reading.title.items():
        if weight >= _ALONE or feature[0] == "c":
            yield feature
        elif weight >= _PAIRED:
            common.append((-weight, feature))
    for feature, weight in reading.more.items():
        if weight >= _ALONE and feature[0] == "n":
            yield feature
    for (_, one), (_, other) in combinations(sorted(common)[:_MAX_PAIRED], 2):
        yield intern(f"{min(one, other)}&{max(one, other)}")
    if reading.candidate.canonical_url:
        yield "u:" + reading.candidate.canonical_url
    for link in reading.candidate.links[:_MAX_LINKS]:
        yield "u:" + link


class PairIndex:
    """Readings, and the bonds between them."""

    def __init__(self) -> None:
        self.readings: dict[EntryId, Reading] = {}
        #: Symmetric; `pairs.NEVER` for pairs that contradict each other.
        self.bonds: dict[EntryId, dict[EntryId, int]] = {}
        self._lists: dict[tuple[int, str], list[EntryId]] = {}
        self._crowded: set[tuple[int, str]] = set()

    def add(self, reading: Reading) -> set[EntryId]:
        """The entries whose bonds are others now, ``reading``'s own included."""
        number, cell = reading.candidate.id, get_cell(reading.candidate.effective_at)
        self.readings[number] = reading
        bonds = self.bonds[number] = {}
        touched = {number}
        keys = dict.fromkeys(iter_keys(reading))
        for key in keys:
            listed = self._lists.setdefault((cell, key), [])
            listed.append(number)
            if len(listed) == MANY + 1:
                self._crowded.add((cell, key))
                touched |= self._loosen(listed)
        for other in self._find_others(number, keys, cell):
            strength = weigh(reading, self.readings[other])
            if strength:
                bonds[other] = self.bonds[other][number] = strength
                touched.add(other)
        return touched

    def remove(self, number: EntryId) -> set[EntryId]:
        """Take one entry away; those that had a bond with it. Crowded keys stay so: whole cells go together."""
        reading = self.readings.pop(number)
        cell = get_cell(reading.candidate.effective_at)
        for key in dict.fromkeys(iter_keys(reading)):
            listed = self._lists[cell, key]
            listed.remove(number)
            if not listed:
                del self._lists[cell, key]
                self._crowded.discard((cell, key))
        others = self.bonds.pop(number)
        for other in others:
            del self.bonds[other][number]
        return set(others)

    def _find_others(self, number: EntryId, keys: Iterable[str], cell: int) -> dict[EntryId, None]:
        found: dict[EntryId, None] = {}
        for key in keys:
            if (cell, key) not in self._crowded:
                for near in (cell - 1, cell, cell + 1):
                    if (near, key) not in self._crowded:
                        found.update(dict.fromkeys(self._lists.get((near, key), ())))
        found.pop(number, None)
        return found

    def _loosen(self, listed: Iterable[EntryId]) -> set[EntryId]:
        """A key has become crowded: bonds stay only between entries that meet under another."""
        touched: set[EntryId] = set()
        for number in listed:
            bonds = self.bonds[number]
            if not bonds:
                continue
            reading = self.readings[number]
            still = self._find_others(number, iter_keys(reading), get_cell(reading.candidate.effective_at))
            for other in [other for other in bonds if other not in still]:
                del bonds[other], self.bonds[other][number]
                touched |= {number, other}
        return touched
