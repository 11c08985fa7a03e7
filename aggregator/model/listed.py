"""What the pages show that list things: feeds, one feed, issues, tags, ways to follow. Never rendered here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aggregator.model.entry import Entry
from aggregator.model.feed import Feed
from aggregator.model.ids import EntryId, IssueId
from aggregator.model.newsletter import Issue
from aggregator.model.search import SearchQuery
from aggregator.model.tag import Tag, TagKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One page of a list by name: from which initial to which."""

    first: str
    last: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsPage:
    """Whom we read: one page of it, in the order of names."""

    feeds: tuple[Feed, ...]
    #: Which of ``leaves`` this is, from 1.
    number: int = 1
    leaves: tuple[Leaf, ...] = ()
    #: Of all pages.
    feed_count: int
    #: Of these, how many did not answer when they were last asked.
    failing_count: int = 0
    language_count: int = 0
    #: The shortest time between two looks at a feed.
    min_interval: timedelta
    user_agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """One feed that we read, with a page of its entries, newest first."""

    feed: Feed
    entries: tuple[Entry, ...]
    #: All that readers see of it.
    entry_count: int
    #: Entries in each of the last weeks before ``now``, oldest first; empty on older pages.
    by_week: tuple[int, ...] = ()
    now: datetime
    #: The entry before whose place the list begins; None: at the newest.
    before: EntryId | None = None
    has_more: bool = False
    #: When its newest entry came; None: it has none.
    newest_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageCount:
    """A primary language and how many of the feeds we read are in it."""

    language: str
    feed_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowPage:
    """The ways to follow, with the newest headlines as a taste."""

    newest: tuple[Entry, ...]
    tags: tuple[Tag, ...]
    languages: tuple[LanguageCount, ...]
    #: (slug, title) of each newsletter.
    newsletters: tuple[tuple[str, str], ...]
    feed_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueMonth:
    """A calendar month of the site's zone in which issues came out."""

    #: ``2025-11``, as it stands in addresses.
    slug: str
    #: An instant within it.
    at: datetime
    issue_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsletterIssues:
    """A newsletter with some of its issues that readers may see, newest first."""

    slug: str
    title: str
    issues: tuple[Issue, ...]
    #: The first stories of each issue, by their leads.
    headlines: Mapping[IssueId, tuple[Entry, ...]] = field(default_factory=dict)
    #: Every month that has an issue, newest first.
    months: tuple[IssueMonth, ...] = ()

    @property
    def issue_count(self) -> int:
        """Of all months."""
        return sum(month.issue_count for month in self.months)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuesPage:
    """The archive: of all newsletters, of one, or one month of one."""

    newsletters: tuple[NewsletterIssues, ...]
    #: It is the page of one newsletter.
    is_single: bool = False
    #: The month that is shown, and its neighbours that have issues.
    month: IssueMonth | None = None
    newer: IssueMonth | None = None
    older: IssueMonth | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TagCount:
    """A tag and how many entries bear it."""

    tag: Tag
    entry_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TagsOfKind:
    """Some tags of one kind: the most used with their counts, the others by name."""

    kind: TagKind
    top: tuple[TagCount, ...]
    #: In the order of names.
    others: tuple[TagCount, ...]
    #: Of this kind, shown or not.
    tag_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TagsPage:
    """The index of all tags that some entry bears."""

    kinds: tuple[TagsOfKind, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TagKindPage:
    """All tags of one kind by name, one page of them."""

    kind: TagKind
    tags: tuple[TagCount, ...]
    tag_count: int
    number: int = 1
    leaves: tuple[Leaf, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """What a search found, newest first, one page of it."""

    query: SearchQuery
    entries: tuple[Entry, ...] = ()
    #: All that were found, or as many as were counted.
    count: int = 0
    #: There may be more than ``count``.
    has_more: bool = False
    #: What ``before`` is for the next page; None: this is the last.
    older: int | None = None
    #: This is not the first page.
    is_older: bool = False
