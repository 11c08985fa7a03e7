"""Vectors of entries: who waits for one, what is kept."""

from __future__ import annotations

from aggregator.model.ids import EntryId
from aggregator.storage import meanings, story_groups
from aggregator.storage.engine import Database
from tests.storage.samples import MINUTE, NOW, make_entry, save_entries, save_story


def test_entries_without_a_story_wait_for_their_vector_in_the_order_of_their_numbers(db: Database) -> None:
    with db.write() as conn:
        first, told, last = save_entries(conn, make_entry("a", language="ja"), make_entry("b"), make_entry("c"))
        save_story(conn, told)
        assert meanings.find_missing(conn, limit=10) == ((first, "Title of a", "ja"), (last, "Title of c", "en"))
        assert meanings.find_missing(conn, limit=1) == ((first, "Title of a", "ja"),)
        assert meanings.find_missing(conn, limit=9, above=first) == ((last, "Title of c", "en"),)
        assert [number for number, _, _ in meanings.find_missing(conn, limit=9, since=NOW - MINUTE)] == [first, told]


def test_a_vector_takes_the_place_of_the_one_before_and_no_entry_has_none(db: Database) -> None:
    with db.write() as conn:
        one, other = save_entries(conn, make_entry("a"), make_entry("b"))
        meanings.save(conn, {one: b"\x01\xff", other: b"", EntryId(other + 1): b"\x02"})
        meanings.save(conn, {one: b"\x03\x80"})
        assert meanings.find_missing(conn, limit=10) == ()
        found = story_groups.get_candidates(conn, [one, other])
        assert [candidate.meaning for candidate in found] == [b"\x03\x80", b""]
