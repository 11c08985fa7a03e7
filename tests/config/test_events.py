"""The lexicon that ships with the program: it loads, and says what it means once."""

from __future__ import annotations

from pathlib import Path

import pytest

from aggregator.config import events
from aggregator.config.events import LANGUAGES, load_lexicon
from aggregator.config.taxonomy import load_tag_rules
from aggregator.errors import ConfigError


def test_the_lexicon_speaks_four_languages() -> None:
    """Every event has words in each of them, and the marks of YAML's folded lines are gone."""
    lexicon = load_lexicon()
    happened = [concept for concept in lexicon.concepts if concept.kind == "event"]

    assert len(happened) >= 50
    assert all({language for language, _ in concept.words} == set(LANGUAGES) for concept in happened)
    words = [word for concept in lexicon.concepts for _, of in concept.words for word in of]
    words += [word for _, of in (*lexicon.stop, *lexicon.weak, *lexicon.digest) for word in of]
    assert all(word.isprintable() and word == word.strip() for word in words)
    assert len({concept.slug for concept in lexicon.concepts}) == len(lexicon.concepts)


def test_what_is_common_is_a_concept_or_a_tag() -> None:
    """A slip of the pen there would go unnoticed."""
    known = {concept.slug for concept in load_lexicon().concepts} | {rule.tag.slug for rule in load_tag_rules(()).rules}

    assert [slug for slug, _ in load_lexicon().rarity if slug not in known] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("events: [a]", "line 1"),
        ("events: {}\nthings: {}\nevents: {}", "line 3: 'events' stands twice"),
        ("events:\n  sue:\n    xx: sues\nthings: {}\nnames: {}", "'xx' is no language"),
        ("events:\n  sue:\n    en: [sues]\nthings: {}\nnames: {}", "expected words with commas"),
        ("events: {}", "'things'"),
    ],
)
def test_mistakes_are_reported(text: str, message: str, tmp_path: Path) -> None:
    """With the file, and the line where there is one."""
    path = tmp_path / "events.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        events._read(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
