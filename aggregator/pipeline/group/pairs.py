"""How much speaks for two entries telling of one event. Never looks at a third.

The decision depends on the two readings and on the shipped lexicon only, so that it is the same whenever and beside
whatever else the two come in.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from math import sqrt
from operator import mul

from aggregator.pipeline.group.numbers import Number
from aggregator.pipeline.group.reading import Reading
from aggregator.pipeline.group.titles import compare_titles

#: A story lives so long beyond its last entry.
WINDOW = timedelta(days=3)
#: Strengths are whole numbers up to this: sums of them are exact, in whatever order.
CERTAIN = 10_000
#: Two entries that never stand in one story, unless the editor or an address says so.
NEVER = -1
#: Weaker bonds are none.
FLOOR = 1_200

#: A name or concept that one title holds counts so much when the other entry holds it beyond its title.
_BEYOND = 0.5
_WORD_BEYOND = 0.25
#: What two entries share must weigh so much to count in full: one common word in two short titles is no event.
_ENOUGH = 1.8
_OTHER_EVENT, _OTHER_FIRM, _SAME_FEED = 0.5, 0.6, 0.8
#: So many rare features in common outweigh that other words of events are used.
_RARE, _MANY_RARE = 0.9, 2
#: What three days between them take away.
_DECAY = 0.3
#: What a link from one to the other, or to the same third page, adds.
_LINKED, _LINKED_BOTH = 0.3, 0.15
#: An entry with more links is a list of links.
MANY_LINKS = 25
#: Likeness of meaning (a cosine) of titles in two languages: what goes beyond `_USUAL` adds so much of itself.
_MEANT, _USUAL = 0.8, 0.45
#: Amounts that differ by no more than this part may be one, rounded.
_ROUNDED = 0.13


def weigh(one: Reading, other: Reading) -> int:
    """From 0 (nothing) to `CERTAIN`; `NEVER` when something contradicts."""
    distance = abs(one.candidate.effective_at - other.candidate.effective_at)
    if distance > WINDOW or one.is_digest or other.is_digest:
        return 0
    same_feed = one.candidate.feed_id == other.candidate.feed_id
    dot, shared = _share(one, other)
    product = one.norm * other.norm
    linked = 0.0 if same_feed else _get_linked(one, other)
    if not dot or (dot * CERTAIN < FLOOR * product and not linked):
        return 0
    likeness = compare_titles(one.surface, other.surface)
    if likeness == "equal" or (likeness == "near" and not same_feed):
        return NEVER if same_feed else CERTAIN
    if likeness == "alike":
        return 0
    if _contradict(one, other):
        return NEVER
    # A title of nothing but links weighs nothing.
    strength = (dot / product * min(1.0, shared / _ENOUGH) if product else 0.0) + linked
    if one.events and other.events and one.events.isdisjoint(other.events) and _count_rare(one, other) < _MANY_RARE:
        strength *= _OTHER_EVENT
    if one.orgs and other.orgs and one.orgs.isdisjoint(other.orgs):
        strength *= _OTHER_FIRM
    if same_feed:
        strength *= _SAME_FEED
    strength *= 1 - _DECAY * (distance / WINDOW)
    if strength * CERTAIN < FLOOR:
        return 0
    strength += _get_meant(one, other)
    return min(CERTAIN - 1, int(CERTAIN * strength)) if strength * CERTAIN >= FLOOR else 0


def _get_meant(one: Reading, other: Reading) -> float:
    """Within a language words say it better: vectors take two events of one company for the same."""
    if one.language == other.language or not one.candidate.meaning or not other.candidate.meaning:
        return 0.0
    return _MEANT * max(0.0, _compare_meanings(one.candidate.meaning, other.candidate.meaning) - _USUAL)


def _compare_meanings(one: bytes, other: bytes) -> float:
    """The cosine of two vectors of signed bytes; whole numbers until the end, so that it is the same everywhere."""
    mine, theirs = memoryview(one).cast("b"), memoryview(other).cast("b")
    length = sqrt(sum(map(mul, mine, mine)) * sum(map(mul, theirs, theirs)))
    return sum(map(mul, mine, theirs)) / length if length else 0.0


def _count_rare(one: Reading, other: Reading) -> int:
    """Rare names, words, versions and figures that both titles hold."""
    return sum(f[0] in "nwv#" and one.title[f] >= _RARE for f in one.title.keys() & other.title.keys())


def _share(one: Reading, other: Reading) -> tuple[float, float]:
    """(product of the weights, sum of the smaller weights) of all that both hold."""
    dot = total = 0.0
    mine, theirs = one.title, other.title
    for feature in mine.keys() & theirs.keys():
        weight, known = mine[feature], theirs[feature]
        dot += weight * known
        total += weight if weight < known else known
    if one.more or other.more:
        words = one.language == other.language
        for title, more in ((mine, other.more), (theirs, one.more)):
            for feature in title.keys() & more.keys():
                weight = title[feature]
                if known := _discount(feature, weight, more[feature], words=words):
                    dot += weight * known
                    total += known
    if one.amounts and other.amounts and (rounded := sum(1 for _ in _iter_rounded(one, other))):
        dot += 0.5 * rounded
        total += 0.7 * rounded
    return dot, total


def _discount(feature: str, weight: float, said: float, *, words: bool) -> float:
    """What a feature of one title weighs that the other entry holds beyond its title; words of one language only."""
    if feature[0] == "w" and not words:
        return 0.0
    return min(weight, said) * (_WORD_BEYOND if feature[0] == "w" else _BEYOND)


def _iter_rounded(one: Reading, other: Reading) -> Iterator[tuple[Number, Number]]:
    """Amounts that are nearly, and not quite, the same."""
    for mine in one.amounts:
        for theirs in other.amounts:
            if mine.value != theirs.value and abs(mine.value - theirs.value) <= _ROUNDED * max(
                mine.value, theirs.value
            ):
                yield mine, theirs


def _contradict(one: Reading, other: Reading) -> bool:
    """Another version of the same thing; or two notes of one pattern with other figures."""
    for base in one.versions.keys() & other.versions.keys():
        if one.versions[base].isdisjoint(other.versions[base]):
            return True
    return (
        len(one.figures) > 1
        and len(other.figures) > 1
        and one.figures.isdisjoint(other.figures)
        and not any(_iter_rounded(one, other))
    )


def _get_linked(one: Reading, other: Reading) -> float:
    mine, theirs = one.candidate, other.candidate
    if not mine.links and not theirs.links:
        return 0.0
    few, fewer = len(mine.links) <= MANY_LINKS, len(theirs.links) <= MANY_LINKS
    if few and theirs.canonical_url and theirs.canonical_url in mine.links:
        return _LINKED
    if fewer and mine.canonical_url and mine.canonical_url in theirs.links:
        return _LINKED
    if few and fewer and not set(mine.links).isdisjoint(theirs.links):
        return _LINKED_BOTH
    return 0.0


_SAID = {"n": "names", "e": "event", "v": "version", "#": "number", "w": "words", "c": "words"}


def tell_evidence(one: Reading, other: Reading) -> tuple[str, ...]:
    """What both hold, in words, the weightiest kinds first."""
    likeness = compare_titles(one.surface, other.surface)
    found: dict[str, list[str]] = {}
    if likeness in ("equal", "near"):
        found["titles"] = ["the same"] if likeness == "equal" else ["nearly the same"]
    linked = _get_linked(one, other)
    if linked:
        found["links"] = ["to the other" if linked == _LINKED else "to the same page"]
    for feature, _ in sorted(one.title.items(), key=lambda item: (-item[1], item[0])):
        if feature in other.title or feature in other.more:
            found.setdefault(_SAID[feature[0]], []).append(feature[2:].removeprefix("amount ").removeprefix("plain "))
    for feature in sorted(one.more):
        if feature in other.title and feature not in one.title and feature[0] in "ne":
            found.setdefault(_SAID[feature[0]], []).append(feature[2:])
    for mine, theirs in _iter_rounded(one, other):
        found.setdefault("number", []).append(f"{mine.value:g} ~ {theirs.value:g}")
    if _get_meant(one, other) > 0:
        found["meaning"] = [f"{_compare_meanings(one.candidate.meaning, other.candidate.meaning):.2f}"]
    order = ("titles", "links", "names", "version", "number", "event", "words", "meaning")
    return tuple(f"{kind}: {', '.join(found[kind][:8])}" for kind in order if kind in found)
