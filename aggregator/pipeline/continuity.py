"""What is new about a story since readers last heard of it. Never decides whether they hear of it again.

A story is new when all that is told of it is of these days; growing when it began before and was not told; an update
when an earlier issue told it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId
from aggregator.model.newsletter import Continuity
from aggregator.model.story import Story

MAX_PUBLISHERS, MAX_NUMBERS, MAX_NAMES = 3, 2, 3

_UNITS = {
    "%": "%", "percent": "%", "per cent": "%", "パーセント": "%",
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
_SPACES = re.compile(r"\s+")


def compare_coverage(story: Story, known: Collection[EntryId], *, mailed: bool) -> Continuity:
    """What the entries beyond ``known`` add: publishers, amounts, and slugs of companies and products.

    ``known``: the entries that an earlier issue told (``mailed``), or that came before this issue's window.
    """
    before = [entry for entry in story.entries if entry.id in known]
    fresh = [entry for entry in story.entries if entry.id not in known]
    if not before and not mailed:
        return Continuity(standing="new")
    heard = {entry.feed_id for entry in before}
    publishers = dict.fromkeys(_by_date(entry for entry in fresh if entry.feed_id not in heard))
    old = {amount for entry in before for amount, _ in iter_amounts(f"{entry.title}\n{entry.excerpt}")}
    return Continuity(
        standing="update" if mailed else "growing",
        publishers=tuple(publishers)[:MAX_PUBLISHERS],
        more_publishers=max(0, len(publishers) - MAX_PUBLISHERS),
        numbers=_find_numbers(fresh, old),
        names=_find_names(before, fresh),
    )


def _by_date(entries: Iterable[Entry]) -> list[str]:
    ordered = sorted(entries, key=lambda entry: (entry.effective_at, entry.id))
    return [entry.feed_name for entry in ordered]


def iter_amounts(text: str) -> Iterable[tuple[str, str]]:
    """Amounts as they are compared (``$6.5e9``) and as they stand (``$6.5 billion``)."""
    for found in _AMOUNT.finditer(unicodedata.normalize("NFKC", text[:2_000])):
        written = (found["unit"] or "").lower()
        unit = _UNITS.get(written, "")
        # "70B" alone is the size of a model, "5m" a distance.
        if found["money"] or found["behind"] or (unit and written not in ("k", "m", "b")):
            digits = _read_digits(found["number"])
            money = (found["money"] or "").strip() or (found["behind"] or "").strip()
            yield f"{_CURRENCIES.get(money.lower(), money)}{digits}{unit}", _SPACES.sub(" ", found[0].strip())


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


def _read_digits(text: str) -> str:
    """``1,000`` and ``1 000`` -> ``1000``; ``6,5`` -> ``6.5``."""
    if re.fullmatch(r"\d+,\d{1,2}", text):
        text = text.replace(",", ".")
    plain = re.sub(r"[,’ ]", "", text)
    return f"{float(plain):g}"


def _find_numbers(fresh: Sequence[Entry], old: Collection[str]) -> tuple[str, ...]:
    """The amounts that most of the new entries name, each as it stands first; a lonely one is no news of the story."""
    counted: Counter[str] = Counter()
    shown: dict[str, str] = {}
    for entry in sorted(fresh, key=lambda entry: (entry.effective_at, entry.id)):
        named = dict(reversed(list(iter_amounts(f"{entry.title}\n{entry.excerpt}"))))
        in_title = {amount for amount, _ in iter_amounts(entry.title)}
        for amount, words in named.items():
            counted[amount] += 2 if amount in in_title else 1
            shown.setdefault(amount, words)
    chosen = sorted((a for a in counted if a not in old and counted[a] > 1), key=lambda a: (-counted[a], a))
    return tuple(shown[amount] for amount in chosen[:MAX_NUMBERS])


def _find_names(before: Sequence[Entry], fresh: Sequence[Entry]) -> tuple[str, ...]:
    """Companies and products in new titles that nothing before bore, those of most entries first."""
    old = {tag.slug for entry in before for tag in entry.tags}
    counted = Counter(
        tag.slug
        for entry in fresh
        for tag in entry.tags
        if tag.field == "title" and tag.kind != "topic" and tag.slug not in old and not tag.rule.startswith("parent:")
    )
    return tuple(sorted(counted, key=lambda slug: (-counted[slug], slug))[:MAX_NAMES])
