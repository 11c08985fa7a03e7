"""The thread that asks the ledger, so that lines are served while the disk writes. One question at a time.

Also what wakes the serving thread: a byte through a pair of sockets, never a time-out.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

from aggregator.model.mailing import Outcome

_Question = tuple[Sequence[int], Sequence[Outcome]]


class Waker:
    """A socket that becomes readable when another thread calls `wake`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_closed = False
        self.socket, self._other = socket.socketpair()
        self.socket.setblocking(False)
        self._other.setblocking(False)

    def wake(self) -> None:
        """May be called by any thread, also after `close`."""
        with self._lock:
            if not self._is_closed:
                with contextlib.suppress(BlockingIOError):  # it is full of wake-ups already
                    self._other.send(b"\0")

    def clear(self) -> None:
        """Forget the calls so far; what they are about is looked at after this."""
        with contextlib.suppress(BlockingIOError):
            while len(self.socket.recv(4_096)) == 4_096:
                pass

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            self.socket.close()
            self._other.close()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the ledger said: which rows may have their dot, or the error that it raised."""

    about: Sequence[int]
    allowed: Collection[int] = ()
    error: BaseException | None = None
    #: How long it took.
    seconds: float = 0.0


class Committer:
    """Started at once; `ask` when `is_idle`, then `take_answer` after the waker was called."""

    def __init__(self, commit: Callable[[Sequence[int], Sequence[Outcome]], Collection[int]], waker: Waker) -> None:
        self._commit = commit
        self._waker = waker
        self._questions: SimpleQueue[_Question | None] = SimpleQueue()
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self.is_idle = True
        self._thread = threading.Thread(target=self._run, name="mail-ledger", daemon=True)
        self._thread.start()

    def ask(self, about: Sequence[int], settled: Sequence[Outcome]) -> None:
        """Begin one commit."""
        self.is_idle = False
        self._questions.put((about, settled))

    def take_answer(self) -> Answer | None:
        """The answer to the last question, once."""
        if self.is_idle or self._answers.empty():
            return None
        return self.wait()

    def wait(self) -> Answer:
        """The same, waiting for it."""
        answer = self._answers.get()
        self.is_idle = True
        return answer

    def close(self) -> None:
        """Wait until the ledger has answered, and end the thread."""
        self._questions.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (question := self._questions.get()) is not None:
            about, settled = question
            started = time.monotonic()
            try:
                answer = Answer(about, self._commit(about, settled), seconds=time.monotonic() - started)
            except BaseException as error:  # noqa: BLE001  (it is raised in the serving thread)
                answer = Answer(about, error=error)
            self._answers.put(answer)
            self._waker.wake()
