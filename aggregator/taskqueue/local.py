"""A bounded pool of threads in this process. Never persists a job: due dates live in rows, so a lost job is found again
at the next tick, and a doubled one is harmless because every task claims its row first.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from time import monotonic

from aggregator.errors import StorageError
from aggregator.log import get_logger
from aggregator.model.lane import Lane

log = get_logger(__name__)

_Job = tuple[str, str, dict[str, int | str]]


class LocalQueue:
    """Jobs by name and key; one job of a key waits or runs at a time."""

    #: No other process takes its jobs.
    is_shared = False

    def __init__(self, *, workers: int = 14) -> None:
        self._workers = workers
        self._changed = threading.Condition()
        self._waiting: deque[_Job] = deque()
        #: Since when, by key.
        self._waiting_since: dict[str, float] = {}
        self._running_keys: set[str] = set()
        self._stopping = False

    def defer(self, task: str, *, key: str, **ids: int | str) -> bool:
        """Queue one call of ``task`` with ``ids``; False when a job of the same key is waiting already.

        A job of the same key that *runs* does not stop this one from waiting: it may have read its rows already.
        """
        with self._changed:
            if self._stopping or key in self._waiting_since:
                return False
            self._waiting.append((task, key, ids))
            self._waiting_since[key] = monotonic()
            self._changed.notify()
            return True

    def run(self, tasks: Mapping[str, Callable[..., None]]) -> None:
        """Take jobs until `stop` is called; returns when the jobs that had begun are finished."""
        threads = [
            threading.Thread(target=self._work, args=(tasks,), name=f"worker-{number}")
            for number in range(self._workers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def stop(self) -> None:
        """Begin no further job; those that wait are dropped, their rows are still due."""
        with self._changed:
            self._stopping = True
            self._waiting.clear()
            self._waiting_since.clear()
            self._changed.notify_all()

    def measure(self) -> Sequence[Lane]:
        """Its one lane."""
        with self._changed:
            since = [at for key, at in self._waiting_since.items() if key not in self._running_keys]
            lane = Lane(
                name="local",
                waiting=len(since),
                later=len(self._waiting) - len(since),
                running=len(self._running_keys),
                oldest_seconds=monotonic() - min(since) if since else 0.0,
            )
        return (lane,)

    def close(self) -> None:
        """There is nothing to close."""

    def _work(self, tasks: Mapping[str, Callable[..., None]]) -> None:
        while (job := self._take()) is not None:
            name, key, ids = job
            try:
                tasks[name](**ids)
            except StorageError as error:
                log.warning("job.failed", task=name, reason=str(error), **ids)
            except Exception:
                # A task that fails is a fault to be seen, but the other rows go on; its row stays due.
                log.exception("job.failed", task=name, **ids)
            finally:
                with self._changed:
                    self._running_keys.discard(key)
                    self._changed.notify_all()

    def _take(self) -> _Job | None:
        with self._changed:
            while True:
                if self._stopping:
                    return None
                for position, job in enumerate(self._waiting):
                    if job[1] not in self._running_keys:
                        del self._waiting[position]
                        del self._waiting_since[job[1]]
                        self._running_keys.add(job[1])
                        return job
                self._changed.wait()
