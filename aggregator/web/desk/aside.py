"""What takes longer than a page may: counted beside the requests, shown as it was a moment ago. Never a decision."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from aggregator.app import App
from aggregator.errors import StorageError
from aggregator.log import get_logger
from aggregator.storage.engine import Database

log = get_logger(__name__)

T = TypeVar("T")
#: A request waits so long for what is not there yet.
PATIENCE_SECONDS = 0.05


class _Kept(Generic[T]):
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.value: T | None = None
        self.until = 0.0
        self.done: threading.Event | None = None


class Aside(Generic[T]):
    """``count(app)``, at most once in ``seconds`` for each database, by one thread at a time."""

    def __init__(self, count: Callable[[App], T], *, seconds: float) -> None:
        self._count, self._seconds = count, seconds
        self._kept: WeakKeyDictionary[Database, _Kept[T]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def get(self, app: App, *, patience: float = PATIENCE_SECONDS) -> T | None:
        """As it was when it was last counted; None: it has not been, and takes longer than ``patience``."""
        with self._lock:
            kept = self._kept.setdefault(app.db, _Kept())
        with kept.lock:
            if monotonic() < kept.until:
                return kept.value
            done = kept.done
            if done is None:
                done = kept.done = threading.Event()
                threading.Thread(target=self._work, args=(app, kept, done), name="aside", daemon=True).start()
            value = kept.value
        if value is None:
            done.wait(patience)
        return kept.value

    def _work(self, app: App, kept: _Kept[T], done: threading.Event) -> None:
        value = None
        try:
            value = self._count(app)
        except StorageError as error:
            log.warning("desk.not_counted", reason=str(error))
        except Exception:
            log.exception("desk.not_counted")
        with kept.lock:
            if value is not None:
                kept.value = value
            kept.until, kept.done = monotonic() + self._seconds, None
        done.set()
