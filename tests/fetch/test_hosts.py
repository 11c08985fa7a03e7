"""The queue before a host."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from aggregator.fetch.hosts import HostFrozen, HostGates

T = TypeVar("T")


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """In a loop of a thread of its own: the browser of other tests keeps one in the main thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def visit(
    gates: HostGates, host: str, slots: asyncio.Semaphore, starts: list[float], *, own: bool = False
) -> None:
    async with gates.get(host, own=own).enter(slots.acquire):
        starts.append(time.monotonic())
        slots.release()


def run_visits(gates: HostGates, hosts: list[str], *, own: bool = False) -> list[float]:
    async def run() -> list[float]:
        starts: list[float] = []
        slots = asyncio.Semaphore(100)
        await asyncio.gather(*(visit(gates, host, slots, starts, own=own) for host in hosts))
        return sorted(starts)

    return run_apart(run())


def test_starts_at_one_public_host_lie_a_gap_apart() -> None:
    starts = run_visits(HostGates(1, 0.03), ["a.example"] * 4)

    assert all(later - earlier >= 0.029 for earlier, later in itertools.pairwise(starts))


def test_other_hosts_do_not_wait() -> None:
    starts = run_visits(HostGates(1, 30.0), [f"{n}.example" for n in range(50)])

    assert starts[-1] - starts[0] < 15


def test_own_hosts_have_no_gap() -> None:
    starts = run_visits(HostGates(1, 30.0), ["a.example"] * 20, own=True)

    assert starts[-1] - starts[0] < 15


def test_only_so_many_are_inside_at_one_time() -> None:
    async def run(own: bool) -> int:
        gates, slots = HostGates(2, 0.0), asyncio.Semaphore(100)
        inside, most = 0, 0

        async def stay() -> None:
            nonlocal inside, most
            async with gates.get("a.example", own=own).enter(slots.acquire):
                inside += 1
                most = max(most, inside)
                for _ in range(100):
                    await asyncio.sleep(0)
                inside -= 1
                slots.release()

        await asyncio.gather(*(stay() for _ in range(30)))
        return most

    assert run_apart(run(own=False)) == 2
    assert run_apart(run(own=True)) == 8


def test_who_waits_for_a_host_takes_no_slot() -> None:
    async def run() -> bool:
        gates, slots = HostGates(1, 0.0), asyncio.Semaphore(2)
        async with gates.get("slow.example", own=False).enter(slots.acquire):
            waiting = [asyncio.create_task(visit(gates, "slow.example", slots, [])) for _ in range(5)]
            await asyncio.wait_for(visit(gates, "other.example", slots, []), 5)
            free = not slots.locked()
        slots.release()
        await asyncio.gather(*waiting)
        return free

    assert run_apart(run())


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def pass_through(gates: HostGates, host: str) -> None:
    slots = asyncio.Semaphore(1)
    async with gates.get(host, own=False).enter(slots.acquire):
        pass


def test_a_pause_ends_and_the_longest_one_counts() -> None:
    async def run() -> list[float]:
        clock = Clock()
        gates = HostGates(1, 0.0, clock)
        gates.get("a.example", own=False).freeze(timedelta(hours=2), "long")
        gates.get("a.example", own=False).freeze(timedelta(minutes=1), "short")
        waits = []
        for minutes in (0, 1, 119):
            clock.now = 1000.0 + 60 * minutes
            with pytest.raises(HostFrozen) as caught:
                await pass_through(gates, "a.example")
            waits.append(caught.value.wait / timedelta(minutes=1))
            assert caught.value.reason == "long"
            await pass_through(gates, "b.example")
        clock.now = 1000.0 + 7200
        await pass_through(gates, "a.example")
        return waits

    assert run_apart(run()) == [120, 119, 1]


def test_idle_gates_are_forgotten_those_of_a_pause_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aggregator.fetch.hosts._FEW_GATES", 2)

    async def run() -> tuple[bool, bool]:
        clock = Clock()
        gates = HostGates(1, 1.0, clock)
        frozen, idle = gates.get("frozen.example", own=False), gates.get("idle.example", own=False)
        frozen.freeze(timedelta(hours=2), "busy")
        clock.now += 3600
        gates.get("new.example", own=False)
        return gates.get("frozen.example", own=False) is frozen, gates.get("idle.example", own=False) is idle

    assert run_apart(run()) == (True, False)


def test_a_pause_that_comes_while_others_wait_their_turn_holds_for_them() -> None:
    async def run() -> list[str]:
        gates, slots = HostGates(1, 0.0), asyncio.Semaphore(100)
        gate = gates.get("a.example", own=False)
        inside, go = asyncio.Event(), asyncio.Event()
        came: list[str] = []

        async def ask(name: str) -> None:
            try:
                async with gate.enter(slots.acquire):
                    inside.set()
                    await go.wait()
                    gate.freeze(timedelta(hours=1), "asked")
                    came.append(name)
            except HostFrozen:
                came.append(f"{name} frozen")

        tasks = [asyncio.create_task(ask(name)) for name in ("one", "two", "three")]
        await inside.wait()
        go.set()
        await asyncio.gather(*tasks)
        return came

    assert run_apart(run()) == ["one", "two frozen", "three frozen"]
