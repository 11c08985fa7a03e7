"""The draft of an issue: the mail as it will be, what stands where, its words. Never decides when it goes."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from aggregator.app import App
from aggregator.errors import NotFound, RenderError
from aggregator.model.ids import StoryId
from aggregator.model.newsletter import TOKENS, Issue, Newsletter, TooFew
from aggregator.model.story import Story
from aggregator.render.introduction import make_web_html
from aggregator.render.look import Look, set_look
from aggregator.storage import stories
from aggregator.storage.stories import StoryQuery
from aggregator.tasks.composing import WindowCounts, count_window
from aggregator.tasks.desk import drafts
from aggregator.tasks.desk.sending import find_issue
from aggregator.tasks.drafts import SeenDraft, glance_at
from aggregator.tasks.issues import describe_issue, find_newsletter, get_deadline
from aggregator.web.desk.aside import Aside
from aggregator.web.desk.issue_mail import MAIL_POLICY
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.visit import Action, Done, Fields, Listing, Page, Section, Visit
from aggregator.web.desk.words import N_, FieldError, say

#: What takes a moment to count of a large window is a minute old at most.
_COUNTS: Aside[WindowCounts] = Aside(lambda app, number, _: _count(app, number), seconds=60)
#: Stories that are only on the web, of which a page shows so many.
MORE_SHOWN = 40


class PlaceFields(Fields):
    item: Annotated[int, Field(ge=1, le=10**18, description="The story's number.")]
    list: Annotated[Literal["top", "brief", "more", "out"], Field(description="Where it is to stand.")]
    before: Annotated[str, Field(max_length=20, pattern="^[0-9]*$", description="Before this story there.")] = ""
    step: Annotated[Literal["", "up", "down"], Field(description="One place up or down, in place of `before`.")] = ""


class StoryFields(Fields):
    item: Annotated[int, Field(ge=1, le=10**18, description="The story's number.")]
    headline: Annotated[str, Field(max_length=drafts.MAX_HEADLINE, description="Empty: the source's own.")] = ""
    excerpt: Annotated[str, Field(max_length=drafts.MAX_EXCERPT, description="Empty: the source's own.")] = ""
    seen: Annotated[str, Field(max_length=64, description="Of the words that were changed.")] = ""


class RestoreFields(Fields):
    item: Annotated[int, Field(ge=1, le=10**18, description="The story's number.")]


class IntroductionFields(Fields):
    introduction: Annotated[str, Field(max_length=drafts.MAX_INTRODUCTION, description="Markdown.")] = ""
    seen: Annotated[str, Field(max_length=64, description="Of the words that were changed.")] = ""


class SubjectFields(Fields):
    subject: Annotated[str, Field(max_length=drafts.MAX_SUBJECT, description="Empty: as it is composed.")] = ""
    seen: Annotated[str, Field(max_length=64, description="Of the words that were changed.")] = ""


def mark(*words: str) -> str:
    """What a form was made from, so that two editors do not write over each other."""
    return sha256("\0".join(words).encode("utf-8", "replace")).hexdigest()[:16]


def _count(app: App, number: int) -> WindowCounts:
    issue = find_issue(app, number)
    with app.db.read() as conn:
        return count_window(conn, issue)


def _glance(app: App, newsletter: Newsletter, draft: Issue) -> SeenDraft | TooFew:
    counts = _COUNTS.get(app, int(draft.id), draft.window_end.isoformat(), patience=0)
    return glance_at(app, newsletter, draft, counts)


def show_draft(visit: Visit) -> Response:
    """The page; of what is no draft any more, where it is."""
    issue = find_issue(visit.app, visit.params["issue"])
    if issue.state != "draft":
        return show_page(visit, "draft_gone.html", issue=issue)
    newsletter = find_newsletter(visit.app, issue.newsletter)
    seen, fault = None, ""
    try:
        seen = _glance(visit.app, newsletter, issue)
    except RenderError as error:  # of the editor's own template
        fault = str(error)
    edits = issue.edits
    return show_page(
        visit,
        "draft.html",
        issue=issue,
        newsletter=newsletter,
        deadline=get_deadline(newsletter, issue),
        now=visit.app.now(),
        draft=seen if isinstance(seen, SeenDraft) else None,
        too_few=seen if isinstance(seen, TooFew) else None,
        fault_of_template=fault,
        places=_list_places(seen),
        dropped=_find_dropped(visit.app, issue),
        texts={number: (headline, excerpt) for number, headline, excerpt in edits.texts},
        sources=_find_sources(visit.app, issue),
        placed={number for number, _ in edits.placed},
        mark=mark,
        introduction_html=make_web_html(visit.get_sent("introduction", edits.introduction)),
        look=_get_look(visit),
        part=visit.query.get("part", ""),
        phone=visit.query.get("as") == "phone",
        sender=newsletter.sender or visit.app.settings.mail.sender,
        limits=drafts,
    )


def _get_look(visit: Visit) -> Look:
    return "dark" if visit.query.get("look") == "dark" else "light"


def _list_places(seen: SeenDraft | TooFew | None) -> dict[str, tuple[Story, ...]]:
    if not isinstance(seen, SeenDraft):
        return {}
    found = drafts.list_places(seen.composed)
    return {"top": found["top"], "brief": found["brief"], "more": found["more"][:MORE_SHOWN]}


def _find_dropped(app: App, issue: Issue) -> tuple[Story, ...]:
    if not issue.edits.dropped:
        return ()
    with app.db.read() as conn:
        found = stories.list_stories(conn, StoryQuery(ids=issue.edits.dropped, until=issue.window_end))
    return tuple(sorted(found, key=lambda story: issue.edits.dropped.index(story.id)))


def _find_sources(app: App, issue: Issue) -> dict[StoryId, tuple[str, str]]:
    """The sources' own words of what the editor has written otherwise."""
    numbers = {number for number, _, _ in issue.edits.texts}
    if not numbers:
        return {}
    with app.db.read() as conn:
        found = stories.list_stories(conn, StoryQuery(ids=numbers, until=issue.window_end))
    return {story.id: (story.lead.title, story.lead.excerpt) for story in found}


def _show_mail(visit: Visit) -> Response:
    """What stands in the frame."""
    newsletter, draft = drafts.find_draft(visit.app, visit.params["issue"])
    seen = _glance(visit.app, newsletter, draft)
    if isinstance(seen, TooFew):
        raise NotFound(seen.reason)
    headers = {"Content-Security-Policy": MAIL_POLICY}
    if visit.query.get("part") == "text":
        return PlainTextResponse(_without_links(seen.rendered.mail_text), headers=headers)
    return HTMLResponse(set_look(_without_links(seen.rendered.mail_html), _get_look(visit)), headers=headers)


def _without_links(text: str) -> str:
    for token in TOKENS:
        text = text.replace(token, "#")
    return text


def _done(visit: Visit, line: int, story: int | None = None) -> Done:
    number = visit.params["issue"]
    issue = find_issue(visit.app, number)
    place = f"#story-{story}" if story else ""
    body = {name: value for name, value in describe_issue(issue).items() if name != "deliveries"}
    return Done(to=f"/issues/{number}/edit{place}", change=line, body={"issue": body})


def _place(visit: Visit, sent: PlaceFields) -> Done:
    newsletter, draft = drafts.find_draft(visit.app, visit.params["issue"])
    seen = _glance(visit.app, newsletter, draft)
    found = _list_places(seen)
    story, before = StoryId(sent.item), StoryId(int(sent.before)) if sent.before else None
    order = [one.id for one in found.get(sent.list, ())]
    if sent.step:
        before = _step(order, story, sent.step)
    line = drafts.place_story(
        visit.app, int(draft.id), story, sent.list, order=order, before=before, who=visit.account.name
    )
    return _done(visit, line, story)


def _step(order: list[StoryId], story: StoryId, step: str) -> StoryId | None:
    """What it stands before then; None: at the end."""
    if story not in order:
        raise FieldError({"": say(N_("This story stands elsewhere by now."))})
    at = order.index(story)
    others = [one for one in order if one != story]
    wanted = max(at - 1, 0) if step == "up" else at + 1
    if wanted >= len(others):
        raise FieldError({"": say(N_("This story is the last of its place already."))})
    return others[wanted]


def _write_story(visit: Visit, sent: StoryFields) -> Done:
    _, draft = drafts.find_draft(visit.app, visit.params["issue"])
    stands = next(((one[1], one[2]) for one in draft.edits.texts if one[0] == sent.item), ("", ""))
    _check_seen(sent.seen, "headline", *stands)
    line = drafts.write_story(
        visit.app, int(draft.id), StoryId(sent.item), sent.headline, sent.excerpt, who=visit.account.name
    )
    return _done(visit, line, sent.item)


def _check_seen(seen: str, field: str, *words: str) -> None:
    """Programs that say nothing of what they saw mean what they say."""
    if seen and seen != mark(*words):
        message = N_("Somebody else has changed this meanwhile. It says now: %(words)s. Save again to put yours there.")
        raise FieldError({field: say(message, words=" / ".join(filter(None, words)) or "–")})


def _restore(visit: Visit, sent: RestoreFields) -> Done:
    number = visit.params["issue"]
    line = drafts.restore_story(visit.app, number, StoryId(sent.item), who=visit.account.name)
    return _done(visit, line, sent.item)


def _write_introduction(visit: Visit, sent: IntroductionFields) -> Done:
    _, draft = drafts.find_draft(visit.app, visit.params["issue"])
    _check_seen(sent.seen, "introduction", draft.edits.introduction)
    text = sent.introduction.strip()
    return _done(visit, drafts.write_introduction(visit.app, int(draft.id), text, who=visit.account.name))


def _write_subject(visit: Visit, sent: SubjectFields) -> Done:
    _, draft = drafts.find_draft(visit.app, visit.params["issue"])
    _check_seen(sent.seen, "subject", draft.edits.subject)
    return _done(visit, drafts.write_subject(visit.app, int(draft.id), sent.subject, who=visit.account.name))


def _preview_introduction(visit: Visit, sent: IntroductionFields) -> Response:
    html = make_web_html(sent.introduction)
    return show_page(visit, "draft_introduction.html", introduction_html=html)


def _list_draft(visit: Visit) -> Any:
    newsletter, draft = drafts.find_draft(visit.app, visit.params["issue"])
    seen = _glance(visit.app, newsletter, draft)
    document: dict[str, Any] = {
        "name": draft.name,
        "introduction": draft.edits.introduction,
        "review_until": get_deadline(newsletter, draft),
        "too_few": seen.reason if isinstance(seen, TooFew) else "",
        "subject": seen.rendered.subject if isinstance(seen, SeenDraft) else "",
    }
    for place, held in _list_places(seen).items():
        document[place] = [
            {
                "story": story.id,
                "title": story.lead.title,
                "excerpt": story.lead.excerpt,
                "source": story.lead.feed_name,
            }
            for story in held
        ]
    return document | {"out": [{"story": one.id, "title": one.lead.title} for one in _find_dropped(visit.app, draft)]}


_PATH = "/issues/{issue:int}"


def _edits(name: str, end: str, fields: type[Fields], run: Any, done: str) -> Action:
    return Action(
        name=f"issue.{name}", path=f"{_PATH}/{end}", fields=fields, run=run, done=done, page=show_draft,
        undo=drafts.undo_edit,
    )  # fmt: skip


ROOM = Section(
    key="issues",
    pages=(Page(path=f"{_PATH}/edit", show=show_draft), Page(path=f"{_PATH}/draft.html", show=_show_mail)),
    actions=(
        _edits("place", "place", PlaceFields, _place, N_("A story was moved")),
        _edits("story", "story", StoryFields, _write_story, N_("A story has other words")),
        _edits("restore", "restore", RestoreFields, _restore, N_("A story stands as it was composed")),
        _edits(
            "introduction", "introduction", IntroductionFields, _write_introduction, N_("The introduction was written")
        ),
        _edits("subject", "subject", SubjectFields, _write_subject, N_("The subject was written")),
        Action(
            name="issue.preview", path=f"{_PATH}/introduction/preview", fields=IntroductionFields,
            run=_preview_introduction, done=N_("Shown"), for_viewers=True, shows=True,
        ),
    ),
    listings=(Listing(path=f"{_PATH}/draft", read=_list_draft, summary="A draft as it would be frozen now."),),
)  # fmt: skip
