"""What an issue holds and what stands where in it. Never ranks, renders or sends."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId
from aggregator.model.newsletter import ComposedIssue, Newsletter, TooFew
from aggregator.model.story import Story
from aggregator.model.tag import TagActivity

#: An entry that comes to us later than this after its own window is no news any more.
MAX_LATE = timedelta(days=7)


def choose_entries(
    entries: Sequence[Entry],
    *,
    window_start: datetime,
    window_end: datetime,
    first_window_start: datetime | None,
    held: Collection[EntryId] = (),
) -> tuple[Entry, ...]:
    """Return the entries that belong to the issue of [window_start, window_end), in the order given.

    An issue holds everything of its window that was there when it was frozen; so what no issue holds (``held``) and is
    at most seven days older than the window came too late for its own issue and belongs to this one. No clock is asked
    when it came. Before ``first_window_start``, where the newsletter's first issue began (None: this is the first),
    there was nothing to be late for.
    """
    earliest = window_start
    if first_window_start is not None:
        earliest = min(window_start, max(window_start - MAX_LATE, first_window_start))
    return tuple(entry for entry in entries if entry.id not in held and earliest <= entry.effective_at < window_end)


def compose_issue(
    newsletter: Newsletter,
    *,
    slug: str,
    window_start: datetime,
    window_end: datetime,
    stories: Sequence[Story],
    mentioned: Sequence[TagActivity] = (),
    entry_count: int,
    feed_count: int,
) -> ComposedIssue | TooFew:
    """Lay out the stories, best first (`rank.order_stories`), that pass the newsletter's filter: top, brief, more.

    The caller leaves out stories that were mailed already. A story none of whose entries lies before the window's end
    is left out here. Returns `TooFew` when fewer than ``min_stories`` are left; its ``reason`` is for the skipped row.
    """
    chosen = [
        story
        for story in stories
        if _passes(newsletter, story) and any(entry.effective_at < window_end for entry in story.entries)
    ]
    # An issue of nothing is none, whatever the editor allows.
    if len(chosen) < max(newsletter.min_stories, 1):
        return TooFew(found=len(chosen), wanted=max(newsletter.min_stories, 1))
    top_end = newsletter.top_stories
    brief_end = top_end + newsletter.brief_stories
    return ComposedIssue(
        newsletter=newsletter,
        slug=slug,
        window_start=window_start,
        window_end=window_end,
        top=tuple(chosen[:top_end]),
        brief=tuple(chosen[top_end:brief_end]),
        more=tuple(chosen[brief_end:]),
        entry_count=entry_count,
        feed_count=feed_count,
        mentioned=tuple(mentioned),
    )


def _passes(newsletter: Newsletter, story: Story) -> bool:
    """Tell whether a story bears one of the tags, and one of the languages, that the newsletter is about."""
    if newsletter.filter_tags:
        tags = {evidence.slug for entry in story.entries for evidence in entry.tags}
        if tags.isdisjoint(newsletter.filter_tags):
            return False
    if newsletter.filter_languages:
        wanted = {_get_primary(language) for language in newsletter.filter_languages}
        return not wanted.isdisjoint(_get_primary(entry.language) for entry in story.entries)
    return True


def _get_primary(language: str) -> str:
    return language.partition("-")[0].lower()


def shrink_issue(issue: ComposedIssue) -> ComposedIssue | None:
    """Return the issue with its lowest story in the mail moved one section down, or None when nothing is left to move.

    Briefs go to the web first; then a top story becomes a brief, and so on. The order of the stories stays, and the
    mail keeps at least one.
    """
    if issue.brief and (issue.top or len(issue.brief) > 1):
        return replace(issue, brief=issue.brief[:-1], more=(issue.brief[-1], *issue.more))
    if issue.top and not issue.brief:
        return replace(issue, top=issue.top[:-1], brief=(issue.top[-1],))
    return None
