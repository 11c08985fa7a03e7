"""The editor's interests as they count, made of the configuration once. Never scores a story."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from aggregator.model.interest import Interest, Interests
from aggregator.model.settings import Settings
from aggregator.model.tag import TagEvidence, TagRules
from aggregator.pipeline.interests import read_interests
from aggregator.pipeline.tag import find_tags


def get_interests(settings: Settings) -> tuple[Interest, ...]:
    """Tags, feeds and words with their points: what the paragraph became, and what the editor set."""
    return _read(settings.interests, settings.tag_rules)


@lru_cache(maxsize=4)
def _read(asked: Interests, rules: TagRules) -> tuple[Interest, ...]:
    def find(text: str, language: str) -> tuple[TagEvidence, ...]:
        return find_tags(title="", text=text, categories=(), url="", language=language, feed_tags=(), rules=rules)

    return read_interests(asked, find)


def describe_interests(settings: Settings) -> Iterator[str]:
    """A line for each that was made of the editor's sentences: points, what it is, and of which words."""
    made = [one for one in get_interests(settings) if one.said]
    for one in sorted(made, key=lambda one: (-one.points, one.kind, one.name)):
        what = "tag" if one.kind == "tag" else "word"
        yield f'{one.points:+g} {what} {one.name} ("{one.said}")'
