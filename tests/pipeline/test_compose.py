"""What an issue holds, and what stands where."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.newsletter import ComposedIssue, Newsletter, TooFew
from aggregator.model.story import Story
from aggregator.pipeline.compose import MAX_LATE, belongs_to_issue, choose_entries, compose_issue, shrink_issue
from tests.pipeline.stories import NOW, make_entry, make_story, make_tag

WEEK = timedelta(days=7)
START = NOW - WEEK


def make_newsletter(**changes: object) -> Newsletter:
    given: dict[str, object] = {"slug": "weekly", "title": "Weekly", "schedule": "0 8 * * 1", "timezone": "UTC"}
    return Newsletter(**(given | changes))  # type: ignore[arg-type]


def compose(stories: list[Story], **changes: object) -> ComposedIssue | TooFew:
    return compose_issue(
        make_newsletter(**changes),
        slug="2026-W48",
        window_start=START,
        window_end=NOW,
        stories=stories,
        entry_count=len(stories),
        feed_count=1,
    )


def lay_out(stories: list[Story], **changes: object) -> tuple[list[int], list[int], list[int]]:
    issue = compose(stories, **changes)
    assert isinstance(issue, ComposedIssue)
    return ([s.id for s in issue.top], [s.id for s in issue.brief], [s.id for s in issue.more])


def test_sections_are_filled_in_the_order_given() -> None:
    """Top first, then brief, the rest on the web."""
    stories = [make_story(number) for number in range(1, 8)]

    assert lay_out(stories, top_stories=2, brief_stories=3) == ([1, 2], [3, 4, 5], [6, 7])


def test_too_few_stories_are_no_issue() -> None:
    """The row says why."""
    few = compose([make_story(1), make_story(2)], min_stories=3)

    assert few == TooFew(found=2, wanted=3)
    assert few.reason == "too few stories: 2 found, 3 wanted"


def test_an_issue_of_nothing_is_none() -> None:
    """Even when the editor asks for no least number."""
    assert compose([], min_stories=0) == TooFew(found=0, wanted=1)


def test_filters_keep_stories_that_bear_a_tag_and_a_language() -> None:
    """Any entry of a story will do; regions do not count."""
    tagged = make_story(1, make_entry(1), make_entry(2, tags=(make_tag("openai"),), language="ja"))
    untagged = make_story(2, make_entry(3, language="ja-JP"))
    english = make_story(3, make_entry(4, tags=(make_tag("openai"),)))
    stories = [tagged, untagged, english]

    assert lay_out(stories, min_stories=1, filter_tags=("openai",))[0] == [1, 3]
    assert lay_out(stories, min_stories=1, filter_languages=("ja",))[0] == [1, 2]
    assert lay_out(stories, min_stories=1, filter_tags=("openai",), filter_languages=("ja",))[0] == [1]


def test_a_story_that_begins_after_the_window_waits() -> None:
    """The window is half open."""
    later = make_story(1, make_entry(1, effective_at=NOW))
    both = make_story(2, make_entry(2, effective_at=NOW), make_entry(3))

    assert lay_out([later, both], min_stories=1)[0] == [2]


def test_shrinking_moves_the_lowest_story_down_until_one_is_left() -> None:
    """Briefs go to the web first, then a top story becomes a brief; the order stays; the mail is never empty."""
    composed = compose([make_story(number) for number in range(1, 6)], top_stories=2, brief_stories=2)
    steps = []
    issue = composed if isinstance(composed, ComposedIssue) else None
    while issue:
        steps.append("".join(str(s.id) for s in (*issue.top, *issue.brief, *issue.more)))
        shape = (len(issue.top), len(issue.brief), len(issue.more))
        steps.append(str(shape))
        issue = shrink_issue(issue)

    assert set(steps[::2]) == {"12345"}
    assert steps[1::2] == ["(2, 2, 1)", "(2, 1, 2)", "(2, 0, 3)", "(1, 1, 3)", "(1, 0, 4)", "(0, 1, 4)"]


@pytest.mark.parametrize(
    ("stored", "effective", "previous", "expected"),
    [
        (-1, -1, -7, True),  # the usual one
        (-1, -7, -7, True),  # at the window's beginning
        (-1, 0, -7, False),  # at its end: the next issue's
        (0, -1, -7, True),  # stored as the issue is frozen
        (1, -1, -7, False),  # stored after it
        (-1, -9, -7, True),  # two days late
        (-1, -14, -7, True),  # seven days late
        (-1, -14.1, -7, False),  # too late
        (-8, -9, -7, False),  # was there for the previous issue
        (-1, -9, None, False),  # there is no issue that it could have missed
    ],
)
def test_to_which_issue_an_entry_belongs(
    stored: float, effective: float, previous: float | None, expected: bool
) -> None:
    """The first that is frozen after it was stored and whose window ends after its date (days from the slot)."""
    belongs = belongs_to_issue(
        stored_at=NOW + timedelta(days=stored),
        effective_at=NOW + timedelta(days=effective),
        window_start=START,
        window_end=NOW,
        now=NOW,
        previous_frozen_at=None if previous is None else NOW + timedelta(days=previous),
    )

    assert belongs is expected


def test_entries_that_an_issue_holds_already_are_not_chosen() -> None:
    """And the order given stays."""
    entries = [make_entry(number) for number in (3, 1, 2)]
    chosen = choose_entries(
        entries, window_start=START, window_end=NOW, now=NOW, previous_frozen_at=None, held={entries[1].id}
    )

    assert chosen == (entries[0], entries[2])


HOURS = st.integers(0, 24 * 28)


@given(
    st.lists(st.tuples(HOURS, st.integers(0, 24 * 7)), max_size=30),
    st.lists(st.integers(0, 60), min_size=4, max_size=4),
)
def test_nothing_falls_between_two_issues(arrivals: list[tuple[int, int]], delays: list[int]) -> None:
    """Whenever entries come and however late issues are frozen: each entry is in exactly one of them."""
    begin = NOW - 4 * WEEK
    frozen: list[tuple[datetime, datetime, datetime]] = []
    for number, delay in enumerate(delays):
        end = begin + (number + 1) * WEEK
        frozen.append((end - WEEK, end, end + timedelta(hours=delay)))
    for stored_hours, age_hours in arrivals:
        stored_at = begin + timedelta(hours=stored_hours)
        effective_at = max(stored_at - timedelta(hours=age_hours), begin)
        previous: datetime | None = begin
        issues = 0
        for start, end, frozen_at in frozen:
            issues += belongs_to_issue(
                stored_at=stored_at,
                effective_at=effective_at,
                window_start=start,
                window_end=end,
                now=frozen_at,
                previous_frozen_at=previous,
            )
            previous = frozen_at
        missed_all = effective_at >= frozen[-1][1] or stored_at > frozen[-1][2]

        assert issues == (0 if missed_all else 1)


def test_late_is_one_week() -> None:
    """What storage must be asked for."""
    assert MAX_LATE == WEEK
