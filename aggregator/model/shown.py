"""What pages and feeds show: stored things put together for one page. Never rendered here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from aggregator.model.coverage import Report
from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId
from aggregator.model.newsletter import Issue
from aggregator.model.story import Story
from aggregator.model.tag import Tag, TagActivity


@dataclass(frozen=True, slots=True, kw_only=True)
class StoriesPage:
    """A list of ranked stories over a window with the river below them: the front page, one tag's, one language's."""

    #: None on the front page.
    tag: Tag | None
    window_start: datetime
    window_end: datetime
    stories: tuple[Story, ...]
    #: The newest entries, newest first.
    river: tuple[Entry, ...]
    entry_count: int
    feed_count: int
    story_count: int
    mentioned: tuple[TagActivity, ...]
    issues: tuple[Issue, ...]
    #: slug -> Tag, for the names of the tags that the stories bear.
    tags: Mapping[str, Tag]
    #: BCP 47 of the page of one language; empty otherwise.
    language: str = ""
    #: Older entries stand at ``before/ID``; None: there are none.
    older_id: EntryId | None = None
    #: Languages of the window's entries with how many there are, most first; on the front page only.
    languages: tuple[tuple[str, int], ...] = ()
    #: Of a tag: entries in each of the last weeks, oldest first, and when the last of them ends: at midnight, so that a
    #: page is the same all day when nothing happens.
    by_week: tuple[int, ...] = ()
    weeks_end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RiverPage:
    """Older entries: what stands below one entry, of everything, one tag or one language."""

    tag: Tag | None
    #: BCP 47; empty: all.
    language: str
    #: The entry it stands below.
    before_id: EntryId
    #: Newest first; never empty.
    river: tuple[Entry, ...]
    #: None: no older ones.
    older_id: EntryId | None
    #: The page above this one begins below that entry; None: it is the first page of all.
    newer_id: EntryId | None
    tags: Mapping[str, Tag]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPage:
    """One entry. An entry with an address of its own is shown by its excerpt; our own posts are shown whole."""

    entry: Entry
    #: Cleaned HTML (`pipeline.clean`), or empty: then the excerpt and a link to the publisher stand there.
    content_html: str
    #: The story it belongs to; None before grouping.
    story: Story | None
    tags: Mapping[str, Tag]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryPage:
    """One story with all its entries."""

    story: Story
    tags: Mapping[str, Tag]
    #: Its entries in the order they came, with what each adds.
    reports: tuple[Report, ...]
    #: Primary languages of its entries that have no page of their own.
    silent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuePage:
    """One past issue with its frozen body and its neighbours."""

    issue: Issue
    newsletter_title: str
    #: `RenderedIssue.web_html`, as it was frozen.
    web_html: str
    #: People may subscribe to the newsletter on the web.
    is_open: bool = False
    previous: Issue | None = None
    next: Issue | None = None
