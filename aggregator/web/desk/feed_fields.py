"""What forms about feeds hold, read as the same keys of the configuration are. Never changes a feed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import Annotated, Any, Literal

from pydantic import Field

from aggregator.config.kinds import SECRET, Kind, Unfit
from aggregator.config.words import DURATION, HEADER_NAME, LANGUAGE, TAG
from aggregator.model.feed import Feed, FeedSpec
from aggregator.model.feed_edit import EditedField, get_field
from aggregator.pipeline.urls import is_web_url
from aggregator.web.desk.visit import Fields
from aggregator.web.desk.words import N_, FieldError, say

Url = Annotated[str, Field(min_length=1, max_length=2000, description="An http:// or https:// address.")]
Title = Annotated[str, Field(max_length=300, description="What pages call it; empty: as the feed says.")]
Language = Annotated[str, Field(max_length=35, description="BCP 47; empty: as the feed says.")]
Tags = Annotated[str, Field(max_length=1000, description="Of all its entries, with spaces between them.")]
Weight = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False, description="How much it counts; 1 is usual.")]
Interval = Annotated[str, Field(max_length=20, description="At least so long between checks: 6h; empty: its rhythm.")]
_HeaderText = Annotated[str, Field(max_length=4000)]
#: So many headers of one feed.
_MOST_HEADERS = 20


class AddFields(Fields):
    """A feed at exactly this address."""

    url: Url
    title: Title = ""
    language: Language = ""
    tags: Tags = ""
    weight: Weight = 1.0
    interval: Interval = ""


class EditFields(Fields):
    """What is left out stays as it is."""

    title: Title = ""
    language: Language = ""
    tags: Tags = ""
    weight: Weight = 1.0
    interval: Interval = ""
    header_names: Annotated[tuple[_HeaderText, ...], Field(max_length=_MOST_HEADERS)] = ()
    header_values: Annotated[
        tuple[_HeaderText, ...], Field(max_length=_MOST_HEADERS, description="An empty one stays as it is.")
    ] = ()
    back: Annotated[
        tuple[Literal["title", "language", "weight", "tags", "interval", "headers"], ...],
        Field(max_length=6, description="For these holds again what was asked for elsewhere; nothing else changes."),
    ] = ()
    seen: Annotated[str, Field(max_length=64, description="Of the page that the form stood on.")] = ""


class MoveFields(Fields):
    url: Url
    sure: Annotated[bool, Field(description="Believe it, ask nobody.")] = False


class PauseFields(Fields):
    reason: Annotated[str, Field(max_length=300, description="Why, for whoever looks next.")] = ""


def make_seen(feed: Feed) -> str:
    """Another text when what is set for a feed is other; header values have no part in it."""
    values = {name: get_field(feed.spec, name) for name in ("title", "language", "weight", "tags", "interval")}
    headers = [name for name, _ in feed.spec.headers]
    changed = {name: one.at.isoformat() for name, one in feed.edits.items()}
    return blake2b(json.dumps([values, headers, changed]).encode(), digest_size=8).hexdigest()


def read_edit(sent: EditFields, feed: Feed) -> dict[EditedField, Any]:
    """JSON values by field, of those that were sent. Raises `FieldError`."""
    errors: dict[str, Any] = {}
    given, values = sent.model_fields_set, {}
    readers: dict[EditedField, Any] = {
        "title": lambda: " ".join(sent.title.split()),
        "language": lambda: _read_language(sent.language),
        "weight": lambda: sent.weight,
        "tags": lambda: list(_read_tags(sent.tags)),
        "interval": lambda: _read_seconds(sent.interval),
        "headers": lambda: _read_headers(sent.header_names, sent.header_values, feed),
    }
    for name, read in readers.items():
        if name in given or (name == "headers" and "header_names" in given):
            try:
                values[name] = read()
            except FieldError as error:
                errors |= error.errors
    if errors:
        raise FieldError(errors)
    return values


def read_spec(sent: AddFields) -> FeedSpec:
    """What is asked for. Raises `FieldError`."""
    if not is_web_url(sent.url):
        raise FieldError({"url": say(N_("This is no web address: %(url)s"), url=sent.url)})
    seconds = _read_seconds(sent.interval)
    return FeedSpec(
        url=sent.url,
        origin="added",
        title=" ".join(sent.title.split()),
        language=_read_language(sent.language),
        tags=_read_tags(sent.tags),
        weight=sent.weight,
        interval=None if seconds is None else timedelta(seconds=seconds),
    )


def _read_language(typed: str) -> str:
    return str(_read("language", LANGUAGE, typed)) if typed else ""


def _read_tags(typed: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(_read("tags", TAG, slug)) for slug in re.split(r"[\s,、]+", typed) if slug))


def _read_seconds(typed: str) -> int | None:
    return round(_read("interval", DURATION, typed).total_seconds()) if typed else None


def _read_headers(names: Sequence[str], values: Sequence[str], feed: Feed) -> list[list[str]]:
    """A name without a value keeps the one that it has; a row without a name is none."""
    known = {name.lower(): value for name, value in feed.spec.headers}
    found: dict[str, list[str]] = {}
    for place, name in enumerate(names):
        if not name:
            continue
        _read("headers", HEADER_NAME, name)
        value = values[place] if place < len(values) else ""
        if not value and name.lower() not in known:
            raise FieldError({"headers": say(N_("The header %(name)s needs a value."), name=name)})
        # What was wrong with a value is not said: it may be a secret.
        if value:
            _read("headers", SECRET, value)
        found[name.lower()] = [name, value or known[name.lower()]]
    return list(found.values())


def _read(field: str, kind: Kind, typed: str) -> Any:
    try:
        return kind.read(typed)
    except Unfit as error:
        expected = str(error) or kind.expected
        raise FieldError({field: say(N_("Expected: %(expected)s"), expected=expected)}) from None
