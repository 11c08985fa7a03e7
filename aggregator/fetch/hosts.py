"""How often one host may be asked: at one time, with a gap, and not at all while it asks for a pause. Never sends."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from yarl import URL

from aggregator.model.feed import FetchRequest

#: For hosts inside our own networks: at one time, without a gap.
OWN_AT_ONCE = 8
#: What "too many requests" means when it comes without Retry-After.
ASSUMED_WAIT = timedelta(minutes=30)
#: Fewer gates than this are not worth a look for those that may go.
_FEW_GATES = 500


@dataclass(eq=False)
class HostFrozen(Exception):
    """The host has asked for a pause that is not over."""

    wait: timedelta
    reason: str


class HostKeys:
    """Whose requests count together (`fetch.host_key`)."""

    def __init__(self, kind: Literal["feed", "host", "domain"]) -> None:
        self._kind = kind
        if kind == "domain":
            from publicsuffixlist import PublicSuffixList

            self._suffixes = PublicSuffixList()

    def get(self, request: FetchRequest, url: URL, *, own: bool) -> str:
        """The key of ``url``. A host of our own networks, or one that is an IP address, stands for itself."""
        host = (url.raw_host or "").lower().rstrip(".")
        if own:
            return host
        if self._kind == "feed":
            return f"{host}#{request.feed_id}"
        if self._kind == "host" or _is_ip(host):
            return host
        return self._suffixes.privatesuffix(host) or host


def is_named(host: str, names: Collection[str]) -> bool:
    """Whether ``host``, or a domain that it lies in, is one of ``names``; ``*`` names all."""
    host = host.lower().rstrip(".")
    return "*" in names or any(host == name or host.endswith(f".{name}") for name in names)


class HostGate:
    """The queue before one host."""

    def __init__(self, at_once: int, gap_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.at_once = at_once
        self._room = asyncio.Semaphore(at_once)
        self._pace = asyncio.Lock()
        self._gap_seconds = gap_seconds
        self._clock = clock
        self._next_start = 0.0
        self._frozen_until = 0.0
        self._frozen_reason = ""
        self._users = 0

    @asynccontextmanager
    async def enter(self, take_slot: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
        """Waits for the host's turn, then for a slot, which the caller gives back. Raises `HostFrozen`.

        The slot comes last, so that who waits for a slow host keeps nobody else from working.
        """
        self._users += 1
        try:
            async with self._room:
                async with self._pace:
                    self._check()
                    if (wait := self._next_start - self._clock()) > 0:
                        await asyncio.sleep(wait)
                    await take_slot()
                    self._check()
                    self._next_start = self._clock() + self._gap_seconds
                yield
        finally:
            self._users -= 1

    @property
    def is_busy(self) -> bool:
        """Who enters now must wait."""
        return self._room.locked() or self._pace.locked() or self._next_start > self._clock()

    def freeze(self, wait: timedelta, reason: str) -> None:
        """Lets nobody through for so long; a longer pause that there is already stays."""
        until = self._clock() + wait.total_seconds()
        if until > self._frozen_until:
            self._frozen_until, self._frozen_reason = until, reason

    def is_idle(self, now: float) -> bool:
        """Nothing is lost with it: its gap and its pause are over."""
        return self._users == 0 and max(self._next_start, self._frozen_until) < now

    def _check(self) -> None:
        left = self._frozen_until - self._clock()
        if left > 0:
            raise HostFrozen(timedelta(seconds=left), self._frozen_reason)


class HostGates:
    """One gate a key, kept between rounds, so that a new round respects the gap and the pause of the last one."""

    def __init__(self, per_host: int, gap_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_host = per_host
        self._gap_seconds = gap_seconds
        self._clock = clock
        self._gates: dict[tuple[str, bool], HostGate] = {}
        self._look_at = _FEW_GATES

    def get(self, key: str, *, own: bool) -> HostGate:
        """The gate of ``key``; ``own``: its host lies in one of our networks."""
        gate = self._gates.get((key, own))
        if gate is None:
            self._forget_idle()
            at_once, gap_seconds = (OWN_AT_ONCE, 0.0) if own else (self._per_host, self._gap_seconds)
            gate = self._gates[key, own] = HostGate(at_once, gap_seconds, self._clock)
        return gate

    def _forget_idle(self) -> None:
        """Whenever they have doubled: looking at all of them for each new one would cost more than asking."""
        if len(self._gates) >= self._look_at:
            now = self._clock()
            self._gates = {key: gate for key, gate in self._gates.items() if not gate.is_idle(now)}
            self._look_at = max(_FEW_GATES, 2 * len(self._gates))


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
