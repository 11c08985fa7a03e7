"""The audit log: who changed what, what stood there before; and taking it back. Never deletes a line."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from aggregator.errors import NotFound
from aggregator.model.account import Change
from aggregator.storage import audit
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.visit import Action, Done, Listing, NoFields, Page, Section, Visit
from aggregator.web.desk.words import N_, FieldError, say

_ON_A_PAGE = 50
#: Messages for what is done elsewhere: by command, or when it is taken back.
OTHERS = {
    "account.add": N_("An account was made"),
    "account.remove": N_("An account was removed"),
    "account.role": N_("An account may do other things"),
    "setting.written": N_("The configuration says by now what was set here"),
    "undo": N_("A change was taken back"),
}


def _show_log(visit: Visit) -> Response:
    subject = visit.query.get("subject", "")
    with visit.app.db.read() as conn:
        changes = audit.list_changes(conn, subject=subject, before_id=visit.get_page(), limit=_ON_A_PAGE + 1)
    more = changes[_ON_A_PAGE - 1].id if len(changes) > _ON_A_PAGE else None
    return show_page(visit, "log.html", changes=changes[:_ON_A_PAGE], more=more, subject=subject)


def _undo(visit: Visit, _: NoFields) -> Done:
    from aggregator.web.desk.rooms import ACTIONS

    number = visit.params["change"]
    with visit.app.db.read() as conn:
        change = audit.get(conn, number)
    if change is None:
        raise NotFound(f"no change {number}")
    action = ACTIONS.get(change.action)
    if action is None or action.undo is None:
        raise FieldError({"": say(N_("This cannot be taken back."))})
    if change.undone_by is not None:
        raise FieldError({"": say(N_("This was taken back already."))})
    line = action.undo(visit.app, change, who=visit.account.name)
    return Done(to=f"/log?subject={change.subject}", change=line)


def describe_change(change: Change) -> dict[str, Any]:
    """For programs."""
    return {
        "id": change.id,
        "at": change.at,
        "who": change.who,
        "action": change.action,
        "subject": change.subject,
        "title": change.title,
        "before": change.before,
        "after": change.after,
        "undone_by": change.undone_by,
    }


def _list(visit: Visit) -> Any:
    with visit.app.db.read() as conn:
        changes = audit.list_changes(
            conn, subject=visit.query.get("subject", ""), before_id=visit.get_page(), limit=_ON_A_PAGE
        )
    return [describe_change(change) for change in changes]


ROOM = Section(
    key="log",
    pages=(Page(path="/log", show=_show_log),),
    actions=(Action(name="undo", path="/log/{change:int}/undo", run=_undo, done=OTHERS["undo"], page=_show_log),),
    listings=(
        Listing(
            path="/log",
            read=_list,
            summary="The audit log, newest first.",
            query={"subject": "Only of this: `feed:12`.", "before": "Only lines before this number."},
        ),
    ),
)
