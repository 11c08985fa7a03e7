"""The RSS format, held against the RSS Advisory Board's rules and read back by the reference parser."""

from __future__ import annotations

import locale
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import feedparser
import pytest
from hypothesis import example, given
from lxml import etree

from aggregator.model.parsed import Enclosure
from aggregator.model.published import FeedItem, FeedOrigin
from aggregator.render.rss import render_rss
from tests.render.checks import CONTENT, A, check_rss, find_links, load_grammar
from tests.render.published import FEED_ID, ITEMS, PLACES, any_text, make_feed, make_hostile_item
from tests.render.samples import FEEDS, NOW, SITE, STORIES

DC = "{http://purl.org/dc/elements/1.1/}"
MEDIA = "{http://search.yahoo.com/mrss/}"
OTHERS = {"atom": f"{SITE.url}/feed.atom", "json": f"{SITE.url}/feed.json"}
FEED = make_feed(*ITEMS, self_url=f"{SITE.url}/feed.rss", other_formats=OTHERS)
SOUND = Enclosure(url="https://a.example/talk.mp3", type="audio/mpeg", length=123)
PICTURE = Enclosure(url="https://a.example/p.png", type="image/png", length=7)
FULL = replace(FEED, places=PLACES, hub_url="https://hub.example.org/")


def read_item(item: FeedItem) -> etree._Element:
    found = check_rss(render_rss(make_feed(item))).findall("item")
    assert len(found) == 1
    return found[0]


def list_guids(channel: etree._Element) -> list[str | None]:
    return [item.findtext("guid") for item in channel.findall("item")]


def test_the_sample_feed_is_what_the_board_asks_for() -> None:
    """The channel's own elements; the date is that of what is in it, not the clock's."""
    channel = check_rss(render_rss(FEED))

    assert channel.findtext("title") == SITE.title
    assert channel.findtext("link") == FEED.page_url
    assert channel.findtext("description") == SITE.description
    assert channel.findtext("language") == "en"
    assert [date.text for date in channel.findall("lastBuildDate")] == ["Fri, 05 Dec 2025 09:00:00 +0000"]
    assert parsedate_to_datetime(channel.findtext("lastBuildDate") or "") == NOW
    assert {link.get("type"): link.get("href") for link in find_links(channel, "alternate")} == {
        "application/atom+xml": OTHERS["atom"],
        "application/feed+json": OTHERS["json"],
    }
    assert [link.get("href") for link in find_links(channel, "self")] == [FEED.self_url]
    assert list_guids(channel) == [item.id for item in ITEMS]


def test_the_other_documents_of_a_feed_are_linked() -> None:
    """Paging (RFC 5005) and WebSub go for RSS too, through Atom's link."""
    channel = check_rss(render_rss(FULL))
    found = {link.get("rel"): link.get("href") for link in channel.findall(f"{A}link")}

    assert found["hub"] == FULL.hub_url
    assert (found["first"], found["previous"], found["next"]) == (PLACES.first, PLACES.previous, PLACES.next)


def test_an_item_says_what_it_is_and_where_it_comes_from() -> None:
    """Identity without a permanent link, dates, author, tags with their domain, source with its feed's address."""
    item = read_item(ITEMS[0])
    feed = FEEDS[STORIES[0].lead.feed_id]
    guid, source = item.find("guid"), item.find("source")

    assert guid is not None and source is not None
    assert (guid.text, guid.get("isPermaLink")) == (ITEMS[0].id, "false")
    assert (source.text, source.get("url")) == (feed.name, feed.spec.url)
    assert item.findtext("link") == ITEMS[0].url
    assert parsedate_to_datetime(item.findtext("pubDate") or "") == ITEMS[0].published_at
    assert datetime.fromisoformat(item.findtext(f"{A}updated") or "") == ITEMS[0].updated_at
    assert [item.findtext(f"{DC}{name}") for name in ("creator", "language", "rights")] == [
        ITEMS[0].author,
        "ja",
        feed.rights,
    ]
    assert next((tag.text, tag.get("domain")) for tag in item.findall("category")) == (
        "Kumo Cloud",
        "https://news.example.org/tags/",
    )
    assert item.findtext("description") == STORIES[0].lead.excerpt
    assert item.findtext(CONTENT) == ITEMS[0].content_html


def test_a_source_that_is_not_public_is_named_by_its_page_or_not_at_all() -> None:
    """``<source>`` must have an address; a folder has none."""
    by_page = FeedOrigin(id=f"{FEED_ID}/7", title="Folder", page_url="https://folder.example/")
    nowhere = FeedOrigin(id=f"{FEED_ID}/7", title="Folder")

    source = read_item(replace(ITEMS[0], origin=by_page)).find("source")
    assert source is not None
    assert source.get("url") == "https://folder.example/"
    assert read_item(replace(ITEMS[0], origin=nowhere)).find("source") is None
    assert read_item(replace(ITEMS[0], origin=None)).find("source") is None


def test_one_enclosure_is_rss_and_the_rest_are_media() -> None:
    """Sound goes first: that is what readers of one enclosure play."""
    item = read_item(replace(ITEMS[1], enclosures=(PICTURE, SOUND), image_url=PICTURE.url))

    assert [dict(found.attrib) for found in item.findall("enclosure")] == [
        {"url": SOUND.url, "length": "123", "type": "audio/mpeg"}
    ]
    assert [dict(found.attrib) for found in item.findall(f"{MEDIA}content")] == [
        {"url": PICTURE.url, "fileSize": "7", "type": "image/png", "medium": "image"}
    ]
    assert [dict(found.attrib) for found in item.findall(f"{MEDIA}thumbnail")] == [{"url": PICTURE.url}]


def test_an_enclosure_of_unknown_size_and_type_has_what_the_rules_want() -> None:
    """All three attributes are required; the Board says 0 for a size that is not known."""
    item = read_item(replace(ITEMS[1], enclosures=(Enclosure(url="https://a.example/b"),)))
    enclosure = item.find("enclosure")

    assert enclosure is not None
    assert (enclosure.get("length"), enclosure.get("type")) == ("0", "application/octet-stream")


def test_plain_text_is_text_where_readers_expect_html() -> None:
    """A description is HTML by custom: an excerpt about a tag must not become one."""
    item = read_item(replace(ITEMS[1], summary="The <script> element & you"))

    assert item.findtext("description") == "The &lt;script&gt; element &amp; you"


def test_an_item_without_an_excerpt_has_its_content_for_description() -> None:
    """Then it stands once."""
    item = read_item(replace(ITEMS[1], summary=""))

    assert item.findtext("description") == ITEMS[1].content_html
    assert item.find(CONTENT) is None


def test_an_item_that_cannot_be_written_costs_only_itself() -> None:
    """As in every format."""
    broken = (
        replace(ITEMS[1], id=""),
        replace(ITEMS[1], title="\ud800"),
        replace(ITEMS[2], summary="\x0b"),
        replace(ITEMS[4], content_html="<p>\ufffe</p>"),
        ITEMS[0],
    )

    assert list_guids(check_rss(render_rss(make_feed(ITEMS[0], *broken, ITEMS[3])))) == [ITEMS[0].id, ITEMS[3].id]


def test_the_same_values_make_the_same_bytes_and_the_locale_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """feedgen writes dates by setting the locale of the process, which all threads share; ours are written without."""

    def refuse(*_: object) -> str:
        raise AssertionError("the locale of the process was set")

    monkeypatch.setattr(locale, "setlocale", refuse)

    assert render_rss(FULL) == render_rss(FULL)


def test_a_year_long_ago_is_still_a_date() -> None:
    """The profile wants four digits."""
    item = read_item(replace(ITEMS[1], published_at=datetime(1, 1, 1, tzinfo=UTC)))

    assert item.findtext("pubDate") == "Mon, 01 Jan 0001 00:00:00 +0000"


def test_feedparser_reads_back_what_was_written() -> None:
    """The reference parser finds the same in RSS as in Atom."""
    parsed = feedparser.parse(render_rss(FULL))

    assert not parsed.bozo
    assert parsed.version == "rss20"
    assert [entry.id for entry in parsed.entries] == [item.id for item in ITEMS]
    assert [entry.title for entry in parsed.entries] == [item.title for item in ITEMS]
    assert [entry.link for entry in parsed.entries] == [item.url for item in ITEMS]
    assert [entry.author for entry in parsed.entries] == [item.author for item in ITEMS]
    assert [entry.source.title for entry in parsed.entries] == [story.lead.feed_name for story in STORIES]


@given(any_text)
@example("\ud800\x00\ufffe]]>")
@example("\ud83d\ude00")
@example("\x85\u2028&#0;")
def test_no_text_breaks_the_document(text: str) -> None:
    """Whatever a publisher or a searcher wrote: the feed stays whole and so does the next item."""
    feed = make_feed(make_hostile_item(text), ITEMS[0], title=text, subtitle=text, author=text, language=text)

    assert len(list_guids(check_rss(render_rss(feed)))) == 2


@pytest.mark.parametrize(
    ("found", "instead"),
    [
        ("<link>https://news.example.org/</link>", ""),
        ("<link>https://news.example.org/</link>", "<link>/</link>"),
        ("05 Dec 2025 09:00:00 +0000", "2025-12-05T09:00:00Z"),
        ("<title>The Model Post</title>", ""),
        ('isPermaLink="false"', ""),
        ("<dc:creator>", "<dc_creator/><dc:creator>"),
        ('<source url="', '<source href="'),
        ("<item>", "<item><pubDate/>"),
        ("<item>", '<item><enclosure url="https://a.example/b"/>'),
    ],
)
def test_the_grammar_refuses_what_the_board_forbids(found: str, instead: str) -> None:
    """A grammar that took everything would prove nothing."""
    written = render_rss(FULL).decode()
    assert found in written

    assert not load_grammar("rss").validate(etree.fromstring(written.replace(found, instead, 1).encode()))
