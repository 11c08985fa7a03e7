"""What is told of a feed as JSON, by the command line and by the desk. Never its headers: they hold secrets."""

from __future__ import annotations

from typing import Any

from aggregator.model.feed import CheckHints, Feed, FetchLogLine
from aggregator.model.hub import Hub

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def describe_feed(feed: Feed) -> dict[str, Any]:
    """The JSON document of one feed in a list."""
    move = feed.move
    return {
        "id": feed.id,
        "url": feed.spec.url,
        "title": feed.name,
        "origin": feed.spec.origin,
        "state": feed.state,
        "last_status": feed.last_status,
        "last_fetched_at": feed.last_fetched_at,
        "next_due_at": feed.next_due_at,
        "next_due_reason": feed.next_due_reason,
        "failures": feed.failures,
        "failure_class": feed.failure_class,
        "failure_reason": feed.failure_reason,
        "entries": feed.entry_count,
        "host_key": feed.host_key,
        "alarm": feed.alarm,
        "move": move and {"url": move.url, "first_seen_at": move.first_seen_at, "times": move.times},
        "strikes": feed.strikes,
        "paused_reason": feed.paused_reason,
    }


def describe_details(feed: Feed) -> dict[str, Any]:
    """Everything that is known of one feed, but its log."""
    spec = feed.spec
    return {
        **describe_feed(feed),
        "site_url": feed.site_url,
        "language": spec.language or feed.language,
        "tags": list(spec.tags),
        "weight": spec.weight,
        "interval_seconds": None if spec.interval is None else spec.interval.total_seconds(),
        "list_url": spec.list_url,
        "hints": {
            "ttl_minutes": feed.hints.ttl_minutes,
            "update_minutes": feed.hints.update_minutes,
            "skip_hours": list(feed.hints.skip_hours),
            "skip_days": [DAYS[day % 7] for day in feed.hints.skip_days],
        },
        "validators": {"etag": feed.etag, "last_modified": feed.last_modified},
        "arrivals": list(feed.arrivals),
        "document_entries": feed.document_entries,
        "largest_document": feed.largest_document,
        "first_imported_at": feed.first_imported_at,
        "gone_since": feed.gone_since,
    }


def describe_log_line(line: FetchLogLine) -> dict[str, Any]:
    """The JSON document of one fetch."""
    return {
        "at": line.at,
        "status": line.status,
        "not_modified": line.not_modified,
        "failure_class": line.failure_class,
        "failure_reason": line.failure_reason,
        "received_bytes": line.received_bytes,
        "seconds": round(line.seconds, 3),
        "new": line.new,
        "changed": line.changed,
        "unchanged": line.unchanged,
        "rejected": line.rejected,
        "folded": line.folded,
        "warnings": list(line.warnings),
        "next_due_at": line.next_due_at,
        "next_due_reason": line.next_due_reason,
    }


def describe_hub(hub: Hub | None) -> dict[str, Any] | None:
    """The JSON document of a feed's subscription, without what only the hub may know."""
    if hub is None:
        return None
    return {
        "hub_url": hub.hub_url,
        "topic_url": hub.topic_url,
        "state": hub.state,
        "reason": hub.reason,
        "lease_until": hub.lease_until,
        "pushed_at": hub.pushed_at,
        "misses": hub.misses,
    }


def say_hints(hints: CheckHints) -> str:
    """What the document asks about its next check; empty when it asks nothing."""
    said = []
    if hints.ttl_minutes is not None:
        said.append(f"keep for {hints.ttl_minutes} minutes")
    if hints.update_minutes is not None:
        said.append(f"updated every {hints.update_minutes} minutes")
    if hints.skip_hours:
        said.append("not at the hours " + " ".join(map(str, hints.skip_hours)) + " UTC")
    if hints.skip_days:
        said.append("not on " + " ".join(DAYS[day % 7] for day in hints.skip_days))
    return "; ".join(said)
