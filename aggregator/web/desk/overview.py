"""The first page: how the week stands and what needs a decision now. Never changes anything."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from aggregator.render.figures import draw_stacks
from aggregator.tasks.desk.overview import Week, count_week, look
from aggregator.web.desk.aside import Aside
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.visit import Listing, Page, Section, Visit

#: A minute old at most, but for the first look after a start.
_WEEK: Aside[Week] = Aside(count_week, seconds=60)


def _show_overview(visit: Visit) -> Response:
    week = _WEEK.get(visit.app)
    bars = draw_stacks(tuple(week.by_language.values())) if week else ()
    return show_page(visit, "overview.html", week=week, standing=look(visit.app, week), bars=bars)


def _describe(visit: Visit) -> Any:
    week = _WEEK.get(visit.app, patience=5)
    standing = look(visit.app, week)
    return {
        "decisions": [
            {
                "kind": one.kind,
                "count": one.count,
                "trouble": one.trouble,
                "issue": one.issue.name if one.issue else None,
            }
            for one in standing.decisions
        ],
        "next_slots": [{"newsletter": one.slug, "at": at} for one, at in standing.next_slots],
        "next_feed_at": standing.next_feed_at,
        "due_feeds": standing.due_feeds,
        "untagged": standing.untagged,
        "week": week
        and {
            "days": list(week.days),
            "entries": dict(week.by_language),
            "feeds": dict(week.feeds),
            "mails": dict(week.mails),
            "joined": week.joined,
            "left": week.left,
            "database_bytes": week.database_bytes,
            "mentioned": [
                {"slug": one.tag.slug, "entries": one.total, "week_before": one.before} for one in week.mentioned
            ],
        },
    }


ROOM = Section(
    key="overview",
    pages=(Page(path="", show=_show_overview), Page(path="/", show=_show_overview)),
    listings=(Listing(path="/overview", read=_describe, summary="How the house stands."),),
)
