"""The part of the client that lives in the loop: session, gates before hosts, each request's way. Never parses."""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import replace
from datetime import timedelta
from functools import partial

import aiohttp
from aiohttp.abc import AbstractResolver

from aggregator.fetch.address import ANSWER_SECONDS, AddressGuard, PinningResolver
from aggregator.fetch.batch import Batch, Errand
from aggregator.fetch.exchange import Exchange
from aggregator.fetch.failures import FetchStopped, describe_failure
from aggregator.fetch.headers import MAX_FIELD_BYTES, MAX_HEADER_COUNT
from aggregator.fetch.hosts import OWN_AT_ONCE, HostFrozen, HostGate, HostGates, HostKeys
from aggregator.fetch.interim import limit_interim
from aggregator.fetch.slots import SUSPECT_SECONDS, Slot
from aggregator.model.feed import FetchFailed, FetchRequest, Postponed, Reply
from aggregator.model.settings import FetchSettings

#: Hosts whose judgement is remembered.
_MOST_JUDGED = 1_000


class Desk:
    """Answers batches; what it remembers of hosts outlives them."""

    def __init__(
        self,
        settings: FetchSettings,
        keys: HostKeys,
        resolver: AbstractResolver | None,
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        self._settings = settings
        self._keys = keys
        guard = AddressGuard(settings.allow_networks)
        self._resolver = PinningResolver(guard, resolver)
        self._gates = HostGates(settings.per_host, settings.host_gap_seconds)
        #: Whether a host stands in one of our own networks, and until when that is remembered.
        self._judged: dict[str, tuple[float, bool]] = {}
        self._keeping = _open_session(guard, self._resolver, ssl_context, keep_lines=True)
        self._closing = _open_session(guard, self._resolver, ssl_context, keep_lines=False)
        self._exchange = Exchange(self._keeping, self._closing, guard, settings)

    async def answer_all(self, batch: Batch) -> None:
        """Runs a few lanes a host, so that a host with many feeds or a slow answer holds up no other."""
        async with asyncio.TaskGroup() as tasks:
            while (requests := await batch.requests.get()) is not None:
                for request in requests:
                    self._line_up(batch, request, tasks)

    async def close(self) -> None:
        await self._keeping.close()
        await self._closing.close()
        await self._resolver.close()

    def _line_up(self, batch: Batch, request: FetchRequest, tasks: asyncio.TaskGroup) -> None:
        try:
            trail = self._exchange.start(request)
            lane = self._keys.get(request, trail.url, own=False)
        except Exception as error:  # noqa: BLE001 - one feed's trouble, whatever it is, must not end the batch
            tasks.create_task(batch.hand_over(self._describe(request, error, "")))
            return
        errand = Errand(request, trail, lane)
        batch.waiting[lane].append(errand)
        if batch.lanes[lane] < max(OWN_AT_ONCE, self._settings.per_host):
            batch.lanes[lane] += 1
            tasks.create_task(self._run_lane(batch, lane))
        else:
            batch.stick(errand)

    async def _run_lane(self, batch: Batch, lane: str) -> None:
        waiting = batch.waiting[lane]
        while waiting:
            errand = waiting.popleft()
            batch.free(errand)
            await self._answer(batch, errand)
        batch.lanes[lane] -= 1
        if not batch.lanes[lane]:
            del batch.lanes[lane], batch.waiting[lane]

    async def _answer(self, batch: Batch, errand: Errand) -> None:
        """All hops of one fetch. The slot of the last one is kept until the reply is handed over."""
        reply: Reply | None = None
        while reply is None:
            # Who led us about for long has had its share of the quick slots.
            suspect = errand.request.suspect or errand.trail.used_seconds > SUSPECT_SECONDS
            slot = Slot(batch.slots, suspect=suspect, on_slow=partial(batch.stick, errand))
            try:
                reply = await self._ask_in_turn(batch, errand, slot, suspect=suspect)
                slot.settle()
                batch.free(errand)
                if reply is not None:
                    await batch.hand_over(reply)
            finally:
                slot.give_back()

    async def _ask_in_turn(self, batch: Batch, errand: Errand, slot: Slot, *, suspect: bool) -> Reply | None:
        async def take_slot() -> None:
            if not suspect:
                batch.free(errand)
            await slot.take()
            batch.free(errand)

        gate, own = await self._find_gate(errand)
        if gate.is_busy or (suspect and slot.is_far):
            batch.stick(errand)
        try:
            async with gate.enter(take_slot):
                return await self._ask(batch, errand, slot, gate, own=own)
        except HostFrozen as pause:
            exchanged = errand.trail.sum_up()
            return Postponed(request=errand.request, wait=pause.wait, reason=pause.reason, exchanged=exchanged)

    async def _find_gate(self, errand: Errand) -> tuple[HostGate, bool]:
        """The gate before the next hop, and whether it stands in one of our own networks."""
        trail = errand.trail
        judged_until, own = self._judged.get(trail.host, (0.0, False))
        if judged_until < time.monotonic():
            own = await self._judge(trail.host)
        # Unless it is our own, where it begins it counts with those that it takes turns with.
        is_first = not own and not trail.hops
        key = errand.lane if is_first else self._keys.get(errand.request, trail.url, own=own)
        if not trail.host_key:
            trail.host_key, trail.own = key, own
        return self._gates.get(key, own=own), own

    async def _judge(self, host: str) -> bool:
        """Whether ``host`` stands in one of our own networks."""
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                own = await self._resolver.is_own(host)
        except Exception:  # noqa: BLE001 - a name that cannot be resolved: asking it will say why
            return False
        if len(self._judged) >= _MOST_JUDGED:
            self._judged.clear()
        self._judged[host] = (time.monotonic() + ANSWER_SECONDS, own)
        return own

    async def _ask(self, batch: Batch, errand: Errand, slot: Slot, gate: HostGate, *, own: bool) -> Reply | None:
        host, keep_line = errand.trail.host, batch.has_more(errand.lane)
        try:
            return await self._exchange.ask(errand.request, errand.trail, slot.hold, keep_line=keep_line)
        except Exception as error:  # noqa: BLE001 - one feed's trouble, whatever it is, must not end the batch
            if isinstance(error, FetchStopped) and error.pause and not own:
                gate.freeze(error.retry_after or timedelta(0), error.pause)
            return replace(self._describe(errand.request, error, host), exchanged=errand.trail.sum_up())

    def _describe(self, request: FetchRequest, error: Exception, host: str) -> FetchFailed:
        return describe_failure(request, error, host=host, timeout_seconds=self._settings.timeout_seconds)


def _open_session(
    guard: AddressGuard, resolver: AbstractResolver, ssl_context: ssl.SSLContext | None, *, keep_lines: bool
) -> aiohttp.ClientSession:
    """Every request of this program goes through one of these two: who asks a host once keeps no line to it."""
    connector = aiohttp.TCPConnector(
        limit=0,  # slots and gates count already
        resolver=resolver,
        use_dns_cache=False,  # the resolver keeps its judged answers
        socket_factory=guard.open_socket,
        ssl=ssl_context or True,
        force_close=not keep_lines,
    )
    limit_interim(connector, asyncio.get_running_loop())
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None),  # one deadline over all hops instead
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,  # neither a proxy nor .netrc of the environment
        auto_decompress=False,
        max_line_size=MAX_FIELD_BYTES,
        max_field_size=MAX_FIELD_BYTES,
        max_headers=MAX_HEADER_COUNT,
    )
