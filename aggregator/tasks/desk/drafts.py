"""The draft of an issue at the desk: what stands where in which words, when it goes; each change with its line in the
log, and taken back by it. Never sends an issue: what is approved is the ledger's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Literal

from aggregator.app import App
from aggregator.errors import UsageError
from aggregator.model.account import Change
from aggregator.model.ids import StoryId
from aggregator.model.newsletter import Issue, IssueEdits, Newsletter, Section
from aggregator.storage import drafts
from aggregator.storage.drafts import pack_edits, unpack_edits
from aggregator.storage.sending import Connection
from aggregator.tasks.desk.sending import Line, find_issue, simplify
from aggregator.tasks.desk.undone import record_undo
from aggregator.tasks.drafts import MAX_INTRODUCTION as MAX_INTRODUCTION
from aggregator.tasks.drafts import SeenDraft, approve_draft, edit_draft, see_draft
from aggregator.tasks.issues import find_newsletter, get_deadline, skip_draft
from aggregator.tasks.specimen_mail import send_test

#: Where a story may stand; ``out``: in no issue of this draft.
Place = Literal["top", "brief", "more", "out"]
SECTIONS: tuple[Section, ...] = ("top", "brief", "more")
#: An issue is put off by so much at most: those after it wait for it.
MOST_AHEAD = timedelta(days=31)
MAX_SUBJECT, MAX_HEADLINE, MAX_EXCERPT = 200, 300, 2_000


def find_draft(app: App, issue_id: int) -> tuple[Newsletter, Issue]:
    """Raises `NotFound`, and `UsageError` for an issue that is no draft (any more)."""
    issue = find_issue(app, issue_id)
    if issue.state != "draft":
        raise UsageError(f"{issue.name} is no draft any more: it is {issue.state}")
    return find_newsletter(app, issue.newsletter), issue


def place_story(
    app: App,
    issue_id: int,
    story_id: StoryId,
    place: Place,
    *,
    order: Sequence[StoryId],
    at: int | None = None,
    who: str,
) -> int:
    """Put a story into ``place``, where so many others stand before it (None: below those put there by hand).

    ``order``: what stands in that place now. As much of its beginning as the new order needs is fixed by hand; what
    follows stays as it is composed.
    """

    def change(edits: IssueEdits) -> IssueEdits:
        kept = tuple(one for one in edits.placed if one[0] != story_id)
        dropped = tuple(number for number in edits.dropped if number != story_id)
        if place == "out":
            return replace(edits, placed=kept, dropped=(*dropped, story_id))
        fixed = [number for number, section in kept if section == place]
        others = [number for number in order if number != story_id]
        # What was fixed and is not shown (it came to nothing) stays where it was said to be.
        others += [number for number in fixed if number not in others]
        below = max((others.index(one) + 1 for one in fixed), default=0)
        wanted = list(others)
        wanted.insert(below if at is None else at, story_id)
        last = max(wanted.index(one) for one in (story_id, *fixed))
        elsewhere = tuple(one for one in kept if one[1] != place and one[0] not in wanted[: last + 1])
        return replace(edits, placed=(*elsewhere, *((one, place) for one in wanted[: last + 1])), dropped=dropped)

    return _edit(app, issue_id, "issue.place", change, who=who)


def restore_story(app: App, issue_id: int, story_id: StoryId, *, who: str) -> int:
    """It stands where it is composed, in the source's words."""

    def change(edits: IssueEdits) -> IssueEdits:
        return replace(
            edits,
            placed=tuple(one for one in edits.placed if one[0] != story_id),
            dropped=tuple(number for number in edits.dropped if number != story_id),
            texts=tuple(text for text in edits.texts if text[0] != story_id),
        )

    return _edit(app, issue_id, "issue.restore", change, who=who)


def write_story(app: App, issue_id: int, story_id: StoryId, headline: str, excerpt: str, *, who: str) -> int:
    """Its headline and excerpt in this issue, a line each; an empty one is the source's own."""
    headline, excerpt = " ".join(headline.split()), " ".join(excerpt.split())

    def change(edits: IssueEdits) -> IssueEdits:
        others = tuple(text for text in edits.texts if text[0] != story_id)
        said = ((story_id, headline, excerpt),) if headline or excerpt else ()
        return replace(edits, texts=(*others, *said))

    return _edit(app, issue_id, "issue.story", change, who=who)


def write_introduction(app: App, issue_id: int, text: str, *, who: str) -> int:
    """Markdown."""
    return _edit(app, issue_id, "issue.introduction", lambda edits: replace(edits, introduction=text), who=who)


def write_subject(app: App, issue_id: int, text: str, *, who: str) -> int:
    """Empty: as it is composed."""
    return _edit(app, issue_id, "issue.subject", lambda edits: replace(edits, subject=text), who=who)


def _edit(app: App, issue_id: int, action: str, change: Callable[[IssueEdits], IssueEdits], *, who: str) -> int:
    newsletter, draft = find_draft(app, issue_id)
    lines: list[int] = []

    def note(conn: Connection, before: IssueEdits, after: IssueEdits) -> None:
        if before == after:
            raise UsageError("nothing is other than it was")
        line = Line(app, who, action, draft, before=_tell(before), after=_tell(after))
        line.write(conn)
        lines.append(line.number)

    edit_draft(app, newsletter, draft, change, then=note)
    return lines[0]


def _tell(edits: IssueEdits) -> dict[str, object]:
    return pack_edits(edits) or {}


def undo_edit(app: App, change: Change, *, who: str) -> int:
    """What was changed is as it was before, unless it was changed once more since. Raises `UsageError`."""
    newsletter, draft = find_draft(app, change.number)
    lines: list[int] = []

    said, done = unpack_edits(change.before), unpack_edits(change.after)
    changed = [part.name for part in fields(IssueEdits) if getattr(said, part.name) != getattr(done, part.name)]

    def put_back(edits: IssueEdits) -> IssueEdits:
        if any(getattr(edits, name) != getattr(done, name) for name in changed):
            raise UsageError("this was changed once more since: take that back first")
        return replace(edits, **{name: getattr(said, name) for name in changed})

    def note(conn: Connection, before: IssueEdits, after: IssueEdits) -> None:
        lines.append(record_undo(app, conn, change, who=who, before=_tell(before)))

    # What is put back was held once; whether it is still is found out when the draft is composed.
    edit_draft(app, newsletter, draft, put_back, then=note, known=said)
    return lines[0]


def approve(app: App, issue_id: int, *, who: str) -> int:
    """Freeze it now; the daemon mails it. Raises `UsageError`, `RenderError`."""
    newsletter, draft = find_draft(app, issue_id)
    line = Line(app, who, "issue.approve", draft, after={"approved": True})
    approve_draft(app, newsletter, draft, then=line.write)
    if not line.number:
        raise UsageError(f"{draft.name} was approved already")
    return line.number


def schedule(app: App, issue_id: int, at: datetime | None, *, who: str) -> int:
    """It is frozen and goes out at ``at``, whoever acts or not; None: it waits for the editor again."""
    _, draft = find_draft(app, issue_id)
    if at is not None and at <= app.now():
        raise UsageError("this moment is over: approve it to send it now")
    if at is not None and at > app.now() + MOST_AHEAD:
        raise UsageError(f"this is more than {MOST_AHEAD.days} days ahead, and later issues would wait for it")
    before, after = (one.isoformat() if one else None for one in (draft.approved_at, at))
    if before == after:
        raise UsageError("nothing is other than it was")
    line = Line(app, who, "issue.schedule", draft, before={"at": before}, after={"at": after})
    with app.db.write() as conn:
        if not drafts.schedule(conn, draft.id, draft.newsletter, at, before=draft.approved_at):
            raise UsageError(f"{draft.name} was decided otherwise meanwhile: look at it, and say it again")
        line.write(conn)
    return line.number


def undo_schedule(app: App, change: Change, *, who: str) -> int:
    """It goes when it was to go before. Raises `UsageError`."""
    _, draft = find_draft(app, change.number)
    now = draft.approved_at.isoformat() if draft.approved_at else None
    if now != change.after["at"]:
        raise UsageError("it was scheduled otherwise since")
    at = datetime.fromisoformat(change.before["at"]) if change.before["at"] else None
    if at is not None and at <= app.now():
        raise UsageError("the moment before is over: approve it to send it now")
    with app.db.write() as conn:
        if not drafts.schedule(conn, draft.id, draft.newsletter, at, before=draft.approved_at):
            raise UsageError("it was scheduled otherwise since")
        return record_undo(app, conn, change, who=who, before=change.after)


def skip(app: App, issue_id: int, reason: str, *, who: str) -> int:
    """It becomes no issue; what is still new comes in the next one."""
    _, draft = find_draft(app, issue_id)
    line = Line(app, who, "issue.skip", draft, before={"reason": draft.reason}, after={"reason": reason})
    if not skip_draft(app, draft, reason, then=line.write):
        raise UsageError(f"{draft.name} is no draft any more")
    return line.number


def undo_skip(app: App, change: Change, *, who: str) -> int:
    """It is a draft again, as long as its time for review is not over and no later issue has its stories. Raises
    `UsageError`."""
    issue = find_issue(app, change.number)
    deadline = get_deadline(find_newsletter(app, issue.newsletter), issue)
    if issue.state != "skipped" or issue.reason != change.after["reason"]:
        raise UsageError(f"{issue.name} is not any more as it was left then")
    if deadline is not None and deadline <= app.now():
        raise UsageError("its time for review is over, so it would be decided at once: make an issue by hand")
    with app.db.write() as conn:
        if not drafts.reopen(conn, issue.id, issue.newsletter, reason=issue.reason):
            raise UsageError("its stories are a later issue's by now")
        return record_undo(app, conn, change, who=who, before=change.after)


def test(app: App, issue_id: int, address: str, *, who: str) -> tuple[int, str]:
    """Mail it as it is now to ``address``; the line of the log, and the server's words. Raises `UsageError` and the
    `MailError` family."""
    newsletter, draft = find_draft(app, issue_id)
    seen = see_draft(app, newsletter, draft)
    if not isinstance(seen, SeenDraft):
        raise UsageError(f"it would be skipped now: {seen.reason}")
    words = send_test(app, draft.id, address, draft=seen.rendered)
    # To whom is not written down: who looks through the log later need not know it.
    line = Line(app, who, "issue.test", draft, after={"answer": simplify(words)})
    with app.db.write() as conn:
        line.write(conn)
    return line.number, words
