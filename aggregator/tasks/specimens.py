"""Invented things to try templates with: one story, its feed, an issue that held it. Never of the database."""

from __future__ import annotations

from datetime import datetime, timedelta

from aggregator.model.entry import Entry
from aggregator.model.feed import Feed, FeedSpec
from aggregator.model.ids import EntryId, FeedId, IssueId, StoryId
from aggregator.model.newsletter import Issue, Newsletter
from aggregator.model.shown import StoriesPage
from aggregator.model.story import ScoreTerm, Story
from aggregator.model.tag import Tag, TagActivity, TagEvidence

URL = "https://sample.example.org/one"
TAG = Tag(slug="sample", kind="topic", name="Sample")
TAGS = {TAG.slug: TAG}


def make_entry(number: int, now: datetime) -> Entry:
    return Entry(
        id=EntryId(number),
        feed_id=FeedId(1),
        feed_url="https://sample.example.org/feed.xml",
        feed_name="Sample",
        feed_weight=1.0,
        guid=f"sample-{number}",
        atom_id=f"tag:sample.example.org,2026:{number}",
        url=URL,
        canonical_url=URL,
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
        tags=(TagEvidence(slug=TAG.slug, kind="topic", field="title", found="sample", rule="alias"),),
    )


def make_story(now: datetime) -> Story:
    return Story(
        id=StoryId(1),
        atom_id="tag:sample.example.org,2026:story/1",
        updated_at=now,
        score=1.5,
        reasons=(ScoreTerm(name="sources", value="2", points=1.5),),
        entries=(make_entry(1, now), make_entry(2, now)),
    )


def make_activity() -> TagActivity:
    return TagActivity(tag=TAG, by_day=(0, 1, 2, 0, 3, 1, 1))


def make_front(story: Story, issue: Issue, now: datetime, *, tag: Tag | None) -> StoriesPage:
    return StoriesPage(
        tag=tag,
        window_start=now - timedelta(days=7),
        window_end=now,
        stories=(story,),
        river=story.entries,
        entry_count=2,
        feed_count=1,
        story_count=1,
        mentioned=(make_activity(),),
        issues=(issue,),
        tags=TAGS,
        by_week=(1, 2) if tag else (),
    )


def make_newsletter() -> Newsletter:
    """With all that people can choose."""
    return Newsletter(
        slug="sample",
        title="Sample",
        schedule="0 8 * * 1",
        timezone="UTC",
        description="A sample of a description",
        topics=(TAG.slug,),
        languages=("ja",),
    )


def make_issue(now: datetime) -> Issue:
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


def make_feed(now: datetime) -> Feed:
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
