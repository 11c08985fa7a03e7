"""What the pages of one feed and of the archive read: pages that do not shift, counts, neighbours. Both databases."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId, FeedId
from aggregator.model.newsletter import IssueItem
from aggregator.storage import feed_pages, issue_archive, issues, river_pages, tags
from aggregator.storage.engine import Database
from aggregator.storage.entries import EntryQuery
from aggregator.storage.schema import entries
from tests.storage.samples import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    RENDERED,
    add_draft,
    ensure_feed,
    make_entry,
    save_entries,
    save_story,
)


def hide(db: Database, *ids: EntryId) -> None:
    with db.write() as conn:
        conn.execute(sa.update(entries).where(entries.c.id.in_(ids)).values(hidden=True))


def fill(db: Database, count: int) -> tuple[FeedId, tuple[EntryId, ...]]:
    """A feed with entries of which every three stand at one instant, each in a story, between those of another feed."""
    with db.write() as conn:
        feed_id, other = ensure_feed(conn), ensure_feed(conn, "https://b.example/feed")
        made: list[EntryId] = []
        for number in range(count):
            at = NOW - number // 3 * HOUR
            made += save_entries(conn, make_entry(f"a{number}"), feed_id=feed_id, at=at)
            (stranger,) = save_entries(conn, make_entry(f"b{number}"), feed_id=other, at=at)
            save_story(conn, made[-1])
            save_story(conn, stranger)
    return feed_id, tuple(made)


def list_page(
    conn: Connection, feed_id: FeedId, before: Entry | None, limit: int, until: datetime = NOW + 2 * HOUR
) -> tuple[Entry, ...]:
    query = EntryQuery(feed_id=feed_id, until=until, told_only=True)
    return river_pages.list_below(conn, query, before, limit=limit)


def read_pages(db: Database, feed_id: FeedId, limit: int) -> list[tuple[EntryId, ...]]:
    pages: list[tuple[EntryId, ...]] = []
    before = None
    while True:
        with db.read() as conn:
            found = list_page(conn, feed_id, before, limit)
        if not found:
            return pages
        pages.append(tuple(entry.id for entry in found))
        before = found[-1]


@pytest.mark.parametrize("limit", [1, 2, 5, 50])
def test_the_pages_of_a_feed_hold_each_entry_once(db: Database, limit: int) -> None:
    """Newest first, of one instant the later stored one; none of another feed."""
    feed_id, made = fill(db, 10)
    found = [number for page in read_pages(db, feed_id, limit) for number in page]

    assert found == [made[at] for at in (2, 1, 0, 5, 4, 3, 8, 7, 6, 9)]


def test_a_page_does_not_shift_when_something_new_comes_in(db: Database) -> None:
    """Nor when the entry above it is hidden."""
    feed_id, _ = fill(db, 9)
    first, second, _ = read_pages(db, feed_id, 3)
    with db.write() as conn:
        (new,) = save_entries(conn, make_entry("new"), feed_id=feed_id, at=NOW + HOUR)
        save_story(conn, new)
    with db.read() as conn:
        (place,) = list_page(conn, feed_id, None, 4)[3:]
    hide(db, place.id)
    with db.read() as conn:
        again = list_page(conn, feed_id, place, 3)

    assert place.id == first[-1]
    assert tuple(entry.id for entry in again) == second


def test_what_claims_a_later_moment_waits_for_it(db: Database) -> None:
    """As in the river and in the feeds."""
    feed_id, made = fill(db, 3)
    with db.write() as conn:
        (early,) = save_entries(conn, make_entry("early"), feed_id=feed_id, at=NOW + 3 * HOUR)
        save_story(conn, early)
    with db.read() as conn:
        now = list_page(conn, feed_id, None, 9)
        then = list_page(conn, feed_id, None, 9, until=NOW + 4 * HOUR)

    assert [entry.id for entry in now] == [*reversed(made)]
    assert [entry.id for entry in then] == [early, *reversed(made)]


def test_what_rules_hide_or_have_not_seen_yet_is_on_no_page(db: Database) -> None:
    """An entry in no story waits for its tags and its judgement."""
    feed_id, made = fill(db, 3)
    with db.write() as conn:
        save_entries(conn, make_entry("waiting"), feed_id=feed_id)
    hide(db, made[1])
    with db.read() as conn:
        count = feed_pages.count_entries(conn, feed_id)

    assert read_pages(db, feed_id, 9) == [(made[2], made[0])]
    assert count == 3  # the one that waits is no secret, only not shown yet


def test_weeks_are_counted_back_from_now(db: Database) -> None:
    """A week begins at its first instant; what is hidden, older or later is not counted."""
    with db.write() as conn:
        feed_id = ensure_feed(conn)
        for number, back in enumerate((-MINUTE, MINUTE, 7 * DAY, 7 * DAY + MINUTE, 14 * DAY, 21 * DAY + MINUTE)):
            made = save_entries(conn, make_entry(f"a{number}"), feed_id=feed_id, at=NOW - back)
            save_story(conn, *made)
        hidden = save_entries(conn, make_entry("hidden"), feed_id=feed_id, at=NOW - DAY)
    hide(db, *hidden)
    with db.read() as conn:
        counts = feed_pages.count_by_week(conn, feed_id, until=NOW, weeks=3)

    assert counts == (0, 2, 2)


def add_issues(db: Database, weeks: int) -> tuple[str, ...]:
    """Frozen issues of two newsletters, and a slot of each that was skipped in between."""
    slugs = tuple(f"2026-W{week:02}" for week in range(1, weeks + 1))
    with db.write() as conn:
        for newsletter in ("weekly", "other"):
            for week, slug in enumerate(slugs):
                number = add_draft(conn, slug, newsletter=newsletter, at=NOW + week * 7 * DAY)
                if week == 1:
                    issues.skip(conn, number, "too few stories")
                else:
                    assert issues.freeze(conn, number, RENDERED, (), now=NOW)
    return slugs


def test_an_issue_knows_its_neighbours(db: Database) -> None:
    """Of its newsletter, over one that was skipped; at the ends there is none."""
    slugs = add_issues(db, 4)
    with db.read() as conn:
        shown = {slug: issue_archive.find_issue(conn, "weekly", slug) for slug in slugs}
        around = {
            slug: tuple(one and one.slug for one in issue_archive.find_neighbours(conn, issue))
            for slug, issue in shown.items()
            if issue is not None
        }
        slots = issue_archive.list_slots(conn, "weekly")

    assert around == {slugs[0]: (None, slugs[2]), slugs[2]: (slugs[0], slugs[3]), slugs[3]: (slugs[2], None)}
    assert slots == (NOW + 21 * DAY, NOW + 14 * DAY, NOW)


def test_issues_of_a_span_are_listed_alone(db: Database) -> None:
    """From its first instant, up to its last but not with it."""
    add_issues(db, 4)
    with db.read() as conn:
        found = issues.list_issues(
            conn, "weekly", states=issues.FROZEN, since=NOW + 14 * DAY, until=NOW + timedelta(days=21)
        )

    assert [issue.slug for issue in found] == ["2026-W03"]


def test_the_first_headlines_of_an_issue_are_its_first_leads(db: Database) -> None:
    """As it told them: others of a story do not count, nor what was hidden since."""
    with db.write() as conn:
        made = save_entries(conn, *(make_entry(f"a{number}") for number in range(8)))
        told = [save_story(conn, *pair) for pair in zip(made[::2], made[1::2], strict=True)]
        number = add_draft(conn)
        items = [
            IssueItem(story_id=story, entry_ids=pair, section="top")
            for story, pair in zip(told, zip(made[::2], made[1::2], strict=True), strict=True)
        ]
        assert issues.freeze(conn, number, RENDERED, items, now=NOW)
    with db.read() as conn:
        before = issue_archive.list_headlines(conn, [number], limit=3)
    hide(db, made[2])
    with db.read() as conn:
        after = issue_archive.list_headlines(conn, [number], limit=3)
        none = issue_archive.list_headlines(conn, [])

    assert [entry.id for entry in before[number]] == [made[0], made[2], made[4]]
    assert [entry.id for entry in after[number]] == [made[0], made[4]]
    assert none == {}


def test_tags_are_counted_alike_in_all_time_and_in_a_window_around_it(db: Database) -> None:
    """Each entry once for a tag, whatever evidence it has; none that is hidden, none beyond the window."""
    with db.write() as conn:
        made = save_entries(
            conn,
            *(make_entry(f"a{number}") for number in range(4)),
            tags={"a0": ("openai", "chips"), "a1": ("openai", "openai"), "a2": ("chips",), "a3": ("openai", "agents")},
        )
        save_entries(conn, make_entry("old"), at=NOW - 30 * DAY, tags={"old": ("agents",)})
    hide(db, made[3])
    with db.read() as conn:
        everything = tags.list_tags(conn)
        around = tags.list_tags(conn, since=NOW - 31 * DAY, until=NOW + DAY)
        week = tags.list_tags(conn, since=NOW - 7 * DAY, until=NOW + DAY)
        before = tags.list_tags(conn, until=NOW - DAY)
        by_day = tags.count_by_day(conn, since=NOW - 2 * DAY, until=NOW + DAY, limit=0)

    assert everything == around == (("chips", "org", 2), ("openai", "org", 2), ("agents", "org", 1))
    assert week == (("chips", "org", 2), ("openai", "org", 2))
    assert before == (("agents", "org", 1),)
    assert [(slug, sum(counts)) for slug, counts in by_day] == [("chips", 2), ("openai", 2)]
