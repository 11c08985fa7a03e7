"""What pages and feeds show: stored things put together for one page. Never rendered here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from aggregator.model.entry import Entry
from aggregator.model.feed import Feed
from aggregator.model.newsletter import Issue
from aggregator.model.story import Story
from aggregator.model.tag import Tag, TagActivity


@dataclass(frozen=True, slots=True, kw_only=True)
class StoriesPage:
    """A list of ranked stories over a window: the front page, or one tag's page."""

    #: Empty on the front page.
    tag: Tag | None
    window_start: datetime
    window_end: datetime
    stories: tuple[Story, ...]
    #: Every entry of the window, newest first.
    river: tuple[Entry, ...]
    entry_count: int
    feed_count: int
    story_count: int
    mentioned: tuple[TagActivity, ...]
    issues: tuple[Issue, ...]
    #: slug -> Tag, for the names of the tags that the stories bear.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TagCount:
    """A tag and how many entries bear it."""

    tag: Tag
    entry_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TagsPage:
    """All tags that at least one entry bears."""

    tags: tuple[TagCount, ...]
    mentioned: tuple[TagActivity, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsPage:
    """Whom we read."""

    feeds: tuple[Feed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsletterIssues:
    """A newsletter with its issues that readers may see, newest first."""

    slug: str
    title: str
    issues: tuple[Issue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuesPage:
    """The archive."""

    newsletters: tuple[NewsletterIssues, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuePage:
    """One past issue with its frozen body and its neighbours."""

    issue: Issue
    newsletter_title: str
    #: `RenderedIssue.web_html`, as it was frozen.
    web_html: str
    previous: Issue | None = None
    next: Issue | None = None
