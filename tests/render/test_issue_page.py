"""The page of a past issue: its frozen body in the site's frame."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lxml import html
from playwright.sync_api import Page

from aggregator.model.newsletter import ComposedIssue, IssueEdits
from aggregator.model.shown import IssuePage
from aggregator.render import page
from aggregator.render.newsletter import render_issue
from tests.render.samples import COMPOSED, ISSUES, NEWSLETTER, SITE, TAGS
from tests.render.test_browser import check, show
from tests.render.test_page import TEMPLATES, make_issue_page

INTRODUCTION = "# Hello\n\nA **law** and [what it says](https://lab.example/).\n\n- one\n- two\n\n> said\n\n`code`"


def make_page(issue: ComposedIssue) -> str:
    body = render_issue(
        issue,
        site=SITE,
        tags=TAGS,
        templates=TEMPLATES,
        archive_url=SITE.url,
        edits=IssueEdits(introduction=INTRODUCTION),
    ).web_html
    shown = IssuePage(issue=ISSUES[0], newsletter_title=NEWSLETTER.title, web_html=body)
    return page.render_issue(shown, site=SITE, templates=TEMPLATES)


def test_the_issue_page_names_its_one_address_and_no_reader() -> None:
    """rel=canonical, and no personal link."""
    text = make_issue_page(SITE, TEMPLATES)
    canonical = html.document_fromstring(text).find(".//link[@rel='canonical']").get("href")

    assert canonical == "https://news.example.org/issues/weekly/2025-W49"
    assert "unsubscribe" not in text.lower()
    assert "@@" not in text


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("takes_subscribers", [True, False])
def test_who_reads_an_issue_can_subscribe_where_that_is_possible(is_open: bool, takes_subscribers: bool) -> None:
    """Not to a newsletter that is closed, and not on a site that was exported."""
    shown = IssuePage(issue=ISSUES[0], newsletter_title=NEWSLETTER.title, web_html="", is_open=is_open)
    text = page.render_issue(shown, site=replace(SITE, takes_subscribers=takes_subscribers), templates=TEMPLATES)
    assert ("/subscribe?newsletter=weekly" in text) == (is_open and takes_subscribers)


def test_an_issue_in_another_language_than_the_site_says_so() -> None:
    """Its words, ours and its own language's headlines, are read aloud and set as what they are; the frame is not."""
    document = html.document_fromstring(make_page(replace(COMPOSED, newsletter=replace(NEWSLETTER, language="ja"))))
    heading = document.find(".//h1")

    assert "年" in heading.text
    assert document.get("lang") == "en" and heading.xpath("string(ancestor::*[@lang][1]/@lang)") == "ja"


def test_the_page_has_what_the_mail_has() -> None:
    """The introduction, without a style that the page's policy would refuse, and the sections in their order."""
    document = html.document_fromstring(
        make_page(replace(COMPOSED, newsletter=replace(NEWSLETTER, sections=("open-weights", "chips"))))
    )
    introduction = document.find_class("introduction")[0]

    assert (
        introduction.text_content().split()
        == "Hello A law and what it says . one two said code".replace("says .", "says.").split()
    )
    assert not introduction.xpath(".//@style")
    assert [heading.text_content() for heading in document.xpath("//main//h2[@class='label']")][:6] == [
        "Open weights",
        "Chips",
        "Other stories",
        "Still developing",
        "In brief",
        "More on the web",
    ]
    ranks = [int(rank.text_content()) for rank in document.find_class("rank")]
    assert ranks == list(range(1, len(COMPOSED.top) + 1))


def test_the_page_with_sections_is_accessible(browser_page: Page) -> None:
    """In both themes, on a desk and on a telephone."""
    text = make_page(replace(COMPOSED, newsletter=replace(NEWSLETTER, sections=("open-weights", "chips"))))
    for scheme, width in (("light", 1280), ("dark", 375)):
        show(browser_page, text, scheme, width)

        check(browser_page, width)
