"""Reads the taxonomy: the shipped file, then the editor's additions, into `TagRules`. Never matches anything.

The files are composed to YAML nodes and no further, which is fast, gives every mistake its line, and reads ``no`` and
``4.10`` as the words they are. `docs/tags.md` says how a tag is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from aggregator.config.tag_drafts import KINDS, NAMES, Draft, Reading, suggest
from aggregator.config.tag_rules import build_rule, check_aliases, check_parents
from aggregator.errors import ConfigError
from aggregator.model.tag import TagRule, TagRules

#: The taxonomy that comes with the program; always read first.
SHIPPED = Path(__file__).parent.parent / "data" / "taxonomy.yaml"

#: What stands in place of a file's name for tags that were added there.
DESK = "the desk"

#: Sections of tags of one kind, whose rows may be short.
SECTIONS = {"orgs": "org", "products": "product", "topics": "topic"}
LISTS = ("aliases", "patterns", "parents", "not_when", "only_with", "hosts")
SWITCHES = ("match_name", "replace", "remove")
KEYS = (*KINDS, *NAMES, "case", *LISTS, *SWITCHES)
#: What begins a part of a short row.
MARKS = {"<": "parents", "@": "hosts", "?": "only_with", "!": "not_when"}

_SLUG = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
#: What follows a tag's address in those of its feeds.
_FORMATS = (".atom", ".rss", ".json")
_PART = re.compile(r"\s([<@?!])\s+")
_NAME = re.compile(r"(ja|zh)=(?=\S)")


def load_tag_rules(paths: Sequence[Path], *, added: str = "") -> TagRules:
    """The shipped taxonomy with ``paths`` laid over it, in their order, and ``added``, YAML of the desk, over all.

    A later file may name a known slug again: names replace, lists are added to, ``replace: yes`` begins anew and
    ``remove: yes`` takes the tag away. Raises `ConfigError` with all mistakes of all files.
    """
    own = [path for path in paths if path != SHIPPED]
    return _lay_over(own, added) if own or added else _load_alone(SHIPPED)


@cache
def _load_alone(path: Path) -> TagRules:
    """The same object each time: what ships never changes under a running program, and matchers are kept by it."""
    return _check(_read_alone(path), tuple(_build_alone(path).values()))


@cache
def _read_alone(path: Path) -> Reading:
    """Most of the work of loading; to be copied before anything is laid over it."""
    reading = Reading()
    _read_file(reading, path)
    return reading


@cache
def _build_alone(path: Path) -> dict[str, TagRule]:
    reading = _read_alone(path)
    return {slug: rule for slug, draft in reading.drafts.items() if (rule := build_rule(reading, draft)) is not None}


def _read_all(own: Sequence[Path], added: str = "") -> Reading:
    reading = _read_alone(SHIPPED).copy()
    for path in own:
        _read_file(reading, path)
    if added:
        _read_node(reading, YAML(typ="rt").compose(added), DESK)
    return reading


def _lay_over(own: Sequence[Path], added: str) -> TagRules:
    shipped, reading = _read_alone(SHIPPED), _read_all(own, added)
    # What nothing was laid over is built already, unless the words that it speaks of are others.
    built = _build_alone(SHIPPED) if reading.contexts == shipped.contexts else {}
    rules = [
        built[slug] if slug in built and draft is shipped.drafts.get(slug) else build_rule(reading, draft)
        for slug, draft in reading.drafts.items()
    ]
    return _check(reading, tuple(rule for rule in rules if rule is not None))


def _check(reading: Reading, rules: tuple[TagRule, ...]) -> TagRules:
    if not reading.problems:
        check_parents(reading, rules)
        check_aliases(reading, rules)
    if reading.problems:
        raise ConfigError(tuple(sorted(reading.problems, key=lambda problem: (problem.file, problem.line))))
    return TagRules(rules=rules)


def read_drafts(paths: Sequence[Path]) -> dict[str, Draft]:
    """Every tag as the files write it, with where; of files that `load_tag_rules` has read without a mistake."""
    return _read_all([path for path in paths if path != SHIPPED]).drafts


# Reading


def _read_file(reading: Reading, path: Path) -> None:
    file = str(path)
    try:
        node = YAML(typ="rt").compose(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reading.complain((file, 0), "", f"cannot be read: {error}")
        return
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        reading.complain(
            (file, mark.line + 1 if mark else 0), "", f"is not YAML: {getattr(error, 'problem', None) or error}"
        )
        return
    _read_node(reading, node, file)


def _read_node(reading: Reading, node: Node | None, file: str) -> None:
    for key, value, place in _iter_items(reading, node, file, ""):
        if key == "contexts":
            for name, words, where in _iter_items(reading, value, file, key):
                reading.contexts[name] = tuple(
                    text for text, _, _ in _read_list(reading, words, file, f"contexts.{name}", where)
                )
        elif key == "tags" or key in SECTIONS:
            for slug, body, where in _iter_items(reading, value, file, key):
                _read_once(reading, slug, body, where, SECTIONS.get(key, ""))
        else:
            reading.complain(place, key, f"is not known{suggest(key, ('contexts', 'tags', *SECTIONS))}")


def _read_once(reading: Reading, slug: str, body: Node, place: tuple[str, int], kind: str) -> None:
    """One tag of a section of ``kind`` (empty: any). Of one file each tag is read once, whatever its section."""
    known = reading.drafts.get(slug)
    if known and known.place[0] == place[0]:
        reading.complain(place, slug, f"stands twice, first on line {known.place[1]}")
    elif kind and isinstance(body, ScalarNode):
        _lay(reading, _read_row(reading, slug, kind, body.value, place))
    else:
        _read_tag(reading, slug, body, place)


def _iter_items(
    reading: Reading, node: Node | None, file: str, key: str
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


def _read_row(reading: Reading, slug: str, kind: str, text: str, place: tuple[str, int]) -> Draft:
    """``Name, alias, =Exact, Family#, ja=名 < parent @ host ? only, with ! not, when``; each part may be left out.

    A name in brackets is only shown; with ``=`` before it, its capitals count.
    """
    fresh = Draft(slug, place)
    names, *parts = _PART.split(f"{text} ")
    for mark, words in zip(parts[::2], parts[1::2], strict=True):
        fresh.lists.setdefault(MARKS[mark], []).extend(_part_words(words, place))
    first, *others = _part_words(names, place) or [("", *place)]
    name = first[0].lstrip("=")
    hidden = name.startswith("(") and name.endswith(")")
    name = name[1:-1] if hidden else name
    if name:
        fresh.values[kind] = name
    if hidden or first[0].startswith("="):
        fresh.values["match_name"] = "no"
    aliases = [] if hidden or not first[0].startswith("=") else [first]
    for alias in others:
        if match := _NAME.match(alias[0]):
            fresh.values[match[1]] = alias[0][match.end() :]
            if fresh.values.get("match_name") == "no":
                aliases.append((fresh.values[match[1]], *place))
        else:
            aliases.append(alias)
    if aliases:
        fresh.lists["aliases"] = aliases
    return fresh


def _part_words(text: str, place: tuple[str, int]) -> list[tuple[str, str, int]]:
    return [(part.strip(), *place) for part in text.split(",") if part.strip()]


def _read_tag(reading: Reading, slug: str, body: Node, place: tuple[str, int]) -> None:
    fresh = Draft(slug, place)
    for key, value, where in _iter_items(reading, body, place[0], slug):
        if key in LISTS:
            fresh.lists[key] = _read_list(reading, value, place[0], f"{slug}.{key}", where)
        elif key not in KEYS:
            hint = "; a kind is org, product or topic" if key in ("kind", "name") else suggest(key, KEYS)
            reading.complain(where, f"{slug}.{key}", f"is not known{hint}")
        elif isinstance(value, ScalarNode) and value.value.strip():
            fresh.values[key] = value.value.strip()
            _check_value(reading, slug, key, value.value.strip(), where)
        else:
            reading.complain(where, f"{slug}.{key}", "expected a text")
    _lay(reading, fresh)


def _lay(reading: Reading, fresh: Draft) -> None:
    """Over what earlier files said about the tag."""
    slug, place = fresh.slug, fresh.place
    if not _SLUG.fullmatch(slug):
        reading.complain(
            place, slug, "is no slug: lower-case letters and digits, with '-' between words ('.' in versions)"
        )
    elif slug.endswith(_FORMATS):
        reading.complain(place, slug, "ends like an address of its own feed: the tag's page could not be reached")
    known = reading.drafts.get(slug)
    draft = known.copy() if known else Draft(slug, place)
    if fresh.values.get("remove") == "yes":
        if slug not in reading.drafts:
            reading.complain(place, f"{slug}.remove", f"there is no tag {slug!r}{suggest(slug, tuple(reading.drafts))}")
        reading.drafts.pop(slug, None)
        return
    if fresh.values.get("replace") == "yes":
        draft = Draft(slug, place)
    _merge(draft, fresh)
    reading.drafts[slug] = draft


def _merge(draft: Draft, fresh: Draft) -> None:
    draft.place = fresh.place
    kinds = [kind for kind in KINDS if kind in fresh.values]
    for kind in KINDS:
        if kinds:
            draft.values.pop(kind, None)
    draft.values.update(fresh.values)
    for key, items in fresh.lists.items():
        draft.lists.setdefault(key, []).extend(items)


def _read_list(reading: Reading, node: Node, file: str, key: str, place: tuple[str, int]) -> list[tuple[str, str, int]]:
    """(text, file, line): a YAML list, or a text with commas (a pattern is never parted)."""
    if isinstance(node, ScalarNode):
        parts = [node.value] if key.endswith(".patterns") else node.value.split(",")
        return [(part.strip(), *place) for part in parts if part.strip()]
    if not isinstance(node, SequenceNode) or any(not isinstance(item, ScalarNode) for item in node.value):
        reading.complain(place, key, "expected texts, as a list or with commas between them")
        return []
    return [(str(item.value).strip(), file, item.start_mark.line + 1) for item in node.value if str(item.value).strip()]


def _check_value(reading: Reading, slug: str, key: str, value: str, place: tuple[str, int]) -> None:
    if key in SWITCHES and value not in ("yes", "no"):
        reading.complain(place, f"{slug}.{key}", f"found {value!r}, expected yes or no")
    if key == "case" and value not in ("exact", "any"):
        reading.complain(place, f"{slug}.{key}", f"found {value!r}, expected exact or any")
