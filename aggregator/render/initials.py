"""Names in the order of a list, and the letter that each stands under, in any script. Never collates by language:
lists mix many."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import TypeVar

from aggregator.model.listed import Leaf

T = TypeVar("T")

_NUMBER = re.compile(r"[0-9]+")
#: Under what names stand that begin with a figure or a sign.
OTHER = "#"
#: Scripts with too many letters, or none that head a list, by how Unicode's names of characters begin.
_SAMPLES = {
    "HIRAGANA": "あ",
    "KATAKANA": "あ",
    "CJK": "字",
    "HANGUL": "한",
    "BOPOMOFO": "ㄅ",
}


def sort_names(things: Iterable[T], get_name: Callable[[T], str]) -> list[T]:
    """In the order of a list: figures and signs, then letters, accents and case left aside."""
    return sorted(things, key=lambda thing: _make_key(get_name(thing)))


def get_initial(name: str) -> str:
    """``A`` for ``Ärger``, ``あ`` for all kana, ``字`` for all Han characters, ``#`` for figures and signs."""
    first = next((character for character in _fold(name) if character.isalnum()), "")
    if not first.isalpha():
        return OTHER
    script = unicodedata.name(first, "").partition(" ")[0].partition("-")[0]
    # What one letter becomes in capitals may be two (ß).
    return _SAMPLES.get(script) or first.upper()[:1]


def group_names(things: Iterable[T], get_name: Callable[[T], str]) -> list[tuple[str, list[T]]]:
    """Sorted ``things`` by their initials."""
    grouped = groupby(things, key=lambda thing: get_initial(get_name(thing)))
    return [(initial, list(group)) for initial, group in grouped]


def list_leaves(names: Sequence[str], size: int) -> tuple[Leaf, ...]:
    """The pages that sorted ``names`` make, ``size`` on each; none when there are no names."""
    starts = range(0, len(names), size)
    return tuple(
        Leaf(first=get_initial(names[start]), last=get_initial(names[min(start + size, len(names)) - 1]))
        for start in starts
    )


def _make_key(name: str) -> tuple[str, str, str]:
    initial = get_initial(name)
    # Numbers in a name by their worth: version 9 before version 10.
    ordered = _NUMBER.sub(lambda number: number[0].rjust(12, "0"), _fold(name))
    return ("" if initial == OTHER else initial, ordered, name)


def _fold(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name[:200]).casefold()
    return "".join(character for character in plain if not unicodedata.combining(character))
