"""Looks for mistakes that a configuration can have although it can be read. Never touches the database, the network or
a file; what it renders is an invented story of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from aggregator.errors import RenderError
from aggregator.model.entry import Entry
from aggregator.model.feed import Feed, FeedSpec
from aggregator.model.ids import EntryId, FeedId, IssueId, StoryId
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
from aggregator.model.newsletter import ComposedIssue, Issue, Newsletter
from aggregator.model.settings import Settings, Site
from aggregator.model.shown import (
    EntryPage,
    IssuePage,
    RiverPage,
    StoriesPage,
    StoryPage,
)
from aggregator.model.story import ScoreTerm, Story
from aggregator.model.tag import Tag, TagActivity, TagEvidence
from aggregator.pipeline.coverage import compare_reports
from aggregator.pipeline.query import fold_sign, read_query
from aggregator.pipeline.tag import find_tags
from aggregator.render import lists
from aggregator.render import page as pages
from aggregator.render.items import make_story_item
from aggregator.render.marks import Marker
from aggregator.render.newsletter import render_issue
from aggregator.render.templates import Templates

_URL = "https://sample.example.org/one"
_TAG = Tag(slug="sample", kind="topic", name="Sample")
_TAGS = {_TAG.slug: _TAG}


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


def _try_all(settings: Settings, templates: Templates, now: datetime) -> Iterator[str]:
    tries = [
        *_list_mails(settings, templates, now),
        *_list_pages(settings.site, templates, now),
    ]
    for make in tries:
        try:
            make()
        except RenderError as error:
            yield str(error)


def _list_mails(settings: Settings, templates: Templates, now: datetime) -> Iterator[Callable[[], object]]:
    for newsletter in settings.newsletters:
        archive = f"{settings.site.url}/issues/{newsletter.slug}/sample"
        composed = _compose(newsletter, now)
        yield lambda composed=composed, archive=archive: render_issue(  # type: ignore[misc]
            composed, site=settings.site, tags=_TAGS, templates=templates, archive_url=archive
        )


def _list_pages(site: Site, templates: Templates, now: datetime) -> tuple[Callable[[], object], ...]:
    story, issue = _make_story(now), _make_issue(now)
    front = _make_front(story, issue, now, tag=None)
    past = IssuePage(issue=issue, newsletter_title="Sample", web_html="<p>Sample</p>", previous=issue, next=issue)
    entry = EntryPage(entry=story.lead, content_html="<p>Sample</p>", story=story, tags=_TAGS)
    told = StoryPage(story=story, tags=_TAGS, reports=compare_reports(story, {}, {}))
    one = replace(front, language="en")
    older = RiverPage(
        tag=_TAG, language="", before_id=EntryId(1), river=front.river, older_id=EntryId(1), newer_id=None, tags=_TAGS
    )
    return (
        lambda: pages.render_front(front, site=site, templates=templates),
        lambda: pages.render_tag(_make_front(story, issue, now, tag=_TAG), site=site, templates=templates),
        lambda: pages.render_entry(entry, site=site, templates=templates),
        lambda: pages.render_story(told, site=site, templates=templates),
        lambda: pages.render_language(one, site=site, templates=templates),
        lambda: pages.render_river(older, site=site, templates=templates),
        *_list_lists(site, templates, now, story.entries, issue),
        lambda: make_story_item(
            story, feed=_make_feed(now), tags=_TAGS, site=site, feed_id=story.atom_id, templates=templates
        ),
        lambda: pages.render_issue(past, site=site, templates=templates),
        lambda: pages.render_unsubscribe(site, templates=templates, newsletter_title="Sample", address="a@example.org"),
        lambda: pages.render_error(site, 404, "Sample", templates=templates),
    )


def _list_lists(
    site: Site, templates: Templates, now: datetime, entries: tuple[Entry, ...], issue: Issue
) -> tuple[Callable[[], object], ...]:
    feed, count, month = (
        _make_feed(now),
        TagCount(tag=_TAG, entry_count=2),
        IssueMonth(slug="2026-01", at=now, issue_count=1),
    )
    newsletter = NewsletterIssues(
        slug="sample", title="Sample", issues=(issue,), headlines={issue.id: entries}, months=(month,)
    )
    feeds = FeedsPage(feeds=(feed,), feed_count=1, min_interval=timedelta(minutes=30))
    one_feed = FeedPage(feed=feed, entries=entries, entry_count=2, by_week=(0, 2), now=now)
    follow = FollowPage(newest=entries, tags=(_TAG,), languages=(), newsletters=(("sample", "Sample"),), feed_count=1)
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


# One invented story.


def _make_entry(number: int, now: datetime) -> Entry:
    return Entry(
        id=EntryId(number),
        feed_id=FeedId(1),
        feed_url="https://sample.example.org/feed.xml",
        feed_name="Sample",
        feed_weight=1.0,
        guid=f"sample-{number}",
        atom_id=f"tag:sample.example.org,2026:{number}",
        url=_URL,
        canonical_url=_URL,
        title="A sample of a headline",
        author="Somebody",
        language="en",
        excerpt="The first sentence of a sample. And the second.",
        reading_minutes=3,
        published_at=now,
        updated_at=now,
        first_seen_at=now,
        effective_at=now,
        story_id=StoryId(1),
        categories=("Sample",),
        tags=(TagEvidence(slug=_TAG.slug, kind="topic", field="title", found="sample", rule="alias"),),
    )


def _make_story(now: datetime) -> Story:
    return Story(
        id=StoryId(1),
        atom_id="tag:sample.example.org,2026:story/1",
        updated_at=now,
        score=1.5,
        reasons=(ScoreTerm(name="sources", value="2", points=1.5),),
        entries=(_make_entry(1, now), _make_entry(2, now)),
    )


def _make_activity() -> TagActivity:
    return TagActivity(tag=_TAG, by_day=(0, 1, 2, 0, 3, 1, 1))


def _make_front(story: Story, issue: Issue, now: datetime, *, tag: Tag | None) -> StoriesPage:
    return StoriesPage(
        tag=tag,
        window_start=now - timedelta(days=7),
        window_end=now,
        stories=(story,),
        river=story.entries,
        entry_count=2,
        feed_count=1,
        story_count=1,
        mentioned=(_make_activity(),),
        issues=(issue,),
        tags=_TAGS,
        by_week=(1, 2) if tag else (),
    )


def _make_issue(now: datetime) -> Issue:
    return Issue(
        id=IssueId(1),
        newsletter="sample",
        slug="sample",
        slot_at=now,
        window_start=now - timedelta(days=7),
        window_end=now,
        state="sent",
        reason="",
        subject="A sample of a subject",
        frozen_at=now,
        sent_at=now,
        story_count=1,
        deliveries=(("sent", 1),),
    )


def _compose(newsletter: Newsletter, now: datetime) -> ComposedIssue:
    story = _make_story(now)
    return ComposedIssue(
        newsletter=newsletter,
        slug="sample",
        window_start=now - timedelta(days=7),
        window_end=now,
        top=(story,),
        brief=(story,),
        more=(story,),
        entry_count=2,
        feed_count=1,
        mentioned=(_make_activity(),),
    )


def _make_feed(now: datetime) -> Feed:
    return Feed(
        id=FeedId(1),
        spec=FeedSpec(url="https://sample.example.org/feed.xml", title="Sample"),
        state="active",
        title="Sample",
        site_url="https://sample.example.org/",
        language="en",
        atom_id="",
        rights="",
        author="",
        feed_updated_at=now,
        etag="",
        last_modified="",
        body_hash="",
        last_fetched_at=now,
        last_status=200,
        first_imported_at=now,
        next_due_at=now,
        next_due_reason="every 30 minutes",
        failures=0,
        failure_class="",
        failure_reason="",
        entry_count=2,
    )
