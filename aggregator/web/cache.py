"""Bytes of pages made lately, so that a reader's poll costs no rendering. Never serves a page older than the stored
content, or than a few minutes: what a page shows also moves with the clock. What was not found is not remembered:
strangers choose those addresses.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime

from aggregator.app import App
from aggregator.storage import meta
from aggregator.tasks.site.found import Found, Page
from aggregator.tasks.site.routes import find_page

MAX_PAGES = 500
MAX_BYTES = 32 * 1024 * 1024
_MINUTES = 5

#: Revision of the content and span of time: what was made under another one is of no use any more.
_Edition = tuple[str, int]


class PageCache:
    """The pages of one edition by path; the least used go first."""

    def __init__(self, app: App, *, max_pages: int = MAX_PAGES, max_bytes: int = MAX_BYTES) -> None:
        self._app = app
        self._max_pages = max_pages
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._edition: _Edition = ("", 0)
        self._pages: OrderedDict[str, Found] = OrderedDict()
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes held, at most ``max_bytes``."""
        return self._size

    def find(self, path: str) -> Found:
        """The page at ``path``, made now or lately."""
        with self._app.db.read() as conn:
            revision = meta.get_revision(conn)
        edition = (revision, _span(self._app.now()))
        with self._lock:
            if edition == self._edition and path in self._pages:
                self._pages.move_to_end(path)
                return self._pages[path]
        # Two readers may make the same page at once; both get the same bytes.
        found = find_page(self._app, path)
        if found is not None and _weigh(found) <= self._max_bytes:
            with self._lock:
                self._keep(edition, path, found)
        return found

    def _keep(self, edition: _Edition, path: str, found: Found) -> None:
        if edition != self._edition:
            self._pages.clear()
            self._edition, self._size = edition, 0
        self._size += _weigh(found) - _weigh(self._pages.pop(path, None))
        self._pages[path] = found
        while len(self._pages) > self._max_pages or self._size > self._max_bytes:
            self._size -= _weigh(self._pages.popitem(last=False)[1])


def _weigh(found: Found) -> int:
    return len(found.body) if isinstance(found, Page) else 0


def _span(now: datetime) -> int:
    return int(now.timestamp()) // (_MINUTES * 60)
