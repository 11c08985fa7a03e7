"""What is new about a story since readers last heard of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.ids import EntryId
from aggregator.model.newsletter import Continuity
from aggregator.pipeline.amounts import iter_amounts
from aggregator.pipeline.continuity import compare_coverage
from tests.pipeline.stories import make_entry, make_story, make_tag


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("raises $6.5 billion at a $157bn valuation", ["$6.5e9", "$157e9"]),
        ("lève 6,5 milliards d'euros", ["6.5e9"]),
        ("6.5億ドルを調達、30パーセント増", ["$6.5e8", "30%"]),
        ("融资65亿美元，用户1.2亿", ["$65e8", "1.2e8"]),
        ("1,000 jobs, 12% of staff, 12 percent of pay", ["12%", "12%"]),
        ("costs €1,500 or 1 200 euros", ["€1500", "€1200"]),
        ("GPT-5.6 and a 70B model, 3M context, 10k tokens in 2026 at v1.2.3", []),
        ("US$3m for 3 million people", ["$3e6", "3e6"]),
        ("no number at all", []),
    ],
)
def test_amounts_of_many_languages(text: str, amounts: list[str]) -> None:
    """With a currency or a unit; versions, years and sizes of models are none."""
    assert [amount for amount, _ in iter_amounts(text)] == amounts


def test_an_amount_stands_as_it_was_written() -> None:
    """For the line that readers see."""
    assert [words for _, words in iter_amounts("It is $6.5 billion, or 6.5億ドル.")] == ["$6.5 billion", "6.5億ドル"]


@given(st.text(max_size=300) | st.from_regex(r"[$0-9.,’ ]{0,200}[a-z%万億]{0,4}", fullmatch=True))
def test_no_text_breaks_it(text: str) -> None:
    """Titles are what publishers make them."""
    assert all(amount and words for amount, words in iter_amounts(text))


def test_a_story_of_these_days_is_new() -> None:
    """Whoever tells it."""
    assert compare_coverage(make_story(1, make_entry(1), make_entry(2)), [], mailed=False) == Continuity(standing="new")


def test_an_update_says_who_joined_which_numbers_and_names_came() -> None:
    """Of the entries that readers have not heard of; what they know is not repeated."""
    known = make_entry(9, title="Lab raises $6 billion", tags=(make_tag("openai"),))
    later = [
        make_entry(
            number,
            feed_name=name,
            title="Round grows to $6.5 billion",
            excerpt="It was $6 billion first, and 12% more than last year.",
            tags=(
                make_tag("openai"),
                make_tag("nvidia"),
                make_tag("funding", "topic"),
                make_tag("meta", "org", "text"),
            ),
        )
        for number, name in enumerate(("Fourth", "Third", "Second", "First"), 1)
    ]
    news = compare_coverage(make_story(1, *later, known), [known.id], mailed=True)

    assert news == Continuity(
        standing="update",
        publishers=("First", "Second", "Third"),
        more_publishers=1,
        numbers=("$6.5 billion", "12%"),
        names=("nvidia",),
    )
    assert news.adds


def test_what_began_before_and_was_not_told_grows() -> None:
    """The same feed again is no new publisher, and a number that one text mentions is no news."""
    begun = make_entry(9)
    more = make_entry(1, feed_id=begun.feed_id, excerpt="Somebody spoke of 40% in passing.")
    news = compare_coverage(make_story(1, begun, more), [begun.id], mailed=False)

    assert news == Continuity(standing="growing")
    assert not news.adds


@given(st.sets(st.integers(1, 8)), st.booleans())
def test_nothing_known_is_told_as_new(known: set[int], mailed: bool) -> None:
    """Publishers that were heard before are never named again."""
    entries = [make_entry(number, feed_id=number % 4, feed_name=f"Feed {number % 4}") for number in range(1, 9)]
    news = compare_coverage(make_story(1, *entries), [EntryId(number) for number in known], mailed=mailed)
    heard = {f"Feed {number % 4}" for number in known}

    assert heard.isdisjoint(news.publishers)
    assert len(set(news.publishers)) == len(news.publishers)
    assert (news.standing == "update") is mailed
