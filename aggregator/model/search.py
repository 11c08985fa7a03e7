"""What a reader searches for, as words that texts are searched for. Never how they are found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Words that stand side by side in a text, in this order; most are one word alone.
Phrase = tuple[str, ...]

#: Why there is nothing to search for: nothing was typed; no letter or digit in it; more characters, or more words, than
#: a search may have; only what is not wanted was said.
SearchProblem = Literal["empty", "no_words", "too_long", "too_many", "only_excluded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """What entries must hold, and must not. With a ``problem`` nothing is searched for."""

    #: As the reader typed it, one line of harmless text, to be shown again: at most 1,000 characters.
    text: str = ""
    #: Of each of these an entry holds one phrase or more...
    wanted: tuple[tuple[Phrase, ...], ...] = ()
    #: ... and none of these.
    excluded: tuple[Phrase, ...] = ()
    problem: SearchProblem | None = None
