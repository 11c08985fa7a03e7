"""What a process of ours that runs for long does first and last: limits, logging, signals. Never does its work."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from queue import SimpleQueue

from aggregator.app import App
from aggregator.config import Config
from aggregator.heap import limit_arenas
from aggregator.log import configure_logging, get_logger

log = get_logger(__name__)

WAKE_SECONDS = 0.5
_MAX_FILES = 65_536
#: While a thread parses or makes a page, whoever answers readers waits so long for each turn; Python's own 5 ms let
#: them have a quarter of what they have with this, and cost the thread nothing that can be seen.
_SWITCH_SECONDS = 0.001


def prepare_process(config: Config) -> threading.Event:
    """Before anything else; what SIGTERM and SIGINT set (`watch_signals`)."""
    limit_arenas()
    raise_file_limit()
    sys.setswitchinterval(_SWITCH_SECONDS)
    configure_logging(level=config.log.level, style=config.log.style)
    for warning in config.warnings:
        log.warning("config", problem=str(warning))
    return watch_signals()


def wait_for(stop: threading.Event) -> None:
    """Not for ever at a time: a signal that comes just before the wait begins would not end it."""
    while not stop.wait(WAKE_SECONDS):
        pass


def end_now(app: App, code: int, *, event: str) -> None:
    """Threads that hang would keep the process; what they had claimed is free already. ``event``: its last line."""
    app.sandbox.close()
    log.info(event)
    sys.stderr.flush()
    os._exit(code)


def raise_file_limit() -> None:
    """Each slow host costs a socket while it is waited for; the soft limit is often a thousand."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def watch_signals() -> threading.Event:
    """What SIGTERM and SIGINT set. Asked twice, the process ends now; its claims are recovered at the next start.

    A handler runs in the middle of whatever the main thread does, which may be `Event.wait` with its lock in hand:
    setting the event there would wait for itself. `SimpleQueue.put` is made for that; a thread does the rest.
    """
    stop = threading.Event()
    asked: SimpleQueue[int] = SimpleQueue()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, _: asked.put(number))

    def watch() -> None:
        asked.get()
        stop.set()
        os._exit(128 + asked.get())

    threading.Thread(target=watch, name="signals", daemon=True).start()
    return stop
