"""An installation that is copied arrives whole, whatever broke the copy off."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection

from aggregator.errors import UsageError
from aggregator.storage import copying, leases
from aggregator.storage.engine import Database, open_database, reserve_ids
from aggregator.storage.schema import entries, feeds, metadata, stories
from aggregator.tasks.copying import Copied, copy_installation
from tests.storage.every_table import fill_empty_tables, list_empty_tables
from tests.storage.samples import HOUR, NOW, ensure_feed, ensure_identity, make_entry, save_entries, save_story


def fill(conn: Connection) -> None:
    """Three entries in two stories, the first merged into the later one; a header that is not UTF-8."""
    ensure_identity(conn)
    feed = ensure_feed(conn)
    conn.execute(sa.update(feeds).values(etag="\udcff"))
    made = save_entries(conn, make_entry("a"), make_entry("b"), make_entry("c"), feed_id=feed, tags={"a": ("ai",)})
    first, later = save_story(conn, *made[:2]), save_story(conn, made[2])
    conn.execute(sa.update(stories).where(stories.c.id == first).values(merged_into=later))


@pytest.fixture
def other_url(db: Database, postgres_database_url: str, tmp_path: Path) -> str:
    """Of an empty database of the other kind."""
    return f"sqlite:///{tmp_path / 'other.sqlite3'}" if db.dialect == "postgresql" else postgres_database_url


def copy(source_url: str, target_url: str) -> Copied:
    return copy_installation(source_url, target_url, lease="daemon", now=NOW, on_progress=lambda **_: None)


def test_there_and_back(db: Database, database_url: str, other_url: str, tmp_path: Path) -> None:
    with db.write() as conn:
        fill(conn)
    there = copy(database_url, other_url)
    assert not there.difference
    assert there.tables["entries"] == 3
    assert copy(other_url, f"sqlite:///{tmp_path / 'back.sqlite3'}") == there
    target = open_database(other_url, synchronous=False)
    with target.write() as conn:
        ensure_feed(conn, url="https://new.example/feed")  # its number is free
        assert conn.execute(sa.text("SELECT count(*) FROM search_entries WHERE entry_id IS NOT NULL")).scalar() == 3
    target.close()


def test_rows_of_every_table_there_and_back(db: Database, database_url: str, other_url: str, tmp_path: Path) -> None:
    with db.write() as conn:
        fill(conn)
        fill_empty_tables(conn, 40)
        empty = list_empty_tables(conn)
    there = copy(database_url, other_url)
    back = copy(other_url, f"sqlite:///{tmp_path / 'back.sqlite3'}")

    assert not empty
    assert not there.difference
    assert there == back
    assert min(there.tables.values()) >= 1


def test_numbers_of_rows_that_are_gone_are_not_given_again(db: Database, database_url: str, other_url: str) -> None:
    with db.write() as conn:
        fill(conn)
        gone = save_story(conn, *save_entries(conn, make_entry("gone")))
        conn.execute(sa.update(entries).where(entries.c.story_id == gone).values(story_id=None))
        conn.execute(sa.delete(stories).where(stories.c.id == gone))
    copy(database_url, other_url)
    target = open_database(other_url, synchronous=False)
    with target.write() as conn:
        assert reserve_ids(conn, stories, 1)[0] == gone + 1
    target.close()


def test_a_source_keeps_its_journal(sqlite_template: Path, tmp_path: Path) -> None:
    source = tmp_path / "backup.sqlite3"
    shutil.copyfile(sqlite_template, source)
    database = open_database(f"sqlite:///{source}")
    with database.write() as conn:
        fill(conn)
    database.close()
    with closing(sqlite3.connect(source)) as plain:
        plain.execute("PRAGMA journal_mode=DELETE")
    before = source.read_bytes()

    assert not copy(f"sqlite:///{source}", f"sqlite:///{tmp_path / 'target.sqlite3'}").difference

    assert source.read_bytes() == before


def test_every_table_is_copied_or_made_anew() -> None:
    assert {table.name for table in copying.TABLES} | copying.DERIVED == set(metadata.tables)


@pytest.mark.parametrize("kept", [1, 2, 4])
def test_broken_off_and_resumed(db: Database, database_url: str, other_url: str, kept: int) -> None:
    with db.write() as conn:
        fill(conn)
    target = open_database(other_url, synchronous=False)
    with db.read() as source:
        copying.prepare_target(source, target)
        commits: list[Connection] = []

        def break_off(conn: Connection) -> None:
            commits.append(conn)
            if len(commits) > kept:
                raise InterruptedError

        event.listen(target.engine, "commit", break_off)
        with pytest.raises(InterruptedError):
            copying.copy_rows(source, target, on_rows=lambda count: None)
    target.close()
    assert not copy(database_url, other_url).difference


def test_a_difference_is_named(db: Database, database_url: str, other_url: str) -> None:
    with db.write() as conn:
        fill(conn)
    copy(database_url, other_url)
    target = open_database(other_url, synchronous=False)
    with target.write() as conn:
        conn.execute(sa.update(entries).where(entries.c.id == 2).values(title="Another"))
    with db.read() as ours, target.read() as theirs:
        assert copying.find_difference(ours, theirs, entries) == (2,)
        assert copying.find_difference(ours, theirs, feeds) is None
    target.close()


def test_refusals(db: Database, database_url: str, other_url: str) -> None:
    with db.write() as conn:
        fill(conn)
    with pytest.raises(UsageError, match="same database"):
        copy(database_url, database_url)
    copy(database_url, other_url)
    with pytest.raises(UsageError, match="holds another installation"):
        copy(database_url, other_url)
    with db.write() as conn:
        leases.acquire(conn, "daemon", "elsewhere:1:2", now=NOW, ttl=HOUR)
    with pytest.raises(UsageError, match="a daemon runs on it"):
        copy(database_url, other_url)


def test_no_such_source(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such database"):
        copy(f"sqlite:///{tmp_path / 'none.sqlite3'}", f"sqlite:///{tmp_path / 'new.sqlite3'}")
    assert not list(tmp_path.iterdir())
