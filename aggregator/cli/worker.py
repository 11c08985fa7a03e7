"""``aggregator worker``: one more process that takes jobs, beside a daemon on PostgreSQL. Never ticks, and
serves no page; where it is told to, it shows its figures.
"""

from __future__ import annotations

import threading
from typing import Annotated

import typer

from aggregator.app import App, open_app
from aggregator.cli.console import ConfigOption, find_config, get_config_file
from aggregator.cli.process import end_now, prepare_process, wait_for
from aggregator.cli.serving import WebThread, open_listener
from aggregator.config import Config
from aggregator.config.words import LISTEN, split_listen
from aggregator.errors import DatabaseUnavailable, UsageError
from aggregator.heap import keep_loaded
from aggregator.log import get_logger
from aggregator.storage import meta, migrate
from aggregator.tasks.startup import prove_mail, require_whole
from aggregator.worker import drain, start_worker

log = get_logger(__name__)

FIRST_LOOK_SECONDS, LAST_LOOK_SECONDS = 1.0, 60.0


def _check_address(text: str | None) -> str | None:
    try:
        if text is not None:
            split_listen(text)
    except ValueError:
        raise typer.BadParameter(f"expected {LISTEN.expected}") from None
    return text


_AddressOption = Annotated[
    str | None,
    typer.Option(
        "--metrics-listen",
        metavar="HOST:PORT",
        callback=_check_address,
        help="Serve /metrics and /healthz there, and nothing else. Default: nowhere.",
        show_default=False,
    ),
]


def worker(config: ConfigOption = None, metrics_listen: _AddressOption = None) -> None:
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
        web = _watch(app, found, metrics_listen, stop) if metrics_listen else None
        try:
            if _wait_for_schema(app, stop):
                _work(app, found, stop, web)
        finally:
            if web:
                web.end()
                web.join()
        if web and web.failed:
            raise typer.Exit(1)
    log.info("worker.stopped")


def _work(app: App, config: Config, stop: threading.Event, web: WebThread | None) -> None:
    keep_loaded()
    thread = start_worker(app, stop, config=get_config_file(config))
    log.info("worker.started", database=app.db.url_text)
    try:
        wait_for(stop)
    finally:
        log.info("worker.stopping")
        if not drain(app, [thread]):
            end_now(app, int(web is not None and web.failed), event="worker.stopped")


def _watch(app: App, config: Config, address: str, stop: threading.Event) -> WebThread:
    """Figures from now on, also while the schema is waited for."""
    from aggregator.web.server import create_server
    from aggregator.web.watch import Watch

    host, port = split_listen(address)
    watch = Watch(app, metrics_allow=config.web.metrics_allow)
    server = create_server(watch, trusted_proxies=config.web.trusted_proxies)
    web = WebThread(server, open_listener(host, port, key="--metrics-listen"), stop)
    web.start()
    log.info("worker.shows", metrics=f"http://{address}/metrics")
    return web


def _wait_for_schema(app: App, stop: threading.Event) -> bool:
    """False when asked to stop first. Raises `StorageError` when this program is the older one, or may not write."""
    wait = FIRST_LOOK_SECONDS
    while reason := _find_reason(app):
        log.warning("worker.waits", reason=reason, again_in_seconds=wait)
        if stop.wait(wait):
            return False
        wait = min(2 * wait, LAST_LOOK_SECONDS)
    require_whole(app)
    meta.try_to_write(app.db)
    return True


def _find_reason(app: App) -> str:
    """To wait; empty: none."""
    try:
        state = migrate.current(app.db)
    except DatabaseUnavailable as error:
        return str(error)
    return f"{app.db.url_text}: the schema is {state}" if state in ("empty", "older") else ""
