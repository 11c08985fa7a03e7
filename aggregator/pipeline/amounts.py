"""Numbers in running text, in the languages that we read: what they amount to, where they stand. Never judges them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_UNITS = {
    "%": "%", "percent": "%", "per cent": "%", "prozent": "%", "pour cent": "%", "パーセント": "%",
    "k": "e3", "thousand": "e3", "m": "e6", "mn": "e6", "million": "e6", "millions": "e6", "millionen": "e6",
    "b": "e9", "bn": "e9", "billion": "e9", "billions": "e9", "milliard": "e9", "milliards": "e9", "milliarden": "e9",
    "tn": "e12", "trillion": "e12", "万": "e4", "萬": "e4", "億": "e8", "亿": "e8", "兆": "e12", "万亿": "e12",
}  # fmt: skip
_NAMED = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
#: Amounts that are news: with a currency before them, or a unit or a currency behind them.
_AMOUNT = re.compile(
    r"(?<![A-Za-z\u00c0-\u024f0-9.,])(?P<money>[$€£¥₩]|US\$|USD |EUR )?"
    r"(?P<number>\d{1,3}(?:[,’ ]\d{3})+(?:\.\d+)?|\d{1,12}(?:[.,]\d{1,3})?)"
    rf"(?:[ \u00a0-]?(?P<unit>{_NAMED})(?![A-Za-z]))?"
    r"(?P<behind>ドル|円|美元|元|ウォン|ユーロ|[ \u00a0]?(?:dollars|euros|€))?",
    re.I,
)
_THOUSANDS = re.compile(r"[1-9]\d{0,2}\.\d{3}")
_SPACES = re.compile(r"\s+")
_CURRENCIES = {
    "us$": "$",
    "usd": "$",
    "dollars": "$",
    "ドル": "$",
    "美元": "$",
    "eur": "€",
    "euros": "€",
    "ユーロ": "€",
    "円": "¥",
}
#: What else numbers are counted in; they are told apart by it, but for letters that stand for thousands or more.
_MEASURE = re.compile(r"[ \u00a0]?([KMGTP]i?B|[kMGT]Wh?|[MG]Hz|km|nm|ms|°C)(?![A-Za-z])")
_BESIDE = frozenset("-–/:.,_’'")
_MONTHS = (
    "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|januar|februar|märz|mai|juni|juli|oktober|dezember|janvier|février"
    "|mars|avril|juin|juillet|août|septembre|octobre|novembre|décembre"
)
_DATE_BEHIND = re.compile(
    rf"(?:st|nd|rd|th|er)?\.?[ \u00a0]?(?:(?:{_MONTHS})\b|年|月|日|時|时|分|号|o'clock|uhr)", re.I
)
_DATE_BEFORE = re.compile(
    rf"(?:\b(?:{_MONTHS}|january|february|march|april|june|july|august|september|october|november|december)\.?) $", re.I
)
#: Smaller ones, without a unit, are more often days, places and counts of little weight than news.
_LEAST_PLAIN = 32
_MAX_TEXT = 2_000


class Figure(NamedTuple):
    """A number where it stands, from ``start`` to ``end``. Two are the same when their keys are."""

    key: str
    start: int
    end: int
    #: With a currency, a percent sign, or a word like million behind it.
    is_amount: bool


def iter_amounts(text: str) -> Iterable[tuple[str, str]]:
    """Amounts as they are compared (``$6.5e9``) and as they stand (``$6.5 billion``)."""
    for found in _AMOUNT.finditer(unicodedata.normalize("NFKC", text[:_MAX_TEXT])):
        if _is_amount(found):
            unit = _UNITS.get((found["unit"] or "").lower(), "")
            digits = _read_digits(found["number"])
            money = (found["money"] or "").strip() or (found["behind"] or "").strip()
            yield f"{_CURRENCIES.get(money.lower(), money)}{digits}{unit}", _SPACES.sub(" ", found[0].strip())


def iter_figures(text: str) -> Iterator[Figure]:
    """Amounts, measures and larger numbers, by where they stand; no years, dates, versions, parts of names.

    Equal sums have equal keys in all languages, with or without their currency: ``$6.5bn``, ``6.5 billion``, ``65亿``.
    """
    text = text[:_MAX_TEXT]
    folded = _fold_width(text)
    for found in _AMOUNT.finditer(folded):
        start, end = found.span()
        end -= len(found[0]) - len(found[0].rstrip())
        amount = _is_amount(found)
        if not amount and (_is_within(folded, *found.span("number")) or not _is_number(found, folded)):
            continue
        measure = None if found["behind"] or found["unit"] else _MEASURE.match(folded, found.end("number"))
        yield Figure(_make_key(found, measure), start, measure.end() if measure else end, amount)


def _is_amount(found: re.Match[str]) -> bool:
    """ "70B" alone is the size of a model, "5m" a distance."""
    unit = (found["unit"] or "").lower()
    return bool(found["money"] or found["behind"] or (unit and unit not in ("k", "m", "b")))


def _is_within(text: str, start: int, end: int) -> bool:
    """Whether the digits are part of a version, a date, a time, a name: GPT-5.6, 2026-01-02, 10:30."""
    before, behind = text[start - 1 : start], text[end : end + 1]
    return before in _BESIDE - {""} or (behind in "-–/:_" and behind != "" and text[end + 1 : end + 2].isalnum())


def _is_number(found: re.Match[str], text: str) -> bool:
    number, end = found["number"], found.end("number")
    if found["unit"] or _MEASURE.match(text, end):
        return True
    if text[end : end + 1].isascii() and text[end : end + 1].isalpha():
        return False
    if _DATE_BEHIND.match(text, end) or _DATE_BEFORE.search(text, max(0, found.start() - 12), found.start()):
        return False
    value = _read_value(number)
    is_year = number.isdigit() and 1900 <= value < 2100
    return value >= _LEAST_PLAIN and not is_year


def _make_key(found: re.Match[str], measure: re.Match[str] | None) -> str:
    unit = _UNITS.get((found["unit"] or "").lower(), "")
    value = _read_value(found["number"])
    if unit == "%":
        return f"{value:.12g}%"
    scaled = value * float(f"1{unit}") if unit else value
    return f"{scaled:.12g}{measure[1].lower() if measure else ''}"


def _read_value(number: str) -> float:
    """Three digits after a point are a thousand in German and its like, and hardly ever a fraction elsewhere."""
    return float(_read_digits(number.replace(".", "") if _THOUSANDS.fullmatch(number) else number))


def _fold_width(text: str) -> str:
    """Full-width digits and signs as plain ones, each in its place."""
    if text.isascii():
        return text
    forms = ((character, unicodedata.normalize("NFKC", character)) for character in text)
    return "".join(form if len(form) == 1 else character for character, form in forms)


def _read_digits(text: str) -> str:
    """``1,000`` and ``1 000`` -> ``1000``; ``6,5`` -> ``6.5``."""
    if re.fullmatch(r"\d+,\d{1,2}", text):
        text = text.replace(",", ".")
    plain = re.sub(r"[,’ ]", "", text)
    return f"{float(plain):g}"
