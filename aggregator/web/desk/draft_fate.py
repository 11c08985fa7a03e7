"""What becomes of a draft: a test to oneself, approved now or for later, skipped. Never changes what stands in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from pydantic import Field

from aggregator.errors import MailError
from aggregator.tasks.desk import drafts
from aggregator.web.desk.draft import show_draft
from aggregator.web.desk.issue_sending import tell_done
from aggregator.web.desk.visit import Action, Done, Fields, NoFields, Section, Visit
from aggregator.web.desk.words import N_, FieldError, say


class TestFields(Fields):
    address: Annotated[str, Field(min_length=3, max_length=320, description="Who gets one copy, marked as a test.")]


class ScheduleFields(Fields):
    at: Annotated[str, Field(max_length=40, description="An ISO moment, in the site's zone if it names none.")] = ""


class SkipFields(Fields):
    reason: Annotated[str, Field(min_length=1, max_length=300, description="Shown in the list of issues.")]


def _test(visit: Visit, sent: TestFields) -> Done:
    number = visit.params["issue"]
    try:
        line, words = drafts.test(visit.app, number, sent.address, who=visit.account.name)
    except MailError as error:
        raise FieldError({"address": say(N_("The server said: %(words)s"), words=str(error))}) from error
    query = urlencode({"to": sent.address})
    return Done(to=f"/issues/{number}/edit?{query}#fate", change=line, body={"answer": words})


def _approve(visit: Visit, _: NoFields) -> Done:
    return tell_done(visit, drafts.approve(visit.app, visit.params["issue"], who=visit.account.name))


def _schedule(visit: Visit, sent: ScheduleFields) -> Done:
    at = _read_moment(sent.at, visit.app.settings.site.timezone) if sent.at else None
    line = drafts.schedule(visit.app, visit.params["issue"], at, who=visit.account.name)
    return tell_done(visit, line, "/edit#fate")


def _read_moment(text: str, timezone: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(timezone))).astimezone(UTC)
    except (ValueError, OverflowError):
        raise FieldError({"at": say(N_("A moment is needed, such as 2026-11-30T08:00."))}) from None


def _skip(visit: Visit, sent: SkipFields) -> Done:
    return tell_done(visit, drafts.skip(visit.app, visit.params["issue"], sent.reason, who=visit.account.name))


_PATH = "/issues/{issue:int}"
ROOM = Section(
    key="issues",
    actions=(
        Action(
            name="issue.test", path=f"{_PATH}/test", fields=TestFields, run=_test, done=N_("A test was sent"),
            page=show_draft,
        ),
        Action(
            name="issue.approve", path=f"{_PATH}/approve", run=_approve, done=N_("The issue was approved"),
            page=show_draft,
        ),
        Action(
            name="issue.schedule", path=f"{_PATH}/schedule", fields=ScheduleFields, run=_schedule,
            done=N_("When it goes out was decided"), page=show_draft, undo=drafts.undo_schedule,
        ),
        Action(
            name="issue.skip", path=f"{_PATH}/skip", fields=SkipFields, run=_skip, done=N_("The issue was skipped"),
            page=show_draft, undo=drafts.undo_skip,
        ),
    ),
)  # fmt: skip
