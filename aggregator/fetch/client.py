"""Many feeds asked at once: a batch of requests in, replies out as they come. Never parses, never stores.

One asyncio loop runs in a background thread from the first batch until `HttpFetcher.close`; everything else in this
program is synchronous, so batches cross over to it and replies come back through a short queue.
"""

from __future__ import annotations

import asyncio
import queue
import ssl
import threading
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

import aiohttp
from aiohttp.abc import AbstractResolver

from aggregator.fetch.address import AddressGuard, PinningResolver
from aggregator.fetch.exchange import Exchange, Trail
from aggregator.fetch.failures import describe_failure
from aggregator.fetch.headers import MAX_FIELD_BYTES, MAX_HEADER_COUNT
from aggregator.fetch.hosts import OWN_AT_ONCE, HostGate, HostGates
from aggregator.fetch.loop import LoopThread
from aggregator.model.feed import FetchRequest, Reply
from aggregator.model.settings import FetchSettings

#: Replies that may wait for the caller; who has one more keeps its slot, so that bodies do not pile up.
_WAITING_REPLIES = 8


class HttpFetcher:
    """Asks http(s) feeds. Safe to use from several threads.

    ``resolver`` replaces the system's name server, ``ssl_context`` the certificates that the system trusts.
    """

    def __init__(
        self,
        settings: FetchSettings,
        *,
        resolver: AbstractResolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._settings = settings
        self._ssl_context = ssl_context
        self._inner_resolver = resolver
        self._lock = threading.Lock()
        self._loop: LoopThread | None = None
        self._desk: _Desk | None = None
        self._closed = False

    def fetch(self, requests: Sequence[FetchRequest]) -> Generator[Reply, None, None]:
        """Yields one reply a request, as they come. Closing the generator early cancels what is still under way.

        A `close` of the fetcher from another thread ends the batch: requests without a reply then count as not asked.
        """
        if not requests:
            return
        loop, desk = self._open()
        batch = _Batch(tuple(requests), asyncio.Semaphore(self._settings.concurrency))
        cancel = loop.start(lambda: desk.answer_all(batch), batch.end)
        try:
            while (reply := batch.replies.get()) is not None:
                loop.call(batch.room.release)
                yield reply
        finally:
            cancel()
            loop.wait_until(batch.ended)  # so that nothing of this batch touches the network after it
        if batch.error is not None:
            raise batch.error  # not a feed's trouble: those are replies

    def close(self) -> None:
        """Ends all batches, closes all connections and the thread. May be called twice."""
        with self._lock:
            self._closed = True
            loop, desk, self._loop, self._desk = self._loop, self._desk, None, None
        if loop is not None and desk is not None:
            loop.stop(desk.close)

    def _open(self) -> tuple[LoopThread, _Desk]:
        with self._lock:
            if self._closed:
                raise RuntimeError("this fetcher is closed")
            if self._loop is None or self._desk is None:
                self._loop = LoopThread()
                self._desk = self._loop.wait_for(self._open_desk)
            return self._loop, self._desk

    async def _open_desk(self) -> _Desk:
        return _Desk(self._settings, self._inner_resolver, self._ssl_context)


@dataclass(eq=False)
class _Batch:
    """One call of `fetch`: crosses the border between the caller's thread and the loop."""

    requests: tuple[FetchRequest, ...]
    slots: asyncio.Semaphore
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_WAITING_REPLIES))
    replies: queue.SimpleQueue[Reply | None] = field(default_factory=queue.SimpleQueue)
    ended: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None

    def end(self, error: BaseException | None) -> None:
        self.error = error
        self.ended.set()
        self.replies.put(None)


class _Desk:
    """The part that lives in the loop: session, resolver, guard and the gates before hosts."""

    def __init__(
        self, settings: FetchSettings, resolver: AbstractResolver | None, ssl_context: ssl.SSLContext | None
    ) -> None:
        self._settings = settings
        guard = AddressGuard(settings.allow_networks)
        self._resolver = PinningResolver(guard, resolver)
        self._gates = HostGates(settings.per_host, settings.host_gap_seconds)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # slots and gates count already
                resolver=self._resolver,
                use_dns_cache=False,  # the resolver keeps its judged answers
                socket_factory=guard.open_socket,
                ssl=ssl_context or True,
            ),
            timeout=aiohttp.ClientTimeout(total=None),  # one deadline over all hops instead
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,  # neither a proxy nor .netrc of the environment
            auto_decompress=False,
            max_line_size=MAX_FIELD_BYTES,
            max_field_size=MAX_FIELD_BYTES,
            max_headers=MAX_HEADER_COUNT,
        )
        self._exchange = Exchange(self._session, guard, settings)

    async def answer_all(self, batch: _Batch) -> None:
        """Runs a few lanes a host, so that a host with many feeds or a slow answer holds up no other."""
        by_host: dict[str, list[tuple[FetchRequest, Trail]]] = defaultdict(list)
        for request in batch.requests:
            try:
                trail = self._exchange.start(request)
            except Exception as error:  # noqa: BLE001 - one feed's trouble, whatever it is, must not end the batch
                await self._hand_over(batch, self._describe(request, error, ""))
            else:
                by_host[trail.host].append((request, trail))
        async with asyncio.TaskGroup() as lanes:
            for work in by_host.values():
                shared = iter(work)
                for _ in range(min(len(work), max(OWN_AT_ONCE, self._settings.per_host))):
                    lanes.create_task(self._run_lane(batch, shared))

    async def close(self) -> None:
        await self._session.close()
        await self._resolver.close()

    async def _run_lane(self, batch: _Batch, work: Iterator[tuple[FetchRequest, Trail]]) -> None:
        for request, trail in work:
            await self._answer(batch, request, trail)

    async def _answer(self, batch: _Batch, request: FetchRequest, trail: Trail) -> None:
        """All hops of one fetch. The slot of the last one is kept until the reply is handed over."""
        reply: Reply | None = None
        while reply is None:
            gate = await self._find_gate(trail.host)
            slots = _SlotKeeper(batch.slots)
            try:
                async with gate.enter(batch.slots):
                    slots.taken = True
                    reply = await self._ask(request, trail)
                if reply is not None:
                    await self._hand_over(batch, reply)
            finally:
                slots.give_back()

    async def _find_gate(self, host: str) -> HostGate:
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                own = await self._resolver.is_own(host)
        except Exception:  # noqa: BLE001 - a name that cannot be resolved: asking it will say why
            own = False
        return self._gates.get(host, own=own)

    async def _ask(self, request: FetchRequest, trail: Trail) -> Reply | None:
        host = trail.host
        try:
            return await self._exchange.ask(request, trail)
        except Exception as error:  # noqa: BLE001 - one feed's trouble, whatever it is, must not end the batch
            return self._describe(request, error, host)

    def _describe(self, request: FetchRequest, error: Exception, host: str) -> Reply:
        return describe_failure(request, error, host=host, timeout_seconds=self._settings.timeout_seconds)

    async def _hand_over(self, batch: _Batch, reply: Reply) -> None:
        await batch.room.acquire()
        batch.replies.put(reply)


@dataclass(slots=True)
class _SlotKeeper:
    """Gives a slot back exactly when it was taken."""

    slots: asyncio.Semaphore
    taken: bool = False

    def give_back(self) -> None:
        if self.taken:
            self.slots.release()
