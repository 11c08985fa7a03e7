"""Issues: one per slot, frozen once, sent when nothing waits; and what they hold."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

import pytest
import sqlalchemy as sa

from aggregator.errors import StorageError
from aggregator.model.ids import IssueId
from aggregator.model.newsletter import IssueItem
from aggregator.model.story import GroupedStory
from aggregator.storage import deliveries, issues, ledger, stories, subscribers
from aggregator.storage.engine import Database
from aggregator.storage.schema import issue_stories
from tests.storage import marks
from tests.storage.samples import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    RENDERED,
    add_draft,
    add_sending,
    ensure_identity,
    make_entry,
    make_slot,
    save_entries,
    save_story,
    subscribe,
)


def test_a_slot_gets_one_row_however_often_it_is_asked_for(db: Database) -> None:
    slots = [make_slot(), make_slot("2026-W09", at=NOW - 7 * DAY, state="skipped", reason="merged into 2026-W10")]

    def plan(_: int) -> int:
        with db.write() as conn:
            return issues.add_slots(conn, "weekly", slots, now=NOW)

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(plan, range(4)))
    with db.read() as conn:
        newest, older = issues.list_issues(conn, "weekly")

    assert sorted(made) == [0, 0, 0, 2]
    assert (newest.slug, newest.state, newest.slot_at) == ("2026-W10", "draft", NOW)
    assert (newest.window_start, newest.window_end) == (NOW - 7 * DAY, NOW)
    assert (older.state, older.reason) == ("skipped", "merged into 2026-W10")


def test_slot_and_slug_are_each_unique_within_a_newsletter(db: Database) -> None:
    with db.write() as conn:
        first = issues.add_slots(conn, "weekly", [make_slot()], now=NOW)
        same_slot = issues.add_slots(conn, "weekly", [make_slot("other")], now=NOW)
        other = issues.add_slots(conn, "daily", [make_slot()], now=NOW)

    assert (first, same_slot, other) == (1, 0, 1)
    with pytest.raises(StorageError), db.write() as conn:  # never swallowed: its slot would have no row
        issues.add_slots(conn, "weekly", [make_slot(at=NOW + HOUR)], now=NOW)


def test_issues_are_found_by_name_slot_number_and_state(db: Database) -> None:
    with db.write() as conn:
        one = add_draft(conn, "one", at=NOW - DAY)
        two = add_draft(conn, "two")
        daily = add_draft(conn, "one", newsletter="daily")
        issues.skip(conn, one, "too few stories: 1 found, 3 wanted")

        def names(*args: str, **query: object) -> list[IssueId]:
            return [issue.id for issue in issues.list_issues(conn, *args, **query)]  # type: ignore[arg-type]

        assert names() == [daily, two, one]
        assert names("weekly") == [two, one]
        assert names("weekly", limit=1) == [two]
        assert names("weekly", states=("skipped",)) == [one]
        assert names("nothing") == []
        by_slot = issues.get_by_slot(conn, "weekly", NOW)
        skipped = issues.get(conn, "weekly", "one")
        missing = issues.get(conn, "weekly", "three"), issues.get_by_id(conn, IssueId(99))

    assert by_slot is not None
    assert by_slot.id == two
    assert skipped is not None
    assert (skipped.state, skipped.reason) == ("skipped", "too few stories: 1 found, 3 wanted")
    assert missing == (None, None)


def test_the_last_look_at_the_slots_is_remembered_by_newsletter(db: Database) -> None:
    with db.write() as conn:
        first = issues.get_planned_until(conn, "weekly")
        issues.set_planned_until(conn, "weekly", NOW)
        issues.set_planned_until(conn, "weekly", NOW + HOUR)
        found = issues.get_planned_until(conn, "weekly"), issues.get_planned_until(conn, "daily")

    assert first is None
    assert found == (NOW + HOUR, None)


def test_the_next_window_begins_where_the_last_unskipped_one_ended(db: Database) -> None:
    with db.write() as conn:
        add_draft(conn, "one", at=NOW - 14 * DAY)
        skipped = add_draft(conn, "two", at=NOW - 7 * DAY)
        issues.skip(conn, skipped, "too few")

        def ask(before: datetime) -> datetime | None:
            return issues.get_last_window_end(conn, "weekly", before=before)

        assert ask(NOW) == NOW - 14 * DAY
        assert ask(NOW - 14 * DAY) is None
        assert issues.get_last_window_end(conn, "daily", before=NOW) is None


def test_freezing_fixes_bytes_contents_and_recipients_at_once(db: Database) -> None:
    with db.write() as conn:
        one, two, three = save_entries(conn, make_entry("1"), make_entry("2"), make_entry("3"))
        first, second = save_story(conn, one, two), save_story(conn, three)
        items = (
            IssueItem(story_id=second, entry_ids=(three,), section="top"),
            IssueItem(story_id=first, entry_ids=(two, one), section="more"),
        )
        subscribe(conn, "a@example.org", "b@example.org")
        subscribe(conn, "a@example.org", newsletter="daily")
        subscribers.remove(conn, "b@example.org", reason="left", now=NOW)
        issue_id = add_draft(conn)
        before = issues.get_rendered(conn, issue_id), issues.held_entry_ids(conn, "weekly")
        frozen = issues.freeze(conn, issue_id, RENDERED, items, now=NOW + HOUR)
        queued_again = deliveries.queue_deliveries(conn, issue_id, "weekly", now=NOW)
        subscribe(conn, "c@example.org", "d@example.org")
        other_id = add_draft(conn, "other", at=NOW + DAY)
        queued = deliveries.queue_deliveries(conn, other_id, "weekly", now=NOW)
        again = issues.freeze(conn, issue_id, replace(RENDERED, subject="Other"), (), now=NOW + DAY)
        issue = issues.get_by_id(conn, issue_id)

        assert (frozen, again, before) == (True, False, (None, frozenset()))
        assert issues.get_rendered(conn, issue_id) == RENDERED
        told = sa.select(issue_stories.c.story_id, issue_stories.c.section).order_by(issue_stories.c.position)
        assert [tuple(row) for row in conn.execute(told)] == [(item.story_id, item.section) for item in items]
        assert issues.held_entry_ids(conn, "weekly") == {one, two, three}
        assert issues.held_entry_ids(conn, "daily") == frozenset()
        assert issues.mailed_story_ids(conn, "weekly") == issues.mailed_story_ids(conn) == {first, second}
        first_start = issues.get_first_window_start(conn, "weekly")

    assert issue is not None
    assert first_start == issue.window_start
    assert (issue.state, issue.subject, issue.frozen_at, issue.story_count) == ("ready", "AI Weekly 10", NOW + HOUR, 2)
    assert issue.deliveries == (("queued", 1),)
    assert (queued_again, queued) == (0, 3)


def test_an_issue_frozen_by_two_at_once_has_one_set_of_rows(db: Database) -> None:
    with db.write() as conn:
        subscribe(conn, *(f"p{number}@example.org" for number in range(20)))
        issue_id = add_draft(conn)

    def freeze(_: int) -> bool:
        with db.write() as conn:
            return issues.freeze(conn, issue_id, RENDERED, (), now=NOW)

    with ThreadPoolExecutor(3) as pool:
        frozen = list(pool.map(freeze, range(3)))
    with db.read() as conn:
        counts = deliveries.count_states(conn, issue_id)

    assert sorted(frozen) == [False, False, True]
    assert counts == {"queued": 20}


def test_a_story_that_swallowed_a_mailed_one_counts_as_mailed(db: Database) -> None:
    with db.write() as conn:
        one, two = save_entries(conn, make_entry("1"), make_entry("2"))
        survivor, mailed = save_story(conn, one), save_story(conn, two)
        issue_id = add_draft(conn)
        items = (IssueItem(story_id=mailed, entry_ids=(two,), section="top"),)
        issues.freeze(conn, issue_id, RENDERED, items, now=NOW)
        group = GroupedStory(story_id=survivor, entry_ids=(one, two), merged_ids=(mailed,))
        stories.save_groups(conn, [group], now=NOW, identity=ensure_identity(conn))

        assert issues.mailed_story_ids(conn, "weekly") == {survivor, mailed}


def test_only_a_draft_can_be_skipped_or_frozen_and_only_a_frozen_issue_sent(db: Database) -> None:
    with db.write() as conn:
        issue_id = add_draft(conn)
        too_early = issues.mark_sending(conn, issue_id, now=NOW), issues.mark_sent(conn, issue_id, now=NOW)
        issues.freeze(conn, issue_id, RENDERED, (), now=NOW)
        too_late = issues.skip(conn, issue_id, "no")
        steps = [issues.mark_sending(conn, issue_id, now=NOW) for _ in range(2)]
        ends = [issues.mark_sent(conn, issue_id, now=NOW + MINUTE) for _ in range(2)]
        issue = issues.get_by_id(conn, issue_id)

    assert (too_early, too_late, steps, ends) == ((False, False), False, [True, False], [True, False])
    assert issue is not None
    assert (issue.state, issue.sent_at) == ("sent", NOW + MINUTE)


def test_an_issue_is_sent_only_when_no_row_waits_or_is_under_way(db: Database) -> None:
    with db.write() as conn:
        issue_id = add_sending(conn, "a@example.org", "b@example.org", "c@example.org")

        def is_sent() -> bool:
            return issues.mark_sent(conn, issue_id, now=NOW)

        assert not is_sent()
        a, b, c = ledger.claim(conn, issue_id, owner="me", now=NOW, limit=9, lease=HOUR)
        assert not is_sent()
        for delivery in (a, b, c):
            assert marks.mark_committing(conn, delivery, now=NOW)
        assert not is_sent()
        marks.mark_sent(conn, a, reply="250 ok", now=NOW)
        marks.mark_failed(conn, b, code=550, reply="no such person", now=NOW)
        assert not is_sent()
        marks.mark_deferred(conn, c, code=451, reply="later", next_try_at=NOW + HOUR, now=NOW)
        assert not is_sent()
        (c,) = ledger.claim(conn, issue_id, owner="me", now=NOW + HOUR, limit=9, lease=HOUR)
        marks.mark_failed(conn, c, code=451, reply="never", now=NOW)
        assert is_sent()


def test_issues_with_something_to_do_are_found(db: Database) -> None:
    with db.write() as conn:
        issue_id = add_sending(conn, "a@example.org")

        def due(at: datetime) -> bool:
            return deliveries.find_due_issues(conn, now=at) == (issue_id,)

        assert due(NOW)
        (delivery,) = ledger.claim(conn, issue_id, owner="me", now=NOW, limit=1, lease=MINUTE)
        assert not due(NOW)
        assert due(NOW + MINUTE)  # to be recovered
        marks.mark_deferred(conn, delivery, code=451, reply="", next_try_at=NOW + HOUR, now=NOW)
        assert not due(NOW + MINUTE)
        assert due(NOW + HOUR)
        (delivery,) = ledger.claim(conn, issue_id, owner="me", now=NOW + HOUR, limit=1, lease=MINUTE)
        marks.mark_failed(conn, delivery, code=550, reply="", now=NOW)
        assert due(NOW)  # to be closed
        issues.mark_sent(conn, issue_id, now=NOW)
        assert not due(NOW + DAY)
