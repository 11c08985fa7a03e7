"""Where the taxonomy's aliases and patterns stand in a text. Never weighs contexts or parents.

One Aho-Corasick pass finds every alias and the plain beginning of every pattern; what it finds must pass the rules of
case, word boundary and language. A pattern is tried only where its beginning stands, on a short window.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from ahocorasick_rs import AhoCorasick, Implementation, MatchKind

from aggregator.model.tag import Alias, TagRule, TagRules
from aggregator.pipeline.tag.folding import View, fold, fold_label, goes_on, has_case, is_bounded, make_plain

#: A pattern sees no more than this, in characters.
PATTERN_WINDOW = 64
#: Up to so many keys the automaton is a table of all moves: twice as fast, for some kilobytes a key.
MAX_TABLE_KEYS = 4_000

_HEAD = re.compile(r"[^\\.^$*+?{}\[\]|()]+")
_CLASS_OR_SPACE = re.compile(r"(\[[^\]]*\])| ")


@dataclass(frozen=True, slots=True)
class Needle:
    """One alias, ready to be checked where its key was found."""

    rule: TagRule
    alias: Alias
    words: str
    pattern: re.Pattern[str] | None


@dataclass(frozen=True, slots=True)
class Found:
    """Words of a `View` from ``start`` to ``end``, and the alias that they are."""

    start: int
    end: int
    needle: Needle


@dataclass(frozen=True, slots=True, eq=False)
class Matcher:
    """A taxonomy, ready for finding."""

    automaton: AhoCorasick
    #: By the automaton's numbers: the aliases that share a key.
    needles: tuple[tuple[Needle, ...], ...]
    by_slug: Mapping[str, TagRule]
    #: Folded alias -> rules, for what publishers and editors put on a whole entry.
    by_label: Mapping[str, tuple[TagRule, ...]]
    by_host: Mapping[str, tuple[TagRule, ...]]


@lru_cache(maxsize=4)
def get_matcher(rules: TagRules) -> Matcher:
    """Built once for one taxonomy (compared by identity)."""
    return build_matcher(rules)


def build_matcher(rules: TagRules) -> Matcher:
    """For a few rules that nobody will ask for again."""
    needles: dict[str, list[Needle]] = {}
    labels: dict[str, list[TagRule]] = {}
    hosts: dict[str, list[TagRule]] = {}
    for rule in rules.rules:
        for host in rule.hosts:
            hosts.setdefault(host, []).append(rule)
        for alias in rule.aliases:
            key = fold(get_pattern_head(alias.text)) if alias.pattern else fold_label(alias.text)
            needles.setdefault(key, []).append(_make_needle(rule, alias))
            if not alias.pattern and rule not in labels.setdefault(key, []):
                labels[key].append(rule)
    return Matcher(
        automaton=AhoCorasick(
            needles,
            matchkind=MatchKind.Standard,
            implementation=Implementation.DFA if len(needles) <= MAX_TABLE_KEYS else None,
        ),
        needles=tuple(map(tuple, needles.values())),
        by_slug={rule.tag.slug: rule for rule in rules.rules},
        by_label={key: tuple(found) for key, found in labels.items()},
        by_host={key: tuple(found) for key, found in hosts.items()},
    )


def get_pattern_head(pattern: str) -> str:
    """The plain characters that ``pattern`` begins with; they lead the search to the places where it is tried."""
    match = _HEAD.match(pattern)
    if match is None:
        return ""
    optional = pattern[match.end() : match.end() + 1] in {"?", "*", "{"}
    return match[0][:-1] if optional else match[0]


def _make_needle(rule: TagRule, alias: Alias) -> Needle:
    """A space in a pattern stands for a hyphen, too (``claude-opus``)."""
    words = make_plain(alias.text)
    pattern = None
    if alias.pattern:
        spaced = _CLASS_OR_SPACE.sub(lambda match: match[1] or "[ -]", words)
        pattern = re.compile(spaced, 0 if alias.exact_case else re.IGNORECASE)
    return Needle(rule, alias, words, pattern)


def iter_found(matcher: Matcher, view: View, language: str) -> Iterator[Found]:
    """Leftmost, then longest, of all that pass the rules; of two tags on the same words both, or only the child."""
    found: list[Found] = []
    folded = view.folded
    # Overlapping, so that a longer alias that fails its rules ("claude code" in "Claude coder") hides no shorter one.
    for index, start, end in matcher.automaton.find_matches_as_indexes(folded, overlapping=True):
        if start and folded[start - 1] != " " and goes_on(folded, start):
            continue
        for needle in matcher.needles[index]:
            stop = _check(needle, view, start, end, language)
            if stop:
                found.append(Found(start, stop, needle))
    if not found:
        return
    found.sort(key=lambda one: (one.start, -one.end, one.needle.rule.tag.slug))
    reach, place = 0, 0
    while place < len(found):
        first = found[place]
        same = {first.needle.rule.tag.slug: first}
        place += 1
        while place < len(found) and (found[place].start, found[place].end) == (first.start, first.end):
            same.setdefault(found[place].needle.rule.tag.slug, found[place])
            place += 1
        if first.start >= reach:
            reach = first.end
            yield from same.values() if len(same) == 1 else _drop_parents(same)


def _drop_parents(same: Mapping[str, Found]) -> Iterator[Found]:
    parents = {slug for one in same.values() for slug in one.needle.rule.parents}
    return (one for slug, one in same.items() if slug not in parents)


def _check(needle: Needle, view: View, start: int, end: int, language: str) -> int:
    """Where the words end if this alias really stands at ``start``, else 0."""
    alias = needle.alias
    if alias.languages and language not in alias.languages:
        return 0
    if needle.pattern is not None:
        match = needle.pattern.match(view.words, start, start + PATTERN_WINDOW)
        if match is None:
            return 0
        end = match.end()
    elif alias.exact_case and not has_case(view.words[start:end], needle.words):
        return 0
    return end if is_bounded(view.folded, start, end) else 0
