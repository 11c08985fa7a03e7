"""What an issue holds, and what stands where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.ids import EntryId, FeedId, StoryId
from aggregator.model.newsletter import ComposedIssue, Continuity, Newsletter, TooFew
from aggregator.model.story import Ruling, Story, get_place
from aggregator.pipeline.compose import (
    MAX_LATE,
    SPREAD,
    choose_entries,
    compose_issue,
    find_companies,
    shrink_issue,
    spread_stories,
)
from aggregator.pipeline.rank import score_story
from aggregator.tasks.domains import open_domains
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
    ("effective", "first", "expected"),
    [
        (-1, -7, True),  # the usual one
        (-7, -7, True),  # at the window's beginning
        (0, -7, False),  # at its end: the next issue's
        (-9, -28, True),  # two days late
        (-14, -28, True),  # seven days late
        (-14.1, -28, False),  # too late
        (-9, -8, False),  # before the newsletter began there was nothing to be late for
        (-9, None, False),  # this is the first issue
        (-1, 3, True),  # an older window, built by hand after a later one
    ],
)
def test_to_which_issue_an_entry_belongs(effective: float, first: float | None, expected: bool) -> None:
    """To the first whose window ends after its date and that is frozen when it is there (days from the slot)."""
    entry = replace(make_entry(1), effective_at=NOW + timedelta(days=effective))
    begin = None if first is None else NOW + timedelta(days=first)
    chosen = choose_entries([entry], window_start=START, window_end=NOW, first_window_start=begin)

    assert bool(chosen) is expected


def test_entries_that_an_issue_holds_already_are_not_chosen() -> None:
    """And the order given stays."""
    entries = [make_entry(number) for number in (3, 1, 2)]
    chosen = choose_entries(entries, window_start=START, window_end=NOW, first_window_start=START, held={entries[1].id})

    assert chosen == (entries[0], entries[2])


HOURS = st.integers(0, 24 * 28)


@given(
    st.lists(st.tuples(HOURS, st.integers(0, 24 * 6)), max_size=30),
    st.lists(st.integers(0, 24), min_size=4, max_size=4),
)
def test_nothing_falls_between_two_issues(arrivals: list[tuple[int, int]], delays: list[int]) -> None:
    """Whenever entries come and however late issues are frozen: each entry is in exactly one of them."""
    begin = NOW - 4 * WEEK
    came = [begin + timedelta(hours=stored) for stored, _ in arrivals]
    entries = [
        replace(make_entry(number), effective_at=max(at - timedelta(hours=age), begin))
        for number, (at, (_, age)) in enumerate(zip(came, arrivals, strict=True))
    ]
    held: list[EntryId] = []
    for number, delay in enumerate(delays):
        end = begin + (number + 1) * WEEK
        frozen_at = end + timedelta(hours=delay)
        there = [entry for entry, at in zip(entries, came, strict=True) if at <= frozen_at]
        chosen = choose_entries(
            there,
            window_start=end - WEEK,
            window_end=end,
            first_window_start=begin if number else None,
            held=held,
        )
        held += [entry.id for entry in chosen]

    last = NOW + timedelta(hours=delays[-1])
    wanted = [e.id for e, at in zip(entries, came, strict=True) if e.effective_at < NOW and at <= last]
    assert sorted(held) == sorted(wanted)


def test_late_is_one_week() -> None:
    """What storage must be asked for."""
    assert MAX_LATE == WEEK


# Diversity.

_COMPANIES = st.lists(st.sampled_from(["openai", "meta", "mistral-ai"]), max_size=2, unique=True)


def _make_told(number: int, companies: list[str], feed: int, kind: str) -> Story:
    tags = tuple(make_tag(slug) for slug in companies)
    entry = replace(make_entry(number), tags=tags, feed_id=FeedId(feed))
    rulings = [Ruling(kind=kind, entry_id=entry.id)] if kind else []  # type: ignore[arg-type]
    return replace(make_story(number, entry), reasons=score_story([entry], (), rulings, find_domain=open_domains())[1])


def _rule(numbers: list[int], made: list[tuple[list[str], int, str]]) -> list[Story]:
    """In the order that `order_stories` gives: pinned, others, buried."""
    told = [_make_told(number, *fields) for number, fields in zip(numbers, made, strict=False)]
    return sorted(told, key=lambda story: -get_place(story))


RANKED = st.builds(
    _rule,
    st.permutations(range(1, 40)),
    st.lists(st.tuples(_COMPANIES, st.integers(1, 4), st.sampled_from(["", "", "", "pin", "bury"])), max_size=39),
)


@given(RANKED, st.integers(1, 4), st.integers(1, 4), st.integers(1, 12))
def test_spreading_loses_nothing_and_keeps_order_otherwise(
    stories: list[Story], per_company: int, per_feed: int, first: int
) -> None:
    """What is pushed down keeps its order, and so does all else; doing it twice changes nothing."""
    spread = spread_stories(stories, per_company=per_company, per_feed=per_feed, first=first)
    place = {story.id: position for position, story in enumerate(stories)}
    ahead = _take_ahead(spread, place, first)

    assert sorted(story.id for story in spread) == sorted(place)
    assert [get_place(story) for story in spread] == [get_place(story) for story in stories]
    for part in (spread[:ahead], spread[ahead:]):
        assert [place[story.id] for story in part] == sorted(place[story.id] for story in part)
    assert spread_stories(spread, per_company=per_company, per_feed=per_feed, first=first) == spread


def _take_ahead(spread: Sequence[Story], place: dict[StoryId, int], first: int) -> int:
    """How many stand before what was pushed down: up to where the order falls back, at most ``first``."""
    for number in range(1, min(first, len(spread))):
        if place[spread[number].id] < place[spread[number - 1].id]:
            return number
    return min(first, len(spread))


@given(RANKED, st.integers(1, 4), st.integers(1, 4))
def test_no_company_and_no_feed_fills_the_first_ten(stories: list[Story], per_company: int, per_feed: int) -> None:
    """Whoever stands there beyond the limit was pinned, or there was nobody else left."""
    spread = spread_stories(stories, per_company=per_company, per_feed=per_feed)
    head, tail = spread[:SPREAD], [story for story in spread[SPREAD:] if get_place(story) == 0]
    for slug in ("openai", "meta", "mistral-ai"):
        named = [story for story in head if slug in find_companies(story)]
        if any(get_place(story) <= 0 for story in named[per_company:]):
            counted = Counter(slug for story in head for slug in find_companies(story))
            feeds = Counter(story.lead.feed_id for story in head)
            assert all(
                any(counted[slug] >= per_company for slug in find_companies(story))
                or feeds[story.lead.feed_id] >= per_feed
                for story in tail
            )


def test_the_fourth_story_of_a_company_comes_after_the_first_ten() -> None:
    """Where there are others to take its place."""
    busy = [_make_told(number, ["openai"], number, "") for number in range(1, 6)]
    others = [_make_told(number, [], number, "") for number in range(6, 16)]

    assert [s.id for s in spread_stories([*busy, *others], per_company=3, per_feed=3)] == [
        1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 4, 5, 13, 14, 15,
    ]  # fmt: skip
    same_feed = [_make_told(number, [], 1, "") for number in range(1, 6)]
    assert [s.id for s in spread_stories([*same_feed, *others[:2]], per_company=3, per_feed=3)] == [1, 2, 3, 6, 7, 4, 5]


def test_a_company_is_one_in_the_title_or_one_that_speaks() -> None:
    """What is mentioned somewhere in the text is not what a story is about; products and topics are no companies."""
    tags = (
        make_tag("openai", "org", "title"),
        make_tag("meta", "org", "text"),
        make_tag("ibm", "org", "feed"),
        make_tag("gpt-6", "product", "title"),
    )

    assert find_companies(make_story(1, make_entry(1, tags=tags), make_entry(2, tags=(make_tag("apple"),)))) == {
        "openai",
        "ibm",
    }


def test_the_editors_rules_name_a_section() -> None:
    """A story comes into it before others, and never above it; the order stays."""
    sections = ["", "more", "brief", "", "top", "", ""]
    stories = [make_story(n, make_entry(n, section=section)) for n, section in enumerate(sections, 1)]

    assert lay_out(stories, top_stories=2, brief_stories=2) == ([1, 5], [3, 4], [2, 6, 7])
    only_web = [make_story(n, make_entry(n, section="more")) for n in (1, 2, 3)]
    assert lay_out(only_web) == ([], [1], [2, 3])


def test_stories_that_return_are_few_and_stand_apart() -> None:
    """As many as the newsletter allows, filtered like all others; they make no issue alone."""
    told = [make_story(number, make_entry(number, tags=(make_tag("openai"),))) for number in (11, 12, 13)]
    news = {story.id: Continuity(standing="update") for story in told}
    given = {"window_start": START, "window_end": NOW, "entry_count": 1, "feed_count": 1, "slug": "s"}
    letter = make_newsletter(min_stories=1, developing=2, filter_tags=("openai",))
    fresh = make_story(1, make_entry(1, tags=(make_tag("openai"),)))
    other = make_story(14)
    issue = compose_issue(letter, stories=[fresh], developing=[other, *told], continuity=news, **given)  # type: ignore[arg-type]

    assert isinstance(issue, ComposedIssue)
    assert ([s.id for s in issue.top], [s.id for s in issue.developing]) == ([1], [11, 12])
    assert set(issue.continuity) == {11, 12}
    alone = compose_issue(letter, stories=[], developing=told, continuity=news, **given)  # type: ignore[arg-type]
    assert alone == TooFew(found=0, wanted=1)
