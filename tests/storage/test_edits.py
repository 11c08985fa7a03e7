"""Entries that are found again: by key, by link; edited, with what they said before; tagged later."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from aggregator.model.entry import CleanEntry, EntryChange
from aggregator.model.ids import EntryId
from aggregator.model.parsed import ParsedEntry
from aggregator.storage import changes, entries, stories
from aggregator.storage.engine import Database
from aggregator.storage.entries import EntryQuery
from aggregator.storage.entry_rows import hash_asked, hash_base
from aggregator.storage.entry_versions import MAX_VERSIONS
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
    tag_entries,
)

HASH = "0123456789abcdef" * 2
SECOND = timedelta(seconds=1)


def edit(
    conn: Connection, entry_id: EntryId, entry: CleanEntry, *, at: timedelta = timedelta(0)
) -> tuple[EntryId, ...]:
    """Save a change of a stored entry; what `save` left out."""
    change = EntryChange(feed_id=ensure_feed(conn), entry_id=entry_id, entry=entry, effective_at=None)
    return entries.save(conn, [change], now=NOW + at, identity=ensure_identity(conn))


def make_edit(number: int, key: str = "k") -> CleanEntry:
    return make_entry(
        key, content_hash=f"{number}", title=f"Title {number}", parsed=ParsedEntry(title=f"Said {number}")
    )


def test_only_what_is_asked_for_is_found_again(db: Database) -> None:
    with db.write() as conn:
        feed_id = ensure_feed(conn)
        other = ensure_feed(conn, "https://b.example/")
        one, _, _ = save_entries(conn, *map(make_entry, "abc"), feed_id=feed_id)
        save_entries(conn, make_entry("a"), feed_id=other)
        found = entries.find_known(conn, feed_id, ["a", "z"])
        nothing = entries.find_known(conn, feed_id, [])

    assert found == {"a": (one, "first")}
    assert nothing == {}


def test_a_key_is_found_with_all_forms_in_which_it_was_shared(db: Database) -> None:
    shared, other_hash = f"guid#{HASH}", HASH[::-1]
    with db.write() as conn:
        feed_id = ensure_feed(conn)
        made = (
            make_entry(shared, content_hash=HASH),
            make_entry(f"guid#{other_hash}", content_hash=other_hash),
            make_entry("guid#top", content_hash=HASH),
            make_entry("other"),
        )
        save_entries(conn, *made, feed_id=feed_id)
        plain = entries.find_known(conn, feed_id, ["guid"])
        by_form = entries.find_known(conn, feed_id, [shared])
        fragment = entries.find_known(conn, feed_id, ["guid#top"])

    assert set(plain) == set(by_form) == {shared, f"guid#{other_hash}"}
    assert set(fragment) == {"guid#top"}


def test_thousands_of_keys_are_found_in_one_go(db: Database) -> None:
    with db.write() as conn:
        feed_id = ensure_feed(conn)
        keys = [f"k{number}" for number in range(1_500)]
        save_entries(conn, *map(make_entry, keys), feed_id=feed_id)
        found = entries.find_known(conn, feed_id, [*keys, "more"])

    assert sorted(found) == sorted(keys)


@given(st.text(), st.text("0123456789abcdef", min_size=32, max_size=32))
def test_a_shared_key_and_its_plain_form_meet_in_one_hash(key: str, content_hash: str) -> None:
    key = key.encode("utf-8", "replace").decode()
    base = hash_base(f"{key}#{content_hash}", content_hash)

    assert base in hash_asked(key)
    assert base in hash_asked(f"{key}#{content_hash}")


def test_the_newest_links_of_a_feed_are_told(db: Database) -> None:
    with db.write() as conn:
        feed_id = ensure_feed(conn)
        one, two, _ = save_entries(conn, *map(make_entry, "abc"), feed_id=feed_id)
        save_entries(conn, make_entry("x"), feed_id=ensure_feed(conn, "https://b.example/"))
        links = entries.find_links(conn, feed_id, limit=2)

    assert [(link.id, link.key, link.title) for link in links] == [(one, "a", "Title of a"), (two, "b", "Title of b")]
    assert links[0].url == links[0].canonical_url == "https://a.example/a"
    assert (links[0].effective_at, links[0].content_hash) == (NOW, "first")


def test_a_changed_entry_takes_its_new_key_unless_another_has_it(db: Database) -> None:
    with db.write() as conn:
        feed_id = ensure_feed(conn)
        one, two = save_entries(conn, make_entry("a"), make_entry("b"), feed_id=feed_id)
        edit(conn, one, make_entry("new", content_hash="second"))
        edit(conn, two, make_entry("new", content_hash="second"))
        found = entries.find_known(conn, feed_id, ["a", "b", "new"])
        shared = edit(conn, one, make_entry(f"new#{HASH}", content_hash=HASH))
        by_base = entries.find_known(conn, feed_id, ["new"])

    assert found == {"new": (one, "second"), "b": (two, "second")}
    assert shared == ()
    assert by_base == {f"new#{HASH}": (one, HASH)}


def test_what_was_said_before_is_kept(db: Database) -> None:
    with db.write() as conn:
        (entry_id,) = save_entries(conn, make_edit(0))
        nothing = entries.list_versions(conn, entry_id)
        edit(conn, entry_id, make_edit(1), at=HOUR)
        edit(conn, entry_id, make_edit(1), at=2 * HOUR)  # only cleaned anew
        edit(conn, entry_id, make_edit(2), at=3 * HOUR)
        versions = entries.list_versions(conn, entry_id)
        now = entries.get_parsed(conn, entry_id)

    assert nothing == ()
    assert [(v.parsed.title, v.content_hash, v.replaced_at) for v in versions] == [
        ("Said 0", "0", NOW + HOUR),
        ("Said 1", "1", NOW + 3 * HOUR),
    ]
    assert now == ParsedEntry(title="Said 2")


def test_of_many_versions_the_first_and_the_newest_are_kept(db: Database) -> None:
    with db.write() as conn:
        one, two = save_entries(conn, make_edit(0), make_edit(0, "other"))
        edit(conn, two, make_edit(1, "other"))
        for number in range(1, 30):
            assert edit(conn, one, make_edit(number), at=number * 2 * HOUR) == ()
        kept = [version.parsed.title for version in entries.list_versions(conn, one)]
        others = len(entries.list_versions(conn, two))

    assert len(kept) == MAX_VERSIONS
    assert kept == ["Said 0", *(f"Said {number}" for number in range(20, 29))]
    assert others == 1


def test_an_entry_that_is_edited_a_thousand_times_is_written_a_few_times_a_day(db: Database) -> None:
    with db.write() as conn:
        one, two = save_entries(conn, make_edit(0), make_edit(0, "other"))
        left_out = [edit(conn, one, make_edit(n), at=n * MINUTE) for n in range(1, 1_001)]
        shown = entries.get(conn, one)
        again = edit(conn, one, make_edit(2_000), at=DAY + 2 * MINUTE)
        calm = edit(conn, two, make_edit(1, "other"), at=DAY)
        last = entries.get(conn, one)

    assert left_out[:24] == [()] * 24
    assert set(left_out[24:]) == {(one,)}
    assert shown is not None
    assert last is not None
    assert (shown.title, last.title, again, calm) == ("Title 24", "Title 2000", (), ())


def test_entries_without_tags_wait_for_them(db: Database) -> None:
    with db.write() as conn:
        one, two, three = save_entries(conn, *map(make_entry, "abcd"), tags={"a": (), "b": (), "c": ("ai",)})[1:]
    with db.write() as conn:
        waiting = changes.claim_changes(conn, 10)
        lag = changes.find_lag(conn, NOW + MINUTE)
        story_id = save_story(conn, three)
        stories.save_scores(conn, [(story_id, 1.0, 1.0, ())])
        changes.save_tags(conn, {three: [make_tag("chips"), make_tag("ai")], EntryId(999): []}, waiting)
        rest = (changes.claim_changes(conn, 10), changes.find_lag(conn, NOW))
        unscored = stories.find_unscored(conn, limit=5)
        tagged = entries.get_tags(conn, [one, two, three])

    assert waiting == {three: NOW}
    assert lag == (1, 60.0)
    assert rest == ({}, (0, 0.0))
    assert unscored == (story_id,)
    assert tagged == {two: (make_tag("ai"),), three: (make_tag("chips"), make_tag("ai"))}


def test_an_entry_that_changes_while_it_is_tagged_waits_on(db: Database) -> None:
    with db.write() as conn:
        (entry_id,) = save_entries(conn, make_entry("a"))
        claimed = changes.claim_changes(conn, 10)
        edit(conn, entry_id, make_entry("a", content_hash="2"), at=SECOND)
        changes.save_tags(conn, {entry_id: [make_tag("old")]}, claimed)
        waiting = changes.claim_changes(conn, 10)
        shown = entries.list_entries(conn, EntryQuery(tag="old"))
        tag_entries(conn, {entry_id: ("new",)})
        after = (changes.claim_changes(conn, 10), entries.get_tags(conn, [entry_id])[entry_id])

    assert waiting == {entry_id: NOW + SECOND}
    assert [entry.id for entry in shown] == [entry_id]
    assert after == ({}, (make_tag("new"),))


def test_changes_are_claimed_a_few_at_a_time_newest_first(db: Database) -> None:
    with db.write() as conn:
        ids = save_entries(conn, *(make_entry(f"k{number}") for number in range(1_200)))
        some = changes.claim_changes(conn, 500)
        changes.save_tags(conn, dict.fromkeys(ids, ()))

        assert list(some) == sorted(ids, reverse=True)[:500]
        assert changes.find_lag(conn, NOW) == (0, 0.0)
