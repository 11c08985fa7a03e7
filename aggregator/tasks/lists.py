"""Followed lists: the feeds of an OPML file on the web come and go with it. Never reads a list on this disk.

A feed that its list no longer names is paused and keeps its entries. A list that cannot be fetched, cannot be read or
names no feed at all changes nothing.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

from aggregator.app import App
from aggregator.errors import DatabaseUnavailable, SchemaMismatch
from aggregator.log import get_logger, redact_url
from aggregator.model.feed import FeedSpec, Fetched, FetchFailed, FetchRequest, NotModified, Reply
from aggregator.model.ids import FeedId
from aggregator.model.settings import FollowedList
from aggregator.pipeline.opml import parse_opml
from aggregator.storage import feeds, lists
from aggregator.storage.lists import ListState

log = get_logger(__name__)

#: Lists change seldom.
INTERVAL = timedelta(hours=24)
_LEASE = timedelta(minutes=15)
_LONGEST_WAIT = timedelta(days=7)


def follow_lists(app: App) -> int:
    """Ask the lists that are due and take over what they name; how many were asked."""
    followed = {one.url: one for one in app.settings.lists}
    with app.db.read() as conn:
        if not followed and not lists.list_states(conn):
            return 0
    with app.db.write() as conn:
        lists.sync(conn, tuple(followed), now=app.now())
        feeds.pause_unlisted(conn, tuple(followed))
        due = {state.url: state for state in lists.claim_due(conn, now=app.now(), lease=_LEASE)}
    if not due:
        return 0
    with closing(app.fetcher.fetch([_request(state) for state in due.values()])) as replies:
        for reply in replies:
            _take_over_safely(app, followed[reply.request.url], due[reply.request.url], reply)
    return len(due)


def _request(state: ListState) -> FetchRequest:
    return FetchRequest(
        feed_id=FeedId(0),
        url=state.url,
        etag=state.etag,
        last_modified=state.last_modified,
        body_hash=state.body_hash,
    )


def _take_over_safely(app: App, followed: FollowedList, state: ListState, reply: Reply) -> None:
    """A list that cannot be digested or stored has failed; the others, and all feeds, go on."""
    try:
        _take_over(app, followed, state, reply)
    except (DatabaseUnavailable, SchemaMismatch):
        raise
    except Exception as error:
        log.exception("list.not_taken_over", list=redact_url(state.url))
        _save(app, _mark_failed(state, app.now(), f"a fault of this program: {type(error).__name__}"), followed, None)


def _take_over(app: App, followed: FollowedList, state: ListState, reply: Reply) -> None:
    """One transaction: the feeds of the list, and how the list stands."""
    now = app.now()
    match reply:
        case NotModified():
            known = replace(
                state, etag=reply.etag or state.etag, last_modified=reply.last_modified or state.last_modified
            )
            _save(app, _mark_read(known, now), followed, None)
        case Fetched() if not reply.truncated:
            found = parse_opml(reply.body)
            for problem in found.problems:
                log.warning("list.problem", list=redact_url(state.url), problem=problem)
            if not found.feeds:
                _save(app, _mark_failed(state, now, "it names no feed"), followed, None)
                return
            read = replace(state, etag=reply.etag, last_modified=reply.last_modified, body_hash=reply.body_hash)
            _save(app, _mark_read(read, now), followed, tuple(_apply(followed, spec) for spec in found.feeds))
        case FetchFailed():
            _save(app, _mark_failed(state, now, reply.reason), followed, None)
        case _:
            _save(app, _mark_failed(state, now, "it could not be read to its end"), followed, None)


def _apply(followed: FollowedList, spec: FeedSpec) -> FeedSpec:
    """What the editor says of all feeds of the list holds for each that does not say otherwise."""
    return replace(
        spec,
        list_url=followed.url,
        language=spec.language or followed.language,
        weight=followed.weight if spec.weight == 1.0 else spec.weight,
        interval=spec.interval or followed.interval,
        full_content=spec.full_content or followed.full_content,
        tags=tuple(dict.fromkeys([*followed.tags, *spec.tags])),
    )


def _mark_read(state: ListState, now: datetime) -> ListState:
    return replace(state, last_fetched_at=now, next_due_at=now + INTERVAL, failures=0, failure_reason="")


def _mark_failed(state: ListState, now: datetime, reason: str) -> ListState:
    log.warning("list.failed", list=redact_url(state.url), reason=reason)
    wait = min(INTERVAL / 8 * 2 ** min(state.failures, 10), _LONGEST_WAIT)
    return replace(state, next_due_at=now + wait, failures=state.failures + 1, failure_reason=reason)


def _save(app: App, state: ListState, followed: FollowedList, specs: tuple[FeedSpec, ...] | None) -> None:
    with app.db.write() as conn:
        if specs is not None:
            counts = feeds.sync_list(conn, followed.url, specs, now=app.now())
            log.info("list.read", list=redact_url(state.url), added=counts.added, paused=counts.paused)
        lists.save(conn, state)
