"""What a browser or a program sent to the desk, as plain values within bounds. Never trusts a length."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_origin

from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from aggregator.web.desk.visit import Fields
from aggregator.web.desk.words import N_, FieldError, Said, quote, say

#: Of one text in a form; and how many there may be.
MAX_TEXT, MAX_FIELDS = 1024 * 1024, 2_000
#: Of one text as it travels: a letter takes up to twelve bytes (RFC 3986), and the whole is bounded elsewhere.
_PART_BYTES = 12 * MAX_TEXT
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

#: pydantic's kinds of mistakes, in our words.
_SAID: Mapping[str, str] = {
    "missing": N_("This is missing."),
    "extra_forbidden": N_("There is no such field."),
    "string_too_long": N_("At most %(max_length)s characters."),
    "string_too_short": N_("This is missing."),
    "too_long": N_("At most %(max_length)s of them."),
    "int_parsing": N_("A whole number is needed."),
    "int_type": N_("A whole number is needed."),
    "int_from_float": N_("A whole number is needed."),
    "float_parsing": N_("A number is needed."),
    "float_type": N_("A number is needed."),
    "finite_number": N_("A number is needed."),
    "greater_than_equal": N_("At least %(ge)s."),
    "less_than_equal": N_("At most %(le)s."),
    "literal_error": N_("One of: %(expected)s."),
    "string_type": N_("A text is needed."),
    "list_type": N_("A list is needed."),
    "tuple_type": N_("A list is needed."),
    "bool_parsing": N_("Yes or no is needed."),
    "string_pattern_mismatch": N_("This does not look right."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Fields in their order, and files."""

    fields: Mapping[str, list[str]] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


def _bound(request: Request, most: int) -> Request:
    """The request, which gives up, with 413, when more than ``most`` bytes have come, whatever was announced."""
    taken = 0

    async def receive() -> Message:
        nonlocal taken
        message = await request.receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise HTTPException(413)
        return message

    return Request(request.scope, receive)


async def read_sent(request: Request, most: int) -> Sent:
    """Of ``most`` bytes; what is no form is an empty one."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _FORMS:
        return Sent()
    fields: dict[str, list[str]] = {}
    files: dict[str, bytes] = {}
    try:
        async with _bound(request, most).form(max_files=4, max_fields=MAX_FIELDS, max_part_size=_PART_BYTES) as form:
            for name, value in form.multi_items():
                if isinstance(value, UploadFile):
                    if value.size:
                        files[name] = await value.read()
                else:
                    fields.setdefault(name, []).append(_bound_text(value))
    except HTTPException:
        raise
    except (ValueError, KeyError, UnicodeError):
        raise HTTPException(400) from None
    return Sent(fields=fields, files=files)


def _bound_text(value: str) -> str:
    """With our ends of lines. What is too long is refused: nobody would see that its end is missing."""
    text = clean_text(value).replace("\r\n", "\n")
    if len(text) > MAX_TEXT:
        raise HTTPException(413)
    return text


async def read_json(request: Request, most: int) -> dict[str, Any]:
    """An object of ``most`` bytes; nothing at all is an empty one. Raises `FieldError`."""
    body = await _bound(request, most).body()
    if not body.strip():
        return {}
    try:
        found = _clean(json.loads(body))
    except (ValueError, RecursionError):
        raise FieldError({"": say(N_("The body is no JSON."))}) from None
    if not isinstance(found, dict):
        raise FieldError({"": say(N_("The body is no JSON object."))})
    return found


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, dict):
        return {clean_text(name): _clean(one) for name, one in value.items()}
    return value


def clean_text(text: str) -> str:
    """Without what no database takes: NUL, halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode("utf-8")


def make_fields(kind: type[Fields], sent: Mapping[str, list[str]]) -> Fields:
    """Of a form: the fields that it knows; left empty, one is what it says of itself. Raises `FieldError`."""
    values: dict[str, Any] = {}
    for name, info in kind.model_fields.items():
        given = sent.get(name)
        if given is None:
            continue
        if get_origin(info.annotation) in (tuple, list):
            values[name] = given
        elif given[0] != "" or info.annotation is str:
            values[name] = given[0]
    return check_fields(kind, values)


def check_fields(kind: type[Fields], values: Mapping[str, Any]) -> Fields:
    """Raises `FieldError`."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise FieldError({_name(found["loc"]): _describe(found) for found in error.errors(include_url=False)}) from None


def _name(location: tuple[int | str, ...]) -> str:
    return str(location[0]) if location else ""


def _describe(found: Any) -> Said:
    message = _SAID.get(found["type"])
    if message is None:
        text = str(found["msg"]).removeprefix("Value error, ")
        return quote(text)
    return Said(message, {**found.get("ctx", {})})
