"""The page of a search: found words marked as they stand, counts in words, a sentence where there is nothing."""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html
from markupsafe import Markup, escape

from aggregator.model.listed import SearchPage
from aggregator.pipeline.query import fold_sign, read_query
from aggregator.render.marks import Marker
from aggregator.render.words import count_columns
from tests.render.samples import SITE
from tests.render.test_lists import FOUND, PAGES, TEMPLATES, read, show_search


@pytest.mark.parametrize(
    ("asked", "text", "marked"),
    [
        ("model", "Models, a model & the remodelled <MODEL>", ["Models", "model", "MODEL"]),
        ("llama3", "Llama 3, llama-3 and LLAMA3, not llama 33", ["Llama 3", "llama-3", "LLAMA3"]),
        ("gpt-4.1", "GPT 4.1 or GPT-4.1", ["GPT 4.1", "GPT-4.1"]),
        ('"deep learning"', "Deep  learning, deep, learning", ["Deep  learning", "deep, learning"]),
        ("新モデル", "OpenAIが新モデルを発表", ["新モデル"]),
        ("発表", "OpenAIが新モデルを発表、発表会で", ["発表", "発表"]),
        ("OpenAI", "OpenAIが新モデル", ["OpenAI"]),
        ("データ", "ﾃﾞｰﾀ と データ", ["データ"]),
        ("resume", "Résumé, RESUME\u0301", ["Résumé", "RESUME\u0301"]),
        ("言語", "小さな言語モデル", ["言語"]),
        ("语言", "語言模型与语言", ["語言", "语言"]),
        ("straße", "STRASSE und Straße", ["STRASSE", "Straße"]),
        ("4", "4 of 41, 4.", ["4", "4"]),
        ("-chips language:ja モデル", "chips モデル ja", ["モデル"]),
        ("c++", "C++ and c", ["C++"]),
        ("&amp", "AT&T &amp; amp", ["amp", "amp"]),
        ("mark", "<mark>x</mark>", ["mark", "mark"]),
    ],
)
def test_found_words_are_marked_as_they_stand(asked: str, text: str, marked: list[str]) -> None:
    """Whatever case, accent or joint they are written with; the text itself stays the same."""
    made = Marker(read_query(asked), fold_sign)(text)
    shown = html.fragment_fromstring(f"<p>{made}</p>")

    assert shown.text_content() == text
    assert [mark.text for mark in shown.findall("mark")] == marked


@given(asked=st.text(max_size=40), text=st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=80))
def test_marking_changes_no_sign_of_a_text(asked: str, text: str) -> None:
    """Whatever is searched for, in whatever text."""
    made = Marker(read_query(asked), fold_sign)(text)

    assert Markup(made).striptags() == Markup(escape(text)).striptags()
    assert set(re.findall(r"<[^>]*>", str(made))) <= {"<mark>", "</mark>"}


@pytest.mark.parametrize(
    ("asked", "text", "passage"),
    [
        ("robot", "A robot walks.", "A robot walks."),
        ("robot", "First. Then a robot walks. It stops.", "…Then a robot walks. It stops."),
        ("robot", "word " * 60 + "robot " + "word " * 60, "…" + "word " * 7 + "robot " + "word " * 12 + "word…"),
        ("猫", "犬がいた。猫もいた。", "…猫もいた。"),
        ("猫", "犬" * 200 + "猫" + "犬" * 200, "…" + "犬" * 19 + "猫" + "犬" * 34 + "…"),
        ("robot", "Nothing of it.", ""),
    ],
)
def test_a_passage_shows_where_a_word_stands(asked: str, text: str, passage: str) -> None:
    """From the beginning of its sentence, if that is near; never longer than an excerpt."""
    found = Marker(read_query(asked), fold_sign).find_passage(text, 111)

    assert found == passage
    assert count_columns(found) <= 111


def test_a_search_tells_how_many_and_how_to_follow_it() -> None:
    """The words in the box, the count, the same search as a feed and further back."""
    document = read(PAGES["search"](SITE, TEMPLATES))
    box = document.find(".//input[@type='search']")
    query = urlencode({"q": FOUND.query.text}, quote_via=quote)
    feeds = document.xpath("//link[@rel='alternate']/@href")

    assert box.get("value") == FOUND.query.text
    assert document.find(".//label").get("for") == box.get("id")
    assert "At least 1,000 posts" in document.findtext(".//section/h2")
    assert feeds == [f"/search.{kind}?{query}" for kind in ("atom", "rss", "json")]
    assert document.xpath("//nav/a[@rel='next']/@href")[0] == f"/search?{query}&before=12345"
    assert document.xpath("//meta[@name='robots']/@content") == ["noindex"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("", "Every word has to be there."),
        ("&& || ()", "no letter or digit"),
        ("a" * 10_000, "too long"),
        ("一二三四五六七八九十" * 30, "too many"),
        ("-chips", "only what you do not want"),
        ("ornithopter", "No post holds all of that"),
        ("\x00\ud800", "Every word has to be there."),
    ],
)
def test_a_search_for_nothing_gets_a_sentence(asked: str, words: str) -> None:
    """What can be done instead."""
    document = read(show_search(SearchPage(query=read_query(asked)), SITE, TEMPLATES))

    assert words in document.find(".//div[@class='empty']").text_content()
    assert document.xpath("//h1")
