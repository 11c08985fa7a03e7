"""``aggregator worker``: one more process that takes jobs, beside a daemon on PostgreSQL. Never ticks, never serves."""

from __future__ import annotations

import threading

from aggregator.app import App, open_app
from aggregator.cli.console import ConfigOption, find_config, get_config_file
from aggregator.cli.process import end_now, prepare_process, wait_for
from aggregator.errors import UsageError
from aggregator.heap import keep_loaded
from aggregator.log import get_logger
from aggregator.storage import migrate
from aggregator.tasks.startup import prove_mail, require_whole
from aggregator.worker import drain, start_worker

log = get_logger(__name__)

FIRST_LOOK_SECONDS, LAST_LOOK_SECONDS = 1.0, 60.0


def worker(config: ConfigOption = None) -> None:
    """Take jobs (fetching, sending, grouping) beside `aggregator run`, on this machine or another.

    Needs PostgreSQL and the same config.yaml as the daemon. Start as many as you like; SIGTERM ends one when the jobs
    that it has begun are finished. Waits while the database has an older schema, until `aggregator run` or
    `aggregator db upgrade` has brought it up to date.
    """
    found = find_config(config)
    stop = prepare_process(found)
    prove_mail()
    with open_app(found) as app:
        if not app.queue.is_shared:
            raise UsageError("database: workers need PostgreSQL; with SQLite `aggregator run` does all of the work")
        if _wait_for_schema(app, stop):
            keep_loaded()
            thread = start_worker(app, stop, config=get_config_file(found))
            log.info("worker.started", database=app.db.url_text)
            try:
                wait_for(stop)
            finally:
                log.info("worker.stopping")
                if not drain(app, [thread]):
                    end_now(app, 0)
    log.info("worker.stopped")


def _wait_for_schema(app: App, stop: threading.Event) -> bool:
    """False when asked to stop first. Raises `SchemaMismatch` when this program is the older one."""
    wait = FIRST_LOOK_SECONDS
    while (state := migrate.current(app.db)) in ("empty", "older"):
        log.warning("worker.waits", reason=f"{app.db.url_text}: the schema is {state}", again_in_seconds=wait)
        if stop.wait(wait):
            return False
        wait = min(2 * wait, LAST_LOOK_SECONDS)
    require_whole(app)
    return True
