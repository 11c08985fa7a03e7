"""The pages that list things in a real browser: WCAG A and AA by axe, no sideways scrolling, both themes and widths."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import Page

from aggregator.model.feed import FeedSpec
from aggregator.model.ids import FeedId
from aggregator.render import lists
from tests.render.samples import FEEDS, SITE
from tests.render.test_browser import check, show
from tests.render.test_lists import ONE, PAGES, READ, TEMPLATES

ENDLESS = "Pneumonoultramicroscopicsilicovolcanoconiosis" * 3


@pytest.mark.parametrize("name", sorted(PAGES))
def test_every_list_is_accessible(browser_page: Page, name: str) -> None:
    """Light and dark, on a desk and on a telephone."""
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)):
        show(browser_page, PAGES[name](SITE, TEMPLATES), scheme, width)

        check(browser_page, width)


@pytest.mark.parametrize("width", [1280, 360])
def test_endless_words_do_not_break_a_list(browser_page: Page, width: int) -> None:
    """A name, an author and rights without a space."""
    spec = FeedSpec(url=f"https://{ENDLESS[:60]}.example/{ENDLESS}")
    feed = replace(FEEDS[FeedId(6)], title=ENDLESS, author=ENDLESS, rights=ENDLESS, spec=spec)
    for text in (
        lists.render_feeds(replace(READ, feeds=(feed,), user_agent=ENDLESS), site=SITE, templates=TEMPLATES),
        lists.render_feed(replace(ONE, feed=feed), site=SITE, templates=TEMPLATES),
    ):
        show(browser_page, text, "light", width)

        check(browser_page, width)


def test_a_search_is_asked_by_keyboard_alone(browser_page: Page) -> None:
    """The box has a name; Enter asks for the page with the words in its address, and nothing else is asked for."""
    asked: list[str] = []
    show(browser_page, PAGES["search-empty"](SITE, TEMPLATES), "light", 390)
    browser_page.on("request", lambda request: asked.append(request.url))
    browser_page.route("**/search*", lambda route: route.fulfill(body="<p>found</p>", content_type="text/html"))
    box = browser_page.get_by_role("searchbox")
    box.fill("新モデル & more")
    box.press("Enter")
    browser_page.wait_for_url("**/search?q=*")
    wanted = [url for url in asked if "/static/" not in url]

    assert wanted == ["http://127.0.0.1:1/search?q=%E6%96%B0%E3%83%A2%E3%83%87%E3%83%AB+%26+more"]
