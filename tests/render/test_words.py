"""Lines that fit, headlines that are never empty, characters that are legal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from aggregator.model.newsletter import UNSUBSCRIBE_TOKEN
from aggregator.pipeline.excerpt import count_columns as measure_excerpt
from aggregator.render.words import (
    count_columns,
    cut_text,
    get_feed_name,
    get_headline,
    keep_legal,
    keep_together,
    wrap_text,
)
from tests.render.samples import STORIES

any_text = st.text(st.characters(exclude_categories=()))


@given(any_text)
def test_what_is_kept_can_stand_in_xml(text: str) -> None:
    """Lone surrogates, control characters and non-characters go."""
    element = etree.Element("x")
    element.text = keep_legal(text)

    assert etree.fromstring(etree.tostring(element, encoding="utf-8")).text in (
        keep_legal(text).replace("\r", "\n"),
        None,
        keep_legal(text),
    )


def test_the_personal_marker_cannot_come_from_a_feed() -> None:
    """A link that spells it would carry every reader's token to its owner."""
    assert UNSUBSCRIBE_TOKEN not in keep_legal(f"https://bad.example/?t={UNSUBSCRIBE_TOKEN}")
    nested = UNSUBSCRIBE_TOKEN[:5] + UNSUBSCRIBE_TOKEN + UNSUBSCRIBE_TOKEN[5:]
    assert UNSUBSCRIBE_TOKEN not in keep_legal(nested)
    assert UNSUBSCRIBE_TOKEN not in keep_legal(UNSUBSCRIBE_TOKEN[:5] + "\x00" + UNSUBSCRIBE_TOKEN[5:])


def test_a_headline_is_never_empty() -> None:
    """Title, else the start of the excerpt, else the feed's name."""
    lead = STORIES[1].lead

    assert get_headline(replace(lead, title=" \x00 ")).startswith("Orrery 4 comes in four sizes.")
    assert get_headline(replace(lead, title="", excerpt="")) == "Northlight Research"
    assert get_headline(replace(lead, title="", excerpt="", feed_name="")) == "Untitled"


def test_a_folder_feed_without_a_title_does_not_show_its_path() -> None:
    """Readers need not know our disk."""
    assert get_feed_name("folder:/srv/newsroom/posts/") == "posts"


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("Orrery 4", 10, "Orrery 4"),
        ("Agents that file their own expenses", 20, "Agents that file…"),
        ("Agents that file their own expenses", 17, "Agents that file…"),
        ("小さな半導体、大きな賭け", 13, "小さな半導体…"),
        ("小さな半導体、大きな賭け", 15, "小さな半導体…"),
        ("Pneumonoultramicroscopic", 10, "Pneumonou…"),
        ("a\u0301" * 10, 10, "a\u0301" * 10),
    ],
)
def test_cutting(text: str, columns: int, expected: str) -> None:
    """Between words where there are any; wide characters count two, combining ones nothing."""
    assert cut_text(text, columns) == expected


@given(st.text(), st.integers(4, 80))
def test_a_cut_text_fits(text: str, columns: int) -> None:
    """Whatever the text."""
    assert count_columns(cut_text(text, columns)) <= columns


@given(st.text(), st.sampled_from(["", "  "]))
def test_wrapped_lines_fit_and_lose_nothing(text: str, indent: str) -> None:
    """At most 76 columns, and the same characters in the same order."""
    wrapped = wrap_text(text, 72, indent)

    assert all(count_columns(line) <= 76 for line in wrapped.split("\n"))
    assert "".join(wrapped.split()) == "".join(keep_legal(text).split())


def test_a_line_does_not_begin_with_a_full_stop() -> None:
    """A closing mark hangs over the end of its line instead."""
    assert wrap_text("あ" * 36 + "。" + "い" * 3).split("\n") == ["あ" * 36 + "。", "い" * 3]


@pytest.mark.parametrize(
    ("text", "language", "wanted"),
    [
        ("Une seule fois : notre passerelle", "fr", "Une seule fois\u00a0: notre passerelle"),
        ("Vraiment ?", "fr-CA", "Vraiment\u00a0?"),
        ("Le mot « modèle »", "fr", "Le mot «\u00a0modèle\u00a0»"),
        ("Un smiley :)", "fr", "Un smiley :)"),
        ("Spaced out : on purpose", "en", "Spaced out : on purpose"),
    ],
)
def test_french_marks_do_not_begin_a_line(text: str, language: str, wanted: str) -> None:
    assert keep_together(text, language) == wanted


@given(st.text())
def test_excerpts_are_measured_as_pages_are(text: str) -> None:
    """Two rooms that may not share code count columns; a combining mark takes none in either."""
    assert measure_excerpt(text) == count_columns(text)
    assert measure_excerpt("e\u0301") == 1
