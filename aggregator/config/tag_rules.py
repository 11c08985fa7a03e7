"""From what was written about tags to `TagRule`s: names, families, patterns, contexts. Never reads a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from aggregator.config.tag_drafts import KINDS, NAMES, Draft, Reading, suggest
from aggregator.model.tag import Alias, Tag, TagKind, TagRule

_LANGUAGE_MARK = re.compile(r"([a-z]{2,3}):(?=\S)")
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_HEAD = re.compile(r"[^\W_][^\\.^$*+?{}\[\]|()]")
_FAMILY = re.compile(r"[^\W_][^\\.^$*+?{}\[\]|()#]+#[^\\.^$*+?{}\[\]|()]*")
#: What may stand behind a version: ``5.3-Codex``, ``4 Fast``, ``3.5 Flash-Lite``.
_VARIANT = (
    "(?:[- ](?i:pro|max|ultra|plus|mini|nano|micro|lite|flash|turbo|fast|air|preview|thinking|instruct|base|chat|beta"
    "|exp|heavy|high|small|medium|large|xl|edge|omni|vision|vl|image|video|audio|live|reasoning|coder|code|codex"
    "|instant|realtime|tts|asr|speciale)(?![A-Za-z0-9]))?"
)
#: What a ``#`` at the end of a name stands for: ``3``, ``-V4``, `` 2.5``, ``:27b``, ``3-235B-A22B``, `` 4 Fast``.
VERSION = (
    r"[- :]?[vV]?\d{1,4}(?:\.\d\d?)?(?:\.\d\d?)?[A-Za-z]{0,12}"
    r"(?:[- :]\d{1,4}(?:\.\d)?[BMTbmt](?![A-Za-z]))?(?:[- ][AaEe]\d{1,3}[Bb](?![A-Za-z]))?"
) + _VARIANT * 2
#: What a ``#`` inside a name stands for (``Qwen#-Max``).
NUMBER = r"[- ]?[vV]?\d{1,2}(?:\.\d\d?)?"


def build_rule(reading: Reading, draft: Draft) -> TagRule | None:
    kinds = [kind for kind in KINDS if kind in draft.values]
    if len(kinds) != 1:
        found = f"found {' and '.join(kinds)}" if kinds else "found none"
        reading.complain(
            draft.place, draft.slug, f"{found}, expected exactly one of org, product, topic with the tag's name"
        )
        return None
    tag = Tag(
        slug=draft.slug,
        kind=cast(TagKind, kinds[0]),
        name=draft.values[kinds[0]],
        names=tuple((language, draft.values[language]) for language in NAMES if language in draft.values),
    )
    return TagRule(
        tag=tag,
        aliases=tuple(_iter_aliases(reading, draft, tag)),
        parents=tuple(dict.fromkeys(text for text, _, _ in draft.lists.get("parents", ()))),
        not_when=tuple(_iter_words(reading, draft, "not_when")),
        only_with=tuple(_iter_words(reading, draft, "only_with")),
        hosts=tuple(_iter_hosts(reading, draft)),
    )


def _iter_aliases(reading: Reading, draft: Draft, tag: Tag) -> Iterator[Alias]:
    """The name and its translations (unless ``match_name: no``), the aliases, the patterns; each once."""
    exact = draft.values.get("case") == "exact"
    texts = [(text, draft.place) for text in (tag.name, *(name for _, name in tag.names))]
    if draft.values.get("match_name") == "no":
        texts = []
    texts += [(text, (file, line)) for text, file, line in draft.lists.get("aliases", ())]
    seen: set[Alias] = set()
    for text, place in texts:
        alias = read_alias(text, exact)
        if alias.pattern and not _FAMILY.fullmatch(text.lstrip("=~")):
            reading.complain(place, f"{draft.slug}.aliases", f"{text!r}: two plain letters or more stand before a '#'")
        elif not any(character.isalnum() for character in alias.text):
            reading.complain(place, f"{draft.slug}.aliases", f"{text!r} holds no letter")
        elif alias not in seen:
            seen.add(alias)
            yield alias
    for text, file, line in draft.lists.get("patterns", ()):
        fault = _find_pattern_fault(text)
        if fault:
            reading.complain((file, line), f"{draft.slug}.patterns", f"{text!r} {fault}")
        else:
            yield Alias(text=text, exact_case=exact, pattern=True)


def read_alias(text: str, exact: bool) -> Alias:
    """``ja:=Text``: only in Japanese, capitals as they stand; ``~Text``: any case although the tag says exact.

    ``Text#``: with a version after it.
    """
    languages: tuple[str, ...] = ()
    mark = _LANGUAGE_MARK.match(text)
    if mark:
        languages, text = (mark[1],), text[mark.end() :]
    if text[:1] in "=~" and len(text) > 1:
        exact, text = text[0] == "=", text[1:]
    text = text.strip()
    if "#" in text:
        return Alias(text=_spell_family(text), exact_case=exact, languages=languages, pattern=True)
    return Alias(text=text, exact_case=exact, languages=languages)


def _spell_family(text: str) -> str:
    """The pattern of a name with ``#`` in it; a space in a pattern stands for a hyphen, too."""
    pattern = text.removesuffix("#").replace("-", " ").replace("#", NUMBER)
    return pattern + VERSION if text.endswith("#") else pattern


def list_written(draft: Draft) -> list[tuple[Alias, str, tuple[str, int]]]:
    """What was written of the tag's names, but for patterns: how it is read, as it stands there, and where."""
    exact = draft.values.get("case") == "exact"
    names = [draft.values[key] for key in (*KINDS, *NAMES) if key in draft.values]
    written = [(name, draft.place) for name in names if draft.values.get("match_name") != "no"]
    written += [(text, (file, line)) for text, file, line in draft.lists.get("aliases", ())]
    return [(read_alias(text, exact), text, place) for text, place in written]


def _iter_words(reading: Reading, draft: Draft, key: str) -> Iterator[str]:
    """Context words, ``<name>`` replaced by the words of that context."""
    for text, file, line in draft.lists.get(key, ()):
        if not (text.startswith("<") and text.endswith(">")):
            yield text
        elif text[1:-1] in reading.contexts:
            yield from reading.contexts[text[1:-1]]
        else:
            reading.complain(
                (file, line),
                f"{draft.slug}.{key}",
                f"context {text!r} is not known{suggest(text[1:-1], tuple(reading.contexts))}",
            )


def _iter_hosts(reading: Reading, draft: Draft) -> Iterator[str]:
    for text, file, line in draft.lists.get("hosts", ()):
        if _HOST.fullmatch(text):
            yield text
        else:
            reading.complain((file, line), f"{draft.slug}.hosts", f"{text!r} is no host name in lower case")


def _find_pattern_fault(pattern: str) -> str:
    """What is wrong with a pattern, or empty. Whatever could take more than linear time is refused."""
    try:
        re.compile(pattern)
    except re.error as error:
        return f"is no regular expression: {error}"
    if not _HEAD.match(pattern) or pattern[2:3] in ("?", "*", "{"):
        return "must begin with two plain characters, which lead the search"
    if re.search(r"\\[1-9]|\(\?(?![:!=])", pattern):
        return "may group with (?:...), (?=...) and (?!...) only, without references"
    depth_has_repeat = [False]
    position = 0
    while position < len(pattern):
        character = pattern[position]
        if character == "\\":
            position += 1
        elif character == "[":
            position = pattern.index("]", position + 2)
        elif character == "(":
            depth_has_repeat.append(False)
        elif character == ")":
            inner = depth_has_repeat.pop()
            if inner and pattern[position + 1 : position + 2] in ("*", "+", "{"):
                return "repeats what repeats already; that can take for ever"
            depth_has_repeat[-1] |= inner
        elif character in "*+{":
            depth_has_repeat[-1] = True
        elif character == "|" and len(depth_has_repeat) == 1:
            return "needs its alternatives inside (?:...)"
        position += 1
    return ""


# Checking the whole


def check_parents(reading: Reading, rules: Sequence[TagRule]) -> None:
    """Every slug that a tag points at exists, and no tag is its own ancestor."""
    by_slug = {rule.tag.slug: rule for rule in rules}
    for rule in rules:
        draft, slug = reading.drafts[rule.tag.slug], rule.tag.slug
        pointed = [("parents", parent) for parent in rule.parents]
        pointed += [("only_with", word[1:]) for word in rule.only_with if word.startswith("#")]
        for key, other in pointed:
            if other not in by_slug:
                hint = suggest(other, tuple(by_slug))
                reading.complain(draft.locate(key, other), f"{slug}.{key}", f"there is no tag {other!r}{hint}")
        if slug in _get_ancestors(rule, by_slug):
            reading.complain(draft.place, f"{slug}.parents", "the tag is its own ancestor")


def _get_ancestors(rule: TagRule, by_slug: Mapping[str, TagRule]) -> set[str]:
    waiting, seen = list(rule.parents), set[str]()
    while waiting:
        parent = waiting.pop()
        if parent not in seen and parent in by_slug:
            seen.add(parent)
            waiting.extend(by_slug[parent].parents)
    return seen


def check_aliases(reading: Reading, rules: Sequence[TagRule]) -> None:
    """Two tags share an alias only when a context tells them apart."""
    owners: dict[tuple[str, tuple[str, ...]], TagRule] = {}
    for rule in rules:
        for alias in rule.aliases:
            key = (alias.text if alias.pattern else alias.text.casefold(), alias.languages)
            other = owners.setdefault(key, rule)
            if other is rule or other.only_with or other.not_when or rule.only_with or rule.not_when:
                continue
            key_name = "patterns" if alias.pattern else "aliases"
            place = reading.drafts[rule.tag.slug].locate(key_name, alias.text)
            message = f"{alias.text!r} belongs to {other.tag.slug!r} already; give one of the two only_with or not_when"
            reading.complain(place, f"{rule.tag.slug}.{key_name}", message)
