"""Reads the shipped lexicon of grouping into a `Lexicon`. Never matches a word.

`aggregator/data/events.yaml` says at its top how it is written. It is no setting: it changes with the program only.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from aggregator.errors import ConfigError, Problem
from aggregator.model.lexicon import Concept, ConceptKind, Lexicon

SHIPPED = Path(__file__).parent.parent / "data" / "events.yaml"

LANGUAGES = ("en", "fr", "ja", "zh")
_KINDS: dict[str, ConceptKind] = {"events": "event", "things": "thing", "names": "name"}
_Words = tuple[tuple[str, tuple[str, ...]], ...]


def load_lexicon() -> Lexicon:
    """The shipped lexicon; read once, since it never changes under a running program. Raises `ConfigError`."""
    return _read(SHIPPED)


@cache
def _read(path: Path) -> Lexicon:
    try:
        top = dict(_iter_items(YAML(typ="rt").compose(path.read_text(encoding="utf-8")), path))
        concepts = tuple(
            Concept(slug=slug, kind=kind, words=_read_words(node, path))
            for section, kind in _KINDS.items()
            for slug, node in _iter_items(top[section], path)
        )
        rarity = tuple(
            (slug, float(weight)) for weight, node in _iter_items(top["common"], path) for slug in _split(node, path)
        )
        return Lexicon(
            concepts=concepts,
            rarity=rarity,
            stop=_read_words(top["stop"], path, between=None),
            weak=_read_words(top["weak"], path, between=None),
            digest=_read_words(top["digest"], path),
        )
    except (OSError, YAMLError, KeyError, ValueError) as error:
        raise ConfigError((Problem(file=str(path), line=0, key="", message=f"cannot be read: {error}"),)) from error


def _read_words(node: Node, path: Path, between: str | None = ",") -> _Words:
    return tuple(
        (language, _split(words, path, between)) for language, words in _iter_items(node, path) if _check(language)
    )


def _check(language: str) -> bool:
    if language not in LANGUAGES:
        raise ValueError(f"{language!r} is no language of the lexicon")
    return True


def _split(node: Node, path: Path, between: str | None = ",") -> tuple[str, ...]:
    if not isinstance(node, ScalarNode):
        raise ValueError(f"line {node.start_mark.line + 1}: expected words with commas between them")
    text = str(node.value).replace("\a", " ")  # ruamel's mark of a folded line
    text = text.replace(",", " ") if between is None else text
    return tuple(dict.fromkeys(" ".join(word.split()) for word in text.split(between) if word.strip()))


def _iter_items(node: Node | None, path: Path) -> Iterator[tuple[str, Node]]:
    if not isinstance(node, MappingNode):
        raise ValueError(f"line {node.start_mark.line + 1 if node else 0}: expected keys and values")
    seen: set[str] = set()
    for key, value in node.value:
        name = str(key.value)
        if name in seen:
            raise ValueError(f"line {key.start_mark.line + 1}: {name!r} stands twice")
        seen.add(name)
        yield name, value
