"""The issues of all newsletters: what comes next and what happens if nobody acts; every issue so far. Never edits."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from aggregator.app import App
from aggregator.errors import NotFound
from aggregator.model.ids import IssueId
from aggregator.storage import issue_pages
from aggregator.storage.deliveries import count_states
from aggregator.tasks.desk import sending
from aggregator.tasks.issues import describe_issue, find_newsletter
from aggregator.web.desk import aside
from aggregator.web.desk.aside import Aside
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.visit import Action, Done, Fields, Listing, Page, Section, Visit
from aggregator.web.desk.words import N_

_ON_A_PAGE = 30
#: Deliveries by state are counted beside the page: those of an issue that goes out, and of one at rest.
_MOVING: Aside[Mapping[str, int]] = Aside(lambda app, number, state: _count(app, number), seconds=3)
_STILL: Aside[Mapping[str, int]] = Aside(lambda app, number, state: _count(app, number), seconds=120)


class BuildFields(Fields):
    newsletter: Annotated[str, Field(max_length=200, description="Its slug; empty when there is only one.")] = ""


def _count(app: App, number: int) -> Mapping[str, int]:
    with app.db.read() as conn:
        return count_states(conn, IssueId(number))


def _read_counts(app: App, issue: Any, *, patience: float) -> Mapping[str, int] | None:
    if issue.state in ("draft", "skipped"):
        return {}
    kept = _MOVING if issue.state == "sending" else _STILL
    return kept.get(app, issue.id, issue.state, patience=patience)


def _show_issues(visit: Visit) -> Response:
    newsletter = visit.query.get("newsletter", "")
    with visit.app.db.read() as conn:
        found = issue_pages.list_page(conn, newsletter, before_id=visit.get_page(), limit=_ON_A_PAGE + 1)
    shown = found[:_ON_A_PAGE]
    # All are asked for before any is waited for, and all together are waited for as long as one.
    for issue in shown:
        _read_counts(visit.app, issue, patience=0)
    until = monotonic() + aside.PATIENCE_SECONDS
    counts = {issue.id: _read_counts(visit.app, issue, patience=max(until - monotonic(), 0)) for issue in shown}
    return show_page(
        visit,
        "issues.html",
        coming=sending.list_coming(visit.app) if visit.get_page() is None else (),
        issues=shown,
        counts=counts,
        newsletter=newsletter,
        newsletters=visit.app.settings.newsletters,
        more=shown[-1].id if len(found) > _ON_A_PAGE else None,
        now=visit.app.now(),
    )


def _build(visit: Visit, sent: BuildFields) -> Done:
    known = visit.app.settings.newsletters
    if not sent.newsletter and len(known) == 1:
        newsletter = known[0]
    else:
        newsletter = find_newsletter(visit.app, sent.newsletter)
    issue, line = sending.build(visit.app, newsletter, who=visit.account.name)
    return Done(to=f"/issues/{issue.id}", change=line, body={"issue": describe_issue(issue)})


def describe(app: App, issue: Any) -> dict[str, Any]:
    """As the command line's ``--json``; ``deliveries`` is null while they are being counted."""
    counts = _read_counts(app, issue, patience=1)
    return {**describe_issue(issue), "deliveries": None if counts is None else dict(counts)}


def _list(visit: Visit) -> Any:
    newsletter = visit.query.get("newsletter", "")
    with visit.app.db.read() as conn:
        found = issue_pages.list_page(conn, newsletter, before_id=visit.get_page(), limit=_ON_A_PAGE)
    if newsletter and not found and newsletter not in {one.slug for one in visit.app.settings.newsletters}:
        raise NotFound(f"no newsletter {newsletter}")
    return [describe(visit.app, issue) for issue in found]


ROOM = Section(
    key="issues",
    pages=(Page(path="/issues", show=_show_issues),),
    actions=(
        Action(
            name="issue.build", path="/issues/build", fields=BuildFields, run=_build, done=N_("An issue was built"),
            page=_show_issues,
        ),
    ),
    listings=(
        Listing(
            path="/issues",
            read=_list,
            summary="Issues of the newsletters, newest first.",
            query={"newsletter": "Only of this one.", "before": "Only those that stand below this issue's number."},
        ),
    ),
)  # fmt: skip
