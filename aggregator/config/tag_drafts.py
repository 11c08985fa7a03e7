"""A tag while its files are read: what was written, and where. Never decides what it means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from aggregator.errors import Problem

KINDS = ("org", "product", "topic")
NAMES = ("ja", "zh")


@dataclass(slots=True)
class Draft:
    """A tag while files are read: values by key, and the file and line that each came from."""

    slug: str
    place: tuple[str, int]
    values: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[tuple[str, str, int]]] = field(default_factory=dict)

    def copy(self) -> Draft:
        """One that may be written into."""
        return Draft(self.slug, self.place, dict(self.values), {key: list(items) for key, items in self.lists.items()})

    def locate(self, key: str, text: str) -> tuple[str, int]:
        """Where ``text`` was written in the list ``key``; where the tag stands when it was not."""
        for written, file, line in self.lists.get(key, ()):
            if written.lstrip("#=~") == text.lstrip("#"):
                return file, line
        return self.place


@dataclass(slots=True)
class Reading:
    """All that was read so far."""

    drafts: dict[str, Draft] = field(default_factory=dict)
    contexts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def copy(self) -> Reading:
        """One that more may be laid over; its drafts are the same."""
        return Reading(dict(self.drafts), dict(self.contexts), list(self.problems))

    def complain(self, place: tuple[str, int], key: str, message: str) -> None:
        self.problems.append(Problem(file=place[0], line=place[1], key=key, message=message))


def suggest(word: str, known: Sequence[str]) -> str:
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}" if len(known) < 25 else ""
