"""How well a grouping agrees with labels: BCubed and pairwise precision, recall, F1; pairs across languages apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A labelled entry."""

    id: str
    story: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Precision, recall and F1, twice; recall and precision of pairs across languages."""

    bcubed: tuple[float, float, float]
    pairwise: tuple[float, float, float]
    across: tuple[float, float]
    across_pairs: int

    def to_line(self) -> str:
        """One row of a Markdown table, without its name."""
        figures = [*self.bcubed, *self.pairwise, *self.across]
        return " | ".join(f"{figure:.3f}" for figure in figures) + f" | {self.across_pairs}"


HEADER = """\
| | BCubed P | R | F1 | pairwise P | R | F1 | across languages R | P | pairs |
|---|---|---|---|---|---|---|---|---|---|"""


def measure(items: Sequence[Item], groups: Mapping[str, object]) -> Agreement:
    """``groups``: item id -> its story. Only ``items`` count, also where a story holds others."""
    labels = Counter(item.story for item in items)
    found = Counter(groups[item.id] for item in items)
    both = Counter((groups[item.id], item.story) for item in items)
    precision = sum(both[groups[i.id], i.story] / found[groups[i.id]] for i in items) / len(items)
    recall = sum(both[groups[i.id], i.story] / labels[i.story] for i in items) / len(items)
    right, said, told = (sum(n * (n - 1) // 2 for n in counts.values()) for counts in (both, found, labels))
    wanted = set(_iter_across(items, {item.id: item.story for item in items}))
    given = set(_iter_across(items, groups))
    hits = len(wanted & given)
    return Agreement(
        bcubed=(precision, recall, _f1(precision, recall)),
        pairwise=_score(right, said, told),
        across=_score(hits, len(given), len(wanted))[1::-1],  # type: ignore[arg-type]
        across_pairs=len(wanted),
    )


def _iter_across(items: Sequence[Item], groups: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    by_group: dict[object, list[Item]] = defaultdict(list)
    for item in items:
        by_group[groups[item.id]].append(item)
    for members in by_group.values():
        for one, other in combinations(sorted(members, key=lambda item: item.id), 2):
            if one.language != other.language:
                yield one.id, other.id


def _score(right: int, said: int, told: int) -> tuple[float, float, float]:
    precision = right / said if said else 1.0
    recall = right / told if told else 1.0
    return precision, recall, _f1(precision, recall)


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
