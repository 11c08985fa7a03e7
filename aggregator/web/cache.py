"""Bytes of pages made lately, so that a reader's poll costs no rendering. Never serves a page older than the stored
content, or than a few minutes: what a page shows also moves with the clock.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime

from aggregator.app import App
from aggregator.storage import meta
from aggregator.tasks.pages import Found, find_page

MAX_PAGES = 500
_MINUTES = 5

_Key = tuple[str, str, int]


class PageCache:
    """Pages by path, revision of the content and span of time; the least used go first."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._pages: OrderedDict[_Key, Found] = OrderedDict()

    def find(self, path: str) -> Found:
        """The page at ``path``, made now or lately."""
        with self._app.db.read() as conn:
            revision = meta.get_revision(conn)
        key = (path, revision, _span(self._app.now()))
        with self._lock:
            if key in self._pages:
                self._pages.move_to_end(key)
                return self._pages[key]
        # Two readers may make the same page at once; both get the same bytes.
        found = find_page(self._app, path)
        if found is not None:
            with self._lock:
                self._pages[key] = found
                while len(self._pages) > MAX_PAGES:
                    self._pages.popitem(last=False)
        return found


def _span(now: datetime) -> int:
    return int(now.timestamp()) // (_MINUTES * 60)
