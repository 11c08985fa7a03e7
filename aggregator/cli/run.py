"""``aggregator run``: the daemon. Scheduler, worker and web in one process, until SIGTERM. Never does the work itself.

Order of starting: schema, lease, recovery, worker, clock, web. Order of stopping (SIGTERM, SIGINT): no new request
or job, fetching, then clock, web and worker (which finishes the mail it is at), lease. What hangs longer than
`DRAIN_SECONDS` is cut off.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import threading
from queue import SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING

import typer

from aggregator.app import App, open_app
from aggregator.cli.console import ConfigOption, find_config
from aggregator.cli.db import backup_folder
from aggregator.cli.lease import LeaseKeeper
from aggregator.errors import StorageError, UsageError
from aggregator.heap import keep_loaded, limit_arenas
from aggregator.log import configure_logging, get_logger
from aggregator.scheduler import start_clock
from aggregator.tasks.clean import plan_cleaning
from aggregator.tasks.due import get_tasks
from aggregator.tasks.startup import prepare_database, recover_claims, spread_overdue, upgrade_database
from aggregator.tasks.tag import plan_retagging

if TYPE_CHECKING:
    import uvicorn

    from aggregator.config.schema import Web

log = get_logger(__name__)

#: How long a shutdown waits for what is under way. A mail server may take ten minutes to answer; service managers
#: kill earlier.
DRAIN_SECONDS = 15.0
WAKE_SECONDS = 0.5
_MAX_FILES = 65_536
#: While a thread parses or makes a page, whoever answers readers waits so long for each turn; Python's own 5 ms let
#: them have a quarter of what they have with this, and cost the thread nothing that can be seen.
_SWITCH_SECONDS = 0.001


def run(config: ConfigOption = None) -> None:
    """Run the daemon: fetch what is due, serve the pages, and mail each issue at its time.

    A second daemon on the same database stands by and takes over when the first one ends.
    """
    found = find_config(config)
    limit_arenas()
    raise_file_limit()
    sys.setswitchinterval(_SWITCH_SECONDS)
    configure_logging(level=found.log.level, style=found.log.style)
    for warning in found.warnings:
        log.warning("config", problem=str(warning))
    stop = watch_signals()
    with open_app(found) as app:
        upgrade_database(app, backup_folder(found))
        prepare_database(app)
        keeper = LeaseKeeper(app, stop)
        if keeper.wait():
            daemon = Daemon(app, found.web)
            try:
                recover_claims(app)
                spread_overdue(app)
                plan_cleaning(app)
                plan_retagging(app)
                keep_loaded()
                daemon.serve(stop, keeper)
            finally:
                keeper.release()
            code = int(keeper.lost or daemon.web_failed)
            if daemon.hangs:
                _end_now(app, code)
            if code:
                raise typer.Exit(code)
    log.info("daemon.stopped")


def raise_file_limit() -> None:
    """Each slow host costs a socket while it is waited for; the soft limit is often a thousand."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _end_now(app: App, code: int) -> None:
    """Threads that hang would keep the process; what they had claimed is free already."""
    app.sandbox.close()
    log.info("daemon.stopped")
    sys.stderr.flush()
    os._exit(code)


def watch_signals() -> threading.Event:
    """What SIGTERM and SIGINT set. Asked twice, the process ends now; its claims are recovered at the next start.

    A handler runs in the middle of whatever the main thread does, which may be `Event.wait` with its lock in hand:
    setting the event there would wait for itself. `SimpleQueue.put` is made for that; a thread does the rest.
    """
    stop = threading.Event()
    asked: SimpleQueue[int] = SimpleQueue()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, _: asked.put(number))

    def watch() -> None:
        asked.get()
        stop.set()
        os._exit(128 + asked.get())

    threading.Thread(target=watch, name="signals", daemon=True).start()
    return stop


class Daemon:
    """Worker, clock and web around one app."""

    def __init__(self, app: App, web: Web) -> None:
        self._app = app
        self._web = web
        #: Something was still under way when the wait for it was over.
        self.hangs = False
        #: The web server ended on its own.
        self.web_failed = False

    def serve(self, stop: threading.Event, keeper: LeaseKeeper) -> None:
        """Until ``stop``; then drain in order."""
        listener, server = self._listen(), self._make_web()
        tasks = get_tasks(self._app, pause=lambda seconds: stop.wait(max(seconds, 0)))
        worker = threading.Thread(target=self._app.queue.run, args=(tasks,), name="worker")
        worker.start()
        clock = start_clock(self._app, renew=keeper.renew)
        # In a thread of its own, so that signals stay ours: uvicorn would answer them before the mails are finished.
        web = threading.Thread(target=self._serve_web, args=(server, listener, stop), name="web")
        web.start()
        log.info("daemon.started", web=f"http://{self._web.host}:{self._web.port}", database=self._app.db.url_text)
        try:
            # Not for ever at a time: a signal that comes just before the wait begins would not end it.
            while not stop.wait(WAKE_SECONDS):
                pass
        finally:
            log.info("daemon.stopping")
            deadline = monotonic() + DRAIN_SECONDS
            server.should_exit = True
            self._app.queue.stop()
            # Each waits for what is under way, and none may hold up the others.
            ending = [threading.Thread(target=end, daemon=True) for end in (self._app.fetcher.close, clock.shutdown)]
            for thread in ending:
                thread.start()
            threads = (*ending, web, worker)
            for thread in threads:
                thread.join(max(0.0, deadline - monotonic()))
            if any(thread.is_alive() for thread in threads):
                self._cut_off()

    def _cut_off(self) -> None:
        self.hangs = True
        log.warning("daemon.cut_off", reason=f"something was still under way after {DRAIN_SECONDS:g} seconds")
        try:
            recover_claims(self._app, ours=True)
        except StorageError as error:
            log.warning("claims.not_recovered", reason=str(error))  # the next start does it

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._web.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self._web.host, self._web.port))
            listener.listen(2048)  # now, not when the web server is ready: only this tells that the address is taken
        except OSError as error:
            listener.close()
            raise UsageError(
                f"web.listen: cannot listen on {self._web.host}:{self._web.port}: {error.strerror}"
            ) from error
        return listener

    def _make_web(self) -> uvicorn.Server:
        from aggregator.web.server import create_server
        from aggregator.web.site import create_site

        site = create_site(self._app, searches_per_minute=self._web.searches_per_minute)
        return create_server(site, trusted_proxies=self._web.trusted_proxies)

    def _serve_web(self, server: uvicorn.Server, listener: socket.socket, stop: threading.Event) -> None:
        try:
            server.run(sockets=[listener])
        finally:
            self.web_failed = not stop.is_set()
            stop.set()
