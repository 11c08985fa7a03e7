"""HTML as a row of tokens, its plain text, and the time it takes to read."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.pipeline.htmltext import count_reading_minutes, drop_repeats, html_to_text, iter_tokens


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


@pytest.mark.parametrize(
    ("why", "text", "kept"),
    [
        ("no repeats: as it is", "One thing.  Another thing.\n\nA third.", "One thing.  Another thing.\n\nA third."),
        ("a paragraph twice", "One thing here.\n\nTwo of them.\n\nOne thing here.", "One thing here.\n\nTwo of them."),
        ("a sentence twice", "One thing here. Two of them. One thing here.", "One thing here. Two of them."),
        ("Japanese", "今日は晴れた。明日は雨だろう。今日は晴れた。", "今日は晴れた。明日は雨だろう。"),
        ("short words are said twice on purpose", "No. No. Two of them.", "No. No. Two of them."),
        ("marks of chunks", "One thing.\n\n---END---\n\n=== PART 2 ===\n\nTwo of them.", "One thing.\n\nTwo of them."),
        ("a dash in a text is no mark", "One thing -- THE END -- of it.", "One thing -- THE END -- of it."),
    ],
)
def test_what_a_text_says_twice_counts_once(why: str, text: str, kept: str) -> None:
    assert drop_repeats(text).replace("\n\n\n\n", "\n\n").replace("\n\n\n\n", "\n\n") == kept


def test_of_a_sentence_that_broke_off_and_was_begun_anew_the_whole_one_stays() -> None:
    whole = "A writer that works in pieces begins a sentence and does not come to its end."
    assert drop_repeats(f"First of all.\n\n{whole[:50]}\n\n---END---\n\nFirst of all.\n\n{whole}") == (
        f"First of all.\n\n{whole}"
    )


@given(st.text(st.sampled_from("ab .。!\n"), max_size=200))
def test_what_was_said_once_is_left_alone(text: str) -> None:
    once = drop_repeats(text)
    assert drop_repeats(once).split() == once.split()


def test_endless_repeats_are_no_matter_of_time() -> None:
    started = time.process_time()
    drop_repeats("Said once more. " * 30_000)
    drop_repeats("--- " * 100_000)
    drop_repeats("---" * 100_000 + "END")
    assert time.process_time() - started < 2
