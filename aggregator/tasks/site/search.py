"""The page of a search. Never searches itself, never renders."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aggregator.app import App
from aggregator.model.listed import SearchPage
from aggregator.pipeline.query import read_query
from aggregator.render import lists
from aggregator.storage import entries
from aggregator.storage.entries import EntryQuery
from aggregator.storage.search import search
from aggregator.tasks.site.found import Page, make_html, route

#: On one page.
FOUND = 25
_PLACE = re.compile(r"[0-9]{1,18}")


def _render_search(app: App, *, query: Mapping[str, str]) -> Page | None:
    """Whatever is asked gets a page that says what is found, or why nothing is; only a place that was never given is
    none."""
    before = query.get("before", "")
    if before and not _PLACE.fullmatch(before):
        return None
    asked = read_query(query.get("q", ""))
    with app.db.read() as conn:
        found = search(conn, asked, limit=FOUND, before=int(before) if before else None)
        listed = entries.list_entries(conn, EntryQuery(ids=found.ids))
    page = SearchPage(
        query=asked,
        entries=listed,
        count=found.count,
        has_more=found.is_capped,
        older=found.next_before,
        is_older=bool(before),
    )
    return make_html(lists.render_search(page, site=app.settings.site, templates=app.templates), noindex=True)


ROUTES = (route(r"/search", _render_search, "q", "before"),)
