"""Pages in a real browser: WCAG A and AA by axe, no sideways scrolling, light and dark, wide and narrow."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route

from aggregator.render import page
from tests.render.samples import FRONT, SITE, STORIES, with_lead
from tests.render.test_page import PAGES, TEMPLATES

ENDLESS = "Pneumonoultramicroscopicsilicovolcanoconiosis" * 3
_KINDS = {"css": "text/css", "svg": "image/svg+xml"}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


def show(browser_page: Page, text: str, scheme: str, width: int) -> None:
    """Shows ``text`` with our assets under our pages' content security policy (not the mail, which brings styles)."""
    is_mail = "data-ogsc" in text
    policy = {} if is_mail else {"content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'"}
    answers = {f"/static/{name}": (data, _KINDS[name.rpartition(".")[2]]) for name, data in page.get_assets().items()}
    answers["/page"] = (text.encode(), "text/html; charset=utf-8")

    def answer(route: Route) -> None:
        body, kind = answers[urlsplit(route.request.url).path]
        route.fulfill(body=body, content_type=kind, headers=policy)

    browser_page.route("http://127.0.0.1:1/**", answer)
    browser_page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    browser_page.set_viewport_size({"width": width, "height": 800})
    browser_page.goto("http://127.0.0.1:1/page")


def check(browser_page: Page, width: int) -> None:
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= width
    results = Axe().run(browser_page, options=RULES)
    faults = [
        (fault["id"], [node["html"][:120] for node in fault["nodes"][:3]]) for fault in results.response["violations"]
    ]
    assert not faults
    assert "color-contrast" in [rule["id"] for rule in results.response["passes"]]


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_front_page_is_accessible(browser_page: Page, scheme: str, width: int) -> None:
    """With a policy that lets nothing in but our style sheet."""
    show(browser_page, PAGES["front"](SITE, TEMPLATES), scheme, width)

    check(browser_page, width)


@pytest.mark.parametrize("name", sorted(set(PAGES) - {"front"}))
def test_every_other_page_is_accessible(browser_page: Page, name: str) -> None:
    """Dark on the narrowest telephone, light on a wide screen."""
    for scheme, width in (("dark", 360), ("light", 1280)):
        show(browser_page, PAGES[name](SITE, TEMPLATES), scheme, width)

        check(browser_page, width)


@pytest.mark.parametrize("width", [1280, 360])
def test_endless_words_and_titles_do_not_break_the_page(browser_page: Page, width: int) -> None:
    """A word of 135 letters in every text, a Japanese title of 160 characters."""
    long = with_lead(STORIES[0], title=STORIES[0].lead.title * 4, feed_name=ENDLESS)
    endless = with_lead(STORIES[1], title=ENDLESS, excerpt=ENDLESS, feed_name=ENDLESS)
    story = replace(endless, entries=(endless.lead, replace(STORIES[0].lead, feed_name=ENDLESS)))
    front = replace(FRONT, stories=(long, story, *STORIES[2:12], long, story), river=(long.lead, endless.lead))

    show(browser_page, page.render_front(front, site=replace(SITE, title=ENDLESS), templates=TEMPLATES), "light", width)

    check(browser_page, width)


def test_the_first_key_leads_past_the_menu(browser_page: Page) -> None:
    """The skip link shows when it has the focus."""
    show(browser_page, PAGES["front"](SITE, TEMPLATES), "light", 1280)
    browser_page.keyboard.press("Tab")
    focused = browser_page.evaluate(
        "[document.activeElement.className, document.activeElement.getBoundingClientRect().left]"
    )

    assert focused[0] == "skip"
    assert focused[1] >= 0
