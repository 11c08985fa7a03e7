"""The schema: migrated equals declared, two starters are safe, a newer one is left alone, a backup is whole."""

from __future__ import annotations

import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from aggregator.errors import DatabaseUnavailable, SchemaMismatch
from aggregator.model.ids import FeedId
from aggregator.storage import entries, feeds, migrate
from aggregator.storage.engine import Database, open_database
from aggregator.storage.entry_rows import hash_key
from aggregator.storage.schema import INDEX_NAME, metadata
from tests.storage.samples import NOW, ensure_feed


def test_an_empty_database_becomes_current_once(empty_database_url: str) -> None:
    db = open_database(empty_database_url)
    before = migrate.current(db)
    first, second = migrate.upgrade(db), migrate.upgrade(db)
    after = migrate.current(db)
    migrate.require_current(db)
    db.close()

    assert (before, first, second, after) == ("empty", True, False, "current")


def test_the_migrated_schema_is_the_declared_one(db: Database) -> None:
    with db.read() as conn:
        compared = {"compare_type": True, "compare_server_default": True, "include_name": is_declared}
        context = MigrationContext.configure(conn, opts=compared)
        differences = compare_metadata(context, metadata)

    assert differences == []


def is_declared(name: str | None, kind: str, _parents: object) -> bool:
    """All but the search index, which is another thing on each database, and the queue, whose tables are not ours."""
    return kind != "table" or not (name or "").startswith((INDEX_NAME, "procrastinate_"))


def test_the_migrated_checks_are_the_declared_ones(db: Database, tmp_path: Path) -> None:
    other = open_database(f"sqlite:///{tmp_path}/declared.sqlite3")
    with other.write() as conn:
        metadata.create_all(conn)
    declared = describe_checks(other)
    other.close()

    assert {table: sorted(names) for table, names in describe_checks(db).items()} == declared
    if db.dialect == "sqlite":
        assert describe_tables(db) == describe_tables_of_metadata(tmp_path)


def describe_checks(db: Database) -> dict[str, list[str]]:
    with db.read() as conn:
        inspector = sa.inspect(conn)
        return {
            table.name: sorted(str(check["name"]) for check in inspector.get_check_constraints(table.name))
            for table in metadata.sorted_tables
        }


def describe_tables(db: Database) -> dict[str, set[str]]:
    """Each table's CREATE statement as the set of its parts, whatever their order; added columns stand on one line."""
    with db.read() as conn:
        rows = conn.execute(
            sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%\\_%' ESCAPE '\\'")
        )
        return {name: {part.strip() for part in re.split(r",\s(?![^(]*\))|\n", sql[:-1])} for name, sql in rows}


def describe_tables_of_metadata(tmp_path: Path) -> dict[str, set[str]]:
    db = open_database(f"sqlite:///{tmp_path}/declared.sqlite3")
    try:
        return describe_tables(db)
    finally:
        db.close()


def test_the_list_of_revisions_is_alembics_own(tmp_path: Path) -> None:
    scripts = ScriptDirectory(str(Path(migrate.__file__).parent / "migrations"))
    known = [script.revision for script in scripts.walk_revisions()]

    assert tuple(reversed(known)) == migrate.REVISIONS
    assert scripts.get_heads() == [migrate.REVISIONS[-1]]


def test_two_that_start_at_once_migrate_once(empty_database_url: str) -> None:
    databases = [open_database(empty_database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        changed = list(pool.map(migrate.upgrade, databases))
    state = migrate.current(databases[0])
    for db in databases:
        db.close()

    assert sorted(changed) == [False, False, False, True]
    assert state == "current"


def test_many_that_make_one_sqlite_file_at_once_all_open_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: open_database(f"sqlite:///{tmp_path}/new/news.sqlite3"), range(8)))
    for db in opened:
        db.close()

    assert len(opened) == 8


def test_a_migration_that_fails_leaves_nothing(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    db = open_database(empty_database_url)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    sa.event.listen(db.engine, "commit", stop)
    with pytest.raises(KeyboardInterrupt):
        migrate.upgrade(db)
    sa.event.remove(db.engine, "commit", stop)
    with db.read() as conn:
        tables = sa.inspect(conn).get_table_names()
    state = migrate.current(db)
    done = migrate.upgrade(db)
    db.close()

    assert tables == []
    assert (state, done) == ("empty", True)


def test_a_newer_schema_is_refused_and_left_alone(db: Database) -> None:
    with db.write() as conn:
        conn.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    state = migrate.current(db)
    with pytest.raises(SchemaMismatch, match="newer"):
        migrate.upgrade(db)
    with pytest.raises(SchemaMismatch, match="newer"):
        migrate.require_current(db)

    assert state == "newer"


def test_an_empty_database_is_not_taken_for_a_current_one(empty_database_url: str) -> None:
    db = open_database(empty_database_url)
    with pytest.raises(SchemaMismatch, match="aggregator db upgrade"):
        migrate.require_current(db)
    db.close()


def test_a_backup_is_complete_while_others_write(db: Database, tmp_path: Path) -> None:
    with db.write() as conn:
        ensure_feed(conn)
    with db.write() as conn:
        ensure_feed(conn, "https://b.example/")
        saved = migrate.backup(db, tmp_path / "backups", NOW)

    if db.dialect == "postgresql":
        assert saved is None
        return
    assert saved is not None
    assert [path.name for path in saved.parent.iterdir()] == ["news-20260304T050607.000089Z.sqlite3"]
    copy = open_database(f"sqlite:///{saved}")
    with copy.read() as conn:
        kept = [feed.spec.url for feed in feeds.list_feeds(conn)]
    copy.close()
    assert kept == ["https://a.example/feed"]


def test_a_backup_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    db = open_database(f"sqlite:///{tmp_path}/news.sqlite3")
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseUnavailable, match=f"{tmp_path}/file.*backup cannot be written"):
        migrate.backup(db, tmp_path / "file", NOW)
    db.close()


def test_sqlite_never_gives_a_number_twice(tmp_path: Path) -> None:
    """Public addresses hold row numbers: a deleted story's must not lead to another one."""
    db = open_database(f"sqlite:///{tmp_path}/news.sqlite3")
    migrate.upgrade(db)
    db.close()
    with sqlite3.connect(tmp_path / "news.sqlite3") as conn:
        found = {
            name for name, sql in conn.execute("SELECT name, sql FROM sqlite_master") if "AUTOINCREMENT" in (sql or "")
        }
    conn.close()

    assert {
        "feeds",
        "entries",
        "stories",
        "issues",
        "subscribers",
        "subscriptions",
        "deliveries",
        "letters",
        "bounces",
        "accounts",
        "api_tokens",
        "audit",
    } == found


def test_what_the_first_release_stored_is_taken_along(empty_database_url: str) -> None:
    """Feeds and entries of revision 0001 come back whole; keys that were shared are found by what they shared."""
    content_hash = "ab" * 16
    keys = ("plain", f"guid#{content_hash}", "guid#top")
    db = open_database(empty_database_url)
    with db.write() as conn:
        run_migrations(conn, "0001")
        old = sa.MetaData()
        old.reflect(conn)
        feed: dict[str, object] = {
            column.name: "" for column in old.tables["feeds"].columns if isinstance(column.type, sa.Text)
        }
        feed |= {"url": "https://a.example/feed", "origin": "added", "state": "active"}
        numbers = {"id": 1, "weight": 1.0, "failures": 0, "spec_tags": [], "headers": []}
        feed |= dict.fromkeys(("etag", "last_modified"), b"")
        conn.execute(old.tables["feeds"].insert().values(**feed, **numbers, added_at=NOW, next_due_at=NOW))
        entry: dict[str, object] = {
            column.name: "" for column in old.tables["entries"].columns if isinstance(column.type, sa.Text)
        }
        dates = dict.fromkeys(("first_seen_at", "changed_at", "effective_at"), NOW)
        for number, key in enumerate(keys, 1):
            own = {"id": number, "key": key, "key_hash": hash_key(key), "atom_id": key, "content_hash": content_hash}
            fixed = {"feed_id": 1, "reading_minutes": 1, "categories": [], "enclosures": [], "backlog": False}
            conn.execute(old.tables["entries"].insert().values(**(entry | fixed | dates | own)))
    migrate.upgrade(db)
    with db.read() as conn:
        found = [feed.spec.url for feed in feeds.list_feeds(conn)]
        known = [set(entries.find_known(conn, FeedId(1), [key])) for key in ("plain", "guid", "guid#top")]
    db.close()

    assert found == ["https://a.example/feed"]
    assert known == [{"plain"}, {f"guid#{content_hash}"}, {"guid#top"}]


def run_migrations(conn: sa.Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    config.attributes["connection"] = conn
    command.upgrade(config, revision)


def test_the_queue_has_the_tables_of_the_release_that_is_installed(postgres_database_url: str) -> None:
    """When it fails after an update of Procrastinate: a revision is to be written that applies what is newer."""
    db = open_database(postgres_database_url)
    with db.read() as conn:
        noted = conn.execute(sa.text("SELECT obj_description('procrastinate_jobs'::regclass)")).scalar()
    db.close()

    assert noted == "03.04.00_50_post_add_retry_failed_job_procedure.sql"
