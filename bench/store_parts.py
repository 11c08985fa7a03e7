"""Where storing spends its time, and what it cannot fall below: the same statements by the bare driver.

Not a benchmark by itself: `bench/store.py` prints what is found here.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import event
from sqlalchemy.engine import make_url

from aggregator.storage import bulk
from aggregator.storage.engine import Database

#: (statement, parameters, many rows at once) in the order of execution; "COMMIT" ends a transaction.
Statements = list[tuple[str, Any, bool]]
_TABLE = re.compile(r'(INSERT INTO|UPDATE|DELETE FROM|COPY)\s+"?(\w+)')


class Recording:
    """Seconds of CPU by part, and the very statements that were executed."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.statements: Statements = []

    def note(self, statement: str, values: Any, many: bool, seconds: float) -> None:
        found = _TABLE.match(statement)
        self.seconds[f"{found[1].lower()} {found[2]}" if found else "other statements"] += seconds
        self.statements.append((statement, values, many))


@contextmanager
def record(db: Database) -> Iterator[Recording]:
    """What ``db`` executes meanwhile, by one thread."""
    found, started = Recording(), [0.0]

    def start(*_: Any) -> None:
        started[0] = time.process_time()

    def stop(_conn: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        found.note(statement, values, many, time.process_time() - started[0])

    copy, commit = bulk.copy_rows, db.engine.dialect.do_commit

    def copy_rows(conn: Any, statement: str, types: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        start()
        copy(conn, statement, types, rows)
        found.note(statement, (types, rows), True, time.process_time() - started[0])

    def do_commit(connection: Any) -> None:
        start()
        commit(connection)
        found.seconds["commit"] += time.process_time() - started[0]
        found.statements.append(("COMMIT", (), False))

    event.listen(db.engine, "before_cursor_execute", start)
    event.listen(db.engine, "after_cursor_execute", stop)
    bulk.copy_rows, db.engine.dialect.do_commit = copy_rows, do_commit  # type: ignore[method-assign, assignment]
    try:
        yield found
    finally:
        bulk.copy_rows, db.engine.dialect.do_commit = copy, commit  # type: ignore[method-assign, assignment]
        event.remove(db.engine, "before_cursor_execute", start)
        event.remove(db.engine, "after_cursor_execute", stop)


def make_replay(db: Database, statements: Statements) -> Callable[[], None]:
    """Execute them again in a database as it was before, by the bare driver with the same settings."""
    if db.dialect == "sqlite":
        return lambda: _replay_sqlite(db, statements)
    return lambda: _replay_postgresql(db, statements)


def _replay_sqlite(db: Database, statements: Statements) -> None:
    assert db.engine.url.database is not None
    with db.engine.connect() as ours:
        names = ("cache_size", "wal_autocheckpoint", "synchronous", "foreign_keys")
        settings = [(name, ours.exec_driver_sql(f"PRAGMA {name}").scalar()) for name in names]
    conn = sqlite3.connect(db.engine.url.database, isolation_level=None)
    for name, value in settings:
        conn.execute(f"PRAGMA {name}={value}")
    for statement, values, many in statements:
        (conn.executemany if many else conn.execute)(statement, values)
    conn.close()


def _replay_postgresql(db: Database, statements: Statements) -> None:
    address = make_url(db.engine.url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as conn, conn.cursor() as cursor:
        for statement, values, many in statements:
            if statement == "COMMIT":
                conn.commit()
            elif statement.startswith("COPY"):
                types, rows = values
                with cursor.copy(statement) as copy:
                    copy.set_types(types)
                    for row in rows:
                        copy.write_row(row)
            elif many:
                cursor.executemany(statement, values)
            else:
                cursor.execute(statement, values)
