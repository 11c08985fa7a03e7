"""The words of a draft: subject, introduction, headlines and excerpts, each shown before it is said. Never HTML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from aggregator.model.ids import StoryId
from aggregator.render.introduction import make_web_html
from aggregator.render.subject import make_subject
from aggregator.tasks.desk import drafts
from aggregator.tasks.drafts import SeenDraft
from aggregator.web.desk.draft import find_sources, make_inbox, show_draft
from aggregator.web.desk.draft_look import glance
from aggregator.web.desk.issue_sending import tell_done
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.visit import Action, Done, Fields, Section, Visit, mark
from aggregator.web.desk.words import N_, FieldError, say

_Seen = Annotated[str, Field(max_length=64, description="A mark of the words that are changed, as the page has it.")]
_Whole = Annotated[bool, Field(description="Within the whole page.")]


class StoryFields(Fields):
    item: Annotated[int, Field(ge=1, le=10**18, description="The story's number.")]
    headline: Annotated[str, Field(max_length=drafts.MAX_HEADLINE, description="Empty: the source's own.")] = ""
    excerpt: Annotated[str, Field(max_length=drafts.MAX_EXCERPT, description="Empty: the source's own.")] = ""
    own: Annotated[bool, Field(description="Both are the source's own, whatever was typed.")] = False
    seen: _Seen = ""


class IntroductionFields(Fields):
    introduction: Annotated[str, Field(max_length=drafts.MAX_INTRODUCTION, description="Markdown.")] = ""
    seen: _Seen = ""


class IntroductionPreview(IntroductionFields):
    whole: _Whole = False


class SubjectFields(Fields):
    subject: Annotated[str, Field(max_length=drafts.MAX_SUBJECT, description="Empty: as it is composed.")] = ""
    seen: _Seen = ""


class SubjectPreview(SubjectFields):
    whole: _Whole = False


def _check_seen(seen: str, field: str, stands: object) -> None:
    """Programs that say nothing of what they saw mean what they say."""
    if seen and seen != mark(stands):
        message = N_(
            "Somebody else has changed this meanwhile: below stands what it says now. Save again to put yours there."
        )
        raise FieldError({field: say(message), "seen": say(message)})


def _write_story(visit: Visit, sent: StoryFields) -> Done:
    _, draft = drafts.find_draft(visit.app, visit.params["issue"])
    story = StoryId(sent.item)
    stands = next(((one[1], one[2]) for one in draft.edits.texts if one[0] == story), ("", ""))
    _check_seen(sent.seen, "headline", stands)
    own = find_sources(visit.app, draft, {story}).get(story, ("", ""))
    # The form begins with what stands there: what was left as the source has it is the source's.
    headline, excerpt = (
        "" if sent.own or " ".join(said.split()) == " ".join(words.split()) else said
        for said, words in zip((sent.headline, sent.excerpt), own, strict=True)
    )
    line = drafts.write_story(visit.app, int(draft.id), story, headline, excerpt, who=visit.account.name)
    return tell_done(visit, line, f"/edit#story-{story}")


def _write_introduction(visit: Visit, sent: IntroductionFields) -> Done:
    _, draft = drafts.find_draft(visit.app, visit.params["issue"])
    _check_seen(sent.seen, "introduction", draft.edits.introduction)
    text = sent.introduction.strip()
    line = drafts.write_introduction(visit.app, int(draft.id), text, who=visit.account.name)
    return tell_done(visit, line, "/edit#words")


def _write_subject(visit: Visit, sent: SubjectFields) -> Done:
    _, draft = drafts.find_draft(visit.app, visit.params["issue"])
    _check_seen(sent.seen, "subject", draft.edits.subject)
    line = drafts.write_subject(visit.app, int(draft.id), sent.subject, who=visit.account.name)
    return tell_done(visit, line, "/edit#inbox")


def _preview_introduction(visit: Visit, sent: IntroductionPreview) -> Response:
    if sent.whole:
        return show_draft(replace(visit, sent={"introduction": (sent.introduction,), "seen": (sent.seen,)}))
    return show_page(visit, "draft_introduction.html", introduction_html=make_web_html(sent.introduction))


def _preview_subject(visit: Visit, sent: SubjectPreview) -> Response:
    newsletter, draft = drafts.find_draft(visit.app, visit.params["issue"])
    if sent.whole:
        return show_draft(replace(visit, sent={"subject": (sent.subject,), "seen": (sent.seen,)}))
    seen = glance(visit.app, newsletter, draft)
    inbox = make_inbox(visit.app, newsletter, seen if isinstance(seen, SeenDraft) else None)
    if isinstance(seen, SeenDraft):
        inbox["subject"] = make_subject(seen.composed, replace(draft.edits, subject=sent.subject))
    return show_page(visit, "draft_inbox.html", inbox=inbox)


_PATH = "/issues/{issue:int}"


def _edits(name: str, fields: type[Fields], run: Callable[[Visit, Any], Done], done: str) -> Action:
    return Action(
        name=f"issue.{name}", path=f"{_PATH}/{name}", fields=fields, run=run, done=done, page=show_draft,
        undo=drafts.undo_edit,
    )  # fmt: skip


def _previews(name: str, of: str, fields: type[Fields], run: Callable[[Visit, Any], Response]) -> Action:
    return Action(
        name=name, path=f"{_PATH}/{of}/preview", fields=fields, run=run, done=N_("Shown"), page=show_draft,
        for_viewers=True, shows=True,
    )  # fmt: skip


ROOM = Section(
    key="issues",
    actions=(
        _edits("story", StoryFields, _write_story, N_("A story has other words")),
        _edits("introduction", IntroductionFields, _write_introduction, N_("The introduction was written")),
        _edits("subject", SubjectFields, _write_subject, N_("The subject was written")),
        _previews("issue.preview", "introduction", IntroductionPreview, _preview_introduction),
        _previews("issue.inbox", "subject", SubjectPreview, _preview_subject),
    ),
)
