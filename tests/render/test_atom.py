"""The Atom feed, held against RFC 4287 and read back by two parsers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

import feedparser
import pytest
from hypothesis import given
from lxml import etree, html

from aggregator.model.parsed import Enclosure
from aggregator.model.published import FeedItem, PublishedFeed
from aggregator.render.atom import render_atom
from tests.render.published import (
    FEED,
    FEED_ID,
    ITEMS,
    any_text,
    make_feed,
    make_hostile_item,
    make_item,
)
from tests.render.samples import FEEDS, SITE, STORIES, with_lead

A = "{http://www.w3.org/2005/Atom}"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def read(feed: PublishedFeed) -> etree._Element:
    return etree.fromstring(render_atom(feed))


def read_entry(item: FeedItem) -> etree._Element:
    return one(read(make_feed(item)), "entry")


def one(element: etree._Element, name: str) -> etree._Element:
    found = element.findall(f"{A}{name}")
    assert len(found) == 1, f"{len(found)} elements {name}, not 1"
    return found[0]


def check_feed(feed: etree._Element) -> None:
    """RFC 4287 4.1 and 4.2: what must stand there once, what at most once, and in which form."""
    assert feed.tag == f"{A}feed"
    for element in (feed, *feed.findall(f"{A}entry")):
        assert urlsplit(one(element, "id").text).scheme
        assert one(element, "title").text
        check_date(one(element, "updated").text)
        assert all(author.findtext(f"{A}name") for author in element.findall(f"{A}author"))
        for link in element.findall(f"{A}link"):
            assert urlsplit(link.get("href")).scheme in ("http", "https")
        kinds = [(link.get("type"), link.get("hreflang")) for link in find_links(element, "alternate")]
        assert len(kinds) == len(set(kinds))
    assert feed.findall(f"{A}author") or all(entry.findall(f"{A}author") for entry in feed.findall(f"{A}entry"))
    ids = [entry.findtext(f"{A}id") for entry in feed.findall(f"{A}entry")]
    assert len(ids) == len(set(ids))


def check_date(text: str) -> None:
    assert datetime.fromisoformat(text).tzinfo is not None


def find_links(element: etree._Element, relation: str) -> list[etree._Element]:
    return [link for link in element.findall(f"{A}link") if link.get("rel", "alternate") == relation]


def test_the_sample_feed_is_what_rfc_4287_asks_for() -> None:
    """Structure of the feed and of each entry, and the feed's own links."""
    feed = read(FEED)

    check_feed(feed)
    assert feed.get(LANG) == "en"
    assert [link.get("href") for link in find_links(feed, "self")] == [FEED.self_url]
    assert {link.get("type"): link.get("href") for link in find_links(feed, "alternate")} == {
        "text/html": FEED.page_url,
        "application/rss+xml": FEED.other_formats["rss"],
        "application/feed+json": FEED.other_formats["json"],
    }
    assert one(feed, "generator").text
    assert one(feed, "subtitle").text == SITE.description
    assert len(feed.findall(f"{A}entry")) == len(STORIES)


def test_entries_keep_the_order_they_were_given_in() -> None:
    """feedgen by itself would turn it round."""
    ids = [entry.findtext(f"{A}id") for entry in read(FEED).findall(f"{A}entry")]

    assert ids == [story.atom_id for story in STORIES]


def test_the_same_values_make_the_same_bytes() -> None:
    """A strong ETag depends on it."""
    assert render_atom(FEED) == render_atom(FEED)


def test_an_entry_says_what_it_is_and_where_it_comes_from() -> None:
    """Language, dates, author, tags with scheme and label, source with its own id, links, date and rights."""
    story = STORIES[0]
    entry = read(FEED).find(f"{A}entry")
    source = one(entry, "source")

    assert entry.get(LANG) == "ja"
    assert one(entry, "title").text == story.lead.title
    assert datetime.fromisoformat(one(entry, "updated").text) == story.updated_at
    assert datetime.fromisoformat(one(entry, "published").text) == story.lead.published_at
    assert one(entry, "summary").text == story.lead.excerpt
    assert [dict(link.attrib) for link in entry.findall(f"{A}link")] == [
        {"rel": "alternate", "type": "text/html", "href": story.lead.url, "hreflang": "ja"}
    ]
    assert dict(entry.find(f"{A}category").attrib) == {
        "term": "kumo-cloud",
        "scheme": "https://news.example.org/tags/",
        "label": "Kumo Cloud",
    }
    feed = FEEDS[story.lead.feed_id]
    assert [source.findtext(f"{A}{name}") for name in ("id", "title", "rights")] == [
        feed.atom_id,
        feed.name,
        feed.rights,
    ]
    assert datetime.fromisoformat(source.findtext(f"{A}updated")) == feed.feed_updated_at
    assert {link.get("rel"): link.get("href") for link in source.findall(f"{A}link")} == {
        "self": feed.spec.url,
        "alternate": feed.site_url,
    }


def test_the_content_names_the_others_with_links() -> None:
    """Excerpt first, then every other source with its headline, then our tags."""
    content = one(read(FEED).find(f"{A}entry"), "content")
    fragment = html.fromstring(f"<div>{content.text}</div>")

    assert content.get("type") == "html"
    assert fragment.find("p").text == STORIES[0].lead.excerpt
    assert [link.get("href") for link in fragment.findall("ul/li/a")] == [entry.url for entry in STORIES[0].others]


def test_an_entry_without_an_address_links_to_our_page_of_it() -> None:
    """Posts of a folder, and feeds without links; the folder's path stays ours."""
    story = with_lead(STORIES[1], url="", feed_url="folder:/srv/newsroom/posts", feed_id=77)
    data = render_atom(make_feed(make_item(story)))
    entry = etree.fromstring(data).find(f"{A}entry")

    assert find_links(entry, "alternate")[0].get("href") == f"https://news.example.org/entries/{story.lead.id}"
    assert one(entry, "source").findtext(f"{A}id") == f"{FEED_ID}/77"
    assert b"/srv/newsroom" not in data


def test_enclosures_keep_type_and_length() -> None:
    """feedgen loses every attribute of an entry's link but href; ours are written by the extension."""
    good = Enclosure(url="https://a.example/talk.mp3", type="audio/mpeg", length=123)
    story = with_lead(
        STORIES[1], enclosures=(good, Enclosure(url="javascript:x"), Enclosure(url="https://a.example/b", type="?"))
    )
    links = find_links(read_entry(make_item(story)), "enclosure")

    assert [dict(link.attrib) for link in links] == [
        {"rel": "enclosure", "type": "audio/mpeg", "length": "123", "href": "https://a.example/talk.mp3"},
        {"rel": "enclosure", "href": "https://a.example/b"},
    ]


def test_a_story_that_cannot_be_written_costs_only_itself() -> None:
    """An id that is no IRI text at all, or one that stands there already."""
    broken = replace(ITEMS[1], id="")
    illegal = replace(ITEMS[2], id="tag:x\x00")
    lone = replace(ITEMS[4], title="\ud800")
    feed = read(make_feed(ITEMS[0], broken, illegal, ITEMS[0], lone, ITEMS[3]))

    assert [entry.findtext(f"{A}id") for entry in feed.findall(f"{A}entry")] == [ITEMS[0].id, ITEMS[3].id]


def test_a_feed_that_is_gone_is_still_named() -> None:
    """A removed feed leaves its entries, and they keep their source's name."""
    source = one(read_entry(make_item(STORIES[0], feed=None)), "source")

    assert source.findtext(f"{A}title") == STORIES[0].lead.feed_name


def test_feedparser_reads_back_what_was_written() -> None:
    """The reference parser finds titles, authors, dates, languages and sources."""
    parsed = feedparser.parse(render_atom(FEED))

    assert not parsed.bozo
    assert [entry.title for entry in parsed.entries] == [story.lead.title for story in STORIES]
    assert [entry.link for entry in parsed.entries] == [story.lead.url for story in STORIES]
    assert [entry.source.title for entry in parsed.entries] == [story.lead.feed_name for story in STORIES]
    assert [tuple(entry.published_parsed)[:6] for entry in parsed.entries] == [
        story.lead.effective_at.timetuple()[:6] for story in STORIES
    ]


@given(any_text)
def test_no_text_breaks_the_document(text: str) -> None:
    """Control characters, lone surrogates, markup, CDATA ends: the feed stays whole and so does the next entry."""
    feed = read(make_feed(make_hostile_item(text), ITEMS[0], title=text or "-", subtitle=text, author=text))

    check_feed(feed)
    assert len(feed.findall(f"{A}entry")) == 2


@pytest.mark.parametrize("text", ["]]>", "<script>alert(1)</script>", "\ud800\x00\ufffe", "&amp;lt;", "{{ 7*7 }}"])
def test_markup_in_a_field_stays_text_in_the_content(text: str) -> None:
    """Content is HTML by type: what a feed wrote as text must be text in it."""
    content = one(read_entry(make_hostile_item(text)), "content")
    fragment = html.fromstring(f"<div>{content.text}</div>")

    assert {element.tag for element in fragment.iter()} <= {"div", "p", "ul", "li", "a"}


def test_a_year_long_ago_is_still_a_date() -> None:
    """RFC 3339 wants four digits."""
    story = with_lead(STORIES[1], published_at=datetime(1, 1, 1, tzinfo=UTC))

    check_feed(read(make_feed(make_item(story))))


def test_the_content_says_where_an_entry_comes_from() -> None:
    """Few readers show ``atom:source``, so its name stands in what all of them show."""
    parsed = feedparser.parse(render_atom(FEED))

    for entry, story in zip(parsed.entries, STORIES, strict=True):
        assert story.lead.feed_name in entry.content[0].value
