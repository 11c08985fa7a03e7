"""The Atom format, held against RFC 4287's grammar and read back by the reference parser."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import feedparser
import pytest
from hypothesis import example, given
from lxml import etree, html

from aggregator.model.parsed import Enclosure
from aggregator.model.published import FeedItem
from aggregator.render.atom import render_atom
from tests.render.checks import LANG, A, check_atom, find_links, load_grammar
from tests.render.published import FEED, ITEMS, PLACES, any_text, make_feed, make_hostile_item, make_item
from tests.render.samples import FEEDS, NOW, SITE, STORIES, with_lead

FULL = make_feed(
    make_item(with_lead(STORIES[0], enclosures=(Enclosure(url="https://a.example/p.png", type="image/png"),))),
    *ITEMS[1:],
    self_url=f"{SITE.url}/feed.atom?page=3",
    places=PLACES,
    is_archive=True,
    hub_url="https://hub.example.org/",
)


def one(element: etree._Element, name: str) -> etree._Element:
    found = element.findall(f"{A}{name}")
    assert len(found) == 1, f"{len(found)} elements {name}, not 1"
    return found[0]


def read_entry(item: FeedItem) -> etree._Element:
    return one(check_atom(render_atom(make_feed(item))), "entry")


def list_ids(feed: etree._Element) -> list[str | None]:
    return [entry.findtext(f"{A}id") for entry in feed.findall(f"{A}entry")]


def test_the_sample_feed_is_what_rfc_4287_asks_for() -> None:
    """By its grammar, and with the feed's own links: itself, the page, the other formats."""
    feed = check_atom(render_atom(FEED))

    assert feed.get(LANG) == "en"
    assert [link.get("href") for link in find_links(feed, "self")] == [FEED.self_url]
    assert {link.get("type"): link.get("href") for link in find_links(feed, "alternate")} == {
        "text/html": FEED.page_url,
        "application/rss+xml": FEED.other_formats["rss"],
        "application/feed+json": FEED.other_formats["json"],
    }
    assert one(feed, "generator").text
    assert one(feed, "subtitle").text == SITE.description
    assert datetime.fromisoformat(one(feed, "updated").text or "") == NOW
    assert list_ids(feed) == [item.id for item in ITEMS]  # in the order given, which feedgen by itself turns round


def test_the_other_documents_of_a_feed_are_linked() -> None:
    """Pages (RFC 5005 3), archives (RFC 5005 4) and the hub (WebSub 4); an archive says that it is one."""
    feed = check_atom(render_atom(FULL))
    relations = ("hub", "first", "previous", "next", "current", "prev-archive", "next-archive")

    assert [find_links(feed, relation)[0].get("href") for relation in relations] == [
        FULL.hub_url,
        PLACES.first,
        PLACES.previous,
        PLACES.next,
        PLACES.current,
        PLACES.prev_archive,
        PLACES.next_archive,
    ]
    assert feed.find("{http://purl.org/syndication/history/1.0}archive") is not None
    alone = check_atom(render_atom(FEED))
    assert not any(find_links(alone, relation) for relation in relations)
    assert alone.find("{http://purl.org/syndication/history/1.0}archive") is None


def test_an_empty_feed_is_one() -> None:
    """A tag that no entry bears yet, a site of a minute."""
    feed = check_atom(render_atom(make_feed()))

    assert not list_ids(feed)


def test_the_same_values_make_the_same_bytes() -> None:
    """A strong ETag depends on it."""
    assert render_atom(FULL) == render_atom(FULL)


def test_an_entry_says_what_it_is_and_where_it_comes_from() -> None:
    """Language, dates, author, tags with scheme and label, source with its own id, links, date and rights."""
    story = STORIES[0]
    feed = replace(FEEDS[story.lead.feed_id], author="山田")
    entry = read_entry(make_item(story, feed=feed))
    source = one(entry, "source")

    assert entry.get(LANG) == source.get(LANG) == "ja"
    assert one(entry, "title").text == story.lead.title
    assert datetime.fromisoformat(one(entry, "updated").text or "") == story.updated_at
    assert datetime.fromisoformat(one(entry, "published").text or "") == story.lead.published_at
    assert one(entry, "summary").text == story.lead.excerpt
    assert [dict(link.attrib) for link in entry.findall(f"{A}link")] == [
        {"rel": "alternate", "type": "text/html", "href": story.lead.url, "hreflang": "ja"}
    ]
    assert dict(entry.findall(f"{A}category")[0].attrib) == {
        "term": "kumo-cloud",
        "scheme": "https://news.example.org/tags/",
        "label": "Kumo Cloud",
    }
    said = [source.findtext(f"{A}{name}") for name in ("id", "title", "rights", f"author/{A}name")]
    assert said == [feed.atom_id, feed.name, feed.rights, "山田"]
    assert datetime.fromisoformat(one(source, "updated").text or "") == story.lead.published_at
    assert {link.get("rel"): link.get("href") for link in source.findall(f"{A}link")} == {
        "self": feed.spec.url,
        "alternate": feed.site_url,
    }


def test_what_is_our_own_has_no_source() -> None:
    """An issue of a newsletter comes from nowhere else."""
    assert read_entry(replace(ITEMS[0], origin=None)).find(f"{A}source") is None


def test_enclosures_keep_type_and_length_and_the_image_is_shown() -> None:
    """feedgen loses every attribute of an entry's link but href; ours are written by the extension."""
    enclosures = (
        Enclosure(url="https://a.example/talk.mp3", type="audio/mpeg", length=123),
        Enclosure(url="https://a.example/b"),
    )
    entry = read_entry(replace(ITEMS[1], enclosures=enclosures, image_url="https://a.example/c.png"))

    assert [dict(link.attrib) for link in find_links(entry, "enclosure")] == [
        {"rel": "enclosure", "type": "audio/mpeg", "length": "123", "href": "https://a.example/talk.mp3"},
        {"rel": "enclosure", "href": "https://a.example/b"},
    ]
    image = entry.find("{http://search.yahoo.com/mrss/}thumbnail")
    assert image is not None
    assert image.get("url") == "https://a.example/c.png"


def test_an_entry_that_cannot_be_written_costs_only_itself() -> None:
    """No id or title, illegal characters, half a character, a date beyond the calendar, or an id that stands there
    already."""
    early = datetime(1, 1, 1, tzinfo=UTC)
    broken = (
        replace(ITEMS[1], id=""),
        replace(ITEMS[1], title=""),
        replace(ITEMS[1], url=""),
        replace(ITEMS[1], content_html=""),
        replace(ITEMS[1], id="tag:x\x00"),
        replace(ITEMS[1], title="\ud800"),
        replace(ITEMS[1], summary="\ufffe"),
        replace(ITEMS[1], published_at=early.replace(tzinfo=None)),
        replace(ITEMS[1], categories=(("\x0b", ""),)),
        ITEMS[0],
    )

    assert list_ids(check_atom(render_atom(make_feed(ITEMS[0], *broken, ITEMS[3])))) == [ITEMS[0].id, ITEMS[3].id]


def test_of_two_entries_with_one_id_the_first_stays_in_its_place() -> None:
    """RFC 4287 4.1.1: no two with one id and one date."""
    again = replace(ITEMS[0], title="again")

    feed = check_atom(render_atom(make_feed(ITEMS[0], ITEMS[1], again, ITEMS[2])))

    assert list_ids(feed) == [ITEMS[0].id, ITEMS[1].id, ITEMS[2].id]
    assert feed.findtext(f"{A}entry/{A}title") == ITEMS[0].title


def test_a_year_long_ago_is_still_a_date() -> None:
    """RFC 3339 wants four digits."""
    entry = read_entry(replace(ITEMS[1], published_at=datetime(1, 1, 1, tzinfo=UTC)))

    assert one(entry, "published").text == "0001-01-01T00:00:00+00:00"


def test_feedparser_reads_back_what_was_written() -> None:
    """The reference parser finds titles, dates, languages, sources, and the feed's places."""
    parsed = feedparser.parse(render_atom(FULL))

    assert not parsed.bozo
    assert [entry.title for entry in parsed.entries] == [item.title for item in ITEMS]
    assert [entry.link for entry in parsed.entries] == [item.url for item in ITEMS]
    assert [entry.source.title for entry in parsed.entries] == [story.lead.feed_name for story in STORIES]
    assert [tuple(entry.published_parsed)[:6] for entry in parsed.entries] == [
        item.published_at.timetuple()[:6] for item in ITEMS
    ]
    assert {link.rel: link.href for link in parsed.feed.links}["next-archive"] == PLACES.next_archive
    assert parsed.entries[0].media_thumbnail == [{"url": "https://a.example/p.png"}]


@given(any_text)
@example("\ud800\x00\ufffe]]>")
@example("\ud83d\ude00")
@example("\x85\u2028&#0;")
def test_no_text_breaks_the_document(text: str) -> None:
    """Control characters, lone surrogates, markup, CDATA ends: the feed stays whole and so does the next entry."""
    feed = make_feed(make_hostile_item(text), ITEMS[0], title=text, subtitle=text, author=text, language=text)

    assert len(list_ids(check_atom(render_atom(feed)))) == 2


@pytest.mark.parametrize("text", ["]]>", "<script>alert(1)</script>", "\ud800\x00\ufffe", "&amp;lt;", "{{ 7*7 }}"])
def test_markup_in_a_field_stays_text_in_the_content(text: str) -> None:
    """Content is HTML by type: what a feed wrote as text must be text in it."""
    content = one(read_entry(make_hostile_item(text)), "content")
    fragment = html.fromstring(f"<div>{content.text}</div>")

    assert {element.tag for element in fragment.iter()} <= {"div", "p", "ul", "li", "a"}


@pytest.mark.parametrize(
    ("found", "instead"),
    [
        ('rel="self"', 'foo="self"'),
        ("2025-12-05T09:00:00+00:00", "2025-12-05T09:00:00"),
        ("2025-12-05T09:00:00+00:00", "2025-13-05T09:00:00+00:00"),
        ("<id>tag:news.example.org,2025-11-01:feed</id>", ""),
        ("<id>tag:news.example.org,2025-11-01:feed</id>", "<id>feed</id>"),
        ("<fh:archive/>", "<archived/>"),
        ('type="html"', 'type="html5"'),
        ("<name>The Model Post</name>", "<name> </name>"),
        ("<published>", "<published/><published>"),
        ('xml:lang="en"', 'xml:lang="e_n"'),
        ('href="https://hub.example.org/"', 'href="https://hub.example.org/ x"'),
        ("<rights>", "<entry/><rights>"),
        ('term="kumo-cloud"', ""),
        ("<summary>", "<summary><b>no</b>"),
    ],
)
def test_the_grammar_refuses_what_the_rfc_forbids(found: str, instead: str) -> None:
    """A grammar that took everything would prove nothing."""
    written = render_atom(FULL).decode()
    assert found in written

    assert not load_grammar("atom").validate(etree.fromstring(written.replace(found, instead, 1).encode()))
