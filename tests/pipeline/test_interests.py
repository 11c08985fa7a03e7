"""What the editor says in plain words, in three languages, and what becomes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.interest import Interest, Interests
from aggregator.model.tag import Alias, Tag, TagEvidence, TagRule, TagRules
from aggregator.pipeline.interests import MAX_MADE, read_interests
from aggregator.pipeline.interests.wording import COMMON_WORDS
from aggregator.pipeline.tag import find_tags

_TAXONOMY = {
    "openai": "OpenAI", "anthropic": "Anthropic", "claude-code": "Claude Code", "mistral-ai": "Mistral", "meta": "Meta",
    "deepseek": "DeepSeek", "agents": "agents|AIエージェント", "coding-agents": "coding agents", "chips": "chips|芯片",
    "robotics": "robot|robots|ロボット", "open-models": "open models|オープンモデル|开源模型", "lawsuits": "lawsuits",
    "funding": "資金調達",
}  # fmt: skip
RULES = TagRules(
    rules=tuple(
        TagRule(
            tag=Tag(slug=slug, kind="topic", name=slug),
            aliases=tuple(Alias(text=text) for text in aliases.split("|")),
            parents=("anthropic",) if slug == "claude-code" else (),
        )
        for slug, aliases in _TAXONOMY.items()
    )
)


def find(text: str, language: str) -> tuple[TagEvidence, ...]:
    return find_tags(title="", text=text, categories=(), url="", language=language, feed_tags=(), rules=RULES)


def read(text: str, **asked: tuple[tuple[str, float], ...]) -> dict[str, float]:
    found = read_interests(Interests(text=text, **asked), find)
    return {f"#{one.name}" if one.kind == "tag" else one.name: one.points for one in found}


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("We care about coding agents and robot arms.", {"#coding-agents": 2, "#robotics": 2, "robot arms": 1}),
        ("Less funding news, no crypto or celebrity gossip.", {"funding": -1, "crypto": -1, "celebrity gossip": -1}),
        ("I like OpenAI but not crypto; more on factories!", {"#openai": 2, "crypto": -1, "factories": 1}),
        ("Not only OpenAI but also Mistral.", {"#openai": 2, "#mistral-ai": 2}),
        ("I don't want benchmarks", {"benchmarks": -1}),
        ("Funding rounds do not interest me.", {"funding rounds": -1}),
        ("No more benchmarks, please. Nothing about lawsuits.", {"benchmarks": -1, "#lawsuits": -2}),
        ("Stories without hype, except from Mistral.", {"hype": -1, "#mistral-ai": -2}),
        ("Especially Claude Code!", {"#claude-code": 3}),
        ("OpenAI, and above all we want chips and factories.", {"#openai": 2, "#chips": 3, "factories": 1.5}),
        ("- robot arms\n- no crypto\n- factories", {"#robotics": 2, "robot arms": 1, "crypto": -1, "factories": 1}),
        ("AIエージェントとロボットに興味があります。", {"#agents": 2, "#robotics": 2}),
        ("暗号資産、ゴシップはいらない。特にオープンモデル。", {"暗号資産": -1, "ゴシップ": -1, "#open-models": 3}),
        ("資金調達の話は少なめに。OpenAIは好き、Metaは不要。", {"#funding": -2, "#openai": 2, "#meta": -2}),
        ("株価ではなく研究を読みたい。", {"株価": -1, "研究": 1}),
        ("我们关注开源模型，尤其是 DeepSeek。", {"#open-models": 2, "#deepseek": 3}),
        ("不要加密货币、娱乐八卦，多一些芯片。", {"加密货币": -1, "娱乐八卦": -1, "#chips": 2}),
        ("对股价不感兴趣。", {"股价": -1}),
        ("我們不要加密貨幣。", {"加密貨幣": -1}),
        ("", {}),
        ("We want to read interesting news stories about things.", {}),
    ],
)
def test_sentences_become_tags_and_words(text: str, made: dict[str, float]) -> None:
    """English, Japanese and Chinese; "no" and "less" turn what they stand by."""
    assert read(text) == made


def test_who_cares_for_a_product_need_not_care_for_its_company() -> None:
    """Parents are not brought along."""
    assert read("No Claude Code.") == {"#claude-code": -2}


def test_the_last_word_counts() -> None:
    """Said twice, the later sentence wins."""
    assert read("We like robots and crypto. Less crypto.") == {"#robotics": 2, "crypto": -1}


def test_points_of_the_editor_win_and_zero_takes_a_term_away() -> None:
    """Tags, words in any case, feeds; a word goes with the tag of the same name."""
    made = read(
        "We care about OpenAI, agents, crypto and factories.",
        points=(("openai", -3.0), ("agents", 0.0), ("https://a.example/feed", 1.5)),
        words=(("Crypto", -4.0), ("factories", 0.0), ("Robot  Arms", 2.0)),
    )

    assert made == {"#openai": -3.0, "https://a.example/feed": 1.5, "crypto": -4.0, "robot arms": 2.0}


def test_what_was_made_says_of_which_words() -> None:
    """So that the editor can see how a sentence was read."""
    found = read_interests(Interests(text="More on Anthropic's factories.", points=(("chips", 1.0),)), find)

    assert Interest(name="chips", kind="tag", points=1.0) in found
    assert {(one.name, one.said) for one in found if one.said} == {
        ("anthropic", "Anthropic"),
        ("anthropic factories", "Anthropic factories"),
    }


_WORDS = st.sampled_from(
    [
        "OpenAI",
        "crypto",
        "no",
        "less",
        "but",
        "not",
        "robot",
        "arms",
        ",",
        ".",
        "\n",
        "and",
        "ロボット",
        "不要",
        "いらない",
        "、",
        "。",
    ]
)


@given(st.lists(_WORDS, max_size=40).map(" ".join) | st.text(max_size=300))
def test_no_paragraph_breaks_it(text: str) -> None:
    """Each thing is named once, none without points."""
    found = read_interests(Interests(text=text), find)

    assert len({(one.kind, one.name) for one in found}) == len(found) <= MAX_MADE
    assert all(one.name and one.points and one.said for one in found)
    assert read_interests(Interests(text=text), find) == found


def test_a_paragraph_of_any_length_is_read_soon() -> None:
    """At most a hundred things are made of it."""
    text = " ".join(f"topic{number} and " for number in range(1_000))

    assert len(read_interests(Interests(text=text), find)) == MAX_MADE


def test_common_words_are_in_lower_case() -> None:
    """They are compared so."""
    assert all(word == word.casefold() for words in COMMON_WORDS.values() for word in words)
