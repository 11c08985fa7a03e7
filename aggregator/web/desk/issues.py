"""The issues of all newsletters: what comes next and what happens if nobody acts; every issue so far. Never edits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from aggregator.app import App
from aggregator.model.ids import IssueId
from aggregator.model.newsletter import Issue
from aggregator.storage import issue_pages
from aggregator.storage.deliveries import count_states
from aggregator.tasks.desk import sending
from aggregator.tasks.issues import choose_newsletter, describe_issue, find_newsletter
from aggregator.web.desk import aside
from aggregator.web.desk.aside import Aside
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.visit import Action, Done, Fields, Listing, Page, Section, Visit
from aggregator.web.desk.words import N_

_ON_A_PAGE = 30


def _count(app: App, number: int, _state: str) -> Mapping[str, int]:
    with app.db.read() as conn:
        return count_states(conn, IssueId(number))


#: Deliveries by state are counted beside the page: those of an issue that goes out, and of one at rest.
_COUNTS: dict[bool, Aside[Mapping[str, int]]] = {
    True: Aside(_count, seconds=3),
    False: Aside(_count, seconds=120),
}


class BuildFields(Fields):
    newsletter: Annotated[str, Field(max_length=200, description="Its slug; empty when there is only one.")] = ""


def _read_counts(app: App, found: Sequence[Issue], *, patience: float) -> dict[IssueId, Mapping[str, int] | None]:
    """None: they are being counted. All are asked for before any is waited for, and all together are waited for as long
    as one."""
    for issue in found:
        _read_count(app, issue, patience=0)
    until = monotonic() + patience
    return {issue.id: _read_count(app, issue, patience=max(until - monotonic(), 0)) for issue in found}


def _read_count(app: App, issue: Issue, *, patience: float) -> Mapping[str, int] | None:
    if issue.state in ("draft", "skipped"):
        return {}
    return _COUNTS[issue.state == "sending"].get(app, issue.id, issue.state, patience=patience)


def _show_issues(visit: Visit) -> Response:
    newsletter = visit.query.get("newsletter", "")
    with visit.app.db.read() as conn:
        found = issue_pages.list_page(conn, newsletter, before_id=visit.get_page(), limit=_ON_A_PAGE + 1)
    shown = found[:_ON_A_PAGE]
    return show_page(
        visit,
        "issues.html",
        coming=sending.list_coming(visit.app) if visit.get_page() is None else (),
        issues=shown,
        counts=_read_counts(visit.app, shown, patience=aside.PATIENCE_SECONDS),
        newsletter=newsletter,
        newsletters=visit.app.settings.newsletters,
        more=shown[-1].id if len(found) > _ON_A_PAGE else None,
        now=visit.app.now(),
    )


def _build(visit: Visit, sent: BuildFields) -> Done:
    newsletter = choose_newsletter(visit.app, sent.newsletter or None)
    issue, line = sending.build(visit.app, newsletter, who=visit.account.name)
    return Done(to=f"/issues/{issue.id}", change=line, body={"issue": describe_issue(issue)})


def _list(visit: Visit) -> Any:
    """As the command line's ``--json``; ``deliveries`` is null while they are being counted."""
    newsletter = visit.query.get("newsletter", "")
    with visit.app.db.read() as conn:
        found = issue_pages.list_page(conn, newsletter, before_id=visit.get_page(), limit=_ON_A_PAGE)
    if newsletter and not found:
        find_newsletter(visit.app, newsletter)
    counts = _read_counts(visit.app, found, patience=1)
    return [{**describe_issue(issue), "deliveries": counts[issue.id]} for issue in found]


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
