"""What is read when Prometheus asks: rows in numbers, the pool, the memory. Never counts by itself (see `metrics`).

Reading is bounded: what took long is kept a hundred times as long, so that the database spends at most one part in a
hundred of its time on being watched, however much it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from time import monotonic
from typing import get_args

from aggregator import __version__, metrics
from aggregator.app import App
from aggregator.errors import SchemaMismatch, StorageError
from aggregator.log import get_logger
from aggregator.metrics import Figure, make_figure
from aggregator.model.feed import FAILURE_CLASSES, FeedState
from aggregator.model.newsletter import IssueState
from aggregator.model.subscriber import DeliveryState
from aggregator.storage import figures, migrate
from aggregator.tasks.process_memory import TreeMemory, measure_memory

log = get_logger(__name__)

#: What reads much of a table is kept so long at least.
LONG_SECONDS = 30.0
#: And all is kept so many times as long as it took; but not for longer than this.
SHARE = 100
LONGEST_SECONDS = 900.0
_MEMORY_SECONDS = 10.0
_RECENT = timedelta(days=1)
_WEEK = timedelta(days=7)

Ask = Callable[[App], Sequence[Figure]]


@dataclass(slots=True)
class _Kept:
    """Figures that are read together, and until when they hold."""

    ask: Ask
    is_long: bool = False
    found: Sequence[Figure] = field(default_factory=tuple)
    until: float = 0.0


class Figures:
    """Looks at one App; `look` may run in one thread at a time, the rest anywhere."""

    def __init__(self, app: App, *, clock: Callable[[], float] = monotonic) -> None:
        self._app, self._clock = app, clock
        self._kept = (
            _Kept(_ask_queue),
            _Kept(_ask_lateness),
            _Kept(_ask_recent),
            _Kept(_ask_issues),
            _Kept(_ask_feeds, is_long=True),
            _Kept(_ask_deliveries, is_long=True),
        )
        #: Whether the database answered when it was last asked; `_is_silent`: it is being asked, and has not yet.
        self._is_up, self._is_silent = False, False
        self._is_told = False
        self._memory: TreeMemory | None = None
        self._memory_until = 0.0
        self._lock = Lock()
        metrics.FETCHES.expect("ok", "not_modified", "postponed", *FAILURE_CLASSES)
        metrics.ENTRIES.expect("new", "changed")
        metrics.MAILS.expect("sent", "deferred", "failed", "unknown", "again")

    def look(self) -> None:
        """Read what does not hold any more. Takes as long as the database takes; never raises."""
        self._is_silent = True
        try:
            if (state := migrate.current(self._app.db)) != "current":
                raise SchemaMismatch(f"the schema is {state}")
            self._is_up, self._is_silent, self._is_told = True, False, True
            for kept in self._kept:
                self._renew(kept)
        except StorageError as error:
            if self._is_told:  # once, not with every look
                log.warning("metrics.no_database", reason=str(error))
            self._forget()
        except Exception:
            log.exception("metrics.fault")
            self._forget()

    def _forget(self) -> None:
        self._is_up = self._is_silent = self._is_told = False
        for kept in self._kept:
            kept.found, kept.until = (), 0.0

    def _renew(self, kept: _Kept) -> None:
        began = self._clock()
        if began < kept.until:
            return
        kept.found = kept.ask(self._app)
        ended = self._clock()
        least = LONG_SECONDS if kept.is_long else 0.0
        kept.until = ended + max(least, min((ended - began) * SHARE, LONGEST_SECONDS))

    def measure(self) -> None:
        """Read the memory; a moment's work, and none when it was read a moment ago."""
        with self._lock:
            if self._clock() >= self._memory_until:
                self._memory = measure_memory()
                self._memory_until = self._clock() + _MEMORY_SECONDS

    def collect(self, *, is_late: bool = False) -> tuple[Figure, ...]:
        """What is known now, at once; nothing of the rows when the database has not answered.

        ``is_late``: a look takes so long that it is not waited for any more; has the database said nothing yet, it is
        away.
        """
        db, memory = self._app.db, self._memory
        is_up = self._is_up and not (is_late and self._is_silent)
        labels = ("version", "schema", "database")
        values = (__version__, migrate.REVISIONS[-1], db.dialect)
        pool = figures.get_pool(db)
        found = [
            Figure("aggregator_build_info", "What is running; always 1.", labels, {values: 1}),
            make_figure("aggregator_database_up", "1 when the database answers and has our tables.", is_up),
            make_figure("aggregator_database_pool_size", "Connections of this process, at most.", pool.limit),
            make_figure("aggregator_database_pool_in_use", "Connections that are lent at the moment.", pool.in_use),
        ]
        if memory is not None:
            meaning = "Memory of this process and all below it: the sum of PSS."
            found.append(make_figure("aggregator_memory_pss_bytes", meaning, memory.pss_bytes))
            found.append(make_figure("aggregator_processes", "Processes that memory is of.", memory.processes))
        if is_up:
            found += [figure for kept in self._kept for figure in kept.found]
        return tuple(found)


def _ask_queue(app: App) -> Sequence[Figure]:
    lanes = app.queue.measure()
    counts: dict[tuple[str, ...], float] = {
        (lane.name, state): count
        for lane in lanes
        for state, count in (("waiting", lane.waiting), ("later", lane.later), ("running", lane.running))
    }
    ages: dict[tuple[str, ...], float] = {(lane.name,): lane.oldest_seconds for lane in lanes}
    lag = "Since when the first of the jobs that wait could have been taken, in seconds; 0: none waits."
    return (
        Figure("aggregator_queue_jobs", "Jobs of the queue.", ("lane", "state"), counts),
        Figure("aggregator_queue_oldest_seconds", lag, ("lane",), ages),
    )


def _ask_lateness(app: App) -> Sequence[Figure]:
    now = app.now()
    with app.db.read() as conn:
        feeds, deliveries = figures.find_due_feeds(conn, now), figures.find_due_deliveries(conn, now)
    most = f"at most {figures.MOST} are counted."
    lag = "Since when the first of them waits for its turn, in seconds; 0: none does."
    return (
        make_figure("aggregator_feeds_due", f"Feeds whose time has come; {most}", feeds.count),
        make_figure("aggregator_feeds_due_oldest_seconds", lag, _say_age(feeds, now)),
        make_figure("aggregator_deliveries_due", f"Mails of issues whose time has come; {most}", deliveries.count),
        make_figure("aggregator_deliveries_due_oldest_seconds", lag, _say_age(deliveries, now)),
    )


def _say_age(due: figures.Due, now: datetime) -> float:
    return max(0.0, (now - due.oldest_at).total_seconds()) if due.oldest_at else 0.0


def _ask_recent(app: App) -> Sequence[Figure]:
    since, most = app.now() - _RECENT, f"at most {figures.MOST} are counted."
    with app.db.read() as conn:
        entries, stories = figures.count_new_entries(conn, since), figures.count_new_stories(conn, since)
        untagged, unranked = figures.count_untagged(conn), figures.count_unranked(conn)
    return (
        make_figure("aggregator_entries_last_day", f"Entries first seen within 24 hours; {most}", entries),
        make_figure("aggregator_entries_untagged", f"Entries that wait for their tags; {most}", untagged),
        make_figure("aggregator_stories_last_day", f"Stories that began within 24 hours; {most}", stories),
        make_figure("aggregator_stories_unranked", f"Stories that wait for their score; {most}", unranked),
    )


def _ask_issues(app: App) -> Sequence[Figure]:
    with app.db.read() as conn:
        counts = figures.count_issues(conn)
    return (_make_states("aggregator_issues", "Issues of newsletters.", counts, get_args(IssueState)),)


def _ask_feeds(app: App) -> Sequence[Figure]:
    with app.db.read() as conn:
        counts = figures.count_feeds(conn)
    return (_make_states("aggregator_feeds", "Feeds.", counts, get_args(FeedState)),)


def _ask_deliveries(app: App) -> Sequence[Figure]:
    with app.db.read() as conn:
        counts = figures.count_deliveries(conn, app.now() - _WEEK)
    meaning = "Mails of issues of the last seven days, and of those that are being sent."
    return (_make_states("aggregator_issue_deliveries", meaning, counts, get_args(DeliveryState)),)


def _make_states(name: str, meaning: str, counts: Mapping[str, int], states: Sequence[str]) -> Figure:
    """Each state is there, with 0 where nothing is in it."""
    return Figure(name, meaning, ("state",), {(state,): counts.get(state, 0) for state in states})
