"""The public pages: what must never stand in them, and what must."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from urllib.parse import urlsplit

import pytest
from lxml import html

from aggregator.model.coverage import Quotation, Report
from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId, StoryId
from aggregator.model.settings import Site
from aggregator.model.shown import (
    EntryPage,
    IssuePage,
    RiverPage,
    StoryPage,
)
from aggregator.model.story import ScoreTerm, Story
from aggregator.pipeline.clean import clean_html
from aggregator.render import forms, page
from aggregator.render.newsletter import render_issue
from aggregator.render.templates import Templates, load_templates
from aggregator.tasks.river import MOST
from aggregator.web.headers import HEADERS
from tests.render.samples import COMPOSED, FRONT, ISSUES, NEWSLETTER, SITE, STORIES, TAGS, with_lead

TEMPLATES = load_templates()
Renderer = Callable[[Site, Templates], str]


def make_issue_page(site: Site, templates: Templates) -> str:
    archive_url = f"{site.url}/issues/weekly/2025-W49"
    body = render_issue(COMPOSED, site=site, tags=TAGS, templates=templates, archive_url=archive_url).web_html
    shown = IssuePage(
        issue=ISSUES[0], newsletter_title=NEWSLETTER.title, web_html=body, previous=ISSUES[1], next=ISSUES[2]
    )
    return page.render_issue(shown, site=site, templates=templates)


def make_story_page(story: Story, quoted: str = "Of 41,000 pages 38,200 were read.") -> StoryPage:
    """``story``, each of whose entries but the lead is quoted with ``quoted`` and speaks for a company."""
    ordered = sorted(story.entries, key=lambda entry: (entry.effective_at, entry.id))
    reports = tuple(
        Report(
            entry=entry,
            quotations=() if entry.id == story.lead.id else (Quotation(text=quoted, news=((3, 9), (16, 22))),),
            is_first=entry is ordered[0],
            is_lead=entry.id == story.lead.id,
            speakers=("kumo-cloud", "nonesuch"),
        )
        for entry in ordered
    )
    return StoryPage(story=story, tags=TAGS, reports=reports)


OLDER = RiverPage(
    tag=None,
    language="",
    before_id=EntryId(7),
    river=FRONT.river[7:],
    older_id=EntryId(20),
    newer_id=EntryId(3),
    tags=TAGS,
)
TAG = replace(FRONT, tag=TAGS["chips"], by_week=(0, 2, 5, 3, 0, 1, 9, 4, 4, 6, 2, 7), older_id=EntryId(12))
JAPANESE = replace(
    FRONT, language="ja", stories=(STORIES[0],), river=tuple(e for e in FRONT.river if e.language == "ja")
)
ENTRY_PAGE = EntryPage(entry=STORIES[0].lead, content_html="<p>Whole <em>text</em>.</p>", story=STORIES[0], tags=TAGS)
PAGES: dict[str, Renderer] = {
    "front": lambda s, t: page.render_front(FRONT, site=s, templates=t),
    "tag": lambda s, t: page.render_tag(TAG, site=s, templates=t),
    "language": lambda s, t: page.render_language(JAPANESE, site=s, templates=t),
    "older": lambda s, t: page.render_river(OLDER, site=s, templates=t),
    "older of a tag": lambda s, t: page.render_river(replace(OLDER, tag=TAGS["chips"]), site=s, templates=t),
    "entry": lambda s, t: page.render_entry(ENTRY_PAGE, site=s, templates=t),
    "excerpt": lambda s, t: page.render_entry(replace(ENTRY_PAGE, content_html="", story=None), site=s, templates=t),
    "story": lambda s, t: page.render_story(make_story_page(STORIES[0]), site=s, templates=t),
    "issue": make_issue_page,
    "leave": lambda s, t: forms.render_unsubscribe(s, templates=t, newsletter_title="Weekly"),
    "left": lambda s, t: forms.render_unsubscribe(s, templates=t, newsletter_title="Weekly", done=True),
    "error": lambda s, t: page.render_error(s, 404, "There is no such story.", templates=t),
}
#: Elements that a page of ours may hold; anything else came from somewhere else.
ALLOWED = set(
    "html head meta title link body a header div p nav ul ol li main footer h1 h2 h3 section article span time svg "
    "path em strong bdi form button details summary blockquote mark figure figcaption".split()
)


@pytest.fixture(params=PAGES)
def render(request: pytest.FixtureRequest) -> Renderer:
    return PAGES[request.param]


def test_reasons_give_away_no_address_of_a_feed() -> None:
    """It may hold the editor's own token, or a path of our disk."""
    terms = [("https://ada:pw@feeds.example.org/f?token=secret", 2.0), ("folder:/home/ada/posts", 1.0)]
    reasons = tuple(ScoreTerm(name="interest", value=value, points=points) for value, points in terms)
    shown = page.render_story(make_story_page(replace(STORIES[0], reasons=reasons)), site=SITE, templates=TEMPLATES)

    assert "we care for feeds.example.org" in shown and "we care for posts" in shown
    assert not any(word in shown for word in ("token", "pw@", "/home"))


def check_safe(text: str) -> html.HtmlElement:
    """No script, no handler, no inline style, no foreign scheme: what the policy forbids is not even written."""
    document = html.document_fromstring(text)
    for element in document.iter(tag="*"):
        assert element.tag in ALLOWED, element.tag
        assert not [name for name in element.attrib if name.startswith("on") or name == "style"]
    for element, attribute, link, _ in document.iterlinks():
        assert urlsplit(link).scheme in ("http", "https", ""), (element.tag, attribute, link)
    return document


def test_a_page_is_safe_and_whole(render: Renderer) -> None:
    """One h1, a title, a language, the way to the text, and ids that are unique."""
    document = check_safe(render(SITE, TEMPLATES))

    assert len(document.findall(".//h1")) == 1
    assert document.findtext(".//title")
    assert document.get("lang") == "en"
    assert document.find(".//main").get("id") == "main"
    ids = document.xpath("//@id")
    assert len(ids) == len(set(ids))


def test_a_page_carries_its_policy(render: Renderer) -> None:
    """Files that any server hands out obey it, too."""
    meta = html.document_fromstring(render(SITE, TEMPLATES)).find(".//meta[@http-equiv='Content-Security-Policy']")

    assert meta.getparent().index(meta) < 2
    assert HEADERS["Content-Security-Policy"] == f"{meta.get('content')}; frame-ancestors 'none'"


def test_a_picture_of_another_host_is_told_in_words() -> None:
    """Its description stands for it, as text; one without a description leaves nothing, and no request is made."""
    content = clean_html(
        '<p>a<img src="https://b.example/x.png" alt="A &quot;chart&quot; > all">b<img src="y.png">c</p>',
        "https://b.example/",
    )
    text = page.render_entry(replace(ENTRY_PAGE, content_html=content), site=SITE, templates=TEMPLATES)
    shown = check_safe(text).find(".//div[@class='content']")

    assert shown.text_content().strip() == 'aA "chart" > allbc'
    assert "b.example" not in text


def test_every_inner_link_begins_with_the_root_of_the_site(render: Renderer) -> None:
    """A site below a path, or an export into one, works."""
    document = check_safe(render(replace(SITE, url="https://example.org/news"), TEMPLATES))
    inner = [link for _, _, link, _ in document.iterlinks() if not urlsplit(link).scheme and not link.startswith("#")]

    assert inner
    assert all(link.startswith("/news/") for link in inner)


def test_every_stylesheet_and_icon_is_an_asset(render: Renderer) -> None:
    """Their names hold the hash of their content, so they may be kept for ever."""
    document = html.document_fromstring(render(SITE, TEMPLATES))
    wanted = [link.get("href") for link in document.findall(".//link") if link.get("rel") in ("stylesheet", "icon")]

    assert len(wanted) in (2, 3)
    assert {path.removeprefix("/static/") for path in wanted} <= set(page.get_assets())


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' onmouseover='alert(1)",
        "javascript:alert(1)",
        "</title><svg/onload=alert(1)>",
        "{{ 7*7 }} {% raw %}",
        "<style>*{}</style><!--",
        "\x00\ud800\u202e]]>",
    ],
)
def test_no_field_of_an_entry_becomes_markup(text: str) -> None:
    """Every text and address that a feed controls, on every page that shows entries."""
    fields: dict[str, object] = dict.fromkeys(
        ("title", "excerpt", "author", "feed_name", "url", "feed_url", "canonical_url", "guid", "language", "atom_id"),
        text,
    )
    entry: Entry = replace(STORIES[0].lead, **fields)  # type: ignore[arg-type]
    story = replace(STORIES[0], entries=(entry, replace(entry, feed_id=STORIES[1].lead.feed_id)))
    front = replace(FRONT, stories=(story,) * 14, river=(entry,))
    rendered = [
        page.render_front(front, site=SITE, templates=TEMPLATES),
        page.render_tag(replace(front, tag=TAGS["chips"]), site=SITE, templates=TEMPLATES),
        page.render_story(make_story_page(story, text), site=SITE, templates=TEMPLATES),
        page.render_language(replace(front, language="ja"), site=SITE, templates=TEMPLATES),
        page.render_river(replace(OLDER, river=(entry,)), site=SITE, templates=TEMPLATES),
        page.render_entry(
            EntryPage(entry=entry, content_html="", story=story, tags=TAGS), site=SITE, templates=TEMPLATES
        ),
        page.render_error(SITE, 404, text, templates=TEMPLATES),
    ]

    for each in rendered:
        check_safe(each)
        assert ("{{ 7*7 }}" in each) == ("{{ 7*7 }}" in text)


def test_text_in_another_language_is_marked_so() -> None:
    """On the element that holds it, on an English page; English is not marked."""
    document = html.document_fromstring(PAGES["front"](SITE, TEMPLATES))
    languages = [heading.get("lang") for heading in document.findall(".//article//h2")][:5]

    assert languages == ["ja", None, None, "fr", "ar"]


def test_times_are_exact_in_the_attribute_and_local_in_words() -> None:
    """01:43 in Berlin is 00:43 in UTC."""
    times = html.document_fromstring(PAGES["front"](SITE, TEMPLATES)).findall(".//section[@class='day']//li/time")

    assert (times[0].get("datetime"), times[0].text) == ("2025-12-05T00:43:00Z", "01:43")


def test_a_headline_leads_to_its_publisher_and_its_date_to_our_story() -> None:
    """The words are theirs; the page about them is ours."""
    article = html.document_fromstring(PAGES["front"](SITE, TEMPLATES)).find(".//article")

    assert article.find(".//h2/a").get("href") == STORIES[0].lead.url
    assert article.find(".//a[@class='when']").get("href") == "/stories/1"


def test_an_entry_without_an_address_leads_to_our_page() -> None:
    """Also one whose address is no web address."""
    front = replace(FRONT, stories=(with_lead(STORIES[0], url="javascript:alert(1)"),))
    document = html.document_fromstring(page.render_front(front, site=SITE, templates=TEMPLATES))

    assert document.find(".//article//h2/a").get("href") == "/entries/1"


def test_an_empty_front_page_says_so() -> None:
    """The first minutes of a new site."""
    empty = replace(FRONT, stories=(), river=(), mentioned=(), issues=(), entry_count=0, story_count=0)
    text = page.render_front(empty, site=replace(SITE, description=""), templates=TEMPLATES)

    assert "Nothing yet" in html.document_fromstring(text).text_content()


def test_leaving_asks_with_a_form_that_posts_to_its_own_address() -> None:
    """A link scanner that follows the link changes nothing."""
    form = html.document_fromstring(PAGES["leave"](SITE, TEMPLATES)).find(".//form")

    assert (form.get("method"), form.get("action")) == ("post", None)
    back = html.document_fromstring(PAGES["left"](SITE, TEMPLATES)).find(".//form")
    assert [(one.get("name"), one.get("value")) for one in back.iter("button")] == [("do", "undo")]


def test_the_front_page_is_light() -> None:
    """Under 60 KB with its style sheet, before anything is compressed: sixty stories and a long page of the river."""
    stories = tuple(replace(story, id=StoryId(number)) for number, story in enumerate((*STORIES, *STORIES[3:]) * 2))[
        :60
    ]
    river = tuple(replace(entry, id=EntryId(number)) for number, entry in enumerate(FRONT.river * 3))[:MOST]
    full = page.render_front(replace(FRONT, stories=stories, river=river), site=SITE, templates=TEMPLATES)
    size = len(full.encode()) + sum(len(data) for name, data in page.get_assets().items() if "forms" not in name)

    assert (len(stories), len(river)) == (60, MOST)
    assert size < 60_000


def test_headings_skip_no_level(render: Renderer) -> None:
    """Who hears a page goes from heading to heading."""
    document = html.document_fromstring(render(SITE, TEMPLATES))
    levels = [int(heading.tag[1]) for heading in document.iter("h1", "h2", "h3", "h4")]

    assert levels[0] == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))


def get_head(document: html.HtmlElement) -> dict[str, str]:
    """The head's metadata: ``og:title`` and the like, and links by their relation."""
    named = {meta.get("property") or meta.get("name"): meta.get("content") for meta in document.iter("meta")}
    links = {link.get("rel"): link.get("href") for link in document.iter("link") if link.get("rel") != "alternate"}
    return {key: value for key, value in (named | links).items() if key}


@pytest.mark.parametrize(
    ("name", "address", "kind", "feed"),
    [
        ("front", "/", "website", "/feed"),
        ("tag", "/tags/chips", "website", "/tags/chips"),
        ("language", "/lang/ja", "website", "/lang/ja"),
        ("older", "/before/7", "website", "/feed"),
        ("older of a tag", "/tags/chips/before/7", "website", "/tags/chips"),
        ("story", "/stories/1", "article", "/feed"),
        ("issue", "/issues/weekly/2025-W49", "article", "/issues/weekly"),
    ],
)
def test_a_page_says_what_it_is_to_those_who_link_here(name: str, address: str, kind: str, feed: str) -> None:
    """Open Graph, its one address, and the feed that belongs to it in each format."""
    document = html.document_fromstring(PAGES[name](SITE, TEMPLATES))
    head = get_head(document)
    feeds = [link.get("href") for link in document.iter("link") if link.get("rel") == "alternate"]

    assert head["canonical"] == head["og:url"] == f"{SITE.url}{address}"
    assert head["og:title"] == document.findtext(".//title")
    assert (head["og:type"], head["og:site_name"], head["og:locale"]) == (kind, SITE.title, "en")
    assert feeds == [f"{feed}.atom", f"{feed}.rss", f"{feed}.json"]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_what_is_others_is_not_for_search_engines(name: str) -> None:
    """An entry that has an address elsewhere, older entries, what is no page."""
    robots = get_head(html.document_fromstring(PAGES[name](SITE, TEMPLATES))).get("robots")

    assert robots == (
        "noindex" if name in ("entry", "excerpt", "older", "older of a tag", "leave", "left", "error") else None
    )


def test_our_own_post_may_be_found() -> None:
    """It stands nowhere else."""
    own = replace(ENTRY_PAGE, entry=replace(ENTRY_PAGE.entry, url=""))

    assert "noindex" not in page.render_entry(own, site=SITE, templates=TEMPLATES)


def test_older_pages_lead_both_ways() -> None:
    """In the head and in the text; the first page of all leads down only."""
    older = get_head(html.document_fromstring(PAGES["older of a tag"](SITE, TEMPLATES)))
    top = get_head(html.document_fromstring(PAGES["tag"](SITE, TEMPLATES)))
    last = replace(OLDER, older_id=None, newer_id=None)
    end = get_head(html.document_fromstring(page.render_river(last, site=SITE, templates=TEMPLATES)))

    assert (older["prev"], older["next"]) == ("/tags/chips/before/3", "/tags/chips/before/20")
    assert (top.get("prev"), top["next"]) == (None, "/tags/chips/before/12")
    assert (end["prev"], end.get("next")) == ("/", None)


def test_a_story_is_told_in_the_words_of_its_sources() -> None:
    """Quoted with what is new marked, in the language of the source; who was first and who speaks for a company."""
    document = html.document_fromstring(PAGES["story"](SITE, TEMPLATES))
    quoted = document.findall(".//blockquote")
    roles = [role.text for role in document.findall(".//span[@class='role']")]

    assert len(quoted) == len(STORIES[0].entries) - 1
    assert quoted[0].text_content().strip() == "Of 41,000 pages 38,200 were read."
    assert [mark.text for mark in quoted[0].iter("mark")] == ["41,000", "38,200"]
    assert {quote.get("lang") for quote in quoted} == {None, "zh", "de", "fr"}
    assert roles[:2] == ["First report", "From Kumo Cloud itself"]
    assert roles.count("Told above") == 1


def test_a_story_that_nobody_else_tells_says_so() -> None:
    """There is no row of one."""
    text = page.render_story(make_story_page(STORIES[2]), site=SITE, templates=TEMPLATES)

    assert "Nobody else has told it so far." in text
    assert "How it was told" not in text


def test_the_chart_of_a_tag_is_told_in_words_too() -> None:
    """Who does not see the bars reads the sum."""
    figure = html.document_fromstring(PAGES["tag"](SITE, TEMPLATES)).find(".//figure")

    assert "43 posts in 12 weeks" in " ".join(figure.text_content().split())
    assert figure.find(".//svg").get("aria-hidden") == "true"


def test_the_front_page_leads_to_each_language_by_its_own_name() -> None:
    """As those who read it look for it."""
    document = html.document_fromstring(PAGES["front"](SITE, TEMPLATES))
    links = [link for link in document.iter("a") if (link.get("href") or "").startswith("/lang/")]

    assert [(link.text, link.get("lang")) for link in links] == [
        ("English", "en"), ("日本語", "ja"), ("中文", "zh"), ("العربية", "ar")
    ]  # fmt: skip


def test_an_older_page_names_the_day_of_its_newest_entry_at_midnight() -> None:
    """Many feeds date by the day: what came at 00:00 is of the day that begins then, in the title as in the river."""
    newest = replace(FRONT.river[0], effective_at=datetime(2025, 12, 4, 23, tzinfo=UTC))
    oldest = replace(FRONT.river[0], effective_at=datetime(2025, 12, 1, 11, tzinfo=UTC))
    text = page.render_river(replace(OLDER, river=(newest, oldest)), site=SITE, templates=TEMPLATES)
    document = html.document_fromstring(text)

    assert document.findtext(".//section[@class='day']/h2/time") == "Friday 5 December"
    assert document.findtext(".//h1") == "1–5 Dec 2025"
    assert "5 Dec 2025" in document.findtext(".//title")
