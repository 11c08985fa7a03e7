"""Reads the taxonomy: the shipped file, then the editor's additions, into `TagRules`. Never matches anything.

The files are composed to YAML nodes and no further, which is fast, gives every mistake its line, and reads ``no`` and
``4.10`` as the words they are. `docs/taxonomy.md` says how a tag is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import cast

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from aggregator.errors import ConfigError, Problem
from aggregator.model.tag import Alias, Tag, TagKind, TagRule, TagRules

#: The taxonomy that comes with the program; always read first.
SHIPPED = Path(__file__).parent.parent / "data" / "taxonomy.yaml"

KINDS = ("org", "product", "topic")
NAMES = ("ja", "zh")
LISTS = ("aliases", "patterns", "parents", "not_when", "only_with", "hosts")
SWITCHES = ("match_name", "replace", "remove")
KEYS = (*KINDS, *NAMES, "case", *LISTS, *SWITCHES)

_SLUG = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
_LANGUAGE_MARK = re.compile(r"([a-z]{2,3}):(?=\S)")
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_HEAD = re.compile(r"[^\W_][^\\.^$*+?{}\[\]|()]")


@dataclass(slots=True)
class _Draft:
    """A tag while files are read: values by key, and the file and line that each came from."""

    slug: str
    place: tuple[str, int]
    values: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[tuple[str, str, int]]] = field(default_factory=dict)

    def locate(self, key: str, text: str) -> tuple[str, int]:
        """Where ``text`` was written in the list ``key``; where the tag stands when it was not."""
        for written, file, line in self.lists.get(key, ()):
            if written.lstrip("#=~") == text.lstrip("#"):
                return file, line
        return self.place


@dataclass(slots=True)
class _Reading:
    drafts: dict[str, _Draft] = field(default_factory=dict)
    contexts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def complain(self, place: tuple[str, int], key: str, message: str) -> None:
        self.problems.append(Problem(file=place[0], line=place[1], key=key, message=message))


def load_tag_rules(paths: Sequence[Path]) -> TagRules:
    """The shipped taxonomy with ``paths`` laid over it, in their order.

    A later file may name a known slug again: names replace, lists are added to, ``replace: yes`` begins anew and
    ``remove: yes`` takes the tag away. Raises `ConfigError` with all mistakes of all files.
    """
    reading = _Reading()
    for path in (SHIPPED, *(path for path in paths if path != SHIPPED)):
        _read_file(reading, path)
    rules = tuple(rule for draft in reading.drafts.values() if (rule := _build_rule(reading, draft)) is not None)
    if not reading.problems:
        _check_parents(reading, rules)
        _check_aliases(reading, rules)
    if reading.problems:
        raise ConfigError(tuple(sorted(reading.problems, key=lambda problem: (problem.file, problem.line))))
    return TagRules(rules=rules)


# Reading


def _read_file(reading: _Reading, path: Path) -> None:
    file = str(path)
    try:
        node = _compose_shipped() if path == SHIPPED else _compose(path)
    except (OSError, UnicodeDecodeError) as error:
        reading.complain((file, 0), "", f"cannot be read: {error}")
        return
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        reading.complain(
            (file, mark.line + 1 if mark else 0), "", f"is not YAML: {getattr(error, 'problem', None) or error}"
        )
        return
    for key, value, place in _iter_items(reading, node, file, ""):
        if key == "contexts":
            for name, words, where in _iter_items(reading, value, file, key):
                reading.contexts[name] = tuple(
                    text for text, _, _ in _read_list(reading, words, file, f"contexts.{name}", where)
                )
        elif key == "tags":
            for slug, body, where in _iter_items(reading, value, file, key):
                _read_tag(reading, slug, body, where)
        else:
            reading.complain(place, key, f"is not known{_suggest(key, ('contexts', 'tags'))}")


def _compose(path: Path) -> Node | None:
    return YAML(typ="rt").compose(path.read_text(encoding="utf-8-sig"))  # type: ignore[no-any-return]


@cache
def _compose_shipped() -> Node | None:
    """It is most of the work of loading, and the file never changes under a running program."""
    return _compose(SHIPPED)


def _iter_items(
    reading: _Reading, node: Node | None, file: str, key: str
) -> Iterator[tuple[str, Node, tuple[str, int]]]:
    """(key, value, (file, line)) of a mapping; complains about anything else and about keys given twice."""
    if node is None or (isinstance(node, ScalarNode) and node.value == ""):
        return
    if not isinstance(node, MappingNode):
        reading.complain((file, node.start_mark.line + 1), key, "expected keys and values")
        return
    seen: dict[str, int] = {}
    for name, value in node.value:
        line = name.start_mark.line + 1
        text = str(name.value) if isinstance(name, ScalarNode) else ""
        if text in seen:
            reading.complain((file, line), f"{key}.{text}".lstrip("."), f"stands twice, first on line {seen[text]}")
            continue
        seen[text] = line
        yield text, value, (file, line)


def _read_tag(reading: _Reading, slug: str, body: Node, place: tuple[str, int]) -> None:
    if not _SLUG.fullmatch(slug):
        reading.complain(
            place, slug, "is no slug: lower-case letters and digits, with '-' between words ('.' in versions)"
        )
    draft = reading.drafts.get(slug) or _Draft(slug, place)
    fresh = _Draft(slug, place)
    for key, value, where in _iter_items(reading, body, place[0], slug):
        if key in LISTS:
            fresh.lists[key] = _read_list(reading, value, place[0], f"{slug}.{key}", where)
        elif key not in KEYS:
            hint = "; a kind is org, product or topic" if key in ("kind", "name") else _suggest(key, KEYS)
            reading.complain(where, f"{slug}.{key}", f"is not known{hint}")
        elif isinstance(value, ScalarNode) and value.value.strip():
            fresh.values[key] = value.value.strip()
            _check_value(reading, slug, key, value.value.strip(), where)
        else:
            reading.complain(where, f"{slug}.{key}", "expected a text")
    if fresh.values.get("remove") == "yes":
        reading.drafts.pop(slug, None)
        return
    if fresh.values.get("replace") == "yes":
        draft = _Draft(slug, place)
    _merge(draft, fresh)
    reading.drafts[slug] = draft


def _merge(draft: _Draft, fresh: _Draft) -> None:
    draft.place = fresh.place
    kinds = [kind for kind in KINDS if kind in fresh.values]
    for kind in KINDS:
        if kinds:
            draft.values.pop(kind, None)
    draft.values.update(fresh.values)
    for key, items in fresh.lists.items():
        draft.lists.setdefault(key, []).extend(items)


def _read_list(
    reading: _Reading, node: Node, file: str, key: str, place: tuple[str, int]
) -> list[tuple[str, str, int]]:
    """(text, file, line): a YAML list, or a text with commas (a pattern is never parted)."""
    if isinstance(node, ScalarNode):
        parts = [node.value] if key.endswith(".patterns") else node.value.split(",")
        return [(part.strip(), *place) for part in parts if part.strip()]
    if not isinstance(node, SequenceNode) or any(not isinstance(item, ScalarNode) for item in node.value):
        reading.complain(place, key, "expected texts, as a list or with commas between them")
        return []
    return [(str(item.value).strip(), file, item.start_mark.line + 1) for item in node.value if str(item.value).strip()]


def _check_value(reading: _Reading, slug: str, key: str, value: str, place: tuple[str, int]) -> None:
    if key in SWITCHES and value not in ("yes", "no"):
        reading.complain(place, f"{slug}.{key}", f"found {value!r}, expected yes or no")
    if key == "case" and value not in ("exact", "any"):
        reading.complain(place, f"{slug}.{key}", f"found {value!r}, expected exact or any")


def _suggest(word: str, known: Sequence[str]) -> str:
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}" if len(known) < 25 else ""


# Building


def _build_rule(reading: _Reading, draft: _Draft) -> TagRule | None:
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


def _iter_aliases(reading: _Reading, draft: _Draft, tag: Tag) -> Iterator[Alias]:
    """The name and its translations (unless ``match_name: no``), the aliases, the patterns; each once."""
    exact = draft.values.get("case") == "exact"
    texts = [(text, draft.place) for text in (tag.name, *(name for _, name in tag.names))]
    if draft.values.get("match_name") == "no":
        texts = []
    texts += [(text, (file, line)) for text, file, line in draft.lists.get("aliases", ())]
    seen: set[Alias] = set()
    for text, place in texts:
        alias = _read_alias(text, exact)
        if not any(character.isalnum() for character in alias.text):
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


def _read_alias(text: str, exact: bool) -> Alias:
    """``ja:=Text``: only in Japanese, capitals as they stand; ``~Text``: any case although the tag says exact."""
    languages: tuple[str, ...] = ()
    mark = _LANGUAGE_MARK.match(text)
    if mark:
        languages, text = (mark[1],), text[mark.end() :]
    if text[:1] in "=~" and len(text) > 1:
        exact, text = text[0] == "=", text[1:]
    return Alias(text=text.strip(), exact_case=exact, languages=languages)


def _iter_words(reading: _Reading, draft: _Draft, key: str) -> Iterator[str]:
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
                f"context {text!r} is not known{_suggest(text[1:-1], tuple(reading.contexts))}",
            )


def _iter_hosts(reading: _Reading, draft: _Draft) -> Iterator[str]:
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


def _check_parents(reading: _Reading, rules: Sequence[TagRule]) -> None:
    """Every slug that a tag points at exists, and no tag is its own ancestor."""
    by_slug = {rule.tag.slug: rule for rule in rules}
    for rule in rules:
        draft, slug = reading.drafts[rule.tag.slug], rule.tag.slug
        pointed = [("parents", parent) for parent in rule.parents]
        pointed += [("only_with", word[1:]) for word in rule.only_with if word.startswith("#")]
        for key, other in pointed:
            if other not in by_slug:
                hint = _suggest(other, tuple(by_slug))
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


def _check_aliases(reading: _Reading, rules: Sequence[TagRule]) -> None:
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
