"""Numbers of titles as values: amounts in every notation, percentages, versions. Never weighs them.

"$110B", "110 milliards", "1100 亿" and "1,100億" are one value; "Nano Banana 2" is version 2 of "banana".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from aggregator.pipeline.group.terms import Token

_SCALES = {
    "k": 3, "thousand": 3, "mille": 3, "千": 3,
    "万": 4, "萬": 4,
    "m": 6, "mn": 6, "million": 6, "millions": 6, "mio": 6, "百万": 6,
    "千万": 7,
    "亿": 8, "億": 8,
    "b": 9, "bn": 9, "billion": 9, "billions": 9, "milliard": 9, "milliards": 9, "mds": 9, "md": 9,
    "十亿": 9, "十億": 9,
    "百亿": 10, "百億": 10, "千亿": 11, "千億": 11,
    "t": 12, "tn": 12, "trillion": 12, "trillions": 12, "兆": 12, "万亿": 12, "萬億": 12,
}  # fmt: skip
#: A number with what stands around it, in a folded text. Spaces inside are French.
_NUMBER = re.compile(
    r"(?P<sign>[$\u20ac\u00a3\u00a5]\s?)?(?<![\d.,])"
    r"(?P<digits>\d{1,3}(?:[ ,]\d{3})+(?![\d,])(?:\.\d+)?|\d+(?:[.,]\d+)?)"
    r"(?:\s?(?P<percent>%|percent\b|pour cent|pct\b)"
    r"|\s?(?P<cjk>百万|千万|十亿|十億|百亿|百億|千亿|千億|万亿|萬億|[千万萬亿億兆])"
    r"|[\s-]?(?P<word>thousand|mille|millions?|mio|billions?|milliards?|mds?|trillions?)\b"
    r"|\s?(?P<letter>k|mn|m|bn|b|tn|t)\b)?"
)
_YEARS = range(1990, 2050)


@dataclass(frozen=True, slots=True)
class Number:
    """One value: ``percent``, an ``amount`` (a thousand and more, or with a sign of money) or a ``plain`` small one."""

    kind: str
    value: float
    start: int
    end: int


def iter_numbers(folded: str) -> Iterator[Number]:
    """Every number but years, in order."""
    for found in _NUMBER.finditer(folded):
        digits, scale = found["digits"], found["cjk"] or found["word"] or found["letter"]
        try:
            value = Decimal(_plain(digits)).scaleb(_SCALES[scale] if scale else 0)
        except InvalidOperation:
            continue
        if len(digits) > 18:
            continue
        kind = "percent" if found["percent"] else "amount" if scale or found["sign"] or value >= 1000 else "plain"
        if kind == "amount" and scale is None and found["sign"] is None and value in _YEARS and len(digits) == 4:
            continue
        yield Number(kind, float(value), *found.span())


def _plain(digits: str) -> str:
    digits = digits.replace(" ", "")
    if "," in digits and re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", digits):
        return digits.replace(",", "")
    return digits.replace(",", ".")


def find_versions(
    tokens: list[Token], folded: str, bases: set[int], numbers: tuple[Number, ...]
) -> dict[str, set[str]]:
    """Base -> versions: of numbers right behind a word of ``bases`` (places of tokens), or joined to it.

    What counts or measures something (``numbers`` that are not plain) is no version.
    """
    measured = {number.start for number in numbers if number.kind != "plain"}
    found: dict[str, set[str]] = {}
    for place in range(1, len(tokens)):
        token, before = tokens[place], tokens[place - 1]
        if token.kind != "number" or place - 1 not in bases or {token.start, token.start - 1} & measured:
            continue
        gap = folded[before.end : token.start]
        text = token.text.rstrip("0").rstrip(".") if "." in token.text else token.text
        if gap in ("", " ", "-", " v", "-v") and "," not in text and len(text) <= 8 and not _is_year(text):
            found.setdefault(before.text, set()).add(text)
    return found


def _is_year(text: str) -> bool:
    return text.isdigit() and len(text) == 4 and int(text) in _YEARS
