"""Scores that can be explained, and an order that is always the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.pipeline.rank import order_stories, score_story
from tests.pipeline.stories import NOW, make_entry, make_story, make_tag


def get_terms(*changes: dict[str, Any], interests: dict[str, float] | None = None) -> dict[str, tuple[str, float]]:
    entries = [make_entry(number, **change) for number, change in enumerate(changes, 1)]
    score, terms = score_story(entries, interests or {})

    assert score == round(sum(term.points for term in terms), 3)
    return {term.name: (term.value, term.points) for term in terms}


def test_more_feeds_weigh_more_but_each_less_than_the_one_before() -> None:
    """Two sources 3 points, four 6; the same feed twice counts once."""
    same = {"feed_url": "https://a.example/feed"}

    assert "sources" not in get_terms({})
    assert get_terms({}, {})["sources"] == ("2", 3.0)
    assert get_terms({}, {}, {}, {})["sources"] == ("4", 6.0)
    assert "sources" not in get_terms(same, same)


def test_each_reason_has_a_name_and_a_value() -> None:
    """What a page can say about a score."""
    terms = get_terms(
        {"language": "ja", "feed_weight": 1.5, "reading_minutes": 4, "tags": (make_tag("openai", "org", "feed"),)},
        {"language": "en-GB"},
        interests={"openai": 2.0, "absent": 9.0},
    )

    assert terms["languages"] == ("en ja", 1.0)
    assert terms["feed weight"] == ("1.5", 1.0)
    assert terms["official source"] == ("openai", 1.5)
    assert terms["length"] == ("4 min", 0.6)
    assert terms["interest"] == ("openai", 2.0)


def test_interests_add_up_one_by_one() -> None:
    """Each tag and feed that the editor cares for is a reason of its own."""
    entries = [make_entry(1, tags=(make_tag("openai"), make_tag("chips", "topic")))]
    _, terms = score_story(entries, {"openai": 2.0, "chips": -1.0, "https://feed1.example.org/feed": 0.5})

    assert {(term.value, term.points) for term in terms if term.name == "interest"} == {
        ("openai", 2.0),
        ("chips", -1.0),
        ("https://feed1.example.org/feed", 0.5),
    }


@pytest.mark.parametrize("field", ["title", "text", "category"])
def test_writing_about_a_company_is_not_being_its_own_voice(field: Any) -> None:
    """Only the feed's own tag or its address makes it official."""
    assert "official source" not in get_terms({"tags": (make_tag("openai", "org", field),)})


def test_an_entry_without_text_counts_less() -> None:
    """A bare link is not much of a story."""
    assert get_terms({"excerpt": ""})["no text"][1] < 0
    assert "no text" not in get_terms({"excerpt": ""}, {})


def test_the_score_does_not_depend_on_the_order_of_the_others() -> None:
    """Lead first, the rest in any order."""
    entries = [make_entry(number, feed_weight=number / 2, tags=(make_tag(f"t{number}"),)) for number in range(1, 5)]
    interests = {f"t{number}": number for number in range(5)}

    assert score_story(entries, interests) == score_story([entries[0], *reversed(entries[1:])], interests)


def test_age_weighs_mildly() -> None:
    """Four days take two points; a bigger story of last week stays above a small one of today."""
    small_today = make_story(1, make_entry(1), score=1.0)
    big_last_week = make_story(2, make_entry(24 * 6), score=6.0)
    small_last_week = make_story(3, make_entry(24 * 5), score=2.0)

    assert [story.id for story in order_stories([small_last_week, small_today, big_last_week], NOW)] == [2, 1, 3]


def test_ties_go_to_the_newer_then_to_the_lower_id() -> None:
    """The order is total."""
    stories = [make_story(3, make_entry(5)), make_story(2, make_entry(5)), make_story(1, make_entry(4))]

    assert [story.id for story in order_stories(stories, NOW)] == [1, 2, 3]


STORIES = st.lists(
    st.builds(
        lambda number, hours, score: make_story(number, make_entry(hours), score=score),
        st.integers(1, 1000),
        st.integers(-20, 24 * 14),
        st.floats(-5, 20),
    ),
    unique_by=lambda story: story.id,
)


@given(STORIES, st.randoms(use_true_random=False), st.integers(1, 2_000))
def test_the_order_is_always_the_same(stories: list[Any], random: Any, hours: int) -> None:
    """Whatever order they come in; and time alone turns no two of them around, not even those that are dated ahead."""
    shuffled = list(stories)
    random.shuffle(shuffled)
    later = [order_stories(stories, NOW + timedelta(hours=add)) for add in (0, hours)]

    assert order_stories(shuffled, NOW) == order_stories(stories, NOW)
    assert {story.id for story in later[0]} == {story.id for story in stories}
    for one, other in zip(*later, strict=True):
        assert abs(one.score - other.score) < 1e-3 or one.id == other.id


def test_nothing_to_order() -> None:
    """An empty week."""
    assert order_stories([], NOW) == ()
