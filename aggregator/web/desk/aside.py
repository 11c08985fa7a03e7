"""What takes longer than a page may: counted beside the requests, shown as it was a moment ago. Never a decision."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from time import monotonic
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from aggregator.app import App
from aggregator.errors import StorageError
from aggregator.log import get_logger
from aggregator.storage.engine import Database

log = get_logger(__name__)

T = TypeVar("T")
#: A request waits so long for what is not there yet, or is not of this moment.
PATIENCE_SECONDS = 0.05
#: What took long is kept so many times as long: the database spends no more of its time on it.
SHARE = 20
#: Of so many things at most, for each database; what nobody has asked for longest goes first.
MOST_KEPT = 200
#: So many counts at a time, for each database: the other connections are for pages.
AT_A_TIME = 2

_turns: WeakKeyDictionary[Database, threading.BoundedSemaphore] = WeakKeyDictionary()
_turns_lock = threading.Lock()


def _get_turns(db: Database) -> threading.BoundedSemaphore:
    with _turns_lock:
        return _turns.setdefault(db, threading.BoundedSemaphore(AT_A_TIME))


class _Kept(Generic[T]):
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.value: T | None = None
        self.until = 0.0
        self.done: threading.Event | None = None


class Aside(Generic[T]):
    """``count(app, *about)``, at most once in ``seconds`` for each database and what it is about, by one thread at a
    time."""

    def __init__(self, count: Callable[..., T], *, seconds: float) -> None:
        self._count, self._seconds = count, seconds
        self._kept: WeakKeyDictionary[Database, dict[Hashable, _Kept[T]]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def get(self, app: App, *about: Hashable, patience: float | None = None) -> T | None:
        """As it was when it was last counted; None: it has not been, and takes longer than ``patience`` seconds.

        Left out, who begins to count waits `PATIENCE_SECONDS`, and who comes while it is counted does not wait at all.
        """
        kept = self._find(app, about)
        with kept.lock:
            if monotonic() < kept.until:
                return kept.value
            done, begins = kept.done, kept.done is None
            if done is None:
                done = kept.done = threading.Event()
                threading.Thread(target=self._work, args=(app, about, kept, done), name="aside", daemon=True).start()
        if patience is None:
            patience = PATIENCE_SECONDS if begins else 0
        done.wait(patience)
        return kept.value

    def _find(self, app: App, about: Hashable) -> _Kept[T]:
        with self._lock:
            some = self._kept.setdefault(app.db, {})
            kept = some[about] = some.pop(about) if about in some else _Kept()
            while len(some) > MOST_KEPT:
                del some[next(iter(some))]
        return kept

    def _work(self, app: App, about: tuple[Hashable, ...], kept: _Kept[T], done: threading.Event) -> None:
        value, took = None, 0.0
        try:
            with _get_turns(app.db):
                began = monotonic()
                value = self._count(app, *about)
                took = monotonic() - began
        except StorageError as error:
            log.warning("desk.not_counted", reason=str(error))
        except Exception:
            log.exception("desk.not_counted")
        with kept.lock:
            if value is not None:
                kept.value = value
            kept.until, kept.done = monotonic() + max(self._seconds, SHARE * took), None
        done.set()
