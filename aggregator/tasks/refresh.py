"""Fetch -> parse -> identify -> compare -> clean -> save, for the feeds that are due or named. Never tells time itself.

A batch of feeds is one transaction: entries, validators and next due time together. A kill anywhere costs a refetch
of that batch, nothing stored.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from aggregator.app import App
from aggregator.errors import DatabaseUnavailable, ParseError, SchemaMismatch, StorageError
from aggregator.log import get_logger, redact_url
from aggregator.model.entry import EntryChange, IdentifiedEntry
from aggregator.model.feed import (
    Feed,
    FeedFacts,
    FeedOutcome,
    Fetched,
    FetchFailed,
    FetchRequest,
    FolderRead,
    NotModified,
    Reply,
)
from aggregator.model.ids import FeedId
from aggregator.model.parsed import ParsedFeed, RejectedEntry
from aggregator.model.round import FeedResult, Round
from aggregator.pipeline.compare import Comparison, compare_entries
from aggregator.pipeline.dates import effective_at
from aggregator.pipeline.identify import Identified, identify_entries
from aggregator.pipeline.schedule import next_check_at
from aggregator.pipeline.urls import drop_query, is_web_url
from aggregator.pipeline.words import clean_line, xml_text
from aggregator.storage import entries, feeds, meta
from aggregator.tasks.enrich import enrich_entry

log = get_logger(__name__)

#: Feeds whose replies are saved in one transaction; bounds the work a kill costs.
BATCH = 25
#: Documents parsed at one time, each in a child process of its own.
PARSERS = 2
#: How long a claimed feed is left alone by others; renewed for the rest of a claim with each batch.
LEASE = timedelta(minutes=15)
#: Feeds claimed at a time.
CLAIM = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A reply, without its bytes, and what its document holds; ``document`` is None when nothing was read."""

    feed: Feed
    reply: Reply
    document: ParsedFeed | None = None
    identified: Identified | None = None
    failure_class: str = ""
    reason: str = ""


def refresh_due(app: App) -> Round:
    """One round over every feed that is due now."""
    results: list[FeedResult] = []
    while True:
        with app.db.write() as conn:
            claimed = feeds.claim_due(conn, now=app.now(), limit=CLAIM, lease=LEASE)
        if not claimed:
            return Round(results=tuple(results))
        results += _fetch_and_save(app, claimed, on_result=None)


def refresh_feeds(
    app: App, feed_ids: Sequence[FeedId], *, on_result: Callable[[FeedResult], None] | None = None
) -> Round:
    """One round over the feeds named, due or not; ``on_result`` hears of each as it is saved."""
    results: list[FeedResult] = []
    for start in range(0, len(feed_ids), CLAIM):
        with app.db.write() as conn:
            claimed = feeds.claim(conn, feed_ids[start : start + CLAIM], now=app.now(), lease=LEASE)
        results += _fetch_and_save(app, claimed, on_result=on_result)
    return Round(results=tuple(results))


def _fetch_and_save(
    app: App, claimed: Sequence[Feed], *, on_result: Callable[[FeedResult], None] | None
) -> list[FeedResult]:
    by_id = {feed.id: feed for feed in claimed}
    results: list[FeedResult] = []
    try:
        with (
            closing(app.fetcher.fetch([_request(feed) for feed in claimed])) as replies,
            ThreadPoolExecutor(PARSERS) as parsers,
        ):
            for batch in _chunked(_read_replies(app, by_id, replies, parsers), BATCH):
                for result in _save_batch(app, batch):
                    results.append(result)
                    _log_result(result)
                    if on_result:
                        on_result(result)
                _extend_rest(app, by_id, results)
    finally:
        _release_rest(app, by_id, results)
    return results


def _read_replies(
    app: App, claimed: Mapping[FeedId, Feed], replies: Iterable[Reply], parsers: ThreadPoolExecutor
) -> Iterator[Reading]:
    """What each reply holds, in their order. Only as many bodies are in memory as are being parsed, and one more."""
    running: deque[Future[Reading]] = deque()
    for reply in replies:
        running.append(parsers.submit(read_reply, app, claimed[reply.request.feed_id], reply))
        if len(running) > PARSERS:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()


def _find_rest(claimed: Mapping[FeedId, Feed], results: Sequence[FeedResult]) -> list[FeedId]:
    return sorted(claimed.keys() - {result.feed_id for result in results})


def _extend_rest(app: App, claimed: Mapping[FeedId, Feed], results: Sequence[FeedResult]) -> None:
    """Feeds of a slow host wait long for their turn: nobody else may ask them meanwhile."""
    if rest := _find_rest(claimed, results):
        with app.db.write() as conn:
            feeds.extend(conn, rest, until=app.now() + LEASE)


def _release_rest(app: App, claimed: Mapping[FeedId, Feed], results: Sequence[FeedResult]) -> None:
    """Feeds that a shutdown, an interrupt or a fault left without an answer are due again at once."""
    if rest := _find_rest(claimed, results):
        with app.db.write() as conn:
            feeds.release(conn, rest)


def _request(feed: Feed) -> FetchRequest:
    return FetchRequest(
        feed_id=feed.id,
        url=feed.spec.url,
        etag=feed.etag,
        last_modified=feed.last_modified,
        body_hash=feed.body_hash,
        headers=feed.spec.headers,
        url_prefix=feed.spec.url_prefix,
    )


def read_reply(app: App, feed: Feed, reply: Reply) -> Reading:
    """What a reply holds; errors of the document become values. The bytes are let go: all is read."""
    reading = _read_document(app, feed, reply)
    return replace(reading, reply=replace(reply, body=b"")) if isinstance(reply, Fetched) else reading


def _read_document(app: App, feed: Feed, reply: Reply) -> Reading:
    try:
        match reply:
            case Fetched():
                # What has no base of its own is relative to where the document came from.
                document = app.sandbox.parse(replace(reply, final_url=drop_query(reply.final_url)))
            case FolderRead():
                document = reply.feed
            case NotModified():
                return Reading(feed=feed, reply=reply)
            case FetchFailed():
                return Reading(feed=feed, reply=reply, failure_class=reply.failure_class, reason=reply.reason)
    except ParseError as error:
        return Reading(feed=feed, reply=reply, failure_class=error.failure_class, reason=error.reason)
    return Reading(feed=feed, reply=reply, document=document, identified=identify_entries(document))


def _save_batch(app: App, readings: Sequence[Reading]) -> list[FeedResult]:
    """All of the batch or none of it; when it cannot be saved whole, each feed is tried alone."""
    try:
        return _save(app, readings)
    except (DatabaseUnavailable, SchemaMismatch):
        raise
    except StorageError as error:
        if len(readings) == 1:
            return _save_refused(app, readings[0], error)
        log.warning("batch.split", reason=str(error))
        return [result for reading in readings for result in _save_batch(app, [reading])]


def _save_refused(app: App, reading: Reading, error: StorageError) -> list[FeedResult]:
    """A feed whose entries the database refuses has failed like any other: it is asked again later and later."""
    reason = f"the database did not take it: {error}"
    refused = replace(reading, document=None, identified=None, failure_class="not_saved", reason=reason)
    try:
        return _save(app, [refused])
    except (DatabaseUnavailable, SchemaMismatch):
        raise
    except StorageError:
        log.exception("outcome.refused", feed=redact_url(reading.feed.spec.url))
        return [_result(refused, None, (), ())]


def _save(app: App, readings: Sequence[Reading]) -> list[FeedResult]:
    now = app.now()
    with app.db.read() as conn:
        known = {r.feed.id: entries.known_entries(conn, r.feed.id) for r in readings if r.identified}
        identity = meta.get_identity(conn)
    changes: list[EntryChange] = []
    outcomes: list[FeedOutcome] = []
    results: list[FeedResult] = []
    for reading in readings:
        comparison = compare_entries(reading.identified.entries, known[reading.feed.id]) if reading.identified else None
        made, rejected = _make_changes(app, reading, comparison, now) if comparison else ([], ())
        changes += made
        outcomes.append(_outcome(app, reading, now))
        results.append(_result(reading, comparison, made, rejected))
    with app.db.write() as conn:
        entries.save(conn, changes, now=now, identity=identity)
        feeds.save_outcomes(conn, outcomes)
        if changes:
            meta.renew_revision(conn)
    return results


def _make_changes(
    app: App, reading: Reading, comparison: Comparison, now: datetime
) -> tuple[list[EntryChange], tuple[RejectedEntry, ...]]:
    """Cleaned, tagged and dated; an entry that a stage cannot digest costs itself only."""
    first_import = reading.feed.first_imported_at is None
    made: list[EntryChange] = []
    rejected: list[RejectedEntry] = []
    todo = [(None, item) for item in comparison.new] + list(comparison.changed)
    for index, (entry_id, item) in enumerate(todo):
        try:
            entry = enrich_entry(item, feed=reading.feed, document=reading.document, rules=app.settings.tag_rules)
        except Exception as error:
            log.exception("entry.rejected", feed=redact_url(reading.feed.spec.url), key=item.key)
            rejected.append(RejectedEntry(index=index, reason=f"cannot be cleaned: {type(error).__name__}"))
            continue
        if unstorable := entries.find_unstorable(entry):
            rejected.append(RejectedEntry(index=index, reason=unstorable))
            continue
        dated = effective_at(_claimed_at(item), first_seen_at=now, first_import=first_import)
        made.append(
            EntryChange(
                feed_id=reading.feed.id,
                entry_id=entry_id,
                entry=entry,
                effective_at=dated if entry_id is None else None,
            )
        )
    if first_import:
        made = _mark_backlog(made, keep=app.settings.combined.first_import)
    return made, tuple(rejected)


def _claimed_at(item: IdentifiedEntry) -> datetime | None:
    return item.parsed.published_at or item.parsed.updated_at


def _mark_backlog(changes: Sequence[EntryChange], *, keep: int) -> list[EntryChange]:
    """Of a first import only the newest ``keep`` enter the combined feed: no flood of old posts."""
    order = sorted(range(len(changes)), key=lambda i: (_known_time(changes[i].effective_at), -i), reverse=True)
    backlog = set(order[keep:])
    return [replace(change, backlog=i in backlog) for i, change in enumerate(changes)]


def _known_time(at: datetime | None) -> float:
    return at.timestamp() if at else 0.0


def _outcome(app: App, reading: Reading, now: datetime) -> FeedOutcome:
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
        status=getattr(reply, "status", None),
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


def _result(
    reading: Reading, comparison: Comparison | None, made: Sequence[EntryChange], rejected: tuple[RejectedEntry, ...]
) -> FeedResult:
    new = sum(change.entry_id is None for change in made)
    return FeedResult(
        feed_id=reading.feed.id,
        url=reading.feed.spec.url,
        status=getattr(reading.reply, "status", None),
        not_modified=isinstance(reading.reply, NotModified),
        failure_class=reading.failure_class,
        reason=reading.reason,
        new=new,
        changed=len(made) - new,
        unchanged=comparison.unchanged if comparison else 0,
        rejected=(*(reading.identified.rejected if reading.identified else ()), *rejected),
        folded=reading.identified.folded if reading.identified else 0,
    )


def _log_result(result: FeedResult) -> None:
    url = redact_url(result.url)
    if result.failed:
        log.warning("feed.failed", url=url, failure=result.failure_class, reason=result.reason)
    else:
        log.info("feed.read", url=url, status=result.status, new=result.new, changed=result.changed)


def _chunked(readings: Iterable[Reading], size: int) -> Iterator[list[Reading]]:
    batch: list[Reading] = []
    for reading in readings:
        batch.append(reading)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
