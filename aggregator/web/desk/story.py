"""One story at the desk: its entries with what joined them, what the editor said about them, and his hand on it. Never
groups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import RedirectResponse, Response

from aggregator.errors import NotFound, UsageError
from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId, StoryId
from aggregator.model.story import Ruling, RulingKind, Story, StoryLink, get_place
from aggregator.pipeline.tag import get_tags
from aggregator.render.story_documents import describe_reasons, describe_story, describe_why
from aggregator.storage import entries, rulings, stories, story_groups, story_pages
from aggregator.storage.entries import EntryQuery
from aggregator.tasks.desk import stories as task
from aggregator.tasks.rulings import list_named
from aggregator.web.desk import story_words
from aggregator.web.desk.login import get_base
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.stories import Number, make_done
from aggregator.web.desk.visit import Action, Done, Fields, Listing, Page, Section, Visit
from aggregator.web.desk.words import N_, FieldError, say

#: What the editor said is shown up to here: who splits a story of fifty says six hundred things.
_RULINGS = 40


class EntriesFields(Fields):
    entries: Annotated[tuple[Number, ...], Field(max_length=200, description="Numbers of entries of the story.")] = ()


class EntryFields(Fields):
    entry: Annotated[Number, Field(description="Number of an entry of the story.")]


class RulingFields(Fields):
    kind: Annotated[RulingKind, Field(description="What was said.")]
    entry: Annotated[Number, Field(description="About which entry.")]
    other: Annotated[Number | None, Field(description="And which other one.")] = None


def _find(visit: Visit) -> Story | StoryId:
    """Or the number of the one that swallowed it. Raises `NotFound`."""
    number = StoryId(visit.params["story"])
    with visit.app.db.read() as conn:
        found = stories.get(conn, number)
    if found is None:
        raise NotFound(f"no story {number}")
    return found


def _show_story(visit: Visit) -> Response:
    story = _find(visit)
    if not isinstance(story, Story):
        return RedirectResponse(f"{get_base(visit.app)}/stories/{story}", status_code=302)
    with visit.app.db.read() as conn:
        members = entries.list_entries(conn, EntryQuery(story_ids=(story.id,), hidden="too"))
        ids = [entry.id for entry in members]
        links, said = story_groups.get_links(conn, ids), rulings.list_rulings(conn, ids)
        issues = story_pages.list_issues(conn, ids)
        titles = _find_titles(conn, members, said[-_RULINGS:])
    return show_page(
        visit,
        "story.html",
        story=story,
        members=sorted(members, key=lambda entry: (entry.effective_at, entry.id)),
        links=links,
        evidence={number: _split(link) for number, link in links.items()},
        said=said[-_RULINGS:],
        unshown=max(0, len(said) - _RULINGS),
        titles=titles,
        issues=issues,
        place=get_place(story),
        tags=get_tags(visit.app.settings.tag_rules),
        words=story_words,
        ticked=set(visit.sent.get("entries", ())),
    )


def _find_titles(conn: Any, members: Sequence[Entry], said: Sequence[Ruling]) -> Mapping[EntryId, Entry]:
    """Entries by their numbers: the story's own, and those elsewhere that something was said about."""
    found = {entry.id: entry for entry in members}
    others = {number for ruling in said for number in list_named(ruling)} - found.keys()
    return found | {entry.id: entry for entry in entries.list_entries(conn, EntryQuery(ids=others, hidden="too"))}


def _split(link: StoryLink) -> list[tuple[str, str]]:
    """Each reason as its kind and what was found: ``("names", "openai, gpt-6")``."""
    return [(kind, found.strip()) for kind, _, found in (reason.partition(":") for reason in link.evidence)]


def _say(visit: Visit, say_it: Callable[[StoryId], task.Noted]) -> Done:
    """What is not there any more, because another editor was quicker, is said on the story's own page."""
    number = StoryId(visit.params["story"])
    try:
        ruled, line = say_it(number)
    except NotFound as error:
        _find(visit)
        raise UsageError(str(error)) from error
    return make_done(ruled, line)


def _split_story(visit: Visit, sent: EntriesFields) -> Done:
    if not sent.entries:
        raise FieldError({"": say(N_("Tick the entries that are to leave."))})
    leaving = [EntryId(one) for one in sent.entries]
    return _say(visit, lambda number: task.split(visit.app, number, leaving, who=visit.account.name))


def _keep_apart(visit: Visit, sent: EntriesFields) -> Done:
    chosen = list(dict.fromkeys(sent.entries))
    if len(chosen) != 2:
        raise FieldError({"": say(N_("Tick exactly two entries."))})
    one, other = map(EntryId, chosen)
    return _say(visit, lambda _: task.keep_apart(visit.app, one, other, who=visit.account.name))


def _choose_lead(visit: Visit, sent: EntryFields) -> Done:
    return _say(visit, lambda number: task.lead(visit.app, number, EntryId(sent.entry), who=visit.account.name))


def _take_back(visit: Visit, sent: RulingFields) -> Done:
    other = None if sent.other is None else EntryId(sent.other)
    ruling = Ruling(kind=sent.kind, entry_id=EntryId(sent.entry), other_id=other)
    return _say(visit, lambda _: task.take_back(visit.app, ruling, who=visit.account.name))


def _tell_story(visit: Visit) -> Any:
    story = _find(visit)
    if not isinstance(story, Story):
        return {"id": visit.params["story"], "merged_into": story}
    with visit.app.db.read() as conn:
        ids = [entry.id for entry in story.entries]
        links, said = story_groups.get_links(conn, ids), rulings.list_rulings(conn, ids)
    return describe_story(story) | {"reasons": describe_reasons(story), "why": describe_why(story, links, said)}


ROOM = Section(
    key="stories",
    pages=(Page(path="/stories/{story:int}", show=_show_story),),
    actions=(
        Action(
            name="story.split", path="/stories/{story:int}/split", fields=EntriesFields, run=_split_story,
            page=_show_story, done=N_("Entries left their story"), undo=task.undo,
        ),
        Action(
            name="story.never", path="/stories/{story:int}/never", fields=EntriesFields, run=_keep_apart,
            page=_show_story, done=N_("Two entries are never one story"), undo=task.undo,
        ),
        Action(
            name="story.lead", path="/stories/{story:int}/lead", fields=EntryFields, run=_choose_lead,
            page=_show_story, done=N_("Another entry leads the story"), undo=task.undo,
        ),
        Action(
            name="ruling.remove", path="/stories/{story:int}/take-back", fields=RulingFields, run=_take_back,
            page=_show_story, done=N_("Something said about a story was taken back"), undo=task.undo,
        ),
    ),
    listings=(
        Listing(
            path="/stories/{story:int}", read=_tell_story,
            summary="One story: its entries, its score, what joined them, what was said about them.",
        ),
    ),
)  # fmt: skip
