"""``aggregator issues edit``, ``approve``, ``skip``: the editor's word on a draft. Never touches a frozen issue."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from aggregator.app import App
from aggregator.cli.console import (
    ConfigOption,
    JsonOption,
    opened,
    print_json,
    print_line,
    print_list,
    print_note,
)
from aggregator.cli.issues import NewsletterArgument, SlugOption
from aggregator.errors import NotFound, UsageError
from aggregator.model.ids import StoryId
from aggregator.model.newsletter import Issue, IssueEdits, Newsletter, Section, TooFew
from aggregator.model.said import say_count
from aggregator.storage import issues
from aggregator.storage.drafts import pack_edits
from aggregator.tasks.drafts import MAX_INTRODUCTION, SeenDraft, approve_draft, edit_draft, refuse_draft, see_draft
from aggregator.tasks.issues import choose_newsletter, describe_issue

SKIPPED = "skipped by the editor"


def edit(
    newsletter: NewsletterArgument = None,
    config: ConfigOption = None,
    issue: SlugOption = None,
    subject: Annotated[str | None, typer.Option("--subject", metavar="WORDS", help="Empty: the usual one.")] = None,
    intro: Annotated[str | None, typer.Option("--intro", metavar="FILE", help="Markdown; - reads it here.")] = None,
    top: Annotated[list[int] | None, typer.Option("--top", metavar="STORY", help="To the top stories.")] = None,
    brief: Annotated[list[int] | None, typer.Option("--brief", metavar="STORY", help="To the short ones.")] = None,
    more: Annotated[list[int] | None, typer.Option("--more", metavar="STORY", help="Only on the web.")] = None,
    drop: Annotated[list[int] | None, typer.Option("--drop", metavar="STORY", help="Leave it out.")] = None,
    restore: Annotated[list[int] | None, typer.Option("--restore", metavar="STORY", help="As composed.")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="First forget all earlier changes.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Change a draft, and show its stories with their numbers.

    Stories named stand first in their place, in the order named. Without options it only shows the draft.
    """
    written = _read_introduction(intro)
    sections: tuple[tuple[Section, list[int]], ...] = (("top", top or []), ("brief", brief or []), ("more", more or []))
    placed = tuple((StoryId(number), section) for section, numbers in sections for number in numbers)
    change = make_change(placed=placed, dropped=drop or (), restored=restore or (), reset=reset)

    def change_all(edits: IssueEdits) -> IssueEdits:
        changed = change(edits)
        return replace(
            changed,
            subject=changed.subject if subject is None else subject.strip(),
            introduction=changed.introduction if written is None else written,
        )

    with opened(config) as app:
        chosen = choose_newsletter(app, newsletter)
        draft = find_draft(app, chosen, issue)
        if draft.state != "draft":
            raise UsageError(f"{draft.name} is no draft: it is {draft.state}")
        draft = edit_draft(app, chosen, draft, change_all)
        seen = see_draft(app, chosen, draft)
    _show(draft, seen, as_json=as_json)


def make_change(
    *, placed: tuple[tuple[StoryId, Section], ...], dropped: list[int] | tuple[()], restored: list[int] | tuple[()],
    reset: bool,
) -> Callable[[IssueEdits], IssueEdits]:  # fmt: skip
    """What the options say of the stories. Each is named once. Raises `UsageError`."""
    numbers = [*(number for number, _ in placed), *dropped, *restored]
    if twice := sorted({number for number in numbers if numbers.count(number) > 1}):
        raise UsageError(f"story {twice[0]} is named twice")

    def change(edits: IssueEdits) -> IssueEdits:
        before = IssueEdits() if reset else edits
        return replace(
            before,
            placed=(*placed, *(each for each in before.placed if each[0] not in numbers)),
            dropped=(*(n for n in before.dropped if n not in numbers), *(StoryId(n) for n in dropped)),
            texts=tuple(text for text in before.texts if text[0] not in restored),
        )

    return change


def _read_introduction(path: str | None) -> str | None:
    if path is None:
        return None
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8") from error
    if len(text) > MAX_INTRODUCTION:
        raise UsageError(f"{path}: an introduction has at most {MAX_INTRODUCTION:,} characters, this has {len(text):,}")
    return text.strip()


def _show(draft: Issue, seen: SeenDraft | TooFew, *, as_json: bool) -> None:
    document = {**describe_issue(draft), "subject": "", "held": [], "edits": pack_edits(draft.edits) or {}}
    if isinstance(seen, SeenDraft):
        composed = seen.composed
        places = (("top", composed.top), ("brief", composed.brief), ("more", composed.more))
        document["subject"] = seen.rendered.subject
        document["held"] = [
            {"section": section, "story": story.id, "title": story.lead.title, "source": story.lead.feed_name}
            for section, found in (*places, ("again", composed.developing))
            for story in found
        ]
    if as_json:
        print_json(document)
        return
    print_line(f"{draft.name}: {draft.state}, {say_count(len(document['held']), 'story', 'stories')}")
    if isinstance(seen, TooFew):
        print_note(f"it would be skipped now: {seen.reason}")
        return
    print_line(f"Subject: {seen.rendered.subject}")
    print_list(False, document["held"], ("section", "story", "title", "source"), empty="")


def approve(
    newsletter: NewsletterArgument = None,
    config: ConfigOption = None,
    issue: SlugOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say yes to a draft.

    It is frozen as it is now, and the daemon mails it (or `issues send`).
    """
    with opened(config) as app:
        chosen = choose_newsletter(app, newsletter)
        draft = find_draft(app, chosen, issue)
        if draft.state == "skipped":
            raise UsageError(f"{draft.name} was skipped: {draft.reason}")
        if draft.state != "draft":
            print_note(f"{draft.name} is frozen already")
        after = approve_draft(app, chosen, draft)
    _say_state(after, as_json=as_json)
    if after.state == "skipped":
        raise typer.Exit(1)


def skip(
    newsletter: NewsletterArgument = None,
    config: ConfigOption = None,
    issue: SlugOption = None,
    reason: Annotated[str, typer.Option("--reason", metavar="WORDS", help="Shown in `issues list`.")] = SKIPPED,
    as_json: JsonOption = False,
) -> None:
    """Say no to a draft.

    There is no issue for its slot; what is still new comes in the next one.
    """
    with opened(config) as app:
        draft = find_draft(app, choose_newsletter(app, newsletter), issue)
        after = refuse_draft(app, draft, reason.strip() or SKIPPED)
        if after.state != "skipped":
            raise UsageError(f"{after.name} is no draft: it is {after.state}")
    _say_state(after, as_json=as_json)


def _say_state(issue: Issue, *, as_json: bool) -> None:
    if as_json:
        print_json(describe_issue(issue))
        return
    print_line(f"{issue.name}: {issue.state}{': ' + issue.reason if issue.reason else ''}")
    if issue.subject:
        print_line(f"Subject: {issue.subject}")


def find_draft(app: App, newsletter: Newsletter, slug: str | None) -> Issue:
    """The issue that ``slug`` names, or the only draft, or, without one, the newest issue. Raises `NotFound`, and
    `UsageError` when several wait."""
    with app.db.read() as conn:
        found = issues.list_issues(conn, newsletter.slug)
    if slug is not None:
        found = tuple(issue for issue in found if issue.slug == slug)
    waiting = [issue for issue in found if issue.state == "draft"]
    if len(waiting) > 1:
        names = ", ".join(issue.slug for issue in reversed(waiting))
        raise UsageError(f"{newsletter.slug} has several drafts: name one with --issue ({names})")
    if not found:
        raise NotFound(f"{newsletter.slug} has no issue {slug}" if slug else f"{newsletter.slug} has no draft")
    return waiting[0] if waiting else found[0]
