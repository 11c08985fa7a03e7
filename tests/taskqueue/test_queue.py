"""What a queue promises, in this process and in PostgreSQL: one job of a key at a time, drained at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from aggregator.taskqueue.local import LocalQueue
from aggregator.taskqueue.postgres import PostgresQueue

PATIENCE = 20.0

Queue = LocalQueue | PostgresQueue


@pytest.fixture(params=["local", "postgres"])
def queue(request: pytest.FixtureRequest) -> Iterator[Queue]:
    made: Queue = (
        LocalQueue() if request.param == "local" else PostgresQueue(request.getfixturevalue("postgres_database_url"))
    )
    yield made
    made.close()


@contextmanager
def running(queue: Queue, tasks: Mapping[str, Callable[..., None]]) -> Iterator[None]:
    thread = threading.Thread(target=queue.run, args=(tasks,))
    thread.start()
    try:
        yield
    finally:
        queue.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Looks again and again; the limit is only there to end a test that fails."""
    pause = threading.Event()
    for _ in range(round(PATIENCE / 0.05)):
        if is_so():
            return
        pause.wait(0.05)
    raise AssertionError("it did not come to that")


def test_a_job_is_called_with_its_ids(queue: Queue) -> None:
    called = threading.Event()
    seen: list[int] = []

    def deliver(issue_id: int) -> None:
        seen.append(issue_id)
        called.set()

    with running(queue, {"deliver": deliver}):
        assert queue.defer("deliver", key="deliver:7", issue_id=7)
        assert called.wait(PATIENCE)

    assert seen == [7]


def test_a_waiting_key_is_not_queued_twice(queue: Queue) -> None:
    assert queue.defer("refresh", key="refresh")
    assert not queue.defer("refresh", key="refresh")


def test_one_job_of_a_key_runs_at_a_time_and_the_next_waits(queue: Queue) -> None:
    """A job deferred while its twin runs is not lost: the running one may have read its rows already."""
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


def test_jobs_of_other_keys_go_on_beside_one_that_is_slow(queue: Queue) -> None:
    entered, leave, done = threading.Event(), threading.Event(), threading.Event()

    def stay() -> None:
        entered.set()
        assert leave.wait(PATIENCE)

    with running(queue, {"round": stay, "letters": done.set}):
        queue.defer("round", key="round")
        assert entered.wait(PATIENCE)
        queue.defer("letters", key="letters")
        assert done.wait(PATIENCE)
        leave.set()


def test_a_failing_job_does_not_stop_the_others(queue: Queue) -> None:
    done = threading.Event()

    def fail() -> None:
        raise ValueError("on purpose")

    with running(queue, {"fail": fail, "work": done.set}):
        queue.defer("fail", key="a")
        queue.defer("work", key="b")

        assert done.wait(PATIENCE)


def test_what_waits_for_a_thread_of_this_process_is_called_here(queue: Queue) -> None:
    done = threading.Event()

    with running(queue, {"tail": lambda number: done.set() if number == 3 else None}):
        assert queue.defer("tail", key="tail-3", number=3)
        assert done.wait(PATIENCE)


def test_stop_finishes_what_has_begun_and_begins_nothing_else(queue: Queue) -> None:
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
    queue.defer("work", key="a", name="waiting")
    queue.stop()
    leave.set()
    thread.join(PATIENCE)

    assert done == ["begun"]
    assert not queue.defer("work", key="a", name="late")


def test_a_queue_that_is_stopped_before_it_runs_ends(queue: Queue) -> None:
    queue.stop()
    with running(queue, {}):
        pass


def test_what_waits_and_what_runs_is_measured(queue: Queue) -> None:
    """What waits for the one of its key that runs, waits for nobody who is free."""
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        entered.set()
        assert leave.wait(PATIENCE)

    def count() -> tuple[int, int, int]:
        lanes = queue.measure()
        waiting = sum(lane.waiting for lane in lanes)
        assert all((lane.oldest_seconds > 0) == (lane.waiting > 0) for lane in lanes)
        return waiting, sum(lane.later for lane in lanes), sum(lane.running for lane in lanes)

    names = [lane.name for lane in queue.measure()]
    assert count() == (0, 0, 0)
    queue.defer("work", key="a")
    queue.defer("work", key="b")
    assert count() == (2, 0, 0)
    with running(queue, {"round": stay, "work": lambda: None}):
        queue.defer("round", key="round")
        assert entered.wait(PATIENCE)
        queue.defer("round", key="round")
        wait_until(lambda: count() == (0, 1, 1))
        leave.set()
        wait_until(lambda: count() == (0, 0, 0))
    assert [lane.name for lane in queue.measure()] == names
