"""Names that no tag knows, and a name tried before it is one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from aggregator.config.taxonomy import load_tag_rules
from aggregator.model.ids import EntryId
from aggregator.model.tag import TagRule, TagRules
from aggregator.pipeline.tag.candidates import Title, find_candidates
from aggregator.pipeline.tag.trying import find_hits, find_neighbours, match_aliases, narrow, read_text

RULES = load_tag_rules(())


def find(*titles: str, language: str = "en", dismissed: Sequence[str] = ()) -> list[str]:
    """Each title from a feed of its own."""
    listed = [Title(id=EntryId(n), feed=n, title=title, language=language) for n, title in enumerate(titles)]
    return [one.name for one in find_candidates(listed, RULES, stop=["why"], dismissed=dismissed, limit=50)]


@pytest.mark.parametrize(
    ("language", "titles", "names"),
    [
        ("en", ["We tried Orrery Labs today", "How we pay Orrery Labs", "Orrery Labs raises money"], ["Orrery Labs"]),
        # What only begins sentences, and what is written small elsewhere, is no name.
        ("en", ["Machines that sing", "Machines that dance", "New day: Machines that eat"], []),
        ("en", ["the wide Web of things", "a web of things", "one more Web again", "this Web we like"], []),
        # Nor are words of a headline, but for those that hold more than one capital.
        ("en", ["Quill Harbour Buys QuillOS", "Quill Harbour Sells QuillOS", "A QuillOS Day"], ["QuillOS"]),
        # What the taxonomy knows, days, months, one feed's own words.
        ("en", ["we like OpenAI in March", "they like OpenAI in March", "who asks OpenAI in March"], []),
        ("de", ["Was das Haus sagt", "Wie ein Haus steht", "Das kleine Haus"], []),
        ("fr", ["le robot de Quillon marche", "chez Quillon on rit", "avec Quillon tout va"], ["Quillon"]),
        ("ja", ["クイロンの新型ロボット", "新生クイロンのデータ", "クイロン、上場"], ["クイロン"]),
        ("en", ["x" * 5000 + " Aa " * 5000, "\ud800 Bb", ""], []),
    ],
)  # fmt: skip
def test_names_are_found_within_sentences(language: str, titles: list[str], names: list[str]) -> None:
    assert find(*titles, language=language) == names


def test_what_an_editor_has_dismissed_is_gone_and_one_feed_is_not_enough() -> None:
    titles = ["we saw Quillon", "they saw Quillon", "who saw Quillon"]
    assert find(*titles, dismissed=["quillon"]) == []
    listed = [Title(id=EntryId(n), feed=1, title=title, language="en") for n, title in enumerate(titles)]
    assert find_candidates(listed, RULES, stop=(), dismissed=(), limit=9) == ()


def wanted(added: str) -> tuple[TagRules, TagRule]:
    rules = load_tag_rules((), added=added)
    return rules, next(rule for rule in rules.rules if rule.tag.slug == "quill")


def test_a_name_is_tried_with_what_others_take_from_it_and_its_contexts() -> None:
    rules, rule = wanted("tags: {quill: {org: Quill, aliases: [Apple, ja:クイル], only_with: [feather*]}}")
    neighbours = find_neighbours(rules, rule)
    matcher = narrow(rules, rule, neighbours)
    assert ("Apple", "same") in {(one.theirs, one.relation) for one in neighbours if one.slug == "apple"}
    assert any(one.relation == "longer" and one.slug == "apple-intelligence" for one in neighbours)
    with_it = read_text(title="Quill and Apple Intelligence", text="Feathers everywhere", language="en")
    without = read_text(title="Quill and Apple Intelligence", text="Nothing", language="en")
    assert [hit.found for hit in find_hits(matcher, rule, with_it, ())] == ["Quill"]
    assert find_hits(matcher, rule, without, ()) == ()
    assert {words: alias.text for words, alias in match_aliases(rule, ["QUILL", "クイル", "gone"]).items()} == {
        "QUILL": "Quill", "クイル": "クイル",
    }  # fmt: skip
