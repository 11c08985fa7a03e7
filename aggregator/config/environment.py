"""``AGGREGATOR_<SECTION>_<KEY>`` variables laid over the file. Never reads ``os.environ`` itself: it is handed in."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

from aggregator.config.document import Document, Location
from aggregator.config.problems import find_kind, find_model, iter_keys, suggest
from aggregator.errors import Problem

PREFIX = "AGGREGATOR_"
#: Which file to read; looked at by the command line.
CONFIG_VARIABLE = "AGGREGATOR_CONFIG"
#: Section with ``username`` and ``password_file`` -> the variable that may hold its password instead.
PASSWORD_VARIABLES: dict[tuple[str, ...], str] = {
    ("mail", "smtp"): "AGGREGATOR_MAIL_SMTP_PASSWORD",
    ("mail", "fallback"): "AGGREGATOR_MAIL_FALLBACK_PASSWORD",
    ("mail", "bounces", "imap"): "AGGREGATOR_MAIL_BOUNCES_IMAP_PASSWORD",
}

#: Lists and mappings that one line of text cannot hold.
FILE_ONLY = ("feeds", "newsletters", "interests", "rules", "alerts")


def get_variables() -> dict[str, tuple[str, ...]]:
    """Name of the variable -> the key that it sets: all keys but those inside lists, and no mappings."""
    return {
        PREFIX + "_".join(path).upper(): path
        for path, field in iter_keys().items()
        if "[]" not in path
        and path[0] not in FILE_ONLY
        and not find_model(field.annotation)
        and typing.get_origin(field.annotation) is not dict
    }


def apply_environment(document: Document, environ: Mapping[str, str]) -> dict[Location, str]:
    """Lay the variables over the document's values; returns which key was set by which variable.

    An empty variable counts as not set. A variable that no key answers to becomes a problem.
    """
    known = get_variables()
    passwords = tuple(PASSWORD_VARIABLES.values())
    applied: dict[Location, str] = {}
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in (CONFIG_VARIABLE, *passwords) or not environ[name]:
            continue
        if name not in known:
            message = f"found an unknown variable, expected {_suggest_variable(name, [*known, *passwords])}"
            document.problems.append(Problem(file="environment", line=0, key=name, message=message))
            continue
        path = known[name]
        if _set(document.values, path, _read(path, environ[name])):
            applied[path] = name
    _drop_outbox(document, applied)
    return applied


def _suggest_variable(name: str, names: list[str]) -> str:
    section = name.removeprefix(PREFIX).partition("_")[0].lower()
    if section in FILE_ONLY:
        return f"{section} in the file"
    by_lower = {known.lower(): known for known in names}
    hint = suggest([name], list(by_lower))
    for lower, known in by_lower.items():
        hint = hint.replace(f'"{lower}"', f'"{known}"')
    return f"AGGREGATOR_<SECTION>_<KEY>{hint}"


def _read(path: tuple[str, ...], text: str) -> object:
    field = iter_keys()[path]
    if typing.get_origin(field.annotation) is tuple:
        return [item.strip() for item in text.split(",") if item.strip()]
    kind = find_kind(field)
    return kind.from_text(text) if kind else text


def _set(values: dict[str, Any], path: tuple[str, ...], value: object) -> bool:
    for part in path[:-1]:
        inner = values.get(part)
        if inner is None:
            inner = values[part] = {}
        if not isinstance(inner, dict):
            return False  # the file has a mistake there, which will be reported
        values = inner
    values[path[-1]] = value
    return True


def _drop_outbox(document: Document, applied: Mapping[Location, str]) -> None:
    """A mail server named by the environment replaces the file's outbox: so one image serves trial and service."""
    mail = document.values.get("mail")
    if ("mail", "smtp", "host") in applied and ("mail", "outbox") not in applied and isinstance(mail, dict):
        mail.pop("outbox", None)
