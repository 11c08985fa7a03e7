"""An asyncio loop in a thread of its own, for callers that are synchronous. Knows nothing of what runs in it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


class LoopThread:
    """Started at once; `stop` cancels what still runs in it and waits for the end."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._accepting = True
        self._thread = threading.Thread(target=self._run, name="fetch", daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], object]) -> None:
        """Runs ``function`` in the loop, soon; after `stop` never."""
        with self._lock:
            if self._accepting:
                self._loop.call_soon_threadsafe(function)

    def wait_for(self, make: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Runs a coroutine in the loop and waits for its result."""
        return asyncio.run_coroutine_threadsafe(make(), self._loop).result()

    def wait_until(self, event: threading.Event) -> None:
        """Waits for what the loop will set; not inside the loop (where garbage collection may end up)."""
        if threading.current_thread() is not self._thread:
            event.wait()

    def start(
        self, make: Callable[[], Coroutine[Any, Any, None]], on_end: Callable[[BaseException | None], None]
    ) -> Callable[[], None]:
        """Runs a coroutine in the loop without waiting; returns what cancels it.

        ``on_end`` is called in the loop exactly once, with the exception that ended it, or None (also when cancelled).
        Raises `RuntimeError` after `stop`.
        """
        tasks: list[asyncio.Task[None]] = []

        def begin() -> None:
            task = self._loop.create_task(make())
            task.add_done_callback(lambda done: on_end(None if done.cancelled() else done.exception()))
            tasks.append(task)

        with self._lock:
            if not self._accepting:
                raise RuntimeError("the loop has ended")
            self._loop.call_soon_threadsafe(begin)
        return lambda: self.call(lambda: tasks[0].cancel())

    def stop(self, clean_up: Callable[[], Awaitable[None]]) -> None:
        """Cancels everything, runs ``clean_up`` in the loop, ends the thread. Once."""
        endings: list[asyncio.Task[None]] = []  # a task must be held by somebody
        with self._lock:
            self._accepting = False  # what was started before is in the loop already, and is cancelled by the end
            self._loop.call_soon_threadsafe(lambda: endings.append(self._loop.create_task(self._end(clean_up))))
        self._thread.join()

    async def _end(self, clean_up: Callable[[], Awaitable[None]]) -> None:
        try:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await clean_up()
        finally:
            self._loop.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()
