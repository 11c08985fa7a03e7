"""What an issue holds and what stands where in it. Never ranks, renders or sends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId, StoryId
from aggregator.model.language import get_primary
from aggregator.model.newsletter import ComposedIssue, Continuity, IssueEdits, Newsletter, Section, TooFew
from aggregator.model.story import Story, get_place
from aggregator.model.tag import TagActivity

#: An entry that comes to us later than this after its own window is no news any more.
MAX_LATE = timedelta(days=7)
#: Of so many stories at the head of an issue only a few are of one company, or of one feed.
SPREAD = 10
UNEDITED = IssueEdits()


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
    developing: Sequence[Story] = (),
    continuity: Mapping[StoryId, Continuity] | None = None,
    edits: IssueEdits = UNEDITED,
) -> ComposedIssue | TooFew:
    """Lay out the stories, best first (`rank.order_stories`), that pass the newsletter's filter: top, brief, more.

    The caller leaves out stories that were mailed already, but for ``developing`` (best first, each in ``continuity``).
    A story none of whose entries lies before the window's end is left out here. Returns `TooFew` when fewer than
    ``min_stories`` are left; its ``reason`` is for the skipped row. What the editor drops counts: he may make an issue
    short, and only one without any story is none. What ``edits`` name and is not there is passed over.
    """
    passing = [
        story
        for story in stories
        if _passes(newsletter, story) and any(entry.effective_at < window_end for entry in story.entries)
    ]
    chosen = spread_stories(passing, per_company=newsletter.per_company, per_feed=newsletter.per_feed)
    # An issue of nothing is none, whatever the editor allows.
    if len(chosen) < max(newsletter.min_stories, 1):
        return TooFew(found=len(chosen), wanted=max(newsletter.min_stories, 1))
    chosen = tuple(_retell(story, edits) for story in chosen if story.id not in edits.dropped)
    if not chosen:
        return TooFew(found=0, wanted=1)
    top, brief, more = _lay_out(newsletter, chosen, edits)
    kept = [
        _retell(story, edits) for story in developing if _passes(newsletter, story) and story.id not in edits.dropped
    ]
    returning = kept[: newsletter.developing]
    shown = {story.id for story in (*chosen, *returning)}
    return ComposedIssue(
        newsletter=newsletter,
        slug=slug,
        window_start=window_start,
        window_end=window_end,
        top=top,
        brief=brief,
        more=more,
        entry_count=entry_count,
        feed_count=feed_count,
        mentioned=tuple(mentioned),
        developing=tuple(returning),
        continuity={number: news for number, news in (continuity or {}).items() if number in shown},
    )


def _retell(story: Story, edits: IssueEdits) -> Story:
    """With the editor's headline and excerpt in place of the source's."""
    for number, headline, excerpt in edits.texts:
        if number == story.id:
            lead = replace(story.lead, title=headline or story.lead.title, excerpt=excerpt or story.lead.excerpt)
            return replace(story, entries=(lead, *story.others))
    return story


def spread_stories(
    stories: Sequence[Story], *, per_company: int, per_feed: int, first: int = SPREAD
) -> tuple[Story, ...]:
    """The same stories, the first ones of many companies and feeds: of one company at most ``per_company``, of one
    feed at most ``per_feed`` stand among the ``first``, as long as others are there.

    What is pushed down keeps its order, and so does all else. A company is one that the lead's title names, or that
    speaks itself. What the editor pinned is never pushed down, and what is buried is never lifted.
    """
    ahead: list[Story] = []
    behind: list[Story] = []
    companies: Counter[str] = Counter()
    feeds: Counter[int] = Counter()
    for story in stories:
        named, place = find_companies(story), get_place(story)
        fits = all(companies[slug] < per_company for slug in named) and feeds[story.lead.feed_id] < per_feed
        if len(ahead) < first and (place > 0 or (place == 0 and fits)):
            ahead.append(story)
            companies.update(named)
            feeds[story.lead.feed_id] += 1
        else:
            behind.append(story)
    return (*ahead, *behind)


def find_companies(story: Story) -> frozenset[str]:
    """Whom a story is about first of all: slugs of companies in its lead's title, or whose own voice the lead is."""
    return frozenset(tag.slug for tag in story.lead.tags if tag.kind == "org" and tag.field in ("title", "feed", "url"))


_Stories = tuple[Story, ...]


def _lay_out(
    newsletter: Newsletter, stories: Sequence[Story], edits: IssueEdits
) -> tuple[_Stories, _Stories, _Stories]:
    """Top, brief and more, each in the order given. Where the editor's rules name a section for a story's lead, it
    comes before others there, as far as there is room, and never above. What he placed by hand comes first of all,
    whatever the room."""
    by_id = {story.id: story for story in stories}
    placed: dict[Section, list[Story]] = {"top": [], "brief": [], "more": []}
    for number, section in edits.placed:
        if (story := by_id.pop(number, None)) is not None:
            placed[section].append(story)
    room = newsletter.top_stories - len(placed["top"])
    top, rest = _take(tuple(by_id.values()), max(room, 0), "top", refused=("brief", "more"))
    room = newsletter.brief_stories - len(placed["brief"])
    brief, more = _take(rest, max(room, 0), "brief", refused=("more",))
    top, brief, more = (*placed["top"], *top), (*placed["brief"], *brief), (*placed["more"], *more)
    if not top and not brief:  # a mail holds one story at least
        return (), more[:1], more[1:]
    return top, brief, more


def _take(
    stories: Sequence[Story], room: int, section: Section, *, refused: Collection[str]
) -> tuple[_Stories, _Stories]:
    wanted = [story for story in stories if story.lead.section == section]
    others = [story for story in stories if story.lead.section not in (section, *refused)]
    taken = {story.id for story in [*wanted, *others][:room]}
    inside = tuple(story for story in stories if story.id in taken)
    return inside, tuple(story for story in stories if story.id not in taken)


def _passes(newsletter: Newsletter, story: Story) -> bool:
    """Tell whether a story bears one of the tags, and one of the languages, that the newsletter is about."""
    if newsletter.filter_tags:
        tags = {evidence.slug for entry in story.entries for evidence in entry.tags}
        if tags.isdisjoint(newsletter.filter_tags):
            return False
    if newsletter.filter_languages:
        wanted = {get_primary(language) for language in newsletter.filter_languages}
        return not wanted.isdisjoint(get_primary(entry.language) for entry in story.entries)
    return True


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
