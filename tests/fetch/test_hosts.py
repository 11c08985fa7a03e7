"""The queue before a host."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from aggregator.fetch.hosts import HostGates

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
