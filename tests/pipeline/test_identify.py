"""Which entry is which, from fetch to fetch."""

import dataclasses
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.parsed import Enclosure, ParsedEntry, ParsedFeed, RejectedEntry
from aggregator.pipeline.identify import Identified, hash_entry, identify_entries, make_key

WHEN = datetime(2026, 11, 24, 3, tzinfo=UTC)


def identify(*entries: ParsedEntry, rejected: tuple[RejectedEntry, ...] = ()) -> Identified:
    return identify_entries(ParsedFeed(entries=entries, rejected=rejected))


def test_the_key_is_the_id_else_the_link_else_a_hash_of_what_is_said() -> None:
    both = ParsedEntry(id="urn:1", url="https://e.org/1", title="T")
    link = ParsedEntry(url="https://e.org/1", title="T")
    neither = ParsedEntry(title="T", published_at=WHEN, summary_html="text")

    assert make_key(both) == "urn:1"
    assert make_key(link) == "https://e.org/1"
    assert make_key(neither).startswith("hash:")
    assert make_key(neither) == make_key(dataclasses.replace(neither, author="somebody else"))
    assert make_key(neither) != make_key(dataclasses.replace(neither, title="U"))
    assert make_key(neither) != make_key(dataclasses.replace(neither, summary_html="other"))


def test_different_entries_with_one_id_are_all_kept_under_keys_that_do_not_depend_on_their_order() -> None:
    entries = [ParsedEntry(id="same", url=f"https://e.org/{n}", title=f"T{n}") for n in range(5)]
    shuffled = random.Random(7).sample(entries, 5)

    keys = {entry.parsed.title: entry.key for entry in identify(*entries).entries}

    assert len(set(keys.values())) == 5
    assert keys == {entry.parsed.title: entry.key for entry in identify(*shuffled).entries}
    assert all(key.startswith("same#") for key in keys.values())


def test_identical_repeats_fold_and_are_counted() -> None:
    entry = ParsedEntry(id="a", title="A")

    found = identify(entry, ParsedEntry(id="b", title="B"), entry, entry)

    assert [kept.key for kept in found.entries] == ["a", "b"]
    assert found.folded == 2


def test_an_entry_with_nothing_in_it_is_rejected_at_its_place() -> None:
    empty = ParsedEntry(published_at=WHEN, author="A", categories=("c",))

    found = identify(ParsedEntry(title="x"), empty, rejected=(RejectedEntry(index=1, reason="cannot be read"),))

    assert [(bad.index, bad.reason) for bad in found.rejected] == [
        (1, "cannot be read"),
        (2, "no id, link, title or text"),
    ]


def test_a_key_of_article_length_is_hashed() -> None:
    long = make_key(ParsedEntry(id="x" * 501))

    assert long.startswith("hash:") and len(long) < 50
    assert make_key(ParsedEntry(id="x" * 500)) == "x" * 500


CHANGES: list[dict[str, object]] = [
    {"id": "2"},
    {"url": "https://e.org/2"},
    {"title": "U"},
    {"author": "B"},
    {"summary_html": "s"},
    {"content_html": "c"},
    {"published_at": WHEN},
    {"updated_at": WHEN},
    {"categories": ("x",)},
    {"enclosures": (Enclosure(url="https://e.org/a.mp3"),)},
    {"language": "ja"},
    {"base_url": "https://e.org/"},
    {"reading_minutes": 3},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_every_field_counts_in_the_content_hash(change: dict[str, object]) -> None:
    entry = ParsedEntry(id="1", url="https://e.org/1", title="T", author="A")

    assert hash_entry(dataclasses.replace(entry, **change)) != hash_entry(entry)  # type: ignore[arg-type]
    names = {field.name for field in dataclasses.fields(ParsedEntry)}
    assert names == {name for case in CHANGES for name in case} | {"discussion"}


def test_a_comment_more_is_no_edit() -> None:
    entry = ParsedEntry(id="1", title="T", discussion=3)

    assert hash_entry(entry) == hash_entry(dataclasses.replace(entry, discussion=400))


def test_the_content_hash_is_the_same_in_every_release() -> None:
    entry = ParsedEntry(id="1", title="日本", published_at=WHEN, categories=("a", "b"))

    assert hash_entry(entry) == "462c37e4ca8407bde902e2b09bd2324f"


FEW = st.sampled_from(["", "a", "b", "\ud800"])
ENTRIES = st.lists(st.builds(ParsedEntry, id=FEW, url=FEW, title=FEW, summary_html=FEW), max_size=12)


@given(ENTRIES, st.randoms())
def test_kept_folded_and_rejected_add_up_and_order_changes_no_key(
    entries: list[ParsedEntry], rng: random.Random
) -> None:
    found = identify(*entries)
    rng.shuffle(entries)
    again = identify(*entries)

    assert len(found.entries) + found.folded + len(found.rejected) == len(entries)
    assert len({entry.key for entry in found.entries}) == len(found.entries)
    assert {entry.key: entry.content_hash for entry in found.entries} == {
        entry.key: entry.content_hash for entry in again.entries
    }
