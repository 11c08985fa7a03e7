"""Pages that list things: feeds, one feed, ways to follow, issues, tags, what a search found. Never chooses what they
list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby

from aggregator.model.entry import Entry
from aggregator.model.listed import (
    FeedPage,
    FeedsPage,
    FollowPage,
    IssueMonth,
    IssuesPage,
    NewsletterIssues,
    SearchPage,
    TagCount,
    TagKindPage,
    TagsPage,
)
from aggregator.model.newsletter import Issue
from aggregator.model.settings import Site
from aggregator.render.idiom import Idiom, get_own_name
from aggregator.render.initials import group_names
from aggregator.render.marks import Marker
from aggregator.render.page import get_idiom, render_page
from aggregator.render.tagnames import get_name
from aggregator.render.templates import Templates
from aggregator.render.words import get_feed_name, get_headline

#: An issue, the story whose headline it is called by, and others of its first.
_Told = tuple[Issue, Entry | None, list[Entry]]
#: So many feeds are found without letters above them.
_FEW_FEEDS = 20


def render_feeds(page: FeedsPage, *, site: Site, templates: Templates) -> str:
    """``/feeds`` and ``/feeds/page/N``: whom we read, by name, and how each of them stands."""
    groups = [("", list(page.feeds))] if page.feeds else []
    if page.feed_count > _FEW_FEEDS:
        groups = group_names(page.feeds, lambda feed: get_feed_name(feed.name))
    return render_page("feeds.html", site, templates, page=page, groups=groups)


def render_feed(page: FeedPage, *, site: Site, templates: Templates) -> str:
    """``/feeds/ID`` and ``/feeds/ID/before/ENTRY``: one feed and its entries."""
    since = page.now - timedelta(weeks=len(page.by_week))
    return render_page("feed.html", site, templates, page=page, since=since)


def render_follow(page: FollowPage, *, site: Site, templates: Templates) -> str:
    """``/feed``: the ways to follow, in words for people who never heard of feeds."""
    named = [(one.language, get_own_name(one.language)) for one in page.languages]
    return render_page("follow.html", site, templates, page=page, languages=[pair for pair in named if pair[1]])


def render_issues(page: IssuesPage, *, site: Site, templates: Templates) -> str:
    """``/issues/`` of every newsletter, ``/issues/NEWSLETTER`` of one, ``/issues/NEWSLETTER/2025-11`` a month of it."""
    say = get_idiom(site)
    archive = [(one, _group_months(one, say), _group_years(one)) for one in page.newsletters]
    return render_page("issues.html", site, templates, page=page, archive=archive)


def _group_months(newsletter: NewsletterIssues, say: Idiom) -> list[list[_Told]]:
    """Its issues by calendar month of the site's zone."""
    months = groupby(newsletter.issues, key=lambda issue: say.local_date(issue.slot_at).replace(day=1))
    return [[_tell(issue, newsletter.headlines.get(issue.id, ())) for issue in issues] for _, issues in months]


def _tell(issue: Issue, headlines: Sequence[Entry]) -> _Told:
    """An issue is called by its first headline, cut to what an inbox shows; here there is room for the whole."""
    said = issue.subject.rstrip("…")
    first = next((entry for entry in headlines if said and get_headline(entry).startswith(said)), None)
    return issue, first, [entry for entry in headlines if entry is not first]


def _group_years(newsletter: NewsletterIssues) -> list[tuple[str, list[IssueMonth]]]:
    """All its months by year."""
    return [(year, list(months)) for year, months in groupby(newsletter.months, key=lambda month: month.slug[:4])]


def render_tags(page: TagsPage, *, site: Site, templates: Templates) -> str:
    """``/tags/``: of each kind the most used tags with their counts, then the others."""
    return render_page("tags.html", site, templates, page=page, kind_page=None, groups=[])


def render_tag_kind(page: TagKindPage, *, site: Site, templates: Templates) -> str:
    """``/tags/all/KIND`` and ``/tags/all/KIND/N``: all tags of one kind by name."""

    def find_name(count: TagCount) -> str:
        return get_name(count.tag, site.language)

    return render_page(
        "tags.html", site, templates, page=None, kind_page=page, groups=group_names(page.tags, find_name)
    )


def render_search(page: SearchPage, mark: Marker, *, site: Site, templates: Templates) -> str:
    """``/search``: what was found, its words marked, or why there is nothing."""
    return render_page("search.html", site, templates, page=page, mark=mark)
