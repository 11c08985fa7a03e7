"""A slot ends -> compose -> render -> freeze. Never mails: a frozen issue is the ledger's (`tasks.deliver`).

Every ended slot gets its row in the transaction that notes how far slots have been looked at, so downtime, a second
daemon or a kill neither loses nor doubles an issue.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from aggregator.app import App
from aggregator.errors import NotFound, RenderError, UsageError
from aggregator.log import get_logger
from aggregator.model.newsletter import (
    ComposedIssue,
    Issue,
    IssueItem,
    Newsletter,
    PlannedSlot,
    RenderedIssue,
    Section,
    TooFew,
)
from aggregator.model.story import Story
from aggregator.pipeline.compose import shrink_issue
from aggregator.pipeline.schedule import MAX_SLOT_AGE, find_slots, plan_slots, slot_slug
from aggregator.pipeline.tag import get_tags
from aggregator.render.newsletter import render_issue, too_large
from aggregator.storage import issues
from aggregator.tasks.composing import compose_draft

log = get_logger(__name__)

WEEK = timedelta(days=7)


def make_due_issues(app: App) -> None:
    """For the daemon: a row for every ended slot, then every draft built, frozen and handed to the ledger."""
    for newsletter in app.settings.newsletters:
        plan_ended_slots(app, newsletter)
        with app.db.read() as conn:
            drafts = issues.list_issues(conn, newsletter=newsletter.slug, states=("draft",))
        for draft in reversed(drafts):  # the oldest first: what it holds, the next one does not
            try:
                freeze_draft(app, newsletter, draft)
            except RenderError as error:
                # The draft stays: a mended template makes it at the next tick. A broken one never stops the daemon.
                log.error("issue.not_rendered", newsletter=newsletter.slug, issue=draft.slug, reason=str(error))


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
        issues.add_slots(conn, newsletter.slug, planned, now=now)
        issues.set_planned_until(conn, newsletter.slug, now)
    for slot in planned:
        log.info("issue.slot", newsletter=newsletter.slug, issue=slot.slug, state=slot.state, reason=slot.reason)
    return planned


def build_issue(app: App, newsletter: Newsletter, *, until: datetime | None = None) -> Issue:
    """By hand: the issue whose window ends at ``until`` (default: now), frozen, not sent; one ``until``, one issue.

    The window begins where the last issue before it ended, or a week earlier. The result may be ``skipped``.
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
        ready = None if isinstance(found, TooFew) else render_within_limit(app, found)
        # The row is made and frozen in one transaction: a draft is the daemon's to mail, this is not.
        with app.db.write() as conn:
            issues.add_slots(conn, newsletter.slug, [planned], now=now)
            draft = issues.get_by_slot(conn, newsletter.slug, end)
            if draft is not None and ready is not None:
                issues.freeze(conn, draft.id, ready[1], _items(ready[0]), now=now)
            elif draft is not None and isinstance(found, TooFew):
                issues.skip(conn, draft.id, found.reason)
            # Still a draft: another issue was frozen meanwhile that holds one of its stories.
            draft = issues.get_by_slot(conn, newsletter.slug, end)
    with app.db.read() as conn:
        built = issues.get_by_slot(conn, newsletter.slug, end)
    if built is None:
        raise NotFound(f"no issue of {newsletter.slug} for {end.isoformat()}")
    return built


def _free_slug(wanted: str, taken: set[str]) -> str:
    names = [wanted, *(f"{wanted}-{number}" for number in range(2, 1000))]
    return next(name for name in names if name not in taken)


def freeze_draft(app: App, newsletter: Newsletter, draft: Issue) -> bool:
    """Compose, render and freeze a slot's draft and hand it to the ledger; False when it is skipped instead."""
    if app.now() - draft.slot_at > MAX_SLOT_AGE:
        with app.db.write() as conn:
            issues.skip(conn, draft.id, f"too late: it could not be made within {MAX_SLOT_AGE.days} days")
        return False
    composed = compose_draft(app, newsletter, draft)
    if isinstance(composed, TooFew):
        with app.db.write() as conn:
            issues.skip(conn, draft.id, composed.reason)
        log.info("issue.skipped", newsletter=newsletter.slug, issue=draft.slug, reason=composed.reason)
        return False
    composed, rendered = render_within_limit(app, composed)
    with app.db.write() as conn:
        # One transaction: an issue that a kill leaves frozen but not being sent would wait for somebody to send it.
        frozen = issues.freeze(conn, draft.id, rendered, _items(composed), now=app.now())
        if frozen:
            issues.mark_sending(conn, draft.id, now=app.now())
        now = issues.get_by_id(conn, draft.id)
    if frozen:
        log.info("issue.frozen", newsletter=newsletter.slug, issue=draft.slug, subject=rendered.subject)
    elif now is not None and now.state == "draft":
        return freeze_draft(app, newsletter, draft)  # another issue was frozen meanwhile that holds a story of this one
    return True


def render_within_limit(app: App, composed: ComposedIssue) -> tuple[ComposedIssue, RenderedIssue]:
    """The rendered issue, its lowest stories moved to the web until the mail is small enough. Raises `RenderError`."""
    rendered = _render(app, composed)
    if not too_large(rendered):
        return composed, rendered
    # A step of shrinking is cheap, rendering is not: the first step that is small enough is looked for by halves.
    steps = list(_iter_smaller(composed))
    results: dict[int, RenderedIssue] = {}

    def fits(step: int) -> bool:
        results[step] = _render(app, steps[step])
        return not too_large(results[step])

    first = bisect_left(range(len(steps)), True, key=fits)
    if first == len(steps):
        raise RenderError(f"{composed.newsletter.template}: the mail is too large even with one story in it")
    return steps[first], results[first]


def _iter_smaller(composed: ComposedIssue) -> Iterator[ComposedIssue]:
    smaller = shrink_issue(composed)
    while smaller is not None:
        yield smaller
        smaller = shrink_issue(smaller)


def _render(app: App, composed: ComposedIssue) -> RenderedIssue:
    site = app.settings.site
    return render_issue(
        composed,
        site=site,
        tags=get_tags(app.settings.tag_rules),
        templates=app.templates,
        archive_url=f"{site.url}/issues/{composed.newsletter.slug}/{composed.slug}",
    )


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
