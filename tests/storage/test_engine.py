"""Transactions, instants and what goes wrong with a database."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import StatementError

from aggregator.errors import DatabaseUnavailable, SchemaMismatch, StorageError
from aggregator.storage import feeds, leases, meta, migrate
from aggregator.storage.engine import Database, open_database, reserve_ids
from aggregator.storage.schema import entries as entries_table
from aggregator.storage.schema import leases as leases_table
from aggregator.storage.schema import meta as meta_table
from tests.fixtures.database import new_postgres_database
from tests.fixtures.program import open_way_to
from tests.storage.samples import HOUR, NOW, ensure_feed


def test_an_instant_comes_back_aware_in_utc_to_the_microsecond(db: Database) -> None:
    tokyo = timezone(timedelta(hours=9))
    with db.write() as conn:
        feed_id = ensure_feed(conn)
        leases.acquire(conn, "a", "me", now=NOW.astimezone(tokyo), ttl=HOUR)
        found = conn.execute(sa.select(leases_table.c.lease_until)).scalar_one()
        added = feeds.get_feeds(conn, [feed_id])[feed_id].next_due_at

    assert found == NOW + HOUR
    assert found.utcoffset() == timedelta(0)
    assert added == NOW
    assert added.tzinfo is not None


@pytest.mark.parametrize("instant", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)])
def test_the_ends_of_the_calendar_can_be_stored(db: Database, instant: datetime) -> None:
    with db.write() as conn:
        conn.execute(sa.insert(leases_table).values(name="a", owner="", lease_until=instant, fence=0))
        found = conn.execute(sa.select(leases_table.c.lease_until)).scalar_one()

    assert found == instant


def test_a_naive_instant_is_refused(db: Database) -> None:
    with pytest.raises(StatementError, match="naive"), db.write() as conn:
        leases.acquire(conn, "a", "me", now=datetime(2026, 1, 1), ttl=HOUR)  # noqa: DTZ001


def test_an_exception_rolls_everything_back(db: Database) -> None:
    with pytest.raises(KeyError), db.write() as conn:
        ensure_feed(conn)
        raise KeyError

    with db.read() as conn:
        assert feeds.list_feeds(conn) == ()


def test_a_reading_transaction_cannot_write(db: Database) -> None:
    with pytest.raises((StorageError, sa.exc.DBAPIError)), db.read() as conn:
        ensure_feed(conn)

    with db.write() as conn:  # and the connection it used is fit for writing again
        ensure_feed(conn)


def test_a_reading_transaction_sees_one_moment(db: Database) -> None:
    with db.read() as reader:
        before = len(feeds.list_feeds(reader))
        with db.write() as writer:
            ensure_feed(writer)
        after = len(feeds.list_feeds(reader))

    assert (before, after) == (0, 0)


def test_ids_set_aside_are_new_and_never_given_twice(db: Database) -> None:
    with db.write() as conn:
        first = list(reserve_ids(conn, entries_table, 3))
        ensure_feed(conn)

    assert len(set(first)) == 3
    assert reserve_none(db) == []


def reserve_none(db: Database) -> list[int]:
    with db.write() as conn:
        return list(reserve_ids(conn, entries_table, 0))


def test_a_broken_rule_is_one_line_of_ours(db: Database) -> None:
    with pytest.raises(StorageError) as caught, db.write() as conn:
        conn.execute(sa.insert(meta_table), [{"name": "a", "value": 1}, {"name": "a", "value": 2}])

    assert not isinstance(caught.value, DatabaseUnavailable)
    assert "\n" not in str(caught.value)


def test_a_missing_table_names_the_command_that_makes_it(empty_database_url: str) -> None:
    db = open_database(empty_database_url)
    with pytest.raises(SchemaMismatch, match="aggregator db upgrade"), db.read() as conn:
        feeds.list_feeds(conn)
    db.close()


def test_a_bad_statement_stays_a_bug(db: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError), db.read() as conn:
        conn.execute(sa.text("SELEKT 1"))


def test_sqlite_keeps_its_promises_on_power_loss(tmp_path: Path) -> None:
    db = open_database(f"sqlite:///{tmp_path}/deep/er/news.sqlite3")
    with db.write() as conn:
        found = [conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
        keys = conn.exec_driver_sql("PRAGMA foreign_keys").scalar()
        timeout = conn.exec_driver_sql("PRAGMA busy_timeout").scalar()
    db.close()

    assert found == ["wal", 2]
    assert keys == 1
    assert timeout == 10_000


def test_a_lock_held_by_another_ends_in_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "news.sqlite3"
    db = open_database(f"sqlite:///{path}", busy_timeout=timedelta(milliseconds=50))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable, match=f"{path}: database is locked"), db.write():
        pytest.fail("it was locked")
    with db.read() as conn:  # readers never wait for a writer
        assert conn.execute(sa.text("SELECT 1")).scalar() == 1
    other.close()

    with db.write() as conn:
        assert conn.execute(sa.text("SELECT 1")).scalar() == 1
    db.close()


def test_a_row_locked_by_another_is_not_waited_for_for_ever(postgres_url: str, postgres_template: str) -> None:
    with new_postgres_database(postgres_url, template=postgres_template) as url:
        db = open_database(url, busy_timeout=timedelta(milliseconds=50))
        with db.write() as conn:
            meta.ensure_identity(conn, site_url="https://a.example", now=NOW)
        with db.write() as holder:
            meta.set_value(holder, "identity", {})
            with pytest.raises(DatabaseUnavailable, match="lock timeout"), db.write() as conn:
                meta.set_value(conn, "identity", {})
        db.close()


def test_a_full_disk_is_an_unavailable_database_that_recovers(tmp_path: Path) -> None:
    db = open_database(f"sqlite:///{tmp_path}/news.sqlite3")
    with db.write() as conn:
        conn.execute(sa.text("CREATE TABLE filler (bytes BLOB)"))
    with pytest.raises(DatabaseUnavailable, match="full"), db.write() as conn:
        conn.exec_driver_sql("PRAGMA max_page_count=3")
        conn.execute(sa.text("INSERT INTO filler VALUES (zeroblob(1000000))"))
    with db.write() as conn:
        conn.exec_driver_sql("PRAGMA max_page_count=100000")
        conn.execute(sa.text("INSERT INTO filler VALUES (zeroblob(1000000))"))
        healthy = conn.exec_driver_sql("PRAGMA integrity_check").scalar()
    db.close()

    assert healthy == "ok"


def test_a_folder_that_cannot_be_made_is_named_with_owner_and_mode(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(DatabaseUnavailable, match=rf"{in_the_way}.*uid {os.geteuid()}.*mode 0[0-7]{{3}}"):
        open_database(f"sqlite:///{in_the_way}/var/news.sqlite3")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_that_cannot_even_be_reached_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "closed" / "var"
    folder.mkdir(parents=True)
    open_way_to(tmp_path)
    folder.parent.chmod(0o700)
    os.seteuid(65534)
    try:
        with pytest.raises(DatabaseUnavailable, match=rf"{folder}: cannot be .*uid 65534; {folder.parent} .*uid 0"):
            open_database(f"sqlite:///{folder}/news.sqlite3")
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_of_somebody_else_is_named_with_owner_and_mode(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    folder.mkdir(mode=0o755)
    open_way_to(tmp_path)
    os.seteuid(65534)
    try:
        with pytest.raises(DatabaseUnavailable, match=rf"{folder}: cannot be written .*uid 65534; .* uid 0, mode 0755"):
            open_database(f"sqlite:///{folder}/news.sqlite3")
    finally:
        os.seteuid(0)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "news.sqlite3"
    path.write_bytes(b"certainly no database, and long enough to be read as a header" * 40)
    with pytest.raises(DatabaseUnavailable, match=f"{path}: file is not a database"):
        open_database(f"sqlite:///{path}")


def test_an_unreachable_server_is_one_line_without_the_password() -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        open_database("postgresql://me:secret-word@127.0.0.1:9/news")

    assert "secret-word" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["mysql://a/b", "nonsense", "sqlite://", "sqlite:///:memory:", ""])
def test_an_address_that_makes_no_sense_is_refused(url: str) -> None:
    with pytest.raises(StorageError):
        open_database(url)


def test_no_question_is_compiled(postgres_url: str) -> None:
    """Large tables make PostgreSQL expect much of it, and it takes ten times as long as the question."""
    db = open_database(postgres_url)
    with db.read() as conn:
        said = conn.execute(sa.text("SHOW jit")).scalar()
    db.close()

    assert said == "off"


def test_the_address_is_shown_without_its_password(postgres_url: str) -> None:
    db = open_database(postgres_url.replace("postgres@", "postgres:secret-word@"))
    shown = db.url_text
    db.close()

    assert "secret-word" not in shown
    assert "127.0.0.1" in shown


def test_the_identity_is_minted_once(db: Database) -> None:
    with db.write() as conn:
        first = meta.ensure_identity(conn, site_url="https://news.example.org/ai", now=NOW)
    with db.write() as conn:
        again = meta.ensure_identity(conn, site_url="https://other.example", now=NOW + 400 * HOUR)

    assert first == again
    assert (first.authority, first.minted_on, len(first.signing_key)) == ("news.example.org", date(2026, 3, 4), 32)
    assert first.entry_id(7) == "tag:news.example.org,2026-03-04:entry/7"
    assert first.signing_key.hex() not in repr(first)


@pytest.mark.parametrize(
    ("site_url", "authority"),
    [
        ("https://News.Example.org:8443/x", "news.example.org"),
        ("https://ニュース.example/", "xn--zckzah.example"),
        ("https://example.org./", "example.org"),
    ],
)
def test_a_public_name_is_the_authority(site_url: str, authority: str) -> None:
    if "xn--" in authority:
        authority = "ニュース".encode("idna").decode() + ".example"
    assert meta.make_authority(site_url) == authority


@pytest.mark.parametrize(
    "site_url",
    ["http://127.0.0.1:8000", "http://[::1]:8000", "http://localhost", "", "http://a_b.example", "http://1.2.3", "x"],
)
def test_what_nobody_owns_gets_a_random_name_instead(site_url: str) -> None:
    first, second = meta.make_authority(site_url), meta.make_authority(site_url)

    assert first != second
    assert first.startswith("localhost-")
    assert first.endswith(".invalid")


def test_values_are_remembered_by_name(db: Database) -> None:
    with db.write() as conn:
        missing = meta.get_value(conn, "a")
        meta.set_value(conn, "a", {"x": [1, "二"]})
        meta.set_value(conn, "a", {"x": [2, "二"]})
        found = meta.get_value(conn, "a")

    assert missing is None
    assert found == {"x": [2, "二"]}


def test_rows_are_counted_by_noun(db: Database) -> None:
    with db.write() as conn:
        ensure_feed(conn)
        counts = meta.count_rows(conn)

    assert counts["feeds"] == 1
    assert counts["entries"] == 0


def test_the_database_is_for_our_eyes_only(tmp_path: Path) -> None:
    """It holds addresses of people and the signing key."""
    db = open_database(f"sqlite:///{tmp_path}/news.sqlite3")
    with db.write() as conn:
        conn.exec_driver_sql("CREATE TABLE t (x)")

    modes = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir()}
    db.close()
    assert set(modes.values()) == {0}


@pytest.fixture
def poor_url(postgres_url: str) -> Iterator[str]:
    """An empty database, with a role that may do nothing there."""
    with new_postgres_database(postgres_url) as url, closing(open_database(url)) as db:
        with db.write() as conn:
            conn.execute(sa.text("CREATE ROLE poor"))
        yield sa.make_url(url).update_query_dict({"options": "-c role=poor"}).render_as_string(hide_password=False)
        with db.write() as conn:
            conn.execute(sa.text("DROP OWNED BY poor"))
            conn.execute(sa.text("DROP ROLE poor"))


def test_what_the_role_may_not_do_is_one_error_and_leaves_nothing(poor_url: str) -> None:
    """Tables that it may not make, and rows that it may not change."""
    owner_url = poor_url.partition("?")[0]
    with closing(open_database(poor_url)) as db, closing(open_database(owner_url)) as owner:
        with pytest.raises(StorageError, match="permission denied for schema public"):
            migrate.upgrade(db)
        assert migrate.current(owner) == "empty"

        migrate.upgrade(owner)
        with owner.write() as conn:
            conn.execute(sa.text("GRANT SELECT ON ALL TABLES IN SCHEMA public TO poor"))
        with pytest.raises(StorageError, match="permission denied for table leases"), db.write() as conn:
            leases.acquire(conn, "a", "me", now=NOW, ttl=HOUR)
