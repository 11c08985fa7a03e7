"""Which entries meet by what they share: across languages, by names, numbers, versions and events; and which do not."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from aggregator.config.events import load_lexicon
from aggregator.model.ids import FeedId
from aggregator.model.story import GroupCandidate
from aggregator.pipeline.group import group_entries
from aggregator.pipeline.group.numbers import iter_numbers
from aggregator.pipeline.group.reading import read_entry
from aggregator.pipeline.group.terms import fold, get_terms
from tests.pipeline.stories import make_tag
from tests.pipeline.test_group import make

LEXICON = load_lexicon()
#: Name -> (tag, its other spellings); enough of a taxonomy for these titles.
NAMES = {
    "Examplia": "examplia",
    "エグザンプリア": "examplia",
    "例智": "examplia",
    "OpenAI": "openai",
    "Google": "google",
    "谷歌": "google",
    "Zephyrus": "zephyrus",
}


def tell(number: int, language: str, title: str, **changes: Any) -> GroupCandidate:
    """An entry with the tags of the names in its title."""
    tags = tuple(replace(make_tag(slug), found=name) for name, slug in NAMES.items() if name in title)
    return make(number, title, language=language, tags=tags, **changes)


def are_one(one: GroupCandidate, other: GroupCandidate) -> bool:
    return len(group_entries([one, other], (), LEXICON)) == 1


MEETING = [
    ("en", "Examplia raises $110M to build robots", "fr", "Examplia lève 110 millions de dollars pour ses robots"),
    ("en", "Examplia lays off 4,000 employees", "fr", "Examplia licencie 4 000 salariés"),
    ("en", "Examplia to cut 7,800 jobs", "zh", "例智计划裁员7000余人"),
    ("en", "Examplia sued over copyright by authors", "zh", "例智因版权被作家起诉"),
    ("en", "Examplia acquires chip startup for $1.1B", "ja", "エグザンプリア、半導体の新興企業を11億ドルで買収"),
    ("zh", "例智融资3亿美元", "ja", "エグザンプリアが3億ドルを資金調達"),
    ("en", "Introducing Zephyrus 4.2", "fr", "Zephyrus 4.2 est disponible"),
    ("en", "Elon Musk loses trial against OpenAI", "zh", "马斯克诉OpenAI案败诉 庭审结束"),
]

APART = [
    # Names alone, or an event alone, are not enough.
    ("en", "Examplia raises $110M to build robots", "fr", "Examplia ouvre une école de cuisine à Lyon"),
    ("en", "Examplia lays off 4,000 employees", "zh", "谷歌裁员数千名员工"),
    ("en", "Google releases a model", "fr", "Google lance une application"),
    # Another version, another event of the same company.
    ("en", "Introducing Zephyrus 4.2 for developers", "fr", "Zephyrus 4.1 est disponible pour les développeurs"),
    ("en", "Examplia raises $110M for robots", "en", "Examplia sued by workers over robots"),
    # Round-ups of many stories.
    ("en", "The Download: Examplia raises $110M to build robots", "en", "Examplia raises $110M to build robots"),
    ("zh", "早报：例智融资3亿美元", "zh", "例智融资3亿美元"),
]


@pytest.mark.parametrize(("language", "title", "other_language", "other_title"), MEETING)
def test_one_event_in_two_languages(language: str, title: str, other_language: str, other_title: str) -> None:
    """Names, amounts in every notation, versions and events carry over."""
    one, other = tell(1, language, title), tell(2, other_language, other_title)

    assert are_one(one, other)
    assert are_one(other, one)


@pytest.mark.parametrize(("language", "title", "other_language", "other_title"), APART)
def test_neighbouring_events_stay_apart(language: str, title: str, other_language: str, other_title: str) -> None:
    """A wrong story hurts more than a missed one."""
    assert not are_one(tell(1, language, title), tell(2, other_language, other_title))


def test_a_round_up_is_nobodys_story_unless_it_is_the_same_article() -> None:
    """Equal title and equal address: a copy of the round-up itself."""
    title, url = "The Download: Examplia raises $110M", "https://example.org/download"
    digests = [tell(1, "en", title, canonical_url=url), tell(2, "en", title, canonical_url=url)]

    assert are_one(*digests)
    assert not are_one(digests[0], tell(2, "en", "Examplia raises $110M", canonical_url=url))


def test_a_link_to_the_other_speaks_for_one_story() -> None:
    """The announcement and who points to it; a list of links points to everything."""
    one = tell(1, "en", "Google opens its doors in Lyon")
    other = tell(2, "en", "Robots from Google are now neighbours of ours", links=(one.canonical_url,))
    many = replace(other, links=(*other.links, *(f"https://example.net/{number}" for number in range(40))))

    assert are_one(one, other)
    assert not are_one(one, many)


def test_what_is_far_apart_in_time_is_another_event() -> None:
    one, other = tell(1, "en", MEETING[0][1]), tell(2, "fr", MEETING[0][3])

    assert not are_one(one, replace(other, effective_at=one.effective_at + timedelta(days=3, seconds=1)))


def test_a_publisher_may_tell_of_one_event_twice() -> None:
    """Follow-ups of one feed are in the story; its repeated headline is not."""
    one = tell(1, "en", "Examplia lays off 4,000 employees", feed_id=FeedId(1))
    two = tell(2, "en", "After laying off 4,000 employees, Examplia is criticised", feed_id=FeedId(1))

    assert are_one(one, two)
    assert not are_one(one, replace(two, title=one.title))


def test_each_member_but_the_lead_says_why_it_is_there() -> None:
    """One link each, its evidence in words; the links hold the story together."""
    members = [tell(number, *pair) for number, pair in enumerate(((MEETING[1][:2]), (MEETING[1][2:])), 1)]
    members.append(tell(3, "en", "Examplia lays off 4,000 of its employees", canonical_url=members[0].canonical_url))

    (story,) = group_entries(members, (), LEXICON)

    assert {link.entry_id for link in story.links} == {2, 3}
    assert all(link.other_id in story.entry_ids and 0 < link.strength <= 1 for link in story.links)
    evidence = {link.entry_id: link.evidence for link in story.links}
    assert evidence[members[1].id] == ("names: examplia", "number: 4000", "event: lay-off, employee")
    assert evidence[members[2].id] == ("same address",)


@pytest.mark.parametrize(
    ("title", "value"),
    [
        ("raises $110B", 110e9),
        ("raises $110 billion", 110e9),
        ("lève 110 milliards", 110e9),
        ("融资1100亿美元", 110e9),
        ("1,100億ドルを調達", 110e9),
        ("4 000 salariés", 4000),
        ("4,000 employees", 4000),
        ("裁员7000余人", 7000),
        ("3万人を削減", 30_000),
        ("$1.5bn deal", 1.5e9),
        ("1,5 million d'euros", 1.5e6),
    ],
)
def test_amounts_are_one_value_in_every_notation(title: str, value: float) -> None:
    assert [number.value for number in iter_numbers(fold(title)) if number.kind == "amount"] == [value]


def test_years_are_no_amounts() -> None:
    assert [number.kind for number in iter_numbers("google i/o 2026")] == []


def test_who_reported_it_is_no_part_of_a_title() -> None:
    """An aggregator's credit names a person and a paper, which would look like what the story is about."""
    title = "Examplia raises $110M (Jane Doe/OpenAI)"
    reading = read_entry(tell(1, "en", title), get_terms(LEXICON))

    assert "n:examplia" in reading.title
    assert not {"n:openai", "w:jane", "w:doe"} & reading.title.keys()


def test_titles_of_a_few_characters_over_and_over_cost_no_time() -> None:
    """Each of them shares all pairs of characters with each other, in another order."""
    chosen = random.Random(1)
    titles = ["northlight " + "".join(chosen.choices("あい", k=280)) for _ in range(39)]
    started = time.process_time()
    found = group_entries([make(n, title, feed_id=FeedId(n), language="ja") for n, title in enumerate(titles, 1)])

    assert time.process_time() - started < 3
    assert len(found) == 39
