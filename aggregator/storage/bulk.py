"""Many new rows at once, as fast as a driver can take them. Never updates, never resolves a conflict.

SQLite: one `executemany`; PostgreSQL: COPY in its binary form. Values are written column by column, past SQLAlchemy's
way for single statements, and come back as if they had gone that way (a test holds both against each other).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC as STANDARD_UTC
from datetime import datetime, timedelta
from json.encoder import encode_basestring
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from aggregator.storage.engine import UTC, Opaque, encode_json, write_instant

#: PostgreSQL's names of what the columns hold in its binary form. JSON arrives as text, an instant as a number.
_BINARY_TYPES: Mapping[type, str] = {
    UTC: "int8",
    Opaque: "bytea",
    sa.BigInteger: "int8",
    sa.Boolean: "bool",
    sa.Double: "float8",
    sa.Integer: "int4",
    sa.JSON: "text",
    sa.LargeBinary: "bytea",
    sa.Text: "text",
}
#: PostgreSQL counts microseconds from here.
_EPOCH = datetime(2000, 1, 1, tzinfo=STANDARD_UTC)
_MICROSECOND = timedelta(microseconds=1)


def insert_rows(conn: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert many new rows, all with the same columns. A conflict is an error.

    Values are bound as the table's types say, but defaults of columns that are left out are the database's own.
    """
    if rows:
        insert_columns(conn, table, {name: list(map(itemgetter(name), rows)) for name in rows[0]})


def insert_columns(conn: Connection, table: sa.Table, values: Mapping[str, Sequence[Any]]) -> None:
    """`insert_rows`, of rows that are given as columns: all of one length, the first of each makes the first row."""
    on_sqlite = conn.dialect.name == "sqlite"
    instants: dict[Any, Any] = _Texts() if on_sqlite else _Numbers()
    bound = [_bind(table.c[name].type, some, instants, on_sqlite) for name, some in values.items()]
    rows = list(zip(*bound, strict=True))
    if not rows:
        return
    columns = ", ".join(f'"{name}"' for name in values)
    if on_sqlite:
        marks = ", ".join("?" * len(values))
        conn.exec_driver_sql(f'INSERT INTO "{table.name}" ({columns}) VALUES ({marks})', rows)
    else:
        types = [_BINARY_TYPES[type(table.c[name].type)] for name in values]
        copy_rows(conn, f'COPY "{table.name}" ({columns}) FROM STDIN (FORMAT BINARY)', types, rows)


def update_columns(
    conn: Connection, key: sa.Column[Any], keys: Sequence[Any], values: Mapping[str, Sequence[Any]]
) -> None:
    """Set the first of each column in the row whose ``key`` is the first of ``keys``, and so on."""
    bound = [sa.bindparam(f"new_{name}", type_=key.table.c[name].type) for name in values]
    statement = sa.update(key.table).where(key == sa.bindparam("old_key", type_=key.type))
    names = ["old_key", *(f"new_{name}" for name in values)]
    rows = [dict(zip(names, row, strict=True)) for row in zip(keys, *values.values(), strict=True)]
    if rows:
        conn.execute(statement.values(dict(zip(values, bound, strict=True))), rows)


def find_texts(conn: Connection, column: sa.Column[str], values: Sequence[str]) -> set[str]:
    """Those of ``values`` that some row has in ``column``: SQLAlchemy is slow at long lists."""
    chosen = f'SELECT "{column.name}" FROM "{column.table.description}" WHERE "{column.name}"'
    if conn.dialect.name == "sqlite":
        marks = ", ".join("?" * len(values))
        return set(conn.exec_driver_sql(f"{chosen} IN ({marks})", tuple(values)).scalars())
    return set(conn.exec_driver_sql(f"{chosen} = ANY(%s)", (list(values),)).scalars())


class _Texts(dict[Any, Any]):
    """Instants as SQLite's texts, each written once: most rows of one call share theirs."""

    def __missing__(self, value: datetime | None) -> str | None:
        self[value] = text = write_instant(value)
        return text


class _Numbers(dict[Any, Any]):
    """Instants as PostgreSQL's numbers."""

    def __missing__(self, value: datetime | None) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} is naive: only aware instants are stored")
        self[value] = number = (value - _EPOCH) // _MICROSECOND
        return number


def _bind(
    type_: sa.types.TypeEngine[Any], values: Sequence[Any], instants: Mapping[Any, Any], on_sqlite: bool
) -> Iterable[Any]:
    bind: Callable[[Any], Any]
    if isinstance(type_, UTC):
        bind = instants.__getitem__
    elif isinstance(type_, sa.JSON):
        bind = _write_or_null if type_.none_as_null else _write_json
    elif isinstance(type_, Opaque):
        bind = _write_header
    elif isinstance(type_, sa.Boolean) and on_sqlite:
        bind = _write_truth
    else:
        return values
    return map(bind, values)


def _write_json(value: Any) -> str:
    """As `encode_json`; a list of texts, which most are, by a shorter way."""
    if not value and isinstance(value, (list, tuple)):
        return "[]"
    if isinstance(value, (list, tuple)):
        try:
            return f"[{','.join(map(encode_basestring, value))}]"
        except TypeError:  # not texts
            pass
    return encode_json(value)


def _write_or_null(value: Any) -> str | None:
    return None if value is None else _write_json(value)


def _write_header(value: str | None) -> bytes | None:
    return None if value is None else value.encode("utf-8", "surrogateescape")


def _write_truth(value: bool | None) -> int | None:
    return None if value is None else int(value)


def copy_rows(conn: Connection, statement: str, types: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """COPY ``rows`` in the binary form; a refusal is raised as SQLAlchemy would have raised it."""
    driver = conn.connection.driver_connection
    assert driver is not None  # a transaction is open
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)
    except conn.dialect.loaded_dbapi.Error as error:
        raise DBAPIError.instance(statement, None, error, type(error), dialect=conn.dialect) from error
