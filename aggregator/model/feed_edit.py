"""What the desk says of a feed in place of what was asked for. Never says where a feed lives: it moves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from aggregator.model.feed import FeedSpec

#: Of `FeedSpec`, what may be said otherwise.
EditedField = Literal["title", "language", "weight", "tags", "interval", "headers"]
EDITED_FIELDS: tuple[EditedField, ...] = get_args(EditedField)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEdit:
    """One field. Values are JSON: an interval is seconds or None, headers and tags are lists."""

    value: Any
    #: What was asked for by configuration, list or command, and holds again without the edit.
    base: Any
    at: datetime
    #: Name of the account.
    by: str


def get_field(spec: FeedSpec, name: EditedField) -> Any:
    """As JSON."""
    if name == "interval":
        return None if spec.interval is None else round(spec.interval.total_seconds())
    if name == "tags":
        return list(spec.tags)
    if name == "headers":
        return [list(header) for header in spec.headers]
    return getattr(spec, name)


def set_field(spec: FeedSpec, name: EditedField, value: Any) -> FeedSpec:
    """The spec with a field as JSON has it."""
    if name == "interval":
        return replace(spec, interval=None if value is None else timedelta(seconds=value))
    if name == "tags":
        return replace(spec, tags=tuple(value))
    if name == "headers":
        return replace(spec, headers=tuple((header, text) for header, text in value))
    return replace(spec, **{name: value})
