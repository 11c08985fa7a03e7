"""Mails in a real browser: WCAG A and AA by axe, light and dark, wide and narrow, and as Outlook darkens them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest
from playwright.sync_api import Page

from aggregator.model.newsletter import IssueEdits
from aggregator.render.newsletter import render_issue
from aggregator.render.templates import load_templates
from tests.render.samples import COMPOSED, NEWSLETTER, SITE, STORIES, TAGS, with_lead
from tests.render.test_browser import ENDLESS, check, show
from tests.render.test_letter_template import render as render_letter

TEMPLATES = load_templates()
INTRODUCTION = "A **law**, a chip and [what it says](https://lab.example/).\n\n- one\n- two\n\n> said\n\n`code`"
#: How programs show a mail: colours, width.
SHOWN = [(scheme, width) for scheme in ("light", "dark") for width in (700, 375)]


@cache
def get_mail(language: str) -> str:
    newsletter = replace(NEWSLETTER, language=language, sections=("chips", "open-weights") if language == "en" else ())
    return render_issue(
        replace(COMPOSED, newsletter=newsletter),
        site=SITE,
        tags=TAGS,
        templates=TEMPLATES,
        archive_url=f"{SITE.url}/issues/weekly/2025-W49",
        edits=IssueEdits(introduction=INTRODUCTION),
    ).mail_html


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_mail_is_accessible(browser_page: Page, language: str) -> None:
    """In both themes, on a desk and on a telephone; one of two has sections."""
    for scheme, width in SHOWN:
        show(browser_page, get_mail(language), scheme, width)

        check(browser_page, width)


def test_the_mail_is_accessible_where_outlook_darkens_it(browser_page: Page) -> None:
    """It takes no notice of the media query and sets attributes instead."""
    show(browser_page, get_mail("en"), "light", 700)
    browser_page.evaluate("""() => {
        for (const name of ['data-ogsc', 'data-ogsb']) document.documentElement.setAttribute(name, '');
        document.body.style.backgroundColor = '#141513';
    }""")

    check(browser_page, 700)


def test_text_is_large_enough_and_headings_go_down_step_by_step(browser_page: Page) -> None:
    """14 pixels at least; one first heading, none skipped."""
    for language in ("en", "ja"):
        show(browser_page, get_mail(language), "light", 375)
        sizes = browser_page.evaluate("""() => {
            const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = new Set();
            while (walker.nextNode()) {
                const parent = walker.currentNode.parentElement;
                if (walker.currentNode.data.replace(/\\u00a0/g, '').trim() && parent.checkVisibility())
                    found.add(parseFloat(getComputedStyle(parent).fontSize));
            }
            return [...found];
        }""")
        levels = browser_page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")

        assert min(sizes) >= 14
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))


def test_endless_words_do_not_break_the_mail(browser_page: Page) -> None:
    """Nothing is wider than a telephone."""
    endless = with_lead(STORIES[0], title=ENDLESS, excerpt=ENDLESS * 3, feed_name=ENDLESS, language="de")
    newsletter = replace(NEWSLETTER, title=ENDLESS)
    issue = replace(COMPOSED, newsletter=newsletter, top=(endless, *STORIES[1:3]), brief=(endless,))
    text = render_issue(
        issue,
        site=replace(SITE, title=ENDLESS, postal_address=ENDLESS),
        tags=TAGS,
        templates=TEMPLATES,
        archive_url=f"{SITE.url}/issues/weekly/2025-W49",
        edits=IssueEdits(introduction=f"{ENDLESS}\n\n    {ENDLESS}"),
    ).mail_html
    for width in (700, 375):
        show(browser_page, text, "light", width)

        assert browser_page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_letter_is_accessible(browser_page: Page, language: str) -> None:
    """With a button, and without."""
    for kind, (scheme, width) in zip(("confirm", "changed", "known", "change"), SHOWN, strict=True):
        show(browser_page, render_letter("letter.html", kind, language), scheme, width)

        check(browser_page, width)
