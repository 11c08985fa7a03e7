"""The shipped taxonomy: each name is found where it may be, and only there; names that mean several things."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from aggregator.config.taxonomy import load_tag_rules
from aggregator.model.tag import Alias, TagEvidence, TagRule
from aggregator.pipeline.tag import find_tags
from aggregator.pipeline.tag.folding import fold_label, holds

RULES = load_tag_rules([])
BY_SLUG = {rule.tag.slug: rule for rule in RULES.rules}
SENTENCES: dict[str, dict[str, str]] = YAML(typ="safe").load(
    (Path(__file__).parent / "data" / "tag_sentences.yaml").read_text(encoding="utf-8")
)


def find(title: str = "", *, language: str = "en", text: str = "") -> dict[str, TagEvidence]:
    """The evidence by slug."""
    values: dict[str, Any] = {"categories": (), "url": "", "feed_tags": (), "rules": RULES}
    return {one.slug: one for one in find_tags(title=title, text=text, language=language, **values)}


def find_own(title: str, language: str = "en", text: str = "") -> set[str]:
    """The tags that were found by their own words."""
    return {
        slug for slug, one in find(title, language=language, text=text).items() if not one.rule.startswith("parent:")
    }


def iter_names() -> Iterator[tuple[TagRule, Alias, str]]:
    """(rule, alias, a language in which it is looked for) of every name that is no pattern."""
    for rule in RULES.rules:
        for alias in rule.aliases:
            if not alias.pattern:
                yield rule, alias, alias.languages[0] if alias.languages else "en"


def name_company(rule: TagRule) -> str:
    """Words of which the tag needs one, or nothing."""
    word = next(iter(rule.only_with), "")
    if word.startswith("#"):
        other = BY_SLUG[word[1:]]
        return f"{other.aliases[0].text} {name_company(other)}"
    return word.rstrip("*")


def test_it_covers_what_it_promises() -> None:
    kinds = [rule.tag.kind for rule in RULES.rules]
    assert kinds.count("org") >= 200
    assert kinds.count("product") >= 300
    assert kinds.count("topic") >= 100


@pytest.mark.parametrize("slug", SENTENCES)
def test_a_tag_matches_its_sentence_and_leaves_its_near_miss(slug: str) -> None:
    assert slug in BY_SLUG, "a sentence for a tag that does not exist"
    for expected in ("match", "miss"):
        language, _, sentence = SENTENCES[slug][expected].partition(" ")
        assert (slug in find_own(sentence, language)) is (expected == "match"), (slug, sentence)


def test_every_name_is_found_in_the_company_it_needs() -> None:
    missing = [
        (rule.tag.slug, alias.text)
        for rule, alias, language in iter_names()
        if rule.tag.slug not in find(f"… {alias.text} …", language=language, text=name_company(rule))
    ]
    assert missing == []


def test_no_name_that_needs_company_is_found_alone() -> None:
    found = [
        (rule.tag.slug, alias.text)
        for rule, alias, language in iter_names()
        if rule.only_with
        and not any(word.startswith("#") or holds(fold_label(alias.text), word) for word in rule.only_with)
        and rule.tag.slug in find_own(f"… {alias.text} …", language)
    ]
    assert found == []


def test_every_word_that_speaks_against_a_tag_does() -> None:
    found = []
    for rule in RULES.rules:
        alias = next((alias for alias in rule.aliases if not alias.pattern and not alias.languages), None)
        for word in rule.not_when if alias else ():
            sentence = f"{alias.text} … {word.rstrip('*')}" if alias else ""
            if rule.tag.slug in find_own(sentence, text=""):
                found.append((rule.tag.slug, word))
    assert found == []


@pytest.mark.parametrize(
    "slug",
    [
        *("apple", "claude", "amazon-nova", "gemini", "cursor", "microsoft-copilot", "mistral-ai", "perplexity"),
        *("llama", "cohere", "meta", "grok", "sora", "phi", "cohere-aya", "orca", "falcon-llm", "whisper", "manus"),
        *("box", "circle", "calm", "snap", "square", "nothing", "honor", "ramp", "block", "notion", "oracle", "arm"),
    ],
)
def test_names_that_mean_other_things_as_well_have_sentences(slug: str) -> None:
    assert slug in SENTENCES


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("GPT-5.6", "gpt-5"),
        ("GPT-7 mini", "gpt-5"),
        ("GPT\u20115.1", "gpt-5"),
        ("ＧＰＴ－５", "gpt-5"),
        ("GPT-6.1-Codex-Max", "gpt-codex"),
        ("o5-mini", "openai-o-series"),
        ("Qwen3-235B", "qwen"),
        ("Qwen3.7-Max", "qwen-max"),
        ("Qwen 5.5-Plus", "qwen"),
        ("Qwen4-Coder-480B-A35B", "qwen-coder"),
        ("Llama-4-70b", "llama"),
        ("Llama 5 Scout", "llama"),
        ("claude-opus-4", "claude-opus"),
        ("Claude Sonnet 6.5", "claude-sonnet"),
        ("Gemini 4.5 Flash-Lite", "gemini-flash"),
        ("Gemini 4", "gemini"),
        ("gemma3:27b", "gemma"),
        ("Grok 6.2 Fast", "grok"),
        ("DeepSeek-V5", "deepseek-v"),
        ("GLM-6", "glm"),
        ("Kimi K3", "kimi"),
        ("Nemotron 4 Ultra", "nemotron"),
        ("Voxtral 3", "voxtral"),
    ],
)
def test_next_months_model_needs_no_edit(name: str, slug: str) -> None:
    assert slug in find_own(f"Benchmarks of {name} by Google's and OpenAI's rivals")


def test_the_seed_post_gets_every_company_product_and_topic_it_names(corpus: Path) -> None:
    post = next((corpus / "site").glob("*.txt")).read_text(encoding="utf-8")
    _, front, body = post.split("---\n", 2)
    assert "最新ニュース" in front
    evidence = find_tags(
        title="AI業界を揺るがす二つの波",
        text=body,
        language="ja",
        categories=("投資分析", "最新ニュース", "チップ"),
        url="",
        feed_tags=(),
        rules=RULES,
    )
    found = {one.slug: one for one in evidence}
    orgs = {"anthropic", "amazon", "aws", "openai", "google", "microsoft", "nvidia", "salesforce", "linkedin"}
    expected = {
        "org": orgs | {"wilson-sonsini"},
        "product": {
            *("claude", "claude-code", "amazon-nova", "amazon-bedrock"),
            *("trainium", "inferentia", "bun", "kiro"),
        },
        "topic": {"agents", "ipo", "funding", "chips"},
    }
    for kind, slugs in expected.items():
        assert {slug for slug in slugs if slug not in found or found[slug].kind != kind} == set()
    assert found["anthropic"].count > 10
    assert (found["trainium"].found, found["trainium"].rule) == ("Trainium 3", "pattern")
