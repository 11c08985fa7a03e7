"""What one fetch means for its feed: validators, facts, the next check and why. Never stores it, never fetches."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any

from aggregator.app import App
from aggregator.model.feed import FeedFacts, FeedOutcome, Fetched, FolderRead, NotModified
from aggregator.model.parsed import ParsedFeed
from aggregator.model.round import FeedResult
from aggregator.pipeline.schedule import next_check_at
from aggregator.pipeline.urls import drop_query, is_web_url
from aggregator.pipeline.words import clean_line, xml_text
from aggregator.tasks.reading import Reading


def make_outcome(app: App, reading: Reading, result: FeedResult, *, now: datetime) -> FeedOutcome:
    """The whole of it, for `storage.feeds.save_outcomes`."""
    reply, feed, fetch = reading.reply, reading.feed, app.settings.fetch
    failed = bool(reading.failure_class)
    due_at, due_reason = next_check_at(
        now=now,
        fresh_for=getattr(reply, "fresh_for", None),
        ttl_minutes=reading.document.ttl_minutes if reading.document else None,
        interval=feed.spec.interval,
        min_interval=fetch.min_interval,
        max_interval=fetch.max_interval,
        failures=feed.failures + 1 if failed else 0,
        retry_after=getattr(reply, "retry_after", None),
        jitter=random.random(),
    )
    return FeedOutcome(
        feed_id=feed.id,
        at=now,
        status=reading.status,
        failure_class=reading.failure_class,
        failure_reason=reading.reason,
        **_validators(reading),
        facts=clean_facts(reading.document, reading.feed.spec.url) if reading.document else None,
        imported=bool(reading.document and reading.document.entries),
        next_due_at=due_at,
        next_due_reason=due_reason,
    )


def _validators(reading: Reading) -> dict[str, Any]:
    """Of a document that was read, or refreshed by a 304; one that could not be read is asked for again in full."""
    if reading.failure_class:
        return {}
    match reading.reply:
        case Fetched() as reply:
            return {"etag": reply.etag, "last_modified": reply.last_modified, "body_hash": reply.body_hash}
        case FolderRead() as reply:
            return {"body_hash": reply.body_hash}
        case NotModified() as reply:
            return {"etag": reply.etag or None, "last_modified": reply.last_modified or None}
    return {}


def clean_facts(document: ParsedFeed, feed_url: str) -> FeedFacts:
    """What a document says about its feed, as lines of plain text and safe addresses.

    Where it repeats its own address, the query goes: it may hold the editor's own token, and pages show these facts.
    """
    query = feed_url.partition("?")[2]

    def hide(address: str) -> str:
        return drop_query(address) if query and query in address else address

    return FeedFacts(
        title=clean_line(document.title, 200),
        site_url=hide(document.site_url) if is_web_url(document.site_url) else "",
        language=clean_line(document.language, 35),
        atom_id=hide(xml_text(document.id))[:1000],
        rights=clean_line(document.rights, 300),
        author=clean_line(document.author, 200),
        updated_at=document.updated_at,
    )
