"""Rounds that do not wait for each other's slow hosts: what is left of one goes on beside the next. Never fetches.

A host that holds its answer does so for as long as `fetch.timeout_seconds` allows, and one with many feeds and a gap
between them for longer: who falls due meanwhile must not wait for that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count

from aggregator.app import TaskQueue
from aggregator.errors import StorageError
from aggregator.log import get_logger

log = get_logger(__name__)

#: So long a round is waited for after its last feed was claimed.
LINGER_SECONDS = 2.0
#: Rounds that may be left behind at one time; with more of them, the next one is waited for to its end.
MOST_LEFT = 8


class Rounds:
    """The rounds of one daemon. Each that is left behind has a job, ``tail``, so that a shutdown waits for it."""

    def __init__(
        self, queue: TaskQueue, fetch: Callable[[Callable[[], object]], object], is_stopping: Callable[[], bool]
    ) -> None:
        """``fetch`` does a round to its end, and calls what it is given when all of its feeds are claimed."""
        self._queue = queue
        self._fetch = fetch
        self._is_stopping = is_stopping
        self._numbers = count(1)
        self._left: dict[int, threading.Thread] = {}

    def run(self) -> None:
        """One round: until it is done, or only slow ones are left of it.

        Raises what ended it, when that was here and no shutdown.
        """
        claimed = threading.Event()
        faults: list[BaseException] = []
        number, is_left = next(self._numbers), threading.Event()

        def fetch() -> None:
            try:
                self._fetch(claimed.set)
            except BaseException as error:
                faults.append(error)
                if is_left.is_set() and not self._is_stopping():  # nobody is there to whom it could be raised
                    log.error("refresh.failed", exc_info=not isinstance(error, StorageError), reason=str(error))
            finally:
                claimed.set()
            if is_left.is_set():
                with suppress(StorageError):  # the next tick asks as well
                    self._queue.defer("round", key="round")  # what it brought is to be grouped

        thread = threading.Thread(target=fetch, name=f"round-{number}")
        thread.start()
        claimed.wait()
        if len(self._left) < MOST_LEFT:
            thread.join(LINGER_SECONDS)
        if thread.is_alive():
            is_left.set()
            self._left[number] = thread
            if len(self._left) <= MOST_LEFT and self._queue.defer("tail", key=f"tail-{number}", number=number):
                return
            self.wait(number)
        if faults and not self._is_stopping():
            raise faults[0]
        if faults:
            log.info("refresh.stopped", reason=str(faults[0]))  # a fetcher that a shutdown has closed

    def wait(self, number: int) -> None:
        """Until the round of this number is done."""
        if thread := self._left.get(number):
            thread.join()
            self._left.pop(number, None)
