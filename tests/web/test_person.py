"""A person with a browser: the form, the mail, the button, the topics, the end; and each page held against axe."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.web.test_subscribe import Office, find_path, office

__all__ = ["office"]
OPTIONS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
LOOKS: tuple[tuple[Literal["light", "dark"], int], ...] = (("light", 1280), ("dark", 390))


def check(page: Page) -> None:
    """In both themes, wide and narrow: no fault, no sideways scrolling."""
    for theme, width in LOOKS:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")  # it is painted
        faults = Axe().run(page, options=OPTIONS).response["violations"]
        assert not faults, (page.url.rpartition("/")[0], theme, width, faults)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_person_subscribes_confirms_chooses_and_leaves(office: Office, browser_page: Page) -> None:
    page, url = browser_page, office.door.url
    office.now = datetime(2026, 11, 2, 9, tzinfo=UTC)
    page.goto(f"{url}/subscribe")
    check(page)
    office.now += timedelta(seconds=20)
    page.get_by_label("AI <Weekly>").check()
    page.get_by_label("Your e-mail address").fill("ann@example.org")
    page.get_by_role("button", name="Subscribe").click()
    page.get_by_role("heading", name="Look into your mail").wait_for()
    check(page)

    (mail,) = office.read_mails()
    page.goto(url + find_path(mail, "/confirm/"))
    check(page)
    assert office.list() == []
    page.get_by_role("button", name="Yes, confirm").click()
    page.get_by_role("heading", name="That is done").wait_for()
    assert [one.state for one in office.list()] == ["confirmed"]

    page.goto(url + office.find_preferences("ann@example.org"))
    check(page)
    page.get_by_label("OpenAI").check()
    page.get_by_role("button", name="Save").click()
    assert page.get_by_role("status").inner_text() == "Saved."
    assert office.list()[0].topics == ("openai",)
    page.get_by_role("button", name="Erase me").click()
    page.get_by_role("button", name="No, go back").wait_for()
    check(page)
    page.get_by_role("button", name="No, go back").click()

    office.now += timedelta(days=31)
    office.subscribe("ann@example.org")
    page.goto(url + find_path(office.read_mails()[-1], "/unsubscribe/"))
    check(page)
    page.get_by_role("button", name="Unsubscribe", exact=True).click()
    page.get_by_role("heading", name="You are unsubscribed").wait_for()
    check(page)
    assert [one.state for one in office.list()] == ["ended"]

    page.goto(f"{url}/privacy")
    check(page)
