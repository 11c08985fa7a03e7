"""One call of `fetch`: requests and replies cross here between the caller's thread and the loop. Never asks.

Requests are read only so far ahead of the replies. Those that are stuck do not count for that: they wait for their
host's turn, among the suspects or for a slow answer, and must not keep the rest of the list from being read.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from itertools import islice

from aggregator.fetch.exchange import Trail
from aggregator.fetch.loop import LoopThread
from aggregator.fetch.slots import Slots
from aggregator.model.feed import Fetched, FetchRequest, Reply

#: Requests in hand that could be asked now.
AHEAD = 400
#: All requests in hand, those that are stuck included.
MOST = 4_000
#: Bodies that may wait for the caller; who has one more keeps its slot, so that they do not pile up.
_WAITING_BODIES = 8
#: So long bare replies are gathered: waking the caller for each would cost more than most of them.
_GATHER_SECONDS = 0.01
#: So many more that are stuck are worth a look whether there is room for others.
_NEWS = AHEAD // 8


class _Signal(Enum):
    MORE = "there may be room for more requests"
    END = "no reply will come any more"


@dataclass(eq=False)
class Errand:
    """One request on its way through the loop."""

    request: FetchRequest
    trail: Trail
    #: Which requests it takes turns with: those of one host.
    lane: str
    #: It waits for what has nothing to do with others.
    stuck: bool = False


@dataclass(eq=False)
class Batch:
    """What both sides share; all but `replies` and `ended` is touched in the loop alone."""

    slots: Slots
    #: Requests on their way into the loop; None: there are no more.
    requests: asyncio.Queue[Sequence[FetchRequest] | None] = field(default_factory=asyncio.Queue)
    #: By host: who waits for a lane, and how many lanes run.
    waiting: defaultdict[str, deque[Errand]] = field(default_factory=lambda: defaultdict(deque))
    lanes: Counter[str] = field(default_factory=Counter)
    #: How many are stuck; read by the caller's side too.
    stuck: int = 0
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_WAITING_BODIES))
    replies: queue.SimpleQueue[Sequence[Reply] | _Signal] = field(default_factory=queue.SimpleQueue)
    #: Replies that go over together.
    gathered: list[Reply] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None

    def has_more(self, lane: str) -> bool:
        """Whether others of the lane are still to be asked, or being asked."""
        return self.lanes[lane] > 1 or bool(self.waiting[lane])

    def stick(self, errand: Errand) -> None:
        if not errand.stuck:
            errand.stuck = True
            self.stuck += 1
            if self.stuck % _NEWS == 0:
                self.replies.put(_Signal.MORE)

    def free(self, errand: Errand) -> None:
        if errand.stuck:
            errand.stuck = False
            self.stuck -= 1

    async def hand_over(self, reply: Reply) -> None:
        """Waits, when it has a body, while the caller has enough of those."""
        if isinstance(reply, Fetched):
            await self.room.acquire()
            self.gathered.append(reply)
            self.flush()
            return
        self.gathered.append(reply)
        if len(self.gathered) == 1:
            asyncio.get_running_loop().call_later(_GATHER_SECONDS, self.flush)

    def flush(self) -> None:
        if self.gathered:
            self.replies.put(self.gathered)
            self.gathered = []

    def end(self, error: BaseException | None) -> None:
        self.error = error
        self.flush()
        self.ended.set()
        self.replies.put(_Signal.END)


def read_ahead(source: Iterator[FetchRequest], in_hand: int, stuck: int) -> tuple[FetchRequest, ...]:
    """The next requests, when half of what may be in hand is done or stuck."""
    ready = in_hand - stuck
    if ready > AHEAD // 2:
        return ()
    return tuple(islice(source, max(0, min(AHEAD - ready, MOST - in_hand))))


def trade(
    loop: LoopThread, batch: Batch, first: Sequence[FetchRequest], source: Iterator[FetchRequest], tick: float | None
) -> Generator[Reply | None, None, None]:
    """Requests in, replies out, until there are no more of either or the batch ends. In the caller's thread."""
    loop.call(partial(batch.requests.put_nowait, first))
    in_hand = len(first)
    while in_hand:
        try:
            found = batch.replies.get(timeout=tick)
        except queue.Empty:
            yield None
            continue
        if found is _Signal.END:
            return
        for reply in found if not isinstance(found, _Signal) else ():
            if isinstance(reply, Fetched):
                loop.call(batch.room.release)
            in_hand -= 1
            yield reply
        if more := read_ahead(source, in_hand, batch.stuck):
            loop.call(partial(batch.requests.put_nowait, more))
            in_hand += len(more)
    loop.call(partial(batch.requests.put_nowait, None))
