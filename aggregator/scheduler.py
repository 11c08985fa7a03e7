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

TICK_SECONDS = 10
RENEW_SECONDS = 15


def start_clock(app: App, *, renew: Callable[[], None]) -> Any:
    """Tick from now on in a thread of its own; ``renew`` is called to keep the daemon's lease."""
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.background import BackgroundScheduler

    clock = BackgroundScheduler(
        timezone=UTC,
        executors={"default": ThreadPoolExecutor(2)},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    clock.add_job(_tick, "interval", seconds=TICK_SECONDS, args=[app], next_run_time=datetime.now(UTC))
    clock.add_job(renew, "interval", seconds=RENEW_SECONDS)
    clock.start()
    return clock


def _tick(app: App) -> None:
    try:
        defer_due(app)
    except StorageError as error:
        # The database is away or locked: what is due stays due.
        log.warning("tick.failed", reason=str(error))
