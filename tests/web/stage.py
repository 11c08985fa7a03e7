"""A site whose pages a test writes itself, behind the real cache and the real server."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from aggregator.app import App
from aggregator.storage import meta
from aggregator.tasks.site.found import Found, Page, Query

TEXT = "Quiet news of the day, told once more. " * 60
ATOM = "application/atom+xml; charset=utf-8"


@dataclass
class Stage:
    """Stands in for `tasks.site.routes.find_page`."""

    app: App
    pages: dict[str, Found] = field(default_factory=dict)
    #: What was made, in order.
    made: list[str] = field(default_factory=list)
    #: Raised in place of an answer.
    fault: Exception | None = None
    #: While it is not set, nothing gets finished.
    gate: threading.Event = field(default_factory=threading.Event)
    #: Set when something begins to be made.
    begun: threading.Event = field(default_factory=threading.Event)

    def find(self, _: App, path: str, query: Query = ()) -> Found:
        self.made.append(path + "".join(f"?{name}={value}" for name, value in query))
        self.begun.set()
        assert self.gate.wait(20)
        if self.fault is not None:
            raise self.fault
        return self.pages.get(path)

    def write(self, path: str, text: str = TEXT, **given: object) -> Page:
        """What stands at ``path`` from now on; nobody is told yet."""
        page = Page(body=text.encode(), **given)  # type: ignore[arg-type]
        self.pages[path] = page
        return page

    def commit(self) -> None:
        """Tell all processes that content has changed."""
        with self.app.db.write() as conn:
            meta.renew_revision(conn)
