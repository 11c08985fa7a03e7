"""Short ways through HTML and addresses: they give what the long ones give."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aggregator.pipeline import clean, htmltext, urls, words

PIECES = json.loads((Path(__file__).parent / "data" / "pieces.json").read_text())["html"]
# fmt: off
USUAL = (
    "<p>", "</p>", "<b>", "</b>", "<br/>", "<BR>", "<div class='a b'>", "</div >", '<a href="x" title="it\'s">', "</a>",
    "<td>", "<li>", "<img src=x alt>", "text", " \n ", "&amp;", "&#10;", "&nbsp;", "a\xa0b", "<!-- <b> -->", "<!-- x",
    "<script>", "</script>", "<a title='<b>'>", "<a x=\"y>", "\u2028", "<svg>", "<table><tr>", "\x1c", "&am", "p;",
)
# fmt: on
HTML = st.lists(st.sampled_from([*USUAL, *PIECES]), max_size=25).map("".join)


@given(HTML)
def test_the_text_of_plain_html_is_the_same_on_both_ways(html: str) -> None:
    plain = htmltext._join_plain(html)
    long = htmltext._join_any(html)

    if plain is not None:
        assert [line.split() for line in plain.split("\n")] == [line.split() for line in long.split("\n")]


@given(HTML)
def test_plain_tags_are_all_tags(html: str) -> None:
    found = htmltext.find_plain_tags(html)
    tokens = [
        ("/" if token.closing else "") + token.name
        for token in htmltext.iter_tokens(html)
        if token.name and not token.raw
    ]

    assert found is None or found == tokens


def test_raw_elements_without_markup_inside_are_plain() -> None:
    html = "<p>a</p><IFRAME src='x'></iframe><!-- x --><script>a && b</script ><style>p{}</style>"

    assert htmltext.find_plain_tags(html) == ["p", "/p", "iframe", "/iframe", "script", "/script", "style", "/style"]


@pytest.mark.parametrize(
    "html", ["<script>", "<script><b></script>", "<iframe></p></iframe>", "<style><!-- --></style>"]
)
def test_markup_inside_raw_elements_is_not_plain(html: str) -> None:
    assert htmltext.find_plain_tags(html) is None


@given(HTML.map(lambda html: html * 15))
def test_plain_html_is_measured_alike(html: str) -> None:
    assert clean._measure_plain(html) in (None, clean._measure(html))


ADDRESSES = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["http://", "https://", "HTTP://", ""]),
        st.sampled_from(
            ["e.org", "www.e.org", "www.www.org", "www.org", "E.org", "a@e.org", "e.org:80", "e..org", "é.org"]
        ),
        st.lists(
            st.sampled_from(
                "/ a . .. ~x %41 ? a=1 & a= &b=2 ?a=1&a-b=0&a=0 # #a=1 utm_source=x &UTM_X=1 &a + ; é ' \\".split()
            )
        ).map("".join),
    ),
)


@pytest.mark.parametrize("shorten", ["_SAFE", "_SIMPLE"])
@given(ADDRESSES)
@example("https://e.org/a/../b")
@example("https://e.org/.")
def test_a_usual_address_is_the_same_on_both_ways(shorten: str, address: str) -> None:
    quick = (urls.resolve_url("https://b.org/", address), urls.canonicalize_url(address))
    pattern = getattr(urls, shorten)
    setattr(urls, shorten, re.compile(r"(?!)"))
    try:
        assert (urls.resolve_url("https://b.org/", address), urls.canonicalize_url(address)) == quick
    finally:
        setattr(urls, shorten, pattern)


@given(st.text(alphabet=st.sampled_from("a\n\x00\x1f\x7f\x85\ufffe\uffff\ufffd\ud800\uac00é日\U0001f600")))
def test_characters_that_xml_forbids_are_found_in_bytes_as_well(text: str) -> None:
    assert words.xml_text(text) == words._XML_ILLEGAL.sub("", text)
