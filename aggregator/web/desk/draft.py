"""The page of a draft: the mail as it will be, what stands where, its words. Never changes anything."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from email.utils import parseaddr
from typing import Any
from zoneinfo import ZoneInfo

from starlette.responses import Response

from aggregator.app import App
from aggregator.errors import RenderError
from aggregator.model.ids import StoryId
from aggregator.model.newsletter import Issue, Newsletter, TooFew
from aggregator.model.story import Story
from aggregator.pipeline.tag import get_tags
from aggregator.render.introduction import make_web_html
from aggregator.render.variants import group_stories
from aggregator.render.words import get_headline
from aggregator.storage import stories
from aggregator.storage.drafts import pack_edits
from aggregator.storage.stories import StoryQuery
from aggregator.tasks.desk import drafts
from aggregator.tasks.desk.sending import find_issue
from aggregator.tasks.drafts import SeenDraft
from aggregator.tasks.issues import find_newsletter, get_deadline
from aggregator.web.desk.draft_look import get_look, glance
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.visit import Listing, Page, Section, Visit, mark

#: Stories that are only on the web, of which a page shows so many.
MORE_SHOWN = 40


def show_draft(visit: Visit) -> Response:
    """The page; of what is no draft any more, where it is."""
    app, issue = visit.app, find_issue(visit.app, visit.params["issue"])
    if issue.state != "draft":
        return show_page(visit, "draft_gone.html", issue=issue)
    newsletter = find_newsletter(app, issue.newsletter)
    seen, fault = None, ""
    try:
        seen = glance(app, newsletter, issue)
    except RenderError as error:  # of the editor's own template
        fault = str(error)
    draft = seen if isinstance(seen, SeenDraft) else None
    dropped = _find(app, issue, issue.edits.dropped)
    return show_page(
        visit,
        "draft.html",
        issue=issue,
        newsletter=newsletter,
        deadline=get_deadline(newsletter, issue),
        now=app.now(),
        draft=draft,
        too_few=seen if isinstance(seen, TooFew) else None,
        fault_of_template=fault,
        places=list_places(seen),
        more_count=len(draft.composed.more) if draft else 0,
        sections=_name_sections(app, newsletter, draft),
        dropped=tuple(dropped[number] for number in issue.edits.dropped if number in dropped),
        texts={number: (headline, excerpt) for number, headline, excerpt in issue.edits.texts},
        sources=find_sources(app, issue, {number for number, _, _ in issue.edits.texts}),
        placed={number for number, _ in issue.edits.placed},
        mark=mark,
        get_headline=get_headline,
        introduction_html=make_web_html(visit.get_sent("introduction", issue.edits.introduction)),
        inbox=make_inbox(app, newsletter, draft),
        scheduled=_tell_local(app, issue.approved_at),
        look=get_look(visit),
        part="text" if visit.query.get("part") == "text" else "",
        phone=visit.query.get("as") == "phone",
        limits=drafts,
    )


def _tell_local(app: App, at: datetime | None) -> str:
    """For a field of moments; empty when there is none, or it is over."""
    if at is None or at <= app.now():
        return ""
    return at.astimezone(ZoneInfo(app.settings.site.timezone)).strftime("%Y-%m-%dT%H:%M")


def make_inbox(app: App, newsletter: Newsletter, draft: SeenDraft | None) -> dict[str, str]:
    """The line that a mail program shows: who, what, and how it goes on."""
    sender = parseaddr(newsletter.sender or app.settings.mail.sender)
    rendered = draft.rendered if draft else None
    return {
        "sender": sender[0] or sender[1],
        "subject": rendered.subject if rendered else "",
        "preheader": rendered.preheader if rendered else "",
    }


def list_places(seen: SeenDraft | TooFew | None) -> dict[str, tuple[Story, ...]]:
    """Stories by where they stand, in their order; of those that are only on the web the first ones."""
    if not isinstance(seen, SeenDraft):
        return {}
    found = seen.composed
    places = {"top": found.top, "brief": found.brief, "more": found.more[:MORE_SHOWN]}
    return places | ({"developing": found.developing} if found.developing else {})


def _name_sections(app: App, newsletter: Newsletter, draft: SeenDraft | None) -> dict[StoryId, Any]:
    """Tags of the sections that top stories stand in, where the newsletter has sections."""
    if draft is None or not newsletter.sections:
        return {}
    groups = group_stories(draft.composed.top, newsletter.sections, get_tags(app.settings.tag_rules))
    return {story.id: group.tag for group in groups if group.tag for story in group.stories}


def _find(app: App, issue: Issue, numbers: Collection[StoryId]) -> dict[StoryId, Story]:
    if not numbers:
        return {}
    with app.db.read() as conn:
        found = stories.list_stories(conn, StoryQuery(ids=numbers, until=issue.window_end))
    return {story.id: story for story in found}


def find_sources(app: App, issue: Issue, numbers: Collection[StoryId]) -> dict[StoryId, tuple[str, str]]:
    """Headlines and excerpts as the sources have them."""
    found = _find(app, issue, numbers)
    return {number: (get_headline(story.lead), story.lead.excerpt) for number, story in found.items()}


def _list_draft(visit: Visit) -> Any:
    newsletter, draft = drafts.find_draft(visit.app, visit.params["issue"])
    seen = glance(visit.app, newsletter, draft)
    document: dict[str, Any] = {
        "name": draft.name,
        "introduction": draft.edits.introduction,
        "review_until": get_deadline(newsletter, draft),
        "too_few": seen.reason if isinstance(seen, TooFew) else "",
        "subject": seen.rendered.subject if isinstance(seen, SeenDraft) else "",
        "preheader": seen.rendered.preheader if isinstance(seen, SeenDraft) else "",
        "edits": pack_edits(draft.edits) or {},
    }
    for place, held in list_places(seen).items():
        document[place] = [
            {
                "story": story.id,
                "title": story.lead.title,
                "excerpt": story.lead.excerpt,
                "source": story.lead.feed_name,
            }
            for story in held
        ]
    dropped = _find(visit.app, draft, draft.edits.dropped).values()
    return document | {"out": [{"story": story.id, "title": story.lead.title} for story in dropped]}


ROOM = Section(
    key="issues",
    pages=(Page(path="/issues/{issue:int}/edit", show=show_draft),),
    listings=(
        Listing(
            path="/issues/{issue:int}/draft",
            read=_list_draft,
            summary="A draft as it would be frozen now, by its best stories.",
        ),
    ),
)
