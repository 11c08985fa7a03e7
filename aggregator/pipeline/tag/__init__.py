"""Finds which companies, products and topics an entry is about, with the evidence. Never guesses beyond the taxonomy.

`folding` makes a text ready, `matching` finds where aliases stand; here are contexts, parents, and what was put on the
whole entry: the publisher's categories, the editor's feed tags, its own address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from urllib.parse import urlsplit

from aggregator.model.language import get_primary
from aggregator.model.tag import Field, Tag, TagEvidence, TagRule, TagRules
from aggregator.pipeline.tag.folding import View, fold_label, holds, view_text
from aggregator.pipeline.tag.matching import Found, Matcher, get_matcher, iter_found

__all__ = ["find_tags", "get_fingerprint", "get_tags"]

#: To be raised when `find_tags` reads the same rules otherwise: stored entries are tagged again then.
READING = 1
#: What stands further down hardly says what an entry is about, and a hostile text could be endless. In characters.
TEXT_LIMIT = 20_000
TITLE_LIMIT = 1_000
CATEGORY_LIMIT = 200
MAX_CATEGORIES = 50
#: How far around the words found `TagRule.not_when` looks, in characters.
NEARBY = 60

_RANKS: dict[Field, int] = {"title": 0, "text": 1, "category": 2, "feed": 3, "url": 4}


@dataclass(slots=True)
class _Claim:
    """What speaks for one tag so far: the first evidence, where in its field it stands, and how often it came again."""

    evidence: TagEvidence
    position: int
    again: int = 0

    @property
    def place(self) -> tuple[int, int, str]:
        return _RANKS[self.evidence.field], self.position, self.evidence.slug


_Claims = dict[str, _Claim]


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
    own address. ``language`` is BCP 47 or ``und``.
    """
    matcher = get_matcher(rules)
    primary = get_primary(language)
    title_view, text_view = view_text(title[:TITLE_LIMIT], primary), view_text(text[:TEXT_LIMIT], primary)
    labels = [view_text(category[:CATEGORY_LIMIT], primary) for category in categories[:MAX_CATEGORIES]]

    claims: _Claims = {}
    _claim_text(claims, matcher, title_view, "title", primary)
    _claim_text(claims, matcher, text_view, "text", primary)
    _claim_categories(claims, matcher, labels, primary)
    _drop_unaccompanied(claims, matcher, (title_view, text_view, *labels))
    _claim_feed_tags(claims, matcher, feed_tags)
    _claim_host(claims, matcher, url)
    _claim_parents(claims, matcher)
    return tuple(_count(claim) for claim in sorted(claims.values(), key=lambda claim: claim.place))


def _count(claim: _Claim) -> TagEvidence:
    return replace(claim.evidence, count=1 + claim.again) if claim.again else claim.evidence


def get_tags(rules: TagRules) -> dict[str, Tag]:
    """slug -> Tag, for pages and feeds that show names."""
    return {rule.tag.slug: rule.tag for rule in rules.rules}


@lru_cache(maxsize=4)
def get_fingerprint(rules: TagRules) -> str:
    """Another text when other tags may be found: a hash of all rules, and of the way in which they are read."""
    whole = hashlib.sha256(str(READING).encode())
    for rule in rules.rules:
        whole.update(repr(rule).encode())
    return whole.hexdigest()


def _claim(claims: _Claims, tag: Tag, where: Field, position: int, words: str, rule: str) -> None:
    """The first claim of a tag stays: fields are read from the strongest to the weakest."""
    if tag.slug not in claims:
        evidence = TagEvidence(slug=tag.slug, kind=tag.kind, field=where, found=words, rule=rule)
        claims[tag.slug] = _Claim(evidence, position)


def _claim_text(claims: _Claims, matcher: Matcher, view: View, where: Field, language: str) -> None:
    for found in iter_found(matcher, view, language):
        if is_contradicted(found, view):
            continue
        tag = found.needle.rule.tag
        known = claims.get(tag.slug)
        if known is not None:
            known.again += 1
        else:
            rule = "alias" if found.needle.pattern is None else "pattern"
            _claim(claims, tag, where, found.start, view.shown[found.start : found.end], rule)


def is_contradicted(found: Found, view: View) -> bool:
    """Whether words close by say that another thing of this name is meant."""
    words = found.needle.rule.not_when
    if not words:
        return False
    nearby = view.folded[max(0, found.start - NEARBY) : found.end + NEARBY]
    return any(holds(nearby, word) for word in words)


def _drop_unaccompanied(claims: _Claims, matcher: Matcher, views: Sequence[View]) -> None:
    """Takes away the tags whose `TagRule.only_with` is not met; a tag that another relies on is judged first."""
    waiting = [slug for slug in claims if matcher.by_slug[slug].only_with]
    if not waiting:
        return
    everything = "\n".join(view.folded for view in views)
    sure = set(claims).difference(waiting)
    while waiting:
        met = {slug for slug in waiting if is_accompanied(matcher.by_slug[slug], sure, everything)}
        if not met:
            break
        sure |= met
        waiting = [slug for slug in waiting if slug not in met]
    for slug in waiting:
        del claims[slug]


def is_accompanied(rule: TagRule, sure: Collection[str], everything: str) -> bool:
    """Whether one of ``only_with`` is there: a tag of ``sure``, or words of ``everything``, folded."""
    return any(word[1:] in sure if word.startswith("#") else holds(everything, word) for word in rule.only_with)


def _claim_categories(claims: _Claims, matcher: Matcher, labels: Sequence[View], language: str) -> None:
    """A category that is an alias puts the tag, whatever its case; any other is read like a short text.

    A slug is our word, not the publisher's: the category "science" says nothing about `science`, AI for science.
    """
    for position, label in enumerate(labels):
        rules = matcher.by_label.get(" ".join(label.folded.split()), ())
        for rule in rules:
            _claim(claims, rule.tag, "category", position, label.shown.strip(), "alias")
        if not rules:
            inside: _Claims = {}
            _claim_text(inside, matcher, label, "category", language)
            for slug, claim in inside.items():
                claims.setdefault(slug, _Claim(claim.evidence, position, claim.again))


def _claim_feed_tags(claims: _Claims, matcher: Matcher, feed_tags: Sequence[str]) -> None:
    for position, label in enumerate(feed_tags):
        named = matcher.by_slug.get(label)
        for rule in (named,) if named else matcher.by_label.get(fold_label(label), ()):
            _claim(claims, rule.tag, "feed", position, label, "feed")


def _claim_host(claims: _Claims, matcher: Matcher, url: str) -> None:
    """A company's own site speaks about the company. Only the entry's own address counts, no link in its text."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return
    if not host:
        return
    parts = host.split(".")
    for start in range(len(parts) - 1):
        for rule in matcher.by_host.get(".".join(parts[start:]), ()):
            _claim(claims, rule.tag, "url", start, host, "host")


def _claim_parents(claims: _Claims, matcher: Matcher) -> None:
    """Parents and theirs, by the evidence of the child; what was found by itself keeps its own evidence."""
    if all(slug in claims for child in claims for slug in matcher.by_slug[child].parents):
        return
    waiting = sorted(claims.values(), key=lambda claim: claim.place)
    for claim in waiting:  # grows while it is read: a parent's parents come later
        child = claim.evidence
        for slug in matcher.by_slug[child.slug].parents:
            if slug not in claims and slug in matcher.by_slug:
                kind, rule = matcher.by_slug[slug].tag.kind, f"parent:{child.slug}"
                evidence = TagEvidence(slug=slug, kind=kind, field=child.field, found=child.found, rule=rule)
                claims[slug] = _Claim(evidence, claim.position, claim.again)
                waiting.append(claims[slug])
