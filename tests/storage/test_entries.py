"""Entries with their content and tags: what is written, what stays, what is found again."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import StorageError
from aggregator.model.entry import CleanEntry, EntryChange
from aggregator.model.ids import EntryId, StoryId
from aggregator.model.parsed import Enclosure, ParsedEntry
from aggregator.storage import entries, feeds, tags
from aggregator.storage.engine import Database
from aggregator.storage.entries import EntryQuery
from aggregator.storage.entry_rows import can_be_atom_id
from aggregator.storage.packing import pack_parsed, unpack_parsed
from tests.storage.samples import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    ensure_feed,
    ensure_identity,
    make_entry,
    make_tag,
    save_entries,
    save_story,
)

FULL = make_entry(
    "urn:a",
    guid="urn:a",
    title="新しいモデル — ñ 🙂",
    author="山田",
    language="ja",
    excerpt="要約。",
    published_at=NOW - DAY,
    updated_at=NOW,
    categories=("AI", "半導体"),
    enclosures=(Enclosure(url="https://a.example/a.mp3", type="audio/mpeg", length=2**40), Enclosure(url="https://b/")),
    parsed=ParsedEntry(id="urn:a", title="<b>raw</b>\0\ud800", published_at=NOW, categories=("AI",), reading_minutes=0),
)


FULL_TAGS = (make_tag("openai"), make_tag("gpt-4.1"))


def test_an_entry_comes_back_as_it_was_saved(db: Database) -> None:
    with db.write() as conn:
        feed_id = ensure_feed(conn, title="Feed A", weight=2.0)
        (entry_id,) = save_entries(conn, FULL, feed_id=feed_id, tags={"urn:a": ("openai", "gpt-4.1")})
        found = entries.get(conn, entry_id)
        html = entries.get_content_html(conn, [entry_id])
        parsed = entries.get_parsed(conn, entry_id)
        evidence = entries.get_tags(conn, [entry_id])[entry_id]

    assert found is not None
    same = (
        "guid", "url", "canonical_url", "title", "author", "language", "excerpt", "reading_minutes", "published_at",
        "updated_at", "categories", "enclosures",
    )  # fmt: skip
    assert {name: getattr(found, name) for name in same} == {name: getattr(FULL, name) for name in same}
    assert (found.feed_url, found.feed_name, found.feed_weight) == ("https://a.example/feed", "Feed A", 2.0)
    assert (found.first_seen_at, found.effective_at, found.story_id, found.atom_id) == (NOW, NOW, None, "urn:a")
    assert html == {entry_id: FULL.content_html}
    assert parsed == FULL.parsed
    assert evidence == found.tags == FULL_TAGS


def test_a_changed_entry_keeps_its_place_and_name(db: Database) -> None:
    changed = make_entry("urn:a", guid="urn:b", title="Better", content_hash="second", content_html="<p>")
    with db.write() as conn:
        feed_id = ensure_feed(conn)
        (entry_id,) = save_entries(
            conn, FULL, feed_id=feed_id, at=NOW - HOUR, backlog=True, tags={"urn:a": ("nvidia",)}
        )
        story_id = save_story(conn, entry_id)
        change = EntryChange(feed_id=feed_id, entry_id=entry_id, entry=changed, effective_at=None)
        entries.save(conn, [change], now=NOW + DAY, identity=ensure_identity(conn))
        found = entries.get(conn, entry_id)
        html = entries.get_content_html(conn, [entry_id])
        known = entries.find_known(conn, feed_id, ["urn:a"])
        combined = entries.list_entries(conn, EntryQuery(combined_only=True))

    assert found is not None
    assert (found.title, found.tags, found.guid, found.categories) == ("Better", (make_tag("nvidia"),), "urn:b", ())
    assert (found.effective_at, found.first_seen_at, found.atom_id) == (NOW - HOUR, NOW, "urn:a")
    assert found.story_id == story_id
    assert html == {entry_id: "<p>"}
    assert known == {"urn:a": (entry_id, "second")}
    assert combined == ()


@pytest.mark.parametrize(
    ("guid", "fits"),
    [
        ("https://a.example/1", True),
        ("urn:uuid:1225c695-cfb8-4ebb-aaaa-80da344efa6a", True),
        ("tag:a.example,2026:/記事/1", True),
        ("HTTP://a.example", True),
        ("", False),
        ("1234", False),
        ("/relative", False),
        ("a b:c", False),
        ("https://a.example/a b", False),
        ("https://a.example/\x07", False),
        ("https://a.example/<b>", False),
        ("https://a.example/\u3000x", False),
        ("urn:" + "a" * 997, False),
        ("urn:" + "記" * 900, False),
        ("urn:a\n", False),
        ("1urn:a", False),
    ],
)
def test_a_publishers_own_id_serves_only_as_an_absolute_iri(guid: str, fits: bool) -> None:
    assert can_be_atom_id(guid) is fits


def test_an_id_that_another_entry_has_is_not_used_twice(db: Database) -> None:
    with db.write() as conn:
        other = ensure_feed(conn, "https://b.example/")
        first, second = save_entries(conn, make_entry("1", guid="urn:a"), make_entry("2", guid="urn:a"))
        (third,) = save_entries(conn, make_entry("1", guid="urn:a"), feed_id=other)
        (none,) = save_entries(conn, make_entry("4", guid="no iri"), feed_id=other)
        named = {
            number: found.atom_id for number in (first, second, third, none) if (found := entries.get(conn, number))
        }
        prefix = "tag:news.example.org,2026-03-04:entry/"

    assert named == {first: "urn:a", second: f"{prefix}{second}", third: f"{prefix}{third}", none: f"{prefix}{none}"}


def test_a_key_saved_by_somebody_else_meanwhile_is_no_second_entry(db: Database) -> None:
    with db.write() as conn:
        (first,) = save_entries(conn, make_entry("a"))
        (same,) = save_entries(conn, make_entry("a", title="Ignored: the hash is the same"))
        (again,) = save_entries(conn, make_entry("a", content_hash="other", title="Newer"), at=NOW + HOUR)
        twins = save_entries(conn, make_entry("b", title="B"), make_entry("b", title="not B"))
        found = entries.list_entries(conn, EntryQuery())

    assert first == same == again
    assert twins[0] == twins[1]
    assert [(entry.title, entry.effective_at) for entry in found] == [("Newer", NOW), ("B", NOW)][::-1]


def test_two_that_save_the_same_entries_at_once_store_them_once(db: Database) -> None:
    with db.write() as conn:
        ids = [ensure_feed(conn, f"https://{name}.example/") for name in "ab"]
        identity = ensure_identity(conn)

    def save(feed: int) -> None:
        made = [make_entry(f"k{number}", guid=f"urn:{number}") for number in range(30)]
        changes = [EntryChange(feed_id=ids[feed], entry_id=None, entry=entry, effective_at=NOW) for entry in made]
        with db.write() as conn:
            entries.save(conn, changes, now=NOW, identity=identity)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(save, [0, 1, 0, 1]))
    with db.read() as conn:
        found = entries.list_entries(conn, EntryQuery())

    assert len(found) == 60
    assert len({entry.atom_id for entry in found}) == 60


def test_more_than_one_chunk_goes_in_and_comes_out(db: Database) -> None:
    with db.write() as conn:
        keys = [f"k{number}" for number in range(2_500)]
        ids = save_entries(conn, *map(make_entry, keys), tags=dict.fromkeys(keys, ("ai",)))
        listed = entries.list_entries(conn, EntryQuery(ids=ids))
        few = entries.list_entries(conn, EntryQuery(ids=ids, limit=7))
        html = entries.get_content_html(conn, ids)
        feed_id = listed[0].feed_id
        changes = [
            EntryChange(
                feed_id=feed_id, entry_id=number, entry=make_entry(f"k{place}", content_hash="2"), effective_at=None
            )
            for place, number in enumerate(ids)
        ]
        entries.save(conn, changes, now=NOW, identity=ensure_identity(conn))
        after = entries.list_entries(conn, EntryQuery(tag="ai"))

    assert tuple(entry.id for entry in listed) == ids
    assert tuple(entry.id for entry in few) == ids[:7]
    assert len(html) == 2_500
    assert (len(after), {entry.tags for entry in after}) == (2_500, {(make_tag("ai"),)})


LONG_KEY = "https://a.example/" + "長い" * 3_000


def test_a_key_may_be_as_long_as_the_publisher_likes(db: Database) -> None:
    with db.write() as conn:
        feed_id = ensure_feed(conn)
        (entry_id,) = save_entries(conn, make_entry(LONG_KEY, guid=LONG_KEY), feed_id=feed_id)
        known = entries.find_known(conn, feed_id, [LONG_KEY])

    assert known == {LONG_KEY: (entry_id, "first")}


BAD: list[tuple[str, Callable[[CleanEntry], CleanEntry]]] = [
    ("NUL", lambda entry: replace(entry, title="a\0b")),
    ("NUL", lambda entry: replace(entry, content_html="\0")),
    ("surrogate", lambda entry: replace(entry, author="\ud800")),
    ("surrogate", lambda entry: replace(entry, categories=("ok", "\udfff"))),
    ("NUL", lambda entry: replace(entry, enclosures=(Enclosure(url="https://a/\0"),))),
    ("reading time", lambda entry: replace(entry, reading_minutes=2**63)),
    ("date", lambda entry: replace(entry, published_at=datetime(2026, 1, 1))),  # noqa: DTZ001
]


@pytest.mark.parametrize(("word", "spoil"), BAD)
def test_an_entry_no_database_takes_is_named_and_nothing_is_kept(
    db: Database, word: str, spoil: Callable[[CleanEntry], CleanEntry]
) -> None:
    spoiled = spoil(make_entry("the-bad-one"))
    with pytest.raises(StorageError, match=f"'the-bad-one'.*{word}"), db.write() as conn:
        save_entries(conn, make_entry("good"), spoiled)

    assert word in entries.find_unstorable(spoiled)
    with db.read() as conn:
        assert entries.list_entries(conn, EntryQuery()) == ()


def ids_of(found: tuple[object, ...]) -> list[int]:
    return [entry.id for entry in found]  # type: ignore[attr-defined]


def test_lists_are_filtered_and_ordered_newest_first(db: Database) -> None:
    with db.write() as conn:
        other = ensure_feed(conn, "https://b.example/")
        one, two, three = save_entries(
            conn,
            make_entry("1"),
            make_entry("2", language="pt-BR"),
            make_entry("3", language="pt"),
            tags={"1": ("ai", "ai")},
        )
        made = make_entry("4", language="ptx")
        (four,) = save_entries(conn, made, feed_id=other, at=NOW, backlog=True, tags={"4": ("ai",)})
        story_id = save_story(conn, two, three)

        def ask(**query: object) -> list[int]:
            return ids_of(entries.list_entries(conn, EntryQuery(**query)))  # type: ignore[arg-type]

        assert ask() == [four, one, two, three]
        assert ask(limit=2) == [four, one]
        assert ask(since=NOW) == [four, one]
        assert ask(until=NOW) == [two, three]
        assert ask(since=NOW - MINUTE, until=NOW) == [two]
        assert ask(tag="ai") == [four, one]
        assert ask(tag="nothing") == []
        assert ask(language="pt") == [two, three]
        assert ask(language="pt-BR") == [two]
        assert ask(feed_id=other) == [four]
        assert ask(combined_only=True) == [two, three]  # what is in no story may still be hidden by a rule
        assert ask(ids=[three, one]) == [one, three]
        assert ask(ids=[]) == []
        assert ask(story_ids=[story_id]) == [two, three]
        assert ask(story_ids=[story_id], ids=[three, four]) == [three]
        assert ask(story_ids=[StoryId(99)]) == []


def test_what_is_not_there_is_none(db: Database) -> None:
    with db.read() as conn:
        assert entries.get(conn, EntryId(1)) is None
        assert entries.get_parsed(conn, EntryId(1)) is None
        assert entries.get_content_html(conn, [EntryId(1)]) == {}
        assert entries.get_tags(conn, [EntryId(1)]) == {}


def test_tags_are_counted_by_entry_and_by_day(db: Database) -> None:
    with db.write() as conn:
        save_entries(conn, make_entry("1"), make_entry("2"), tags={"1": ("ai", "chips", "ai"), "2": ("ai",)})
        save_entries(conn, make_entry("3"), at=NOW - DAY, tags={"3": ("ai",)})
        counted = tags.list_tags(conn)
        by_day = tags.count_by_day(conn, since=NOW - 2 * DAY, until=NOW + HOUR, limit=5)
        first = tags.count_by_day(conn, since=NOW - MINUTE, until=NOW + HOUR, limit=1)

    assert counted == (("ai", "org", 3), ("chips", "org", 1))
    assert by_day == (("ai", (0, 2, 1)), ("chips", (0, 0, 1)))
    assert first == (("ai", (2,)),)


def test_an_entry_cannot_be_lost_with_its_feed(db: Database) -> None:
    from aggregator.storage.schema import feeds as feeds_table

    with db.write() as conn:
        save_entries(conn, make_entry("a"))
    with pytest.raises(StorageError), db.write() as conn:
        conn.execute(sa.delete(feeds_table))
    with db.read() as conn:
        assert len(feeds.list_feeds(conn)) == 1


ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(
    st.builds(
        ParsedEntry,
        id=ANY_TEXT,
        url=ANY_TEXT,
        title=ANY_TEXT,
        content_html=ANY_TEXT,
        published_at=st.none() | st.datetimes(timezones=st.just(UTC)),
        categories=st.lists(ANY_TEXT).map(tuple),
        enclosures=st.lists(st.builds(Enclosure, url=ANY_TEXT, length=st.none() | st.integers())).map(tuple),
        reading_minutes=st.none() | st.integers(),
    )
)
def test_what_a_publisher_said_survives_packing_whatever_it_is(parsed: ParsedEntry) -> None:
    assert unpack_parsed(pack_parsed(parsed)) == parsed


def test_what_the_first_release_packed_is_read() -> None:
    said = {"title": "T", "content_html": "<p>\ud800", "categories": ["AI"], "enclosures": [["https://a/", "", None]]}
    packed = zlib.compress(json.dumps(said).encode())

    assert unpack_parsed(packed) == ParsedEntry(
        title="T", content_html="<p>\ud800", categories=("AI",), enclosures=(Enclosure(url="https://a/"),)
    )


def test_two_feeds_may_bring_one_guid_and_only_the_first_entry_bears_it(db: Database) -> None:
    with db.write() as conn:
        one, two = ensure_feed(conn), ensure_feed(conn, "https://b.example/")
        made = [make_entry(f"k{number}", guid="urn:same") for number in range(2)]
        changes = [
            EntryChange(feed_id=feed_id, entry_id=None, entry=entry, effective_at=NOW)
            for feed_id in (one, two)
            for entry in made
        ]
        identity = ensure_identity(conn)
        entries.save(conn, changes, now=NOW, identity=identity)
        found = [entry.atom_id for entry in entries.list_entries(conn, EntryQuery())]

    assert sorted(found) == ["tag:news.example.org,2026-03-04:entry/2", *sorted(found)[1:3], "urn:same"]
    assert len(set(found)) == 4


def test_an_entry_that_another_process_stored_meanwhile_becomes_a_change(db: Database) -> None:
    with db.write() as conn:
        feed_id = ensure_feed(conn)
        one, same = save_entries(conn, make_entry("a"), make_entry("same"), feed_id=feed_id)
        made = (make_entry("a", content_hash="2", title="Newer"), make_entry("same"), make_entry("b"))
        changes = [EntryChange(feed_id=feed_id, entry_id=None, entry=entry, effective_at=NOW) for entry in made]
        entries.save(conn, changes, now=NOW + HOUR, identity=ensure_identity(conn))
        found = {entry.id: entry.title for entry in entries.list_entries(conn, EntryQuery())}
        versions = entries.list_versions(conn, one)

    assert found.pop(one) == "Newer"
    assert found.pop(same) == "Title of same"
    assert list(found.values()) == ["Title of b"]
    assert len(versions) == 1
