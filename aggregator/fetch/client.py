"""Many feeds asked at once: requests in, replies out as they come. Never parses, never stores.

One asyncio loop runs in a background thread from the first batch until `HttpFetcher.close`; everything else in this
program is synchronous, so batches cross over to it and replies come back through a short queue.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Generator, Iterable
from itertools import islice
from typing import overload

from aiohttp.abc import AbstractResolver

from aggregator.fetch.batch import AHEAD, Batch, trade
from aggregator.fetch.desk import Desk
from aggregator.fetch.hosts import HostKeys
from aggregator.fetch.loop import LoopThread
from aggregator.fetch.slots import Slots
from aggregator.model.feed import FetchRequest, Reply
from aggregator.model.settings import FetchSettings


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
        self._desk: Desk | None = None
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
        first = tuple(islice(source, AHEAD))
        if not first:
            return
        loop, desk = self._open()
        batch = Batch(Slots(self._settings.concurrency))
        cancel = loop.start(lambda: desk.answer_all(batch), batch.end)
        try:
            yield from trade(loop, batch, first, source, tick)
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

    def _open(self) -> tuple[LoopThread, Desk]:
        with self._lock:
            if self._closed:
                raise RuntimeError("this fetcher is closed")
            if self._loop is None or self._desk is None:
                keys = HostKeys(self._settings.host_key)  # reads a long list: not in the loop
                self._loop = LoopThread()
                self._desk = self._loop.wait_for(lambda: self._open_desk(keys))
            return self._loop, self._desk

    async def _open_desk(self, keys: HostKeys) -> Desk:
        return Desk(self._settings, keys, self._inner_resolver, self._ssl_context)
