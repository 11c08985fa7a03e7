"""Two transactions at once: neither ends the other, nothing that one of them wrote is lost.

On SQLite the second begins when the first has ended; on PostgreSQL it runs until it has to wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.entry import EntryChange
from aggregator.model.ids import EntryId, FeedId, StoryId
from aggregator.model.rule import RuleDecision, Verdict
from aggregator.model.story import GroupedStory
from aggregator.storage import changes, cleaning, discussion, entries, entry_links, held, rules, stories
from aggregator.storage.engine import Database
from aggregator.storage.entries import EntryQuery
from tests.storage.samples import NOW, ensure_feed, ensure_identity, make_entry, make_tag, save_entries, save_story

Work = Callable[[Connection], object]


class Beside:
    """``work`` in a transaction of its own, begun while ``conn``'s is open: until it is done, or has to wait."""

    def __init__(self, db: Database, conn: Connection, work: Work) -> None:
        self.found: object = None
        self.errors: list[Exception] = []
        self._thread = threading.Thread(target=self._run, args=(db, work))
        self._thread.start()
        waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        while db.dialect == "postgresql" and self._thread.is_alive() and not conn.execute(waiting).scalar_one():
            self._thread.join(0.01)

    def _run(self, db: Database, work: Work) -> None:
        try:
            with db.write() as conn:
                self.found = work(conn)
        except Exception as error:  # noqa: BLE001  (told to the test)
            self.errors.append(error)

    def finish(self) -> object:
        self._thread.join(30)
        assert not self._thread.is_alive()
        assert self.errors == []
        return self.found


def store_two(db: Database) -> tuple[EntryId, EntryId, StoryId, StoryId]:
    """Two entries, each in a story of its own."""
    with db.write() as conn:
        one, two = save_entries(conn, make_entry("1"), make_entry("2"))
        return one, two, save_story(conn, one), save_story(conn, two)


def edit(conn: Connection, number: EntryId) -> None:
    said = make_entry(str(number), content_hash="second", title="Another title")
    change = EntryChange(feed_id=FeedId(1), entry_id=number, entry=said, effective_at=None)
    entries.save(conn, [change], now=NOW, identity=ensure_identity(conn))


def test_two_that_tag_the_same_entries_write_the_same_tags(db: Database) -> None:
    one, *_ = store_two(db)
    with db.write() as conn:
        changes.save_tags(conn, {one: [make_tag("northlight")]})
        beside = Beside(db, conn, lambda other: changes.save_tags(other, {one: [make_tag("northlight")]}))
    found = beside.finish()

    with db.read() as conn:
        assert entries.get_tags(conn, [one])[one] == (make_tag("northlight"),)
    assert found == 0


def test_two_that_judge_the_same_entries_write_the_same_verdicts(db: Database) -> None:
    one, *_ = store_two(db)
    verdict = Verdict(weight=2.0, decisions=(RuleDecision(rule="r", action="weight", value="2"),))
    with db.write() as conn:
        rules.save_verdicts(conn, {one: verdict})
        beside = Beside(db, conn, lambda other: rules.save_verdicts(other, {one: verdict}))
    found = beside.finish()

    with db.read() as conn:
        assert rules.get_ruled(conn, [one])[one].decisions == verdict.decisions
    assert found == 0


def regroup(conn: Connection) -> object:
    """Entry 1 goes to story 2 and leads it."""
    group = GroupedStory(story_id=StoryId(2), entry_ids=(EntryId(1), EntryId(2)), merged_ids=(StoryId(1),))
    return stories.save_groups(conn, [group], now=NOW, identity=ensure_identity(conn))


def clean(conn: Connection) -> object:
    made = {EntryId(n): make_entry(str(n), content_hash=h) for n, h in ((1, "first"), (2, "second"))}
    return cleaning.save_cleaned(conn, made, now=NOW)


def tag(conn: Connection) -> object:
    rules.save_verdicts(conn, {EntryId(n): Verdict(hidden=True) for n in (1, 2)})
    return changes.save_tags(conn, {EntryId(n): [make_tag("northlight")] for n in (1, 2)})


def link(conn: Connection) -> None:
    entry_links.save_links(conn, {EntryId(n): ("https://x.example/",) for n in (1, 2)})


def note_older(conn: Connection) -> object:
    return changes.note_older(conn, 1_000, 100, now=NOW)


@pytest.mark.parametrize(("work", "first"), [(regroup, 1), (note_older, 1), (clean, 2), (tag, 2), (link, 2)])
def test_what_rewrites_entries_waits_for_a_round_that_saves_them(db: Database, work: Work, first: int) -> None:
    """A round writes entries in the order of its feeds, others in that of their ids: each could have what the other
    waits for."""
    one, two, *_ = store_two(db)
    edited, talked = (one, two) if first == 1 else (two, one)
    with db.write() as conn:
        edit(conn, edited)
        beside = Beside(db, conn, work)
        discussion.save_counts(conn, {talked: 500})
        changes.note_changes(conn, [talked], now=NOW)
    beside.finish()

    with db.read() as conn:
        counts = {entry.id: entry.discussion for entry in entries.list_entries(conn, EntryQuery(hidden="too"))}
    assert counts[talked] == 500


def test_the_discussion_of_an_entry_is_told_to_the_story_that_took_it(db: Database) -> None:
    """Stories may become one while a round is being saved."""
    one, _, first, second = store_two(db)
    with db.write() as conn:
        stories.save_scores(conn, [(first, 1.0, 1.0, ()), (second, 1.0, 1.0, ())])
    with db.write() as conn:
        regroup(conn)
        stories.save_scores(conn, [(second, 2.0, 2.0, ())])
        beside = Beside(db, conn, lambda other: discussion.save_counts(other, {one: 500}))
    written = beside.finish()

    with db.read() as conn:
        assert stories.find_unscored(conn, limit=9) == (second,)
    assert written == 1


def hold(conn: Connection, feed_id: FeedId, *keys: str) -> None:
    held.hold(conn, feed_id, keys)


def test_what_is_held_while_an_editor_admits_is_not_forgotten(db: Database) -> None:
    with db.write() as conn:
        feed_id = ensure_feed(conn)
        save_entries(conn, make_entry("1"), make_entry("2"), feed_id=feed_id, backlog=True)
        hold(conn, feed_id, "1")
    with db.write() as conn:
        hold(conn, feed_id, "2")
        beside = Beside(db, conn, lambda other: held.release(other, feed_id, alarm=""))
    released = beside.finish()

    with db.read() as conn:
        assert held.count_held(conn, [feed_id]) == {}
    assert released == 2


def test_what_an_editor_admits_is_not_held_again(db: Database) -> None:
    with db.write() as conn:
        feed_id = ensure_feed(conn)
        save_entries(conn, make_entry("1"), make_entry("2"), feed_id=feed_id, backlog=True)
        hold(conn, feed_id, "1")
    with db.write() as conn:
        held.release(conn, feed_id, alarm="")
        beside = Beside(db, conn, lambda other: hold(other, feed_id, "2"))
    beside.finish()

    with db.read() as conn:
        assert held.count_held(conn, [feed_id]) == {feed_id: 1}
