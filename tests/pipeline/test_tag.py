"""Tags: the rules of matching, by small taxonomies; anything at all. `test_tag_shipped` reads the shipped one."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.config.taxonomy import load_tag_rules
from aggregator.model.tag import Alias, Tag, TagEvidence, TagKind, TagRule, TagRules
from aggregator.pipeline.tag import TEXT_LIMIT, find_tags, get_tags

RULES = load_tag_rules([])


def find(title: str = "", *, rules: TagRules = RULES, **rest: Any) -> dict[str, TagEvidence]:
    """The evidence by slug, in its order."""
    values: dict[str, Any] = {"text": "", "categories": (), "url": "", "language": "en", "feed_tags": (), **rest}
    return {evidence.slug: evidence for evidence in find_tags(title=title, rules=rules, **values)}


def make_rule(slug: str, *aliases: Alias | str, kind: TagKind = "org", **rest: tuple[str, ...]) -> TagRule:
    known = tuple(alias if isinstance(alias, Alias) else Alias(text=alias) for alias in aliases)
    return TagRule(tag=Tag(slug=slug, kind=kind, name=slug.title()), aliases=known, **rest)


def make_rules(*rules: TagRule) -> TagRules:
    return TagRules(rules=rules)


# Rules of matching, on small taxonomies


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("AWSの料金", True),
        ("日本のAWS技術", True),
        ("「AWS」", True),
        ("오늘AWS가", True),
        ("AWS's price", True),
        ("the AWS-based stack", True),
        ("LAWS", False),
        ("AWS2", False),
        ("ÉAWS", False),
        ("сAWS", False),
    ],
)
def test_a_latin_name_ends_where_no_latin_letter_or_digit_follows(text: str, matches: bool) -> None:
    rules = make_rules(make_rule("aws", Alias(text="AWS", exact_case=True)))
    assert ("aws" in find(text, rules=rules)) is matches


def test_a_short_katakana_name_is_not_found_inside_a_longer_word() -> None:
    rules = make_rules(make_rule("llama", "ラマ"), make_rule("amazon", "アマゾン"))
    assert list(find("ドラマとプログラマ", rules=rules)) == []
    assert list(find("ラマはアマゾンジャパンに", rules=rules)) == ["llama", "amazon"]


def test_capitals_count_where_the_alias_says_so_and_headlines_may_shout() -> None:
    rules = make_rules(make_rule("apple", Alias(text="Apple", exact_case=True)), make_rule("openai", "OpenAI"))
    assert list(find("an apple and openai", rules=rules)) == ["openai"]
    assert list(find("APPLE BUYS OPENAI", rules=rules)) == ["apple", "openai"]


def test_the_longest_name_wins_and_a_longer_name_that_fails_hides_nothing() -> None:
    rules = make_rules(make_rule("claude", "Claude"), make_rule("claude-code", "Claude Code", kind="product"))
    assert list(find("Claude Code is out", rules=rules)) == ["claude-code"]
    assert list(find("Claude codebook", rules=rules)) == ["claude"]


def test_of_a_family_and_its_member_on_the_same_words_the_member_is_found() -> None:
    rules = make_rules(
        make_rule("gem", Alias(text=r"Gem \d(?: Flash)?", pattern=True), kind="product"),
        make_rule("gem-flash", Alias(text=r"Gem (?:\d )?Flash", pattern=True), kind="product", parents=("gem",)),
        make_rule("gem-stone", Alias(text=r"Gem \d Flash", pattern=True)),
    )
    found = find("Gem 3 Flash", rules=rules)
    assert {slug: one.rule for slug, one in found.items()} == {
        "gem": "parent:gem-flash",
        "gem-flash": "pattern",
        "gem-stone": "pattern",
    }
    assert list(find("Gem 3", rules=rules)) == ["gem"]


def test_words_close_by_can_say_that_another_thing_is_meant_but_not_from_afar() -> None:
    rules = make_rules(make_rule("apple", "Apple", not_when=("pie", "orchard*")))
    assert find("Apple pies", rules=rules) != {}
    assert find("Apple pie", rules=rules) == {}
    assert find("Apple orchards", rules=rules) == {}
    assert find("Apple " + "and so on " * 20 + "pie", rules=rules) != {}


def test_a_name_that_needs_company_counts_only_in_it() -> None:
    rules = make_rules(
        make_rule("aws", "AWS"),
        make_rule("nova", "Nova", only_with=("Bedrock",)),
        make_rule("kiro", "Kiro", only_with=("#nova",)),
    )
    assert list(find("Kiro and Nova", rules=rules)) == []
    assert list(find("Kiro and Nova", text="on Bedrock", rules=rules)) == ["kiro", "nova"]
    assert list(find("Nova", categories=("bedrock",), rules=rules)) == ["nova"]


def test_tags_that_need_each_other_are_not_put() -> None:
    rules = make_rules(make_rule("a", "Aaa", only_with=("#b",)), make_rule("b", "Bbb", only_with=("#a",)))
    assert find("Aaa Bbb", rules=rules) == {}


def test_an_alias_of_one_language_is_not_looked_for_in_another() -> None:
    rules = make_rules(make_rule("arm", Alias(text="Arm", languages=("en",))))
    assert list(find("Arm", language="en-GB", rules=rules)) == ["arm"]
    assert find("Arm", language="de", rules=rules) == {}
    assert find("Arm", language="und", rules=rules) == {}


def test_a_product_brings_its_makers_along_with_its_own_evidence() -> None:
    rules = make_rules(
        make_rule("anthropic", "Anthropic"),
        make_rule("claude", "Claude", kind="product", parents=("anthropic",)),
        make_rule("claude-code", "Claude Code", kind="product", parents=("claude",)),
    )
    found = find("Why Claude Code", text="by Anthropic", rules=rules)
    assert [(one.slug, one.field, one.rule, one.found) for one in found.values()] == [
        ("claude", "title", "parent:claude-code", "Claude Code"),
        ("claude-code", "title", "alias", "Claude Code"),
        ("anthropic", "text", "alias", "Anthropic"),
    ]


def test_evidence_counts_title_and_text_and_keeps_the_first_words() -> None:
    rules = make_rules(make_rule("openai", "OpenAI", "Open AI"))
    found = find(
        "OPENAI", text="Open AI, then OpenAI\nagain; but not https://openai.com/OpenAI nor www.openai.com", rules=rules
    )
    assert found == {
        "openai": TagEvidence(slug="openai", kind="org", field="title", found="OPENAI", rule="alias", count=3)
    }


def test_a_host_that_is_merely_linked_is_no_evidence_but_the_entrys_own_site_is() -> None:
    rules = make_rules(make_rule("openai", "OpenAI", hosts=("openai.com",)))
    assert find("Read openai.com/index/x and https://openai.com", rules=rules) == {}
    own = find("Hello", url="https://www.openai.com/index/x", rules=rules)
    assert (own["openai"].field, own["openai"].found, own["openai"].rule) == ("url", "www.openai.com", "host")
    assert find("Hello", url="https://notopenai.com/", rules=rules) == {}
    assert find("Hello", url="http://[broken", rules=rules) == {}


def test_categories_and_feed_tags_go_through_the_same_names() -> None:
    rules = make_rules(make_rule("openai", "OpenAI"), make_rule("ai-agents", "AI agents", kind="topic"))
    found = find(
        "Nothing", categories=("Sport", "ai-agents", "News about OpenAI"), feed_tags=("OPENAI", "none"), rules=rules
    )
    assert [(one.slug, one.field, one.found) for one in found.values()] == [
        ("ai-agents", "category", "ai-agents"),
        ("openai", "category", "OpenAI"),
    ]
    assert find("Nothing", feed_tags=("Ai Agents",), rules=rules)["ai-agents"].rule == "feed"


def test_a_slug_is_the_editors_word_not_the_publishers() -> None:
    rules = make_rules(make_rule("science", "AI for science", kind="topic"))
    assert find("Nothing", categories=("Science",), rules=rules) == {}
    assert list(find("Nothing", feed_tags=("science",), rules=rules)) == ["science"]


def test_chinese_of_taiwan_is_read_with_the_same_aliases_and_quoted_as_written() -> None:
    rules = make_rules(make_rule("nvidia", "英伟达"), make_rule("chips", "芯片", kind="topic"))
    found = find("輝達發表新晶片", language="zh-TW", rules=rules)
    assert "nvidia" in found
    assert "chips" in found
    assert find("輝達", language="ja", rules=rules) == {}
    assert find("微軟", language="zh", rules=make_rules(make_rule("microsoft", "微软")))["microsoft"].found == "微軟"


def test_tags_come_in_the_order_of_field_and_position() -> None:
    names = ("Zeta", "Alpha", "Mid")
    rules = make_rules(*(make_rule(name.lower(), name) for name in names))
    assert list(find("Zeta", text="Mid then Alpha", rules=rules)) == ["zeta", "mid", "alpha"]
    assert list(find("Zeta", text="Alpha, Mid, Zeta", rules=rules)) == ["zeta", "alpha", "mid"]


def test_an_empty_taxonomy_finds_nothing() -> None:
    assert find("OpenAI", rules=TagRules()) == {}


def test_tags_by_slug_carry_their_names() -> None:
    tags = get_tags(RULES)
    assert tags["nvidia"].name == "Nvidia"
    assert dict(tags["nvidia"].names) == {"ja": "エヌビディア", "zh": "英伟达"}


# Anything at all


@given(st.text(max_size=300), st.text(max_size=300), st.sampled_from(["en", "ja", "zh", "fr", "und", ""]))
def test_any_text_is_survived_and_read_the_same_way_twice(title: str, text: str, language: str) -> None:
    values: dict[str, Any] = {
        "text": text,
        "language": language,
        "categories": (text,),
        "feed_tags": (title,),
        "url": text,
    }
    first = find(title, **values)
    assert first == find(title, **values)
    for evidence in first.values():
        assert evidence.found
        assert evidence.count >= 1


@given(st.lists(st.sampled_from(["Claude Code", "Claude", "の", " ", "GPT-5", "Å", "İ", "ﷺ", "㍿", "AWS", "\u0301"])))
def test_words_quoted_as_evidence_stand_in_the_text(parts: list[str]) -> None:
    import unicodedata

    text = "".join(parts)
    for evidence in find(text).values():
        assert evidence.found in unicodedata.normalize("NFKC", text)


@pytest.mark.parametrize(
    "piece", ["Claude ", "GPT-5", "a", "Nova ", "日", "(" * 50, "\ud800", "Gemini 3.", "x.y/", "www.", "a-", "a."]
)
def test_a_hostile_text_costs_little(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    find("warm")
    started = time.process_time()
    find(piece, text=text, categories=[text] * 5)
    assert time.process_time() - started < 2.0
    assert TEXT_LIMIT == 20_000
