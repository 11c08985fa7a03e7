"""How fast mails may leave: all together, and to each domain that has a limit of its own. Never waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping

#: Of what is allowed in so many seconds, all may leave at once.
BURST_SECONDS = 0.1


class Bucket:
    """So many a second; it fills while nothing is taken, up to a small burst (a token bucket)."""

    def __init__(self, limit: float, clock: Callable[[], float]) -> None:
        self._limit, self._clock = limit, clock
        self._rate, self._room = limit, self._get_room(limit)
        self._tokens, self._filled_at = self._room, clock()

    def divide(self, share: int) -> None:
        """From now on ours is the limit's ``share``-th part."""
        self._fill()
        self._rate = self._limit / share
        self._room = self._get_room(self._rate)
        self._tokens = min(self._tokens, self._room)

    def empty(self) -> None:
        """Whatever was left unused."""
        self._tokens, self._filled_at = 0.0, self._clock()

    def get_wait(self) -> float:
        """Seconds until one more may leave; 0: now."""
        self._fill()
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) / self._rate

    @property
    def interval(self) -> float:
        """Seconds between two."""
        return 1 / self._rate

    def spend(self) -> None:
        """One leaves."""
        self._tokens -= 1

    def _fill(self) -> None:
        now = self._clock()
        self._tokens = min(self._room, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now

    @staticmethod
    def _get_room(rate: float) -> float:
        return max(1.0, rate * BURST_SECONDS)


class Rates:
    """``mail.rate`` and ``mail.domain_rates``, or the part of them that is ours."""

    def __init__(self, rate: float, domain_rates: Mapping[str, float], *, clock: Callable[[], float]) -> None:
        self._all = Bucket(rate, clock) if rate else None
        self._domains = {domain: Bucket(limit, clock) for domain, limit in domain_rates.items()}

    def divide(self, share: int) -> None:
        """From now on so many send, and each has the same part."""
        for bucket in self._list():
            bucket.divide(share)

    def empty(self) -> None:
        """For who joins others: he brings no burst of his own."""
        for bucket in self._list():
            bucket.empty()

    @property
    def has_domains(self) -> bool:
        """Whether any domain has a limit of its own."""
        return bool(self._domains)

    def is_limited(self, domain: str) -> bool:
        """Whether this domain has one."""
        return domain in self._domains

    def get_wait(self) -> float:
        """Seconds until one more may leave, to whatever domain."""
        return self._all.get_wait() if self._all else 0.0

    def get_domain_wait(self, domain: str) -> float:
        """Seconds until one more may leave to this domain."""
        bucket = self._domains.get(domain)
        return bucket.get_wait() if bucket else 0.0

    def get_interval(self, domain: str = "") -> float:
        """Seconds between two to this domain, or to all together; 0: there is no limit."""
        bucket = self._domains.get(domain) if domain else self._all
        return bucket.interval if bucket else 0.0

    def spend(self, domain: str) -> None:
        """One leaves for this domain."""
        if self._all:
            self._all.spend()
        if bucket := self._domains.get(domain):
            bucket.spend()

    def _list(self) -> list[Bucket]:
        return [*([self._all] if self._all else []), *self._domains.values()]
