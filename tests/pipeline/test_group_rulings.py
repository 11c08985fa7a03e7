"""The editor's word about stories: it survives whatever grouping thinks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.ids import EntryId, StoryId
from aggregator.model.story import GroupCandidate, GroupedStory, Ruling, RulingKind
from aggregator.pipeline.group import group_entries
from tests.pipeline.test_group import CANDIDATES, make

URL = "https://example.org/shared"


def rule(kind: RulingKind, one: int, other: int | None = None) -> Ruling:
    return Ruling(kind=kind, entry_id=EntryId(one), other_id=None if other is None else EntryId(other))


def group_ids(candidates: list[GroupCandidate], *rulings: Ruling) -> list[set[int]]:
    return [set(story.entry_ids) for story in group_entries(candidates, rulings)]


def test_merged_by_the_editor() -> None:
    """Entries that share nothing, years apart if need be; what goes with each comes along."""
    candidates = [
        make(1, "Some words here", canonical_url=URL),
        make(2, "Other words there", canonical_url=URL),
        make(3, "Nothing of that"),
    ]

    assert group_ids(candidates, rule("merge", 3, 1)) == [{1, 2, 3}]
    (story,) = group_entries(candidates, [rule("merge", 3, 1)])
    assert {link.entry_id: link.evidence for link in story.links}[EntryId(3)] == ("the editor's word",)


def test_parted_by_the_editor() -> None:
    """One address, one title or one stored story does not bring together what the editor keeps apart."""
    title = "Anthropic raises $13B Series F at $183B valuation"
    same = [make(number, title, canonical_url=URL, story_id=StoryId(5)) for number in (1, 2, 3)]

    assert group_ids(same) == [{1, 2, 3}]
    assert group_ids(same, rule("never", 2, 1), rule("never", 2, 3)) == [{1, 3}, {2}]


def test_a_story_split_in_two() -> None:
    """Each part stays whole; the part with the oldest entry keeps the id, and the other gets a new one."""
    members = [make(number, canonical_url=URL, story_id=StoryId(5)) for number in (1, 2, 3, 4)]
    rulings = [rule("never", one, other) for one in (1, 3) for other in (2, 4)]
    stories = group_entries(members, rulings)

    assert [(story.story_id, set(story.entry_ids)) for story in stories] == [(5, {1, 3}), (None, {2, 4})]


def test_of_two_rulings_about_one_pair_the_later_counts() -> None:
    pair = [make(1), make(2)]

    assert group_ids(pair, rule("never", 1, 2), rule("merge", 2, 1)) == [{1, 2}]
    assert group_ids(pair, rule("merge", 1, 2), rule("never", 2, 1)) == [{1}, {2}]


def test_the_editor_chooses_the_lead() -> None:
    """Of two choices the later; a choice of an entry elsewhere means nothing here."""
    members = [make(number, canonical_url=URL, feed_weight=3.0 - number) for number in (1, 2, 3)]

    assert group_entries(members)[0].entry_ids == (1, 2, 3)
    assert group_entries(members, [rule("lead", 3)])[0].entry_ids == (3, 1, 2)
    assert group_entries(members, [rule("lead", 3), rule("lead", 2), rule("lead", 9)])[0].entry_ids == (2, 1, 3)


@pytest.mark.parametrize("kind", ["pin", "bury"])
def test_what_the_editor_says_of_scores_is_passed_over(kind: RulingKind) -> None:
    pair = [make(1, canonical_url=URL), make(2, canonical_url=URL)]

    assert group_entries(pair, [rule(kind, 1)]) == group_entries(pair)


def test_without_keeping_stories_only_ids_remember_what_was_stored() -> None:
    """Two entries that share nothing part; the older keeps the id."""
    stored = [make(1, "Some words", story_id=StoryId(5)), make(2, "Other things", story_id=StoryId(5))]

    assert [story.story_id for story in group_entries(stored)] == [5]
    assert [story.story_id for story in group_entries(stored, keep_stories=False)] == [5, None]


RULINGS = st.lists(
    st.builds(rule, st.sampled_from(["merge", "never", "lead"]), st.integers(1, 40), st.integers(1, 40)), max_size=12
)
FEW = CANDIDATES.map(lambda found: list({c.id % 40 + 1: replace(c, id=EntryId(c.id % 40 + 1)) for c in found}.values()))


@given(FEW, RULINGS)
def test_never_is_never(candidates: list[GroupCandidate], rulings: list[Ruling]) -> None:
    """Whatever else is ruled or shared; and it is still a partition."""
    stories: tuple[GroupedStory, ...] = group_entries(candidates, rulings)
    last = {
        tuple(sorted((ruling.entry_id, ruling.other_id or 0))): ruling.kind
        for ruling in rulings
        if ruling.kind != "lead"
    }

    assert sorted(number for story in stories for number in story.entry_ids) == sorted(c.id for c in candidates)
    for (one, other), kind in last.items():
        if kind == "never" and one != other:
            assert not any(one in story.entry_ids and other in story.entry_ids for story in stories)
