"""One subscriber: what they wished and when, what was mailed and what came back; all of it, or nothing of it."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from aggregator.errors import UsageError
from aggregator.storage import audit, people
from aggregator.tasks.desk import people as desk
from aggregator.tasks.issues import find_newsletter
from aggregator.tasks.people import describe_person
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.serving import make_plain
from aggregator.web.desk.visit import Action, Done, Fields, Listing, Page, Section, Visit
from aggregator.web.desk.words import N_, FieldError, say

_LINES = 10
#: Of the mails, on a page.
_MAILS = 20


class RemoveFields(Fields):
    newsletter: Annotated[str, Field(max_length=200, description="Its slug; empty: all of them.")] = ""


class WishFields(Fields):
    newsletter: Annotated[str, Field(max_length=200, description="Its slug.")]
    language: Annotated[str, Field(max_length=35, description="One of its languages; empty: its own.")] = ""
    topics: Annotated[
        tuple[Annotated[str, Field(max_length=100)], ...],
        Field(max_length=50, description="Of its topics; none: all stories."),
    ] = ()


class AllowFields(Fields):
    revive: Annotated[bool, Field(description="True: subscriptions that bounces ended begin again.")] = False


class ForgetFields(Fields):
    address: Annotated[str, Field(max_length=320, description="The person's address, typed once more.")] = ""


def _show_person(visit: Visit) -> Response:
    number = visit.params["subscriber"]
    person = desk.find_person(visit.app, number, with_mails=False)
    with visit.app.db.read() as conn:
        mails = people.list_kept_deliveries(conn, number, before_id=visit.get_page(), limit=_MAILS + 1)
        lines = audit.list_changes(conn, subject=f"subscriber:{number}", limit=_LINES)
    return show_page(
        visit,
        "subscriber.html",
        number=number,
        person=person,
        mails=mails[:_MAILS],
        more=mails[_MAILS - 1].id if len(mails) > _MAILS else None,
        lines=lines,
        offers={one.slug: one for one in visit.app.settings.newsletters if one.topics or one.languages},
    )


def _show_forget(visit: Visit) -> Response:
    number = visit.params["subscriber"]
    return show_page(visit, "subscriber_forget.html", number=number, email=desk.get_address(visit.app, number))


def _export(visit: Visit) -> Response:
    number = visit.params["subscriber"]
    document = make_plain(describe_person(desk.find_person(visit.app, number)))
    headers = {"Content-Disposition": f'attachment; filename="subscriber-{number}.json"'}
    return Response(json.dumps(document, ensure_ascii=False, indent=2), media_type="application/json", headers=headers)


def _remove(visit: Visit, sent: RemoveFields) -> Done:
    number = visit.params["subscriber"]
    line = desk.remove(visit.app, number, sent.newsletter, who=visit.account.name)
    return Done(to=f"/subscribers/{number}", change=line)


def _set_wishes(visit: Visit, sent: WishFields) -> Done:
    number = visit.params["subscriber"]
    newsletter = find_newsletter(visit.app, sent.newsletter)
    line = desk.set_wishes(visit.app, number, newsletter, sent.language, sent.topics, who=visit.account.name)
    return Done(to=f"/subscribers/{number}", change=line)


def _allow(visit: Visit, sent: AllowFields) -> Done:
    number = visit.params["subscriber"]
    return Done(
        to=f"/subscribers/{number}",
        change=desk.allow(visit.app, number, revive=sent.revive, who=visit.account.name),
    )


def _forget(visit: Visit, sent: ForgetFields) -> Done:
    number = visit.params["subscriber"]
    try:
        gone, line = desk.forget(visit.app, number, sent.address, who=visit.account.name)
    except UsageError:
        raise FieldError({"address": say(N_("This is not the address of this person."))}) from None
    counts = {"subscriptions": gone.subscriptions, "deliveries": gone.deliveries}
    return Done(to="/subscribers", change=line, body={**counts, "letters": gone.letters, "bounces": gone.bounces})


def _read(visit: Visit) -> Any:
    number = visit.params["subscriber"]
    return {"id": number, **describe_person(desk.find_person(visit.app, number))}


_PATH = "/subscribers/{subscriber:int}"
ROOM = Section(
    key="subscribers",
    pages=(
        Page(path=_PATH, show=_show_person),
        Page(path=f"{_PATH}/forget", show=_show_forget),
        Page(path=f"{_PATH}/export.json", show=_export, only_editors=True),
    ),
    actions=(
        Action(
            name="subscriber.remove", path=f"{_PATH}/remove", fields=RemoveFields, run=_remove,
            done=N_("A subscription was ended"), page=_show_person, undo=desk.undo_remove,
        ),
        Action(
            name="subscriber.wishes", path=f"{_PATH}/wishes", fields=WishFields, run=_set_wishes,
            done=N_("Wishes were changed"), page=_show_person, undo=desk.undo_wishes,
        ),
        Action(
            name="subscriber.allow", path=f"{_PATH}/allow", fields=AllowFields, run=_allow,
            done=N_("An address may get mail again"), page=_show_person,
        ),
        Action(
            name="subscriber.forget", path=f"{_PATH}/forget", fields=ForgetFields, run=_forget,
            done=N_("Somebody was forgotten"), page=_show_forget,
        ),
    ),
    listings=(
        Listing(path=_PATH, read=_read, summary="Everything that is kept about one subscriber.", only_editors=True),
    ),
)  # fmt: skip
