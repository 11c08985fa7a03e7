"""Subscribers: their numbers over time, the list, looked for by the beginning of an address; adding one, all as CSV."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import Field
from starlette.responses import RedirectResponse, Response, StreamingResponse

from aggregator.model.subscriber import BounceKind, Subscription, SubscriptionState
from aggregator.storage import bounces, people, people_pages, subscribers
from aggregator.storage.people_pages import PeopleSum
from aggregator.tasks.desk import people as desk
from aggregator.tasks.issues import choose_newsletter, find_newsletter
from aggregator.tasks.people import describe_subscription
from aggregator.web.desk.aside import Aside
from aggregator.web.desk.login import get_base
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.people_chart import draw
from aggregator.web.desk.visit import Action, Done, Fields, Listing, Page, Section, Visit
from aggregator.web.desk.words import N_

_ON_A_PAGE = 50
_SUM: Aside[PeopleSum] = Aside(desk.sum_up, seconds=60)
_KINDS: tuple[BounceKind, ...] = get_args(BounceKind)


class AddFields(Fields):
    email: Annotated[str, Field(max_length=320, min_length=1, description="The address.")]
    newsletter: Annotated[str, Field(max_length=200, description="Its slug; empty when there is only one.")] = ""
    language: Annotated[str, Field(max_length=35, description="One of the newsletter's languages.")] = ""
    topics: Annotated[str, Field(max_length=300, description="Of the newsletter's topics, commas between.")] = ""
    evidence: Annotated[str, Field(max_length=300, description="How they consented; it is recorded.")] = ""


def _show_people(visit: Visit) -> Response:
    search = visit.query.get("q", "").strip()
    if "@" in search and (found := _find_exactly(visit, search)) is not None:
        return RedirectResponse(f"{get_base(visit.app)}/subscribers/{found}", status_code=303)
    counted = _SUM.get(visit.app)
    newsletter, state = visit.query.get("newsletter", ""), _read_state(visit)
    values: dict[str, Any] = {"matches": None, "ties": (), "more": None, "suppression": None}
    with visit.app.db.read() as conn:
        if search:
            matches = people_pages.search(conn, search, after=visit.query.get("after", ""), limit=_ON_A_PAGE + 1)
            shown = matches[:_ON_A_PAGE]
            values["matches"] = shown
            values["of_people"] = people_pages.list_of_people(conn, [number for number, _ in shown])
            values["more"] = shown[-1][1] if len(matches) > _ON_A_PAGE else None
            values["suppression"] = people.get_suppression(conn, search) if "@" in search else None
        else:
            found_ties = people_pages.list_page(
                conn, newsletter=newsletter, state=state, before_id=visit.get_page(), limit=_ON_A_PAGE + 1
            )
            values["ties"] = found_ties[:_ON_A_PAGE]
            values["more"] = found_ties[_ON_A_PAGE - 1].id if len(found_ties) > _ON_A_PAGE else None
    return show_page(
        visit,
        "subscribers.html",
        sum=counted,
        chart=draw(counted) if counted else None,
        newsletters=visit.app.settings.newsletters,
        newsletter=newsletter,
        state=state or "",
        states=people_pages.STATES,
        search=search,
        **values,
    )


def _find_exactly(visit: Visit, address: str) -> int | None:
    with visit.app.db.read() as conn:
        return subscribers.find_person(conn, address)


def _read_state(visit: Visit) -> SubscriptionState | None:
    return next((one for one in people_pages.STATES if one == visit.query.get("state")), None)


def _show_add(visit: Visit) -> Response:
    return show_page(visit, "subscriber_add.html", newsletters=visit.app.settings.newsletters)


def _add(visit: Visit, sent: AddFields) -> Done:
    number, line = desk.add(
        visit.app,
        sent.email,
        choose_newsletter(visit.app, sent.newsletter or None),
        language=sent.language,
        topics=sent.topics,
        evidence=sent.evidence,
        who=visit.account.name,
    )
    return Done(to=f"/subscribers/{number}", change=line, body={"subscriber": number})


def _show_bounces(visit: Visit) -> Response:
    kind = next((one for one in _KINDS if one == visit.query.get("kind")), None)
    with visit.app.db.read() as conn:
        found = bounces.list_bounces(conn, kind=kind, before_id=visit.get_page(), limit=_ON_A_PAGE + 1)
    return show_page(
        visit,
        "subscriber_bounces.html",
        bounces=found[:_ON_A_PAGE],
        kind=kind or "",
        kinds=_KINDS,
        more=found[_ON_A_PAGE - 1].id if len(found) > _ON_A_PAGE else None,
    )


def _export(visit: Visit) -> Response:
    newsletter, state = visit.query.get("newsletter", ""), _read_state(visit)
    _check_newsletter(visit, newsletter)
    return StreamingResponse(
        desk.iter_export(visit.app, newsletter, state),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="subscribers.csv"'},
    )


def _check_newsletter(visit: Visit, slug: str) -> None:
    """One that is configured no more may still have people. Raises `NotFound`."""
    with visit.app.db.read() as conn:
        is_known = not slug or people_pages.list_page(conn, newsletter=slug, limit=1)
    if not is_known:
        find_newsletter(visit.app, slug)


def _describe(tie: Subscription) -> dict[str, Any]:
    return {"id": tie.id, "subscriber": tie.subscriber_id, **describe_subscription(tie)}


def _list(visit: Visit) -> Any:
    newsletter, search = visit.query.get("newsletter", ""), visit.query.get("q", "").strip()
    _check_newsletter(visit, newsletter)
    with visit.app.db.read() as conn:
        if search:
            matches = people_pages.search(conn, search, after=visit.query.get("after", ""), limit=_ON_A_PAGE)
            known = people_pages.list_of_people(conn, [number for number, _ in matches])
            return [_describe(tie) for number, _ in matches for tie in known.get(number, ())]
        ties = people_pages.list_page(
            conn, newsletter=newsletter, state=_read_state(visit), before_id=visit.get_page(), limit=_ON_A_PAGE
        )
    return [_describe(tie) for tie in ties]


ROOM = Section(
    key="subscribers",
    pages=(
        Page(path="/subscribers", show=_show_people),
        Page(path="/subscribers/add", show=_show_add),
        Page(path="/subscribers/bounces", show=_show_bounces),
        Page(path="/subscribers/export.csv", show=_export, only_editors=True),
    ),
    actions=(
        Action(
            name="subscriber.add", path="/subscribers/add", fields=AddFields, run=_add, done=N_("Somebody was added"),
            page=_show_add,
        ),
    ),
    listings=(
        Listing(
            path="/subscribers",
            read=_list,
            only_editors=True,
            summary="Subscriptions, newest first; or those of people whose address begins in some way.",
            query={
                "newsletter": "Only to this one.",
                "state": "Only these: pending, confirmed or ended.",
                "q": "Only of addresses that begin so, by address.",
                "before": "Only those below this subscription's id.",
                "after": "With q: only addresses after this one.",
            },
        ),
    ),
)  # fmt: skip
