"""Words of texts and of questions: made by one rule, so that what is typed finds what is written."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.search import Phrase, SearchQuery
from aggregator.pipeline.query import GAP, MAX_QUERY, MAX_TEXT, MAX_WORDS, make_words, read_query


def make(text: str, language: str = "") -> list[str]:
    return make_words(title="", author="", excerpt="", text=text, language=language).split()


def holds(words: list[str], phrase: Phrase) -> bool:
    """Whether the words of ``phrase`` stand side by side."""
    return any(tuple(words[place : place + len(phrase)]) == phrase for place in range(len(words)))


def finds(typed: str, text: str) -> bool:
    """What both databases do, in its plainest form."""
    query, words = read_query(typed), make(text)
    assert query.problem is None, query
    wanted = all(any(holds(words, phrase) for phrase in phrases) for phrases in query.wanted)
    return wanted and not any(holds(words, phrase) for phrase in query.excluded)


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("gpt-4.1", "GPT-4.1 is out"),
        ("gpt-4.1", "GPT 4.1 is out"),
        ("gpt-4.1", "They call it GPT-4.1. It is out."),
        ("2025", "In 2025... or 2026."),
        ("GPT4.1", "gpt‑4.1 (with a hyphen that does not break)"),
        ("gpt4o", "GPT-4o"),
        ("llama 3", "Llama3"),
        ("llama3", "Llama 3"),
        ("qwen2.5-vl", "Qwen 2.5 VL"),
        ("c++", "A C++ compiler"),
        ("c#", "C#, F# and others"),
        ("80 gb", "an 80GB card"),
        ("café", "CAFE"),
        ("CAFE", "cafe\u0301"),
        ("openai", "OpenAI’s plan"),
        ("agents", "one agent"),
        ("agent", "many agents"),
        ("company", "companies"),
        ("ｇｐｔ", "GPT"),
        ("ﾓﾃﾞﾙ", "言語モデル"),
        ("モデル", "新しいモデルが"),
        ("検索", "全文検索。"),
        ("新", "最新情報"),
        ("發布", "发布了"),
        ("发布", "發布了"),
        ("gpt-5版", "GPT-5版が出た"),
        ("新gpt", "最新GPT"),
        ("openaiの新モデル", "OpenAIの新モデル"),
        ("인공지능", "인공지능은"),
        ("ไทย", "ภาษาไทย"),
        ("हिन्दी", "यह हिन्दी है"),
        ("“hello world”", "Hello, world!"),
        ("「言語モデル」", "言語モデル"),
        ('"hello world', "hello world"),
        ("a\u00adgent", "agent"),
        ("a -b", "a c"),
        ("-- a", "a"),
    ],
)
def test_what_is_typed_finds_what_is_written(typed: str, text: str) -> None:
    assert finds(typed, text)


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("gpt-4.1", "GPT-4 and 4.1"),
        ("gpt-4", "GPT-4.1"),
        ("c++", "c"),
        ("モデル", "モデの出デル"),
        ('"agent"', "agents"),
        ('"hello world"', "world, hello"),
        ("a -b", "a b"),
        ('a -"b c"', "a b c"),
        ("news", "new"),
        ("bus", "bu"),
        ("language:ja", "text in English"),
    ],
)
def test_what_is_written_otherwise_is_not_found(typed: str, text: str) -> None:
    assert not finds(typed, text)


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("", "empty"),
        (" \u3000\n\x00", "empty"),
        ("-", "no_words"),
        ('"" -"" - --', "no_words"),
        ("!?;'*()", "no_words"),
        ("🙂", "no_words"),
        ("\ud800", "empty"),
        ("-word", "only_excluded"),
        ('-"a b" -c', "only_excluded"),
        ("x" * (MAX_QUERY + 1), "too_long"),
        ("人" * 10_000, "too_long"),
        (" ".join(f"w{number}x" for number in range(MAX_WORDS)), "too_many"),
        ("人" * MAX_QUERY, "too_many"),
    ],
)
def test_a_question_that_is_none_says_why(typed: str, problem: str) -> None:
    query = read_query(typed)

    assert (query.problem, query.wanted, query.excluded) == (problem, (), ())
    assert len(query.text) <= MAX_QUERY


def test_the_parts_of_a_question() -> None:
    assert read_query('Claude-3.5 "side by side" -draft lang:pt-BR agents') == SearchQuery(
        text='Claude-3.5 "side by side" -draft lang:pt-BR agents',
        wanted=(
            (("claude3.5",),),
            (("side", "by", "side"),),
            (("language:pt",),),
            (("agents",), ("agent",)),
        ),
        excluded=(("draft",), ("drafts",)),
    )


def test_the_words_of_an_entry() -> None:
    words = make_words(
        title="Llama 3 論文", author="A. Uthor", excerpt="Not in the text…", text="One.\nTwo: 人工", language="zh-TW"
    )

    assert words.split() == [
        *("llama", "3", "論"[:0] + "论", "论文", "文", GAP),
        *("not", "in", "the", "text", GAP),
        *("one", "two", "人", "人工", "工", GAP),
        *("a", "uthor", GAP),
        *("llama3", "language:zh"),
    ]


def test_an_excerpt_that_begins_the_text_counts_once() -> None:
    words = make_words(title="", author="", excerpt="One two…", text="One two three", language="")

    assert words.split() == ["one", "two", "three", GAP]


def test_no_phrase_reaches_from_the_title_into_the_text() -> None:
    words = make_words(title="first end", author="", excerpt="", text="begin second", language="").split()

    assert not holds(words, ("end", "begin"))


def test_what_lies_behind_the_limit_is_not_indexed() -> None:
    words = make("a " * (MAX_TEXT // 2) + "behind")

    assert "behind" not in words


@pytest.mark.parametrize("piece", ["a", "1", "1.", "a1", "a-", "'s", "c++", "+", "é", "ﷺ", "人", "人 ", "-", "4o "])
def test_no_text_takes_long(piece: str) -> None:
    text = (piece * MAX_TEXT)[: MAX_TEXT * 2]
    started = time.process_time()
    make(text)
    read_query(text[:MAX_QUERY])

    assert time.process_time() - started < 1


@given(st.text(max_size=80))
def test_any_text_makes_words_that_both_databases_take(text: str) -> None:
    words = make_words(title=text, author=text, excerpt=text, text=text, language=text)

    assert words == words.encode().decode()
    assert "\x00" not in words
    assert all(word == GAP or len(word) <= 64 or word.startswith("language:") for word in words.split())


@given(st.text(max_size=200))
def test_any_question_is_read(text: str) -> None:
    query = read_query(text)

    assert (query.problem is None) == bool(query.wanted)
    assert all(word and " " not in word for phrases in query.wanted for phrase in phrases for word in phrase)
    assert read_query(query.text).wanted == query.wanted


_PROSE = st.text(st.characters(categories=("L", "N", "Zs")), max_size=30)


@given(_PROSE, _PROSE, _PROSE)
def test_a_text_is_found_by_each_of_its_parts(part: str, before: str, after: str) -> None:
    query = read_query(f'"{part}"')

    assert query.problem in ("no_words", "too_many") or finds(query.text, f"{before} {part} {after}")
