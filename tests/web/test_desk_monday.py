"""An editor's Monday in a browser, three times: by mouse, by keyboard alone, and where no script runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from aggregator.app import App
from aggregator.model.ids import IssueId
from aggregator.storage import stories
from aggregator.storage.stories import StoryQuery
from aggregator.tasks.deliver import deliver_issue
from aggregator.tasks.desk.accounts import create_account
from tests.fixtures.program import Program
from tests.fixtures.smtp_server import FOR_EVER, SmtpServer
from tests.web.conftest import Door, write_rss
from tests.web.desk_door import PASSWORD
from tests.web.desk_hands import Hands, Way
from tests.web.test_desk_pages import add_draft

TOLD = (
    ("https://a.example/1", "OpenAI shows a new model for protein folding"),
    ("https://a.example/2", "Anthropic raises money from three funds"),
    ("https://a.example/3", "A robot that folds laundry"),
    ("https://a.example/4", "NVIDIA sells chips to a bank"),
)
LOST = (("https://b.example/1", "Folding proteins: what the new model of OpenAI can do"),)
NEW = (("https://c.example/1", "Mistral opens an office in Kyoto"),)
HOME = "<!doctype html><title>A paper</title><link rel=alternate type=application/rss+xml href=/c.xml title=C><p>Hello"


@dataclass
class Morning:
    """What the editor finds on Monday."""

    app: App
    url: str
    http: Any
    smtp: SmtpServer


@pytest.fixture
def morning(
    program: Program, http_server: Any, make_smtp_server: Callable[..., SmtpServer], serve: Callable[[App], Door]
) -> Iterator[Morning]:
    """A feed that broke because it moved, a draft that waits, two subscribers of whom one does not exist."""
    smtp = make_smtp_server()
    smtp.answer("RCPT", "550 5.1.1 no such user here", to="bad@example.org", times=FOR_EVER)
    feeds = [{"url": http_server.add("/a.xml", write_rss(list(TOLD), "A paper"))}]
    feeds += [{"url": http_server.add("/old.xml", write_rss(list(LOST), "Lost paper"))}]
    newsletter = {
        "slug": "weekly", "title": "AI Weekly", "schedule": "0 8 * * 1", "min_stories": 1, "review": "manual",
        "review_for": "2d",
    }  # fmt: skip
    program.configure(
        feeds=feeds,
        newsletters=[newsletter],
        mail={"from": "AI Weekly <news@example.org>", "smtp": {"host": "127.0.0.1", "port": smtp.port, "tls": "none"}},
    )
    program.json("fetch", "--all")
    http_server.add("/old.xml", b"gone", status=404)
    http_server.add("/new.xml", write_rss(list(LOST), "Lost paper"))
    http_server.add("/home", HOME.encode(), headers={"Content-Type": "text/html"})
    http_server.add("/c.xml", write_rss(list(NEW), "C paper"))
    for _ in range(3):
        program.run("fetch", "--feed", feeds[1]["url"])
    for address in ("ann@example.org", "bad@example.org"):
        program.run("subscribers", "add", address)
    add_draft(program, "weekly", datetime.now(UTC) + timedelta(minutes=1))
    with program.app() as app:
        create_account(app, "anna", PASSWORD, role="editor")
        yield Morning(app, serve(app).url, http_server, smtp)


@pytest.fixture
def scriptless_page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(java_script_enabled=False, reduced_motion="reduce")
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def spend(hands: Hands, morning: Morning) -> None:
    page = hands.page
    page.goto(f"{morning.url}/admin/")
    hands.write(page.get_by_label("Name"), "anna")
    hands.write(page.get_by_label("Password"), PASSWORD)
    hands.press(page.get_by_role("button", name="Log in"))
    find_and_mend_a_feed(hands, morning)
    add_a_feed(hands, morning)
    merge_two_stories(hands, morning)
    write_a_rule(hands, morning)
    edit_the_issue(hands, morning)
    send_the_issue(hands, morning)


def find_and_mend_a_feed(hands: Hands, morning: Morning) -> None:
    page = hands.page
    hands.press(page.get_by_role("link", name="Feeds", exact=True))
    hands.press(page.get_by_role("link", name=re.compile("Broken")).first)
    hands.press(page.get_by_role("link", name="Lost paper"))
    expect(page.get_by_text("404").first).to_be_visible()
    hands.write(page.get_by_label("Where it lives"), f"{morning.http.url}/new.xml")
    hands.press(page.get_by_role("button", name="Move it there"))
    expect(page.get_by_role("status").first).to_contain_text("Lost paper")
    expect(page.get_by_role("button", name="Undo")).to_be_visible()


def add_a_feed(hands: Hands, morning: Morning) -> None:
    page = hands.page
    hands.press(page.get_by_role("link", name="Feeds", exact=True))
    hands.press(page.get_by_role("link", name="Add a feed"))
    hands.write(page.get_by_label("Address", exact=True), f"{morning.http.url}/home")
    hands.press(page.get_by_role("button", name="Look", exact=True))
    expect(page.get_by_text(NEW[0][1])).to_be_visible()
    hands.press(page.get_by_role("button", name="Read this one"))
    expect(page.get_by_role("button", name="Undo")).to_be_visible()


def merge_two_stories(hands: Hands, morning: Morning) -> None:
    page = hands.page
    hands.press(page.get_by_role("link", name="Stories", exact=True))
    for title in (TOLD[1][1], TOLD[3][1]):
        hands.tick(page.get_by_role("checkbox", name=title))
    hands.press(page.get_by_role("button", name=re.compile("^Merge")))
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    with morning.app.db.read() as conn:
        told = stories.list_stories(conn, StoryQuery(since=datetime.now(UTC) - timedelta(days=7)))
    assert {TOLD[1][1], TOLD[3][1]} in [{entry.title for entry in story.entries} for story in told]


def write_a_rule(hands: Hands, morning: Morning) -> None:
    page = hands.page
    hands.press(page.get_by_role("link", name="Rules", exact=True))
    hands.press(page.get_by_role("link", name="Write a rule"))
    hands.write(page.get_by_label("Name", exact=True), "no banks")
    hands.write(page.get_by_label("has one of these in its title, one a line"), "bank")
    hands.tick(page.get_by_label("It hides the entry from readers"))
    if hands.way == "no script":
        hands.press(page.get_by_role("button", name="See what it does"))
    expect(page.locator(".tried")).to_contain_text(TOLD[3][1])
    hands.press(page.get_by_role("button", name="Save the rule"))
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    assert "no banks" in [rule.name for rule in morning.app.settings.rules.rules]


def edit_the_issue(hands: Hands, morning: Morning) -> None:
    page = hands.page
    hands.press(page.get_by_role("link", name="Issues", exact=True))
    hands.press(page.get_by_role("link", name=re.compile("^Edit the draft")))
    move_to_the_top(hands, TOLD[2][1])
    hands.write(page.get_by_label(re.compile("^Markdown")), "Good **morning**, readers.")
    if hands.way != "no script":
        expect(page.locator("#introduction-preview strong")).to_have_text("morning")
    hands.press(page.get_by_role("button", name="Save the introduction"))
    expect(page.locator("#introduction-preview strong")).to_have_text("morning")
    for look in ("Dark", "Phone", "Phone, dark"):
        hands.press(page.get_by_role("link", name=look, exact=True))
        frame = page.frame_locator("iframe")
        expect(frame.get_by_text(TOLD[2][1]).first).to_be_visible()
    assert "look=dark" in (page.locator("iframe").get_attribute("src") or "")
    hands.write(page.get_by_label("Send a test to"), "me@example.org")
    hands.press(page.get_by_role("button", name="Send the test"))
    expect(page.get_by_role("status").first).to_contain_text("A test was sent")
    assert [mail.recipients for mail in morning.smtp.mails] == [("me@example.org",)]


def move_to_the_top(hands: Hands, title: str) -> None:
    page = hands.page
    top = page.locator("ol[data-list=top] > li")
    wanted = top.filter(has_text=title)
    if hands.way == "mouse":
        wanted.locator(".headline").drag_to(top.first, target_position={"x": 5, "y": 2})
    else:
        while title not in (top.first.text_content() or ""):
            with page.expect_navigation():
                hands.press(page.get_by_role("button", name=f"Up: {title}"))
    expect(top.first).to_contain_text(title)


def send_the_issue(hands: Hands, morning: Morning) -> None:
    page = hands.page
    hands.press(page.get_by_role("button", name=re.compile("^Approve")))
    expect(page.get_by_role("status").first).to_contain_text("approved")
    deliver_issue(morning.app, IssueId(1))
    page.reload()
    expect(page.get_by_text("no such user here").first).to_be_visible()
    _, mail = morning.smtp.mails
    part = mail.message.get_body(("plain",))
    assert part is not None
    text = part.get_content()
    assert mail.recipients == ("ann@example.org",) and "Good morning" in text.replace("**", "")
    held = [text.index(title) for _, title in (*TOLD, *LOST) if title in text]
    assert len(held) > 2 and text.index(TOLD[2][1]) == min(held)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("way", ["mouse", "keyboard"])
def test_a_monday_with_a_browser(morning: Morning, browser_page: Page, way: Way) -> None:
    spend(Hands(browser_page, way), morning)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_monday_without_script(morning: Morning, scriptless_page: Page) -> None:
    spend(Hands(scriptless_page, "no script"), morning)
