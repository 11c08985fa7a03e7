"""The clock: at every tick it asks `tasks.due`, nothing else. Never stores a job, never decides what is due.

APScheduler 3.x keeps no state here: its job store would drop a run missed by downtime, fire twice in two daemons and
mark a job done that a shutdown cut off. Due rows decide; a tick that is lost is made up by the next.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from aggregator.app import App
from aggregator.errors import StorageError
from aggregator.log import get_logger
from aggregator.tasks.due import defer_due

log = get_logger(__name__)


def start_clock(
    app: App, *, seconds: float, may_tick: Callable[[], bool], renew: Callable[[], None], renew_seconds: float
) -> Any:
    """Tick from now on in a thread of its own, while we ``may_tick``; ``renew`` keeps our lease, in another thread."""
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.background import BackgroundScheduler

    clock = BackgroundScheduler(
        timezone=UTC,
        executors={"default": ThreadPoolExecutor(2)},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    clock.add_job(renew, "interval", seconds=renew_seconds, next_run_time=datetime.now(UTC))
    clock.add_job(tick, "interval", seconds=seconds, args=[app, may_tick], next_run_time=datetime.now(UTC))
    clock.start()
    return clock


def tick(app: App, may_tick: Callable[[], bool]) -> None:
    """Queue what is due, once."""
    try:
        if may_tick():
            defer_due(app)
    except StorageError as error:
        # The database is away or locked: what is due stays due.
        log.warning("tick.failed", reason=str(error))
