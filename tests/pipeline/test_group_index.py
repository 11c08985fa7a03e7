"""Entries one by one, or all at once: the same stories. And what may not take long does not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregator.config.events import load_lexicon
from aggregator.model.ids import EntryId
from aggregator.model.story import GroupCandidate, GroupedStory
from aggregator.pipeline import group
from aggregator.pipeline.group import StoryIndex, group_entries, index
from tests.pipeline.stories import make_tag
from tests.pipeline.test_group import NOW, make

LEXICON = load_lexicon()
WORDS = "releases sues acquires raises $13B 40% robots chips search 2.0 Gemini 3 lawsuit outage Paris court".split()
NAMES = ("openai", "google", "zephyrus", "examplia")


def tell(number: int, words: list[str], names: list[str], hours: int, page: int) -> GroupCandidate:
    title = " ".join([*names, *words])
    url = f"https://example.org/{page}" if page < 3 else f"https://example.org/of/{number}"
    tags = tuple(make_tag(name) for name in dict.fromkeys(names))
    return make(
        number, title, tags=tags, canonical_url=url, feed_id=number % 7, effective_at=NOW + timedelta(hours=hours)
    )


ENTRIES = st.lists(
    st.builds(
        tell,
        st.integers(1, 60),
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=5),
        st.lists(st.sampled_from(NAMES), max_size=2),
        st.integers(0, 24 * 9),
        st.integers(0, 30),
    ),
    max_size=40,
    unique_by=lambda candidate: candidate.id,
)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Bounds so tight that a few dozen entries meet them."""
    monkeypatch.setattr(group, "MAX_SET", 5)
    monkeypatch.setattr(index, "MANY", 4)
    yield


class Stories:
    """What is known of stories, kept up with what `StoryIndex` says has changed."""

    def __init__(self) -> None:
        self._of: dict[EntryId, GroupedStory] = {}

    def take(self, stories: tuple[GroupedStory, ...]) -> None:
        for story in stories:
            self._of.update(dict.fromkeys(story.entry_ids, story))

    def get_all(self) -> tuple[GroupedStory, ...]:
        return tuple(sorted(set(self._of.values()), key=lambda story: min(story.entry_ids)))


@given(ENTRIES, st.randoms(use_true_random=False))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("narrow")
def test_one_by_one_or_all_at_once(entries: list[GroupCandidate], random: Any) -> None:
    """In any order, some together: with only what has changed grouped anew, the stories are those of one batch."""
    shuffled = list(entries)
    random.shuffle(shuffled)
    found, stories = StoryIndex((), LEXICON), Stories()
    while shuffled:
        some, shuffled = shuffled[: (size := random.randint(1, 4))], shuffled[size:]
        stories.take(found.regroup(found.add(some)))

    assert stories.get_all() == found.regroup() == group_entries(entries, (), LEXICON)


@given(ENTRIES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("narrow")
def test_an_edited_entry_is_read_anew(entries: list[GroupCandidate]) -> None:
    """Its old words mean nothing any more. (Keys that were crowded with it may stay so: none are here.)"""
    few = entries[:4]
    found = StoryIndex((), LEXICON)
    found.add([replace(entry, title="Something else about robots") for entry in few])
    found.add(few)

    assert found.regroup() == group_entries(few, (), LEXICON)


def test_what_is_old_is_forgotten_in_steps_of_three_days() -> None:
    """What stays is grouped as if the rest had never been."""
    entries = [
        make(number, "Examplia sues robots", effective_at=NOW + timedelta(days=number)) for number in range(1, 12)
    ]
    found = StoryIndex((), LEXICON)
    found.add(entries)
    found.forget(entries[-1].effective_at - timedelta(days=3))

    left = [entry for story in found.regroup() for entry in story.entry_ids]
    assert 3 <= len(left) < 9
    assert max(left) == 11
    assert found.regroup() == group_entries([entry for entry in entries if entry.id in left], (), LEXICON)


def test_thousands_of_like_titles_take_no_square_time() -> None:
    """Names and events that every entry holds: no all-with-all (the limit is many times what it takes)."""
    entries = [
        tell(
            number,
            [WORDS[number % 7], WORDS[(number // 7) % 16], str(number % 90)],
            [NAMES[number % 4]],
            number % 70,
            9,
        )
        for number in range(1, 3_000)
    ]
    started = time.process_time()

    assert len(group_entries(entries, (), LEXICON)) > 0
    assert time.process_time() - started < 30


@given(
    st.lists(
        st.tuples(st.text(max_size=60), st.text(max_size=40), st.sampled_from(["en", "fr", "ja", "zh", "und", ""]))
    )
)
def test_any_text_can_be_read(texts: list[tuple[str, str, str]]) -> None:
    """Titles and excerpts are a publisher's: whatever they hold costs their own entry at most."""
    entries = [
        make(number, title, summary=summary, language=language, tags=(replace(make_tag("openai"), found=title[:5]),))
        for number, (title, summary, language) in enumerate(texts, 1)
    ]

    stories = group_entries(entries, (), LEXICON)

    assert sorted(number for story in stories for number in story.entry_ids) == [entry.id for entry in entries]


@pytest.mark.parametrize(
    "title",
    ["9" * 400, "1 000" * 80, "1,000," * 66, "$" * 400, "(" * 400, "(a/" * 130, " " * 400 + "(A/B)", "v1." * 130],
)
def test_no_title_takes_long(title: str) -> None:
    """Patterns that could look again and again have bounds."""
    started = time.process_time()

    group_entries([make(1, title, summary=title), make(2, title + " and", summary=title)], (), LEXICON)

    assert time.process_time() - started < 1


def test_thousands_of_entries_at_one_address_cost_their_number() -> None:
    """A hostile feed has as many, of one title or of many, and the next round brings more."""
    candidate = make(1, "Northlight opens its harbour laboratory", canonical_url="https://a.example/")
    same = [replace(candidate, id=EntryId(number)) for number in range(1, 6_001)]
    started = time.process_time()
    one, many = group_entries(same), group_entries([replace(c, title=f"{c.title} {c.id}") for c in same])

    assert time.process_time() - started < 5
    assert [len(story.entry_ids) for story in one] == [6_000]
    assert len(many) > 1
