"""Finds which companies, products and topics an entry is about, with the evidence. Never guesses beyond the taxonomy.

One Aho-Corasick pass finds every alias and the plain beginning of every pattern; what it finds must then pass the
rules of case, word boundary, language and context. A pattern is tried only where its beginning stands, on a short
window.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ahocorasick_rs import AhoCorasick, MatchKind

from aggregator.model.tag import Alias, Field, Tag, TagEvidence, TagRule, TagRules

if TYPE_CHECKING:
    from opencc import OpenCC

#: What stands further down hardly says what an entry is about, and a hostile text could be endless.
TEXT_LIMIT = 20_000
TITLE_LIMIT = 1_000
MAX_CATEGORIES = 50
#: How far around the words found `TagRule.not_when` looks, in characters.
NEARBY = 60
#: A pattern sees no more than this.
PATTERN_WINDOW = 64

_FIELDS: tuple[Field, ...] = ("title", "text", "category", "feed", "url")
_ADDRESS = re.compile(
    r"(?:https?://|www\.)[^\s<>\"'）」』】、。]{1,2000}"
    r"|\b[\w-]{1,64}(?:\.[\w-]{1,64}){1,4}/[^\s<>\"'）」』】、。]{1,2000}"
)
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212"
_QUOTES = "\u2018\u2019\u2032"
#: One character for one, so that places stay what they are.
_PLAIN = str.maketrans(_DASHES + _QUOTES + "\u00a0\n", "-" * len(_DASHES) + "'" * len(_QUOTES) + "  ")
_SPACES = str.maketrans({"-": " ", "_": " "})
_HEAD = re.compile(r"[^\\.^$*+?{}\[\]|()]+")
_KATAKANA = re.compile(r"[ァ-ヺー]{1,3}")


@dataclass(frozen=True, slots=True)
class _Needle:
    """One alias, ready to be checked where its key was found."""

    rule: TagRule
    alias: Alias
    words: str
    pattern: re.Pattern[str] | None


@dataclass(frozen=True, slots=True)
class _View:
    """A text twice, character for character: as evidence quotes it, and folded for finding."""

    words: str
    folded: str


@dataclass(frozen=True, slots=True)
class _Found:
    start: int
    end: int
    needle: _Needle


@dataclass(frozen=True, slots=True, eq=False)
class _Matcher:
    automaton: AhoCorasick
    keys: tuple[str, ...]
    needles: tuple[tuple[_Needle, ...], ...]
    by_slug: dict[str, TagRule] = field(default_factory=dict)
    #: Folded slug or alias -> rules, for what publishers and editors put on a whole entry.
    by_label: dict[str, tuple[TagRule, ...]] = field(default_factory=dict)
    by_host: dict[str, tuple[TagRule, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class _Claim:
    """What speaks for one tag so far: the best evidence and where it stands."""

    evidence: TagEvidence
    position: int


def find_tags(
    *,
    title: str,
    text: str,
    categories: Sequence[str],
    url: str,
    language: str,
    feed_tags: Sequence[str],
    rules: TagRules,
) -> tuple[TagEvidence, ...]:
    """The tags of one entry, one piece of evidence each, in the order of field, position and slug.

    ``title`` and ``text`` are plain text (the first 20,000 characters count), ``categories`` the publisher's,
    ``feed_tags`` the editor's for the whole feed (slugs or aliases; unknown ones are passed over), ``url`` the entry's
    own address.
    """
    matcher = _get_matcher(rules)
    primary = language.partition("-")[0].lower()
    views = {
        "title": _view(title[:TITLE_LIMIT], primary),
        "text": _view(text[:TEXT_LIMIT], primary),
    }
    labels = [_view(category[:200], primary) for category in categories[:MAX_CATEGORIES]]
    everything = "\n".join([views["title"].folded, views["text"].folded, *(label.folded for label in labels)])

    claims: dict[str, _Claim] = {}
    for name in ("title", "text"):
        _claim_text(claims, matcher, views[name], name, primary)
    _claim_categories(claims, matcher, labels, primary)
    _drop_unaccompanied(claims, matcher, everything)
    _claim_feed_tags(claims, matcher, feed_tags)
    _claim_host(claims, matcher, url)
    _claim_parents(claims, matcher)
    order = sorted(claims.values(), key=_place)
    return tuple(claim.evidence for claim in order)


def _place(claim: _Claim) -> tuple[int, int, str]:
    return _FIELDS.index(claim.evidence.field), claim.position, claim.evidence.slug


def get_tags(rules: TagRules) -> dict[str, Tag]:
    """slug -> Tag, for pages and feeds that show names."""
    return {rule.tag.slug: rule.tag for rule in rules.rules}


def fold_label(text: str) -> str:
    """``text`` as aliases are compared: compatibility forms, case, dashes and spaces made equal."""
    return " ".join(_fold(unicodedata.normalize("NFKC", text).translate(_PLAIN)).split())


def get_pattern_head(pattern: str) -> str:
    """The plain characters that ``pattern`` begins with; they lead the search to the places where it is tried."""
    match = _HEAD.match(pattern)
    if match is None:
        return ""
    optional = pattern[match.end() : match.end() + 1] in {"?", "*", "{"}
    return match[0][:-1] if optional else match[0]


# What is in a text


def _view(text: str, language: str) -> _View:
    words = unicodedata.normalize("NFKC", text)
    if language == "zh":
        words = _get_simplifier().convert(words.encode("utf-8", "ignore").decode("utf-8"))
    words = _ADDRESS.sub(lambda match: " " * len(match[0]), words.translate(_PLAIN))
    return _View(words, _fold(words))


def _fold(text: str) -> str:
    """Lower case without changing any place, dashes as spaces."""
    lower = text.lower()
    if len(lower) != len(text):
        lower = "".join(low if len(low := character.lower()) == 1 else character for character in text)
    return lower.translate(_SPACES)


def _claim_text(claims: dict[str, _Claim], matcher: _Matcher, view: _View, name: Field, language: str) -> None:
    for found in _find(matcher, view, language):
        tag = found.needle.rule.tag
        if _is_contradicted(found, view):
            continue
        known = claims.get(tag.slug)
        if known is not None:
            known.evidence = replace(known.evidence, count=known.evidence.count + 1)
            continue
        rule = "pattern" if found.needle.pattern is not None else "alias"
        words = view.words[found.start : found.end]
        claims[tag.slug] = _Claim(_attest(tag, name, words, rule), found.start)


def _attest(tag: Tag, where: Field, words: str, rule: str) -> TagEvidence:
    return TagEvidence(slug=tag.slug, kind=tag.kind, field=where, found=words, rule=rule)


def _find(matcher: _Matcher, view: _View, language: str) -> Iterator[_Found]:
    """Leftmost, then longest, of all that pass the rules of case, boundary and language; equals are all kept."""
    found: list[_Found] = []
    for index, start, end in matcher.automaton.find_matches_as_indexes(view.folded, overlapping=True):
        for needle in matcher.needles[index]:
            stop = _check(needle, view, start, end, language)
            if stop:
                found.append(_Found(start, stop, needle))
    found.sort(key=lambda one: (one.start, -one.end, one.needle.rule.tag.slug))
    reach, last = 0, (-1, -1)
    for one in found:
        if one.start >= reach or (one.start, one.end) == last:
            reach, last = max(reach, one.end), (one.start, one.end)
            yield one


def _check(needle: _Needle, view: _View, start: int, end: int, language: str) -> int:
    """Where the words end if this alias really stands at ``start``, else 0."""
    alias = needle.alias
    if alias.languages and language not in alias.languages:
        return 0
    if needle.pattern is not None:
        match = needle.pattern.match(view.words, start, start + PATTERN_WINDOW)
        if match is None:
            return 0
        end = match.end()
    elif alias.exact_case and not _has_case(view.words[start:end], needle.words):
        return 0
    if not _is_bounded(view.folded, start, end):
        return 0
    return end


def _has_case(words: str, wanted: str) -> bool:
    """Capitals as wanted; all in capitals is right as well, headlines are set so."""
    words, wanted = words.translate(_SPACES), wanted.translate(_SPACES)
    return words == wanted or (len(wanted) > 3 and words == wanted.upper())


def _is_bounded(text: str, start: int, end: int) -> bool:
    """Whether the words stand by themselves.

    Ideographs part words without a space, but a short katakana word goes on as long as katakana does.
    """
    first, last = text[start], text[end - 1]
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    if (_is_letter(first) and _is_letter(before)) or (_is_letter(last) and _is_letter(after)):
        return False
    if end - start <= 3 and _KATAKANA.fullmatch(text, start, end):
        return not (_KATAKANA.match(before) or _KATAKANA.match(after))
    return True


def _is_letter(character: str) -> bool:
    """A letter or digit of a script that writes spaces between words (Latin, Cyrillic...)."""
    return character < "\u2e80" and (character.isalnum() or unicodedata.combining(character) > 0)


# Contexts


def _is_contradicted(found: _Found, view: _View) -> bool:
    """Whether words close by say that another thing of this name is meant."""
    if not found.needle.rule.not_when:
        return False
    nearby = view.folded[max(0, found.start - NEARBY) : found.end + NEARBY]
    return any(_holds(nearby, word) for word in found.needle.rule.not_when)


def _drop_unaccompanied(claims: dict[str, _Claim], matcher: _Matcher, everything: str) -> None:
    """Takes away the tags whose `TagRule.only_with` is not met; a tag that another relies on is judged first."""
    waiting = [slug for slug in claims if matcher.by_slug[slug].only_with]
    sure = set(claims) - set(waiting)
    while waiting:
        met = [slug for slug in waiting if _is_accompanied(matcher.by_slug[slug], sure, everything)]
        if not met:
            break
        sure.update(met)
        waiting = [slug for slug in waiting if slug not in sure]
    for slug in waiting:
        del claims[slug]


def _is_accompanied(rule: TagRule, sure: set[str], everything: str) -> bool:
    return any(word[1:] in sure if word.startswith("#") else _holds(everything, word) for word in rule.only_with)


def _holds(text: str, word: str) -> bool:
    """Whether ``word`` stands in folded ``text`` by itself; with ``*`` at its end, as the beginning of a word."""
    opened = word.endswith("*")
    wanted = _fold_word(word)
    start = text.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        if _is_bounded(text, start, end) or (opened and _is_bounded(text[:end], start, end)):
            return True
        start = text.find(wanted, start + 1)
    return False


@lru_cache(maxsize=4096)
def _fold_word(word: str) -> str:
    return fold_label(word.rstrip("*"))


# What was put on the whole entry


def _claim_categories(claims: dict[str, _Claim], matcher: _Matcher, labels: Sequence[_View], language: str) -> None:
    """A category that is a tag's slug or alias puts the tag; else it is read like a short text."""
    for position, label in enumerate(labels):
        rules = matcher.by_label.get(" ".join(label.folded.split()), ())
        for rule in rules:
            tag = rule.tag
            evidence = TagEvidence(
                slug=tag.slug, kind=tag.kind, field="category", found=label.words.strip(), rule="alias"
            )
            claims.setdefault(tag.slug, _Claim(evidence, position))
        if not rules:
            inside: dict[str, _Claim] = {}
            _claim_text(inside, matcher, label, "category", language)
            for slug, claim in inside.items():
                claims.setdefault(slug, _Claim(claim.evidence, position))


def _claim_feed_tags(claims: dict[str, _Claim], matcher: _Matcher, feed_tags: Sequence[str]) -> None:
    for position, label in enumerate(feed_tags):
        for rule in matcher.by_label.get(fold_label(label), ()):
            tag = rule.tag
            evidence = _attest(tag, "feed", label, "feed")
            claims.setdefault(tag.slug, _Claim(evidence, position))


def _claim_host(claims: dict[str, _Claim], matcher: _Matcher, url: str) -> None:
    """A company's own site speaks about the company. Only the entry's own address counts, no link in its text."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return
    parts = host.split(".")
    for start in range(len(parts) - 1):
        for rule in matcher.by_host.get(".".join(parts[start:]), ()):
            tag = rule.tag
            evidence = _attest(tag, "url", host, "host")
            claims.setdefault(tag.slug, _Claim(evidence, 0))


def _claim_parents(claims: dict[str, _Claim], matcher: _Matcher) -> None:
    """Parents and theirs, by the evidence of the child; what was found by itself keeps its own evidence."""
    waiting = sorted(claims.values(), key=_place)
    for claim in waiting:  # grows while it is read: a parent's parents come later
        for slug in matcher.by_slug[claim.evidence.slug].parents:
            if slug not in claims and slug in matcher.by_slug:
                tag = matcher.by_slug[slug].tag
                evidence = replace(claim.evidence, slug=slug, kind=tag.kind, rule=f"parent:{claim.evidence.slug}")
                claims[slug] = _Claim(evidence, claim.position)
                waiting.append(claims[slug])


# The matcher


@lru_cache(maxsize=4)
def _get_matcher(rules: TagRules) -> _Matcher:
    """Built once for one taxonomy (compared by identity)."""
    needles: dict[str, list[_Needle]] = {}
    labels: dict[str, list[TagRule]] = {}
    hosts: dict[str, list[TagRule]] = {}
    for rule in rules.rules:
        labels.setdefault(fold_label(rule.tag.slug), []).append(rule)
        for host in rule.hosts:
            hosts.setdefault(host, []).append(rule)
        for alias in rule.aliases:
            needle = _make_needle(rule, alias)
            key = _fold(get_pattern_head(needle.words)) if alias.pattern else fold_label(alias.text)
            needles.setdefault(key, []).append(needle)
            if not alias.pattern and rule not in labels.setdefault(key, []):
                labels[key].append(rule)
    keys = tuple(needles)
    return _Matcher(
        automaton=AhoCorasick(keys or ("\0",), matchkind=MatchKind.Standard),
        keys=keys,
        needles=tuple(tuple(needles[key]) for key in keys) or ((),),
        by_slug={rule.tag.slug: rule for rule in rules.rules},
        by_label=_freeze(labels),
        by_host=_freeze(hosts),
    )


def _make_needle(rule: TagRule, alias: Alias) -> _Needle:
    words = unicodedata.normalize("NFKC", alias.text).translate(_PLAIN)
    pattern = re.compile(words, 0 if alias.exact_case else re.IGNORECASE) if alias.pattern else None
    return _Needle(rule, alias, words, pattern)


def _freeze(lists: Mapping[str, list[TagRule]]) -> dict[str, tuple[TagRule, ...]]:
    return {key: tuple(value) for key, value in lists.items()}


@lru_cache(maxsize=1)
def _get_simplifier() -> OpenCC:
    """Taiwan's characters and words into the mainland's, in which the taxonomy's Chinese aliases are written."""
    from opencc import OpenCC

    return OpenCC("tw2sp")
