"""The words by which grouping recognises that two titles tell the same. Never read from a file here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: What happened; what it happened to; who or where, as far as the taxonomy does not hold them.
ConceptKind = Literal["event", "thing", "name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """One meaning with its words in several languages."""

    slug: str
    kind: ConceptKind
    #: (language, words); a word of letters is a whole word, with ``*`` at its end any ending.
    words: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lexicon:
    """Concepts, and how rare words are. Compared by identity, so that what is built from it can be kept."""

    concepts: tuple[Concept, ...] = ()
    #: (slug of a concept or of a tag, how much it says beside a rare word); all others say 1.0.
    rarity: tuple[tuple[str, float], ...] = ()
    #: (language, words that say nothing).
    stop: tuple[tuple[str, tuple[str, ...]], ...] = ()
    #: (language, words that say little).
    weak: tuple[tuple[str, tuple[str, ...]], ...] = ()
    #: (language, words by which round-ups of many stories call themselves).
    digest: tuple[tuple[str, tuple[str, ...]], ...] = ()
