"""Where the stories of a draft stand: dragged, stepped, named, and back as they were composed. Never their words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from aggregator.model.ids import StoryId
from aggregator.model.story import Story
from aggregator.tasks.desk import drafts
from aggregator.web.desk.draft import list_places, show_draft
from aggregator.web.desk.draft_look import glance
from aggregator.web.desk.issue_sending import tell_done
from aggregator.web.desk.visit import Action, Done, Fields, Section, Visit
from aggregator.web.desk.words import N_, FieldError, say

_Item = Annotated[int, Field(ge=1, le=10**18, description="The story's number.")]


class PlaceFields(Fields):
    item: _Item
    list: Annotated[Literal["", "top", "brief", "more", "out"], Field(description="Where it is to stand.")] = ""
    before: Annotated[int | None, Field(ge=1, le=10**18, description="Before this story there.")] = None
    end: Annotated[bool, Field(description="Last there; else below those that were put there by hand.")] = False
    step: Annotated[
        Literal["", "up", "down", "first", "out"],
        Field(description="Within where it stands, or out of the issue; in place of `list` and `before`."),
    ] = ""


class RestoreFields(Fields):
    item: _Item


def _place(visit: Visit, sent: PlaceFields) -> Done:
    newsletter, draft = drafts.find_draft(visit.app, visit.params["issue"])
    places = list_places(glance(visit.app, newsletter, draft))
    story = StoryId(sent.item)
    place, at = _read(sent, places)
    order = [one.id for one in places.get(place, ())]
    line = drafts.place_story(visit.app, int(draft.id), story, place, order=order, at=at, who=visit.account.name)
    return tell_done(visit, line, f"/edit#story-{story}")


def _read(sent: PlaceFields, places: Mapping[str, Sequence[Story]]) -> tuple[drafts.Place, int | None]:
    """Where it is to stand, and below how many others; None: below what was put there by hand."""
    if sent.step == "out":
        return "out", None
    if sent.step:
        return _step(sent, places)
    if not sent.list:
        raise FieldError({"list": say(N_("This is missing."))})
    others = [one.id for one in places.get(sent.list, ()) if one.id != sent.item]
    if sent.before in others:
        return sent.list, others.index(StoryId(sent.before))
    # Of those that are only on the web a page shows the first ones: their end is not the end.
    return sent.list, len(others) if sent.end and sent.list != "more" else None


def _step(sent: PlaceFields, places: Mapping[str, Sequence[Story]]) -> tuple[drafts.Place, int]:
    for place in drafts.SECTIONS:
        order = [one.id for one in places.get(place, ())]
        if sent.item in order:
            now = order.index(StoryId(sent.item))
            wanted = {"first": 0, "up": now - 1, "down": now + 1}[sent.step]
            if wanted == now or not 0 <= wanted < len(order):
                raise FieldError({"": say(N_("It stands there already."))})
            return place, wanted
    raise FieldError({"": say(N_("This story stands elsewhere by now."))})


def _restore(visit: Visit, sent: RestoreFields) -> Done:
    line = drafts.restore_story(visit.app, visit.params["issue"], StoryId(sent.item), who=visit.account.name)
    return tell_done(visit, line, f"/edit#story-{sent.item}")


_PATH = "/issues/{issue:int}"
ROOM = Section(
    key="issues",
    actions=(
        Action(
            name="issue.place", path=f"{_PATH}/place", fields=PlaceFields, run=_place, done=N_("A story was moved"),
            page=show_draft, undo=drafts.undo_edit,
        ),
        Action(
            name="issue.restore", path=f"{_PATH}/restore", fields=RestoreFields, run=_restore,
            done=N_("A story stands as it was composed"), page=show_draft, undo=drafts.undo_edit,
        ),
    ),
)  # fmt: skip
