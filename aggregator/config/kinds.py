"""The kinds of single values that `config.yaml` may hold: each checks one value and says what it expected instead.

Never reads a file and never looks at two keys at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import GetCoreSchemaHandler, SecretStr
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

SHOWN_CHARACTERS = 80


class Unfit(ValueError):
    """A value that is no good. Its text, when there is one, says more exactly than the kind what was expected."""


def show_value(value: object) -> str:
    """A value as an editor would recognise it, in a few words."""
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        cut = value if len(value) <= SHOWN_CHARACTERS else value[: SHOWN_CHARACTERS - 1] + "…"
        return json.dumps(cut, ensure_ascii=False)
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    return f"the date {value}"


@dataclass(frozen=True, slots=True)
class Kind:
    """Metadata for ``Annotated``: how one value is checked, turned and described.

    ``read`` gets the plain YAML value and returns the Python one, or raises `Unfit`. ``from_text`` turns the text of
    an environment variable into what YAML would have given.
    """

    expected: str
    read: Callable[[object], object]
    #: How the value appears in a message; kinds that may hold a secret hide it.
    show: Callable[[object], str] = show_value
    from_text: Callable[[str], object] = str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def check(self, value: object) -> object:
        """The value as Python wants it; raises the one error type that `problems` shows word for word."""
        try:
            return self.read(value)
        except Unfit as error:
            text = f"found {self.show(value)}, expected {str(error) or self.expected}"
            raise PydanticCustomError("unfit", "{text}", {"text": text}) from None


def read_text(value: object) -> str:
    """Text as it stands; a number or a date that YAML recognised is not text (the editor may quote it)."""
    if not isinstance(value, str) or not value.strip():
        raise Unfit
    return value.strip()


def text(expected: str, *, limit: int = 2_000, lines: bool = False, ascii_only: bool = False) -> Kind:
    """Text up to ``limit`` characters, on one line unless ``lines``."""

    def read(value: object) -> str:
        if isinstance(value, int | float | date):
            raise Unfit(f"{expected} (put it in quotes)")
        found = read_text(value)
        if ascii_only and not found.isascii():
            raise Unfit(f"{expected} in ASCII")
        if len(found) > limit:
            raise Unfit(f"{expected}, at most {limit} characters")
        if any(not (c.isprintable() or (lines and c == "\n")) for c in found):
            raise Unfit(f"{expected}, {'without' if lines else 'on one line and without'} control characters")
        return found

    return Kind(expected, read)


def whole(expected: str, *, least: int, most: int) -> Kind:
    """A whole number within bounds."""
    wanted = f"{expected}, a whole number from {least} to {most}"

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise Unfit
        return int(value)

    return Kind(wanted, read, from_text=_number)


def number(expected: str, *, least: float, most: float) -> Kind:
    """A number within bounds, fractions allowed."""
    wanted = f"{expected}, a number from {least:g} to {most:g}"

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise Unfit
        return float(value)

    return Kind(wanted, read, from_text=_number)


def _number(text: str) -> object:
    for form in (int, float):
        try:
            return form(text)
        except ValueError:
            continue
    return text


def _read_switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise Unfit
    return value


SWITCH = Kind("true or false", _read_switch, from_text=lambda text: {"true": True, "false": False}.get(text, text))


def choice(*words: str) -> Kind:
    """One of a few words."""

    def read(value: object) -> str:
        if value not in words:
            raise Unfit
        return str(value)

    return Kind(" or ".join([", ".join(words[:-1]), words[-1]]), read)


def _read_secret(value: object) -> SecretStr:
    found = read_text(value)
    if not found.isprintable() or not found.isascii():
        raise Unfit
    return SecretStr(found)


SECRET = Kind(
    "ASCII text without control characters", _read_secret, show=lambda value: "a value that is not shown here"
)
