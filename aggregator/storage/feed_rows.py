"""Feeds as rows and rows as feeds. Never executes a statement."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from aggregator.model.feed import CheckHints, Feed, FeedSpec, Move, PageRules
from aggregator.model.feed_edit import EDITED_FIELDS, EditedField, FeedEdit, set_field
from aggregator.storage.schema import feeds

_SAME = (
    "id", "asked_url", "state", "paused_reason", "title", "site_url", "language", "atom_id", "rights", "author",
    "feed_updated_at",
    "etag", "last_modified", "body_hash", "last_fetched_at", "last_status", "first_imported_at", "next_due_at",
    "next_due_reason", "failures", "failure_class", "failure_reason", "host_key", "document_entries",
    "largest_document", "gone_since", "strikes", "alarm",
)  # fmt: skip


#: How a feed stands that nothing was ever wrong with.
NEVER_FAILED: Mapping[str, Any] = {
    "failures": 0,
    "failure_class": "",
    "failure_reason": "",
    "gone_since": None,
    "strikes": 0,
    "alarm": "",
}


def storable(text: str) -> str:
    """The text without characters that no database takes: they become U+FFFD or a question mark."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def spec_values(spec: FeedSpec) -> dict[str, Any]:
    """The columns that say what the editor asked for, but for the address."""
    rules = spec.page
    return {
        "origin": spec.origin,
        "spec_title": spec.title,
        "spec_language": spec.language,
        "weight": spec.weight,
        "spec_tags": list(spec.tags),
        "interval_seconds": None if spec.interval is None else round(spec.interval.total_seconds()),
        "headers": [list(header) for header in spec.headers],
        "url_prefix": spec.url_prefix,
        "page": rules and {"items": rules.items, "title": rules.title, "link": rules.link, "date": rules.date},
        "points": spec.points,
        "full_content": spec.full_content,
        "list_url": spec.list_url,
    }


def new_row(spec: FeedSpec, now: datetime) -> dict[str, Any]:
    """The whole row of a feed that is due at once."""
    texts = ("title", "site_url", "language", "atom_id", "rights", "author", "etag", "last_modified", "body_hash")
    return {
        "url": spec.url,
        **spec_values(spec),
        "state": "active",
        "paused_reason": "",
        "added_at": now,
        **dict.fromkeys(texts, ""),
        "next_due_at": now,
        "next_due_reason": "new",
        **NEVER_FAILED,
    }


def keep_asked(url: Any) -> sa.Case[Any]:
    """What `asked_url` is once the feed lives at ``url``: the editor's words still find it."""
    return sa.case((feeds.c.asked_url == url, ""), (feeds.c.asked_url == "", feeds.c.url), else_=feeds.c.asked_url)


def make_feed(row: RowMapping, *, entry_count: int = 0, slices: bytes = b"") -> Feed:
    """The feed of a whole row."""
    moved = row["moved_since"]
    return Feed(
        spec=make_spec(row),
        entry_count=entry_count,
        hints=unpack_hints(row["hints"]),
        arrivals=unpack_arrivals(row["arrivals"]),
        move=moved and Move(url=row["moved_url"], first_seen_at=moved, times=row["moved_times"]),
        slices=slices,
        edits=unpack_edits(row["edits"]),
        **{name: row[name] for name in _SAME},
    )


def make_spec(row: RowMapping) -> FeedSpec:
    """What was asked for, of a row that holds at least the columns of `spec_values`, and the address."""
    seconds = row["interval_seconds"]
    return FeedSpec(
        url=row["url"],
        origin=row["origin"],
        title=row["spec_title"],
        language=row["spec_language"],
        weight=row["weight"],
        tags=tuple(row["spec_tags"]),
        interval=None if seconds is None else timedelta(seconds=seconds),
        headers=tuple((name, value) for name, value in row["headers"]),
        url_prefix=row["url_prefix"],
        page=None if row["page"] is None else PageRules(**row["page"]),
        points=row["points"],
        full_content=row["full_content"],
        list_url=row["list_url"],
    )


def pack_edits(edits: Mapping[EditedField, FeedEdit]) -> dict[str, Any] | None:
    """As they are stored; None: nothing is said otherwise."""
    packed: dict[str, Any] = {
        name: {"value": one.value, "base": one.base, "at": one.at.isoformat(), "by": one.by}
        for name, one in edits.items()
    }
    return packed or None


def unpack_edits(packed: Mapping[str, Any] | None) -> dict[EditedField, FeedEdit]:
    """The same value again."""
    return {
        name: FeedEdit(value=one["value"], base=one["base"], at=datetime.fromisoformat(one["at"]), by=one["by"])
        for name in EDITED_FIELDS
        if (one := (packed or {}).get(name)) is not None
    }


def apply_edits(spec: FeedSpec, edits: Mapping[EditedField, FeedEdit]) -> FeedSpec:
    """What is asked for in the end."""
    for name, one in edits.items():
        spec = set_field(spec, name, one.value)
    return spec


def pack_hints(hints: CheckHints) -> dict[str, Any] | None:
    """Only what is set; None: nothing is."""
    said = {
        "ttl_minutes": hints.ttl_minutes,
        "update_minutes": hints.update_minutes,
        "skip_hours": list(hints.skip_hours),
        "skip_days": list(hints.skip_days),
    }
    return {name: value for name, value in said.items() if value not in (None, [])} or None


def unpack_hints(packed: Mapping[str, Any] | None) -> CheckHints:
    """The same value again."""
    if not packed:
        return CheckHints()
    return CheckHints(
        ttl_minutes=packed.get("ttl_minutes"),
        update_minutes=packed.get("update_minutes"),
        skip_hours=tuple(packed.get("skip_hours", ())),
        skip_days=tuple(packed.get("skip_days", ())),
    )


def pack_arrivals(arrivals: tuple[datetime, ...]) -> list[float]:
    """Seconds since 1970."""
    return [instant.timestamp() for instant in arrivals]


def unpack_arrivals(packed: list[float] | None) -> tuple[datetime, ...]:
    """The same value again."""
    return tuple(datetime.fromtimestamp(seconds, UTC) for seconds in packed or ())
