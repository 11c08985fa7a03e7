"""Texts and readers' questions as words to be searched by. Never searches, never knows a database.

The words of an entry and those of a question are made by the same rules, so neither database needs to know a language:

- folded: compatibility forms, case, accents, and the traditional forms of Chinese characters (into simplified ones);
- scripts with spaces: words, cut between letters and digits (``llama3``: ``llama``, ``3``), possessive ``'s`` left out;
- scripts without (Chinese, Japanese, Thai...) and Korean: every two neighbours (``新モデ``: ``新モ``, ``モデ``), and
  where such a run begins and ends its first and last sign too, so that it joins with what stands before and after it;
- after these, in no order: names joined with their number however they were written (``Llama 3``, ``llama-3``:
  ``llama3``; ``4o``), each Chinese character by itself, and the language (``language:ja``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from operator import add
from typing import TYPE_CHECKING

from aggregator.model.search import Phrase, SearchProblem, SearchQuery
from aggregator.pipeline.words import xml_text

if TYPE_CHECKING:
    from opencc import OpenCC

#: To be raised when the same text gives other words than before: what is stored is then indexed anew.
VERSION = 1
#: Characters of an entry's text that are indexed, and of each of its other parts; what follows cannot be found.
MAX_TEXT = 4_000
MAX_PART = 500
#: Characters of a word that count.
_MAX_WORD = 64
#: Of a question: characters, and words in all.
MAX_QUERY = 1_000
MAX_WORDS = 48
#: Stands between the parts of an entry, so that no phrase reaches from one into the next. No word is written so.
GAP = "."

_HAN = "\u3005\u3007\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
#: Without spaces between words, or, in Korean, with endings: kana, bopomofo, hangul, Thai to Burmese, Khmer.
_UNSPACED = (
    f"{_HAN}\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3105-\u312f\uac00-\ud7a3\u1100-\u11ff"
    "\u0e00-\u0e4e\u0e5a-\u0ecf\u1000-\u103f\u1050-\u109f\u1780-\u17d3"
)
#: Signs of vowels and the like, no letters to Python: Hebrew to Syriac, and the scripts of India.
_MARKS = (
    "\u0483-\u0487\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0711-\u074a"
    "\u0900-\u0903\u093a-\u094f\u0951-\u0963\u0981-\u0983\u09bc-\u09cd\u0a01-\u0a03\u0a3c-\u0a4d\u0a81-\u0a83"
    "\u0abc-\u0acd\u0b01-\u0b03\u0b3c-\u0b57\u0b82\u0bbe-\u0bcd\u0c00-\u0c04\u0c3e-\u0c56\u0c81-\u0c83"
    "\u0cbc-\u0cd6\u0d00-\u0d03\u0d3b-\u0d4d\u0d81-\u0d83\u0dca-\u0ddf"
)
_LETTER = rf"(?:[^\W\d_{_UNSPACED}]|[{_MARKS}])"
# No possessive sign stands on a group of more than one character: Python 3.11.2 forgets to go back to where it began.
_PLAIN = re.compile(r"'s\b|([a-z]++(?:(?:\+\+|#)(?![\w+#]))?|\d++(?:\.\d++)*)")
_WORD = re.compile(rf"'s\b|({_LETTER}++(?:(?:\+\+|#)(?![\w+#]))?|\d++(?:\.\d++)*|[{_UNSPACED}]++)")
#: What is joined to a number: the name before it, whatever stands between, and the letters that stick to it.
_NUMBER = re.compile(r"(?<![\d.])\d{1,4}+(?:\.\d{1,3}+)*(?!\d)")
_BEFORE_BACKWARDS = re.compile(rf"[ \-_]?([^\W\d_{_UNSPACED}]{{1,24}}+)(?![^\W\d_{_UNSPACED}])")
_BEHIND = re.compile(rf"([^\W\d_{_UNSPACED}]{{1,4}}+)(?![^\W\d_{_UNSPACED}])")
_HAN_SIGN = re.compile(f"[{_HAN}]")
_RUN = re.compile(f"[{_UNSPACED}]")
_ACCENTED = re.compile("[\u00c0-\u024f\u0300-\u052f\u1e00-\u1fff]")
_ACCENTS = re.compile("[\u0300-\u036f]+")
#: Signs that nobody sees, and that part no word.
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]+")
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_DASHES = re.compile("[\u2010-\u2015\u2212]")
_APOSTROPHES = re.compile("[\u2018\u2019]")
_QUOTES = re.compile("[\u201c-\u201f\u00ab\u00bb\u300c-\u300f\u301d-\u301f]")
_TERM = re.compile(r'(-?)(?:"([^"]*+)(?:"|$)|([^\s"]++))')
_LANGUAGE = re.compile(r"lang(?:uage)?:([a-z]{2,3})(?:-[a-z0-9]{1,8}){0,3}")
_CODE = re.compile(r"[a-z]{2,3}(?![^-])")
_NAME = re.compile(r"[a-z]{4,30}")
#: Ends in s and is no plural.
_SINGULAR = frozenset({"news", "always", "perhaps", "analysis", "series", "species", "lens", "bias", "canvas"})


def make_words(*, title: str, author: str, excerpt: str, text: str, language: str) -> str:
    """The words of an entry in the order of its text, spaces between them, `GAP` between its parts.

    ``text`` is plain; ``excerpt`` counts where the text does not hold it.
    """
    text = text[:MAX_TEXT]
    if excerpt and excerpt[:40].rstrip("\u2026 ") in text:
        excerpt = ""
    words: list[str] = []
    others: dict[str, None] = {}
    for part in (title, excerpt[:MAX_PART], text, author[:MAX_PART]):
        if part:
            folded = fold(part)[: 2 * MAX_TEXT]  # one sign may hide a sentence
            words += _list_words(_cut(folded))
            words.append(GAP)
            others |= dict.fromkeys(_find_joined(folded))
            if not folded.isascii():
                others |= dict.fromkeys(filter(_HAN_SIGN.match, dict.fromkeys(folded)))
    if named := _CODE.match(language.lower()):
        others[f"language:{named[0]}"] = None
    known = set(words)
    words += (word for word in others if word not in known)
    return " ".join(words)


def read_query(text: str) -> SearchQuery:
    """What a reader typed: words, all of which are wanted, "words side by side", -not, language:ja. Never raises."""
    if len(text) > MAX_QUERY:
        return SearchQuery(text=_tidy(text[:MAX_QUERY]), problem="too_long")
    typed = _tidy(text)
    wanted: dict[tuple[Phrase, ...], None] = {}
    excluded: dict[Phrase, None] = {}
    for sign, quoted, bare in _TERM.findall(fold(typed)):
        required = _read_bare(bare) if bare else _read_quoted(quoted)
        if sign and required:
            excluded |= dict.fromkeys(required[0])
        else:
            wanted |= dict.fromkeys(required)
    problem: SearchProblem | None = None
    if not wanted:
        problem = "only_excluded" if excluded else "no_words" if typed else "empty"
    elif sum(len(phrase) for phrases in (*wanted, excluded) for phrase in phrases) > MAX_WORDS:
        problem = "too_many"
    if problem is not None:
        return SearchQuery(text=typed, problem=problem)
    return SearchQuery(text=typed, wanted=tuple(wanted), excluded=tuple(excluded))


def fold(text: str) -> str:
    """``text`` in the one form of all that readers take for the same."""
    if text.isascii():
        return text.lower()
    text = _UNSEEN.sub("", unicodedata.normalize("NFKC", text)).casefold()
    if _ACCENTED.search(text):
        text = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", text)))
    text = _APOSTROPHES.sub("'", _QUOTES.sub('"', _DASHES.sub("-", text)))
    if _HAN_SIGN.search(text):
        text = _get_simplifier().convert(text.encode("utf-8", "replace").decode("utf-8"))
    return text


@lru_cache(maxsize=8_192)
def fold_sign(sign: str) -> str:
    """One character as `fold` makes it, for those who look for words in a text as it stands."""
    return fold(sign)


def _tidy(text: str) -> str:
    return " ".join(xml_text(_CONTROL.sub(" ", text)).split())


def _read_quoted(text: str) -> tuple[tuple[Phrase, ...], ...]:
    phrase = tuple(_list_words(_cut(text), whole=False))
    return ((phrase,),) if phrase else ()


def _read_bare(text: str) -> tuple[tuple[Phrase, ...], ...]:
    """What is wanted of an entry for the sake of one word as it was typed; nothing: it holds no letter or digit."""
    if named := _LANGUAGE.fullmatch(text):
        return (((f"language:{named[1]}",),),)
    phrase = tuple(_list_words(_cut(text), whole=False))
    joined = [(word,) for word in _find_joined(text)]
    if len(phrase) == 1:
        return (tuple((form,) for form in _inflect(phrase[0])),)
    if len(phrase) == 2 and joined == [("".join(phrase),)]:
        return ((joined[0],),)
    # The joined ones say nothing new, but they are rare, and so the phrase is looked for in few texts.
    return ((phrase,), *((one,) for one in joined)) if phrase else ()


def _inflect(word: str) -> tuple[str, ...]:
    """A word of Latin letters in singular and plural, as English and many others make it; what was typed first."""
    if not _NAME.fullmatch(word) or word in _SINGULAR:
        return (word,)
    if word.endswith("ies"):
        return word, f"{word[:-3]}y"
    if word.endswith("s"):
        return (word,) if word.endswith(("ss", "us", "is")) else (word, word[:-1])
    if word.endswith("y") and word[-2] not in "aeou":
        return word, f"{word[:-1]}ies"
    return word, f"{word}s"


def _cut(folded: str) -> list[str]:
    """Words, numbers and runs of unspaced scripts in order."""
    found = (_PLAIN if folded.isascii() else _WORD).findall(folded)
    return [word for word in found if word]


def _list_words(pieces: Sequence[str], *, whole: bool = True) -> list[str]:
    """``whole``: the text stands by itself; else it was cut out of a longer one, and may begin and end inside a run."""
    words: list[str] = []
    last = len(pieces) - 1
    for place, piece in enumerate(pieces):
        if piece[0] < "\u0e00" or not _RUN.match(piece):
            words.append(piece if len(piece) <= _MAX_WORD else piece[:_MAX_WORD])
            continue
        if whole or place or (not last and len(piece) == 1):
            words.append(piece[0])
        words += map(add, piece, piece[1:])
        if whole or place < last:
            words.append(piece[-1])
    return words


def _find_joined(folded: str) -> Iterator[str]:
    """Names with their numbers."""
    for number in _NUMBER.finditer(folded):
        start, end = number.span()
        if name := _BEFORE_BACKWARDS.match(folded[max(start - 26, 0) : start][::-1]):
            yield name[1][::-1] + number[0]
        if letters := _BEHIND.match(folded, end):
            yield number[0] + letters[1]


@lru_cache(maxsize=1)
def _get_simplifier() -> OpenCC:
    from opencc import OpenCC

    return OpenCC("t2s")
