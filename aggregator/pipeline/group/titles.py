"""Whether two titles say the same. Never looks at what else an entry holds.

Equal once case, width and punctuation are gone, or one saying all that the other says in the same order and at most a
few words more. Numbers, versions and words such as "not", "mini" or "part" must agree, and a title that any feed could
have written ("Weekly update") says nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Literal

from aggregator.pipeline.group.terms import CJK
from aggregator.pipeline.words import title_key

#: How much of two titles' words (and pairs of CJK characters) must be shared for them to be near.
MIN_JACCARD = 0.7
#: From here on two titles are so alike that what differs tells them apart.
ALIKE = 0.5
#: Words (half a CJK character each) that a title must have beyond generic ones to stand for an event.
MIN_WEIGHT_EQUAL = 2.5
MIN_WEIGHT_NEAR = 5.0
#: Pairs of equal words, one of each title, in whatever places; long headlines have three hundred. With more, a few
#: characters are repeated over and over, and to find what order they have in common takes long.
_MAX_PLACES = 2_000

_TOKEN = re.compile(rf"[{CJK}]|[^\W_{CJK}]+")
_IS_CJK = re.compile(rf"[{CJK}]")
_KANA_ONLY = re.compile("[\u3040-\u309f\u30fc]+\\Z")
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_WORD = re.compile(r"[^\W\d_]+")

#: Two titles that differ in one of these are about different things, however alike they are otherwise.
_TELLING_WORDS = """
    not no never without isn doesn won denies delays cancels mini nano micro lite flash turbo pro plus max ultra
    small medium large preview beta alpha rc part episode ep vol volume chapter issue day week i ii iii iv v vi vii
    viii ix x one two three four five six seven eight nine ten first second third fourth fifth monday tuesday
    wednesday thursday friday saturday sunday january february march april may june july august september october
    november december
"""
_TELLING = frozenset(_TELLING_WORDS.split())
#: Words of titles that any feed could have written.
_GENERIC_WORDS = """
    a an and the of for in on to with by from at is are this that our your my new news newsletter latest weekly
    daily monthly update updates updated changelog changes release releases released notes version announcement
    announcements roundup digest recap brief briefing highlights links link reading list best top week day month
    year today tomorrow morning evening edition issue episode podcast blog post posts introducing welcome hello
    world open thread discussion ai ml tech what whats s happened now january february march april may june july
    august september october november december jan feb mar apr jun jul aug sep oct nov dec q1 q2 q3 q4 h1 h2
    untitled test bug fixes fix maintenance status community monday tuesday wednesday thursday friday saturday
    sunday
"""
_GENERIC = frozenset(_GENERIC_WORDS.split())
_GENERIC_CJK = re.compile(
    "週刊|周刊|月刊|日刊|日报|早报|晚报|周报|月报|今日|每日|每周|每週|每月|本周|本週|今週|今月|毎日|毎週|毎月|頭條|头条|新闻|新聞|速报|速報|要闻"
    "|资讯|資訊|更新|公告|お知らせ|まとめ|ニュース|リリース|ノート|アップデート|版本|发布|發布|公開|第|期|号|號|回|人工智能|人工知能"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Title:
    """A normalised title, ready to be compared."""

    key: str
    #: Words, and CJK characters one by one, in order.
    tokens: tuple[str, ...]
    #: Words, and pairs of neighbouring CJK characters.
    shingles: frozenset[str]
    #: Numbers and telling words of the title as written: they must agree.
    marks: tuple[str, ...]
    weight: float


def read_title(title: str) -> Title:
    """How a title is compared. ``weight``: words that not every feed could have written, CJK characters half."""
    title = _THOUSANDS.sub("", title)
    key = title_key(title)
    tokens = tuple(_TOKEN.findall(key))
    shingles = {token for token in tokens if not _IS_CJK.match(token)}
    shingles.update(one + other for one, other in pairwise(tokens) if _IS_CJK.match(one) and _IS_CJK.match(other))
    folded = unicodedata.normalize("NFKC", title).casefold()
    marks = sorted(set(_NUMBER.findall(folded)))
    marks += sorted({word for word in _WORD.findall(folded) if word in _TELLING})
    words = sum(not token.isdigit() and token not in _GENERIC for token in tokens if not _IS_CJK.match(token))
    characters = len(_IS_CJK.findall(_GENERIC_CJK.sub("", key)))
    return Title(
        key=key, tokens=tokens, shingles=frozenset(shingles), marks=tuple(marks), weight=words + characters / 2
    )


def compare_titles(one: Title, other: Title) -> Literal["equal", "near", "alike", ""]:
    """``alike``: nearly the same words, and yet something else is told; empty: titles alone say nothing."""
    if one.key == other.key and one.marks == other.marks:
        return "equal" if one.weight >= MIN_WEIGHT_EQUAL else "alike"
    shared = len(one.shingles & other.shingles)
    either = len(one.shingles) + len(other.shingles) - shared
    if shared < ALIKE * either or not shared:
        return ""
    if one.marks != other.marks:
        return "alike"
    if shared < MIN_JACCARD * either:
        return ""
    if min(one.weight, other.weight) < MIN_WEIGHT_NEAR:
        return "alike" if max(one.weight, other.weight) < MIN_WEIGHT_EQUAL else ""
    return "near" if _says_all(one.tokens, other.tokens) else "alike"


def _says_all(one: Sequence[str], other: Sequence[str]) -> bool:
    counts = Counter(other)
    if sum(counts[token] for token in one) > _MAX_PLACES:
        return False
    removed: list[str] = []
    added: list[str] = []
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    for _, start, end, other_start, other_end in matcher.get_opcodes():
        gone, come = one[start:end], other[other_start:other_end]
        if gone == come or _is_same_word(gone, come):
            continue
        removed += gone
        added += come
    # Something else in the same place (another company, another verdict) is another event; words more are not.
    return not (removed and added)


def _is_same_word(gone: Sequence[str], come: Sequence[str]) -> bool:
    """Tell whether a replacement is one of form only: launch/launches, colour/color, は/が."""
    if not gone or not come:
        return False
    one, other = "".join(gone), "".join(come)
    if _KANA_ONLY.match(one) and _KANA_ONLY.match(other):
        return True
    if _IS_CJK.match(one) or _IS_CJK.match(other) or len(gone) != 1 or len(come) != 1:
        return False
    shorter = min(len(one), len(other))
    return (
        shorter >= 4 and one[: max(4, shorter - 2)] == other[: max(4, shorter - 2)] and abs(len(one) - len(other)) <= 3
    )
