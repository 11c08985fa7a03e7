"""``aggregator run``: the daemon. Scheduler, worker and web in one process, until SIGTERM. Never does the work itself.

Order of starting: schema, lease, recovery, worker, clock, web. Order of stopping (SIGTERM, SIGINT): web, clock,
fetching, worker (which finishes the mails it has claimed), lease.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from types import FrameType

from aggregator.app import App, open_app
from aggregator.cli.console import ConfigOption, find_config
from aggregator.cli.db import backup_folder
from aggregator.cli.lease import LeaseKeeper
from aggregator.errors import UsageError
from aggregator.log import configure_logging, get_logger
from aggregator.scheduler import start_clock
from aggregator.tasks.due import get_tasks
from aggregator.tasks.startup import prepare_database, recover_claims, upgrade_database

log = get_logger(__name__)


def run(config: ConfigOption = None) -> None:
    """Run the daemon: fetch what is due, publish, and mail each issue at its time; pages on the configured address.

    A second daemon on the same database stands by and takes over when the first one ends.
    """
    found = find_config(config)
    configure_logging(level=found.log.level, style=found.log.style)
    for warning in found.warnings:
        log.warning("config", problem=str(warning))
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, frame: _ask_to_stop(stop, number, frame))
    with open_app(found) as app:
        upgrade_database(app, backup_folder(found))
        prepare_database(app)
        keeper = LeaseKeeper(app, stop)
        if keeper.wait():
            try:
                recover_claims(app)
                Daemon(app, host=found.web.host, port=found.web.port).serve(stop, keeper)
            finally:
                keeper.release()
    log.info("daemon.stopped")


def _ask_to_stop(stop: threading.Event, number: int, frame: FrameType | None) -> None:
    if stop.is_set():
        # Asked twice: now. What was claimed is recovered at the next start.
        os._exit(128 + number)
    stop.set()


class Daemon:
    """Worker, clock and web around one app."""

    def __init__(self, app: App, *, host: str, port: int) -> None:
        self._app = app
        self._host = host
        self._port = port

    def serve(self, stop: threading.Event, keeper: LeaseKeeper) -> None:
        """Until ``stop``; then drain in order."""
        listener = self._listen()
        worker = threading.Thread(target=self._app.queue.run, args=(get_tasks(self._app),), name="worker")
        worker.start()
        clock = start_clock(self._app, renew=keeper.renew)
        log.info("daemon.started", web=f"http://{self._host}:{self._port}", database=self._app.db.url_text)
        try:
            self._serve_web(listener, stop)
        finally:
            log.info("daemon.stopping")
            clock.shutdown(wait=True)
            self._app.queue.stop()
            self._app.fetcher.close()
            worker.join()

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self._host, self._port))
        except OSError as error:
            listener.close()
            raise UsageError(f"web.listen: cannot listen on {self._host}:{self._port}: {error.strerror}") from error
        return listener

    def _serve_web(self, listener: socket.socket, stop: threading.Event) -> None:
        import uvicorn

        from aggregator.web.site import create_site

        server = uvicorn.Server(
            uvicorn.Config(
                create_site(self._app),
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                timeout_keep_alive=15,
                timeout_graceful_shutdown=10,
                limit_concurrency=500,
            )
        )

        def serve() -> None:
            try:
                server.run(sockets=[listener])
            finally:
                stop.set()

        # In a thread of its own, so that signals stay ours: uvicorn would answer them before the mails are finished.
        web = threading.Thread(target=serve, name="web")
        web.start()
        stop.wait()
        server.should_exit = True
        web.join()
