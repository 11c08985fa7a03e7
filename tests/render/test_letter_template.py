"""The letters' look: every kind, in HTML and text, in English and Japanese."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from lxml import html

from aggregator.render.idiom import Idiom
from aggregator.render.newsletter import find_remote
from aggregator.render.templates import load_templates
from aggregator.render.words import count_columns
from tests.render.samples import SITE

TEMPLATES = load_templates()
KINDS = ("confirm", "known", "change", "changed")
ACTION = f"https://news.example.org/confirm/{'x' * 60}"


def render(name: str, kind: str, language: str = "en", title: str = "R&D <Weekly>", contact: str = "") -> str:
    return TEMPLATES.render(
        name,
        kind=kind,
        newsletter_title=title,
        action_url="" if kind == "changed" else ACTION,
        unsubscribe_url="https://news.example.org/unsubscribe/t" if kind == "known" else "",
        hours=72,
        site=replace(SITE, contact=contact),
        say=Idiom(language=language, timezone="Asia/Tokyo"),
    )


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("kind", KINDS)
def test_both_parts_of_a_letter_say_the_same(kind: str, language: str) -> None:
    """The words, and the one address that counts; titles are text in both."""
    document = html.document_fromstring(render("letter.html", kind, language))
    said = "".join(document.text_content().split())
    text = render("letter.txt", kind, language)

    for line in text.split("\n-- \n")[0].split("\n\n"):
        assert "".join(line.split(":\n")[0].split()) in said
    assert (ACTION in text.split()) == (ACTION in document.xpath("//a/@href")) == (kind != "changed")
    assert "R&D <Weekly>" in text and not document.xpath("//weekly")
    assert all(count_columns(line) <= 76 or re.match(r"https?://\S+$", line) for line in text.splitlines())


@pytest.mark.parametrize("language", ["en", "ja"])
def test_each_kind_has_a_subject_of_its_own(language: str) -> None:
    """One line that names the newsletter."""
    subjects = {render("letter_subject.txt", kind, language).strip() for kind in KINDS}

    assert len(subjects) == len(KINDS)
    assert all("R&D <Weekly>" in subject and "\n" not in subject for subject in subjects)


@pytest.mark.parametrize("kind", KINDS)
def test_a_letter_loads_nothing_and_says_its_language(kind: str) -> None:
    """Like the mail."""
    text = render("letter.html", kind, "ja")
    document = html.document_fromstring(text)

    assert find_remote(text) == ()
    assert (document.get("lang"), len(document.findall(".//h1"))) == ("ja", 1)
    assert all(table.get("role") == "presentation" for table in document.iter("table"))
    assert all("color:" in link.get("style") for link in document.iter("a"))


def test_who_did_not_ask_for_a_change_hears_whom_to_tell() -> None:
    """The editor's address, or this mail's."""
    assert "write to editor@example.org" in render("letter.txt", "changed", contact="editor@example.org")
    assert "please answer this mail" in render("letter.txt", "changed")
