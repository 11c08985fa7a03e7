"""The page of a search. Never searches itself, never renders."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from aggregator.app import App
from aggregator.model.listed import SearchPage
from aggregator.pipeline.htmltext import html_to_text
from aggregator.pipeline.query import MAX_TEXT, fold_sign, read_query
from aggregator.render import lists
from aggregator.render.marks import Marker
from aggregator.storage import entries
from aggregator.storage.entries import EntryQuery
from aggregator.storage.search import search
from aggregator.tasks.site.found import Page, make_html, route

#: On one page.
FOUND = 25
#: Columns of a passage that stands in the place of an excerpt which holds none of the words.
PASSAGE = 240
_PLACE = re.compile(r"[0-9]{1,18}")


def _render_search(app: App, *, query: Mapping[str, str]) -> Page | None:
    """Whatever is asked gets a page that says what is found, or why nothing is; only a place that was never given is
    none."""
    before = query.get("before", "")
    if before and not _PLACE.fullmatch(before):
        return None
    asked = read_query(query.get("q", ""))
    with app.db.read() as conn:
        found = search(conn, asked, limit=FOUND, before=int(before) if before else None, until=app.now())
        listed = entries.list_entries(conn, EntryQuery(ids=found.ids))
        marker = Marker(asked, fold_sign)
        elsewhere = [one.id for one in listed if not (marker.is_in(one.title) or marker.is_in(one.excerpt))]
        contents = entries.get_content_html(conn, elsewhere)
    passages = {number: marker.find_passage(_read_text(html), PASSAGE) for number, html in contents.items()}
    page = SearchPage(
        query=asked,
        entries=tuple(replace(one, excerpt=passages.get(one.id) or one.excerpt) for one in listed),
        count=found.count,
        has_more=found.is_capped,
        older=found.next_before,
        is_older=bool(before),
    )
    made = lists.render_search(page, marker, site=app.settings.site, templates=app.templates)
    return make_html(made, noindex=True)


def _read_text(html: str) -> str:
    """What of a content can be found."""
    return " ".join(html_to_text(html[: 4 * MAX_TEXT]).split())[:MAX_TEXT]


ROUTES = (route(r"/search", _render_search, "q", "before"),)
