"""Many documents read at one time, so that no healthy one waits for one that is a bomb. Never stores, never asks.

Most documents are read at once, in this process. The few that need a child process wait for it in a line of their own,
and of those whose feeds failed before, one at a time is read. What is done comes out in the order in which it is done.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from aggregator.app import App
from aggregator.model.feed import Feed, Fetched, FolderRead
from aggregator.sandbox import LONG_PLACES
from aggregator.tasks.reading import Reading, read_at_once, read_in_child

#: Documents read in this process at one time, and usual documents in children.
PARSERS = 2
#: Documents that wait for a child may hold so many bytes before nothing more is taken in.
WAITING_BYTES = 64 * 1024 * 1024

_Job = tuple[Feed, Fetched | FolderRead]


class Readers:
    """The readers of one round, for one thread. Leaving it drops what waits, and waits for what is being read."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._quick = ThreadPoolExecutor(PARSERS, thread_name_prefix="read")
        self._patient = ThreadPoolExecutor(PARSERS + LONG_PLACES, thread_name_prefix="read-in-child")
        self._changed = threading.Condition()
        self._done: list[Reading] = []
        self._fault: BaseException | None = None
        self._in_hand = 0
        self._at_once = 0
        #: Who waits for a child: healthy feeds, and those that failed before.
        self._line: deque[_Job] = deque()
        self._suspects: deque[_Job] = deque()
        self._waiting_bytes = 0
        self._patient_count = 0
        self._suspect_is_read = False

    def __enter__(self) -> Readers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._changed:
            self._line.clear()
            self._suspects.clear()
        self._quick.shutdown(cancel_futures=True)
        self._patient.shutdown(cancel_futures=True)

    @property
    def in_hand(self) -> int:
        """Documents that were added and did not come out yet."""
        return self._in_hand

    @property
    def is_full(self) -> bool:
        """Nothing more should be added now: only as many bodies are in memory as are being read, and some that wait."""
        return self._at_once > PARSERS or self._waiting_bytes > WAITING_BYTES

    def add(self, feed: Feed, reply: Fetched | FolderRead) -> None:
        """Begin to read it."""
        with self._changed:
            self._in_hand += 1
            self._at_once += 1
        self._quick.submit(self._read_at_once, feed, reply)

    def wait(self, seconds: float) -> bool:
        """Until something is done, or more may be added than when it was called. False: neither came in so long."""
        was_full = self.is_full
        with self._changed:
            return bool(
                self._changed.wait_for(
                    lambda: self._done or self._fault or (was_full and not self.is_full), timeout=seconds
                )
            )

    def take(self) -> list[Reading]:
        """What is done by now."""
        with self._changed:
            if self._fault is not None:
                raise self._fault
            done, self._done = self._done, []
            self._in_hand -= len(done)
            return done

    def _read_at_once(self, feed: Feed, reply: Fetched | FolderRead) -> None:
        try:
            reading = read_at_once(self._app, feed, reply)
        except BaseException as error:
            self._fail(error)
            raise
        with self._changed:
            self._at_once -= 1
            if reading is not None:
                self._done.append(reading)
            else:
                is_suspect = feed.failures > 0 or feed.strikes > 0
                (self._suspects if is_suspect else self._line).append((feed, reply))
                self._waiting_bytes += _count_bytes(reply)
                self._start_patient()
            self._changed.notify_all()

    def _start_patient(self) -> None:
        while self._patient_count < PARSERS + LONG_PLACES:
            if self._line:
                job = self._line.popleft()
                is_suspect = False
            elif self._suspects and not self._suspect_is_read:
                job = self._suspects.popleft()
                is_suspect = self._suspect_is_read = True
            else:
                return
            self._patient_count += 1
            self._patient.submit(self._read_in_child, job, is_suspect=is_suspect)

    def _read_in_child(self, job: _Job, *, is_suspect: bool) -> None:
        try:
            reading = read_in_child(self._app, *job)
        except BaseException as error:
            self._fail(error)
            raise
        with self._changed:
            self._waiting_bytes -= _count_bytes(job[1])
            self._patient_count -= 1
            if is_suspect:
                self._suspect_is_read = False
            self._done.append(reading)
            self._start_patient()
            self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._fault = error
            self._changed.notify_all()


def _count_bytes(reply: Fetched | FolderRead) -> int:
    return len(reply.body) if isinstance(reply, Fetched) else 0
