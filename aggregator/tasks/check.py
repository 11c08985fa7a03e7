"""Looks for mistakes that a configuration can have although it can be read. Never touches the database, the network or
a file; what it renders is an invented story of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from aggregator.errors import RenderError
from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId
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
    TagsOfKind,
    TagsPage,
)
from aggregator.model.newsletter import Issue
from aggregator.model.settings import Settings, Site
from aggregator.model.shown import (
    EntryPage,
    IssuePage,
    RiverPage,
    StoryPage,
)
from aggregator.pipeline.coverage import compare_reports
from aggregator.pipeline.query import fold_sign, read_query
from aggregator.pipeline.tag import find_tags
from aggregator.render import lists
from aggregator.render import page as pages
from aggregator.render.items import make_story_item
from aggregator.render.marks import Marker
from aggregator.render.templates import Templates
from aggregator.tasks.check_forms import list_forms
from aggregator.tasks.check_mails import find_mail_problems, find_mail_warnings
from aggregator.tasks.specimens import TAG, TAGS, make_feed, make_front, make_issue, make_story


def find_template_problems(settings: Settings, templates: Templates, now: datetime) -> tuple[str, ...]:
    """A line for every template that does not compile; when all do, for all that a sample cannot be rendered with."""
    problems = tuple(str(problem) for problem in templates.check())
    return problems or tuple(dict.fromkeys(_try_all(settings, templates, now)))


def find_idle_feed_tags(settings: Settings) -> Iterator[str]:
    """A sentence for each feed's tag that the taxonomy does not know: it is put on no entry."""
    idle: dict[str, list[str]] = {}
    for spec in settings.feeds:
        for tag in spec.tags:
            idle.setdefault(tag, []).append(spec.url)
    for tag, urls in idle.items():
        known = find_tags(
            title="", text="", categories=(), url="", language="", feed_tags=(tag,), rules=settings.tag_rules
        )
        if not known:
            more = f" and {len(urls) - 1} more feeds" if len(urls) > 1 else ""
            yield f'tag "{tag}" of {urls[0]}{more} is not in the taxonomy and is put on nothing (see docs/tags.md)'


def find_template_warnings(settings: Settings, templates: Templates, now: datetime) -> tuple[str, ...]:
    """A line for what the editor's templates had better not do."""
    return tuple(dict.fromkeys(find_mail_warnings(settings, templates, now)))


def _try_all(settings: Settings, templates: Templates, now: datetime) -> Iterator[str]:
    yield from find_mail_problems(settings, templates, now)
    for make in _list_pages(settings.site, templates, now):
        try:
            make()
        except RenderError as error:
            yield str(error)


def _list_pages(site: Site, templates: Templates, now: datetime) -> tuple[Callable[[], object], ...]:
    story, issue = make_story(now), make_issue(now)
    front = make_front(story, issue, now, tag=None)
    past = IssuePage(
        issue=issue, newsletter_title="Sample", web_html="<p>Sample</p>", is_open=True, previous=issue, next=issue
    )
    entry = EntryPage(entry=story.lead, content_html="<p>Sample</p>", story=story, tags=TAGS)
    told = StoryPage(story=story, tags=TAGS, reports=compare_reports(story, {}, {}))
    one = replace(front, language="en")
    older = RiverPage(
        tag=TAG, language="", before_id=EntryId(1), river=front.river, older_id=EntryId(1), newer_id=None, tags=TAGS
    )
    return (
        lambda: pages.render_front(front, site=site, templates=templates),
        lambda: pages.render_tag(make_front(story, issue, now, tag=TAG), site=site, templates=templates),
        lambda: pages.render_entry(entry, site=site, templates=templates),
        lambda: pages.render_story(told, site=site, templates=templates),
        lambda: pages.render_language(one, site=site, templates=templates),
        lambda: pages.render_river(older, site=site, templates=templates),
        *_list_lists(site, templates, now, story.entries, issue),
        *list_forms(site, templates),
        lambda: make_story_item(
            story, feed=make_feed(now), tags=TAGS, site=site, feed_id=story.atom_id, templates=templates
        ),
        lambda: pages.render_issue(past, site=site, templates=templates),
        lambda: pages.render_error(site, 404, "Sample", templates=templates),
    )


def _list_lists(
    site: Site, templates: Templates, now: datetime, entries: tuple[Entry, ...], issue: Issue
) -> tuple[Callable[[], object], ...]:
    feed, count, month = (
        make_feed(now),
        TagCount(tag=TAG, entry_count=2),
        IssueMonth(slug="2026-01", at=now, issue_count=1),
    )
    newsletter = NewsletterIssues(
        slug="sample", title="Sample", issues=(issue,), headlines={issue.id: entries}, months=(month,)
    )
    feeds = FeedsPage(feeds=(feed,), feed_count=1, min_interval=timedelta(minutes=30))
    one_feed = FeedPage(feed=feed, entries=entries, entry_count=2, by_week=(0, 2), now=now)
    follow = FollowPage(newest=entries, tags=(TAG,), languages=(), newsletters=(("sample", "Sample"),), feed_count=1)
    tags = TagsPage(kinds=(TagsOfKind(kind="topic", top=(count,), others=(count,), tag_count=2),))
    one_kind = TagKindPage(kind="topic", tags=(count,), tag_count=1)
    found = SearchPage(query=read_query("sample"), entries=entries, count=2)
    marker = Marker(found.query, fold_sign)
    return (
        lambda: lists.render_feeds(feeds, site=site, templates=templates),
        lambda: lists.render_feed(one_feed, site=site, templates=templates),
        lambda: lists.render_follow(follow, site=site, templates=templates),
        lambda: lists.render_issues(IssuesPage(newsletters=(newsletter,)), site=site, templates=templates),
        lambda: lists.render_tags(tags, site=site, templates=templates),
        lambda: lists.render_tag_kind(one_kind, site=site, templates=templates),
        lambda: lists.render_search(found, marker, site=site, templates=templates),
    )
