"""Takes jobs from the queue and calls tasks, until told to stop. Never decides what is due, never serves a page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import monotonic

from aggregator.app import App
from aggregator.errors import StorageError
from aggregator.log import get_logger
from aggregator.tasks.due import get_tasks
from aggregator.tasks.startup import recover_claims

log = get_logger(__name__)

#: How long a shutdown waits for what is under way. A mail server may take ten minutes to answer; service managers
#: kill earlier.
DRAIN_SECONDS = 15.0
#: And for the database at the very end.
RELEASE_SECONDS = 5.0


def start_worker(app: App, stop: threading.Event, *, config: Path | None) -> threading.Thread:
    """Take jobs from now on in a thread; ``stop`` tells the tasks to come to an end, and `drain` the queue.

    ``config``: the file for other processes of ours (`tasks.due.get_tasks`).
    """
    tasks = get_tasks(app, pause=lambda seconds: stop.wait(max(seconds, 0)), config=config)
    thread = threading.Thread(target=app.queue.run, args=(tasks,), name="worker")
    thread.start()
    return thread


def drain(app: App, threads: Sequence[threading.Thread], *, ends: Sequence[Callable[[], object]] = ()) -> bool:
    """No further job; wait for ``threads``. Each of ``ends`` waits for what is under way, none for another.

    What hangs longer than `DRAIN_SECONDS` is cut off: what it had claimed is free again, and the answer is false.
    """
    deadline = monotonic() + DRAIN_SECONDS
    app.queue.stop()
    ending = [threading.Thread(target=end, daemon=True) for end in (app.fetcher.close, *ends)]
    for thread in ending:
        thread.start()
    for thread in (*ending, *threads):
        thread.join(max(0.0, deadline - monotonic()))
    if not any(thread.is_alive() for thread in (*ending, *threads)):
        return True
    log.warning("process.cut_off", reason=f"something was still under way after {DRAIN_SECONDS:g} seconds")
    finish_within(RELEASE_SECONDS, partial(_recover, app))
    return False


def finish_within(seconds: float, work: Callable[[], object]) -> bool:
    """Whether it ended in time: a database that says nothing must not keep a process from ending."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def _recover(app: App) -> None:
    try:
        recover_claims(app, ours=True)
    except StorageError as error:
        log.warning("claims.not_recovered", reason=str(error))  # the next start does it
