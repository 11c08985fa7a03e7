"""compare -> clean -> save, for a batch of feeds in one transaction. Never fetches, never parses.

Entries, validators and next due time go together: a kill anywhere costs a refetch of the batch, nothing stored.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlsplit

from aggregator.app import App
from aggregator.errors import DatabaseUnavailable, SchemaMismatch, StorageError
from aggregator.log import get_logger, redact_url
from aggregator.metrics import ENTRIES, FETCHES
from aggregator.model.entry import EntryChange, IdentifiedEntry
from aggregator.model.feed import FeedOutcome, FetchFailed, Hop, NotModified, Postponed
from aggregator.model.hub import Hub
from aggregator.model.ids import FeedId
from aggregator.model.parsed import RejectedEntry
from aggregator.model.round import FeedResult
from aggregator.model.said import say_wait
from aggregator.pipeline.checks import MAX_BACKOFF
from aggregator.pipeline.compare import (
    Comparison,
    compare_entries,
    find_claim,
    hold_back,
    list_twins,
    needs_links,
    settle_new,
)
from aggregator.pipeline.dates import effective_at
from aggregator.storage import discussion, entries, feeds, held, hosts, hubs, meta
from aggregator.tasks.enrich import enrich_entry
from aggregator.tasks.outage import OutageWatch
from aggregator.tasks.outcome import Circumstances, make_outcome, postpone
from aggregator.tasks.reading import Reading
from aggregator.tasks.websub import can_be_called, find_hub, find_missed
from aggregator.tasks.worker import worker_name

log = get_logger(__name__)


def save_batch(app: App, readings: Sequence[Reading], watch: OutageWatch) -> list[FeedResult]:
    """All of the batch or none of it; when it cannot be saved whole, each feed is tried alone."""
    try:
        return _save(app, readings, watch)
    except (DatabaseUnavailable, SchemaMismatch):
        raise
    except Exception as error:  # noqa: BLE001  (a fault of ours must not cost the others of the batch either)
        if len(readings) == 1:
            return _save_refused(app, readings[0], watch, error)
        log.warning("batch.split", reason=str(error) if isinstance(error, StorageError) else type(error).__name__)
        return [result for reading in readings for result in save_batch(app, [reading], watch)]


def _save_refused(app: App, reading: Reading, watch: OutageWatch, error: Exception) -> list[FeedResult]:
    """A feed whose entries cannot be saved has failed like any other: it is asked again later and later."""
    if isinstance(error, StorageError):
        reason = f"the database did not take it: {error}"
    else:
        reason = f"a fault of this program stopped it: {type(error).__name__}"
        log.exception("feed.not_saved", feed=redact_url(reading.feed.spec.url))
    refused = replace(reading, document=None, identified=None, failure_class="not_saved", reason=reason)
    try:
        return _save(app, [refused], watch)
    except (DatabaseUnavailable, SchemaMismatch):
        raise
    except Exception:
        log.exception("outcome.refused", feed=redact_url(reading.feed.spec.url))
        outcome = postpone(reading, app.now(), app.settings.fetch.max_interval, reason)
        with app.db.write() as conn:
            feeds.save_outcomes(conn, [outcome], owner=worker_name())
        return _count([_result(refused, None, (), ())])


def _save(app: App, readings: Sequence[Reading], watch: OutageWatch) -> list[FeedResult]:
    now = app.now()
    known = _load_known(app, readings, now)
    changes: list[EntryChange] = []
    outcomes: list[FeedOutcome] = []
    results: list[FeedResult] = []
    held_back: dict[FeedId, list[str]] = {}
    for reading in readings:
        feed_id = reading.feed.id
        comparison = known.comparisons.get(feed_id)
        made, rejected = _make_changes(app, reading, comparison, now) if comparison else ([], ())
        changes += made
        result = _result(reading, comparison, made, rejected)
        held_back[feed_id] = [change.entry.key for change in made if comparison and change.entry.key in comparison.held]
        around = Circumstances(
            now=now,
            hub=known.live.get(feed_id),
            outage=watch.is_down or watch.is_probing,
            held=known.held.get(feed_id, 0) + len(held_back[feed_id]),
        )
        outcomes.append(_respect_pause(make_outcome(app, reading, result, around), reading, known.frozen))
        results.append(result)
    with app.db.write() as conn:
        entries.save(conn, changes, now=now, identity=known.identity)
        for feed_id, keys in held_back.items():
            if keys:
                held.hold(conn, feed_id, keys)
        discussion.save_counts(conn, {k: n for found in known.comparisons.values() for k, n in found.discussed.items()})
        late = feeds.save_outcomes(conn, outcomes, owner=worker_name())
        for host_key, (until, reason) in _find_pauses(readings, now).items():
            hosts.freeze(conn, host_key, until, reason)
        if can_be_called(app.settings.site.url):
            hubs.note_named(conn, _find_hubs(readings, late), now=now)
        hubs.note_misses(conn, _find_missed(known, readings, results), now=now)
        if changes:
            meta.renew_revision(conn)
    return _count(results)


def _count(results: list[FeedResult]) -> list[FeedResult]:
    """Once they are stored."""
    for result in results:
        if result.not_modified:
            FETCHES.add("not_modified")
        else:
            FETCHES.add(result.failure_class or ("postponed" if result.postponed else "ok"))
        if result.new:
            ENTRIES.add("new", amount=result.new)
        if result.changed:
            ENTRIES.add("changed", amount=result.changed)
    return results


def _find_hubs(readings: Sequence[Reading], late: Collection[FeedId]) -> dict[FeedId, tuple[str, str] | None]:
    """(hub, topic) by feed, None for none; without documents that broke off before they could name one."""
    found = {r.feed.id: (find_hub(r.feed, r.document, r.reply), r.is_whole) for r in readings if r.document}
    return {feed_id: named for feed_id, (named, whole) in found.items() if (named or whole) and feed_id not in late}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is stored of the feeds of a batch."""

    identity: meta.Identity
    comparisons: Mapping[FeedId, Comparison]
    #: Hubs that look after a feed.
    live: Mapping[FeedId, Hub]
    #: Hosts that are to be left alone: until when, and why.
    frozen: Mapping[str, tuple[datetime, str]]
    #: How many entries are held for review.
    held: Mapping[FeedId, int]


def _load_known(app: App, readings: Sequence[Reading], now: datetime) -> _Known:
    with app.db.read() as conn:
        identity = meta.get_identity(conn)
        ids = [reading.feed.id for reading in readings]
        live = hubs.find_live(conn, ids, now=now) if can_be_called(app.settings.site.url) else {}
        waiting = held.count_held(conn, ids)
        frozen = hosts.get_frozen(conn, {reading.exchanged.host_key for reading in readings}, now)
    compared = {r.feed.id: _compare(app, r, r.identified.entries) for r in readings if r.identified}
    return _Known(identity=identity, comparisons=compared, live=live, frozen=frozen, held=waiting)


def _compare(app: App, reading: Reading, found: Sequence[IdentifiedEntry]) -> Comparison:
    """Costs what the document holds; stored links are looked at only when keys may have failed."""
    feed, total = reading.feed, reading.count_entries()
    if feed.first_imported_at is None:
        return compare_entries(found, {})  # nothing is stored; if another process was quicker, `entries.save` sees it
    with app.db.read() as conn:
        known = entries.find_known(conn, feed.id, [entry.key for entry in found])
        if twins := list_twins(entry for entry in found if entry.key not in known):
            known = {**entries.find_known(conn, feed.id, twins), **known}
        comparison = compare_entries(found, known)
        if not needs_links(comparison, total=total):
            return comparison
        links = entries.find_links(conn, feed.id)
    skipped = reading.document.skipped if reading.document else 0
    settled = settle_new(comparison, links, total=total, skipped=skipped)
    return hold_back(settled, links, total=total, arrivals=feed.arrivals, now=app.now())


def _respect_pause(outcome: FeedOutcome, reading: Reading, frozen: Mapping[str, tuple[datetime, str]]) -> FeedOutcome:
    """A host that asked for patience while this feed was being asked is not asked for it before."""
    until, reason = frozen.get(reading.exchanged.host_key, (outcome.next_due_at, outcome.next_due_reason))
    if until <= outcome.next_due_at:
        return outcome
    line = replace(outcome.log, next_due_at=until, next_due_reason=reason) if outcome.log else None
    return replace(outcome, next_due_at=until, next_due_reason=reason, log=line)


def _find_pauses(readings: Sequence[Reading], now: datetime) -> dict[str, tuple[datetime, str]]:
    """Public hosts that asked for patience (RFC 9110 10.2.3): until when, and why. It holds for all of their feeds."""
    pauses: dict[str, tuple[datetime, str]] = {}
    for reading in readings:
        reply, exchanged = reading.reply, reading.exchanged
        if not isinstance(reply, FetchFailed) or not reply.retry_after or not exchanged.host_key or exchanged.own:
            continue
        # Where the feed redirects to, another host may have said it.
        if (reply.status or 0) >= 400 and _stays(reading.feed.spec.url, exchanged.hops):
            reason = f"{exchanged.host_key} answered {reply.status}: left alone for {say_wait(reply.retry_after)}"
            until = now + min(reply.retry_after, MAX_BACKOFF)
            pauses[exchanged.host_key] = max(pauses.get(exchanged.host_key, (now, "")), (until, reason))
    return pauses


def _stays(url: str, hops: Sequence[Hop]) -> bool:
    return all(urlsplit(hop.url).hostname == urlsplit(url).hostname for hop in hops)


def _find_missed(known: _Known, readings: Sequence[Reading], results: Sequence[FeedResult]) -> list[FeedId]:
    pairs = zip(readings, results, strict=True)
    return [reading.feed.id for reading, result in pairs if find_missed(known.live, reading.feed, new=result.new)]


def _make_changes(
    app: App, reading: Reading, comparison: Comparison, now: datetime
) -> tuple[list[EntryChange], tuple[RejectedEntry, ...]]:
    """Cleaned and dated; an entry that a stage cannot digest costs itself only."""
    first_import = reading.feed.first_imported_at is None
    made: list[EntryChange] = []
    rejected: list[RejectedEntry] = []
    todo = [(None, item) for item in comparison.new] + list(comparison.changed)
    for index, (entry_id, item) in enumerate(todo):
        try:
            entry = enrich_entry(item, feed=reading.feed, document=reading.document)
        except Exception as error:
            log.exception("entry.rejected", feed=redact_url(reading.feed.spec.url), key=item.key)
            rejected.append(RejectedEntry(index=index, reason=f"cannot be cleaned: {type(error).__name__}"))
            continue
        if unstorable := entries.find_unstorable(entry):
            rejected.append(RejectedEntry(index=index, reason=unstorable))
            continue
        dated = effective_at(find_claim(item), first_seen_at=now, first_import=first_import)
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
    elif comparison.backlog:
        made = [replace(change, backlog=change.entry.key in comparison.backlog) for change in made]
    return made, tuple(rejected)


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
        postponed=isinstance(reading.reply, Postponed),
        failure_class=reading.failure_class,
        reason=reading.reason,
        new=new,
        changed=len(made) - new,
        unchanged=(comparison.unchanged if comparison else 0) + (reading.document.skipped if reading.document else 0),
        rejected=(*(reading.identified.rejected if reading.identified else ()), *rejected),
        folded=reading.identified.folded if reading.identified else 0,
    )
