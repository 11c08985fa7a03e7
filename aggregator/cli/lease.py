"""The right to be the one daemon of a database that ticks, kept by renewing a row. Never decides what a daemon does.

With SQLite a second daemon stands by as a whole. Where the queue is shared every daemon serves pages and takes jobs,
and the lease says only whose clock ticks; one that is gone or stopped is replaced within `SHARED_LEASE` and a renewal.
A paused daemon that goes on late finds its lease gone before its next tick: each tick looks at the row's fence.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from datetime import timedelta

from aggregator.app import App
from aggregator.errors import StorageError
from aggregator.log import get_logger
from aggregator.storage import leases
from aggregator.tasks.worker import is_dead, worker_name

log = get_logger(__name__)

LEASE_NAME = "daemon"
#: Of the one daemon there can be: its lease, how often that is renewed, and how often it ticks.
LEASE, RENEW_SECONDS, TICK_SECONDS = timedelta(seconds=60), 15.0, 10.0
#: Of each of several.
SHARED_LEASE, SHARED_RENEW_SECONDS, SHARED_TICK_SECONDS = timedelta(seconds=6), 2.0, 3.0
STAND_BY_SECONDS = 2.0
#: Nobody ticked for so long: what fell due meanwhile is much.
LONG = timedelta(minutes=2)


class LeaseKeeper:
    """One daemon's hold on the lease, or its wait for it."""

    def __init__(self, app: App, stop: threading.Event, *, on_leading: Callable[[bool], object]) -> None:
        """``on_leading`` is called before our first tick (`may_tick`); true: nobody had the lease for long."""
        self._app = app
        self._stop = stop
        self._on_leading = on_leading
        self._owner = f"{worker_name()}:{secrets.token_hex(4)}"
        #: Of the lease, as far as we know; None: it is not ours.
        self._fence: int | None = None
        #: What `on_leading` is to be told; None: it has been called.
        self._owed: bool | None = None
        #: Another daemon took over, and there can be one only.
        self.lost = False
        self._is_shared = app.queue.is_shared
        several, one = (SHARED_LEASE, SHARED_RENEW_SECONDS, SHARED_TICK_SECONDS), (LEASE, RENEW_SECONDS, TICK_SECONDS)
        self._ttl, self.renew_seconds, self.tick_seconds = several if self._is_shared else one

    def wait(self) -> bool:
        """Until we may work; False when asked to stop first. Where the queue is shared: at once."""
        if self._is_shared:
            return True
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
        """Called by the clock. One that lost its lease ticks no more, and stops where there can be one daemon only."""
        if self._stop.is_set():
            return  # about to be released
        try:
            kept = self._acquire()
        except StorageError as error:
            if self._is_shared:
                self._fence = None
            log.warning("lease.not_renewed", reason=str(error))
            return
        if not kept and not self._is_shared:
            log.error("lease.lost", reason="another daemon took over")
            self.lost = True
            self._stop.set()

    def may_tick(self) -> bool:
        """Whether our clock ticks. What comes before the first tick is done here, by who ticks: renewing goes on.

        Raises `StorageError`.
        """
        fence = self._fence
        if fence is None:
            return False
        with self._app.db.read() as conn:
            if not leases.is_held(conn, LEASE_NAME, fence, now=self._app.now()):
                return False
        if self._owed is not None:
            self._on_leading(self._owed)
            self._owed = None
        return True

    def release(self) -> None:
        """Give it up, so that a successor need not wait; when the database is away the lease ends by itself."""
        try:
            with self._app.db.write() as conn:
                leases.release(conn, LEASE_NAME, self._owner, now=self._app.now())
        except StorageError as error:
            log.warning("lease.not_released", reason=str(error))

    def _acquire(self) -> bool:
        with self._app.db.write() as conn:
            now = self._app.now()
            ended_at = leases.get_end(conn, LEASE_NAME)
            fence = leases.acquire(conn, LEASE_NAME, self._owner, now=now, ttl=self._ttl)
            if fence is None and is_dead(holder := leases.get_owner(conn, LEASE_NAME)):
                # A killed daemon must not cost its successor a minute.
                leases.release(conn, LEASE_NAME, holder, now=now)
                fence = leases.acquire(conn, LEASE_NAME, self._owner, now=now, ttl=self._ttl)
        led, leads = self._fence is not None, fence is not None
        self._fence = fence
        if leads != led and self._is_shared:
            log.info("daemon.leads" if leads else "daemon.follows")
        was_long = ended_at is None or now - ended_at > LONG  # ours too may have run out: a machine that slept
        if leads and (was_long or not led):
            self._owed = bool(self._owed) or was_long
        return leads
