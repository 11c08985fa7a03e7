"""Which of the editor's interests a story meets. Never changes one; `pipeline.interests` made them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from aggregator.model.entry import Entry
from aggregator.model.interest import Interest
from aggregator.model.story import ScoreTerm

#: Of what was made of the editor's sentences so many count at a time, the strongest, for and against: a long paragraph
#: shall not outweigh what happened.
MADE_COUNTED = 3
#: All interests together add or take at most this: the editor's pin is stronger.
MAX_POINTS = 100.0

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_WIDE = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")


def fold_words(text: str) -> tuple[str, ...]:
    """The words of a text as they are compared: width, case and an English plural do not count."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return tuple(_make_singular(word) for word in _WORD.findall(folded))


def _make_singular(word: str) -> str:
    word = word.replace("’", "'").removesuffix("'s")
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def score_interests(entries: Sequence[Entry], interests: Sequence[Interest]) -> Iterator[ScoreTerm]:
    """A term for each interest that counts.

    What the editor wants is met when one entry meets it; what the editor wants less of only when all do: so a source
    more never lowers a story, and one that is blamed for its company's other business stays what it is.
    """
    if not interests:
        return
    read = [_Said(entry) for entry in entries]
    met = [wish for wish in interests if (any if wish.points > 0 else all)(said.meets(wish) for said in read)]
    counted = [wish for wish in met if not wish.said]
    for sign in (1, -1):
        made = sorted((w for w in met if w.said and w.points * sign > 0), key=lambda w: (-abs(w.points), w.name))
        counted += made[:MADE_COUNTED]
    terms = [ScoreTerm(name="interest", value=w.name, points=round(w.points, 3)) for w in counted if w.points]
    terms.sort(key=lambda term: term.value)
    total = sum(term.points for term in terms)
    yield from terms
    if abs(total) > MAX_POINTS:
        limit = MAX_POINTS if total > 0 else -MAX_POINTS
        yield ScoreTerm(name="interest limit", value=f"{limit:g}", points=round(limit - total, 3))


class _Said:
    """What one entry says, made ready once."""

    __slots__ = ("_entry", "_slugs", "_text", "_words")

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self._slugs = {evidence.slug for evidence in entry.tags}
        self._text: str | None = None
        self._words: frozenset[str] = frozenset()

    def meets(self, wish: Interest) -> bool:
        if wish.kind == "tag":
            return wish.name in self._slugs
        if wish.kind == "feed":
            return wish.name == self._entry.feed_url
        if self._text is None:
            self._text = f"{self._entry.title}\n{self._entry.excerpt}"
            self._words = frozenset(fold_words(self._text))
            self._text = unicodedata.normalize("NFKC", self._text).casefold()
        if _WIDE.search(wish.name):  # no spaces between words
            return wish.name in self._text
        return self._words.issuperset(fold_words(wish.name))
