"""The invented stories as a feed that is published, and hostile ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from aggregator.model.entry import Entry
from aggregator.model.parsed import Enclosure
from aggregator.model.published import FeedItem, FeedPlaces, PublishedFeed
from aggregator.model.story import Story
from aggregator.render.items import make_story_item
from aggregator.render.templates import load_templates
from tests.render.samples import FEEDS, NOW, SITE, STORIES, TAGS

TEMPLATES = load_templates()
FEED_ID = "tag:news.example.org,2025-11-01:feed"
any_text = st.text(st.characters(exclude_categories=()), max_size=60)


def make_item(story: Story, **changes: Any) -> FeedItem:
    """``story`` as an item, with arguments of `make_story_item` replaced."""
    arguments: dict[str, Any] = {
        "feed": FEEDS.get(story.lead.feed_id),
        "tags": TAGS,
        "site": SITE,
        "feed_id": FEED_ID,
        "templates": TEMPLATES,
    }
    return make_story_item(story, **(arguments | changes))


def make_feed(*items: FeedItem, **changes: Any) -> PublishedFeed:
    """A feed of ``items`` with some of its values replaced."""
    feed = PublishedFeed(
        id=FEED_ID,
        title=SITE.title,
        subtitle=SITE.description,
        language=SITE.language,
        author=SITE.author,
        self_url=f"{SITE.url}/feed.atom",
        page_url=f"{SITE.url}/",
        updated_at=NOW,
        items=items,
        other_formats={"rss": f"{SITE.url}/feed.rss", "json": f"{SITE.url}/feed.json"},
        scheme=f"{SITE.url}/tags/",
    )
    return replace(feed, **changes)


ITEMS = tuple(make_item(story) for story in STORIES)
FEED = make_feed(*ITEMS)
#: Every place that a document may have.
PLACES = FeedPlaces(
    first=f"{SITE.url}/feed.atom",
    previous=f"{SITE.url}/feed.atom?page=2",
    next=f"{SITE.url}/feed.atom?page=4",
    current=f"{SITE.url}/feed.atom",
    prev_archive=f"{SITE.url}/archive/7.atom",
    next_archive=f"{SITE.url}/archive/9.atom",
)


def make_hostile_entry(text: str) -> Entry:
    """``text`` in every field that a publisher fills."""
    return replace(
        STORIES[1].lead,
        title=text,
        author=text,
        excerpt=text,
        feed_name=text,
        language=text,
        url=f"https://a.example/{text}",
        enclosures=(Enclosure(url=f"https://a.example/{text}", type=text),),
    )


def make_hostile_item(text: str) -> FeedItem:
    """A story of which every member says nothing but ``text``, by a feed that does likewise."""
    entries = (make_hostile_entry(text), make_hostile_entry(text[::-1]))
    feed = FEEDS[entries[0].feed_id]
    spec = replace(feed.spec, title=text)
    hostile = replace(
        feed, spec=spec, title=text, atom_id=text, rights=text, author=text, language=text, site_url=f"https://a/{text}"
    )
    return make_item(replace(STORIES[1], entries=entries), feed=hostile)
