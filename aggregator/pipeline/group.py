"""Which entries are about one event. Never looks at the clock, never compares all with all, never splits a story.

Entries with one canonical address are one story. So are entries of different feeds whose titles say the same within
three days: equal once case, width and punctuation are gone, or one saying all that the other says in the same order
and at most a few words more. Numbers, versions and words such as "not", "mini" or "part" must agree, and a title that
any feed could have written ("Weekly update") says nothing.

The result depends on the set of candidates only, not on their order, and given its own story ids it changes nothing.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import SequenceMatcher
from itertools import combinations, pairwise
from math import ceil

from aggregator.model.ids import EntryId, FeedId, StoryId
from aggregator.model.story import GroupCandidate, GroupedStory
from aggregator.pipeline.words import title_key

TITLE_WINDOW = timedelta(days=3)
#: How much of two titles' words (and pairs of CJK characters) must be shared to look closer.
MIN_JACCARD = 0.7
#: Words (half a CJK character each) that a title must have beyond generic ones to stand for an event.
_MIN_WEIGHT_EQUAL = 2.5
_MIN_WEIGHT_NEAR = 5.0
#: An address that one feed gives to this many entries of different titles is a page, not an article.
_PAGE_TITLES = 3
#: Entries with one title are linked to this many before them; the rest follows by joining.
_LINKS = 6

#: Titles with one rare word in common up to which all are compared with all.
_MANY_TITLES = 60

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7a3"
_TOKEN = re.compile(rf"[{_CJK}\u3005\u30fc]|[^\W_{_CJK}\u3005\u30fc]+")
_IS_CJK = re.compile(rf"[{_CJK}\u3005\u30fc]")
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
class _Title:
    """A normalised title, ready to be compared."""

    key: str
    #: Words, and CJK characters one by one, in order.
    tokens: tuple[str, ...]
    #: Words, and pairs of neighbouring CJK characters.
    shingles: frozenset[str]
    #: Numbers and telling words of the title as written: they must agree.
    marks: tuple[str, ...]
    weight: float


class _Clusters:
    """Disjoint sets of candidates that know their feeds."""

    def __init__(self, candidates: Iterable[GroupCandidate]) -> None:
        self._parent: dict[EntryId, EntryId] = {}
        self._feeds: dict[EntryId, set[FeedId]] = {}
        for candidate in candidates:
            self._parent[candidate.id] = candidate.id
            self._feeds[candidate.id] = {candidate.feed_id}

    def find(self, member: EntryId) -> EntryId:
        root = member
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[member] != root:
            self._parent[member], member = root, self._parent[member]
        return root

    def join(self, one: EntryId, other: EntryId, *, across_feeds: bool = False) -> None:
        """Join two sets; with ``across_feeds`` only when no feed would then be in the set twice because of it."""
        one, other = self.find(one), self.find(other)
        if one == other or (across_feeds and not self._feeds[one].isdisjoint(self._feeds[other])):
            return
        if len(self._feeds[one]) < len(self._feeds[other]):
            one, other = other, one
        self._parent[other] = one
        self._feeds[one] |= self._feeds.pop(other)


def group_entries(candidates: Sequence[GroupCandidate]) -> tuple[GroupedStory, ...]:
    """Return one story for every set of candidates about one event, also for sets of one; every candidate is in one.

    Candidates of one stored story stay together. A story that swallows others keeps the oldest (lowest) id and names
    the others in ``merged_ids``. The lead is the entry of the weightiest feed, then the earliest, then the lowest id;
    the others follow by date. Stories come in the order of their lowest entry id.
    """
    members = sorted({candidate.id: candidate for candidate in candidates}.values(), key=lambda c: c.id)
    clusters = _Clusters(members)
    for one, other in _iter_certain_pairs(members):
        clusters.join(one, other)
    # The closest in time first: which pairs win must not depend on the order in which they came.
    for _, _, one, other in sorted(set(_iter_title_pairs(members))):
        clusters.join(one, other, across_feeds=True)
    groups: dict[EntryId, list[GroupCandidate]] = defaultdict(list)
    for member in members:
        groups[clusters.find(member.id)].append(member)
    return tuple(_make_story(group) for group in sorted(groups.values(), key=lambda group: group[0].id))


def _make_story(group: list[GroupCandidate]) -> GroupedStory:
    lead = min(group, key=lambda c: (-c.feed_weight, c.effective_at, c.id))
    others = sorted((c for c in group if c is not lead), key=lambda c: (c.effective_at, c.id))
    story_ids: list[StoryId] = sorted({c.story_id for c in group if c.story_id is not None})
    return GroupedStory(
        story_id=story_ids[0] if story_ids else None,
        entry_ids=(lead.id, *(c.id for c in others)),
        merged_ids=tuple(story_ids[1:]),
    )


def _iter_certain_pairs(members: Sequence[GroupCandidate]) -> Iterator[tuple[EntryId, EntryId]]:
    """Yield pairs that share a stored story or an article's address."""
    first_of_story: dict[StoryId, EntryId] = {}
    by_url: dict[str, list[GroupCandidate]] = defaultdict(list)
    for member in members:
        if member.story_id is not None:
            yield first_of_story.setdefault(member.story_id, member.id), member.id
        if member.canonical_url:
            by_url[member.canonical_url].append(member)
    for sharers in by_url.values():
        if len(sharers) > 1 and not _is_page(sharers):
            for member in sharers[1:]:
                yield sharers[0].id, member.id


def _is_page(sharers: Sequence[GroupCandidate]) -> bool:
    """Tell whether one feed gives this address to entries of many titles: a changelog, a home page.

    Two titles are enough when the feed itself points to different parts of the page.
    """
    titles: dict[FeedId, set[str]] = defaultdict(set)
    parts: dict[FeedId, set[str]] = defaultdict(set)
    for member in sharers:
        titles[member.feed_id].add(title_key(member.title))
        if fragment := member.url.partition("#")[2]:
            parts[member.feed_id].add(fragment)
    return any(len(of_feed) >= (_PAGE_TITLES if len(parts[feed_id]) < 2 else 2) for feed_id, of_feed in titles.items())


Pair = tuple[int, timedelta, EntryId, EntryId]


def _iter_title_pairs(members: Sequence[GroupCandidate]) -> Iterator[Pair]:
    """Yield (0 equal or 1 near, distance in time, entry, entry) for entries of different feeds whose titles agree."""
    by_title: dict[tuple[str, tuple[str, ...]], list[GroupCandidate]] = defaultdict(list)
    titles: dict[tuple[str, tuple[str, ...]], _Title] = {}
    for member in members:
        title = _read_title(member.title)
        if title.weight >= _MIN_WEIGHT_EQUAL:
            titles.setdefault((title.key, title.marks), title)
            by_title[title.key, title.marks].append(member)
    for sharers in by_title.values():
        sharers.sort(key=lambda c: (c.effective_at, c.id))
        yield from _link_neighbours(sharers)
    for one, other in _iter_near_titles(sorted(titles.values(), key=lambda title: (title.key, title.marks))):
        yield from _link_across(by_title[one.key, one.marks], by_title[other.key, other.marks])


def _link_neighbours(sharers: Sequence[GroupCandidate]) -> Iterator[Pair]:
    """Link each entry to the newest before it of each of a few other feeds."""
    recent: deque[GroupCandidate] = deque(maxlen=_LINKS)
    for member in sharers:
        for earlier in recent:
            if earlier.feed_id != member.feed_id and member.effective_at - earlier.effective_at <= TITLE_WINDOW:
                yield 0, member.effective_at - earlier.effective_at, *_sort_ids(earlier, member)
        for earlier in tuple(recent):
            if earlier.feed_id == member.feed_id:
                recent.remove(earlier)
        recent.append(member)


def _link_across(ones: Sequence[GroupCandidate], others: Sequence[GroupCandidate]) -> Iterator[Pair]:
    """Link entries of two near-identical titles (both sorted by time) to those beside them on the other side."""
    if len(ones) > len(others):
        ones, others = others, ones
    times = [other.effective_at for other in others]
    for one in ones:
        place = bisect_left(times, one.effective_at)
        for other in others[max(0, place - _LINKS) : place + _LINKS]:
            distance = abs(other.effective_at - one.effective_at)
            if one.feed_id != other.feed_id and distance <= TITLE_WINDOW:
                yield 1, distance, *_sort_ids(one, other)


def _sort_ids(one: GroupCandidate, other: GroupCandidate) -> tuple[EntryId, EntryId]:
    return (one.id, other.id) if one.id < other.id else (other.id, one.id)


def _read_title(title: str) -> _Title:
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
    return _Title(
        key=key,
        tokens=tokens,
        shingles=frozenset(shingles),
        marks=tuple(marks),
        weight=words + characters / 2,
    )


def _iter_near_titles(titles: Sequence[_Title]) -> Iterator[tuple[_Title, _Title]]:
    """Yield the pairs of different titles that say the same.

    Prefix filtering: two sets with a Jaccard similarity of t share one of their rarest ``(1 - t) * size + 1`` members,
    so only titles with a rare word in common are compared (Chaudhuri et al., 2006).
    """
    long_enough = [title for title in titles if title.weight >= _MIN_WEIGHT_NEAR]
    frequency = Counter(shingle for title in long_enough for shingle in title.shingles)
    by_rare: dict[tuple[str, tuple[str, ...]], list[int]] = defaultdict(list)
    for number, title in enumerate(long_enough):
        rarest = sorted(title.shingles, key=lambda shingle: (frequency[shingle], shingle))
        for shingle in rarest[: len(rarest) - ceil(MIN_JACCARD * len(rarest)) + 1]:
            if frequency[shingle] > 1:
                by_rare[shingle, title.marks].append(number)
    compared: set[tuple[int, int]] = set()
    for numbers in by_rare.values():
        for pair in _iter_pairs(numbers):
            if pair not in compared:
                compared.add(pair)
                one, other = long_enough[pair[0]], long_enough[pair[1]]
                if _say_the_same(one, other):
                    yield one, other


def _iter_pairs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield all pairs of a short list; of a long one (no rare word at all) only those close in the alphabet."""
    if len(numbers) <= _MANY_TITLES:
        yield from combinations(numbers, 2)
        return
    for place, number in enumerate(numbers):
        for other in numbers[place + 1 : place + 1 + _LINKS]:
            yield number, other


def _say_the_same(one: _Title, other: _Title) -> bool:
    shared = len(one.shingles & other.shingles)
    if one.marks != other.marks or shared < MIN_JACCARD * len(one.shingles | other.shingles):
        return False
    removed: list[str] = []
    added: list[str] = []
    matcher = SequenceMatcher(None, one.tokens, other.tokens, autojunk=False)
    for _, start, end, other_start, other_end in matcher.get_opcodes():
        gone, come = one.tokens[start:end], other.tokens[other_start:other_end]
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
