"""Which entries become one story: same address, or titles that say the same in other feeds within three days."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.ids import EntryId, FeedId, StoryId
from aggregator.model.story import GroupCandidate
from aggregator.pipeline.group import group_entries

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


def make(number: int, title: str = "", **changes: Any) -> GroupCandidate:
    """A candidate of its own feed, with an address of its own."""
    candidate = GroupCandidate(
        id=EntryId(number),
        story_id=None,
        feed_id=FeedId(number),
        feed_weight=1.0,
        canonical_url=f"https://example.org/{number}",
        title=title,
        language="en",
        effective_at=NOW + timedelta(hours=number),
    )
    return replace(candidate, **changes)


def group_ids(candidates: list[GroupCandidate]) -> list[set[int]]:
    return [set(story.entry_ids) for story in group_entries(candidates)]


def are_grouped(one: str, other: str, **changes: Any) -> bool:
    return len(group_entries([make(1, one), make(2, other, **changes)])) == 1


def test_the_same_address_is_the_same_story() -> None:
    """In any feed, the same one included, whatever the titles say; no address is not an address."""
    shared = "https://example.org/shared"
    candidates = [
        make(1, "One title", canonical_url=shared),
        make(2, "Quite another", canonical_url=shared),
        make(3, "A third", canonical_url=shared, feed_id=FeedId(1)),
        make(4, "No link", canonical_url=""),
        make(5, "None either", canonical_url=""),
    ]

    assert group_ids(candidates) == [{1, 2, 3}, {4}, {5}]


def test_an_address_that_one_feed_gives_to_everything_is_a_page() -> None:
    """A changelog that links all its entries to itself is not one story."""
    page = "https://example.org/changelog"
    candidates = [
        make(number, f"Change {number} of many", canonical_url=page, feed_id=FeedId(1)) for number in (1, 2, 3)
    ]

    assert group_ids(candidates) == [{1}, {2}, {3}]


@pytest.mark.parametrize(
    ("titles", "fragments", "is_page"),
    [
        (("Version 2", "Version 1"), ("#v2", "#v1"), True),
        (("Version 2", "Version 1"), ("#v2", "#v2"), False),
        (("Version 2", "Version 1"), ("#v2", ""), False),
        (("Version 2", "Version 1"), ("", ""), False),
        (("Version 2", "version 2!"), ("#top", "#comments"), False),
    ],
)
def test_parts_of_one_page_are_stories_of_their_own(titles: Any, fragments: Any, is_page: bool) -> None:
    """Two posts of one feed are enough, when both address and title tell them apart."""
    page = "https://example.org/changelog"
    candidates = [
        make(number, title, canonical_url=page, url=page + fragment, feed_id=FeedId(1))
        for number, title, fragment in zip((1, 2), titles, fragments, strict=True)
    ]

    assert (len(group_ids(candidates)) == 2) is is_page


SAME = [
    ("Anthropic raises $13B Series F at $183B valuation", "Anthropic raises $13B Series F at $183B valuation"),
    ("Google’s AI Studio now lets anyone build Android apps", "Google's AI Studio Now Lets Anyone Build Android Apps"),
    (
        "Intuit to lay off over 3,000 employees to refocus on AI",
        "Intuit to lay off over 3000 employees to refocus on AI",
    ),
    ("Anthropic raises $13B at $183B valuation | TechCrunch", "Anthropic raises $13B at $183B valuation"),
    (
        "Anthropic raises $13B Series F at $183B post-money valuation",
        "Anthropic raises $13B Series F at $183B valuation",
    ),
    ("OpenAI launches new coding agent for enterprise teams", "OpenAI launched new coding agent for enterprise teams"),
    ("苏姿丰上海开讲:AI正在重新定义计算的每一层", "苏姿丰上海开讲：AI 正在重新定义计算的每一层"),
    ("アマゾンが新しいAIチップ「トレイニウム3」を発表", "アマゾンが新しいAIチップ『トレイニウム3』を発表"),
    ("Ｏｐｅｎ　ＡＩの新モデルを東京で発表した", "Open AIの新モデルを東京で発表した"),
    ("Introducing Claude Opus for finance", "Introducing Claude Opus for finance"),
]

DIFFERENT = [
    ("OpenAI releases model v1.2 for developers everywhere", "OpenAI releases model v1.3 for developers everywhere"),
    ("How to build an agent with open models, part 1", "How to build an agent with open models, part 2"),
    ("How to build an agent – part one", "How to build an agent – part two"),
    ("The Batch Weekly #41: agents learn to plan", "The Batch Weekly #42: agents learn to plan"),
    ("Weekly update", "Weekly update"),
    ("Changelog", "Changelog"),
    ("What's new in AI this week", "What's new in AI this week"),
    ("AI news roundup: November 2026", "AI news roundup: November 2026"),
    ("langchain v0.3.1", "langchain v0.3.1"),
    ("今日のAIニュースまとめ", "今日のAIニュースまとめ"),
    ("每日AI资讯更新", "每日AI资讯更新"),
    ("", ""),
    ("Google sues Microsoft over cloud licences in Europe", "Microsoft sues Google over cloud licences in Europe"),
    ("OpenAI opens its first office in Munich this winter, says chief executive",
     "Anthropic opens its first office in Munich this winter, says chief executive"),
    ("Judge approves the Anthropic settlement with authors over pirated books",
     "Judge rejects the Anthropic settlement with authors over pirated books"),
    ("Meta will release its next Llama model openly", "Meta will not release its next Llama model openly"),
    ("OpenAI brings GPT-6 to all free users in Europe", "OpenAI brings GPT-6 mini to all free users in Europe"),
    ("谷歌发布全新的开源大语言模型并免费提供给所有开发者使用",
     "微软发布全新的开源大语言模型并免费提供给所有开发者使用"),
    ("OpenAI ships a model", "Mistral buys a startup in Paris"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_titles_that_say_the_same(one: str, other: str) -> None:
    """Case, width, quotes, spacing, a site's name and a word more or in another form are no difference."""
    assert are_grouped(one, other)
    assert are_grouped(other, one)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_titles_that_do_not(one: str, other: str) -> None:
    """A number, a version, a name, a verdict is one; and what any feed could have written says nothing."""
    assert not are_grouped(one, other)
    assert not are_grouped(other, one)


def test_titles_count_within_three_days_and_across_feeds_only() -> None:
    """The same headline next week, or twice in one feed, is another story."""
    title = "Anthropic raises $13B Series F at $183B valuation"

    assert are_grouped(title, title, effective_at=NOW + timedelta(hours=1, days=3))
    assert not are_grouped(title, title, effective_at=NOW + timedelta(hours=1, days=3, seconds=1))
    assert not are_grouped(title, title, feed_id=FeedId(1))


def test_a_third_feed_does_not_join_two_entries_of_one_feed() -> None:
    """The nearest in time wins; the other entry of the same feed stays alone."""
    title = "Anthropic raises $13B Series F at $183B valuation"
    candidates = [make(1, title), make(2, title, effective_at=NOW + timedelta(hours=9)), make(8, title)]

    assert group_ids([replace(candidates[1], feed_id=FeedId(1)), candidates[0], candidates[2]]) == [{1}, {2, 8}]


def test_the_lead_is_the_weightiest_then_the_earliest() -> None:
    """Weight, date, id; the others follow by date."""
    url = "https://example.org/shared"
    light = [make(number, canonical_url=url) for number in (5, 3, 4)]
    heavy = make(9, canonical_url=url, feed_weight=2.0)

    assert group_entries(light)[0].entry_ids == (3, 4, 5)
    assert group_entries([*light, heavy])[0].entry_ids == (9, 3, 4, 5)


def test_the_oldest_story_keeps_its_id() -> None:
    """Two stored stories that turn out to be one: the lower id stays, the other redirects; members stay together."""
    url = "https://example.org/shared"
    candidates = [
        make(1, "Some words here", story_id=StoryId(7)),
        make(2, "Other words there", story_id=StoryId(7), canonical_url=url),
        make(3, "Third words elsewhere", story_id=StoryId(4), canonical_url=url),
        make(4, "New words", canonical_url=url),
    ]

    (story,) = group_entries(candidates)

    assert (story.story_id, story.entry_ids, story.merged_ids) == (4, (1, 2, 3, 4), (7,))


VOCABULARY = """
    openai anthropic google launches buys model chip paris court 2 v1.3 weekly update not mini 新しい モデル 发布 芯片
"""
WORDS = st.sampled_from(VOCABULARY.split())
CANDIDATES = st.lists(
    st.builds(
        make,
        st.integers(1, 400),
        st.lists(WORDS, min_size=1, max_size=7).map(" ".join)
        | st.sampled_from([title for pair in SAME + DIFFERENT for title in pair]),
        feed_id=st.integers(1, 5).map(FeedId),
        feed_weight=st.sampled_from([0.5, 1.0, 2.0]),
        canonical_url=st.sampled_from(["", "", *(f"https://example.org/{letter}" for letter in "abcdefgh")]),
        story_id=st.none() | st.integers(1, 6).map(StoryId),
        effective_at=st.integers(0, 24 * 10).map(lambda hours: NOW + timedelta(hours=hours)),
    ),
    max_size=25,
    unique_by=lambda candidate: candidate.id,
)


@given(CANDIDATES, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(candidates: list[GroupCandidate], random: Any) -> None:
    """Any permutation gives the same stories in the same order."""
    shuffled = list(candidates)
    random.shuffle(shuffled)

    assert group_entries(shuffled) == group_entries(candidates)


@given(CANDIDATES)
def test_every_candidate_is_in_one_story_and_nothing_is_invented(candidates: list[GroupCandidate]) -> None:
    """A partition; stored stories are never split; each of their ids is kept once, as itself or as merged."""
    stories = group_entries(candidates)
    place = {entry_id: number for number, story in enumerate(stories) for entry_id in story.entry_ids}
    kept = [story.story_id for story in stories if story.story_id is not None]
    merged = [story_id for story in stories for story_id in story.merged_ids]

    assert sorted(entry_id for story in stories for entry_id in story.entry_ids) == sorted(c.id for c in candidates)
    assert sorted(kept + merged) == sorted({c.story_id for c in candidates if c.story_id is not None})
    assert all(
        story.story_id is not None and story.story_id < min(story.merged_ids) for story in stories if story.merged_ids
    )
    for one in candidates:
        for other in candidates:
            if one.story_id is not None and one.story_id == other.story_id:
                assert place[one.id] == place[other.id]


@given(CANDIDATES)
def test_grouping_again_changes_nothing(candidates: list[GroupCandidate]) -> None:
    """Fed its own story ids, it finds the same stories and merges none."""
    stories = group_entries(candidates)
    # New stories get ids after the old ones, as a database gives them.
    ids = {story.entry_ids: story.story_id or StoryId(100 + number) for number, story in enumerate(stories)}
    stored = {entry_id: ids[story.entry_ids] for story in stories for entry_id in story.entry_ids}
    again = group_entries([replace(candidate, story_id=stored[candidate.id]) for candidate in candidates])

    assert [story.entry_ids for story in again] == [story.entry_ids for story in stories]
    assert [story.story_id for story in again] == [ids[story.entry_ids] for story in stories]
    assert all(story.merged_ids == () for story in again)


@given(CANDIDATES)
def test_a_headline_that_a_feed_repeats_is_another_event(candidates: list[GroupCandidate]) -> None:
    """However many other feeds tell the same, two entries of one feed with one title meet by their address only."""
    fresh = [replace(candidate, story_id=None, canonical_url="") for candidate in candidates]
    titles = {candidate.id: (candidate.feed_id, candidate.title) for candidate in fresh}

    for story in group_entries(fresh):
        of_story = [titles[entry_id] for entry_id in story.entry_ids]
        assert len(of_story) == len(set(of_story))


def test_many_like_titles_take_no_square_time() -> None:
    """4,000 titles from 25 words: no all-with-all (the limit is a hundred times what it takes)."""
    words = (
        "google openai anthropic launches new model chips funding raises billion court rules agent coding data".split(
            " "
        )
    )
    candidates = [
        make(number, " ".join(words[(number * step + number // 7) % len(words)] for step in range(1, 10)))
        for number in range(1, 4_000)
    ]

    assert len(group_entries(candidates)) > 0
