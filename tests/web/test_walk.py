"""A walk through a served site in a real browser: each page accessible, nothing from elsewhere, no complaint."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from lxml import etree
from playwright.sync_api import Page, expect

from aggregator.app import App
from tests.fixtures.program import Program
from tests.render.test_browser import check
from tests.tasks.paper import WORDS
from tests.web.conftest import Door, write_rss
from tests.web.test_hostile import VECTORS, check_html, find_bad, open_hostile

SHARED = ("https://a.example/one", "OpenAI shows GPT-5.6, a new model that reads maps")
#: One a feed; no two alike, so that each is a story of its own.
OTHERS = [
    (f"https://b.example/{number}", f"The {one} {two} report on Anthropic, part {number * number}")
    for number, (one, two) in enumerate((one, two) for one in WORDS[:9] for two in WORDS[9:18])
]
JAPANESE = [("https://c.example/ja", "オープンＡＩが地図を読む新しいモデル「GPT-5.6」を発表した")]
#: The one form on a page that shows entries.
OWN_FORM = '<form class="asking" role="search" action="/search" method="get">'
ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(params=[6])
def door(
    program: Program, http_server: Any, serve: Callable[[App], Door], request: pytest.FixtureRequest
) -> Iterator[Door]:
    """Three feeds tell one story, one of them in Japanese; one of them tells some others, too."""
    others = [("https://b.example/one", SHARED[1]), *OTHERS[: request.param]]
    feeds = [
        {"url": http_server.add("/a", write_rss([SHARED], "The Morning Wire"))},
        {"url": http_server.add("/b", write_rss(others, "Harbour & Sons"))},
        {"url": http_server.add("/c", write_rss(JAPANESE, "機械と人間")), "language": "ja"},
    ]
    program.configure(feeds=feeds, combined={"first_import": 1000})
    assert program.json("fetch", "--all")["failed"] == 0
    assert program.json("issues", "build")["state"] == "ready"
    with program.app() as app:
        yield serve(app)


@ONE_DATABASE
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_reader_walks_from_the_front_page_to_an_issue(
    door: Door, browser_page: Page, scheme: Any, width: int
) -> None:
    """Front page, story, tag, search, issue; each without a violation of WCAG A and AA."""
    browser_page.emulate_media(color_scheme=scheme)
    browser_page.set_viewport_size({"width": width, "height": 900})

    browser_page.goto(f"{door.url}/")
    check(browser_page, width)

    browser_page.get_by_role("link", name="How it was told").first.click()
    expect(browser_page).to_have_url(re.compile(r"/stories/\d+$"))
    expect(browser_page.locator(".timeline li")).to_have_count(3)
    check(browser_page, width)

    browser_page.locator(".aside .tags").get_by_role("link", name="OpenAI").click()
    expect(browser_page.get_by_role("heading", level=1)).to_have_text("OpenAI")
    check(browser_page, width)

    browser_page.get_by_role("navigation").get_by_role("link", name="Search").click()
    browser_page.get_by_role("searchbox").fill("地図")
    browser_page.get_by_role("searchbox").press("Enter")
    expect(browser_page.locator("main")).to_contain_text("GPT-5.6")
    check(browser_page, width)

    browser_page.get_by_role("navigation").get_by_role("link", name="Issues").click()
    browser_page.locator("main a[href*='/issues/weekly/']").first.click()
    expect(browser_page.locator(".story.lead")).to_be_visible()
    check(browser_page, width)


@ONE_DATABASE
@pytest.mark.parametrize("door", [len(OTHERS)], indirect=True)
def test_a_reader_follows_the_river_to_its_end_and_back(door: Door, browser_page: Page) -> None:
    """Every entry is met once on the way down; the way up ends at the front page."""
    browser_page.goto(f"{door.url}/")
    met = list_river(browser_page)
    while browser_page.locator(".turn a[rel=next]").count():
        browser_page.locator(".turn a[rel=next]").click()
        met += list_river(browser_page)
    check(browser_page, 1280)

    assert len(met) == len(set(met)) == len(OTHERS) + 3
    while browser_page.locator(".turn a[rel=prev]").count():
        browser_page.locator(".turn a[rel=prev]").click()
    assert browser_page.url == f"{door.url}/"


def list_river(page: Page) -> list[str]:
    found: list[str] = page.eval_on_selector_all(".day li > a", "links => links.map(link => link.href)")
    return found


@ONE_DATABASE
def test_one_language_is_a_walk_of_its_own(door: Door, browser_page: Page) -> None:
    """The front page leads there; the story it shares with others is told by its Japanese entry."""
    browser_page.goto(f"{door.url}/")
    browser_page.get_by_role("link", name="日本語").click()

    expect(browser_page.locator(".story h3")).to_have_attribute("lang", "ja")
    assert list_river(browser_page) == [JAPANESE[0][0]]
    check(browser_page, 1280)


@ONE_DATABASE
def test_the_keyboard_goes_where_the_eye_does(door: Door, browser_page: Page) -> None:
    """The skip link first and seen; from it into the text; every stop on the way is seen to have the focus."""
    browser_page.goto(f"{door.url}/")
    browser_page.keyboard.press("Tab")
    assert browser_page.evaluate("document.activeElement.className") == "skip"
    browser_page.keyboard.press("Enter")
    browser_page.keyboard.press("Tab")
    assert browser_page.evaluate("document.activeElement.closest('main .story') !== null")

    tops = []
    for _ in range(12):
        top, seen = browser_page.evaluate(
            "[document.activeElement.getBoundingClientRect().top + scrollY,"
            " getComputedStyle(document.activeElement).outlineStyle]"
        )
        assert seen == "solid"
        tops.append(top)
        browser_page.keyboard.press("Tab")
    assert all(later >= earlier - 8 for earlier, later in pairwise(tops))


@ONE_DATABASE
def test_nothing_moves_while_a_page_is_shown(door: Door, browser_page: Page) -> None:
    """No layout shift; and who asks for less motion gets none."""
    browser_page.emulate_media(reduced_motion="no-preference")
    browser_page.goto(f"{door.url}/", wait_until="networkidle")
    shift = browser_page.evaluate(
        "new Promise(done => { let sum = 0; new PerformanceObserver(list => {"
        " for (const entry of list.getEntries()) sum += entry.value; })"
        ".observe({type: 'layout-shift', buffered: true}); setTimeout(() => done(sum), 200); })"
    )
    browser_page.emulate_media(reduced_motion="reduce")

    assert shift == 0
    assert browser_page.evaluate("getComputedStyle(document.querySelector('a')).transitionDuration") == "0s"


@ONE_DATABASE
def test_an_issue_prints_as_text(door: Door, browser_page: Page) -> None:
    """Without what can only be pressed; links say where they lead."""
    issue = re.findall(r'href="(/issues/weekly/[^"]+)"', door.ask("/issues/").text)[0]
    browser_page.goto(f"{door.url}{issue}")
    browser_page.emulate_media(media="print")

    for unwanted in (".masthead nav", ".skip", ".aside"):
        expect(browser_page.locator(unwanted).first).not_to_be_visible()
    told = browser_page.evaluate("getComputedStyle(document.querySelector('.story.lead h2 a'), '::after').content")
    assert "http" in told or "href" in told


def list_pages(door: Door) -> list[str]:
    """The pages that show entries: front, its older ones, a tag, languages, a feed, search, the archive, an issue, and
    every entry and story that they name."""
    front = door.ask("/").text
    paths = ["/", "/tags/openai", "/tags/", "/feeds", "/feeds/1", "/search?q=OpenAI", "/issues/"]
    paths += [f"/search?q={quote(vector[:300])}" for vector in VECTORS[:12]]
    paths += re.findall(r'href="(/issues/weekly/[^"/]+)"', door.ask("/issues/").text)
    paths += re.findall(r'href="(/lang/[a-z]+)"', front)
    page = front
    while older := re.search(r'rel="next" href="(/before/\d+)"', page):
        paths.append(older[1])
        page = door.ask(older[1]).text
    for path in list(paths):
        paths += re.findall(r'href="(/(?:entries|stories)/\d+)"', door.ask(path).text)
    return list(dict.fromkeys(paths))


def check_all(door: Door, browser_page: Page, *, browse: int) -> None:
    """No page holds anything that acts; the browser has the last word on the first ``browse`` pages of a kind."""
    paths = list_pages(door)
    kinds: dict[str, int] = {}
    for path in paths:
        reply = door.ask(path)
        assert reply.status == 200, path
        own = OWN_FORM if path.startswith("/search") else "nothing"
        assert reply.text.count(own) == (own == OWN_FORM)
        check_html(reply.text.replace(own, "<div>"))
        kind = re.sub(r"\d+", "", path)
        kinds[kind] = kinds.get(kind, 0) + 1
        if kinds[kind] <= browse:
            browser_page.goto(door.url + path, wait_until="load")
            assert browser_page.evaluate("window.pwned === undefined"), path
            assert [bad for bad in find_bad(browser_page) if not bad.startswith(own)] == [], path
    assert kinds["/before/"] and kinds["/stories/"] and kinds["/entries/"]


@ONE_DATABASE
def test_no_attack_reaches_a_page(
    program: Program,
    http_server: Any,
    serve: Callable[[App], Door],
    request: pytest.FixtureRequest,
    browser_page: Page,
) -> None:
    """Every vector in every field of an entry, through the whole program, on every page that shows entries."""
    _, _, door = open_hostile(program, http_server, serve, [*VECTORS, *VECTORS], request)

    check_all(door, browser_page, browse=3)


@ONE_DATABASE
def test_no_recorded_markup_reaches_a_page(
    corpus: Path,
    program: Program,
    http_server: Any,
    serve: Callable[[App], Door],
    request: pytest.FixtureRequest,
    browser_page: Page,
) -> None:
    """What feedparser's own tests of cleaning hold."""
    vectors = []
    parser = etree.XMLParser(recover=True, no_network=True, resolve_entities=False)
    for path in sorted((corpus / "hostile" / "sanitize").glob("*.xml")):
        root = etree.parse(path, parser).getroot()
        texts = [element.text or "" for element in root.iter(etree.Element) if "<" in (element.text or "")]
        vectors += texts[:1]
    assert len(vectors) > 200
    _, _, door = open_hostile(program, http_server, serve, vectors, request)

    check_all(door, browser_page, browse=2)
