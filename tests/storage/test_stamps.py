"""Stamps: the same as long as nothing is another, and another for whatever a page shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.storage import stamps
from aggregator.storage.engine import Database
from aggregator.storage.schema import entries, entry_tags, feeds, stories
from tests.storage.samples import DAY, HOUR, NOW, ensure_feed, ensure_identity, make_entry, save_entries, save_story


def read(conn: Connection, salt: str = "") -> tuple[dict[int, str], dict[int, str]]:
    found = stamps.list_stamps(conn, salt=salt)
    return {one.id: one.stamp for one in found.stories}, {one.id: one.stamp for one in found.entries}


def read_lists(conn: Connection) -> dict[str, str]:
    return dict(stamps.list_stamps(conn, salt="").lists)


def fill(conn: Connection) -> tuple[int, int, int, int]:
    """Two stories, of two entries and of one; the numbers of the stories, of the first entry, of the alone one."""
    ensure_identity(conn)
    feed_id = ensure_feed(conn)
    other_id = ensure_feed(conn, url="https://b.example/feed")
    tags = {"a": ("openai",), "b": ("ai",)}
    first, second = save_entries(conn, make_entry("a"), make_entry("b"), feed_id=feed_id, tags=tags)
    (alone,) = save_entries(conn, make_entry("c"), feed_id=other_id, tags={"c": ("ai",)})
    return save_story(conn, first, second), save_story(conn, alone), first, alone


CHANGES: dict[str, Callable[[Connection, int, int], object]] = {
    "an edit": lambda conn, story, entry: conn.execute(
        sa.update(entries).where(entries.c.id == entry).values(content_hash="x", changed_at=NOW + HOUR)
    ),
    "discussion": lambda conn, story, entry: conn.execute(
        sa.update(entries).where(entries.c.id == entry).values(discussion=7)
    ),
    "a tag": lambda conn, story, entry: conn.execute(
        sa.update(entry_tags).where(entry_tags.c.entry_id == entry).values(slug="other")
    ),
    "a feed's name": lambda conn, story, entry: conn.execute(
        sa.update(feeds).where(feeds.c.url == "https://a.example/feed").values(spec_title="Another")
    ),
    "a score": lambda conn, story, entry: conn.execute(
        sa.update(stories).where(stories.c.id == story).values(score=7.0)
    ),
    "a rule that hides": lambda conn, story, entry: conn.execute(
        sa.update(entries).where(entries.c.id == entry).values(hidden=True)
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_only_the_pages_that_show_a_change_have_another_stamp(db: Database, change: str) -> None:
    with db.write() as conn:
        story, other, entry, alone = fill(conn)
        before = read(conn)
        assert read(conn) == before
        CHANGES[change](conn, story, entry)
        after = read(conn)

    assert before[0].keys() == {story, other} and len(before[1]) == 3
    assert before[0][story] != after[0][story]
    assert before[1][entry] != after[1].get(entry)
    assert before[0][other] == after[0][other]
    assert before[1][alone] == after[1][alone]


def test_what_all_pages_depend_on_changes_all_stamps(db: Database) -> None:
    with db.write() as conn:
        fill(conn)
        one, two = read(conn, "one"), read(conn, "two")

    for first, second in zip(one, two, strict=True):
        assert first.keys() == second.keys() and not set(first.values()) & set(second.values())


def test_a_fetch_that_brings_nothing_changes_no_stamp(db: Database) -> None:
    with db.write() as conn:
        fill(conn)
        before = read(conn)
        conn.execute(sa.update(feeds).values(last_fetched_at=NOW + HOUR, next_due_at=NOW + HOUR, last_status=304))

        assert read(conn) == before


def test_a_swallowed_story_changes_with_the_one_that_swallowed_it(db: Database) -> None:
    with db.write() as conn:
        story, other, entry, _ = fill(conn)
        conn.execute(sa.update(entries).where(entries.c.story_id == other).values(story_id=story))
        conn.execute(sa.update(stories).where(stories.c.id == other).values(merged_into=story))
        before = read(conn)
        conn.execute(sa.update(entries).where(entries.c.id == entry).values(title="Another"))

        assert all(before[0][number] != read(conn)[0][number] for number in (story, other))


@pytest.mark.parametrize("change", CHANGES)
def test_lists_change_with_what_they_tell_and_no_others(db: Database, change: str) -> None:
    with db.write() as conn:
        story, _, entry, _ = fill(conn)
        before = read_lists(conn)
        assert read_lists(conn) == before
        CHANGES[change](conn, story, entry)
        after = read_lists(conn)

    assert before.keys() == {"tag:openai", "tag:ai", "feed:1", "feed:2", "language:en"}
    assert before["feed:1"] != after["feed:1"] and before["feed:2"] == after["feed:2"]
    assert before["language:en"] != after["language:en"]
    assert before["tag:openai"] != after.get("tag:openai")


@pytest.mark.parametrize(
    "change",
    [
        {"full_content": True},
        {"headers": [["Authorization", "secret"]]},
        {"atom_id": "urn:x:y"},
        {"author": "Somebody"},
        {"feed_updated_at": NOW - DAY},
    ],
    ids=str,
)
def test_lists_change_with_what_only_their_feeds_tell(db: Database, change: dict[str, Any]) -> None:
    """An editor who takes back that a feed is shown whole does not wait until its lists are made anew anyway."""
    with db.write() as conn:
        fill(conn)
        pages, before = read(conn), read_lists(conn)
        conn.execute(sa.update(feeds).where(feeds.c.url == "https://a.example/feed").values(**change))
        after = read_lists(conn)
        assert read(conn) == pages

    assert {key for key in before if before[key] != after[key]} == {"tag:openai", "tag:ai", "feed:1", "language:en"}


def test_a_feed_that_says_now_whenever_it_is_asked_changes_no_list(db: Database) -> None:
    with db.write() as conn:
        fill(conn)
        conn.execute(sa.update(feeds).values(feed_updated_at=NOW + DAY))
        before = read_lists(conn)
        conn.execute(sa.update(feeds).values(feed_updated_at=NOW + 2 * DAY))

        assert read_lists(conn) == before
