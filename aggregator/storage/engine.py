"""Opens the database and hides the few differences between SQLite and PostgreSQL. Never knows a table by name.

What differs, all of it here: pragmas and pool, how a write transaction begins, how instants are stored, which `insert`
knows ON CONFLICT, how row ids are set aside, how a name is locked for the length of a transaction, and how large it
all is.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC as STANDARD_UTC
from datetime import datetime, timedelta
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.engine import URL, Connection, Dialect, Engine, make_url
from sqlalchemy.exc import ArgumentError

from aggregator.errors import DatabaseUnavailable, StorageError
from aggregator.storage.failures import translate

#: Rows per `executemany`, ids per IN list.
CHUNK = 1_000

#: SQLite, for each connection: what the upper pages of the indexes take.
_CACHE_KB = 4_000
#: SQLite: pages of indexes are written again and again; the more changes are gathered, the fewer are copied (16 MB).
#: Pages stay at SQLite's 4 kB: a few new entries of many feeds touch many pages, and larger ones are written whole.
_CHECKPOINT_PAGES = 4_000

T = TypeVar("T")

#: Made once: `json.dumps` makes an encoder per call when it is told anything.
_encode_any = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def encode_json(value: Any) -> str:
    """As every JSON column is written."""
    return "[]" if value == [] or value == () else _encode_any(value)


def _decode_json(text: str | bytes) -> Any:
    return [] if text == "[]" else json.loads(text)


class UTC(sa.types.TypeDecorator[datetime]):
    """An aware instant in UTC: a naive value is refused, and UTC comes back although SQLite forgets it."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} is naive: only aware instants are stored")
        return value.astimezone(STANDARD_UTC)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        if dialect.name != "sqlite":
            return super().bind_processor(dialect)
        return write_instant

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        return _read_instant if dialect.name == "sqlite" else super().result_processor(dialect, coltype)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=STANDARD_UTC) if value.tzinfo is None else value.astimezone(STANDARD_UTC)


def write_instant(value: datetime | None) -> str | None:
    """As SQLAlchemy's own type writes it, but several times as fast: each entry has six of them."""
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError(f"{value!r} is naive: only aware instants are stored")
    if value.tzinfo is not STANDARD_UTC:
        value = value.astimezone(STANDARD_UTC)
    return value.isoformat(" ", "microseconds")[:-6]


def _read_instant(text: str | None) -> datetime | None:
    """What `write_instant` wrote: a feed has nine of them, and thousands of feeds may be claimed in a round."""
    return None if text is None else datetime.fromisoformat(f"{text}+00:00")


class Opaque(sa.types.TypeDecorator[str]):
    """A header value kept byte for byte: text in Python (surrogate escapes and all), bytes in the database."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else value.encode("utf-8", "surrogateescape")

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:
        return None if value is None else bytes(value).decode("utf-8", "surrogateescape")


class Database:
    """An open database: transactions to read in and transactions to write in."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        #: ``sqlite`` or ``postgresql``.
        self.dialect = engine.dialect.name
        #: The address without its password.
        self.url_text = engine.url.set(drivername=self.dialect).render_as_string(hide_password=True)
        if self.dialect == "sqlite":
            self._reader: Engine = engine.execution_options(begin=("PRAGMA query_only=1", "BEGIN"))
            self._writer: Engine = engine.execution_options(begin=("PRAGMA query_only=0", "BEGIN IMMEDIATE"))
        else:
            self._reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            self._writer = engine

    @property
    def conninfo(self) -> str:
        """Of PostgreSQL: the address as libpq takes it, its password and patience included. Never to be shown."""
        url = self.engine.url.set(drivername="postgresql").update_query_dict(find_patience(self.engine.url))
        return url.render_as_string(hide_password=False)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one moment and cannot write. Raises `DatabaseUnavailable`, `SchemaMismatch`."""
        with translate(self.engine.url), self._reader.begin() as conn:
            yield conn

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed at its end, or rolled back when an exception leaves it.

        On SQLite it holds the write lock from its first moment: a deferred transaction that turns into a writing one
        fails at once when another wrote in between, whatever the busy timeout.
        """
        with translate(self.engine.url), self._writer.begin() as conn:
            yield conn

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def open_database(
    url: str, *, busy_timeout: timedelta = timedelta(seconds=10), synchronous: bool = True, as_it_is: bool = False
) -> Database:
    """Open (on SQLite: create) the database at ``url`` and make sure that it answers.

    ``busy_timeout``: how long a lock held by another is waited for. ``synchronous=False`` gives up safety on power
    loss for speed and is meant for tests. ``as_it_is``: to be read only; a file of SQLite keeps its journal, whichever
    it has. Raises `DatabaseUnavailable`, or `StorageError` for an address that makes
    no sense.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StorageError(
            "the database address cannot be read; expected sqlite:///FILE or postgresql://HOST/NAME"
        ) from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        engine = _create_sqlite(parsed, busy_timeout, "FULL" if synchronous else "OFF", as_it_is=as_it_is)
    elif backend in ("postgresql", "postgres"):
        engine = _create_postgresql(parsed, busy_timeout)
    else:
        raise StorageError(f"{backend}: no such kind of database here; expected sqlite or postgresql")
    try:
        with translate(engine.url), engine.connect() as conn:
            _assert_ready(conn, "FULL" if synchronous else "OFF", as_it_is=as_it_is)
    except BaseException:
        engine.dispose()
        raise
    return Database(engine)


def _create_sqlite(url: URL, busy_timeout: timedelta, synchronous: str, *, as_it_is: bool) -> Engine:
    if not url.database or url.database == ":memory:":
        raise StorageError("sqlite needs a file: threads and processes share it")
    _prepare_folder(Path(url.database))
    engine = sa.create_engine(
        url.set(drivername="sqlite+pysqlite"),
        connect_args={"timeout": busy_timeout.total_seconds(), "check_same_thread": False},
        pool_timeout=busy_timeout.total_seconds() + 20,
        json_serializer=encode_json,
        json_deserializer=_decode_json,
    )

    @event.listens_for(engine, "connect")
    def _set_pragmas(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
        if not as_it_is:
            _use_wal(connection, busy_timeout)
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KB}")
        connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA synchronous={synchronous}")

    @event.listens_for(engine, "begin")
    def _begin(conn: Connection) -> None:
        for statement in conn.get_execution_options().get("begin", ("PRAGMA query_only=0", "BEGIN")):
            conn.exec_driver_sql(statement)

    return engine


def _use_wal(connection: Any, busy_timeout: timedelta) -> None:
    """Turning a new file to WAL needs it alone for a moment, and SQLite does not wait for that by itself."""
    end = time.monotonic() + busy_timeout.total_seconds()
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() >= end:
                raise
        time.sleep(0.02)


def find_patience(url: URL) -> dict[str, str]:
    """Of libpq's parameters, those that the address does not set itself.

    A machine that is gone says nothing: after about half a minute without an answer a connection is given up.
    """
    patience = {
        "connect_timeout": "10",
        "tcp_user_timeout": "30000",
        "keepalives_idle": "10",
        "keepalives_interval": "5",
    }
    return {name: value for name, value in patience.items() if name not in url.query}


def _create_postgresql(url: URL, busy_timeout: timedelta) -> Engine:
    if not all(map(find_spec, ("psycopg", "procrastinate"))):
        raise StorageError("PostgreSQL needs the extra: pip install 'ai-news-aggregator[postgres]'")
    milliseconds = max(1, round(busy_timeout.total_seconds() * 1000))
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        connect_args=find_patience(url),
        json_serializer=encode_json,
    )

    @event.listens_for(engine, "connect")
    def _set_session(connection: Any, _record: object) -> None:
        connection.autocommit = True
        connection.execute("SET TIME ZONE 'UTC'")
        connection.execute(f"SET lock_timeout = {milliseconds}")
        # It expects to be worth its while where tables are large; of our questions it took nine tenths of the time.
        connection.execute("SET jit = off")
        connection.autocommit = False

    return engine


def _prepare_folder(path: Path) -> None:
    """Make the folder of a SQLite file, and say early and exactly when it or the file cannot be written."""
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnavailable(
            f"{folder}: cannot be created for the database: {error.strerror} ({_describe_owner(folder)})"
        ) from None
    for place in (folder, path):
        if _is_there(place) and not os.access(place, os.W_OK, effective_ids=True):
            raise DatabaseUnavailable(f"{place}: cannot be written ({_describe_owner(place)})")
    # It holds addresses of people and the signing key: for our eyes only, and so is what SQLite lays beside it.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _is_there(place: Path) -> bool:
    """Whether it can be seen; `Path.exists` raises where a folder above it is closed to us."""
    try:
        place.stat()
    except OSError:
        return False
    return True


def _describe_owner(path: Path) -> str:
    """Our uid, and the owner and mode of the nearest part of ``path`` that exists."""
    place = path
    while not _is_there(place) and place != place.parent:
        place = place.parent
    status = place.stat()
    mode = stat.S_IMODE(status.st_mode)
    return f"running as uid {os.geteuid()}; {place} belongs to uid {status.st_uid}, mode {mode:04o}"


def _assert_ready(conn: Connection, synchronous: str, *, as_it_is: bool) -> None:
    if conn.dialect.name != "sqlite":
        conn.execute(sa.text("SELECT 1"))
        return
    expected: dict[str, object] = {"foreign_keys": 1, "synchronous": {"FULL": 2, "OFF": 0}[synchronous]}
    if not as_it_is:
        expected["journal_mode"] = "wal"
    for pragma, value in expected.items():
        found = conn.exec_driver_sql(f"PRAGMA {pragma}").scalar()
        if found != value:
            raise DatabaseUnavailable(f"{conn.engine.url.database}: SQLite refused {pragma}={value} (it says {found})")


def insert(conn: Connection, table: sa.Table) -> sqlite_dialect.Insert | postgresql.Insert:
    """The dialect's INSERT, which knows ``on_conflict_do_nothing`` and ``on_conflict_do_update`` by the same names."""
    return sqlite_dialect.insert(table) if conn.dialect.name == "sqlite" else postgresql.insert(table)


def reserve_ids(conn: Connection, table: sa.Table, count: int) -> Sequence[int]:
    """Set ``count`` new ids of ``table`` aside, so that rows that point to each other go in by `executemany`.

    To be called in a write transaction: on SQLite that lock is what keeps the ids ours.
    """
    if count < 1:
        return ()
    if conn.dialect.name == "sqlite":
        last = conn.execute(
            sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name}
        ).scalar()
        first = (last or 0) + 1
        return range(first, first + count)
    drawn = conn.execute(
        sa.text("SELECT nextval(pg_get_serial_sequence(:name, 'id')) FROM generate_series(1, :count)"),
        {"name": table.name, "count": count},
    )
    return sorted(drawn.scalars())


def lock_name(conn: Connection, name: str) -> None:
    """Wait for the right to do ``name`` until this transaction ends. On SQLite a write transaction has it already."""
    if conn.dialect.name == "postgresql":
        number = int.from_bytes(blake2b(f"aggregator {name}".encode(), digest_size=8).digest(), "big", signed=True)
        conn.execute(sa.text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


def measure_size(conn: Connection) -> int:
    """Bytes that the database takes on its disk."""
    if conn.dialect.name == "postgresql":
        return int(conn.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one())
    return int(
        conn.execute(sa.text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")).scalar_one()
    )


def find_in(conn: Connection, text: sa.ColumnElement[str], wanted: str) -> sa.ColumnElement[int]:
    """Where ``wanted`` begins in ``text``, from 1; 0: nowhere."""
    name = "instr" if conn.dialect.name == "sqlite" else "strpos"
    return sa.Function(name, text, wanted, type_=sa.Integer())


def iter_chunks(values: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """Slices of at most ``size``."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
