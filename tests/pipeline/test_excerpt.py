"""Excerpts: whole sentences where one fits, nothing that is not in the text."""

from __future__ import annotations

import html
import json
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.pipeline.excerpt import ELLIPSIS, LIMIT, choose_excerpt, count_columns, make_excerpt

CASES = json.loads((Path(__file__).parent / "data" / "excerpts.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_what_is_no_prose_is_left_out(case: dict[str, str]) -> None:
    assert make_excerpt(case["text"], case["language"]) == case["excerpt"]


@pytest.mark.parametrize(
    ("text", "language", "limit", "expected"),
    [
        ("One is short. Two is short. Three is long.", "en", 30, "One is short. Two is short."),
        ("Dr. Adler paid 98.4% of it. Then left.", "en", 30, "Dr. Adler paid 98.4% of it."),
        ("今日は晴れた。明日は雨だ。", "ja", 15, "今日は晴れた。"),
        ("今日は晴れた。\n明日は雨だ。", "ja", 40, "今日は晴れた。明日は雨だ。"),
        ("天气很好。明天下雨。", "zh", 12, "天气很好。"),
        ("First line\nSecond line.", "en", 40, "Second line."),
        ("Tabs\tand\u00a0spaces   become one.", "en", 80, "Tabs and spaces become one."),
    ],
)
def test_whole_sentences_that_fit_are_taken(text: str, language: str, limit: int, expected: str) -> None:
    assert make_excerpt(text, language, limit) == expected


def test_a_japanese_quotation_that_the_sentence_goes_on_from_is_not_cut() -> None:
    text = "彼は「本当に動くのか？」と何度も尋ねた。誰も答えなかった。"
    assert make_excerpt(text, "ja", 42) == "彼は「本当に動くのか？」と何度も尋ねた。"


def test_a_french_monsieur_ends_no_sentence() -> None:
    text = "Hier, M. Lenoir a présenté le projet. Il part demain pour une longue tournée."
    assert make_excerpt(text, "fr", 45) == "Hier, M. Lenoir a présenté le projet."


@pytest.mark.parametrize(
    "furniture",
    [
        "By Jane Doe",
        "文：山田太郎",
        "2026年11月25日 14:00",
        "———",
        "Share this article",
        "Image credit: somebody",
        "作者：王小明",
    ],
)
def test_lines_that_are_no_prose_are_left_out_at_the_top(furniture: str) -> None:
    assert make_excerpt(f"{furniture}\n\nHere the article begins. It goes on.", "en", 30) == "Here the article begins."


def test_a_text_of_nothing_but_furniture_has_no_excerpt() -> None:
    assert make_excerpt("By Jane Doe\n\nShare this article", "en") == ""


@pytest.mark.parametrize("leftover", [" ...", " …", " [...]", " more…"])
def test_dots_that_a_publisher_left_after_the_last_sentence_are_dropped(leftover: str) -> None:
    assert make_excerpt(f"It was sold. It is gone.{leftover}", "en") == "It was sold. It is gone."


def test_a_sentence_that_begins_like_a_byline_stays() -> None:
    assert make_excerpt("By 2030 all of it is gone.\nSo they say.", "en", 30) == "By 2030 all of it is gone."


def test_only_a_first_sentence_that_is_too_long_is_cut_and_between_words() -> None:
    text = "This sentence is much too long for the little room that it has been given here, and it shows."
    cut = make_excerpt(text, "en", 40)
    assert cut == "This sentence is much too long for the…"
    assert count_columns(cut) <= 40


def test_a_cut_parts_no_letter_from_its_marks_and_no_emoji() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    for limit in range(4, 30):
        assert make_excerpt(family * 20, "en", limit).rstrip(ELLIPSIS).replace(family, "") in ("", "\U0001f468")
        accents = make_excerpt("e\u0301" * 60, "en", limit).rstrip(ELLIPSIS)
        assert accents.endswith("\u0301")


def test_wide_characters_count_two_columns() -> None:
    assert count_columns("日本x") == 5
    assert len(make_excerpt("日" * 500, "ja", 100)) == 50


@pytest.mark.parametrize("text", ["", " \n\t ", "\0\x01"])
def test_a_blank_text_gives_an_empty_excerpt(text: str) -> None:
    assert make_excerpt(text, "en") == ""


@pytest.mark.parametrize(
    "text",
    [
        "ab " * 1_000_000,
        "a. " * 300_000,
        "「" * 100_000,
        "\n" * 100_000 + "End.",
        "M. " * 100_000,
        "The post " * 50_000 + "x.",
        "[a " * 50_000 + "x.",
        "*a " * 50_000 + "x.",
        "&a " * 50_000 + " x.",
        "<p " * 50_000 + "x.",
    ],
)
def test_endless_texts_are_survived(text: str) -> None:
    started = time.process_time()
    assert 0 < len(make_excerpt(text, "fr")) <= LIMIT
    assert time.process_time() - started < 1


def test_a_row_of_characters_for_machines_is_no_prose() -> None:
    assert make_excerpt("QWxzIFphcmF0aHVzdHJh" * 50, "de") == ""


ALPHABET = st.text(
    st.sampled_from("ab .!?…\n\t'\"日本。？」と「éM🙂\u200d\u0301\u00a0,;:-—") | st.characters(), max_size=400
)


@given(ALPHABET, st.sampled_from(["en", "ja", "zh", "fr", "und", "", "xx-YY"]), st.integers(10, 200))
def test_an_excerpt_is_the_texts_own_characters_within_its_limit(text: str, language: str, limit: int) -> None:
    excerpt = make_excerpt(text, language, limit)
    assert count_columns(excerpt) <= limit
    assert excerpt == " ".join(excerpt.split())
    rest = iter(squeeze(html.unescape(html.unescape(text))))
    assert all(character in rest for character in squeeze(excerpt.removesuffix(ELLIPSIS).replace(" · ", "")))


def squeeze(text: str) -> str:
    """Without spaces and control characters (an excerpt makes them spaces) and without surrogates (it drops them)."""
    return "".join(c for c in text if not c.isspace() and unicodedata.category(c) not in ("Cc", "Cs"))


@given(st.text(st.sampled_from("abc .日。\n"), min_size=1))
def test_a_text_with_a_word_in_it_never_gives_an_empty_excerpt(text: str) -> None:
    found = make_excerpt(text, "en", 12)
    assert bool(found.strip(".。… ")) <= any(map(str.isalnum, text)) <= bool(found)


@given(ALPHABET, ALPHABET, ALPHABET)
def test_an_excerpt_is_never_longer_than_half_of_the_article(title: str, summary: str, text: str) -> None:
    found = choose_excerpt(title=title, summary=summary, text=text, language="en")
    assert count_columns(found) <= LIMIT
    if text.strip() and len(text) > 2 * len(summary):
        assert count_columns(found) <= count_columns(text) / 2


ARTICLE = "The article begins here and says a lot. " + "It goes on and on about what it is about. " * 12


@pytest.mark.parametrize(
    ("why", "title", "summary", "expected"),
    [
        ("a summary is preferred", "News", "A publisher's own words about it.", "A publisher's own words about it."),
        (
            "none that repeats the title",
            "News of the day",
            "News of the day.",
            "The article begins here and says a lot.",
        ),
        ("none that is the text cut", "News", "The article begins here and says [...]", "The article begins here"),
        ("none that is a link", "News", "Comments", "The article begins here and says a lot."),
        ("none that is a name", "News", "Wang et al.", "The article begins here and says a lot."),
        ("none that is blank", "News", "", "The article begins here and says a lot."),
    ],
)
def test_the_publishers_summary_is_taken_when_it_is_one(why: str, title: str, summary: str, expected: str) -> None:
    assert choose_excerpt(title=title, summary=summary, text=ARTICLE, language="en").startswith(expected)


def test_a_teaser_given_twice_is_a_teaser_and_no_article() -> None:
    teaser = "The company opened its models to everybody today."
    assert choose_excerpt(title="News", summary=teaser, text=teaser, language="en") == teaser


def test_a_first_line_that_repeats_the_title_is_left_out() -> None:
    text = f"A model that anybody may use\n\n{ARTICLE}"
    found = choose_excerpt(title="A Model That Anybody May Use", summary="", text=text, language="en")
    assert found.startswith("The article begins here")


def test_of_a_short_article_half_is_quoted_at_most() -> None:
    text = "The company opened its models to everybody today. All of them may be used freely from now on."
    found = choose_excerpt(title="News", summary="", text=text, language="en")
    assert 0 < count_columns(found) <= count_columns(text) // 2
