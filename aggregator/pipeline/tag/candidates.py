"""Names in titles that no tag knows yet: frequent, from several feeds. Never adds one.

A capital tells a name only within a sentence: what begins one is passed over, unless it stands within another as well.
Titles in which most words have a capital tell nothing by it; of German only what holds several, or a digit, counts. Of
Japanese, words of katakana. What the taxonomy finds is left out, and so is what is often written small, or stands in
any title.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from aggregator.model.ids import EntryId
from aggregator.model.language import get_primary
from aggregator.model.tag import TagRules
from aggregator.pipeline.tag import TITLE_LIMIT
from aggregator.pipeline.tag.everyday import COMMON
from aggregator.pipeline.tag.folding import fold_label, view_text
from aggregator.pipeline.tag.matching import Matcher, get_matcher, iter_found

#: In so many entries of so many feeds at least; a name has so many words and characters at most.
LEAST_ENTRIES, LEAST_FEEDS, MOST_WORDS, MOST_CHARACTERS = 3, 2, 3, 40
#: Entries that are named.
SAMPLES = 4

_WORD = re.compile(r"[^\W_](?:[\w.&+/'’-]*[^\W_+]|[\w+]*)")
_KATAKANA = re.compile(r"[ァ-ヺー]{3,20}(?:・[ァ-ヺー]{2,20}){0,2}")
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0eff]")
#: After one of these, and nothing else but spaces and quotes, a sentence begins.
_OPENERS = frozenset('.!?:;…|•·–—"“„«»()[]{}/')
#: Capitals within a word, or digits behind them: a name wherever it stands.
_SURE = re.compile(r"[A-Z][a-z]+[A-Z]|[a-z]+[A-Z]|[A-Z]{2}|[A-Z].*\d")


#: What is written small in one of so many titles that hold it is no name.
_SMALL_SHARE = 5
#: Small in any headline.
_SMALL = frozenset(
    "and are but for from has her his how into its nor not off our out over per than that the their this via was with"
    " your des les une dans pour avec sur aux par los las del con para por".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Title:
    """One entry."""

    id: EntryId
    feed: int
    title: str
    language: str


@dataclass(slots=True, kw_only=True)
class Candidate:
    """A name, written as it is mostly written."""

    name: str
    entries: int = 0
    feeds: set[int] = field(default_factory=set)
    samples: list[tuple[EntryId, str]] = field(default_factory=list)


def find_candidates(
    titles: Sequence[Title], rules: TagRules, *, stop: Collection[str], dismissed: Collection[str], limit: int
) -> tuple[Candidate, ...]:
    """Those of most feeds first. ``stop``: folded words that are no names; ``dismissed``: what an editor said so of."""
    matcher = get_matcher(rules)
    unwanted = {fold_label(word) for word in (*stop, *dismissed)} | COMMON | matcher.by_label.keys()
    read = [(one, list(dict.fromkeys(_read(one, matcher)))) for one in titles]
    sure = {fold_label(name) for _, names in read for name, _ in names if name}
    found: dict[str, Candidate] = {}
    spelled: dict[str, Counter[str]] = {}
    for one, names in read:
        for name in dict.fromkeys(whole if fold_label(whole) in sure else name for name, whole in names):
            key = fold_label(name)
            if not name or key in unwanted:
                continue
            candidate = found.setdefault(key, Candidate(name=name))
            candidate.entries += 1
            candidate.feeds.add(one.feed)
            spelled.setdefault(key, Counter())[name] += 1
            if len(candidate.samples) < SAMPLES:
                candidate.samples.append((one.id, one.title))
    small = Counter(word for one in titles for word in _list_small(one.title))
    kept = [(key, one) for key, one in found.items() if _is_frequent(one) and small[key] * _SMALL_SHARE < one.entries]
    for key, candidate in kept:
        candidate.name = max(spelled[key], key=lambda name: (spelled[key][name], name))
    kept = _drop_parts(kept)
    kept.sort(key=lambda item: (-len(item[1].feeds), -item[1].entries, item[0]))
    return tuple(one for _, one in kept[:limit])


def _list_small(title: str) -> set[str]:
    return {match[0] for match in _WORD.finditer(title) if match[0].islower()}


def _is_frequent(one: Candidate) -> bool:
    return one.entries >= LEAST_ENTRIES and len(one.feeds) >= LEAST_FEEDS


def _drop_parts(kept: Sequence[tuple[str, Candidate]]) -> list[tuple[str, Candidate]]:
    """Without words that hardly ever stand outside a longer name of the list ("Sutskever" in "Ilya Sutskever")."""
    inside: dict[str, int] = {}
    for key, candidate in kept:
        for word in key.split():
            if word != key:
                inside[word] = inside.get(word, 0) + candidate.entries
    return [(key, candidate) for key, candidate in kept if " " in key or candidate.entries > inside.get(key, 0)]


def _blank(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """What the taxonomy knows is no part of a name: a mark stands there, after which no sentence begins."""
    for start, end in spans:
        text = f"{text[:start]}{'_' * (end - start)}{text[end:]}"
    return text


def _read(one: Title, matcher: Matcher) -> Iterator[tuple[str, str]]:
    """(a name, the same with the word before it that begins the sentence, for which a capital tells nothing)."""
    primary = get_primary(one.language)
    view = view_text(one.title[:TITLE_LIMIT], primary)
    text = _blank(view.words, [(hit.start, hit.end) for hit in iter_found(matcher, view, primary)])
    yield from ((match[0], match[0]) for match in _KATAKANA.finditer(text) if primary in ("ja", "und"))
    words = [match for match in _WORD.finditer(text) if not _WIDE.search(match[0])]
    tells = primary != "de" and not _is_headline([match[0] for match in words])
    run: list[re.Match[str]] = []
    lead = 0
    for match in words:
        sure = _SURE.search(match[0]) is not None
        capital = sure or (tells and match[0][0].isupper())
        first = capital and not sure and _begins(text, match.start())
        if run and (not capital or first or text[run[-1].end() : match.start()] != " "):
            yield _join(run[lead:]), _join(run)
            run = []
        if capital:
            lead = int(first) if not run else lead
            run.append(match)
    if run:
        yield _join(run[lead:]), _join(run)


def _is_headline(words: Sequence[str]) -> bool:
    """Whether capitals say nothing here: hardly any word is without one, but for those that never have it."""
    capital = [word for word in words[1:] if word[0].isupper()]
    small = [word for word in words if len(word) > 2 and word.islower() and word not in _SMALL]
    return not small or len(small) * 2 < len(capital)


def _begins(text: str, start: int) -> bool:
    before = text[:start].rstrip(" \"'“„«‘(")
    return not before or before[-1] in _OPENERS or before != text[:start].rstrip(" ")


def _join(run: Sequence[re.Match[str]]) -> str:
    """A name of a few words; of a longer run nobody knows where one ends."""
    words = [_trim(match[0]) for match in run]
    name = " ".join(words)
    return name if len(words) <= MOST_WORDS and 2 < len(name) <= MOST_CHARACTERS and not name.isdigit() else ""


def _trim(word: str) -> str:
    """Without an English genitive."""
    return re.sub(r"['’]s$", "", word)
