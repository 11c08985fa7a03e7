"""A list of subscribers comes in: first what was found and what is wrong with each line; asked again, it is stored.

Between the two the list lies in the page itself, as text: nothing is kept of a list that nobody wanted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from aggregator.errors import ConfigError
from aggregator.tasks.desk import people as desk
from aggregator.tasks.people import count_outcomes, describe_import, read_list
from aggregator.tasks.people_csv import Reading, decode
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.visit import Action, Done, Fields, Page, Section, Visit
from aggregator.web.desk.words import N_, FieldError, quote, say

#: Longer lists are brought by file, and brought again to be stored.
MOST_TEXT = 1_000_000
#: So many lines are named.
_MOST_LINES = 200


class ListFields(Fields):
    text: Annotated[str, Field(max_length=MOST_TEXT, description="The list as CSV with a header row.")] = ""
    newsletter: Annotated[str, Field(max_length=200, description="Of lines that name none.")] = ""
    origin: Annotated[str, Field(max_length=200, description="Where it comes from; recorded as evidence.")] = ""
    dry_run: Annotated[bool, Field(description="True: only say what would be done.")] = False


def _show_import(visit: Visit, **values: Any) -> Response:
    known = {
        "report": None,
        "reading": None,
        "text": "",
        "newsletters": visit.app.settings.newsletters,
        "limit": MOST_TEXT,
    }
    return show_page(visit, "subscriber_import.html", **(known | values))


def _read(visit: Visit, sent: ListFields) -> tuple[bytes, Reading]:
    data = visit.files.get("list") or sent.text.encode()
    if not data.strip():
        raise FieldError({"text": say(N_("Choose a file, or paste the list."))})
    try:
        return data, read_list(visit.app, data, sent.newsletter, file="the list")
    except ConfigError as error:
        raise FieldError({"text": quote(error)}) from None


def _try(visit: Visit, sent: ListFields) -> Response:
    data, reading = _read(visit, sent)
    report = desk.try_list(visit.app, reading)
    text = decode(data, "", "")[0]
    return _show_import(
        replace(visit, sent={"newsletter": [sent.newsletter], "origin": [sent.origin]}),
        reading=reading,
        report=report,
        counts=count_outcomes(report),
        lines=report.passed_over[:_MOST_LINES],
        text=text if len(text) <= MOST_TEXT else "",
    )


def _import(visit: Visit, sent: ListFields) -> Done:
    _, reading = _read(visit, sent)
    if sent.dry_run:
        return Done(to="/subscribers/import", body=describe_import(reading, desk.try_list(visit.app, reading)))
    report, line = desk.import_list(visit.app, reading, sent.origin or "a list", who=visit.account.name)
    return Done(to="/subscribers", change=line, body=describe_import(reading, report))


ROOM = Section(
    key="subscribers",
    pages=(Page(path="/subscribers/import", show=_show_import),),
    actions=(
        Action(
            name="subscriber.try", path="/subscribers/import/try", fields=ListFields, run=_try,
            done=N_("A list was looked through"), page=_show_import, shows=True, for_viewers=True, only_people=True,
        ),
        Action(
            name="subscriber.import", path="/subscribers/import", fields=ListFields, run=_import,
            done=N_("A list of subscribers was imported"), page=_show_import,
        ),
    ),
)  # fmt: skip
