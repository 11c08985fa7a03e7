"""How often one host may be asked: requests at one time, and a gap between their starts. Never sends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

#: For hosts inside our own networks: at one time, without a gap.
OWN_AT_ONCE = 8
_KEEP_SECONDS = 600.0


class HostGate:
    """The queue before one host."""

    def __init__(self, at_once: int, gap_seconds: float) -> None:
        self.at_once = at_once
        self._room = asyncio.Semaphore(at_once)
        self._pace = asyncio.Lock()
        self._gap_seconds = gap_seconds
        self._next_start = 0.0
        self._users = 0

    @asynccontextmanager
    async def enter(self, slots: asyncio.Semaphore) -> AsyncIterator[None]:
        """Waits for the host's turn, then takes one of ``slots``, which stays taken: the caller gives it back.

        The slot comes last, so that who waits for a slow host keeps nobody else from working.
        """
        self._users += 1
        try:
            async with self._room:
                async with self._pace:
                    await asyncio.sleep(max(0.0, self._next_start - time.monotonic()))
                    await slots.acquire()
                    self._next_start = time.monotonic() + self._gap_seconds
                yield
        finally:
            self._users -= 1

    def is_idle(self, now: float) -> bool:
        return self._users == 0 and self._next_start + _KEEP_SECONDS < now


class HostGates:
    """One gate a host, kept between rounds, so that a new round respects the gap after the last one."""

    def __init__(self, per_host: int, gap_seconds: float) -> None:
        self._per_host = per_host
        self._gap_seconds = gap_seconds
        self._gates: dict[tuple[str, bool], HostGate] = {}

    def get(self, host: str, *, own: bool) -> HostGate:
        """The gate of ``host``; ``own``: it lies in one of our networks."""
        key = (host.lower().rstrip("."), own)
        gate = self._gates.get(key)
        if gate is None:
            self._forget_idle()
            gate = HostGate(OWN_AT_ONCE, 0.0) if own else HostGate(self._per_host, self._gap_seconds)
            self._gates[key] = gate
        return gate

    def _forget_idle(self) -> None:
        now = time.monotonic()
        for key in [key for key, gate in self._gates.items() if gate.is_idle(now)]:
            del self._gates[key]
