"""Scores that can be explained, and an order that is always the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId
from aggregator.model.interest import Interest
from aggregator.model.story import Ruling, Story, get_place
from aggregator.pipeline import rank
from aggregator.pipeline.rank import order_stories
from aggregator.tasks.domains import open_domains
from tests.pipeline.stories import NOW, make_entry, make_story, make_tag

count_sources = partial(rank.count_sources, find_domain=open_domains())
score_story = partial(rank.score_story, find_domain=open_domains())


def wish(name: str, points: float, kind: Any = "tag", said: str = "") -> Interest:
    return Interest(name=name, kind=kind, points=points, said=said)


def get_terms(*changes: dict[str, Any], interests: tuple[Interest, ...] = ()) -> dict[str, tuple[str, float]]:
    entries = [make_entry(number, **change) for number, change in enumerate(changes, 1)]
    score, terms = score_story(entries, interests)

    assert score == round(sum(term.points for term in terms), 3)
    return {term.name: (term.value, term.points) for term in terms}


def test_more_sources_weigh_more_but_each_less_than_the_one_before() -> None:
    """Two sources 3 points, four 6."""
    assert "sources" not in get_terms({})
    assert get_terms({}, {})["sources"] == ("2", 3.0)
    assert get_terms({}, {}, {}, {})["sources"] == ("4", 6.0)


AGENCY = {
    "title": "Lab raises six billion",
    "excerpt": "The lab said on Monday that it raised six billion in new money.",
}


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [
        ({"canonical_url": "https://news.paper.example.co.uk/1"}, {"canonical_url": "https://example.co.uk/2"}, 1),
        ({"canonical_url": "https://a.co.uk/1"}, {"canonical_url": "https://b.co.uk/1"}, 2),
        ({"canonical_url": "https://github.com/ada/x"}, {"canonical_url": "https://github.com/bob/x"}, 2),
        ({"canonical_url": "https://github.com/ada/x"}, {"canonical_url": "https://github.com/ada/y"}, 1),
        ({"canonical_url": "https://192.0.2.1/1"}, {"canonical_url": "https://192.0.2.2/1"}, 2),
        ({"canonical_url": "", "url": ""}, {"canonical_url": "", "url": ""}, 2),
        ({"canonical_url": "https://a.example/1"}, {"canonical_url": "https://a.example/1"}, 1),
        (AGENCY, AGENCY, 1),
        (AGENCY, {**AGENCY, "excerpt": f"BERLIN (AP) \u2014 {AGENCY['excerpt']}"}, 1),
        (AGENCY, {**AGENCY, "title": "LAB raises six billion!", "excerpt": AGENCY["excerpt"] + " More of it."}, 1),
        (AGENCY, {**AGENCY, "excerpt": "Its own reporters heard something else about this round."}, 2),
        ({**AGENCY, "excerpt": ""}, {**AGENCY, "excerpt": ""}, 2),
    ],
)
def test_a_copy_is_no_second_source(one: dict[str, Any], other: dict[str, Any], count: int) -> None:
    """Nor is another page of the same publisher."""
    assert count_sources([make_entry(1, **one), make_entry(2, **other)]) == count


def test_a_copy_at_a_publisher_with_words_of_its_own_joins_nothing() -> None:
    """Paper B printed A's text and later its own: that are two sources, not one."""
    own = {"title": "What we know about the round", "excerpt": "Six people who were there told us how it came about."}
    printed = [
        make_entry(1, **AGENCY),
        make_entry(2, **AGENCY, canonical_url="https://b.example/1"),
        make_entry(3, **own, canonical_url="https://b.example/2"),
    ]

    assert count_sources(printed[:2]) == 1
    assert count_sources(printed) == 2


def test_each_reason_has_a_name_and_a_value() -> None:
    """What a page can say about a score."""
    terms = get_terms(
        {
            "language": "ja",
            "feed_weight": 2,
            "weight": 2,
            "reading_minutes": 4,
            "discussion": 1023,
            "tags": (make_tag("openai", "org", "feed"),),
        },
        {"language": "en-GB", "discussion": 5},
        interests=(wish("openai", 2.0), wish("absent", 9.0)),
    )

    assert terms == {
        "sources": ("2", 3.0),
        "languages": ("en ja", 1.0),
        "weight": ("4", 4.0),
        "official source": ("openai", 1.5),
        "length": ("4 min", 0.6),
        "discussion": ("1023", 3.0),
        "interest": ("openai", 2.0),
    }


@pytest.mark.parametrize(("weight", "points"), [(0.0, -2.0), (0.5, -1.0), (2.0, 2.0), (8.0, 6.0)])
def test_a_feed_weighs_what_the_editor_says(weight: float, points: float) -> None:
    """Below one it takes, above one each doubling adds as much."""
    assert get_terms({"feed_weight": weight})["weight"] == (f"{weight:g}", points)
    assert get_terms({"weight": weight})["weight"] == (f"{weight:g}", points)


def test_interests_add_up_one_by_one() -> None:
    """Each tag, word and feed that the editor set points for is a reason of its own."""
    entry = make_entry(1, tags=(make_tag("openai"), make_tag("chips", "topic")), title="Robots' ARMS in 暗号資産")
    feed = wish("https://feed1.example.org/feed", 0.5, "feed")
    words = (wish("robot arm", 1.5, "word"), wish("暗号資産", -1.0, "word"), wish("leg", 9, "word"))
    _, terms = score_story([entry], (wish("openai", 2.0), wish("chips", -1.0), feed, *words))

    assert {(term.value, term.points) for term in terms if term.name == "interest"} == {
        ("openai", 2.0),
        ("chips", -1.0),
        ("https://feed1.example.org/feed", 0.5),
        ("robot arm", 1.5),
        ("暗号資産", -1.0),
    }


def test_less_is_wanted_only_of_what_all_write_about() -> None:
    """A story does not sink because one of its sources mentions crypto."""
    tagged, plain = {"tags": (make_tag("crypto"),)}, dict[str, Any]()
    wishes = (wish("crypto", -2.0),)

    assert get_terms(tagged, tagged, interests=wishes)["interest"] == ("crypto", -2.0)
    assert "interest" not in get_terms(tagged, plain, interests=wishes)


def test_of_a_long_paragraph_the_three_strongest_count() -> None:
    """What the editor set one by one counts in full, but never against a pin."""
    tags = tuple(make_tag(f"t{number}") for number in range(9))
    made = tuple(wish(f"t{number}", 1.0 + number, said="x") for number in range(6))
    _, terms = score_story([make_entry(1, tags=tags)], (*made, wish("t7", 50.0), wish("t8", 80.0)))

    assert [(t.value, t.points) for t in terms if t.name == "interest"] == [
        ("t3", 4.0),
        ("t4", 5.0),
        ("t5", 6.0),
        ("t7", 50.0),
        ("t8", 80.0),
    ]
    assert [t.points for t in terms if t.name == "interest limit"] == [-45.0]


@pytest.mark.parametrize("field", ["title", "text", "category"])
def test_writing_about_a_company_is_not_being_its_own_voice(field: Any) -> None:
    """Only the feed's own tag or its address makes it official."""
    assert "official source" not in get_terms({"tags": (make_tag("openai", "org", field),)})


def test_an_entry_without_text_counts_less() -> None:
    """A bare link is not much of a story."""
    assert get_terms({"excerpt": ""})["no text"][1] < 0
    assert "no text" not in get_terms({"excerpt": ""}, {})


def test_unknown_discussion_is_no_discussion() -> None:
    """A feed that tells nothing is not one that nobody talks about; both add nothing."""
    assert "discussion" not in get_terms({"discussion": None})
    assert "discussion" not in get_terms({"discussion": 0}, {"discussion": None})


def test_the_editors_last_word_counts() -> None:
    """Rulings are given oldest first; those about others are none."""
    pin, bury = (Ruling(kind=kind, entry_id=EntryId(1)) for kind in ("pin", "bury"))
    other = Ruling(kind="bury", entry_id=EntryId(9))

    def place(*rulings: Ruling) -> int:
        score, reasons = score_story([make_entry(1)], (), rulings)
        return get_place(replace(make_story(1), score=score, reasons=reasons))

    assert [place(pin), place(bury), place(pin, bury), place(bury, pin, other), place(other)] == [1, -1, -1, 1, 0]


# What holds for every story.

TAGS = st.lists(
    st.builds(
        make_tag,
        st.sampled_from(["openai", "crypto", "agents", "chips"]),
        st.sampled_from(["org", "product", "topic"]),
        st.sampled_from(["title", "text", "category", "feed", "url"]),
    ),
    max_size=3,
).map(tuple)
_FIELDS = st.fixed_dictionaries(
    {
        "canonical_url": st.sampled_from(["", "https://a.example/1", "https://b.example/1", "https://x.b.example/2"]),
        "title": st.sampled_from(["Lab raises six billion", "Robot arms", "", "新しいモデル"]),
        "excerpt": st.sampled_from(["", "Something happened.", "About crypto and robots.", "暗号資産の話"]),
        "language": st.sampled_from(["en", "ja", "zh-CN", "und", "", "fr", "de", "es"]),
        "feed_weight": st.sampled_from([0.0, 0.5, 1.0, 3.0, 100.0]),
        "weight": st.sampled_from([0.0, 0.5, 1.0, 2.0]),
        "reading_minutes": st.integers(0, 90),
        "discussion": st.none() | st.integers(0, 10**9),
        "tags": TAGS,
        "feed_url": st.sampled_from(["https://a.example/feed", "https://b.example/feed"]),
    }
)
ENTRIES = st.lists(_FIELDS, min_size=1, max_size=6).map(
    lambda all_fields: [make_entry(number, **fields) for number, fields in enumerate(all_fields, 1)]
)
_NAMES = {
    "tag": ["openai", "crypto", "agents"],
    "feed": ["https://a.example/feed"],
    "word": ["robot", "crypto", "暗号資産", "six billion"],
}
_POINTS = st.floats(-100, 100, allow_subnormal=False)
WISHES = st.lists(
    st.sampled_from(sorted(_NAMES)).flatmap(
        lambda kind: st.builds(
            wish, st.sampled_from(_NAMES[kind]), _POINTS, st.just(kind), st.sampled_from(["", "as it was said"])
        )
    ),
    unique_by=lambda one: (one.kind, one.name),
    max_size=8,
).map(tuple)


@given(ENTRIES, WISHES, _FIELDS)
def test_a_source_more_never_lowers_a_story(entries: list[Entry], wishes: Any, more: dict[str, Any]) -> None:
    """Whatever it writes, however it is weighted."""
    added = make_entry(7, **{**more, "canonical_url": "https://another.example/1", "title": "All of its own"})

    assert score_story([*entries, added], wishes)[0] >= score_story(entries, wishes)[0] - 1e-9


@given(ENTRIES, WISHES, _FIELDS)
def test_no_entry_at_all_lowers_a_story(entries: list[Entry], wishes: Any, more: dict[str, Any]) -> None:
    """A copy adds nothing, and takes nothing."""
    assert score_story([*entries, make_entry(7, **more)], wishes)[0] >= score_story(entries, wishes)[0] - 1e-9


@given(ENTRIES, WISHES, st.floats(0.01, 100), st.sampled_from(["", "said"]))
def test_an_interest_never_lowers_what_meets_it(entries: list[Entry], wishes: Any, points: float, said: str) -> None:
    """Beside whatever other interests, and not what does not meet it either."""
    new = wish("chips", points, said=said)
    before, after = score_story(entries, wishes)[0], score_story(entries, (*wishes, new))[0]

    assert after >= before - 1e-9
    if not any(tag.slug == "chips" for entry in entries for tag in entry.tags):
        assert after == before


@given(ENTRIES, WISHES, st.randoms(use_true_random=False))
def test_the_order_of_the_entries_changes_nothing(entries: list[Entry], wishes: Any, random: Any) -> None:
    """Neither score nor reasons."""
    shuffled = list(entries)
    random.shuffle(shuffled)

    assert score_story(shuffled, wishes) == score_story(entries, wishes)


@given(ENTRIES, WISHES, st.integers(0, 10**9), st.integers(0, 300))
def test_talk_never_outranks_three_independent_publishers(
    entries: list[Entry], wishes: Any, talk: int, minutes: int
) -> None:
    """The same story, once discussed without end by one publisher, once told by three: the three come first."""
    one = [replace(entries[0], discussion=talk, canonical_url="https://one.example/1")]
    quiet = replace(one[0], discussion=None)
    three = [
        replace(
            quiet,
            id=EntryId(number),
            canonical_url=f"https://{name}.example/1",
            excerpt=quiet.excerpt and f"{name * 20} {quiet.excerpt}",
        )
        for number, name in enumerate(("one", "two", "three"), 11)
    ]
    loud = score_story(one, ())[0]

    assert score_story(three, ())[0] > loud
    newer = make_story(1, replace(one[0], effective_at=NOW), score=loud)
    older = make_story(
        2, *(replace(e, effective_at=NOW - timedelta(minutes=minutes)) for e in three), score=score_story(three, ())[0]
    )
    assert order_stories([newer, older], NOW)[0].id == 2


@given(ENTRIES, WISHES)
def test_every_term_stays_within_its_bounds(entries: list[Entry], wishes: Any) -> None:
    """As docs/ranking.md has them, and they add up."""
    score, reasons = score_story(entries, wishes)
    bounds = {
        "sources": (0, 30), "languages": (0, 3), "weight": (-2, 20), "official source": (1.5, 1.5),
        "length": (0, 1.5), "no text": (-1.5, -1.5), "discussion": (0, 3),
    }  # fmt: skip
    interests = sum(term.points for term in reasons if term.name.startswith("interest"))

    assert score == pytest.approx(sum(term.points for term in reasons), abs=1e-6)
    assert -100.01 <= interests <= 100.01
    for term in reasons:
        low, high = bounds.get(term.name, (-1000, 1000))
        assert low <= term.points <= high and term.points


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


@given(ENTRIES, WISHES, st.integers(1, 10_000))
def test_older_never_ranks_above_the_same_story_newer(entries: list[Entry], wishes: Any, minutes: int) -> None:
    """Whatever it is told by."""
    score, reasons = score_story(entries, wishes)
    older = [replace(entry, effective_at=entry.effective_at - timedelta(minutes=minutes)) for entry in entries]
    stories = [
        replace(make_story(1, *older, score=score), reasons=reasons),
        replace(make_story(2, *entries, score=score), reasons=reasons),
    ]

    assert [story.id for story in order_stories(stories, NOW)] == [2, 1]


def _make_ruled(number: int, hours: int, score: float, kind: str) -> Story:
    rulings = [Ruling(kind=kind, entry_id=EntryId(number))] if kind else []  # type: ignore[arg-type]
    reasons = score_story([make_entry(number)], (), rulings)[1]
    return replace(make_story(number, make_entry(hours), score=score), reasons=reasons)


STORIES = st.lists(
    st.builds(
        _make_ruled,
        st.integers(1, 1000),
        st.integers(-20, 24 * 14),
        st.floats(-5, 2000),
        st.sampled_from(["", "", "pin", "bury"]),
    ),
    unique_by=lambda story: story.id,
)


@given(STORIES)
def test_what_is_pinned_comes_first_and_what_is_buried_last(stories: list[Story]) -> None:
    """Whatever score and age."""
    places = [get_place(story) for story in order_stories(stories, NOW)]

    assert places == sorted(places, reverse=True)


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
