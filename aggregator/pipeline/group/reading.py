"""Reads one entry: names, concepts, words, numbers, versions, each with how much it says. Never looks at another entry.

What a reading holds depends on the entry and on the lexicon alone; all that compares works on readings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from sys import intern

from aggregator.model.language import get_primary
from aggregator.model.lexicon import Concept
from aggregator.model.story import GroupCandidate
from aggregator.model.tag import TagEvidence
from aggregator.pipeline.group.numbers import Number, find_versions, iter_numbers
from aggregator.pipeline.group.terms import Terms, Token, fold, split_tokens
from aggregator.pipeline.group.titles import Title, read_title

#: How much a feature says before rarity; a rare word says 1.0. A parent is a name that only its child brings along.
_NAME, _PARENT, _CONCEPT, _VERSION, _PAIR = 1.2, 0.5, 1.0, 1.0, 0.35
_NUMBERS = {"amount": 1.2, "percent": 0.8, "plain": 0.35}
#: Smaller numbers are everywhere.
_SMALL = 12
#: Events that say less are no reason to think that two titles tell of different ones.
_TELLING = 0.35
#: What is read, in characters.
_TITLE_LIMIT, _SUMMARY_LIMIT = 400, 400

_URL = re.compile(r"https?://\S+")
#: Where a headline was taken from: "(Jane Doe/Bloomberg)" at its end.
_CREDIT = re.compile(r"\s*\((?:[^()/]{2,60}/)?\s*[A-Z][^()/]{1,40}\)\s*$")


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What one entry says, ready to be compared."""

    candidate: GroupCandidate
    #: BCP 47, primary.
    language: str
    #: Of the title: feature -> weight. ``n:`` names, ``e:`` events and things, ``w:`` words, ``v:`` versions, ``#:``
    #: numbers, ``c:`` pairs of characters.
    title: dict[str, float]
    #: Length of ``title`` as a vector.
    norm: float
    #: Of excerpt and tags, what the title does not hold.
    more: dict[str, float]
    #: How its words stand, for comparing titles as such.
    surface: Title
    #: Amounts, for those that are rounded; amounts and percentages as features.
    amounts: tuple[Number, ...]
    figures: frozenset[str]
    #: Base -> versions: ``gemini`` -> ``3.5``.
    versions: dict[str, set[str]]
    #: Organisations of the title.
    orgs: frozenset[str]
    #: What happened, as far as that tells events apart.
    events: frozenset[str]
    #: A round-up of many stories.
    is_digest: bool


def read_entry(candidate: GroupCandidate, terms: Terms) -> Reading:
    """The reading of one entry."""
    language = intern(get_primary(candidate.language))
    folded = fold(_CREDIT.sub("", _URL.sub(" ", candidate.title[:_TITLE_LIMIT])))
    text = _Text(folded, terms, language)
    named = [
        tag for tag in candidate.tags if tag.field == "title" and tag.kind != "topic" and fold(tag.found) in folded
    ]
    title = _read_names(text, named)
    concepts = text.take_concepts()
    for concept in concepts:
        key = _get_key(concept)
        weight = (_NAME if concept.kind == "name" else _CONCEPT) * terms.get_rarity(concept.slug)
        title[key] = max(title.get(key, 0.0), weight)
    versions, numbers = text.find_numbers()
    for base, found in versions.items():
        title.update((intern(f"v:{base} {version}"), _VERSION) for version in found)
    title.update(_iter_numbers(text, versions, numbers))
    title.update(text.iter_words())
    return Reading(
        candidate=candidate,
        language=language,
        title=title,
        norm=sqrt(sum(weight * weight for weight in title.values())),
        more=_read_more(candidate, title, terms, language),
        surface=read_title(candidate.title),
        amounts=tuple(number for number in numbers if number.kind == "amount"),
        figures=frozenset(feature for feature in title if feature.startswith(("#:amount", "#:percent"))),
        versions=versions,
        orgs=frozenset(tag.slug for tag in named if tag.kind == "org"),
        events=frozenset(c.slug for c in concepts if c.kind == "event" and terms.get_rarity(c.slug) >= _TELLING),
        is_digest=terms.is_digest(text.tokens, folded),
    )


def _read_names(text: _Text, tags: Sequence[TagEvidence]) -> dict[str, float]:
    found: dict[str, float] = {}
    for tag in tags:
        weight = _PARENT if tag.rule.startswith("parent:") else _NAME
        found[intern("n:" + tag.slug)] = weight * text.terms.get_rarity(tag.slug)
        text.cover(fold(tag.found))
    return found


def _iter_numbers(text: _Text, versions: dict[str, set[str]], numbers: Sequence[Number]) -> Iterator[tuple[str, float]]:
    """What no name and no version holds already."""
    known = {version for found in versions.values() for version in found}
    for number in numbers:
        if number.kind == "plain" and (number.value <= _SMALL or f"{number.value:g}" in known):
            continue
        if not text.covered[number.start]:
            yield intern(f"#:{number.kind} {number.value:.4g}"), _NUMBERS[number.kind]


def _read_more(candidate: GroupCandidate, title: dict[str, float], terms: Terms, language: str) -> dict[str, float]:
    """Tags beyond the title, and what the excerpt says."""
    found: dict[str, float] = {
        intern("n:" + tag.slug): _NAME * terms.get_rarity(tag.slug) for tag in candidate.tags if tag.kind != "topic"
    }
    if candidate.summary:
        text = _Text(fold(candidate.summary[:_SUMMARY_LIMIT]), terms, language)
        for tag in candidate.tags:
            text.cover(fold(tag.found))
        for concept in text.take_concepts():
            found.setdefault(_get_key(concept), terms.get_rarity(concept.slug))
        for feature, weight in text.iter_words():
            if feature[0] == "w":
                found.setdefault(feature, weight)
    return {feature: weight for feature, weight in found.items() if feature not in title}


def _get_key(concept: Concept) -> str:
    return intern(("n:" if concept.kind == "name" else "e:") + concept.slug)


class _Text:
    """A folded text while it is taken apart: what one reader has taken is covered for the next."""

    def __init__(self, folded: str, terms: Terms, language: str) -> None:
        self.terms = terms
        self.tokens = split_tokens(folded)
        self.covered = bytearray(len(folded))
        self._folded = folded
        self._language = language
        #: Where events and things stand: no version follows on them.
        self._told = bytearray(len(folded))

    def cover(self, words: str) -> None:
        start = self._folded.find(words) if words else -1
        while start >= 0:
            self.covered[start : start + len(words)] = b"\1" * len(words)
            start = self._folded.find(words, start + len(words))

    def take_concepts(self) -> list[Concept]:
        """Those that are not wholly part of a name already."""
        found: list[Concept] = []
        for hit in self.terms.find(self.tokens, self._language):
            if all(self.covered[hit.start : hit.end]):
                continue
            mark = b"\1" * (hit.end - hit.start)
            self.covered[hit.start : hit.end] = mark
            if hit.concept.kind != "name":
                self._told[hit.start : hit.end] = mark
            found.append(hit.concept)
        return found

    def find_numbers(self) -> tuple[dict[str, set[str]], tuple[Number, ...]]:
        """(versions by their base, numbers that stand by themselves)."""
        bases = {place for place, token in enumerate(self.tokens) if self._is_base(token)}
        numbers = tuple(
            number
            for number in iter_numbers(self._folded)
            if number.start == 0 or not self._folded[number.start - 1].isalnum()
        )
        return find_versions(self.tokens, self._folded, bases, numbers), numbers

    def _is_base(self, token: Token) -> bool:
        return (
            token.kind == "word"
            and not self._told[token.start]
            and not self.terms.is_stop(token.text, self._language)
            and self.terms.get_word_weight(token.text) == 1.0
        )

    def iter_words(self) -> Iterator[tuple[str, float]]:
        """Words and pairs of characters that nothing has covered, with their weights."""
        for token in self.tokens:
            if token.kind == "word":
                if not self.covered[token.start] and len(token.text) > 1 and not self._is_stop(token.text):
                    yield intern("w:" + _stem(token.text)), self.terms.get_word_weight(token.text)
            elif token.kind == "run":
                free = [c if not self.covered[token.start + place] else " " for place, c in enumerate(token.text)]
                for one, other in pairwise(free):
                    if " " not in (one, other):
                        yield intern(f"c:{one}{other}"), _PAIR

    def _is_stop(self, word: str) -> bool:
        return self.terms.is_stop(word, self._language)


def _stem(word: str) -> str:
    """Plural and past tense away, roughly, in English and French alike."""
    for ending in ("ing", "ies", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word
