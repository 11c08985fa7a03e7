"""Names in titles that no tag knows yet: frequent, from several feeds. Never adds one.

A capital tells a name only within a sentence: what begins one is passed over. Titles in which most words have one
tell nothing by it; of German only what holds more than one capital, or a digit, counts. Of Japanese, words of
katakana. What the taxonomy finds is left out, and so are words that any title may hold.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from aggregator.model.ids import EntryId
from aggregator.model.language import get_primary
from aggregator.model.tag import TagRules
from aggregator.pipeline.tag import TITLE_LIMIT
from aggregator.pipeline.tag.everyday import COMMON
from aggregator.pipeline.tag.folding import fold_label, view_text
from aggregator.pipeline.tag.matching import get_matcher, iter_found

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
    unwanted = {fold_label(word) for word in (*stop, *dismissed)} | COMMON
    found: dict[str, Candidate] = {}
    spelled: dict[str, dict[str, int]] = {}
    for one in titles:
        primary = get_primary(one.language)
        view = view_text(one.title[:TITLE_LIMIT], primary)
        text = _blank(view.words, [(hit.start, hit.end) for hit in iter_found(matcher, view, primary)])
        for name in dict.fromkeys(_iter_names(text, primary)):
            key = fold_label(name)
            if key in unwanted or key in matcher.by_label:
                continue
            candidate = found.setdefault(key, Candidate(name=name))
            candidate.entries += 1
            candidate.feeds.add(one.feed)
            spelled.setdefault(key, {})[name] = spelled.setdefault(key, {}).get(name, 0) + 1
            if len(candidate.samples) < SAMPLES:
                candidate.samples.append((one.id, one.title))
    kept = [(key, one) for key, one in found.items() if _is_frequent(one)]
    for key, candidate in kept:
        candidate.name = max(spelled[key], key=lambda name: (spelled[key][name], name))
    kept = _drop_parts(kept)
    kept.sort(key=lambda item: (-len(item[1].feeds), -item[1].entries, item[0]))
    return tuple(one for _, one in kept[:limit])


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


def _iter_names(text: str, language: str) -> Iterator[str]:
    yield from (match[0] for match in _KATAKANA.finditer(text) if language in ("ja", "und"))
    words = [match for match in _WORD.finditer(text) if not _WIDE.search(match[0])]
    tells = language != "de" and not _is_headline([match[0] for match in words])
    run: list[re.Match[str]] = []
    for match in words:
        if run and not _is_next(text, run[-1], match):
            yield from _join(run)
            run = []
        sure = _SURE.search(match[0]) is not None
        if sure or (tells and match[0][0].isupper() and not _begins(text, match.start())):
            run.append(match)
        elif run:
            yield from _join(run)
            run = []
    yield from _join(run)


def _is_headline(words: Sequence[str]) -> bool:
    """Whether capitals say nothing here: hardly any word is without one, but for those that never have it."""
    capital = [word for word in words[1:] if word[0].isupper()]
    small = [word for word in words if len(word) > 2 and word.islower() and word not in _SMALL]
    return not small or len(small) * 2 < len(capital)


def _begins(text: str, start: int) -> bool:
    before = text[:start].rstrip(" \"'“„«‘(")
    return not before or before[-1] in _OPENERS or before != text[:start].rstrip(" ")


def _is_next(text: str, first: re.Match[str], second: re.Match[str]) -> bool:
    return text[first.end() : second.start()] == " "


def _join(run: Sequence[re.Match[str]]) -> Iterator[str]:
    """A name of a few words; of a longer run nobody knows where candidate ends."""
    words = [_trim(match[0]) for match in run]
    name = " ".join(words)
    if words and len(words) <= MOST_WORDS and 2 < len(name) <= MOST_CHARACTERS and not name.isdigit():
        yield name


def _trim(word: str) -> str:
    """Without an English genitive."""
    return re.sub(r"['’]s$", "", word)
