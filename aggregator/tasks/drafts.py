"""The editor's word on a draft: how it would go now, changes, yes or no. Never mails: what is approved is the ledger's.

A draft is composed anew each time it is looked at and once more when it is frozen: until then it holds what came for
its window meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aggregator.app import App
from aggregator.errors import RenderError, UsageError
from aggregator.model.ids import StoryId
from aggregator.model.newsletter import ComposedIssue, Issue, IssueEdits, Newsletter, RenderedIssue, TooFew
from aggregator.pipeline.compose import UNEDITED
from aggregator.storage import drafts, issues
from aggregator.storage.sending import Connection
from aggregator.tasks.composing import WindowCounts, compose_draft, find_held, glance_at_draft
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.issues import freeze_draft, note_failure, set_draft, skip_draft

#: Characters of an introduction, which is a few paragraphs.
MAX_INTRODUCTION = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenDraft:
    """A draft as it would be frozen now."""

    issue: Issue
    composed: ComposedIssue
    rendered: RenderedIssue


def see_draft(app: App, newsletter: Newsletter, draft: Issue) -> SeenDraft | TooFew:
    """Composed and rendered, nothing stored. Raises `RenderError`."""
    return _render(app, draft, compose_draft(app, newsletter, draft))


def glance_at(app: App, newsletter: Newsletter, draft: Issue, counts: WindowCounts | None = None) -> SeenDraft | TooFew:
    """As `see_draft`, in a few hundredths of a second however large the window is: by `glance_at_draft`."""
    return _render(app, draft, glance_at_draft(app, newsletter, draft, counts))


def _render(app: App, draft: Issue, composed: ComposedIssue | TooFew) -> SeenDraft | TooFew:
    if isinstance(composed, TooFew):
        return composed
    found = set_draft(app, composed, draft)
    return SeenDraft(issue=draft, composed=found.issue, rendered=found.renderings[0])


#: Called in the transaction of a change, with the edits before and after it.
Then = Callable[[Connection, IssueEdits, IssueEdits], object]


def edit_draft(
    app: App,
    newsletter: Newsletter,
    draft: Issue,
    change: Callable[[IssueEdits], IssueEdits],
    *,
    then: Then = lambda conn, before, after: None,
    known: IssueEdits = UNEDITED,
) -> Issue:
    """Change what the editor said of it. Raises `UsageError`, and changes nothing, when ``change`` names a story that
    the draft does not hold, or when it is no draft any more. ``known``: what these name is not looked for."""
    if new := _list_named(change(draft.edits)) - _list_named(draft.edits) - _list_named(known):
        regroup_stories(app)
        if missing := new - find_held(app, newsletter, draft, new):
            numbers = ", ".join(str(number) for number in sorted(missing))
            raise UsageError(
                f"{newsletter.slug}/{draft.slug} holds no story {numbers}; its own: aggregator issues edit"
            )
    with app.db.write() as conn:
        edits = drafts.change_edits(conn, draft.id, change)
        if edits is not None:
            then(conn, *edits)
        now = issues.get_by_id(conn, draft.id) or draft
    if edits is None:
        raise UsageError(f"{now.name} is no draft any more: it is {now.state}")
    return now


def _list_named(edits: IssueEdits) -> set[StoryId]:
    return {*(number for number, _ in edits.placed), *edits.dropped, *(number for number, _, _ in edits.texts)}


def approve_draft(
    app: App, newsletter: Newsletter, draft: Issue, *, then: Callable[[Connection], object] = lambda conn: None
) -> Issue:
    """Freeze it now and hand it to the ledger; asked twice, it is done once. Raises `RenderError`: it stays approved,
    and the daemon makes it when the template is mended."""
    with app.db.write() as conn:
        if drafts.approve(conn, draft.id, now=app.now()):
            then(conn)
        now = issues.get_by_id(conn, draft.id) or draft
    if now.state == "draft":
        try:
            freeze_draft(app, newsletter, now)
        except RenderError as error:
            note_failure(app, now, error)
            raise
    with app.db.read() as conn:
        return issues.get_by_id(conn, draft.id) or now


def refuse_draft(app: App, draft: Issue, reason: str) -> Issue:
    """It becomes no issue."""
    skip_draft(app, draft, reason)
    with app.db.read() as conn:
        return issues.get_by_id(conn, draft.id) or draft
