"""The page of a past issue: its frozen body in the site's frame."""

from __future__ import annotations

from dataclasses import replace

from lxml import html

from aggregator.model.shown import IssuePage
from aggregator.render import page
from aggregator.render.newsletter import render_issue
from tests.render.samples import COMPOSED, ISSUES, NEWSLETTER, SITE, TAGS
from tests.render.test_page import TEMPLATES, make_issue_page


def test_the_issue_page_names_its_one_address_and_no_reader() -> None:
    """rel=canonical, and no personal link."""
    text = make_issue_page(SITE, TEMPLATES)
    canonical = html.document_fromstring(text).find(".//link[@rel='canonical']").get("href")

    assert canonical == "https://news.example.org/issues/weekly/2025-W49"
    assert "unsubscribe" not in text.lower()


def test_an_issue_in_another_language_than_the_site_says_so() -> None:
    """Its words, ours and its own language's headlines, are read aloud and set as what they are; the frame is not."""
    japanese = replace(COMPOSED, newsletter=replace(NEWSLETTER, language="ja"))
    body = render_issue(japanese, site=SITE, tags=TAGS, templates=TEMPLATES, archive_url=SITE.url).web_html
    shown = IssuePage(issue=ISSUES[0], newsletter_title=NEWSLETTER.title, web_html=body)
    document = html.document_fromstring(page.render_issue(shown, site=SITE, templates=TEMPLATES))
    heading = document.find(".//h1")

    assert "年" in heading.text
    assert document.get("lang") == "en" and heading.xpath("string(ancestor::*[@lang][1]/@lang)") == "ja"
