"""What the issue of a window holds: entries, stories, their order, and what is new about each. Never renders.

A window may hold ten thousands of stories. `compose_draft` looks at all of them, as it must be before an issue is
frozen; `glance_at_draft` at the best only, so that an editor who looks does not wait.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
from aggregator.storage import entries, issues, stories, tags
from aggregator.storage.entries import EntryQuery
from aggregator.storage.paging import Connection
from aggregator.storage.stories import StoryQuery
from aggregator.tasks.domains import open_domains
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.interests import get_interests

MENTIONED = 6
#: Stories that a glance looks at: several times as many as a mail holds.
GLANCED = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is stored for a window, and what the newsletter's readers know."""

    stories: tuple[Story, ...]
    held: frozenset[EntryId]
    mailed: frozenset[StoryId]
    #: Of the mailed ones, those that the editor wants told again.
    recalled: frozenset[StoryId]
    first_start: datetime | None
    activity: tuple[tuple[str, tuple[int, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowCounts:
    """What is counted over all entries of a window, which takes a moment: to be kept for a while."""

    entry_count: int
    feed_count: int
    activity: tuple[tuple[str, tuple[int, ...]], ...]


def compose_draft(app: App, newsletter: Newsletter, draft: Issue | PlannedSlot) -> ComposedIssue | TooFew:
    """What the issue of ``draft``'s window holds now. Entries that have no story yet get one first."""
    regroup_stories(app)
    with app.db.read() as conn:
        known = _load(conn, newsletter, draft)
    return _compose(app, newsletter, draft, known)


def glance_at_draft(
    app: App, newsletter: Newsletter, draft: Issue, counts: WindowCounts | None = None
) -> ComposedIssue | TooFew:
    """As `compose_draft`, but of the window's stories only the best `GLANCED` that were not told, those that the editor
    placed, and those that grew: what is at the head is the same, ``more`` is shorter. Nothing is grouped for it.

    ``counts``: how many entries and feeds it says there are, and what is mentioned most; None: of what it looked at.
    """
    with app.db.read() as conn:
        known = _load_best(conn, newsletter, draft)
    composed = _compose(app, newsletter, draft, replace(known, activity=counts.activity if counts else ()))
    if counts is None or isinstance(composed, TooFew):
        return composed
    return replace(composed, entry_count=counts.entry_count, feed_count=counts.feed_count)


def count_window(conn: Connection, draft: Issue) -> WindowCounts:
    """For `glance_at_draft`."""
    window = EntryQuery(since=draft.window_start, until=draft.window_end, combined_only=True)
    entry_count, feed_count = entries.count_window(conn, window)
    return WindowCounts(entry_count=entry_count, feed_count=feed_count, activity=_count_mentioned(conn, draft))


def find_held(app: App, newsletter: Newsletter, draft: Issue, ids: Collection[StoryId]) -> frozenset[StoryId]:
    """Of these stories those that the draft holds, or would hold if there were room for all that grew."""
    with app.db.read() as conn:
        known = _load_among(conn, newsletter, draft, ids)
    wide = replace(newsletter, min_stories=1, developing=len(ids) if newsletter.developing else 0)
    composed = _compose(app, wide, replace(draft, edits=UNEDITED), known)
    if isinstance(composed, TooFew):
        return frozenset()
    held = (*composed.top, *composed.brief, *composed.more, *composed.developing)
    return frozenset(story.id for story in held)


def _compose(app: App, newsletter: Newsletter, draft: Issue | PlannedSlot, known: _Known) -> ComposedIssue | TooFew:
    start, end = draft.window_start, draft.window_end
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


def _load(conn: Connection, newsletter: Newsletter, draft: Issue | PlannedSlot) -> _Known:
    found = stories.list_stories(conn, _select_window(draft))
    return replace(_know(conn, newsletter, draft, found), activity=_count_mentioned(conn, draft))


def _load_best(conn: Connection, newsletter: Newsletter, draft: Issue) -> _Known:
    window = _select_window(draft)
    found = {story.id: story for story in stories.list_untold(conn, window, newsletter.slug, limit=GLANCED)}
    if newsletter.developing:
        lately = replace(window, since=draft.window_start)
        found |= {story.id: story for story in stories.list_best(conn, lately, limit=GLANCED)}
    if placed := {number for number, _ in draft.edits.placed} - found.keys():
        found |= {story.id: story for story in stories.list_stories(conn, replace(window, ids=placed))}
    return _know(conn, newsletter, draft, tuple(found.values()))


def _load_among(conn: Connection, newsletter: Newsletter, draft: Issue, ids: Collection[StoryId]) -> _Known:
    known = _know(conn, newsletter, draft, stories.list_stories(conn, replace(_select_window(draft), ids=ids)))
    recalled = known.recalled & frozenset(ids)
    return replace(known, stories=tuple(s for s in known.stories if s.id in ids), recalled=recalled)


def _select_window(draft: Issue | PlannedSlot) -> StoryQuery:
    return StoryQuery(since=draft.window_start - MAX_LATE, until=draft.window_end, combined_only=True)


def _count_mentioned(conn: Connection, draft: Issue | PlannedSlot) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tags.count_by_day(conn, since=draft.window_start, until=draft.window_end, limit=MENTIONED * 4)


def _know(conn: Connection, newsletter: Newsletter, draft: Issue | PlannedSlot, found: Sequence[Story]) -> _Known:
    """What was found, with what the editor wants told again, and what of all this was told."""
    recalled = issues.find_recalled(conn, newsletter.slug)
    recalled -= {story.id for story in found if get_place(story) < 0}
    missing = recalled - {story.id for story in found}
    older = stories.list_stories(conn, StoryQuery(ids=missing, until=draft.window_end)) if missing else ()
    known = (*found, *older)
    members = {entry.id for story in known for entry in story.entries}
    return _Known(
        stories=known,
        held=issues.held_entry_ids(conn, newsletter.slug, among=members),
        mailed=issues.mailed_story_ids(conn, newsletter.slug, among={story.id for story in known}),
        recalled=recalled,
        first_start=issues.get_first_window_start(conn, newsletter.slug),
    )


def _as_of(story: Story, end: datetime, app: App) -> Story:
    """The story as it stood at the window's end: later coverage belongs to later issues."""
    standing = tuple(entry for entry in story.entries if entry.effective_at < end)
    if len(standing) == len(story.entries):
        return story
    score, reasons = score_story(standing, get_interests(app.settings), find_domain=open_domains())
    # The editor's word is about the story, whenever it was given.
    ruled = tuple(term for term in story.reasons if term.name in (PINNED, BURIED))
    score += sum(term.points for term in ruled)
    return replace(story, entries=standing, score=score, reasons=(*reasons, *ruled))


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
