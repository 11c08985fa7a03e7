"""``aggregator run``: the daemon. Scheduler, worker and web in one process, until SIGTERM. Never does the work itself.

Order of starting: schema, lease, recovery, clock, worker, web. Order of stopping (SIGTERM, SIGINT): no new request
or job, fetching, then clock, web and worker (which finishes the mail it is at), lease. What hangs is
cut off (`worker`).

On PostgreSQL any number of daemons may run, and ``aggregator worker`` beside them: all serve and work, one clock
ticks.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from aggregator.app import App, open_app
from aggregator.cli.console import ConfigOption, find_config, get_config_file
from aggregator.cli.db import backup_folder
from aggregator.cli.lease import LeaseKeeper
from aggregator.cli.process import end_now, prepare_process, wait_for
from aggregator.cli.serving import WebThread, open_listener
from aggregator.heap import keep_loaded
from aggregator.log import get_logger
from aggregator.scheduler import start_clock
from aggregator.tasks.clean import plan_cleaning
from aggregator.tasks.startup import prepare_database, prove_mail, recover_claims, spread_overdue, upgrade_database
from aggregator.tasks.tag import plan_retagging
from aggregator.worker import RELEASE_SECONDS, drain, finish_within, start_worker

if TYPE_CHECKING:
    import uvicorn

    from aggregator.config.schema import Web

log = get_logger(__name__)


def run(config: ConfigOption = None) -> None:
    """Run the daemon: fetch what is due, serve the pages, and mail each issue at its time.

    With SQLite a second daemon on the same database stands by and takes over when the first one ends. On PostgreSQL any
    number may run: all serve pages and take jobs, one of them decides what is due.
    """
    found = find_config(config)
    stop = prepare_process(found)
    prove_mail()
    with open_app(found) as app:
        upgrade_database(app, backup_folder(found))
        prepare_database(app)
        keeper = LeaseKeeper(app, stop, on_leading=partial(_take_over, app))
        if keeper.wait():
            daemon = Daemon(app, found.web, get_config_file(found))
            try:
                if not app.queue.is_shared:
                    keeper.may_tick()  # now: before any job
                keep_loaded()
                daemon.serve(stop, keeper)
            finally:
                daemon.hangs = not finish_within(RELEASE_SECONDS, keeper.release) or daemon.hangs
            code = int(keeper.lost or daemon.web_failed)
            if daemon.hangs:
                end_now(app, code, event="daemon.stopped")
            if code:
                raise typer.Exit(code)
    log.info("daemon.stopped")


def _take_over(app: App, after_long: bool) -> None:
    """Before the first tick of a daemon."""
    recover_claims(app)
    if after_long:
        spread_overdue(app)
    plan_cleaning(app)
    plan_retagging(app)


class Daemon:
    """Worker, clock and web around one app."""

    def __init__(self, app: App, web: Web, config: Path | None) -> None:
        self._app = app
        self._web = web
        self._config = config
        #: Something was still under way when the wait for it was over.
        self.hangs = False
        #: The web server ended on its own.
        self.web_failed = False

    def serve(self, stop: threading.Event, keeper: LeaseKeeper) -> None:
        """Until ``stop``; then drain in order."""
        servers = [WebThread(server, listener, stop) for server, listener in self._open_servers()]
        clock = start_clock(
            self._app,
            seconds=keeper.tick_seconds,
            may_tick=keeper.may_tick,
            renew=keeper.renew,
            renew_seconds=keeper.renew_seconds,
        )
        worker = start_worker(self._app, stop, config=self._config)
        for web in servers:
            web.start()
        public, desk = self._web.listen, self._web.admin_listen or self._web.listen
        log.info("daemon.started", web=f"http://{public}", desk=f"http://{desk}/admin", database=self._app.db.url_text)
        try:
            wait_for(stop)
        finally:
            log.info("daemon.stopping")
            for web in servers:
                web.end()
            self.web_failed = any(web.failed for web in servers)
            self.hangs = not drain(self._app, (*servers, worker), ends=[clock.shutdown])

    def _open_servers(self) -> Iterator[tuple[uvicorn.Server, socket.socket]]:
        """The public site's, and the desk's where it has an address of its own; each listens already."""
        yield self._make_web(), open_listener(self._web.host, self._web.port, key="web.listen")
        if (address := self._web.desk_address) is not None:
            from aggregator.web.desk.desk import create_desk
            from aggregator.web.server import create_server

            server = create_server(create_desk(self._app), trusted_proxies=self._web.trusted_proxies)
            yield server, open_listener(*address, key="web.admin_listen")

    def _make_web(self) -> uvicorn.Server:
        from aggregator.web.server import create_server
        from aggregator.web.site import create_site

        site = create_site(
            self._app,
            searches_per_minute=self._web.searches_per_minute,
            metrics_allow=self._web.metrics_allow,
            with_desk=self._web.desk_address is None,
        )
        return create_server(site, trusted_proxies=self._web.trusted_proxies)
