"""What becomes an item of a feed: a story, an entry, an issue."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from lxml import html

from aggregator.errors import RenderError
from aggregator.model.feed import FeedSpec
from aggregator.model.ids import FeedId
from aggregator.model.newsletter import RenderedIssue
from aggregator.model.parsed import Enclosure
from aggregator.render.items import find_image, make_issue_item
from aggregator.render.newsletter import render_issue
from aggregator.render.templates import load_templates
from tests.render.checks import check_content
from tests.render.published import FEED_ID, TEMPLATES, any_text, make_hostile_item, make_item
from tests.render.samples import COMPOSED, FEEDS, ISSUES, NEWSLETTER, NOW, SITE, STORIES, TAGS, with_lead


def read(content: str) -> html.HtmlElement:
    return html.fragment_fromstring(content, create_parent="div")


def test_the_content_says_the_excerpt_the_source_the_others_and_the_tags() -> None:
    """Few readers show a source of an entry, so its name stands in what all of them show."""
    story = STORIES[0]
    body = read(make_item(story).content_html)
    feed = FEEDS[story.lead.feed_id]

    paragraphs = [paragraph.text_content() for paragraph in body.findall("p")]
    assert paragraphs[:3] == [story.lead.excerpt, f"Source: {feed.name}", "Also covered by:"]
    assert paragraphs[3].startswith("Tags: Kumo Cloud, ")
    assert [link.get("href") for link in body.findall("ul/li/a")] == [entry.url for entry in story.others]
    assert [link.get("lang") for link in body.findall("ul/li/a")] == [None, "zh", "de", None, "fr"]
    assert body.findall("p/a")[0].get("href") == feed.site_url
    assert body.findall("p/a")[1].get("href") == f"{SITE.url}/tags/kumo-cloud"
    check_content(make_item(story).content_html)


def test_our_words_in_an_item_of_another_language_say_which_is_theirs() -> None:
    """Else a Japanese item's English lines and headlines would be set, and read aloud, as Japanese."""
    assert STORIES[0].lead.language == "ja"
    own = read(make_item(STORIES[0]).content_html)
    assert [element.get("lang") for element in own] == [None, "en", "en", "en", "en"]

    english = read(make_item(with_lead(STORIES[0], language="en")).content_html)
    assert [element.get("lang") for element in english] == [None] * 5


def test_what_is_claimed_is_what_is_said() -> None:
    """Where an entry stands in the feed is another matter than when its publisher says that it was published."""
    claimed = datetime(2019, 5, 1, tzinfo=UTC)

    assert make_item(with_lead(STORIES[0], published_at=claimed)).published_at == claimed
    assert make_item(with_lead(STORIES[0], published_at=None)).published_at == STORIES[0].lead.effective_at


def test_many_others_end_in_a_link_to_the_story() -> None:
    """Ten are named, the rest counted."""
    story = replace(STORIES[0], entries=STORIES[0].entries * 3)
    links = read(make_item(story).content_html).findall("ul/li/a")

    assert len(links) == 11
    assert (links[-1].text, links[-1].get("href")) == ("7 more", f"{SITE.url}/stories/1")


def test_whole_content_takes_the_place_of_the_excerpt() -> None:
    """Where the feed's settings let us show it; the summary stays, and so do the lines below."""
    item = make_item(STORIES[0], content_html='<p>All of <b>it</b>.</p><img src="https://a.example/p.png">')
    body = read(item.content_html)

    assert body.findall("p")[0].text_content() == "All of it."
    make_item(STORIES[0], content_html="<p>\ud800\x00\ufffe</p>").content_html.encode()
    assert body.findall("p")[1].text_content().startswith("Source: ")
    assert STORIES[0].lead.excerpt not in item.content_html
    assert item.summary == STORIES[0].lead.excerpt
    assert item.image_url == "https://a.example/p.png"


def test_content_without_end_is_not_taken_over() -> None:
    """One source's book must not make a document that no reader loads."""
    item = make_item(STORIES[0], content_html=f"<p>{'word ' * 50_000}</p>")

    assert len(item.content_html) < 10_000
    assert STORIES[0].lead.excerpt in item.content_html


def test_the_words_of_ours_are_in_the_language_of_the_site(tmp_path: Path) -> None:
    """They are a template like every other, which a catalogue translates."""
    (tmp_path / "locale" / "fr").mkdir(parents=True)
    catalogue = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
    message = 'msgid "Source: %(source)s"\nmsgstr "Origine : %(source)s"\n'
    (tmp_path / "locale" / "fr" / "messages.po").write_text(catalogue + message, encoding="utf-8")

    item = make_item(STORIES[0], site=replace(SITE, language="fr"), templates=load_templates([tmp_path]))

    assert '<p lang="fr">Origine : <a ' in item.content_html


def test_categories_are_called_as_in_the_language_of_the_site() -> None:
    """The slug stays the same."""
    assert make_item(STORIES[0]).categories[0] == ("kumo-cloud", "Kumo Cloud")
    assert make_item(STORIES[0], site=replace(SITE, language="ja")).categories[0] == ("kumo-cloud", "クモクラウド")


def test_a_broken_template_of_the_editors_is_no_fault_of_one_story(tmp_path: Path) -> None:
    """A feed without items would look like a quiet day."""
    (tmp_path / "feed_item.html").write_text("{{ story.nothing }}", encoding="utf-8")

    with pytest.raises(RenderError, match=r"feed_item\.html"):
        make_item(STORIES[0], templates=load_templates([tmp_path]))


def test_an_entry_without_an_address_leads_to_our_page_of_it() -> None:
    """Posts of a folder, and feeds without links; the folder's path stays ours."""
    story = with_lead(STORIES[1], url="", feed_url="folder:/srv/newsroom/posts", feed_id=FeedId(77))
    item = make_item(story, feed=replace(FEEDS[FeedId(1)], spec=FeedSpec(url="folder:/srv/newsroom/posts"), atom_id=""))

    assert item.url == f"https://news.example.org/entries/{story.lead.id}"
    assert item.origin is not None
    assert (item.origin.id, item.origin.self_url) == (f"{FEED_ID}/77", "")
    assert "/srv/newsroom" not in repr(item)


def test_a_feed_that_is_gone_is_still_named() -> None:
    """A removed feed leaves its entries, and they keep their source's name."""
    item = make_item(STORIES[0], feed=None)

    assert item.origin is not None
    assert item.origin.title == STORIES[0].lead.feed_name
    assert f'<p lang="en">Source: {STORIES[0].lead.feed_name}</p>' in item.content_html


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"title": " ", "site_url": "https://www.a.example/"}, "a.example"),
        ({"title": "\ud800", "site_url": ""}, "wire.example.com"),
        ({"title": " ", "site_url": "", "spec": FeedSpec(url="folder:/x", title=" "), "atom_id": ""}, f"{FEED_ID}/1"),
    ],
)
def test_a_feed_without_a_name_is_known_by_its_host(changes: dict[str, object], found: str) -> None:
    """A source without a title would say nothing, and RSS forbids it."""
    feed = replace(FEEDS[FeedId(1)], spec=FeedSpec(url="https://wire.example.com/feed", title=" "))
    item = make_item(with_lead(STORIES[0], feed_id=FeedId(1)), feed=replace(feed, **changes))  # type: ignore[arg-type]

    assert item.origin is not None
    assert item.origin.title == found


def test_a_source_that_is_always_of_this_minute_does_not_change_our_feed() -> None:
    """Many write the clock into their feed; what they said is true of no entry but the newest."""
    feed = FEEDS[STORIES[0].lead.feed_id]
    lead = STORIES[0].lead
    later = [make_item(STORIES[0], feed=replace(feed, feed_updated_at=NOW + timedelta(hours=hour))) for hour in (1, 2)]
    older = make_item(STORIES[0], feed=replace(feed, feed_updated_at=lead.effective_at - timedelta(days=9))).origin

    assert later[0] == later[1]
    assert later[0].origin is not None and older is not None
    assert later[0].origin.updated_at == lead.published_at
    assert older.updated_at == lead.effective_at - timedelta(days=9)


@pytest.mark.parametrize("atom_id", ["", "https://a.example/feed"])
def test_two_feeds_that_only_their_query_tells_apart_have_ids_of_their_own(atom_id: str) -> None:
    """The query is not shown, for it may hold a token; a reader would take them for one source."""
    found = set()
    for number in (1, 2):
        feed = replace(FEEDS[FeedId(1)], spec=FeedSpec(url=f"https://a.example/feed?kind={number}"), atom_id=atom_id)
        origin = make_item(with_lead(STORIES[0], feed_id=FeedId(number)), feed=feed).origin
        assert origin is not None and origin.self_url == "https://a.example/feed"
        found.add(origin.id)

    assert found == {f"{FEED_ID}/1", f"{FEED_ID}/2"}


def test_nothing_of_the_editors_own_shows_in_a_source() -> None:
    """A token in the query, a password, an address that takes the editor's headers."""
    spec = FeedSpec(url="https://me:secret@a.example/feed?key=secret")
    hidden = replace(FEEDS[FeedId(1)], spec=spec, title="", atom_id="https://me:secret@a.example/")

    assert "secret" not in repr(make_item(STORIES[0], feed=hidden))
    by_header = replace(hidden, spec=FeedSpec(url="https://a.example/feed", headers=(("Authorization", "secret"),)))
    origin = make_item(STORIES[0], feed=by_header).origin
    assert origin is not None
    assert origin.self_url == ""


def test_enclosures_that_no_reader_may_follow_are_left_out() -> None:
    """Foreign schemes and repeats go; a type that is none, or a size below nothing, is not said."""
    good = Enclosure(url="https://a.example/talk.mp3", type="audio/mpeg", length=123)
    odd = Enclosure(url="https://me:secret@a.example/b", type="?", length=-1)
    story = with_lead(STORIES[1], enclosures=(good, Enclosure(url="javascript:x"), good, odd))

    assert make_item(story).enclosures == (good, Enclosure(url="https://a.example/b"))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('<p>x</p><img src="https://a.example/p.png" alt="x">', "https://a.example/p.png"),
        ('<img alt="src=" src="https://a.example/p.png?a=1&amp;b=2">', "https://a.example/p.png?a=1&b=2"),
        ('<img src="http://a.example/p.png"><img src="https://a.example/q.png">', "https://a.example/q.png"),
        ('<img src="https://a.example/p.png" width="1" height="1">', ""),
        ('<img src="https://a.example/p.png" height="20">', ""),
        ('<img src="https://a.example/p.png" width="640" height="100%">', "https://a.example/p.png"),
        ('<img src="https://s.w.org/images/core/emoji/13/72x72/1f600.png">', ""),
        ('<img src="https://a.example/drawing.svg">', ""),
        ("<img>", ""),
        ('<img src="data:image/png;base64,AAAA">', ""),
        ('&lt;img src="https://a.example/p.png"&gt;', ""),
        ("", ""),
    ],
)
def test_the_lead_image_is_the_first_picture_worth_showing(content: str, found: str) -> None:
    """Over https, at its publisher's; no counters, no smileys, no drawings."""
    assert find_image(STORIES[0].lead, content) == found


def test_a_picture_that_is_enclosed_comes_first() -> None:
    """The publisher chose it."""
    enclosures = (
        Enclosure(url="https://a.example/talk.mp3", type="audio/mpeg"),
        Enclosure(url="http://a.example/e.jpg", type="image/jpeg"),
    )
    lead = replace(STORIES[0].lead, enclosures=enclosures)

    assert find_image(lead, '<img src="https://a.example/p.png">') == "http://a.example/e.jpg"


def test_looking_for_an_image_takes_no_time_to_speak_of() -> None:
    """What cannot be a picture is passed over once, however long it is."""
    assert find_image(STORIES[0].lead, '<img a="' * 100_000) == ""
    assert find_image(STORIES[0].lead, "<img" + ' a="b"' * 100_000) == ""


@given(any_text)
@example("\ud800\x00\ufffe]]>")
@example("\ud83d\ude00")
def test_whatever_a_publisher_writes_the_item_is_legal(text: str) -> None:
    """Every text of it can be written as UTF-8, and nothing in its content is active."""
    item = make_hostile_item(text)

    repr(item).encode()
    assert item.title and item.url and item.author and item.origin and item.origin.title and item.origin.id
    check_content(item.content_html)


def test_an_issue_is_an_item_with_absolute_addresses() -> None:
    """Its archive page's body, without what only our style sheet makes sense of."""
    archive_url = f"{SITE.url}/issues/weekly/2025-W49"
    rendered = render_issue(COMPOSED, tags=TAGS, site=SITE, templates=TEMPLATES, archive_url=archive_url)
    item = make_issue_item(ISSUES[0], rendered, item_id="tag:x,2025:issue/1", newsletter=NEWSLETTER, site=SITE)

    check_content(item.content_html)
    assert item.url == archive_url
    assert item.title == ISSUES[0].subject
    assert item.summary == rendered.preheader
    assert item.published_at == item.updated_at == ISSUES[0].frozen_at
    assert item.origin is None
    assert STORIES[0].lead.title in item.content_html
    assert " class=" not in item.content_html and "<svg" not in item.content_html


def test_an_issue_below_a_path_and_with_hostile_addresses_stays_whole() -> None:
    """Root-relative links keep the host, and what cannot be resolved costs at most itself."""
    site = replace(SITE, url="https://example.org/news")
    web_html = '<p id="a" onclick="x"><a href="/news/stories/1">one</a><a href="http://[bad">two</a><br>\x00'
    web_html += '<a href="javascript:alert(1)">three</a></p>'
    rendered = RenderedIssue(subject="", preheader="", mail_html="", mail_text="", web_html=web_html)
    issue = replace(ISSUES[0], subject="", frozen_at=None, slot_at=datetime(2025, 12, 1, tzinfo=UTC))
    item = make_issue_item(issue, rendered, item_id="tag:x,2025:issue/1", newsletter=NEWSLETTER, site=site)

    assert 'href="https://example.org/news/stories/1"' in item.content_html
    check_content(item.content_html)
    assert "onclick" not in item.content_html and " id=" not in item.content_html
    assert item.title == "The Model Post Weekly 2025-W49"
    assert item.published_at == issue.slot_at
