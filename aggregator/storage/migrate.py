"""Brings a database to our schema, and copies it before. Never changes one that is newer than the program."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.errors import DatabaseUnavailable, SchemaMismatch
from aggregator.storage.engine import Database, lock_name
from aggregator.storage.failures import translate

SchemaState = Literal["empty", "current", "older", "newer"]

#: Every revision in `migrations/versions`, oldest first; kept here so that a start need not load Alembic.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011")

_version = sa.Table("alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True))


def current(db: Database) -> SchemaState:
    """How the database's schema compares with this program's."""
    with db.read() as conn:
        return _compare(conn)


def require_current(db: Database) -> None:
    """Raises `SchemaMismatch` unless the schema is this program's."""
    state = current(db)
    if state == "newer":
        raise SchemaMismatch(_newer(db))
    if state != "current":
        raise SchemaMismatch(f"{db.url_text}: the schema is {state}: run `aggregator db upgrade`")


def upgrade(db: Database) -> bool:
    """Make every table, or change those that are there, in one transaction: all or nothing. False: nothing to do.

    Two that start at once wait for each other. Raises `SchemaMismatch` when the schema is newer than this program.
    """
    with db.write() as conn:
        lock_name(conn, "migrate")
        state = _compare(conn)
        if state == "newer":
            raise SchemaMismatch(_newer(db))
        if state == "current":
            return False
        _run_migrations(conn)
    return True


def backup(db: Database, folder: Path, now: datetime) -> Path | None:
    """A consistent copy of a SQLite database, made while others use it; None on PostgreSQL, which has its own tools.

    The copy appears under its name only when it is complete and on disk. Raises `DatabaseUnavailable`.
    """
    if db.dialect != "sqlite":
        return None
    source = Path(db.engine.url.database or "")
    target = folder / f"{source.stem}-{now.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}{source.suffix}"
    partial = target.with_name(f".{target.name}.partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        with translate(db.engine.url), db.engine.connect() as conn:
            _vacuum_into(conn, partial)
        partial.chmod(0o600)
        with partial.open("rb") as copy:
            os.fsync(copy.fileno())
        partial.replace(target)
    except OSError as error:
        raise DatabaseUnavailable(f"{folder}: the backup cannot be written: {error.strerror}") from None
    return target


def check_integrity(db: Database) -> tuple[str, ...]:
    """What SQLite finds wrong with its file and with the references in it; PostgreSQL checks its own pages."""
    if db.dialect != "sqlite":
        return ()
    with db.read() as conn:
        faults = [str(line) for line in conn.exec_driver_sql("PRAGMA integrity_check").scalars() if line != "ok"]
        broken = [
            f"row {row} of {table} refers to nothing in {parent}"
            for table, row, parent, _ in conn.exec_driver_sql("PRAGMA foreign_key_check")
        ]
    return (*faults, *broken)


def _vacuum_into(conn: Connection, path: Path) -> None:
    driver = conn.connection.driver_connection
    assert driver is not None  # the pool has just given it
    try:
        driver.execute("PRAGMA query_only=0")
        driver.execute("VACUUM INTO ?", (str(path),))
    except driver.OperationalError as error:
        raise DatabaseUnavailable(f"{path.parent}: the backup cannot be written: {error}") from None


def _compare(conn: Connection) -> SchemaState:
    if not sa.inspect(conn).has_table("alembic_version"):
        return "empty"
    found = conn.execute(sa.select(_version.c.version_num)).scalar()
    if found is None:
        return "empty"
    if found == REVISIONS[-1]:
        return "current"
    return "older" if found in REVISIONS else "newer"


def _newer(db: Database) -> str:
    return f"{db.url_text}: the schema is newer than this program: install the newer version again"


def _run_migrations(conn: Connection) -> None:
    from alembic import command  # 12 MB that are needed once in a version's life
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = conn
    command.upgrade(config, "head")
