"""Copies an installation row by row into another database, and compares the two. Never writes to the source.

The search index is not copied: it is made of the other rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import zip_longest
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError

from aggregator.errors import UsageError
from aggregator.storage import meta as facts
from aggregator.storage import migrate
from aggregator.storage.bulk import insert_rows, update_columns
from aggregator.storage.engine import CHUNK, Database, Opaque
from aggregator.storage.feed_rows import storable
from aggregator.storage.schema import meta, metadata, search_entries

#: Where the copy stands, among the facts of the target until it is whole.
MARK = "copying"
#: Made anew at the target.
DERIVED = frozenset({search_entries.name})
#: What is copied, each table behind those it points to.
TABLES: tuple[sa.Table, ...] = tuple(table for table in metadata.sorted_tables if table.name not in DERIVED)


def refuse_places(source_url: str, target_url: str) -> None:
    """Raises `UsageError` for two addresses of one database, and for a file that is not there."""
    try:
        source, target = make_url(source_url), make_url(target_url)
    except (ArgumentError, ValueError):
        raise UsageError("an address cannot be read; expected sqlite:///FILE or postgresql://HOST/NAME") from None
    if source.get_backend_name() == "sqlite" and not Path(source.database or "").is_file():
        raise UsageError(f"{source.database}: no such database")
    if _find_place(source) == _find_place(target):
        raise UsageError("--from and --to are the same database")


def _find_place(url: URL) -> tuple[object, ...]:
    if url.get_backend_name() == "sqlite":
        return (Path(url.database or "").resolve(),)
    return url.host, url.port or 5432, url.database


def prepare_target(source: Connection, target: Database) -> None:
    """Make the schema where there is none. Raises `UsageError` when the target holds anything but a part of this copy.

    Raises `SchemaMismatch` when its schema is another.
    """
    migrate.upgrade(target) if migrate.current(target) == "empty" else migrate.require_current(target)
    name = _name_source(source)
    with target.write() as conn:
        mark = facts.get_value(conn, MARK)
        if mark is not None and mark["source"] == name:
            return
        if mark is not None or any(conn.execute(sa.select(sa.exists().select_from(t))).scalar() for t in TABLES):
            raise UsageError(f"{target.url_text}: holds another installation: name an empty database")
        facts.set_value(conn, MARK, {"source": name, "table": "", "key": []})


def copy_rows(source: Connection, target: Database, *, on_rows: Callable[[int], object]) -> None:
    """Copy what is not there yet, each chunk with the mark in one transaction; ``on_rows`` hears how many went in."""
    with target.read() as conn:
        mark = facts.get_value(conn, MARK)
    names = [table.name for table in TABLES]
    first = names.index(mark["table"]) if mark["table"] else 0
    after: Sequence[Any] | None = mark["key"] if mark["table"] else None
    for table in TABLES[first:]:
        own = [key.parent for key in table.foreign_keys if key.column.table is table]
        with closing(_iter_chunks(source, table, after)) as chunks:
            for rows in chunks:
                stored = [_clean_row(table, row) for row in rows]
                key = [stored[-1][column.name] for column in table.primary_key]
                with target.write() as conn:
                    insert_rows(conn, table, [row | dict.fromkeys((c.name for c in own), None) for row in stored])
                    facts.set_value(conn, MARK, {"source": mark["source"], "table": table.name, "key": key})
                on_rows(len(rows))
        after = None
        for column in own:
            _point_to_own(source, target, table, column)


def finish(source: Connection, target: Database) -> None:
    """New rows get ids that no row ever had, be it gone; and the mark goes."""
    with target.write() as conn:
        for table in TABLES:
            if table.autoincrement_column is not None and (last := _find_last_id(source, table)):
                _set_last_id(conn, table, last)
        conn.execute(sa.delete(meta).where(meta.c.name == MARK))


def _find_last_id(conn: Connection, table: sa.Table) -> int:
    """The highest that was given to a row."""
    highest = conn.execute(sa.select(sa.func.max(table.c.id))).scalar() or 0
    # A role that reads tables only knows the rows that are there.
    query = (
        "SELECT CASE WHEN has_sequence_privilege(numbers, 'SELECT') THEN pg_sequence_last_value(numbers) END"
        " FROM CAST(pg_get_serial_sequence(:name, 'id') AS regclass) AS numbers"
    )
    if conn.dialect.name == "sqlite":
        query = "SELECT seq FROM sqlite_sequence WHERE name = :name"
    return max(highest, conn.execute(sa.text(query), {"name": table.name}).scalar() or 0)


def _set_last_id(conn: Connection, table: sa.Table, last: int) -> None:
    values = {"name": table.name, "last": last}
    if conn.dialect.name == "postgresql":
        conn.execute(sa.text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :last)"), values)
    elif table.dialect_options["sqlite"]["autoincrement"]:
        conn.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :name"), values)
        conn.execute(sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"), values)


def count_rows(conn: Connection) -> dict[str, int]:
    """Rows of each table that is copied."""
    return {t.name: conn.execute(sa.select(sa.func.count()).select_from(t)).scalar_one() for t in TABLES}


def find_difference(source: Connection, target: Connection, table: sa.Table) -> tuple[Any, ...] | None:
    """The first key whose row is not the same in both; None when they are identical."""
    with closing(_iter_digests(source, table)) as first, closing(_iter_digests(target, table)) as second:
        for ours, theirs in zip_longest(first, second):
            if ours != theirs:
                return tuple((ours or theirs)[0])
    return None


def _name_source(conn: Connection) -> str:
    return blake2b(facts.get_identity(conn).signing_key, digest_size=16).hexdigest()


def _order(conn: Connection, table: sa.Table) -> list[sa.ColumnElement[Any]]:
    """The primary key, texts by their bytes on both databases."""
    on_postgresql = conn.dialect.name == "postgresql"
    return [sa.collate(c, "C") if on_postgresql and isinstance(c.type, sa.Text) else c for c in table.primary_key]


def _iter_chunks(
    conn: Connection, table: sa.Table, after: Sequence[Any] | None = None
) -> Generator[Sequence[Mapping[str, Any]], None, None]:
    """In the order of keys, from behind ``after`` on. Read as one: PostgreSQL would sort anew for each chunk."""
    order = _order(conn, table)
    query = sa.select(table).order_by(*order)
    if table is meta:
        query = query.where(meta.c.name != MARK)
    if after is not None:
        query = query.where(sa.tuple_(*order) > sa.tuple_(*map(sa.literal, after)))
    with closing(conn.execute(query, execution_options={"yield_per": CHUNK}).mappings()) as found:
        for rows in found.partitions():
            yield [dict(row) for row in rows]


def _point_to_own(source: Connection, target: Database, table: sa.Table, column: sa.Column[Any]) -> None:
    """What points to rows of its own table, when all of these are there."""
    (key,) = table.primary_key
    for rows in _iter_chunks(source, table):
        chosen = [row for row in rows if row[column.name] is not None]
        with target.write() as conn:
            values = {column.name: [row[column.name] for row in chosen]}
            update_columns(conn, key, [row[key.name] for row in chosen], values)


def _iter_digests(conn: Connection, table: sa.Table) -> Generator[tuple[list[Any], bytes], None, None]:
    with closing(_iter_chunks(conn, table)) as chunks:
        for row in (_clean_row(table, row) for rows in chunks for row in rows):
            plain = [_plain(value) for value in row.values()]
            text = json.dumps(plain, sort_keys=True, ensure_ascii=True)
            yield [row[c.name] for c in table.primary_key], blake2b(text.encode(), digest_size=16).digest()


def _clean_row(table: sa.Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """As PostgreSQL takes it; what is stored as bytes stays as it is."""
    return {n: value if isinstance(table.c[n].type, Opaque) else _clean(value) for n, value in row.items()}


def _clean(value: Any) -> Any:
    """Without what PostgreSQL takes in no text; inside JSON as well."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {_clean(name): _clean(inner) for name, inner in value.items()}
    return [_clean(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).hex()
    return repr(value) if isinstance(value, float) else value
