"""A template of one's own, made as the documentation says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from lxml import html

from aggregator.render.newsletter import render_issue
from aggregator.render.templates import load_templates
from tests.render.samples import COMPOSED, NEWSLETTER, SITE, TAGS

PROJECT = Path(__file__).resolve().parents[2]
GUIDE = (PROJECT / "docs" / "newsletter-template.md").read_text(encoding="utf-8")
SHIPPED = (PROJECT / "templates" / "newsletter.mjml").read_text(encoding="utf-8")


def render(folder: Path) -> tuple[str, str]:
    issue = replace(COMPOSED, newsletter=replace(NEWSLETTER, template="mine.mjml"))
    done = render_issue(issue, site=SITE, tags=TAGS, templates=load_templates([folder]), archive_url=SITE.url)
    return done.mail_html, done.mail_text


def test_the_example_of_the_guide_works(tmp_path: Path) -> None:
    """Its block replaces ours, with our pieces in it; all else is as shipped, the text part too."""
    example = GUIDE[GUIDE.index("    {# templates/mine.mjml #}") :].split("\n\n")[0]
    (tmp_path / "mine.mjml").write_text(re.sub(r"^ {4}", "", example, flags=re.MULTILINE), encoding="utf-8")
    mail, text = render(tmp_path)
    document = html.document_fromstring(mail)

    assert "font-size:40px" in document.find(".//h1").get("style")
    assert "View in browser" not in mail and "Unsubscribe from this newsletter" in mail
    assert len(document.findall(".//h2")) > len(COMPOSED.top)
    assert "Unsubscribe, at once" in text


def test_a_twin_takes_the_place_of_the_text(tmp_path: Path) -> None:
    """And a block may be left out."""
    (tmp_path / "mine.mjml").write_text('{% extends "newsletter.mjml" %}{% block numbers %}{% endblock %}')
    (tmp_path / "mine.txt").write_text("Short. {{ unsubscribe_url }}")
    mail, text = render(tmp_path)

    assert text == "Short. @@UNSUBSCRIBE_URL@@\n"
    assert "In numbers" not in mail and "Still developing" in mail


def test_the_guide_names_every_block_and_value() -> None:
    """What an editor may use."""
    for block in re.findall(r"{% block (\w+) %}", SHIPPED):
        assert f"`{block}`" in GUIDE
    for name in ("groups", "introduction", "topics", "preferences_url", "story_count", "preheader", "archive_url"):
        assert f"`{name}`" in GUIDE
