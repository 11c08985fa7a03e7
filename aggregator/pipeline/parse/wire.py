"""A `ParsedFeed` as bytes and back, for the way out of a child process. Never pickle: who broke into the parser must
not get further by its answer.

JSON arrays in the order of the dataclasses' fields: arrays are read several times faster than objects. Whatever is not
exactly of the right type is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from aggregator.errors import ParseError
from aggregator.model.feed import FAILURE_CLASSES
from aggregator.model.parsed import Enclosure, ParsedEntry, ParsedFeed, RejectedEntry

_Shape = type[ParsedFeed | ParsedEntry | Enclosure | RejectedEntry]


def encode_answer(answer: ParsedFeed | ParseError) -> bytes:
    """What the child says."""
    said: object = ["error", answer.failure_class, answer.reason] if isinstance(answer, ParseError) else answer
    return json.dumps(said, default=_plain, ensure_ascii=False).encode("utf-8", "surrogatepass")


def decode_answer(answer: bytes) -> ParsedFeed | ParseError:
    """What it said; raises whatever comes (`ValueError`, `TypeError`...) when no honest child would say so."""
    said = json.loads(answer.decode("utf-8", "surrogatepass"))
    if said[0] == "error":
        _, failure_class, reason = said
        return ParseError(failure_class if failure_class in FAILURE_CLASSES else "too_hostile", _text(reason))
    feed: ParsedFeed = _build(ParsedFeed, said)
    return feed


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.astimezone(UTC).timestamp()
        case bytes():
            return value.hex()
        case ParsedFeed():
            return _ROW_OF_FEED(value)
        case ParsedEntry():
            return _ROW_OF_ENTRY(value)
        case Enclosure():
            return (value.url, value.type, value.length)
        case RejectedEntry():
            return (value.index, value.reason)
    raise TypeError(type(value).__name__)


def _row(shape: _Shape) -> Any:
    return attrgetter(*(field.name for field in fields(shape)))


_ROW_OF_FEED, _ROW_OF_ENTRY = _row(ParsedFeed), _row(ParsedEntry)


def _build(shape: Any, row: Sequence[Any]) -> Any:
    values = dict(zip(_NAMES[shape], row, strict=True))
    for name, read in _READERS[shape]:
        values[name] = read(values[name])
    if not all(type(values[name]) is str for name in _TEXTS[shape]):
        raise TypeError(f"a text of {shape.__name__} that is none")
    return shape(**values)


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError("a text that is none")
    return value


def _number(value: object) -> int | None:
    if value is not None and type(value) is not int:
        raise TypeError("a number that is none")
    return value


def _moment(value: object) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(float(value), UTC)  # type: ignore[arg-type]


def _numbers(values: Iterable[object]) -> tuple[int, ...]:
    return tuple(_number(value) or 0 for value in values)


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(map(_text, values))


def _rows(shape: _Shape) -> Any:
    return lambda rows: tuple(_build(shape, row) for row in rows)


_NAMES: dict[Any, tuple[str, ...]] = {}
_TEXTS: dict[Any, tuple[str, ...]] = {}
_READERS: dict[Any, tuple[tuple[str, Any], ...]] = {}
_READERS_BY_TYPE = {
    "int": _number,
    "int | None": _number,
    "datetime | None": _moment,
    "tuple[int, ...]": _numbers,
    "tuple[str, ...]": _texts,
    "tuple[ParsedEntry, ...]": _rows(ParsedEntry),
    "tuple[Enclosure, ...]": _rows(Enclosure),
    "tuple[RejectedEntry, ...]": _rows(RejectedEntry),
    "bytes": bytes.fromhex,
}
for _shape in (ParsedFeed, ParsedEntry, Enclosure, RejectedEntry):
    _NAMES[_shape] = tuple(field.name for field in fields(_shape))
    _TEXTS[_shape] = tuple(field.name for field in fields(_shape) if field.type == "str")
    _READERS[_shape] = tuple(
        (field.name, _READERS_BY_TYPE[str(field.type)]) for field in fields(_shape) if field.type != "str"
    )
