"""One feed: its fetches in figures and words, what its publisher says, what it brought, what is set for it.
Never changes it: that is `feed_changes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from aggregator.app import App
from aggregator.config.words import format_duration
from aggregator.errors import NotFound
from aggregator.log import redact_url
from aggregator.model.feed import Feed, FetchLogLine
from aggregator.model.ids import FeedId
from aggregator.pipeline.urls import is_web_url
from aggregator.render.feed_documents import say_hints
from aggregator.storage import audit, entries, feed_health, feed_pages, feeds, fetchlog, held, hubs
from aggregator.storage.entries import EntryQuery
from aggregator.tasks.desk.feeds import can_be_removed
from aggregator.web.desk import feed_words
from aggregator.web.desk.feed_fields import make_seen
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.visit import Visit

#: Fetches that are counted, drawn, and listed in words.
_LINES, _DRAWN, _LISTED = 200, 60, 20
#: Few bars are not drawn wider than so many.
_LEAST_DRAWN = 30
_WEEKS = 12
_ENTRIES, _CHANGES = 10, 5
_MAX_NUMBER = 2**62
#: Of the charts of bytes and durations.
_CHART_STEP, _CHART_HEIGHT = 10, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One value of a chart, and which it is."""

    x: int
    y: float
    height: float
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What the last fetches came to."""

    count: int
    unmodified: int
    failed: int
    received_bytes: int
    #: Of those that were answered.
    mean_seconds: float

    @property
    def unmodified_share(self) -> int:
        """Per cent that were answered by 304."""
        return round(100 * self.unmodified / self.count) if self.count else 0


def find_feed(app: App, number: int) -> Feed:
    """Removed ones too. Raises `NotFound`."""
    if number < _MAX_NUMBER:
        with app.db.read() as conn:
            feed = feeds.get_feeds(conn, [FeedId(number)]).get(FeedId(number))
        if feed is not None:
            return feed
    raise NotFound(f"no feed {number}")


def show_feed(visit: Visit, **more: Any) -> Response:
    """Its page, with ``more`` for the template."""
    app = visit.app
    feed = find_feed(app, visit.params["feed"])
    with app.db.read() as conn:
        lines = fetchlog.list_lines(conn, feed.id, _LINES)
        waiting = held.list_held(conn, feed.id)
        known: dict[str, Any] = {
            "trouble": feed_health.get_trouble(conn, feed.id),
            "hub": hubs.get_hub(conn, feed.id),
            "weeks": feed_pages.count_by_week(conn, feed.id, until=app.now(), weeks=_WEEKS),
            "stored": feed_health.count_entries(conn, [feed.id]).get(feed.id, 0),
            "newest": entries.list_entries(conn, EntryQuery(feed_id=feed.id, limit=_ENTRIES, hidden="too")),
            "waiting": entries.list_entries(conn, EntryQuery(ids=waiting[-_ENTRIES:], hidden="too")),
            "changes": audit.list_changes(conn, subject=f"feed:{feed.id}", limit=_CHANGES),
        }
    places = max(min(len(lines), _DRAWN), _LEAST_DRAWN)
    return show_page(
        visit,
        "feed.html",
        feed=feed,
        is_removed=feed.paused_reason == feeds.REMOVED,
        can_be_removed=can_be_removed(feed),
        is_due=feed.state == "active" and feed.next_due_at <= app.now(),
        is_web=is_web_url(feed.spec.url),
        place=_find_place(app, feed),
        seen=make_seen(feed),
        interval="" if feed.spec.interval is None else format_duration(feed.spec.interval),
        say_seconds=lambda seconds: format_duration(timedelta(seconds=seconds)),
        header_names=_list_header_names(visit, feed),
        waiting_count=len(waiting),
        lines=lines[:_LISTED],
        places=places,
        strip_drawn=feed_words.make_strip(lines, places),
        sizes=_draw([line.received_bytes for line in lines[:places]], places),
        durations=_draw([line.seconds for line in lines[:places]], places),
        totals=_add_up(lines),
        hints=say_hints(feed.hints),
        words=feed_words,
        **known,
        **more,
    )


def _find_place(app: App, feed: Feed) -> str:
    """What asked for it: ``config.yaml:41``, or a list; empty: an editor."""
    if feed.spec.list_url:
        return redact_url(feed.spec.list_url)
    if feed.spec.origin == "added":
        return ""
    return app.settings.origins.feeds.get(feed.spec.url, "config.yaml")


def _list_header_names(visit: Visit, feed: Feed) -> list[str]:
    """What was typed, or what stands there, and a row for one more."""
    names = list(visit.sent.get("header_names", ())) or [name for name, _ in feed.spec.headers]
    return [*filter(None, names), ""]


def _draw(values: Sequence[float], places: int) -> tuple[Column, ...]:
    """Given newest first; the newest stands at the right."""
    most = max(values, default=0)
    found = []
    for place, value in enumerate(values):
        height = round(_CHART_HEIGHT * value / most, 1) if most else 0.0
        found.append(Column(x=_CHART_STEP * (places - 1 - place), y=_CHART_HEIGHT - height, height=height, value=value))
    return tuple(found[::-1])


def _add_up(lines: Sequence[FetchLogLine]) -> Totals:
    answered = [line.seconds for line in lines if not line.failure_class]
    return Totals(
        count=len(lines),
        unmodified=sum(line.status == 304 for line in lines),
        failed=sum(bool(line.failure_class) for line in lines),
        received_bytes=sum(line.received_bytes for line in lines),
        mean_seconds=sum(answered) / len(answered) if answered else 0.0,
    )
