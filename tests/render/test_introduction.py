"""The editor's introduction: Markdown in three shapes, whatever is written."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html

from aggregator.render.introduction import make_mail_html, make_text, make_web_html
from aggregator.render.mjml import make_html
from aggregator.render.words import count_columns

#: Pieces of Markdown and of what might break out of it.
_MARKS = (
    "# |> |- |1. |*|**|`|``` |\n|\n\n|    |[|](|)|![|<b>|</div>|<|&|&amp;|https://a.example/|javascript:|x |語|\x00"
)
PIECES = st.sampled_from(_MARKS.split("|"))


def test_what_an_editor_needs() -> None:
    """Paragraphs, bold, links, lists, quotes; a heading becomes a bold paragraph."""
    text = "# Hello\n\nA **law** and [a link](https://lab.example/?a=1&b=2).\n\n1. one\n2. two\n\n> said"

    assert make_web_html(text) == (
        "<p><strong>Hello</strong></p>\n"
        '<p>A <strong>law</strong> and <a href="https://lab.example/?a=1&amp;b=2">a link</a>.</p>\n'
        "<ol>\n<li>one</li>\n<li>two</li>\n</ol>\n<blockquote>\n<p>said</p>\n</blockquote>\n"
    )
    assert make_text(text) == (
        "Hello\n\nA law and a link [1].\n\n  1. one\n\n  2. two\n\n  said\n\n[1] https://lab.example/?a=1&b=2"
    )
    assert 'style="color:#a3321a"' in make_mail_html(text)


def test_nothing_becomes_nothing() -> None:
    """So that a template can ask whether there is one."""
    assert not make_mail_html("") and not make_web_html(" \n") and not make_text("\n")


@pytest.mark.parametrize(
    "text",
    ["<b>x</b>", "![x](https://a.example/p.gif)", "[x](javascript:alert(1))", "[x](data:text/html,x)", "<script>"],
)
def test_html_pictures_and_odd_links_are_not_for_it(text: str) -> None:
    """They stay visible as what they are, or become a plain link."""
    tags = {element.tag for element in html.fragment_fromstring(make_web_html(text), create_parent="div").iter()}

    assert tags <= {"div", "p", "a"}
    assert not re.search(r'href="(?!https?:|mailto:)', make_mail_html(text))


@given(st.lists(PIECES, max_size=40).map("".join))
@settings(max_examples=150, deadline=None)
def test_whatever_is_written_fits_into_the_mail(text: str) -> None:
    """The engine takes it, nothing nests deeply, lines of the text part are short."""
    frame = "<mjml><mj-body><mj-section><mj-column><mj-text>{}</mj-text></mj-column></mj-section></mj-body></mjml>"
    made = make_html(frame.format(make_mail_html(text)))

    assert "<mj-" not in made
    assert html.document_fromstring(made).find(".//img") is None
    assert all(count_columns(line) <= 76 or "https:" in line for line in make_text(text).splitlines())
