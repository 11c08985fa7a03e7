"""Many feeds asked at once: requests in, replies out as they come. Never parses, never stores.

One asyncio loop runs in a background thread from the first batch until `HttpFetcher.close`; everything else in this
program is synchronous, so batches cross over to it and replies come back through a short queue.
"""

from __future__ import annotations

import asyncio
import queue
import ssl
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import overload

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
#: Requests in hand at one time.
_AHEAD = 400


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

    @overload
    def fetch(self, requests: Iterable[FetchRequest]) -> Generator[Reply, None, None]: ...
    @overload
    def fetch(self, requests: Iterable[FetchRequest], *, tick: float) -> Generator[Reply | None, None, None]: ...
    def fetch(
        self, requests: Iterable[FetchRequest], *, tick: float | None = None
    ) -> Generator[Reply | None, None, None]:
        """Yields one reply a request, as they come; with ``tick`` None, too, whenever so many seconds bring none.

        ``requests`` is read in the caller's thread and only so far ahead of the replies: a long list is never in hand
        as a whole, and who waits for slow hosts keeps the rest of it from nothing. Closing the generator early cancels
        what is still under way. A `close` of the fetcher from another thread ends the batch: requests without a reply
        then count as not asked.
        """
        source = iter(requests)
        first = tuple(islice(source, _AHEAD))
        if not first:
            return
        loop, desk = self._open()
        batch = _Batch(asyncio.Semaphore(self._settings.concurrency))
        cancel = loop.start(lambda: desk.answer_all(batch), batch.end)
        try:
            yield from _trade(loop, batch, first, source, tick)
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

    slots: asyncio.Semaphore
    #: Requests on their way into the loop; None: there are no more.
    requests: asyncio.Queue[Sequence[FetchRequest] | None] = field(default_factory=asyncio.Queue)
    #: In the loop, by host: who waits for a lane, and how many lanes run.
    waiting: defaultdict[str, deque[tuple[FetchRequest, Trail]]] = field(default_factory=lambda: defaultdict(deque))
    lanes: Counter[str] = field(default_factory=Counter)
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_WAITING_REPLIES))
    replies: queue.SimpleQueue[Reply | None] = field(default_factory=queue.SimpleQueue)
    ended: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None

    def end(self, error: BaseException | None) -> None:
        self.error = error
        self.ended.set()
        self.replies.put(None)


def _trade(
    loop: LoopThread,
    batch: _Batch,
    first: Sequence[FetchRequest],
    source: Iterator[FetchRequest],
    tick: float | None,
) -> Generator[Reply | None, None, None]:
    """Requests in, replies out, until there are no more of either or the batch ends."""
    loop.call(partial(batch.requests.put_nowait, first))
    open_requests = len(first)
    while open_requests:
        try:
            reply = batch.replies.get(timeout=tick)
        except queue.Empty:
            yield None
            continue
        if reply is None:
            return
        loop.call(batch.room.release)
        open_requests -= 1
        yield reply
        if open_requests <= _AHEAD // 2 and (more := tuple(islice(source, _AHEAD - open_requests))):
            loop.call(partial(batch.requests.put_nowait, more))
            open_requests += len(more)
    loop.call(partial(batch.requests.put_nowait, None))


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
        async with asyncio.TaskGroup() as tasks:
            while (requests := await batch.requests.get()) is not None:
                for request in requests:
                    self._line_up(batch, request, tasks)

    def _line_up(self, batch: _Batch, request: FetchRequest, tasks: asyncio.TaskGroup) -> None:
        try:
            trail = self._exchange.start(request)
        except Exception as error:  # noqa: BLE001 - one feed's trouble, whatever it is, must not end the batch
            tasks.create_task(self._hand_over(batch, self._describe(request, error, "")))
            return
        batch.waiting[trail.host].append((request, trail))
        if batch.lanes[trail.host] < max(OWN_AT_ONCE, self._settings.per_host):
            batch.lanes[trail.host] += 1
            tasks.create_task(self._run_lane(batch, trail.host))

    async def close(self) -> None:
        await self._session.close()
        await self._resolver.close()

    async def _run_lane(self, batch: _Batch, host: str) -> None:
        waiting = batch.waiting[host]
        while waiting:
            await self._answer(batch, *waiting.popleft())
        batch.lanes[host] -= 1

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
