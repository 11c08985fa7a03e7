"""Our part of ``mail.rate`` and ``mail.domain_rates`` while others send, too, on whatever machine. Never sends.

Who sends says so in a row whose lease he renews, and at each renewal counts those of all: the rates divided by that
number are his. A newcomer begins when all others must have counted him, so that all parts together never make more than
the whole. A dead one is counted until his lease is over. Where nothing is limited nobody counts, and nobody waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count

from aggregator.app import App
from aggregator.errors import StorageError
from aggregator.log import get_logger
from aggregator.storage import senders
from aggregator.tasks.rates import Rates
from aggregator.tasks.worker import is_dead, worker_name

log = get_logger(__name__)

#: Nothing is sent by a count that is older.
RENEW_SECONDS = 2.0
#: A newcomer waits for that, and for a mail of somebody else's that had its turn just before and claims rows still.
JOIN_SECONDS = 2 * RENEW_SECONDS
#: Longer than a count is good for by a few seconds, by which the clocks of two machines may differ.
LEASE = timedelta(seconds=10)

#: One process may send two things at once: an issue and letters.
_numbers = count(1)


class Pace:
    """Of one run; used by one thread. It counts from its first question on, until `leave`."""

    def __init__(self, app: App, *, clock: Callable[[], float] = time.monotonic) -> None:
        mail = app.settings.mail
        self._app, self._clock = app, clock
        self._rates = Rates(mail.rate, dict(mail.domain_rates), clock=clock)
        self._name = f"{worker_name()}:{next(_numbers)}"
        self._counted_at: float | None = None
        self._begins_at = clock()

    @property
    def has_domains(self) -> bool:
        """Whether any domain has a limit of its own."""
        return self._rates.has_domains

    def get_interval(self, domain: str = "") -> float:
        """Seconds between two of ours to this domain, or to all together; 0: there is no limit."""
        return self._rates.get_interval(domain)

    def get_wait(self) -> float:
        """Seconds until one more of ours may leave, to whatever domain. Raises `StorageError`."""
        return max(self._await_turn(), self._rates.get_wait()) if self._rates.get_interval() else 0.0

    def get_domain_wait(self, domain: str) -> float:
        """Seconds until one more of ours may leave to this domain. Raises `StorageError`."""
        if not self._rates.is_limited(domain):
            return 0.0
        return max(self._await_turn(), self._rates.get_domain_wait(domain))

    def spend(self, domain: str) -> None:
        """One leaves for this domain."""
        self._rates.spend(domain)

    def wait(self, domain: str, pause: Callable[[float], bool]) -> bool:
        """Until one more may leave to this domain, and let it; False: ``pause`` said that we are to stop."""
        while seconds := max(self.get_wait(), self.get_domain_wait(domain)):
            if pause(min(seconds, RENEW_SECONDS)):
                return False
        if pause(0):
            return False
        self.spend(domain)
        return True

    def keep(self) -> None:
        """To be called every second or so, also while nothing is asked: others go on counting us."""
        if self._counted_at is None:
            return
        try:
            self._await_turn()
        except StorageError as error:
            log.warning("sender.not_renewed", reason=str(error))  # asked again before a mail leaves

    def leave(self) -> None:
        """Our part is the others'."""
        if self._counted_at is None:
            return
        self._counted_at = None
        try:
            with self._app.db.write() as conn:
                senders.leave(conn, [self._name])
        except StorageError as error:
            log.warning("sender.not_gone", reason=str(error))  # its lease ends

    def _await_turn(self) -> float:
        """Count when it is time; in how many seconds we may begin."""
        now = self._clock()
        if self._counted_at is None or now - self._counted_at >= RENEW_SECONDS:
            self._count()
            self._counted_at = now
        return max(0.0, self._begins_at - self._clock())

    def _count(self) -> None:
        share = None
        with self._app.db.write() as conn:
            if self._counted_at is not None:
                now = self._app.now()
                share = senders.renew(conn, self._name, now=now, until=now + LEASE)
            is_new = share is None
            if share is None:
                senders.lock(conn)
                now = self._app.now()  # by which locks were waited for
                senders.leave(conn, [name for name in senders.list_names(conn) if is_dead(name)])
                share = senders.join(conn, self._name, now=now, until=now + LEASE)
        self._rates.divide(share)
        if is_new and share > 1:
            self._rates.empty()
            self._begins_at = self._clock() + JOIN_SECONDS
