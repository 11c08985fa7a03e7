"""What one fetch means for its feed: validators, facts, health, the next check and why. Never stores, never fetches."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from aggregator.app import App
from aggregator.model.feed import (
    CheckHints,
    FeedFacts,
    FeedOutcome,
    Fetched,
    FetchLogLine,
    FolderRead,
    Move,
    NotModified,
    Postponed,
)
from aggregator.model.hub import Hub
from aggregator.model.parsed import ParsedFeed
from aggregator.model.round import FeedResult
from aggregator.pipeline.checks import next_check
from aggregator.pipeline.lifecycle import NETWORK_CLASSES, count_strikes, find_alarm, find_gone, follow_move
from aggregator.pipeline.urls import drop_query, is_web_url
from aggregator.pipeline.words import clean_line, xml_text
from aggregator.tasks.outage import PROBE_WAIT
from aggregator.tasks.reading import Reading
from aggregator.tasks.websub import was_pushed_meanwhile

#: A feed that its hub pushed while it was being asked is asked again after this.
_PUSHED_WAIT = timedelta(minutes=1)
#: Warnings of one document in the log of fetches.
_LOGGED_WARNINGS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known at the moment of saving, beside the reply."""

    now: datetime
    #: The hub that looks after the feed; None: nobody does.
    hub: Hub | None = None
    #: Nearly nobody answers: it is our own network.
    outage: bool = False
    #: Entries of the feed that are held for review.
    held: int = 0


def make_outcome(app: App, reading: Reading, result: FeedResult, around: Circumstances) -> FeedOutcome:
    """The whole of it, for `storage.feeds.save_outcomes`."""
    if isinstance(reading.reply, Postponed):
        return postpone(reading, around.now, reading.reply.wait, reading.reply.reason)
    if around.outage and reading.failure_class in NETWORK_CLASSES:
        reason = "nearly no host answers, so it is our own network: not counted as a failure"
        outcome = postpone(reading, around.now, PROBE_WAIT * (1 + random.random()), reason)
        line = _make_log_line(reading, result, around.now, reading.failure_class, outcome.next_due_at, reason)
        return replace(outcome, log=line)  # it was asked, after all
    return _judge(app, reading, result, around)


def postpone(reading: Reading, now: datetime, wait: timedelta, reason: str) -> FeedOutcome:
    """The least that can be said of a fetch: without it the feed would be due again at once, for ever."""
    return FeedOutcome(
        feed_id=reading.feed.id,
        asked_url=reading.feed.spec.url,
        at=now,
        postponed=True,
        next_due_at=now + wait,
        next_due_reason=reason,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What a feed has come to with this fetch: as `FeedOutcome` has it, under the same names."""

    failure_class: str
    move: Move | None
    moved_to: str
    gone_since: datetime | None
    pause: str
    strikes: int
    alarm: str
    #: Nothing of it is other than before.
    is_same: bool
    #: It is asked rarely from now on.
    quarantined: bool


def _judge(app: App, reading: Reading, result: FeedResult, around: Circumstances) -> FeedOutcome:
    feed, now = reading.feed, around.now
    state = _find_state(reading, result, around)
    hints, validators, host_key = _find_hints(reading), _find_validators(reading), reading.exchanged.host_key
    due_at, due_reason = _find_due(app, reading, result, around, hints=hints, quarantined=state.quarantined)
    has_news = validators or host_key != feed.host_key
    return FeedOutcome(
        feed_id=feed.id,
        asked_url=feed.spec.url,
        at=now,
        status=reading.status,
        failure_class=state.failure_class,
        failure_reason=reading.reason,
        **validators,
        facts=clean_facts(reading.document, feed.spec.url) if reading.document else None,
        hints=hints,
        document_entries=_count_entries(reading),
        imported=bool(reading.count_entries()),
        arrived=_count_arrived(reading, result),
        host_key=host_key,
        move=state.move,
        moved_to=state.moved_to,
        gone_since=state.gone_since,
        pause=state.pause,
        strikes=state.strikes,
        alarm=state.alarm,
        steady=isinstance(reading.reply, NotModified) and state.is_same and not has_news,
        next_due_at=due_at,
        next_due_reason=due_reason,
        log=_make_log_line(reading, result, now, state.failure_class, due_at, due_reason),
    )


def _find_state(reading: Reading, result: FeedResult, around: Circumstances) -> _State:
    feed, now = reading.feed, around.now
    strikes, quarantined = count_strikes(feed, reading.failure_class)
    gone_since, pause = find_gone(feed, reading.status, now=now)
    move, moved_to = follow_move(
        feed,
        reading.exchanged.hops,
        now=now,
        readable=not reading.failure_class,
        same_content=_is_same(reading, result),
    )
    is_same = (move, gone_since, strikes) == (feed.move, feed.gone_since, feed.strikes)
    alarm = find_alarm(
        feed if is_same else replace(feed, move=move, gone_since=gone_since, strikes=strikes),
        now=now,
        document_entries=_count_entries(reading),
        failures=_count_failures(reading),
        failure_class=reading.failure_class,
        page=feed.spec.page is not None,
        held=around.held,
    )
    is_hostile = reading.failure_class == "too_hostile"
    return _State(
        failure_class="quarantined" if quarantined and is_hostile else reading.failure_class,
        move=move,
        moved_to=moved_to,
        gone_since=gone_since,
        pause=pause,
        strikes=strikes,
        alarm=alarm,
        is_same=is_same and alarm == feed.alarm and not (moved_to or pause or feed.failures),
        quarantined=quarantined,
    )


def _count_entries(reading: Reading) -> int | None:
    """Entries that the document holds; None when it was not read to its end."""
    return reading.count_entries() if reading.is_whole else None


def _count_failures(reading: Reading) -> int:
    """In a row, this one included."""
    return reading.feed.failures + 1 if reading.failure_class else 0


def _is_same(reading: Reading, result: FeedResult) -> bool:
    """The document says what we know already."""
    if isinstance(reading.reply, NotModified):
        return True
    return bool(result.unchanged) and not (result.new or result.changed or result.failed)


def _count_arrived(reading: Reading, result: FeedResult) -> int:
    """Entries that tell the rhythm of publishing: those of a first import do not."""
    return 0 if reading.feed.first_imported_at is None else result.new


def _find_hints(reading: Reading) -> CheckHints | None:
    document = reading.document
    if document is None:
        return None
    return CheckHints(
        ttl_minutes=document.ttl_minutes,
        update_minutes=document.update_minutes,
        skip_hours=document.skip_hours,
        skip_days=document.skip_days,
    )


def _find_due(
    app: App,
    reading: Reading,
    result: FeedResult,
    around: Circumstances,
    *,
    hints: CheckHints | None,
    quarantined: bool,
) -> tuple[datetime, str]:
    feed, now, fetch = reading.feed, around.now, app.settings.fetch
    if was_pushed_meanwhile(around.hub, now=now, seconds=reading.exchanged.seconds):
        return now + _PUSHED_WAIT, "its hub spoke while it was being asked"
    return next_check(
        now=now,
        interval=feed.spec.interval,
        arrivals=(now,) * min(_count_arrived(reading, result), 20) + feed.arrivals,
        hints=feed.hints if hints is None else hints,
        fresh_for=getattr(reading.reply, "fresh_for", None),
        failures=_count_failures(reading),
        retry_after=getattr(reading.reply, "retry_after", None),
        pushed=around.hub is not None,
        min_interval=fetch.min_interval,
        max_interval=fetch.max_interval,
        jitter=random.random(),
        known_since=feed.first_imported_at,
        quarantined=quarantined,
    )


def _make_log_line(
    reading: Reading, result: FeedResult, now: datetime, failure_class: str, due_at: datetime, due_reason: str
) -> FetchLogLine:
    warnings = reading.document.warnings if reading.document else ()
    exchanged = reading.exchanged
    return FetchLogLine(
        at=now,
        status=reading.status,
        failure_class=failure_class,
        failure_reason=reading.reason,
        not_modified=result.not_modified,
        received_bytes=exchanged.received_bytes,
        seconds=exchanged.seconds,
        new=result.new,
        changed=result.changed,
        unchanged=result.unchanged,
        rejected=len(result.rejected),
        folded=result.folded,
        warnings=tuple(clean_line(text, 200) for text in warnings[:_LOGGED_WARNINGS]),
        next_due_at=due_at,
        next_due_reason=due_reason,
    )


def _find_validators(reading: Reading) -> dict[str, Any]:
    """Of a document that was read, or changed by a 304; one that could not be read is asked for again in full."""
    if reading.failure_class:
        return {}
    match reading.reply:
        case Fetched() as reply:
            slices = reading.document.slices if reading.document and reading.is_whole else b""
            known = {"etag": reply.etag, "last_modified": reply.last_modified, "body_hash": reply.body_hash}
            return {**known, "slices": slices}
        case FolderRead() as reply:
            return {"body_hash": reply.body_hash}
        case NotModified() as reply:
            said = {"etag": reply.etag, "last_modified": reply.last_modified}
            return {name: value for name, value in said.items() if value and value != getattr(reading.feed, name)}
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
