"""How fast mails may leave: all together, and to each domain that has a limit of its own. Never waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping

#: Of what is allowed in so many seconds, all may leave at once.
BURST_SECONDS = 0.1


class Bucket:
    """So many a second; it fills while nothing is taken, up to a small burst (a token bucket)."""

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._rate, self._clock = rate, clock
        self._room = max(1.0, rate * BURST_SECONDS)
        self._tokens, self._filled_at = self._room, clock()

    def get_wait(self) -> float:
        """Seconds until one more may leave; 0: now."""
        now = self._clock()
        self._tokens = min(self._room, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) / self._rate

    @property
    def interval(self) -> float:
        """Seconds between two."""
        return 1 / self._rate

    def spend(self) -> None:
        """One leaves."""
        self._tokens -= 1


class Rates:
    """``mail.rate`` and ``mail.domain_rates``; ``share`` of them for each of several processes."""

    def __init__(
        self, rate: float, domain_rates: Mapping[str, float], *, share: int = 1, clock: Callable[[], float]
    ) -> None:
        self._all = Bucket(rate / share, clock) if rate else None
        self._domains = {domain: Bucket(limit / share, clock) for domain, limit in domain_rates.items()}

    @property
    def has_domains(self) -> bool:
        """Whether any domain has a limit of its own."""
        return bool(self._domains)

    def get_wait(self) -> float:
        """Seconds until one more may leave, to whatever domain."""
        return self._all.get_wait() if self._all else 0.0

    def get_domain_wait(self, domain: str) -> float:
        """Seconds until one more may leave to this domain."""
        bucket = self._domains.get(domain)
        return bucket.get_wait() if bucket else 0.0

    def get_interval(self, domain: str) -> float:
        """Seconds between two to this domain; 0: it has no limit of its own."""
        bucket = self._domains.get(domain)
        return bucket.interval if bucket else 0.0

    def spend(self, domain: str) -> None:
        """One leaves for this domain."""
        if self._all:
            self._all.spend()
        if bucket := self._domains.get(domain):
            bucket.spend()
