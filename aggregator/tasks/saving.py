"""compare -> clean -> save, for a batch of feeds in one transaction. Never fetches, never parses.

Entries, validators and next due time go together: a kill anywhere costs a refetch of the batch, nothing stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from aggregator.app import App
from aggregator.errors import DatabaseUnavailable, SchemaMismatch, StorageError
from aggregator.log import get_logger, redact_url
from aggregator.model.entry import EntryChange, IdentifiedEntry
from aggregator.model.feed import FeedOutcome, NotModified
from aggregator.model.parsed import RejectedEntry
from aggregator.model.round import FeedResult
from aggregator.pipeline.compare import Comparison, compare_entries
from aggregator.pipeline.dates import effective_at
from aggregator.storage import entries, feeds, meta
from aggregator.tasks.enrich import enrich_entry
from aggregator.tasks.outcome import make_outcome
from aggregator.tasks.reading import Reading

log = get_logger(__name__)


def save_batch(app: App, readings: Sequence[Reading]) -> list[FeedResult]:
    """All of the batch or none of it; when it cannot be saved whole, each feed is tried alone."""
    try:
        return _save(app, readings)
    except (DatabaseUnavailable, SchemaMismatch):
        raise
    except StorageError as error:
        if len(readings) == 1:
            return _save_refused(app, readings[0], error)
        log.warning("batch.split", reason=str(error))
        return [result for reading in readings for result in save_batch(app, [reading])]


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
        results.append(_result(reading, comparison, made, rejected))
        outcomes.append(make_outcome(app, reading, results[-1], now=now))
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


def _result(
    reading: Reading, comparison: Comparison | None, made: Sequence[EntryChange], rejected: tuple[RejectedEntry, ...]
) -> FeedResult:
    new = sum(change.entry_id is None for change in made)
    return FeedResult(
        feed_id=reading.feed.id,
        url=reading.feed.spec.url,
        status=reading.status,
        not_modified=isinstance(reading.reply, NotModified),
        failure_class=reading.failure_class,
        reason=reading.reason,
        new=new,
        changed=len(made) - new,
        unchanged=(comparison.unchanged if comparison else 0) + (reading.document.skipped if reading.document else 0),
        rejected=(*(reading.identified.rejected if reading.identified else ()), *rejected),
        folded=reading.identified.folded if reading.identified else 0,
    )
