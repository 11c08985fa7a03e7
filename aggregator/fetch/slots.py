"""How many ask at one time, so that who is slow never takes the place of who is quick. Never asks.

Most take a quick slot. Who failed last time takes one of a few for suspects. Who is not done after some seconds gives
its slot back and goes on as one of the slow, of whom there may be many: most of them only hold an idle line open. When
all quick slots are taken, who has not even begun to answer gives its slot back before that, to wait in the hall.
"""

from __future__ import annotations

import asyncio
import resource
from collections import deque
from collections.abc import Callable

#: After this an answer counts as slow: it loses nothing by it but its place.
SLOW_SECONDS = 0.5
#: The same for who has sent nothing of a document, when others wait; and how many times more of them there may be.
SILENT_SECONDS = 0.1
HALL_TIMES = 3
#: Whose redirects took so long together goes on among the suspects.
SUSPECT_SECONDS = 3.0
#: Suspects at one time are a part of the quick slots, the slow ones a multiple of them.
_SUSPECT_PART = 4
SLOW_TIMES = 32
#: What all slow bodies may hold together; quick ones are bounded by their number.
SLOW_BYTES = 64 * 1024 * 1024


class Slots:
    """The places of one batch."""

    def __init__(self, concurrency: int) -> None:
        self.quick = asyncio.Semaphore(concurrency)
        self.suspect = asyncio.Semaphore(max(1, concurrency // _SUSPECT_PART))
        self._slow_left = _count_slow_places(concurrency)
        self._slow_bytes = 0
        #: Those that are slow and found no place among the slow yet.
        self._late: deque[Slot] = deque()
        #: Who was let in, and when it counts as slow. All wait equally long, so one timer does for the first of them.
        self._watched: deque[tuple[float, Slot]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        #: Free places in the hall, who waits for a quick slot, and the look for those that may go to the hall.
        self._hall_left = HALL_TIMES * concurrency
        self._waiting = 0
        self._room_timer: asyncio.TimerHandle | None = None

    async def _enter(self, pool: asyncio.Semaphore) -> None:
        if pool is not self.quick or not pool.locked():
            await pool.acquire()
            return
        self._waiting += 1
        try:
            self._look_for_room_soon()
            await pool.acquire()
        finally:
            self._waiting -= 1

    def _look_for_room_soon(self) -> None:
        if self._room_timer is None:
            self._room_timer = asyncio.get_running_loop().call_later(SILENT_SECONDS, self._make_room)

    def _make_room(self) -> None:
        """As many as are waited behind go to the hall; comes again while somebody waits."""
        self._room_timer = None
        wanted = min(self._waiting, self._hall_left)
        since = asyncio.get_running_loop().time() + SLOW_SECONDS - SILENT_SECONDS
        for until, slot in self._watched:
            if not wanted or until > since:
                break
            if slot.go_to_hall():
                self._hall_left -= 1
                wanted -= 1
        if self._waiting:
            self._look_for_room_soon()

    def _watch(self, slot: Slot) -> None:
        loop = asyncio.get_running_loop()
        self._watched.append((loop.time() + SLOW_SECONDS, slot))
        if self._timer is None:
            self._timer = loop.call_at(self._watched[0][0], self._look)

    def _look(self) -> None:
        """Moves those whose time is over, and comes again for the next that is waited for."""
        loop, watched, self._timer = asyncio.get_running_loop(), self._watched, None
        while watched and (not watched[0][1].is_waited_for or watched[0][0] <= loop.time()):
            slot = watched.popleft()[1]
            if slot.is_waited_for:
                self._move(slot)
        if watched:
            self._timer = loop.call_at(watched[0][0], self._look)

    def _move(self, slot: Slot) -> None:
        if self._slow_left:
            self._slow_left -= 1
            slot.become_slow()
        else:
            self._late.append(slot)

    def _leave(self, held_bytes: int) -> None:
        self._slow_bytes -= held_bytes
        self._slow_left += 1
        while self._late and self._slow_left:
            late = self._late.popleft()
            if late.is_waited_for:
                self._move(late)

    def _grow(self, more: int) -> bool:
        self._slow_bytes += more
        return self._slow_bytes <= SLOW_BYTES


def _count_slow_places(concurrency: int) -> int:
    """As many as half of the files that this process may open allows, which is 512 on most systems."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    wanted = SLOW_TIMES * concurrency
    return wanted if limit == resource.RLIM_INFINITY else max(1, min(wanted, limit // 2))


class Slot:
    """The place of one request for one hop. Taken once, given back once; giving back what was never taken is fine."""

    def __init__(self, slots: Slots, *, suspect: bool, on_slow: Callable[[], None] = lambda: None) -> None:
        self._slots = slots
        self._on_slow = on_slow
        self._pool = slots.suspect if suspect else slots.quick
        self._taken = False
        self._in_hall = False
        self._slow = False
        self._held_bytes = 0
        self._has_begun = False
        #: An answer is being waited for: what counts as slow.
        self.is_waited_for = False

    @property
    def is_far(self) -> bool:
        """It could not be taken now."""
        return self._pool.locked()

    async def take(self) -> None:
        await self._slots._enter(self._pool)
        self._taken = self.is_waited_for = True
        self._slots._watch(self)

    def hold(self, count: int) -> bool:
        """Its body has grown to ``count`` bytes; False: the slow ones hold too much together."""
        self._has_begun = True
        if not self._slow:
            return True
        more, self._held_bytes = count - self._held_bytes, count
        return self._slots._grow(more)

    def go_to_hall(self) -> bool:
        """Another may have the quick slot it took, if it took one and has sent nothing of a document yet."""
        is_silent = self._taken and self.is_waited_for and not self._has_begun and self._pool is self._slots.quick
        if is_silent:
            self._leave_place()
            self._in_hall = True
        return is_silent

    def become_slow(self) -> None:
        """Another may have the place it took."""
        self._leave_place()
        self._slow = True
        self._on_slow()

    def settle(self) -> None:
        """The answer is there: from now on it is waited for nobody but its reader."""
        self.is_waited_for = False

    def give_back(self) -> None:
        self.settle()
        self._leave_place()
        if self._slow:
            self._slow = False
            self._slots._leave(self._held_bytes)

    def _leave_place(self) -> None:
        if self._taken:
            self._taken = False
            self._pool.release()
        elif self._in_hall:
            self._in_hall = False
            self._slots._hall_left += 1
