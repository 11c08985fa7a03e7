"""Pages without a feed: what the editor's rules find on them; and what a page is called where a feed should be."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import ParseError
from aggregator.model.feed import FAILURE_CLASSES, PageRules
from aggregator.model.parsed import ParsedFeed
from aggregator.pipeline.clean import clean_parts
from aggregator.pipeline.identify import identify_entries
from aggregator.pipeline.parse import parse_feed
from aggregator.pipeline.parse.diagnose import describe_page, name_blocker

DATA = Path(__file__).parent / "data"
URL = "https://www.example.org/news"
PAGE = (DATA / "page.html").read_bytes()
OTHER_PAGES: dict[str, tuple[str, str]] = json.loads((DATA / "other_pages.json").read_text(encoding="utf-8"))
RULES = PageRules(items="article.post", title="h2", link="h2 a, a.more", date="time, .when")


def read(body: str | bytes, *, content_type: str = "text/html", **rules: str) -> ParsedFeed:
    body = body.encode() if isinstance(body, str) else body
    return parse_feed(body, content_type=content_type, url=URL, page=PageRules(**{"items": "li", **rules}))


def test_the_rules_find_titles_links_and_dates() -> None:
    found = parse_feed(PAGE, content_type="text/html", url=URL, page=RULES)
    alpha, beta, gamma, delta = found.entries

    assert (found.title, found.site_url, found.language) == ("Research & Notes", URL, "en-GB")
    assert [clean_parts(entry, URL).title for entry in found.entries] == [
        "Alpha <T> is here",
        "Beta",
        "ガンマ",
        "Delta",
    ]
    assert alpha.id == alpha.url == "https://lab.example.org/research/alpha"
    assert beta.url == "https://other.example.com/beta?x=1&y=2"
    assert (gamma.url, gamma.id) == ("", "")
    assert [entry.published_at for entry in found.entries] == [
        datetime(2026, 11, 24, 8, 0, tzinfo=UTC),
        datetime(2026, 11, 20, tzinfo=UTC),
        datetime(2026, 11, 3, tzinfo=UTC),
        None,  # the fifth of November or the eleventh of May
    ]
    assert delta.url == ""
    assert "<p>First <b>text</b>.</p>" in alpha.content_html
    assert "A quote within Beta" in beta.content_html


def test_what_is_repeated_counts_once_and_what_is_empty_is_rejected() -> None:
    found = parse_feed(PAGE, url=URL, page=RULES)

    assert len(found.entries) == 4
    assert [(entry.index, entry.reason) for entry in found.rejected] == [(3, "no text and no link")]
    assert found.warnings == ("2 of 4 items have no link",)
    assert len(identify_entries(found).entries) == 4


def test_without_rules_for_them_an_item_gives_its_text_and_its_first_link_and_no_date() -> None:
    found = read("<ul><li>One <a href=/1>two</a> <a href=/2>x</a> 2026-11-25<li><a href='#v2'>v2</a><li>bare")

    assert [(entry.title, entry.url, entry.published_at) for entry in found.entries] == [
        ("One two x 2026-11-25", "https://www.example.org/1", None),
        ("v2", "https://www.example.org/news#v2", None),
        ("bare", "", None),
    ]


def test_an_item_may_be_the_link_itself_or_stand_within_one() -> None:
    assert read("<a class=card href=/1><h3>One</h3></a>", items="a.card").entries[0].url == "https://www.example.org/1"
    assert read("<a href=/2><div>Two</div></a>", items="div").entries[0].url == "https://www.example.org/2"


def test_a_title_rule_that_misses_leaves_the_items_own_text() -> None:
    assert read("<li>Text", title="h2").entries[0].title == "Text"


def test_rules_look_within_their_item_only() -> None:
    found = read("<h2>Outside</h2><li><h2>A</h2><li><p>B</p><li><h2>C</h2>", title="h2")

    assert [entry.title for entry in found.entries] == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("<meta charset=gb2312><li>大模型发布", "text/html"),
        ("<li>大模型发布", "text/html; charset=gbk"),
        ("<meta http-equiv=content-type content='text/html; charset=gbk'><li>大模型发布", ""),
    ],
)
def test_the_encoding_is_what_header_or_page_say(body: str, content_type: str) -> None:
    assert read(body.encode("gbk"), content_type=content_type).entries[0].title == "大模型发布"


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("items", ""),
        ("items", "article["),
        ("items", "a::attr(href)"),
        ("title", "h2:nope(3"),
        ("title", ":unknown"),
        ("link", "//a/@href"),
        ("date", "x" * 501),
        ("date", ":not(" * 400),
        ("items", "ns|a"),
    ],
)
def test_a_bad_selector_is_named(name: str, rule: str) -> None:
    with pytest.raises(ParseError) as caught:
        read("<li>x", **{name: rule})

    assert caught.value.failure_class == "no_items"
    assert caught.value.reason.startswith(f'{name}: "')
    assert caught.value.reason.endswith('" is not a CSS selector')


@pytest.mark.parametrize("body", ["<p>A page of another shape", "plain text", "<!-- -->", "<"])
def test_rules_that_find_nothing_are_a_failure_of_their_own(body: str) -> None:
    with pytest.raises(ParseError) as caught:
        read(body, items="article.post")

    assert caught.value.failure_class == "no_items"
    assert caught.value.reason == 'the rules find nothing on this page (items: "article.post")'


def test_a_challenge_instead_of_the_page_is_not_blamed_on_the_rules() -> None:
    with pytest.raises(ParseError) as caught:
        read(OTHER_PAGES["challenge"][0])

    assert caught.value.failure_class == "web_page"
    assert "Cloudflare challenge" in caught.value.reason


@pytest.mark.parametrize(("body", "words"), [(b"", "empty"), (b"%PDF-1.7", "PDF")])
def test_what_is_no_page_at_all_is_named(body: bytes, words: str) -> None:
    with pytest.raises(ParseError, match=words):
        read(body)


N = 100_000
HOSTILE = {
    "deep": "<li>" + "<div>" * N + "x",
    "deep items": "<ul><li>x" * N,
    "many items": "<li><a href=/x>y</a>" * 40_000,
    "too many tags": "<li>" * 200_000,
    "attributes": "<li " + " ".join(f"a{number}=1" for number in range(N)) + ">x",
    "attributes by slashes": "<li " + "/".join(f"a{number}" for number in range(N)) + ">x",
    "attributes after a bracket": '<li x=">" ' + "".join(f"a{number}='<'" for number in range(90_000)) + ">x",
    "attributes behind a title": '<title><x y=" </title><li '
    + "".join(f"a{number}='<'" for number in range(90_000))
    + ">",
    "attributes behind a comment": '<li>x<!x y=" --><li ' + "".join(f"a{number} " for number in range(N)) + '">',
    "attributes in a textarea": "<textarea><x y='</textarea><li " + "a=1 " * N + "'>",
    "equals": "<li " + "=" * 1_000_000,
    "quotes after equals": "<li " + "a='" * 500_000,
    "names and spaces": "<li " + ("a" + " " * 5_000) * 500,
    "scripts never closed": "<li>x" + "<script>" * 400_000,
    "scripts": "<li>x" + "<script></script>" * 100_000,
    "spaces": "<li>" + " " * 3_000_000,
    "ampersands": "<li>" + "&" * 3_000_000,
    "comments": "<li>x" + "<!--" * 100_000,
    "endings": "<div>" * 250 + "</p>" * 90_000,
    "long text": "<li>" + "word " * 700_000,
    "quotes": "<li " + "\"'" * 1_000_000,
    "dates": "<li>" + "Nov 25 2026 " * 100_000,
    "too long": "<li>" + "x" * 5_000_000,
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_page_ends_soon_and_with_our_own_error_at_worst(name: str) -> None:
    started = time.process_time()
    try:
        found = read(HOSTILE[name], title="a", date="*")
        assert len(found.entries) <= 500
    except ParseError as error:
        assert error.failure_class in FAILURE_CLASSES

    assert time.process_time() - started < 5


@given(st.text(alphabet="<>/abdil =\"'&;#h1x\n\x00\ud800é", max_size=80), st.text(max_size=12))
def test_nothing_but_our_own_error_is_raised(body: str, rule: str) -> None:
    try:
        found = read(body.encode("utf-8", "replace"), items="li", title=rule, link="a", date="b")
    except ParseError as error:
        assert error.failure_class in FAILURE_CLASSES
    else:
        assert identify_entries(found).entries or found.rejected


@pytest.mark.parametrize("name", sorted(OTHER_PAGES))
def test_a_page_in_the_place_of_a_feed_is_called_by_its_kind(name: str) -> None:
    page, words = OTHER_PAGES[name]
    with pytest.raises(ParseError) as caught:
        parse_feed(page.encode(), url=URL)

    assert caught.value.failure_class == "web_page"
    assert words in caught.value.reason


def test_an_ordinary_long_page_with_a_protectors_script_is_no_challenge() -> None:
    page = "<title>Blog</title><script src=/cdn-cgi/challenge-platform/x.js></script>" + "<p>text" * 5_000

    assert name_blocker(page) == ""
    assert describe_page(page) == 'this is a web page ("Blog"), not a feed'


def test_of_many_feeds_three_are_shown() -> None:
    page = "".join(f"<link rel=alternate type=application/rss+xml href=/{number}>" for number in range(7))

    assert describe_page(page) == "this is a web page, not a feed; it names 7 feeds: /0, /1, /2"
