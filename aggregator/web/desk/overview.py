"""The first page: how the week stands and what needs a decision now. Never changes anything."""

from __future__ import annotations

from starlette.responses import Response

from aggregator.web.desk.pages import show_page
from aggregator.web.desk.visit import Page, Section, Visit


def _show_overview(visit: Visit) -> Response:
    return show_page(visit, "overview.html")


ROOM = Section(key="overview", pages=(Page(path="", show=_show_overview), Page(path="/", show=_show_overview)))
