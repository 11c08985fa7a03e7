"""The queue in this process: one job of a key at a time, drained at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from aggregator.taskqueue.local import LocalQueue

PATIENCE = 10.0


@contextmanager
def running(queue: LocalQueue, tasks: Mapping[str, Callable[..., None]]) -> Iterator[None]:
    thread = threading.Thread(target=queue.run, args=(tasks,))
    thread.start()
    try:
        yield
    finally:
        queue.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_a_job_is_called_with_its_ids() -> None:
    queue, called = LocalQueue(), threading.Event()
    seen: list[int] = []

    def deliver(issue_id: int) -> None:
        seen.append(issue_id)
        called.set()

    with running(queue, {"deliver": deliver}):
        assert queue.defer("deliver", key="deliver:7", issue_id=7)
        assert called.wait(PATIENCE)

    assert seen == [7]


def test_a_waiting_key_is_not_queued_twice() -> None:
    queue = LocalQueue()

    assert queue.defer("refresh", key="refresh")
    assert not queue.defer("refresh", key="refresh")


def test_one_job_of_a_key_runs_at_a_time_and_the_next_waits() -> None:
    """A job deferred while its twin runs is not lost: the running one may have read its rows already."""
    queue = LocalQueue(workers=3)
    entered, leave, again = threading.Event(), threading.Event(), threading.Event()
    inside: list[int] = []
    most: list[int] = []

    def refresh() -> None:
        inside.append(1)
        most.append(len(inside))
        (again if entered.is_set() else entered).set()
        assert leave.wait(PATIENCE)
        inside.pop()

    with running(queue, {"refresh": refresh}):
        queue.defer("refresh", key="refresh")
        assert entered.wait(PATIENCE)
        assert queue.defer("refresh", key="refresh")
        leave.set()
        assert again.wait(PATIENCE)

    assert max(most) == 1


def test_a_failing_job_does_not_stop_the_others() -> None:
    queue, done = LocalQueue(workers=1), threading.Event()

    def fail() -> None:
        raise ValueError("on purpose")

    with running(queue, {"fail": fail, "work": done.set}):
        queue.defer("fail", key="a")
        queue.defer("work", key="b")

        assert done.wait(PATIENCE)


def test_stop_finishes_what_has_begun_and_drops_what_waits() -> None:
    queue = LocalQueue(workers=1)
    entered, leave = threading.Event(), threading.Event()
    done: list[str] = []

    def work(name: str) -> None:
        entered.set()
        assert leave.wait(PATIENCE)
        done.append(name)

    thread = threading.Thread(target=queue.run, args=({"work": work},))
    thread.start()
    queue.defer("work", key="a", name="begun")
    assert entered.wait(PATIENCE)
    queue.defer("work", key="b", name="waiting")
    queue.stop()
    leave.set()
    thread.join(PATIENCE)

    assert done == ["begun"]
    assert not queue.defer("work", key="c", name="late")
