"""One issue: what it held; how far it is while it goes out; what became of its mails. Never tracks who read it."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from time import monotonic
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from aggregator.model.newsletter import Issue
from aggregator.model.subscriber import get_domain
from aggregator.storage import audit, delivery_pages, issue_pages
from aggregator.storage.delivery_pages import STATES, KnownDelivery, LedgerSum, Progress
from aggregator.tasks.desk import sending
from aggregator.tasks.issues import describe_issue
from aggregator.tasks.steering import is_too_old
from aggregator.web.desk import aside
from aggregator.web.desk.aside import Aside
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.visit import Action, Done, Fields, Listing, NoFields, Page, Section, Visit
from aggregator.web.desk.words import N_, FieldError, say

_ON_A_PAGE = 50
#: The whole ledger of an issue is read for these: of one that goes out, and of one at rest.
_PROGRESS: dict[bool, Aside[Progress]] = {
    True: Aside(sending.measure, seconds=2),
    False: Aside(sending.measure, seconds=60),
}
_SUM: dict[bool, Aside[LedgerSum]] = {True: Aside(sending.sum_up, seconds=3), False: Aside(sending.sum_up, seconds=60)}
_LINES = 5


class PauseFields(Fields):
    reason: Annotated[str, Field(max_length=300, description="Shown wherever the issue is.")] = ""


class CancelFields(Fields):
    sure: Annotated[bool, Field(description="True: nobody else gets it.")] = False


def _look(visit: Visit, issue: Issue, patience: float | None = None) -> tuple[Progress | None, LedgerSum | None]:
    """None: there is none, or it is being counted."""
    if issue.state in ("draft", "skipped"):
        return None, None
    moves, about = issue.state == "sending", (int(issue.id), f"{issue.state} {issue.paused_reason}")
    # Both are begun before one is waited for, and both together are waited for as long as one.
    until = monotonic() + (aside.PATIENCE_SECONDS if patience is None else patience)
    _SUM[moves].get(visit.app, *about, patience=0)
    progress = _PROGRESS[moves].get(visit.app, *about, patience=patience)
    found = _SUM[moves].get(visit.app, *about, patience=max(until - monotonic(), 0) if progress else 0)
    return progress, found if progress else None


def _show_issue(visit: Visit) -> Response:
    issue = sending.find_issue(visit.app, visit.params["issue"])
    with visit.app.db.read() as conn:
        held = issue_pages.list_held(conn, issue.id)
        lines = audit.list_changes(conn, subject=f"issue:{issue.id}", limit=_LINES)
    progress, found = _look(visit, issue)
    newsletter = next((one for one in visit.app.settings.newsletters if one.slug == issue.newsletter), None)
    return show_page(
        visit,
        "issue.html",
        issue=issue,
        newsletter=newsletter,
        held=held,
        progress=progress,
        sum=found,
        lines=lines,
        name_answer=name_answer,
        is_old=is_too_old(visit.app, issue),
        now=visit.app.now(),
    )


def _show_cancel(visit: Visit) -> Response:
    issue = sending.find_issue(visit.app, visit.params["issue"])
    return show_page(visit, "issue_cancel.html", issue=issue, progress=_look(visit, issue)[0])


def name_answer(words: str) -> str:
    """What a group of alike answers is called in addresses of pages."""
    return sha256(words.encode("utf-8", "replace")).hexdigest()[:12]


def _choose(visit: Visit) -> Callable[[KnownDelivery], bool] | None:
    domain, answer = visit.query.get("domain", "").lower(), visit.query.get("answer", "")
    if not domain and not answer:
        return None

    def is_meant(one: KnownDelivery) -> bool:
        if domain and get_domain(one.address) != domain:
            return False
        return not answer or name_answer(sending.simplify(one.words)) == answer

    return is_meant


def _read_mails(visit: Visit) -> tuple[Issue, str, tuple[KnownDelivery, ...], int | None]:
    issue = sending.find_issue(visit.app, visit.params["issue"])
    state = next((one for one in STATES if one == visit.query.get("state", "sent")), STATES[0])
    with visit.app.db.read() as conn:
        found, more = delivery_pages.list_deliveries(
            conn, issue.id, state, before_id=visit.get_page(), is_meant=_choose(visit), limit=_ON_A_PAGE
        )
    return issue, state, found, more


def _show_mails(visit: Visit) -> Response:
    issue, state, found, more = _read_mails(visit)
    return show_page(
        visit,
        "issue_mails.html",
        issue=issue,
        state=state,
        states=STATES,
        mails=found,
        more=more,
        domain=visit.query.get("domain", ""),
        answer=visit.query.get("answer", ""),
    )


def _list_mails(visit: Visit) -> Any:
    _, _, found, more = _read_mails(visit)
    mails = [
        {
            "id": one.id,
            "subscriber": one.subscriber_id,
            "address": one.address,
            "state": one.state,
            "code": one.code,
            "reply": one.reply,
            "attempts": one.attempts,
            "changed_at": one.changed_at,
        }
        for one in found
    ]
    return {"mails": mails, "before": more}


def _pause(visit: Visit, sent: PauseFields) -> Done:
    number = visit.params["issue"]
    return tell_done(visit, sending.pause(visit.app, number, sent.reason, who=visit.account.name))


def _resume(visit: Visit, _: NoFields) -> Done:
    return tell_done(visit, sending.resume(visit.app, visit.params["issue"], who=visit.account.name))


def _cancel(visit: Visit, sent: CancelFields) -> Done:
    if not sent.sure:
        raise FieldError({"sure": say(N_("Say that you are sure: nobody else will get it."))})
    return tell_done(visit, sending.cancel(visit.app, visit.params["issue"], who=visit.account.name))


def _send(visit: Visit, _: NoFields) -> Done:
    return tell_done(visit, sending.send(visit.app, visit.params["issue"], who=visit.account.name))


def _send_to_missed(visit: Visit, _: NoFields) -> Done:
    return tell_done(visit, sending.send_to_missed(visit.app, visit.params["issue"], who=visit.account.name))


def tell_done(visit: Visit, line: int, place: str = "") -> Done:
    """Back to the issue, or ``place`` below it; for programs what it is now, without its deliveries: they take a while
    to be counted."""
    issue = sending.find_issue(visit.app, visit.params["issue"])
    body = {name: value for name, value in describe_issue(issue).items() if name != "deliveries"}
    return Done(to=f"/issues/{issue.id}{place}", change=line, body={"issue": body})


def _describe(visit: Visit) -> Any:
    issue = sending.find_issue(visit.app, visit.params["issue"])
    progress, found = _look(visit, issue, patience=2)
    document: dict[str, Any] = {**describe_issue(issue), "deliveries": None, "domains": None}
    if progress is not None:
        minutes = progress.minutes_left
        document |= {
            "deliveries": dict(progress.states),
            "mails_a_minute": progress.pace,
            "minutes_left": None if minutes is None else round(minutes, 1),
        }
    if found is not None:
        document |= {
            "domains": {name: dict(states) for name, states in found.domains},
            "left_since": dict(found.left),
            "answers": [
                {"state": one.state, "words": one.words, "mails": one.count, "domains": dict(one.domains)}
                for one in found.answers
            ],
        }
    return document


_PATH = "/issues/{issue:int}"
ROOM = Section(
    key="issues",
    pages=(
        Page(path=_PATH, show=_show_issue),
        Page(path=f"{_PATH}/mails", show=_show_mails),
        Page(path=f"{_PATH}/cancel", show=_show_cancel),
    ),
    actions=(
        Action(
            name="issue.pause", path=f"{_PATH}/pause", fields=PauseFields, run=_pause, done=N_("An issue rests"),
            page=_show_issue, undo=sending.undo_pause,
        ),
        Action(
            name="issue.resume", path=f"{_PATH}/resume", run=_resume, done=N_("An issue goes on"), page=_show_issue,
            undo=sending.undo_pause,
        ),
        Action(
            name="issue.cancel", path=f"{_PATH}/cancel", fields=CancelFields, run=_cancel,
            done=N_("An issue was broken off"), page=_show_cancel,
        ),
        Action(
            name="issue.send", path=f"{_PATH}/send", run=_send, done=N_("An issue goes out"), page=_show_issue,
        ),
        Action(
            name="issue.missed", path=f"{_PATH}/missed", run=_send_to_missed,
            done=N_("An issue goes to those who missed it"), page=_show_issue,
        ),
    ),
    listings=(
        Listing(
            path=_PATH,
            read=_describe,
            summary="One issue with its deliveries by state, by domain and by what the servers answered.",
        ),
        Listing(
            path=f"{_PATH}/mails",
            read=_list_mails,
            only_editors=True,
            summary="The people an issue is for, by what became of their mail.",
            query={
                "state": f"One of: {', '.join(STATES)}.",
                "domain": "Only addresses of this domain.",
                "before": "Go on from here, as the last answer said.",
            },
        ),
    ),
)  # fmt: skip
