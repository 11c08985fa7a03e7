"""The right to be the one daemon of a database, kept by renewing a row. Never decides what a daemon does."""

from __future__ import annotations

import secrets
import threading
from datetime import timedelta

from aggregator.app import App
from aggregator.errors import StorageError
from aggregator.log import get_logger
from aggregator.storage import leases
from aggregator.tasks.worker import is_dead, worker_name

log = get_logger(__name__)

LEASE_NAME = "daemon"
LEASE = timedelta(seconds=60)
STAND_BY_SECONDS = 2.0


class LeaseKeeper:
    """The right to be the one daemon of a database, kept by renewing a row."""

    def __init__(self, app: App, stop: threading.Event) -> None:
        self._app = app
        self._stop = stop
        #: Another daemon took over.
        self.lost = False
        self._owner = f"{worker_name()}:{secrets.token_hex(4)}"

    def wait(self) -> bool:
        """Until the lease is ours; False when asked to stop first."""
        said = False
        while not self._acquire():
            if not said:
                log.warning(
                    "daemon.stands_by", reason="another daemon runs on this database; waiting for its lease to end"
                )
                said = True
            if self._stop.wait(STAND_BY_SECONDS):
                return False
        return True

    def renew(self) -> None:
        """Called by the clock; a daemon that lost its lease stops rather than work beside another."""
        if self._stop.is_set():
            return  # about to be released
        try:
            kept = self._acquire()
        except StorageError as error:
            log.warning("lease.not_renewed", reason=str(error))
            return
        if not kept:
            log.error("lease.lost", reason="another daemon took over")
            self.lost = True
            self._stop.set()

    def release(self) -> None:
        """Give it up, so that a successor need not wait; when the database is away the lease ends by itself."""
        try:
            with self._app.db.write() as conn:
                leases.release(conn, LEASE_NAME, self._owner)
        except StorageError as error:
            log.warning("lease.not_released", reason=str(error))

    def _acquire(self) -> bool:
        with self._app.db.write() as conn:
            now = self._app.now()
            if leases.acquire(conn, LEASE_NAME, self._owner, now=now, ttl=LEASE) is not None:
                return True
            holder = leases.get_owner(conn, LEASE_NAME)
            # A killed daemon must not cost its successor a minute.
            if not is_dead(holder):
                return False
            leases.release(conn, LEASE_NAME, holder)
            return leases.acquire(conn, LEASE_NAME, self._owner, now=now, ttl=LEASE) is not None
