"""The JSON Feed format, held against version 1.1's rules."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given

from aggregator.model.parsed import Enclosure
from aggregator.model.published import FeedItem, FeedPlaces
from aggregator.render.atom import render_atom
from aggregator.render.jsonfeed import render_json
from tests.render.checks import check_json
from tests.render.published import ITEMS, PLACES, any_text, make_feed, make_hostile_item
from tests.render.samples import FEEDS, SITE, STORIES

FEED = make_feed(*ITEMS, self_url=f"{SITE.url}/feed.json", places=PLACES, hub_url="https://hub.example.org/")


def read_item(item: FeedItem) -> dict[str, Any]:
    (found,) = check_json(render_json(make_feed(item)))["items"]
    return dict(found)


def test_the_sample_feed_is_what_version_1_1_asks_for() -> None:
    """All that the format has names for, and keys in one order."""
    feed = check_json(render_json(FEED))

    assert {key: value for key, value in feed.items() if key != "items"} == {
        "version": "https://jsonfeed.org/version/1.1",
        "title": SITE.title,
        "home_page_url": FEED.page_url,
        "feed_url": FEED.self_url,
        "description": SITE.description,
        "next_url": PLACES.next,
        "authors": [{"name": SITE.author}],
        "language": "en",
        "hubs": [{"type": "WebSub", "url": "https://hub.example.org/"}],
    }
    assert list(feed)[:2] == ["version", "title"]
    assert [item["id"] for item in feed["items"]] == [item.id for item in ITEMS]


def test_where_nothing_is_older_no_way_leads_there() -> None:
    """As everything that is empty, it is left out."""
    assert "next_url" not in check_json(render_json(replace(FEED, places=FeedPlaces())))


def test_an_item_says_what_it_is_and_where_it_comes_from() -> None:
    """The source is an extension; authors and tags are lists even when short."""
    item = read_item(ITEMS[0])
    feed = FEEDS[STORIES[0].lead.feed_id]

    assert item["url"] == ITEMS[0].url
    assert item["title"] == ITEMS[0].title
    assert item["content_html"] == ITEMS[0].content_html
    assert item["summary"] == STORIES[0].lead.excerpt
    assert item["authors"] == [{"name": ITEMS[0].author}]
    assert item["tags"] == [name for _, name in ITEMS[0].categories]
    assert item["language"] == "ja"
    assert datetime.fromisoformat(item["date_published"]) == ITEMS[0].published_at
    assert datetime.fromisoformat(item["date_modified"]) == ITEMS[0].updated_at
    assert item["_source"] == {
        "id": feed.atom_id,
        "title": feed.name,
        "url": feed.site_url,
        "feed_url": feed.spec.url,
        "rights": feed.rights,
    }


def test_dates_are_written_in_utc() -> None:
    """Whatever zone they came in; a zone of odd seconds would be no date at all."""
    odd = timezone(timedelta(hours=1, seconds=19))
    item = replace(ITEMS[0], updated_at=datetime(2025, 12, 1, 1, 0, 19, tzinfo=odd))

    assert read_item(item)["date_modified"] == "2025-12-01T00:00:00+00:00"
    assert b"<updated>2025-12-01T00:00:00+00:00<" in render_atom(make_feed(item))


def test_what_is_not_known_is_not_said() -> None:
    """No null, no empty text or list."""
    bare = replace(ITEMS[0], summary="", language="und", author="", categories=(), origin=None)

    assert set(read_item(bare)) == {"id", "url", "title", "content_html", "date_published", "date_modified"}


def test_every_enclosure_is_attached_and_the_image_is_shown() -> None:
    """A type is required, a size is not; 0 bytes is a size."""
    enclosures = (
        Enclosure(url="https://a.example/talk.mp3", type="audio/mpeg", length=0),
        Enclosure(url="https://a.example/b"),
    )
    item = read_item(replace(ITEMS[0], enclosures=enclosures, image_url="https://a.example/c.png"))

    assert item["image"] == "https://a.example/c.png"
    assert item["attachments"] == [
        {"url": "https://a.example/talk.mp3", "mime_type": "audio/mpeg", "size_in_bytes": 0},
        {"url": "https://a.example/b", "mime_type": "application/octet-stream"},
    ]


def test_an_item_that_cannot_be_written_costs_only_itself() -> None:
    """Half a character is no Unicode text, and no reader could take the document."""
    broken = (
        replace(ITEMS[1], id=""),
        replace(ITEMS[1], title="\ud800"),
        replace(ITEMS[1], published_at=datetime(2025, 12, 1)),  # noqa: DTZ001
        ITEMS[0],
    )
    feed = check_json(render_json(make_feed(ITEMS[0], *broken, ITEMS[3])))

    assert [item["id"] for item in feed["items"]] == [ITEMS[0].id, ITEMS[3].id]


def test_the_same_values_make_the_same_bytes() -> None:
    """A strong ETag depends on it."""
    assert render_json(FEED) == render_json(FEED)


@given(any_text)
@example("\ud800\x00\ufffe]]>")
@example("\ud83d\ude00")
@example("\x85\u2028&#0;")
def test_no_text_breaks_the_document(text: str) -> None:
    """Whatever a publisher or a searcher wrote: the feed stays whole and so does the next item."""
    feed = make_feed(make_hostile_item(text), ITEMS[0], title=text, subtitle=text, author=text, language=text)

    assert len(check_json(render_json(feed))["items"]) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"version": "https://jsonfeed.org/version/1"},
        {"title": None},
        {"author": {"name": "x"}},
        {"next_url": f"{SITE.url}/feed.json"},
        {"items": [{"id": "1"}]},
        {"items": [{"id": 1, "content_text": "x"}]},
        {"items": [{"id": "1", "content_text": "x", "date_published": "5 December 2025"}]},
        {"items": [{"id": "1", "content_text": "x", "attachments": [{"url": "https://a.example/"}]}]},
        {"items": [{"id": "1", "content_html": "<p onclick='x'>"}]},
    ],
)
def test_the_checks_refuse_what_the_format_forbids(change: dict[str, Any]) -> None:
    """Checks that took everything would prove nothing."""
    feed = json.loads(render_json(FEED)) | change

    with pytest.raises((AssertionError, KeyError)):
        check_json(json.dumps(feed).encode())
