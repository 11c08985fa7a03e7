"""Tags: every tag of the shipped taxonomy by sentence, the rules of matching by small taxonomies, the seed post as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from aggregator.config.taxonomy import load_tag_rules
from aggregator.model.tag import Alias, Tag, TagEvidence, TagKind, TagRule, TagRules
from aggregator.pipeline.tag import TEXT_LIMIT, find_tags, fold_label, get_pattern_head, get_tags

RULES = load_tag_rules([])
SENTENCES: dict[str, dict[str, str]] = YAML(typ="safe").load(
    (Path(__file__).parent / "data" / "tag_sentences.yaml").read_text(encoding="utf-8")
)


def find(title: str = "", text: str = "", *, language: str = "en", rules: TagRules = RULES, **rest: object) -> dict[str, TagEvidence]:
    """The evidence by slug."""
    given_: dict[str, object] = {"categories": (), "url": "", "feed_tags": (), **rest}
    found = find_tags(title=title, text=text, language=language, rules=rules, **given_)  # type: ignore[arg-type]
    return {evidence.slug: evidence for evidence in found}


def make_rule(slug: str, *aliases: Alias, kind: TagKind = "org", **rest: tuple[str, ...]) -> TagRule:
    return TagRule(tag=Tag(slug=slug, kind=kind, name=slug), aliases=aliases, **rest)


@pytest.mark.parametrize("slug", [rule.tag.slug for rule in RULES.rules])
def test_every_shipped_tag_matches_its_sentence_and_leaves_its_near_miss(slug: str) -> None:
    assert slug in SENTENCES, f"write a sentence that must match {slug} and one that must not"
    for expected in ("match", "miss"):
        language, _, sentence = SENTENCES[slug][expected].partition(" ")
        found = find(sentence, language=language)
        direct = slug in found and not found[slug].rule.startswith("parent:")
        assert direct is (expected == "match"), (slug, sentence, found.get(slug))
