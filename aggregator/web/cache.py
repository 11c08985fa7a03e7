"""Pages made lately, ready to be sent. Lives in the event loop: whatever takes time (the database, rendering, coding)
is done in threads, at most one a page. What was not found is not remembered: strangers choose those addresses.

A page is good as long as the edition in which it was made: the revision of the content, which one watcher reads about
once a second, and a span of some minutes, for what a page shows also moves with the clock. Then the next reader has it
made anew. Readers wait for that a moment; when it takes longer, or fails, they get what stood there before; where that
is old, because nobody has asked for long, they wait. So after a commit the new page is out within two seconds, and
while the database is away, what is here still goes out.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from starlette.concurrency import run_in_threadpool

from aggregator.app import App
from aggregator.errors import StorageError
from aggregator.log import get_logger
from aggregator.storage import meta
from aggregator.tasks.site.found import Moved, Page, Query
from aggregator.tasks.site.routes import find_page
from aggregator.web.copies import Copy, make_copy
from aggregator.web.errors import ErrorLog

log = get_logger(__name__)

MAX_BYTES = 48 * 1024 * 1024
#: Of these, for pages with a query: strangers may ask whatever they like.
_MAX_QUERY_BYTES = 8 * 1024 * 1024
_MINUTES = 5
#: Pages made at one time, and of these such with a query, which may be searches.
_MAKERS, _QUERY_MAKERS = 4, 2
_MAX_WAITING = 200

#: Path, and what is asked beside it.
Key = tuple[str, Query]
#: Revision of the content and span of time.
_Edition = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fresh pages are."""

    #: Between two looks for a new revision; 0: before each answer, for tests.
    watch_seconds: float = 1.0
    #: Readers wait so long for a page that is made anew, before they get the one that stood there.
    patience_seconds: float = 1.0
    #: What is older is no stand-in for a page that is being made: a hub that was told of news may be the first to ask.
    old_seconds: float = 60.0
    #: A page that could not be made anew is left alone so long.
    retry_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Failed:
    """No page, for no fault of the asker: ``status`` 500 or 503."""

    status: int


Answer = Copy | Moved | Failed | None


@dataclass(slots=True)
class _Held:
    copy: Copy
    edition: _Edition
    weight: int
    #: By `monotonic`.
    made_at: float
    #: By `monotonic`: until then it is not tried anew.
    good_until: float = 0.0


class PageCache:
    """Pages by path and query; the least used go first."""

    def __init__(
        self,
        app: App,
        *,
        pace: Pace,
        errors: ErrorLog,
        max_bytes: int = MAX_BYTES,
        max_waiting: int = _MAX_WAITING,
    ) -> None:
        self._app = app
        self._pace = pace
        self._errors = errors
        self._shelves = (_Shelf(max_bytes), _Shelf(min(max_bytes, _MAX_QUERY_BYTES)))
        self._edition: _Edition = ("", 0)
        self._flights: dict[Key, tuple[float, asyncio.Task[Answer]]] = {}
        self._max_waiting = max_waiting
        self._makers = asyncio.Semaphore(_MAKERS)
        self._query_makers = asyncio.Semaphore(_QUERY_MAKERS)
        self._look: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._is_blind = False

    @property
    def size(self) -> int:
        """Bytes held: at most ``max_bytes``, and those of pages with a query."""
        return sum(shelf.size for shelf in self._shelves)

    def get_fresh(self, key: Key) -> Copy | None:
        """The page of this edition, if it is here; costs next to nothing."""
        held = self._shelves[bool(key[1])].get(key)
        return held.copy if held is not None and held.edition == self._edition else None

    @property
    def is_watched(self) -> bool:
        """Whether `prepare` has nothing to do any more."""
        return self._watch is not None

    async def prepare(self) -> None:
        """To be awaited before an answer, until `is_watched`: begins the watch; without one, it looks each time."""
        if self._pace.watch_seconds:
            self._watch = asyncio.get_running_loop().create_task(self._keep_looking())
        await self.look()

    async def look(self) -> None:
        """Learn the edition of now; who comes while one looks waits for the same look."""
        if self._look is None or self._look.done():
            self._look = asyncio.get_running_loop().create_task(self._read_edition())
        await asyncio.shield(self._look)

    async def _keep_looking(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._pace.watch_seconds)

    async def _read_edition(self) -> None:
        """While the database is away the edition stays, and all that is here is good."""
        try:
            revision = await run_in_threadpool(self._load_revision)
        except Exception as error:  # noqa: BLE001  (whatever it is: the watch must go on)
            if not self._is_blind:
                log.error("web.blind", reason=str(error))
            self._is_blind = True
        else:
            self._edition, self._is_blind = (revision, _span(self._app.now())), False

    def _load_revision(self) -> str:
        with self._app.db.read() as conn:
            return meta.get_revision(conn)

    async def find(self, key: Key) -> Answer:
        """The page, made now if need be; None when there is none."""
        held = self._shelves[bool(key[1])].get(key)
        if held is not None and (held.edition == self._edition or held.good_until > monotonic()):
            return held.copy
        flight = self._flights.get(key)
        if flight is None:
            if len(self._flights) >= self._max_waiting:
                return held.copy if held is not None else Failed(503)
            flight = monotonic(), asyncio.get_running_loop().create_task(self._fly(key, held))
            self._flights[key] = flight
        began, task = flight
        if held is None:
            return await asyncio.shield(task)
        patience = began + self._pace.patience_seconds - monotonic()
        is_old = held.made_at + self._pace.old_seconds < monotonic()
        done, _ = await asyncio.wait({task}, timeout=None if is_old else max(0.0, patience))
        answer = task.result() if done else held.copy
        return held.copy if isinstance(answer, Failed) else answer

    async def _fly(self, key: Key, held: _Held | None) -> Answer:
        """Make a page and keep it."""
        try:
            return await self._make(key, held.copy if held is not None else None)
        except Exception as error:  # noqa: BLE001  (a fault costs this page only; it is written down here, once)
            if held is not None:
                held.good_until = monotonic() + self._pace.retry_seconds
            return self._explain(key, error)
        finally:
            del self._flights[key]

    async def _make(self, key: Key, before: Copy | None) -> Answer:
        async with AsyncExitStack() as turn:
            if key[1]:
                await turn.enter_async_context(self._query_makers)
            await turn.enter_async_context(self._makers)
            edition = self._edition  # if content comes in between, the page is made once more
            made = await run_in_threadpool(self._render, key, before)
        self._shelves[bool(key[1])].keep(key, made, edition)
        return made

    def _render(self, key: Key, before: Copy | None) -> Copy | Moved | None:
        found = find_page(self._app, *key)
        return make_copy(found, before=before, now=self._app.now()) if isinstance(found, Page) else found

    def _explain(self, key: Key, error: Exception) -> Failed:
        if isinstance(error, StorageError):
            self._errors.tell("web.unavailable", key[0], reason=str(error))
            return Failed(503)
        self._errors.tell("web.fault", key[0], exc_info=error)
        return Failed(500)


class _Shelf:
    """What is held, up to so many bytes; the least used goes first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held: OrderedDict[Key, _Held] = OrderedDict()
        self.size = 0

    def get(self, key: Key) -> _Held | None:
        held = self._held.get(key)
        if held is not None:
            self._held.move_to_end(key)
        return held

    def keep(self, key: Key, made: Copy | Moved | None, edition: _Edition) -> None:
        """Put a page in the place of the one of before; where there is none any more, nothing stays."""
        if (before := self._held.pop(key, None)) is not None:
            self.size -= before.weight
        if not isinstance(made, Copy):
            return
        weight = made.weight + len(key[0]) + sum(len(name) + len(value) for name, value in key[1])
        if weight > self._max_bytes:
            return
        self._held[key] = _Held(made, edition, weight, monotonic())
        self.size += weight
        while self.size > self._max_bytes:
            self.size -= self._held.popitem(last=False)[1].weight


def _span(now: datetime) -> int:
    return int(now.timestamp()) // (_MINUTES * 60)
