"""A text made ready for finding words in it, each character keeping its place. Knows no tags."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opencc import OpenCC

#: Web addresses: a host that is merely linked says nothing about the entry.
_ADDRESS = re.compile(
    r"(?:https?://|www\.)[^\s<>\"'）」』】、。]{1,2000}"
    r"|\b[\w-]{1,64}(?:\.[\w-]{1,64}){1,4}/[^\s<>\"'）」』】、。]{1,2000}"
)
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212"
_QUOTES = "\u2018\u2019\u2032"
_KATAKANA = re.compile(r"[ァ-ヺー]{1,3}")


@dataclass(frozen=True, slots=True)
class View:
    """One text three times, character for character."""

    #: As evidence quotes it.
    shown: str
    #: In its own case, dashes and quotes made plain, Chinese made simplified.
    words: str
    #: ``words`` in lower case, dashes as spaces.
    folded: str


def view_text(text: str, language: str) -> View:
    """``text`` in its three forms; ``language`` is a primary tag."""
    shown = text
    if not text.isascii():
        whole = text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair is no text
        # Asked first, because the answer is mostly yes and comes at a fifth of the price.
        shown = whole if unicodedata.is_normalized("NFKC", whole) else unicodedata.normalize("NFKC", whole)
    words = _simplify_signs(shown)
    if language == "zh":
        words = _get_simplifier().convert(words)
        if len(words) != len(shown):  # a word of Taiwan became a longer or shorter one: quote what was searched
            shown = words
    words = _blank_addresses(words)
    return View(shown, words, fold(words))


def make_plain(text: str) -> str:
    """``text`` as `View.words` has it."""
    return _simplify_signs(unicodedata.normalize("NFKC", text))


def _simplify_signs(text: str) -> str:
    """Dashes, quotes and ends of lines made plain, one character for one, so that places stay what they are.

    A row of `str.replace` takes a tenth of the time of `str.translate` where most are absent, as in most texts.
    """
    if not text.isascii():
        for dash in _DASHES:
            text = text.replace(dash, "-")
        for quote in _QUOTES:
            text = text.replace(quote, "'")
    return text.replace("\n", " ")


def _blank_addresses(words: str) -> str:
    """Spaces in place of addresses. None holds a space, and each holds a mark: only around marks is searched."""
    pieces: list[str] = []
    done, end = 0, len(words)
    places = {mark: words.find(mark) for mark in ("/", "www.")}
    while found := [place for place in places.values() if place >= 0]:
        first = min(found)
        start = words.rfind(" ", done, first) + 1 or done
        stop = words.find(" ", first)
        stop = end if stop < 0 else stop
        pieces += (words[done:start], _ADDRESS.sub(lambda match: " " * len(match[0]), words[start:stop]))
        done = stop
        for mark, place in places.items():
            if 0 <= place < stop:
                places[mark] = words.find(mark, stop)
    pieces.append(words[done:])
    return "".join(pieces)


def fold(text: str) -> str:
    """Lower case without moving any character (``İ`` would become two), dashes as spaces."""
    lower = text.lower()
    if len(lower) != len(text):
        lower = "".join(low if len(low := character.lower()) == 1 else character for character in text)
    return _open_dashes(lower)


def _open_dashes(text: str) -> str:
    return text.replace("-", " ").replace("_", " ")


def fold_label(text: str) -> str:
    """A whole name as names are compared: compatibility forms, case, dashes and runs of spaces made equal."""
    return " ".join(fold(make_plain(text)).split())


def has_case(words: str, wanted: str) -> bool:
    """Whether capitals stand as wanted; all in capitals is right as well, headlines are set so."""
    words, wanted = _open_dashes(words), _open_dashes(wanted)
    return words == wanted or (len(wanted) > 3 and words == wanted.upper())


def is_bounded(text: str, start: int, end: int) -> bool:
    """Whether the words from ``start`` to ``end`` stand by themselves.

    Ideographs part words without a space, but a short katakana word goes on as long as katakana does (ラマ in ドラマ).
    """
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    if (_is_letter(text[start]) and _is_letter(before)) or (_is_letter(text[end - 1]) and _is_letter(after)):
        return False
    if end - start <= 3 and _KATAKANA.fullmatch(text, start, end):
        return not (_KATAKANA.match(before) or _KATAKANA.match(after))
    return True


def goes_on(text: str, start: int) -> bool:
    """Whether a word that began before ``start``, which is not 0, goes on there: `is_bounded` then says no."""
    return _is_letter(text[start - 1]) and _is_letter(text[start])


def _is_letter(character: str) -> bool:
    """A letter, digit or mark of a script that writes spaces between words (Latin, Cyrillic...)."""
    return character < "\u2e80" and (character.isalnum() or unicodedata.combining(character) > 0)


def holds(text: str, word: str) -> bool:
    """Whether ``word`` stands by itself in folded ``text``; with ``*`` at its end, as the beginning of a word."""
    opened = word.endswith("*")
    wanted = _fold_word(word)
    start = text.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        if is_bounded(text, start, end) or (opened and is_bounded(text[:end], start, end)):
            return True
        start = text.find(wanted, start + 1)
    return False


@lru_cache(maxsize=4096)
def _fold_word(word: str) -> str:
    return fold_label(word.rstrip("*"))


@lru_cache(maxsize=1)
def _get_simplifier() -> OpenCC:
    """Taiwan's characters and words into the mainland's, in which the taxonomy's Chinese aliases are written."""
    from opencc import OpenCC

    return OpenCC("tw2sp")
