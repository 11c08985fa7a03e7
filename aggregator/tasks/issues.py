"""A slot ends -> compose -> render -> freeze. Never mails: a frozen issue is the ledger's (`tasks.deliver`).

Every ended slot gets its row in the transaction that notes how far slots have been looked at, so downtime, a second
daemon or a kill neither loses nor doubles an issue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from aggregator.app import App
from aggregator.errors import NotFound, RenderError, StorageError, UsageError
from aggregator.log import get_logger
from aggregator.model.newsletter import (
    ComposedIssue,
    Issue,
    IssueEdits,
    IssueItem,
    Newsletter,
    PlannedSlot,
    Section,
    TooFew,
)
from aggregator.model.story import Story
from aggregator.pipeline.compose import UNEDITED
from aggregator.pipeline.schedule import MAX_SLOT_AGE, find_slots, plan_slots, slot_slug
from aggregator.pipeline.tag import get_tags
from aggregator.storage import drafts, issues, troubles
from aggregator.storage.sending import Connection
from aggregator.tasks.composing import compose_draft
from aggregator.typesetter import SetIssue, set_issue

log = get_logger(__name__)

WEEK = timedelta(days=7)
#: What could not be rendered is tried again after that.
RETRY = timedelta(minutes=5)
NOT_APPROVED = "nobody approved it in time"


def make_due_issues(app: App) -> None:
    """For the daemon: a row for every ended slot, then every draft whose time has come frozen, for the ledger."""
    for newsletter in app.settings.newsletters:
        try:
            _make_due(app, newsletter)
        except StorageError:
            raise
        except Exception:
            log.exception("issue.not_made", newsletter=newsletter.slug)  # the other newsletters go on


def _make_due(app: App, newsletter: Newsletter) -> None:
    plan_ended_slots(app, newsletter)
    with app.db.read() as conn:
        waiting = issues.list_issues(conn, newsletter=newsletter.slug, states=("draft",))
    for draft in reversed(waiting):  # the oldest first: what it holds, the next one does not
        if not settle_draft(app, newsletter, draft):
            break


def settle_draft(app: App, newsletter: Newsletter, draft: Issue) -> bool:
    """What its review asks for now: frozen, skipped, or False: it is a draft still."""
    now = app.now()
    deadline = get_deadline(newsletter, draft)
    if now < (draft.paused_until or now) or (deadline is not None and now < deadline):
        return False
    if deadline is not None and not draft.approved_at and newsletter.after_review == "skip":
        skip_draft(app, draft, NOT_APPROVED)
        return True
    try:
        return freeze_draft(app, newsletter, draft)
    except RenderError as error:  # a broken template never stops the daemon; a mended one makes the issue
        note_failure(app, draft, error)
        return False


def get_deadline(newsletter: Newsletter, draft: Issue) -> datetime | None:
    """Until when the draft waits, for the editor or for the moment that he chose; None: it does not."""
    if draft.approved_at is not None:
        return draft.approved_at
    if newsletter.review == "auto":
        return None
    return draft.review_until or draft.slot_at + newsletter.review_for


def note_failure(app: App, draft: Issue, error: RenderError) -> None:
    """The draft stays, its row says why, and so does the log."""
    now = app.now()
    with app.db.write() as conn:
        if drafts.note_failure(conn, draft.id, str(error), again_at=now + RETRY):
            troubles.note_trouble(conn, _name_trouble(draft.newsletter), str(error), now=now)
    log.error("issue.not_rendered", newsletter=draft.newsletter, issue=draft.slug, reason=str(error))


def skip_draft(
    app: App, draft: Issue, reason: str, *, then: Callable[[Connection], object] = lambda conn: None
) -> bool:
    """It becomes no issue; its stories are the next one's. False when it is no draft any more."""
    with app.db.write() as conn:
        skipped = issues.skip(conn, draft.id, reason)
        if skipped:
            then(conn)
            troubles.end_trouble(conn, _name_trouble(draft.newsletter))
    if skipped:
        log.info("issue.skipped", newsletter=draft.newsletter, issue=draft.slug, reason=reason)
    return skipped


def _name_trouble(newsletter: str) -> str:
    return f"the issue of {newsletter}"


def plan_ended_slots(app: App, newsletter: Newsletter) -> tuple[PlannedSlot, ...]:
    """Rows for the slots that ended since the last look; the first look at a newsletter only notes the time."""
    now = app.now()
    with app.db.read() as conn:
        looked_at = issues.get_planned_until(conn, newsletter.slug)
    if looked_at is not None and not find_slots(newsletter.schedule, newsletter.timezone, after=looked_at, until=now):
        return ()
    with app.db.write() as conn:
        looked_at = issues.get_planned_until(conn, newsletter.slug)
        if looked_at is None:
            issues.set_planned_until(conn, newsletter.slug, now)
            return ()
        ended = find_slots(newsletter.schedule, newsletter.timezone, after=looked_at, until=now)
        planned = plan_slots(
            ended,
            schedule=newsletter.schedule,
            timezone=newsletter.timezone,
            last_window_end=issues.get_last_window_end(conn, newsletter.slug, before=now),
            now=now,
        )
        taken = {issue.slug for issue in issues.list_issues(conn, newsletter.slug)}
        # A schedule that was changed may give a slot the name of an earlier one.
        planned = tuple(replace(slot, slug=_free_slug(slot.slug, taken)) for slot in planned)
        review_for = newsletter.review_for if newsletter.review == "manual" else None
        issues.add_slots(conn, newsletter.slug, planned, now=now, review_for=review_for)
        issues.set_planned_until(conn, newsletter.slug, now)
    for slot in planned:
        log.info("issue.slot", newsletter=newsletter.slug, issue=slot.slug, state=slot.state, reason=slot.reason)
    return planned


def build_issue(
    app: App,
    newsletter: Newsletter,
    *,
    until: datetime | None = None,
    then: Callable[[Connection, Issue], object] = lambda conn, issue: None,
) -> Issue:
    """By hand: the issue whose window ends at ``until`` (default: now), frozen, not sent; one ``until``, one issue.

    The window begins where the last issue before it ended, or a week earlier. The result may be ``skipped``. ``then``
    is called in the transaction that makes it.
    """
    now = app.now()
    end = until or now
    if end > now:
        raise UsageError("the window of an issue cannot end in the future")
    with app.db.read() as conn:
        draft = issues.get_by_slot(conn, newsletter.slug, end)
        last_end = issues.get_last_window_end(conn, newsletter.slug, before=end)
        taken = {issue.slug for issue in issues.list_issues(conn, newsletter.slug)}
    planned = PlannedSlot(
        slot_at=end,
        slug=_free_slug(slot_slug(end, newsletter.schedule, newsletter.timezone), taken),
        window_start=last_end or end - WEEK,
        window_end=end,
        state="draft",
    )
    while draft is None or draft.state == "draft":
        found = compose_draft(app, newsletter, draft or planned)
        ready = None if isinstance(found, TooFew) else _set_for_all(app, found, draft or planned)
        # The row is made and frozen in one transaction: a draft is the daemon's to mail, this is not.
        with app.db.write() as conn:
            issues.add_slots(conn, newsletter.slug, [planned], now=now)
            row = issues.get_by_slot(conn, newsletter.slug, end)
            if row is not None and ready is not None:
                whole, *variants = ready.renderings
                edits = _get_edits(draft or planned)
                issues.freeze(conn, row.id, whole, _items(ready.issue), now=now, variants=variants, edits=edits)
            elif row is not None and isinstance(found, TooFew):
                issues.skip(conn, row.id, found.reason)
            # Still a draft: another issue was frozen meanwhile that holds one of its stories.
            draft = issues.get_by_slot(conn, newsletter.slug, end)
            if draft is not None and draft.state != "draft":
                then(conn, draft)
    with app.db.read() as conn:
        built = issues.get_by_slot(conn, newsletter.slug, end)
    if built is None:
        raise NotFound(f"no issue of {newsletter.slug} for {end.isoformat()}")
    return built


def _free_slug(wanted: str, taken: set[str]) -> str:
    names = [wanted, *(f"{wanted}-{number}" for number in range(2, 1000))]
    return next(name for name in names if name not in taken)


def freeze_draft(app: App, newsletter: Newsletter, draft: Issue) -> bool:
    """Compose, render and freeze a slot's draft and hand it to the ledger, or skip it; False when it is a draft still:
    the editor let it wait meanwhile."""
    due_at = get_deadline(newsletter, draft) or draft.slot_at
    if app.now() - due_at > MAX_SLOT_AGE:
        skip_draft(app, draft, f"too late: it could not be made within {MAX_SLOT_AGE.days} days")
        return True
    composed = compose_draft(app, newsletter, draft)
    if isinstance(composed, TooFew):
        skip_draft(app, draft, composed.reason)
        return True
    found = _set_for_all(app, composed, draft)
    whole, *variants = found.renderings
    with app.db.write() as conn:
        # One transaction: an issue that a kill leaves frozen but not being sent would wait for somebody to send it.
        frozen = drafts.holds_yes(conn, draft.id, draft.newsletter, draft.approved_at) and issues.freeze(
            conn, draft.id, whole, _items(found.issue), now=app.now(), variants=variants, edits=draft.edits
        )
        if frozen:
            troubles.end_trouble(conn, _name_trouble(draft.newsletter))
            issues.mark_sending(conn, draft.id, now=app.now())
        now = issues.get_by_id(conn, draft.id)
    if frozen:
        log.info("issue.frozen", newsletter=newsletter.slug, issue=draft.slug, subject=whole.subject)
    elif now is not None and now.state == "draft":
        # Meanwhile another issue was frozen that holds a story of this one, or the editor changed something.
        deadline = get_deadline(newsletter, now)
        return (deadline is None or deadline <= app.now()) and freeze_draft(app, newsletter, now)
    return True


def set_draft(
    app: App, composed: ComposedIssue, draft: Issue | PlannedSlot, *, variants: Sequence[str] = ()
) -> SetIssue:
    """The issue and its ``variants`` as they would go now. Raises `RenderError`; not for within a transaction."""
    site = app.settings.site
    return set_issue(
        composed,
        edits=_get_edits(draft),
        variants=variants,
        site=site,
        tags=get_tags(app.settings.tag_rules),
        templates=app.templates,
        archive_url=f"{site.url}/issues/{composed.newsletter.slug}/{composed.slug}",
    )


def _set_for_all(app: App, composed: ComposedIssue, draft: Issue | PlannedSlot) -> SetIssue:
    slug = composed.newsletter.slug
    with app.db.read() as conn:
        variants = drafts.list_variants(conn, slug)
    if variants:
        log.info("issue.rendering", newsletter=slug, issue=composed.slug, variants=len(variants))
    return set_draft(app, composed, draft, variants=variants)


def _get_edits(draft: Issue | PlannedSlot) -> IssueEdits:
    return draft.edits if isinstance(draft, Issue) else UNEDITED


def _items(composed: ComposedIssue) -> Sequence[IssueItem]:
    sections: tuple[tuple[Section, tuple[Story, ...]], ...] = (
        ("top", composed.top),
        ("brief", composed.brief),
        ("more", composed.more),
        ("brief", composed.developing),
    )
    news = composed.continuity
    return [
        IssueItem(
            story_id=story.id,
            entry_ids=tuple(entry.id for entry in story.entries),
            section=section,
            again=story.id in news and news[story.id].standing == "update",
        )
        for section, found in sections
        for story in found
    ]


def find_newsletter(app: App, slug: str) -> Newsletter:
    """The configured newsletter; raises `NotFound` that names those there are."""
    for newsletter in app.settings.newsletters:
        if newsletter.slug == slug:
            return newsletter
    names = ", ".join(newsletter.slug for newsletter in app.settings.newsletters)
    raise NotFound(f"no newsletter {slug}; configured: {names or 'none'}")


def choose_newsletter(app: App, slug: str | None) -> Newsletter:
    """What ``slug`` names; the only newsletter there is when it is left out. Raises `NotFound`, `UsageError`."""
    if slug is not None:
        return find_newsletter(app, slug)
    if len(app.settings.newsletters) != 1:
        names = ", ".join(newsletter.slug for newsletter in app.settings.newsletters)
        raise UsageError(f"name one newsletter: {names or 'none is configured'}")
    return app.settings.newsletters[0]


def describe_issue(issue: Issue) -> dict[str, Any]:
    """The JSON document of one issue."""
    return {
        "id": issue.id,
        "newsletter": issue.newsletter,
        "slug": issue.slug,
        "state": issue.state,
        "reason": issue.reason,
        "subject": issue.subject,
        "window_start": issue.window_start,
        "window_end": issue.window_end,
        "stories": issue.story_count,
        "deliveries": dict(issue.deliveries),
        "review_until": issue.review_until,
        "approved_at": issue.approved_at,
        "is_edited": issue.edits != IssueEdits(),
        "paused_reason": issue.paused_reason,
        "paused_until": issue.paused_until,
    }
