"""What is asked after every change costs what has changed, not what is stored: how SQLite means to find it.

SQLite alone: it has no figures of the tables and follows the shape of a statement, where PostgreSQL counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from aggregator.model.ids import FeedId, IssueId, StoryId
from aggregator.storage import announcements, archives, delivery_pages, feeds, notable, people_pages, pruning, stories
from aggregator.storage.engine import Database
from aggregator.storage.feed_claims import select_due
from aggregator.storage.host_leases import release
from aggregator.storage.paging import Connection
from aggregator.storage.stories import StoryQuery, list_stories
from tests.storage.samples import DAY, MINUTE, NOW

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def explain(db: Database, ask: Callable[[Connection], object], *, writing: bool = False) -> list[str]:
    """The steps of all that ``ask`` selects, and changes where it is ``writing``."""
    asked: list[tuple[str, Any]] = []

    def note(conn: Any, cursor: Any, statement: str, parameters: Any, *rest: object) -> None:
        if statement.startswith(("SELECT", "UPDATE", "WITH")):
            asked.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        with db.write() if writing else db.read() as conn:
            ask(conn)
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    with db.read() as conn:
        return [
            str(row[3])
            for statement, parameters in asked
            for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]


def test_what_the_hub_may_hear_of_is_found_by_the_new_stories(db: Database) -> None:
    plan = explain(db, lambda conn: announcements.list_touched(conn, NOW))

    assert any("ix_stories_created_at" in step for step in plan), plan
    assert not [step for step in plan if step.startswith("SCAN entr")], plan


def test_stories_that_begin_are_found_among_the_newest(db: Database) -> None:
    plan = explain(db, lambda conn: notable.find_begun(conn, after=StoryId(1), until=StoryId(9), since=NOW - DAY))

    assert any(step.startswith("SEARCH stories") and "rowid>? AND rowid<?" in step for step in plan), plan
    assert not [step for step in plan if step.startswith("SCAN entr")], plan


def test_the_stories_of_a_week_are_found_by_when_they_were_told(db: Database) -> None:
    plan = explain(db, lambda conn: archives.list_story_ids(conn, NOW - 7 * DAY, NOW))

    assert any("ix_stories_created_at" in step for step in plan), plan


def test_a_week_of_a_tag_costs_that_week_not_all_that_ever_bore_it(db: Database) -> None:
    query = StoryQuery(since=NOW - 7 * DAY, until=NOW, tag="chips", combined_only=True)
    plan = explain(db, lambda conn: list_stories(conn, query))

    assert any("(slug=? AND effective_at>? AND effective_at<?)" in step for step in plan), plan


def test_feeds_of_free_hosts_are_found_along_one_index_without_sorting_what_is_due(db: Database) -> None:
    plan = explain(db, lambda conn: conn.execute(select_due(NOW, 200, owner="me", after=(NOW - DAY, FeedId(7)))))

    assert any("ix_feeds_state_next_due_at_id (state=? AND next_due_at" in step for step in plan), plan
    assert any(step.startswith("SEARCH host_leases") and "host_key=?" in step for step in plan), plan
    assert not [step for step in plan if step.startswith(("SCAN", "USE TEMP B-TREE"))], plan


def test_whether_a_feed_of_a_free_host_is_due_is_found_along_the_same_index(db: Database) -> None:
    plan = explain(db, lambda conn: feeds.has_due(conn, now=NOW, owner="me"))

    assert any("ix_feeds_state_next_due_at_id" in step for step in plan), plan
    assert not [step for step in plan if step.startswith(("SCAN", "USE TEMP B-TREE"))], plan


def test_what_is_in_hand_of_a_host_that_is_given_back_is_found_by_the_host(db: Database) -> None:
    plan = explain(db, lambda conn: release(conn, ["a", "b"], now=NOW, gap=MINUTE, owner="me"), writing=True)

    assert any("ix_feeds_host_key (host_key=?)" in step for step in plan), plan
    assert not [step for step in plan if step.startswith(("SCAN feeds", "SCAN host_leases"))], plan


def test_deliveries_that_are_old_are_found_by_their_issues(db: Database) -> None:
    plan = explain(db, lambda conn: pruning.count_old(conn, now=NOW))

    assert any(step.startswith("SEARCH deliveries") and "(issue_id=?)" in step for step in plan), plan
    assert not [step for step in plan if step.startswith("SCAN deliveries")], plan


@pytest.mark.parametrize("tag", ["", "chips"])
def test_the_best_of_a_crowded_window_are_read_along_their_ranks(db: Database, tag: str) -> None:
    query = StoryQuery(since=NOW - 7 * DAY, until=NOW, tag=tag, combined_only=True)
    plan = explain(db, lambda conn: (stories.is_crowded(conn, query, 100), stories.list_best(conn, query, limit=100)))

    assert any("ix_stories_rank" in step for step in plan), plan
    assert any("ix_entries_story_id (story_id=?)" in step for step in plan), plan
    assert not [step for step in plan if step.startswith("SCAN entr")], plan


def test_the_best_that_no_issue_told_are_read_along_their_ranks(db: Database) -> None:
    query = StoryQuery(since=NOW - 7 * DAY, until=NOW, combined_only=True)
    plan = explain(db, lambda conn: stories.list_untold(conn, query, "weekly", limit=100))

    assert any("ix_stories_rank" in step for step in plan), plan
    assert any("ix_issue_stories_story_id (story_id=?)" in step for step in plan), plan
    assert not [step for step in plan if step.startswith(("SCAN entr", "SCAN issue"))], plan


def test_people_are_found_by_the_beginning_of_an_address_and_listed_along_an_index(db: Database) -> None:
    found = explain(db, lambda conn: people_pages.search(conn, "ana", after="ana@example.org"))
    listed = explain(db, lambda conn: people_pages.list_page(conn, newsletter="weekly", before_id=9_000))
    ended = explain(db, lambda conn: people_pages.list_page(conn, state="ended", before_id=9_000))

    assert any("ix_subscribers_folded (folded>? AND folded<?)" in step for step in found), found
    assert any("ix_subscriptions_newsletter_state_id (newsletter=? AND state=? AND id<?)" in step for step in listed)
    assert any("ix_subscriptions_state_id (state=? AND id<?)" in step for step in ended), ended
    assert not [step for step in (*found, *listed, *ended) if step.startswith(("SCAN", "USE TEMP B-TREE"))]


def test_the_mails_of_an_issue_in_one_state_are_read_a_page_at_a_time(db: Database) -> None:
    plan = explain(db, lambda conn: delivery_pages.list_deliveries(conn, IssueId(1), "bounced", before_id=9_000))

    assert any("ix_deliveries_issue_id_state_next_try_at_id" in step for step in plan), plan
    assert not [step for step in plan if step.startswith(("SCAN d", "USE TEMP B-TREE"))], plan
