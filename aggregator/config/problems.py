"""Turns what pydantic found into `Problem`s with a line, a key and words that an editor understands. Reads nothing."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from aggregator.config.document import Document, Location, format_location
from aggregator.config.kinds import Kind, show_value
from aggregator.config.schema import FEED_FORMS, Config
from aggregator.errors import Problem

#: Keys that people look for in the file and that belong elsewhere.
ELSEWHERE = {
    ("mail", "smtp", "password"): "password_file, or AGGREGATOR_MAIL_SMTP_PASSWORD in the environment",
    ("mail", "fallback", "password"): "password_file, or AGGREGATOR_MAIL_FALLBACK_PASSWORD in the environment",
    (
        "mail",
        "bounces",
        "imap",
        "password",
    ): "password_file, or AGGREGATOR_MAIL_BOUNCES_IMAP_PASSWORD in the environment",
    ("mail", "dkim", "key"): "key_file",
}

Path = tuple[str, ...]


def find_problems(error: ValidationError, document: Document, variables: Mapping[Location, str]) -> list[Problem]:
    """One `Problem` for each thing that pydantic found; ``variables`` says which keys the environment set."""
    problems = []
    for found in error.errors(include_url=False):
        path = tuple("[]" if isinstance(part, int) else part for part in found["loc"] if part != "[key]")
        location = tuple(part for part in found["loc"] if not _is_form(part) and part != "[key]")
        message = _describe(found["type"], path, found["input"], found.get("ctx", {}))
        variable = next((name for key, name in variables.items() if location[: len(key)] == key), "")
        if variable:
            problems.append(Problem(file="environment", line=0, key=variable, message=message))
            continue
        line = document.find_line(location)
        problems.append(Problem(file=document.file, line=line, key=format_location(location), message=message))
    return problems


def _is_form(part: str | int) -> bool:
    return isinstance(part, str) and part.startswith("<")


def _describe(kind: str, path: Path, value: Any, context: Mapping[str, Any]) -> str:
    name = path[-1]
    match kind:
        case "unfit":
            return str(context["text"])
        case "missing":
            return f'found no "{name}", expected {find_expected(path)}'
        case "extra_forbidden":
            return _describe_unknown(path)
        case "too_long":
            return f"found a list of {context['actual_length']}, expected at most {context['max_length']}"
        case "union_tag_not_found":
            return _describe_form(value)
        case _:
            return f"found {show_value(value)}, expected {find_expected(path)}"


def _describe_form(value: Any) -> str:
    if not isinstance(value, dict):
        return f"found {show_value(value)}, expected a mapping with url, folder or opml"
    found = [key for key in FEED_FORMS if key in value]
    if found:
        return f"found {' and '.join(found)}, expected only one of url, folder and opml"
    return f"found a feed without an address, expected url, folder or opml{suggest(list(value), list(FEED_FORMS))}"


def _describe_unknown(path: Path) -> str:
    if path in ELSEWHERE:
        return f'found "{path[-1]}" in the file, expected {ELSEWHERE[path]}'
    names = sorted(key[-1] for key in iter_keys() if key[:-1] == path[:-1])
    expected = f"one of {', '.join(names)}" if len(names) > 1 else f"only {names[0]}"
    return f'found the unknown key "{path[-1]}", expected {expected}{suggest([path[-1]], names)}'


def suggest(words: list[str], names: list[str]) -> str:
    """`` (did you mean "title"?)`` for the first word that is close to a name; empty when none is."""
    for word in words:
        near = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
        if near:
            return f' (did you mean "{near[0]}"?)'
    return ""


def find_expected(path: Path) -> str:
    """What the key at ``path`` expects, in words."""
    field = iter_keys().get(path)
    if field is None:
        return "something else" if path[-1] != "[]" else "a mapping"
    if find_model(field.annotation) is not None:
        needed = [key[-1] for key, inner in iter_keys().items() if key[:-1] == path and inner.is_required()]
        return " with ".join(["a mapping", *([" and ".join(needed)] if needed else [])])
    kind = find_kind(field)
    origin = typing.get_origin(field.annotation)
    if origin is tuple:
        return "a list"
    if origin is dict:
        return "a mapping of names and values"
    return kind.expected if kind else "a value"


_KEYS: dict[Path, FieldInfo] = {}


def iter_keys() -> Mapping[Path, FieldInfo]:
    """Every key that `config.yaml` may hold, in its order: ``("feeds", "[]", "<url>", "title")`` -> its declaration."""
    if not _KEYS:
        _KEYS.update(_walk(Config, ()))
    return _KEYS


def _walk(model: type[BaseModel], path: Path) -> Iterator[tuple[Path, FieldInfo]]:
    for name, field in model.model_fields.items():
        key = (*path, field.alias or name)
        yield key, field
        if key == ("feeds",):
            for form, feed_model in FEED_FORMS.items():
                yield from _walk(feed_model, (*key, "[]", f"<{form}>"))
        elif (inner := find_model(field.annotation)) is not None:
            yield from _walk(inner, key)
        elif typing.get_origin(field.annotation) is tuple:
            item = find_model(typing.get_args(field.annotation)[0])
            if item is not None:
                yield from _walk(item, (*key, "[]"))


def find_model(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation stands for, when it is one or None."""
    options: list[Any] = [annotation]
    if isinstance(annotation, types.UnionType):
        options += typing.get_args(annotation)
    models = [option for option in options if isinstance(option, type) and issubclass(option, BaseModel)]
    return models[0] if models else None


def find_kind(field: FieldInfo) -> Kind | None:
    """The kind of a single value, or of the items of a list."""
    stack: list[Any] = [*field.metadata, field.annotation]
    while stack:
        part = stack.pop(0)
        if isinstance(part, Kind):
            return part
        stack += getattr(part, "__metadata__", ())
        stack += typing.get_args(part)[:1]
    return None
