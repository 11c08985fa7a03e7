"""A process killed at any moment: what it was told is stored is stored, and nothing is half there."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa

from aggregator.storage import entries, feeds
from aggregator.storage.engine import Database
from aggregator.storage.entries import EntryQuery
from aggregator.storage.schema import contents, entry_changes

_PROJECT = Path(__file__).resolve().parent.parent.parent
#: Saves batches of ten entries, each with the validator of the feed, and says the number of each when it is stored.
_WRITER = """
import sys
from datetime import timedelta
from aggregator.model.entry import EntryChange
from aggregator.model.feed import FeedOutcome
from aggregator.storage import entries, feeds
from aggregator.storage.engine import open_database
from tests.storage.samples import NOW, ensure_feed, ensure_identity, make_entry

db = open_database(sys.argv[1])
with db.write() as conn:
    feed_id, identity = ensure_feed(conn), ensure_identity(conn)
for batch in range(int(sys.argv[2]), 10_000):
    made = [make_entry(f"{batch}-{number}") for number in range(10)]
    changes = [EntryChange(feed_id=feed_id, entry_id=None, entry=entry, effective_at=NOW) for entry in made]
    due = NOW + timedelta(hours=batch)
    outcome = FeedOutcome(feed_id=feed_id, at=NOW, etag=str(batch), next_due_at=due, next_due_reason="")
    with db.write() as conn:
        entries.save(conn, changes, now=NOW, identity=identity)
        feeds.save_outcomes(conn, [outcome])
    print(batch, flush=True)
"""


def test_a_killed_writer_leaves_whole_batches_and_all_that_it_was_told(db: Database, database_url: str) -> None:
    first = 0
    for _ in range(4):
        told = write_until_killed(database_url, first, kill_after=random.randint(1, 12))
        with db.read() as conn:
            (feed,) = feeds.list_feeds(conn)
            stored = entries.list_entries(conn, EntryQuery())
            parts = [
                conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
                for table in (contents, entry_changes)
            ]
        first = int(feed.etag) + 1

        assert int(feed.etag) >= told
        assert len(stored) == first * 10
        assert parts == [first * 10, first * 10]
    if db.dialect == "sqlite":
        with db.read() as conn:
            assert conn.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
            assert conn.exec_driver_sql("PRAGMA foreign_key_check").all() == []


def write_until_killed(url: str, first: int, *, kill_after: int) -> int:
    """The number of the last batch that the writer heard to be stored."""
    command = [sys.executable, "-c", _WRITER, url, str(first)]
    with subprocess.Popen(command, cwd=_PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(kill_after):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
    return int(rest[-1]) if rest else first + kill_after - 1
