"""Numbers for the machine that watches: right on both databases, found along an index, and bounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.storage import feeds, figures, issues, ledger
from aggregator.storage.engine import Database
from aggregator.storage.figures import Due, Pool
from aggregator.storage.schema import deliveries as deliveries_table
from aggregator.storage.schema import feeds as feeds_table
from aggregator.storage.schema import stories as stories_table
from tests.storage.samples import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    add_draft,
    add_sending,
    ensure_feed,
    make_entry,
    save_entries,
    save_story,
)
from tests.storage.test_plans import explain


def test_feeds_are_due_from_their_time_until_somebody_claims_them(db: Database) -> None:
    with db.write() as conn:
        ids = [ensure_feed(conn, f"https://a.example/{number}") for number in range(5)]
        for number, feed_id in enumerate(ids):
            row = sa.update(feeds_table).where(feeds_table.c.id == feed_id)
            conn.execute(row.values(next_due_at=NOW - (3 - number) * HOUR))
        conn.execute(sa.update(feeds_table).where(feeds_table.c.id == ids[0]).values(state="paused"))
        by_state = figures.count_feeds(conn)
        before = figures.find_due_feeds(conn, NOW)
        feeds.claim(conn, [ids[1]], now=NOW, lease=MINUTE)
        claimed = figures.find_due_feeds(conn, NOW)
        later = figures.find_due_feeds(conn, NOW + MINUTE)

    assert by_state == {"active": 4, "paused": 1}
    assert before == Due(3, NOW - 2 * HOUR)
    assert claimed == Due(2, NOW - HOUR)
    assert later == Due(3, NOW - 2 * HOUR)


def test_of_nothing_there_is_none(db: Database) -> None:
    with db.read() as conn:
        assert figures.find_due_feeds(conn, NOW) == figures.find_due_deliveries(conn, NOW) == Due(0, None)
        assert figures.count_feeds(conn) == figures.count_issues(conn) == figures.count_deliveries(conn, NOW) == {}
        assert figures.count_new_entries(conn, NOW) == figures.count_new_stories(conn, NOW) == 0


def test_entries_and_stories_are_new_for_a_while_and_wait_for_their_turn(db: Database) -> None:
    with db.write() as conn:
        first, second, third = save_entries(conn, make_entry("a"), make_entry("b"), make_entry("c"))
        save_story(conn, first)
        gone, kept = save_story(conn, second), save_story(conn, third)
        row = sa.update(stories_table)
        conn.execute(row.where(stories_table.c.id == kept).values(score=1.5))
        conn.execute(row.where(stories_table.c.id == gone).values(merged_into=kept))

        assert figures.count_new_entries(conn, NOW) == 3
        assert figures.count_new_entries(conn, NOW + MINUTE) == 0
        assert figures.count_untagged(conn) == 3
        assert figures.count_new_stories(conn, NOW) == 2
        assert figures.count_new_stories(conn, NOW + MINUTE) == 0
        assert figures.count_unranked(conn) == 1


def test_mails_are_due_while_their_issue_goes_out(db: Database) -> None:
    with db.write() as conn:
        issue_id = add_sending(conn, "ada@example.org", "bob@example.org", "cyd@example.org")
        add_draft(conn, "2026-W11", at=NOW + 7 * DAY)
        due = figures.find_due_deliveries(conn, NOW)
        claimed = ledger.claim(conn, issue_id, owner="me", now=NOW, limit=1, lease=HOUR)
        (row,) = claimed
        mark = ledger.Mark(delivery=row, result="deferred", code=450, reply="later", next_try_at=NOW + HOUR)
        ledger.settle(conn, [mark], now=NOW)
        put_off = figures.find_due_deliveries(conn, NOW)
        again = figures.find_due_deliveries(conn, NOW + HOUR)
        by_state = figures.count_deliveries(conn, NOW)

        assert (due, put_off, again) == (Due(3, NOW), Due(2, NOW), Due(3, NOW))
        assert by_state == {"queued": 2, "deferred": 1}
        assert figures.count_issues(conn) == {"sending": 1, "draft": 1}
        assert figures.count_deliveries(conn, NOW + DAY) == by_state, "it is being sent still"
        rests = sa.text("UPDATE issues SET paused_reason = 'by the editor' WHERE id = :id")
        conn.execute(rests, {"id": issue_id})
        assert figures.find_due_deliveries(conn, NOW + HOUR) == Due(0, None)
        conn.execute(sa.update(deliveries_table).values(state="sent"))
        issues.mark_sent(conn, issue_id, now=NOW)
        assert figures.count_deliveries(conn, NOW) == {"sent": 3}
        assert figures.count_deliveries(conn, NOW + DAY) == {}


def test_what_is_very_much_is_not_counted_to_its_end(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "MOST", 2)
    with db.write() as conn:
        save_entries(conn, make_entry("a"), make_entry("b"), make_entry("c"))
        for number in range(3):
            ensure_feed(conn, f"https://b.example/{number}")
        add_sending(conn, "ada@example.org", "bob@example.org", "cyd@example.org")
        found = figures.find_due_feeds(conn, NOW + DAY), figures.find_due_deliveries(conn, NOW)

        assert [due.count for due in found] == [2, 2]
        assert figures.count_new_entries(conn, NOW) == figures.count_untagged(conn) == 2


def test_the_pool_tells_what_is_lent(db: Database) -> None:
    free = figures.get_pool(db)
    with db.read(), db.read():
        lent = figures.get_pool(db)

    assert free.limit >= 5
    assert (free, lent) == (Pool(free.limit, 0), Pool(free.limit, 2))


_ASKED: dict[str, tuple[Callable[[Connection], Any], str]] = {
    "feeds": (figures.count_feeds, "ix_feeds_state_next_due_at_id"),
    "due": (lambda conn: figures.find_due_feeds(conn, NOW + DAY), "ix_feeds_state_next_due_at_id (state=? AND next"),
    "unranked": (figures.count_unranked, "ix_stories_score (score=?)"),
    "entries": (lambda conn: figures.count_new_entries(conn, NOW), "ix_entries_first_seen_at (first_seen_at>?)"),
    "stories": (lambda conn: figures.count_new_stories(conn, NOW), "ix_stories_created_at (created_at>?)"),
    "deliveries": (lambda conn: figures.count_deliveries(conn, NOW), "(issue_id=?)"),
    "mails": (lambda conn: figures.find_due_deliveries(conn, NOW), "(issue_id=? AND state=? AND next_try_at<?)"),
}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", _ASKED)
def test_each_is_found_along_an_index_without_sorting(db: Database, name: str) -> None:
    """The few issues alone are looked through, and what was found is counted (anon_1)."""
    ask, index = _ASKED[name]
    with db.write() as conn:
        ensure_feed(conn)
        add_sending(conn, "ada@example.org")
    plan = [step for step in explain(db, ask) if not step.startswith(("SCAN issues", "SCAN anon_1", "CO-ROUTINE"))]

    assert any(index in step for step in plan), plan
    sorts = [step for step in plan if "TEMP B-TREE" in step]
    assert len(sorts) <= (name == "deliveries"), plan  # of the issues
    assert not [step for step in plan if step.startswith("SCAN") and "COVERING INDEX" not in step], plan
