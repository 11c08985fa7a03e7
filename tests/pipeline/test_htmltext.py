"""HTML as a row of tokens, its plain text, and the time it takes to read."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.pipeline.htmltext import count_reading_minutes, html_to_text, iter_tokens


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One.</p><p>Two.</p>", "One.\n\nTwo."),
        ("<p>One<br>two</p>", "One\ntwo"),
        ("a <b>b</b>\n  c", "a b c"),
        ("<ul><li>one</li><li>two</li></ul>", "one\ntwo"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a b"),
        ("AT&amp;T &lt;T&gt; &eacute; &#8212;", "AT&T <T> é —"),
        ("x &#99999999999999999; y", "x \ufffd y"),
        ("<script>if (a<b) document.write('</p>')</script>seen", "seen"),
        ("<style>p { }</style><title>t</title>seen", "seen"),
        ("a<!-- <p>hidden</p> -->b<!-->c<!--->d", "abcd"),
        ("<a title=\"x>y\" href='>'>link</a>", "link"),
        ("1 < 2", "1 < 2"),
        ("", ""),
    ],
)
def test_plain_text_keeps_paragraphs_and_drops_all_else(html: str, text: str) -> None:
    assert html_to_text(html) == text


def test_tags_are_found_as_a_browser_finds_them() -> None:
    html = '<a b="x>y" c = d\n/>t</A ><!-- <i> --><p/><b c"d><e'

    found = [(token.name, token.closing) for token in iter_tokens(html)]

    assert found == [("a", False), ("a", True), ("p", False), ("b", False), ("e", False), ("", False)]


@given(st.text(alphabet="<>/!-abp \"'=&;\n", max_size=60))
def test_no_input_raises_and_no_text_is_invented(html: str) -> None:
    text = html_to_text(html)

    assert "\n\n\n" not in text
    assert text == text.strip()


@pytest.mark.parametrize("piece", ["<div>", "<a '", '<a x="', "<!--", "<!-", "</", "<script>", "&", "<a/b", "<a b = "])
def test_a_megabyte_of_anything_takes_no_time(piece: str) -> None:
    started = time.process_time()
    html_to_text(piece * (1_000_000 // len(piece)))

    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    ("text", "language", "minutes"),
    [
        ("", "en", 0),
        ("word", "en", 1),
        ("word " * 230 * 4, "en", 4),
        ("字" * 5000, "ja", 8),
        ("字" * 5000, "zh-CN", 10),
        ("字" * 2500 + " word" * 1150, "zh", 10),
        ("단어 " * 825, "ko-KR", 3),
    ],
)
def test_reading_time_goes_by_words_and_by_characters_where_words_are_not_spaced(
    text: str, language: str, minutes: int
) -> None:
    assert count_reading_minutes(text, language) == minutes
