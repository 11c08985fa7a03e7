"""Finds the lexicon's concepts in a folded title. Never looks at tags, never weighs.

Words of letters are looked up as tokens, so that no word is found inside another; Japanese and Chinese have no spaces,
so their words are found at any place, the longest first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from aggregator.model.lexicon import Concept, ConceptKind, Lexicon

CJK = "\u3005\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7a3"
_TOKEN = re.compile(rf"(?P<number>\d+(?:[.,]\d+)*)|(?P<run>[{CJK}]+)|(?P<word>[^\W\d_{CJK}]+)")
_SIGNS = str.maketrans({"\u2019": "'", "\u2018": "'", "\u2010": "-", "\u2011": "-", "\u00a0": " ", "\u202f": " "})
#: The longest word of the lexicon without spaces, in characters.
_MAX_RUN = 12
_MIN_STEM = 2


def _make_accents() -> dict[int, str]:
    """Latin letters with accents -> the letter alone; kana keep their marks."""
    table: dict[int, str] = {}
    for code in (*range(0x00C0, 0x0250), *range(0x1E00, 0x1F00)):
        base = unicodedata.normalize("NFD", chr(code))[0]
        if base.isascii():
            table[code] = base
    return table


_ACCENTS = _make_accents()


@dataclass(frozen=True, slots=True)
class Token:
    """A number, a run of CJK characters or a word, with where it stands in the folded text."""

    kind: Literal["number", "run", "word"]
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A concept at a place of the folded text."""

    concept: Concept
    start: int
    end: int


def fold(text: str) -> str:
    """Lower case, one width, no accents on Latin letters."""
    return unicodedata.normalize("NFKC", text.translate(_SIGNS)).casefold().translate(_ACCENTS)


def split_tokens(folded: str) -> list[Token]:
    """Every number, word and run of CJK characters, in order."""
    return [Token(str(found.lastgroup), found[0], *found.span()) for found in _TOKEN.finditer(folded)]  # type: ignore[arg-type]


@dataclass(slots=True)
class _Words:
    """The words of one language."""

    #: First token -> (all tokens, whether the last takes any ending, concept).
    phrases: dict[str, list[tuple[tuple[str, ...], bool, Concept]]] = field(default_factory=dict)
    #: Beginning of a single word -> concept.
    stems: dict[str, Concept] = field(default_factory=dict)
    runs: dict[str, Concept] = field(default_factory=dict)

    def add(self, word: str, concept: Concept) -> None:
        open_ended = word.endswith("*")
        tokens = tuple(token.text for token in split_tokens(fold(word.removesuffix("*"))))
        if not tokens:
            return
        if len(tokens) == 1 and _is_run(tokens[0]):
            self.runs.setdefault(tokens[0], concept)
        elif len(tokens) == 1 and open_ended:
            self.stems.setdefault(tokens[0], concept)
        else:
            open_ended = open_ended or _is_run(tokens[-1])
            self.phrases.setdefault(tokens[0], []).append((tokens, open_ended, concept))


def _is_run(text: str) -> bool:
    return re.match(rf"[{CJK}]", text) is not None


class Terms:
    """A lexicon, ready to be searched."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._words: dict[str, _Words] = {}
        self._rarity = dict(lexicon.rarity)
        self._stop = {language: frozenset(map(fold, words)) for language, words in lexicon.stop}
        for concept in lexicon.concepts:
            for language, words in concept.words:
                # Names are written in French as in English, or nearly always.
                for name in (language, "fr") if concept.kind == "name" and language == "en" else (language,):
                    for word in words:
                        self._words.setdefault(name, _Words()).add(word, concept)
        self._weak = frozenset(fold(word) for _, words in lexicon.weak for word in words)
        self._digest = _Digests(lexicon)
        for words_of in self._words.values():
            for found in words_of.phrases.values():
                found.sort(key=lambda phrase: -len(phrase[0]))

    def get_rarity(self, slug: str, default: float = 1.0) -> float:
        return self._rarity.get(slug, default)

    def get_word_weight(self, word: str) -> float:
        return 0.35 if word in self._weak else 1.0

    def is_stop(self, word: str, language: str) -> bool:
        """Whether a word says nothing in this language, or in English."""
        return word in self._stop.get(language, ()) or (language != "fr" and word in self._stop.get("en", ()))

    def is_digest(self, tokens: Sequence[Token], folded: str) -> bool:
        return self._digest.matches(tokens, folded)

    def find(self, tokens: Sequence[Token], language: str) -> Iterator[Hit]:
        """Every concept named, the longest word at each place, in order."""
        latin = [self._words[name] for name in _get_latin(language) if name in self._words]
        runs = self._words.get(language)
        place = 0
        while place < len(tokens):
            token = tokens[place]
            if token.kind == "run":
                if runs is not None:
                    yield from _find_in_run(token, runs.runs)
                place += 1
                continue
            length, concept = _find_phrase(tokens, place, latin)
            if concept is not None:
                yield Hit(concept, token.start, tokens[place + length - 1].end)
                length -= tokens[place + length - 1].kind == "run"  # what else the run holds is looked at, too
            place += length


def _get_latin(language: str) -> tuple[str, ...]:
    if language == "fr":
        return ("fr",)
    return ("en", language) if language in ("ja", "zh") else ("en",)


def _find_phrase(tokens: Sequence[Token], place: int, words: Sequence[_Words]) -> tuple[int, Concept | None]:
    """(tokens taken, concept) of the longest phrase that begins here; (1, None) when none does."""
    best: tuple[int, Concept | None] = (1, None)
    text = tokens[place].text
    for of_language in words:
        for phrase, open_ended, concept in of_language.phrases.get(text, ()):
            if (best[1] is None or len(phrase) > best[0]) and _stands_at(tokens, place, phrase, open_ended):
                best = (len(phrase), concept)
                break
    if best[1] is None and tokens[place].kind == "word":
        for of_language in words:
            for end in range(len(text), _MIN_STEM - 1, -1):
                if (stem := of_language.stems.get(text[:end])) is not None:
                    return 1, stem
    return best


def _stands_at(tokens: Sequence[Token], place: int, phrase: tuple[str, ...], open_ended: bool) -> bool:
    if place + len(phrase) > len(tokens):
        return False
    last = len(phrase) - 1
    return all(
        tokens[place + offset].text == word
        or (open_ended and offset == last and tokens[place + offset].text.startswith(word))
        for offset, word in enumerate(phrase)
    )


def _find_in_run(token: Token, words: dict[str, Concept]) -> Iterator[Hit]:
    start = 0
    while start < len(token.text):
        for end in range(min(len(token.text), start + _MAX_RUN), start, -1):
            if (concept := words.get(token.text[start:end])) is not None:
                yield Hit(concept, token.start + start, token.start + end)
                start = end
                break
        else:
            start += 1


class _Digests:
    """How round-ups call themselves; in whatever language, since feeds mix them."""

    def __init__(self, lexicon: Lexicon) -> None:
        marker = Concept(slug="digest", kind="event", words=())
        self._phrases = _Words()
        self._runs: list[str] = []
        for _, words in lexicon.digest:
            for word in words:
                if any(_is_run(character) for character in word):
                    self._runs.append(fold(word))
                else:
                    self._phrases.add(word, marker)

    def matches(self, tokens: Sequence[Token], folded: str) -> bool:
        if any(run in folded for run in self._runs):
            return True
        return any(
            _find_phrase(tokens, place, (self._phrases,))[1] is not None
            for place, token in enumerate(tokens)
            if token.kind == "word"
        )


@lru_cache(maxsize=4)
def get_terms(lexicon: Lexicon) -> Terms:
    """Built once for one lexicon (compared by identity)."""
    return Terms(lexicon)


__all__ = ["CJK", "ConceptKind", "Hit", "Terms", "Token", "fold", "get_terms", "split_tokens"]
