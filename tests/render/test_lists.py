"""The pages that list things: safe, whole, light with much in them; nothing is told that strangers need not know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from urllib.parse import urlsplit

import pytest
from lxml import html

from aggregator.model.entry import Entry
from aggregator.model.feed import Feed, FeedSpec
from aggregator.model.ids import EntryId, FeedId, IssueId
from aggregator.model.listed import (
    FeedPage,
    FeedsPage,
    FollowPage,
    IssueMonth,
    IssuesPage,
    LanguageCount,
    NewsletterIssues,
    SearchPage,
    TagCount,
    TagKindPage,
    TagsOfKind,
    TagsPage,
)
from aggregator.model.settings import Site
from aggregator.model.tag import Tag
from aggregator.pipeline.query import fold_sign, read_query
from aggregator.render import lists
from aggregator.render.initials import get_initial, group_names, list_leaves, sort_names
from aggregator.render.marks import Marker
from aggregator.render.page import get_assets
from aggregator.render.templates import Templates, load_templates
from aggregator.render.words import get_feed_name
from tests.render.samples import FEEDS, ISSUES, NEWSLETTER, NOW, SITE, STORIES, TAGS

TEMPLATES = load_templates()
Renderer = Callable[[Site, Templates], str]
LEADS = tuple(story.lead for story in STORIES)
NAMED = sort_names(FEEDS.values(), lambda feed: feed.name)
READ = FeedsPage(
    feeds=tuple(NAMED),
    feed_count=64,
    failing_count=1,
    language_count=6,
    min_interval=timedelta(minutes=30),
    user_agent="ai-news-aggregator/1.0 (+editor@example.org)",
)
ONE = FeedPage(
    feed=replace(FEEDS[FeedId(2)], author="機械と人間編集部"),
    entries=tuple(replace(entry, feed_id=FeedId(2)) for entry in LEADS[:10]),
    entry_count=155,
    by_week=tuple((week * 7) % 5 for week in range(52)),
    now=NOW,
    has_more=True,
    newest_at=LEADS[0].effective_at,
)
FOLLOW = FollowPage(
    newest=LEADS[:6],
    tags=tuple(TAGS.values()),
    languages=tuple(LanguageCount(language=language, feed_count=9) for language in ("en", "ja", "de", "zh", "ar")),
    newsletters=((NEWSLETTER.slug, NEWSLETTER.title),),
    feed_count=64,
)
MONTHS = tuple(
    IssueMonth(slug=f"{year}-{month:02}", at=NOW.replace(year=year, month=month, day=1), issue_count=4)
    for year in (2025, 2024)
    for month in range(12, 0, -1)
)
WEEKLY = NewsletterIssues(
    slug="weekly",
    title=NEWSLETTER.title,
    issues=ISSUES,
    headlines={ISSUES[0].id: (replace(LEADS[0], title="Kumo Cloud moves into chips, and more"), LEADS[1], LEADS[4])},
    months=MONTHS,
)
COUNTS = tuple(TagCount(tag=tag, entry_count=1_300 + 7 * at) for at, tag in enumerate(TAGS.values()))
KINDS = tuple(
    TagsOfKind(
        kind=kind,
        top=tuple(count for count in COUNTS if count.tag.kind == kind)[:3],
        others=tuple(count for count in COUNTS if count.tag.kind == kind)[3:],
        tag_count=5,
    )
    for kind in ("org", "product", "topic")
)
FOUND = SearchPage(
    query=read_query('hayabusa "自社チップ"'),
    entries=LEADS[:8],
    count=1_000,
    has_more=True,
    older=12345,
    is_older=True,
)


def show_search(page: SearchPage, site: Site, templates: Templates) -> str:
    """The page with its words marked."""
    return lists.render_search(page, Marker(page.query, fold_sign), site=site, templates=templates)


PAGES: dict[str, Renderer] = {
    "feeds": lambda s, t: lists.render_feeds(READ, site=s, templates=t),
    "feed": lambda s, t: lists.render_feed(ONE, site=s, templates=t),
    "feed-older": lambda s, t: lists.render_feed(
        replace(ONE, before=EntryId(7), by_week=(), has_more=False), site=s, templates=t
    ),
    "follow": lambda s, t: lists.render_follow(FOLLOW, site=s, templates=t),
    "issues": lambda s, t: lists.render_issues(IssuesPage(newsletters=(WEEKLY, WEEKLY)), site=s, templates=t),
    "newsletter": lambda s, t: lists.render_issues(
        IssuesPage(newsletters=(WEEKLY,), is_single=True), site=s, templates=t
    ),
    "month": lambda s, t: lists.render_issues(
        IssuesPage(newsletters=(WEEKLY,), is_single=True, month=MONTHS[1], newer=MONTHS[0], older=MONTHS[2]),
        site=s,
        templates=t,
    ),
    "search": lambda s, t: show_search(FOUND, s, t),
    "search-empty": lambda s, t: show_search(SearchPage(query=read_query("")), s, t),
    "search-none": lambda s, t: show_search(SearchPage(query=read_query("ornithopter -chips")), s, t),
    "tags": lambda s, t: lists.render_tags(TagsPage(kinds=KINDS), site=s, templates=t),
    "tag-kind": lambda s, t: lists.render_tag_kind(
        TagKindPage(kind="topic", tags=COUNTS, tag_count=len(COUNTS)), site=s, templates=t
    ),
}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</title><svg/onload=alert(1)>",
    "{{ 7*7 }} {% raw %}",
    "<style>*{}</style><!--",
    "\x00\ud800\u202e]]>",
]


@pytest.fixture(params=PAGES)
def render(request: pytest.FixtureRequest) -> Renderer:
    return PAGES[request.param]


def read(text: str) -> html.HtmlElement:
    """The page, of which no element acts, is styled in place or leads to a foreign scheme."""
    document = html.document_fromstring(text)
    for element in document.iter(tag="*"):
        assert element.tag not in ("script", "style", "iframe", "object", "embed", "img", "base"), element.tag
        assert not [name for name in element.attrib if name.startswith("on") or name == "style"]
    for element, attribute, link, _ in document.iterlinks():
        assert urlsplit(link).scheme in ("http", "https", "mailto", ""), (element.tag, attribute, link)
    return document


def test_a_list_is_a_whole_page(render: Renderer) -> None:
    """One h1, headings that leave out no level and are none but headings, a title, unique ids, a canonical address."""
    document = read(render(SITE, TEMPLATES))
    levels = [int(element.tag[1]) for element in document.iter("h1", "h2", "h3", "h4", "h5", "h6")]
    ids = document.xpath("//@id")

    assert levels[0] == 1 and levels.count(1) == 1
    assert not document.xpath("//*[self::h1 or self::h2 or self::h3 or self::h4]/@role")
    assert all(later <= level + 1 for level, later in pairwise(levels))
    assert document.findtext(".//title").endswith(SITE.title)
    assert len(ids) == len(set(ids))
    assert len(document.xpath("//link[@rel='canonical']")) == (0 if document.xpath("//input") else 1)


def test_every_inner_link_of_a_list_begins_with_the_root_of_the_site(render: Renderer) -> None:
    """A site below a path works."""
    document = read(render(replace(SITE, url="https://example.org/news"), TEMPLATES))
    inner = [link for _, _, link, _ in document.iterlinks() if not urlsplit(link).scheme and not link.startswith("#")]

    assert inner
    assert all(link.startswith("/news/") for link in inner)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_field_of_a_feed_entry_or_issue_becomes_markup(text: str) -> None:
    """Every text and address that a publisher controls, on every list."""
    said = dict.fromkeys(("title", "excerpt", "author", "feed_name", "url", "feed_url", "language"), text)
    entry: Entry = replace(LEADS[0], **said)  # type: ignore[arg-type]
    texts = dict.fromkeys(("title", "site_url", "language", "rights", "author", "failure_reason", "alarm"), text)
    feed: Feed = replace(FEEDS[FeedId(1)], spec=FeedSpec(url=text), **texts)  # type: ignore[arg-type]
    issue = replace(ISSUES[0], subject=text)
    tag = Tag(slug="chips", kind="topic", name=text)
    newsletter = replace(WEEKLY, title=text, issues=(issue,), headlines={issue.id: (entry, entry)})
    rendered = [
        lists.render_feeds(replace(READ, feeds=(feed,), user_agent=text), site=SITE, templates=TEMPLATES),
        lists.render_feed(replace(ONE, feed=feed, entries=(entry,)), site=SITE, templates=TEMPLATES),
        lists.render_follow(replace(FOLLOW, newest=(entry,), tags=(tag,)), site=SITE, templates=TEMPLATES),
        lists.render_issues(IssuesPage(newsletters=(newsletter,)), site=SITE, templates=TEMPLATES),
        show_search(SearchPage(query=read_query(text), entries=(entry,), count=1), SITE, TEMPLATES),
        lists.render_tag_kind(
            TagKindPage(kind="topic", tags=(TagCount(tag=tag, entry_count=1),), tag_count=1),
            site=SITE,
            templates=TEMPLATES,
        ),
    ]

    for each in rendered:
        read(each)
        assert ("7*7 }}" in each) == ("7*7 }}" in text)


def make_feed(number: int, name: str) -> Feed:
    return replace(FEEDS[FeedId(1)], id=FeedId(number), title=name, spec=FeedSpec(url=f"https://f{number}.example/"))


def test_one_page_of_many_feeds_is_light() -> None:
    """A hundred of 2,500 with the style sheet: under 60 KB."""
    names = [f"{chr(65 + number % 26)}n ordinary name of a feed {number}" for number in range(2_500)]
    feeds = sort_names([make_feed(at, name) for at, name in enumerate(names, 1)], lambda feed: feed.name)
    page = replace(READ, feeds=tuple(feeds[:100]), feed_count=2_500, leaves=list_leaves(sorted(names), 100))
    text = lists.render_feeds(page, site=SITE, templates=TEMPLATES)

    assert len(text.encode()) + sum(map(len, get_assets().values())) < 60_000


def test_a_feed_tells_no_token_and_no_path_of_our_disk() -> None:
    """Addresses with a query or with headers are not shown; a folder is known by its last part."""
    for url in ("https://ada:pw@feeds.example.org/f?token=secret", "folder:/srv/newsroom/posts"):
        feed = replace(FEEDS[FeedId(1)], title="", site_url="", spec=FeedSpec(url=url))
        failing = replace(feed, failures=3, failure_class="http", failure_reason=f"403 at {url}", next_due_reason=url)
        text = lists.render_feeds(replace(READ, feeds=(failing,)), site=SITE, templates=TEMPLATES)
        text += lists.render_feed(replace(ONE, feed=failing), site=SITE, templates=TEMPLATES)

        assert not any(word in text for word in ("token", "secret", "pw@", "/srv", "folder:", "403"))
        assert get_feed_name(url) in text


def test_the_address_of_a_public_feed_is_shown_as_it_is() -> None:
    """Who likes a feed can follow it without us."""
    document = read(PAGES["feed"](SITE, TEMPLATES))

    assert document.xpath("//dl//a/@href")[0] == ONE.feed.spec.url


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "paused", "paused_reason": "gone: answers 410 since 2025-11-01"}, "We read it no more"),
        ({"failures": 4, "failure_class": "dns"}, "It does not answer: its server cannot be reached. Last asked on"),
        ({"failures": 4, "failure_class": "http", "last_status": 404}, "it is not where it was."),
        ({"failures": 4, "failure_class": "not_saved"}, "the fault is ours."),
        ({"last_fetched_at": None}, "Not read yet. We ask again on 5 December 2025, 10:30."),
        ({}, "Read on 5 December 2025, 09:46. We ask again on 5 December 2025, 10:30."),
    ],
)
def test_how_a_feed_stands_is_told_in_words(changes: dict[str, object], words: str) -> None:
    """Whatever is wrong with it, without a word of protocol."""
    page = replace(ONE, feed=replace(ONE.feed, **changes))  # type: ignore[arg-type]
    told = read(lists.render_feed(page, site=SITE, templates=TEMPLATES)).find(".//dl[@class='facts']").text_content()

    assert words in " ".join(told.split())


def test_a_quiet_feed_says_since_when() -> None:
    """Nothing in four weeks."""
    quiet = replace(ONE, by_week=(*(1,) * 48, 0, 0, 0, 0))
    told = [lists.render_feed(page, site=SITE, templates=TEMPLATES) for page in (quiet, ONE)]

    assert ["Its newest post is of" in text for text in told] == [True, False]


def test_who_owns_a_feed_learns_how_we_read_and_where_to_complain() -> None:
    """By mail or on a page; a site without a contact promises nothing."""
    sites = (SITE, replace(SITE, contact="https://example.org/about"), replace(SITE, contact=""))
    found = [read(lists.render_feeds(READ, site=site, templates=TEMPLATES)) for site in sites]
    links = [document.xpath("//section[@id='etiquette']//a/@href") for document in found]

    assert links == [["mailto:editor@example.org"], ["https://example.org/about"], []]
    assert all("every 30 minutes at most" in document.text_content() for document in found)


def test_an_issue_names_what_its_title_does_not_say() -> None:
    """Its title is its first headline, whole and in its language, which would else stand there twice."""
    cut = replace(ISSUES[0], subject="小さな半導体、大きな賭け…")
    shown = replace(WEEKLY, issues=(cut, *ISSUES[1:]), headlines={cut.id: (LEADS[0], LEADS[1], LEADS[4])})
    page = IssuesPage(newsletters=(shown,), is_single=True)
    document = read(lists.render_issues(page, site=SITE, templates=TEMPLATES))
    title = document.find(".//ol[@class='shelf']//h3")
    also = document.findall(".//ol[@class='shelf']//p[@class='also']")

    assert (title.text_content(), title.get("lang")) == (LEADS[0].title, "ja")
    assert len(also) == 1
    assert LEADS[1].title in also[0].text_content() and LEADS[0].title not in also[0].text_content()


def test_few_feeds_stand_in_one_list_and_many_under_their_letters() -> None:
    """Seven letters above seven names help nobody."""
    found = [
        read(lists.render_feeds(replace(READ, feed_count=count), site=SITE, templates=TEMPLATES)).findall(
            ".//section[@class='under']/h2"
        )
        for count in (len(NAMED), 64)
    ]

    assert [[heading.text for heading in headings] for headings in found] == [[], ["H", "L", "N", "W", "م", "字"]]


def test_issues_stand_under_the_months_of_the_site() -> None:
    """1 December 2025, 00:30 in Berlin is still November in UTC."""
    late = replace(ISSUES[0], id=IssueId(1), slot_at=NOW.replace(month=11, day=30, hour=23, minute=30))
    shown = replace(WEEKLY, issues=(late, *ISSUES[1:]))
    page = IssuesPage(newsletters=(shown,), is_single=True)
    document = read(lists.render_issues(page, site=SITE, templates=TEMPLATES))

    assert [heading.text for heading in document.findall(".//h2[@class='month']")] == ["December 2025", "November 2025"]
    assert len(document.xpath("//dl[@class='years']//a")) == len(MONTHS)


def test_a_page_of_an_empty_list_says_so() -> None:
    """The first minutes of a new site."""
    nothing = [
        lists.render_feeds(replace(READ, feeds=(), feed_count=0), site=SITE, templates=TEMPLATES),
        lists.render_feed(
            replace(ONE, entries=(), by_week=(0,) * 52, has_more=False, newest_at=None), site=SITE, templates=TEMPLATES
        ),
        lists.render_issues(IssuesPage(newsletters=()), site=SITE, templates=TEMPLATES),
        lists.render_tags(TagsPage(kinds=()), site=SITE, templates=TEMPLATES),
    ]

    assert all(document.find(".//div[@class='empty']") is not None for document in map(read, nothing))
    read(
        lists.render_follow(
            FollowPage(newest=(), tags=(), languages=(), newsletters=(), feed_count=0), site=SITE, templates=TEMPLATES
        )
    )


@pytest.mark.parametrize(
    ("name", "initial"),
    [
        ("Ärger", "A"),
        ("«Le Monde»", "L"),
        ("  the verge", "T"),
        ("404 Media", "#"),
        ("🤖", "#"),
        ("", "#"),
        ("がくしゅう", "あ"),
        ("ﾃﾞｰﾀ", "あ"),
        ("智能早报", "字"),
        ("한국", "한"),
        ("مجلة", "م"),
        ("ßharp", "S"),
        ("Ⅷ", "V"),
    ],
)
def test_a_name_stands_under_its_first_letter(name: str, initial: str) -> None:
    """Accents, quotes and width left aside; scripts without an alphabet of few letters stand together."""
    assert get_initial(name) == initial


def test_names_in_order_stand_together_by_initial() -> None:
    """Each initial once, and the pages say from where to where they go."""
    names = ["zeta", "Äpfel", "apple", "9to5", "智能", "ああ", "Beta", "東京", "ゼロ", "Привет", "ärger"]
    ordered = sort_names(names, str)
    initials = [initial for initial, _ in group_names(ordered, str)]
    leaves = list_leaves(ordered, 4)

    assert len(initials) == len(set(initials))
    assert ordered[:6] == ["9to5", "Äpfel", "apple", "ärger", "Beta", "zeta"]
    assert [(leaf.first, leaf.last) for leaf in leaves] == [("#", "A"), ("B", "あ"), ("あ", "字")]
    assert list_leaves([], 4) == ()
    assert sort_names(["GPT-10", "GPT-4.1", "gpt-9", "GPT-4"], str) == ["GPT-4", "GPT-4.1", "gpt-9", "GPT-10"]
