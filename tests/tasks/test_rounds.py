"""Rounds beside each other: who falls due while a slow host holds one of them is not late for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from aggregator.taskqueue.local import LocalQueue
from aggregator.tasks import rounds
from aggregator.tasks.rounds import MOST_LEFT, Rounds

SECONDS = 20.0


@pytest.fixture(autouse=True)
def no_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "LINGER_SECONDS", 0.01)


def test_a_round_that_only_waits_for_slow_hosts_lets_the_next_one_begin_and_a_shutdown_waits_for_it() -> None:
    hosts_answer, done = threading.Event(), []
    began, waited_for = threading.Semaphore(0), threading.Semaphore(0)

    def fetch(on_claimed: Callable[[], object]) -> None:
        on_claimed()
        began.release()
        hosts_answer.wait(SECONDS)
        done.append(True)

    queue = LocalQueue()
    ours = Rounds(queue, fetch, lambda: False)

    def wait(number: int) -> None:
        waited_for.release()
        ours.wait(number)

    worker = threading.Thread(target=queue.run, args=({"tail": wait, "round": lambda: None},))
    worker.start()
    for _ in range(3):
        ours.run()
        assert began.acquire(timeout=SECONDS) and waited_for.acquire(timeout=SECONDS)
    assert done == []

    queue.stop()
    hosts_answer.set()
    worker.join(SECONDS)
    assert not worker.is_alive() and len(done) == 3


def test_a_round_is_waited_for_until_all_of_its_feeds_are_claimed() -> None:
    order = []

    def fetch(on_claimed: Callable[[], object]) -> None:
        order.append("claimed")
        on_claimed()

    Rounds(LocalQueue(), fetch, lambda: False).run()
    assert order == ["claimed"]


def test_only_so_many_rounds_are_left_behind() -> None:
    """No worker is left for other jobs if each waits for a round; the next is waited for to its end."""
    gates = [threading.Event() for _ in range(MOST_LEFT + 1)]
    waiting = iter(gates)

    def fetch(on_claimed: Callable[[], object]) -> None:
        gate = next(waiting)
        on_claimed()
        gate.wait(SECONDS)

    ours = Rounds(LocalQueue(), fetch, lambda: False)
    for _ in range(MOST_LEFT):
        ours.run()
    last = threading.Thread(target=ours.run)
    last.start()
    last.join(0.1)
    assert last.is_alive()
    for gate in gates:
        gate.set()
    last.join(SECONDS)
    for number in range(1, MOST_LEFT + 1):
        ours.wait(number)
    assert not last.is_alive()


def test_a_fault_of_a_round_is_raised_where_the_round_was_begun() -> None:
    def fetch(on_claimed: Callable[[], object]) -> None:
        raise ValueError("a fault")

    with pytest.raises(ValueError, match="a fault"):
        Rounds(LocalQueue(), fetch, lambda: False).run()
