"""What a tag as it would be is found in, and which other tags its names touch. Never says what an entry bears."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from aggregator.model.language import get_primary
from aggregator.model.tag import Alias, TagRule, TagRules
from aggregator.pipeline.tag import TEXT_LIMIT, TITLE_LIMIT, is_accompanied, is_contradicted
from aggregator.pipeline.tag.folding import View, fold_label, is_bounded, view_text
from aggregator.pipeline.tag.matching import Matcher, build_matcher, iter_found


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Title and text of an entry, ready to be searched again and again."""

    title: View
    text: View
    #: Primary tag.
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """An alias in an entry."""

    #: As it stands there.
    found: str
    alias: Alias


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Another tag with a name that touches one of ours."""

    ours: str
    slug: str
    theirs: str
    #: It is the same; it holds ours, and takes the words where it stands; ours holds it, and takes them from it.
    relation: Literal["same", "longer", "shorter"]


def read_text(*, title: str, text: str, language: str) -> Text:
    """Of what an entry says, as far as `find_tags` reads."""
    primary = get_primary(language)
    return Text(
        title=view_text(title[:TITLE_LIMIT], primary), text=view_text(text[:TEXT_LIMIT], primary), language=primary
    )


def find_neighbours(rules: TagRules, rule: TagRule) -> tuple[Neighbour, ...]:
    """Of the names of ``rule``; its own parents and children, which share words by right, are left out."""
    ours = {fold_label(alias.text): alias.text for alias in rule.aliases if not alias.pattern}
    slug = rule.tag.slug
    found: list[Neighbour] = []
    for other in rules.rules:
        if other.tag.slug == slug:
            continue
        for alias in other.aliases:
            if alias.pattern:
                continue
            theirs = fold_label(alias.text)
            for mine, written in ours.items():
                relation = _compare(mine, theirs)
                if relation:
                    found.append(Neighbour(ours=written, slug=other.tag.slug, theirs=alias.text, relation=relation))
    return tuple(dict.fromkeys(found))


def _compare(mine: str, theirs: str) -> Literal["same", "longer", "shorter", ""]:
    if mine == theirs:
        return "same"
    if len(mine) < len(theirs):
        return "longer" if _stands_in(mine, theirs) else ""
    return "shorter" if _stands_in(theirs, mine) else ""


def _stands_in(word: str, text: str) -> bool:
    place = text.find(word)
    return place >= 0 and is_bounded(text, place, place + len(word))


def narrow(rules: TagRules, rule: TagRule, neighbours: Sequence[Neighbour]) -> Matcher:
    """``rule`` with those of ``rules`` whose names may take its words: as good as the whole taxonomy, and quick."""
    slugs = {one.slug for one in neighbours if one.relation != "shorter"}
    return build_matcher(TagRules(rules=(rule, *(other for other in rules.rules if other.tag.slug in slugs))))


def find_hits(matcher: Matcher, rule: TagRule, text: Text, bears: Collection[str]) -> tuple[Hit, ...]:
    """Each alias of ``rule`` that counts in an entry, once. ``bears``: the slugs of its tags."""
    hits = {hit.alias: hit for hit in _iter_hits(matcher, rule, text)}
    if hits and rule.only_with and not is_accompanied(rule, bears, f"{text.title.folded}\n{text.text.folded}"):
        return ()
    return tuple(hits.values())


def _iter_hits(matcher: Matcher, rule: TagRule, text: Text) -> Iterator[Hit]:
    """The strongest field last."""
    for view in (text.text, text.title):
        for found in iter_found(matcher, view, text.language):
            if found.needle.rule is rule and not is_contradicted(found, view):
                yield Hit(found=view.shown[found.start : found.end], alias=found.needle.alias)


def match_aliases(rule: TagRule, found: Iterable[str]) -> dict[str, Alias]:
    """Of words found in texts the name that they are; what is none (any more) is left out."""
    matcher = build_matcher(TagRules(rules=(rule,)))
    languages = dict.fromkeys(("", *(one for alias in rule.aliases for one in alias.languages)))
    known: dict[str, Alias] = {}
    for words in found:
        for language in languages:
            hit = next(iter_found(matcher, view_text(words, language), language), None)
            if hit is not None:
                known.setdefault(words, hit.needle.alias)
    return known
