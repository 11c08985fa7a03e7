"""What the issue of a window holds: entries, stories, their order, and what is new about each. Never renders."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from aggregator.app import App
from aggregator.model.ids import EntryId, StoryId
from aggregator.model.newsletter import ComposedIssue, Continuity, Issue, Newsletter, PlannedSlot, TooFew
from aggregator.model.story import BURIED, PINNED, Story, get_place
from aggregator.model.tag import TagActivity
from aggregator.pipeline.compose import MAX_LATE, UNEDITED, choose_entries, compose_issue
from aggregator.pipeline.continuity import compare_coverage
from aggregator.pipeline.rank import order_stories, score_story
from aggregator.pipeline.tag import get_tags
from aggregator.storage import issues, stories, tags
from aggregator.storage.stories import StoryQuery
from aggregator.tasks.domains import open_domains
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.interests import get_interests

MENTIONED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is stored for a window, and what the newsletter's readers know."""

    stories: tuple[Story, ...]
    held: frozenset[EntryId]
    mailed: frozenset[StoryId]
    #: Of the mailed ones, those that the editor wants told again.
    recalled: frozenset[StoryId]
    first_start: datetime | None
    activity: tuple[tuple[str, tuple[int, ...]], ...]


def compose_draft(app: App, newsletter: Newsletter, draft: Issue | PlannedSlot) -> ComposedIssue | TooFew:
    """What the issue of ``draft``'s window holds now. Entries that have no story yet get one first."""
    start, end = draft.window_start, draft.window_end
    regroup_stories(app)
    known = _load(app, newsletter, draft)
    eligible = choose_entries(
        [entry for story in known.stories for entry in story.entries],
        window_start=start,
        window_end=end,
        first_window_start=known.first_start,
        held=known.held,
    )
    moved = {entry.story_id for entry in eligible}
    wanted = (moved - known.mailed) | known.recalled
    fresh = [_as_of(story, end, app) for story in known.stories if story.id in wanted]
    grown = [story for story in known.stories if story.id in moved and story.id in known.mailed - known.recalled]
    returning = [_as_of(story, end, app) for story in grown] if newsletter.developing else []
    counted = [entry for entry in eligible if entry.story_id in wanted or entry.effective_at >= start]
    named = get_tags(app.settings.tag_rules)
    news = _find_news([*fresh, *returning], known, start)
    return compose_issue(
        newsletter,
        slug=draft.slug,
        window_start=start,
        window_end=end,
        stories=order_stories(fresh, end),
        mentioned=[TagActivity(tag=named[slug], by_day=days) for slug, days in known.activity if slug in named][
            :MENTIONED
        ],
        entry_count=len(counted),
        feed_count=len({entry.feed_id for entry in counted}),
        developing=[s for s in order_stories(returning, end) if news[s.id].adds and get_place(s) >= 0],
        # An update is marked as one, even when the editor alone wants it told again.
        edits=draft.edits if isinstance(draft, Issue) else UNEDITED,
        continuity={number: said for number, said in news.items() if said.standing == "update" or said.adds},
    )


def _load(app: App, newsletter: Newsletter, draft: Issue | PlannedSlot) -> _Known:
    start, end = draft.window_start, draft.window_end
    with app.db.read() as conn:
        found = stories.list_stories(conn, StoryQuery(since=start - MAX_LATE, until=end, combined_only=True))
        recalled = issues.find_recalled(conn, newsletter.slug)
        recalled -= {story.id for story in found if get_place(story) < 0}
        missing = recalled - {story.id for story in found}
        older = stories.list_stories(conn, StoryQuery(ids=missing, until=end)) if missing else ()
        activity = tags.count_by_day(conn, since=start, until=end, limit=MENTIONED * 4)
        return _Known(
            stories=(*found, *older),
            held=issues.held_entry_ids(conn, newsletter.slug),
            mailed=issues.mailed_story_ids(conn, newsletter.slug),
            recalled=recalled,
            first_start=issues.get_first_window_start(conn, newsletter.slug),
            activity=tuple(activity),
        )


def _as_of(story: Story, end: datetime, app: App) -> Story:
    """The story as it stood at the window's end: later coverage belongs to later issues."""
    entries = tuple(entry for entry in story.entries if entry.effective_at < end)
    if len(entries) == len(story.entries):
        return story
    score, reasons = score_story(entries, get_interests(app.settings), find_domain=open_domains())
    # The editor's word is about the story, whenever it was given.
    ruled = tuple(term for term in story.reasons if term.name in (PINNED, BURIED))
    score += sum(term.points for term in ruled)
    return replace(story, entries=entries, score=score, reasons=(*reasons, *ruled))


def _find_news(found: Collection[Story], known: _Known, start: datetime) -> Mapping[StoryId, Continuity]:
    """Of each story how it stands to what readers know. One of which an issue held an entry was told, whatever story
    that entry is in now."""
    news: dict[StoryId, Continuity] = {}
    for story in found:
        told = {entry.id for entry in story.entries if entry.id in known.held}
        mailed = bool(told) or story.id in known.mailed
        before = {entry.id for entry in story.entries if entry.effective_at < start}
        news[story.id] = compare_coverage(story, told if mailed else before, mailed=mailed)
    return news
