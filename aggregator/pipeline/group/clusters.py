"""Joins entries that hang together into stories. Never weighs a pair, never names a story.

Average link: two clusters are joined when the mean strength between their members, missing pairs counting as nothing,
is high enough, the strongest first; the larger the whole would be, the more it takes, since neighbouring events of one
company hang together like the members of one story. Clusters that hold a contradicting pair are never joined.

All sums are of whole numbers and all ties are broken by ids: the result depends on the set alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from math import log2

from aggregator.model.ids import EntryId
from aggregator.pipeline.group.pairs import CERTAIN, FLOOR, NEVER

#: The mean strength that joins two single entries.
THRESHOLD = 0.26 * CERTAIN
#: How much more it takes for every doubling of the whole.
_GROWTH = 0.15
#: Of the strength between two clusters, so much is their strongest pair and the rest the mean.
_STRONGEST = 0.15

Bonds = Mapping[EntryId, Mapping[EntryId, int]]


class Sets:
    """Disjoint sets of entries; two that must never meet keep apart."""

    def __init__(self, members: Iterable[EntryId], never: Mapping[EntryId, Collection[EntryId]]) -> None:
        self._root = {member: member for member in members}
        self._members = {member: [member] for member in self._root}
        self._never = never

    def find(self, member: EntryId) -> EntryId:
        root = member
        while self._root[root] != root:
            root = self._root[root]
        while self._root[member] != root:
            self._root[member], member = root, self._root[member]
        return root

    def join(self, one: EntryId, other: EntryId) -> bool:
        """Whether they are together now."""
        one, other = self.find(one), self.find(other)
        if one == other:
            return True
        if len(self._members[one]) < len(self._members[other]):
            one, other = other, one
        if self._never and self._are_apart(one, other):
            return False
        self._root[other] = one
        self._members[one] += self._members.pop(other)
        return True

    def _are_apart(self, one: EntryId, other: EntryId) -> bool:
        mine = set(self._members[one])
        return any(not mine.isdisjoint(self._never.get(member, ())) for member in self._members[other])

    def get_members(self, member: EntryId) -> Sequence[EntryId]:
        return self._members[self.find(member)]

    def iter_sets(self) -> Iterator[list[EntryId]]:
        """Each sorted, by their lowest member."""
        yield from sorted(sorted(members) for members in self._members.values())


def link_averages(
    groups: Sequence[Sequence[EntryId]],
    bonds: Bonds,
    never: Mapping[EntryId, Collection[EntryId]],
    headlines: Mapping[EntryId, object],
) -> list[list[EntryId]]:
    """``groups`` (each stays whole) joined wherever the bonds between them are strong enough.

    ``never``: entries that are not to be together; neither are two with one of the ``headlines`` (feed and title).
    """
    place = {member: number for number, group in enumerate(groups) for member in group}
    between, apart = _sum_bonds(groups, bonds, place)
    for member, others in never.items():
        for other in others:
            if member in place and other in place and place[member] != place[other]:
                apart[place[member]].add(place[other])
                apart[place[other]].add(place[member])
    return _Average(groups, between, apart, headlines).join_all()


#: Other group -> (sum of strengths, strongest).
_Row = dict[int, tuple[int, int]]


def _sum_bonds(
    groups: Sequence[Sequence[EntryId]], bonds: Bonds, place: Mapping[EntryId, int]
) -> tuple[list[_Row], list[set[int]]]:
    between: list[_Row] = [{} for _ in groups]
    apart: list[set[int]] = [set() for _ in groups]
    for number, group in enumerate(groups):
        row = between[number]
        for member in group:
            for other, strength in bonds.get(member, {}).items():
                theirs = place.get(other, number)
                if theirs == number:
                    continue
                if strength == NEVER:
                    apart[number].add(theirs)
                elif strength >= FLOOR:
                    known, best = row.get(theirs, (0, 0))
                    row[theirs] = (known + strength, max(best, strength))
    return between, apart


class _Average:
    """Groups while they are being joined. A cluster is known by the lowest number of its groups."""

    def __init__(
        self,
        groups: Sequence[Sequence[EntryId]],
        between: list[_Row],
        apart: list[set[int]],
        headlines: Mapping[EntryId, object],
    ) -> None:
        self._members = {number: list(group) for number, group in enumerate(groups)}
        self._headlines = {
            number: {headlines[member] for member in group if member in headlines}
            for number, group in enumerate(groups)
        }
        self._rows = dict(enumerate(between))
        self._apart = dict(enumerate(apart))
        self._turn = dict.fromkeys(self._members, 0)
        self._heap: list[tuple[float, int, int, int, int]] = []

    def join_all(self) -> list[list[EntryId]]:
        for one, row in self._rows.items():
            for other in row:
                if one < other:
                    self._push(one, other)
        heapify(self._heap)
        while self._heap:
            _, one, other, turn, other_turn = heappop(self._heap)
            if self._turn.get(one) == turn and self._turn.get(other) == other_turn and self._may_meet(one, other):
                self._merge(one, other)
        return list(self._members.values())

    def _may_meet(self, one: int, other: int) -> bool:
        return other not in self._apart[one] and self._headlines[one].isdisjoint(self._headlines[other])

    def _push(self, one: int, other: int) -> None:
        size, other_size = len(self._members[one]), len(self._members[other])
        total, best = self._rows[one][other]
        strength = (1 - _STRONGEST) * total / (size * other_size) + _STRONGEST * best
        ratio = strength / (THRESHOLD * (1 + _GROWTH * (log2(size + other_size) - 1)))
        if ratio >= 1:
            heappush(self._heap, (-ratio, one, other, self._turn[one], self._turn[other]))

    def _merge(self, one: int, other: int) -> None:
        """``other`` (the higher number) goes into ``one``."""
        self._members[one] += self._members.pop(other)
        self._headlines[one] |= self._headlines.pop(other)
        self._turn[one] += 1
        del self._turn[other]
        row = self._rows[one]
        for third, (total, best) in self._rows.pop(other).items():
            del self._rows[third][other]
            if third != one:
                known, strongest = row.get(third, (0, 0))
                row[third] = self._rows[third][one] = (known + total, max(strongest, best))
        for third in self._apart.pop(other):
            self._apart[third].discard(other)
            if third != one:
                self._apart[third].add(one)
                self._apart[one].add(third)
        for third in sorted(row):
            self._push(min(one, third), max(one, third))
