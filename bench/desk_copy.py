"""Copies the rows of a PostgreSQL database into a file of SQLite, without asking twice. Not a benchmark.

The program's own `db copy` compares every row and can be broken off; this one cannot, and takes minutes, not an hour.
Indexes are made at the end. SQLite gets no statistics (ANALYZE): the program never makes any.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from size_rows import INDEXED

from aggregator.pipeline.query import make_words
from aggregator.storage.copying import TABLES
from aggregator.storage.engine import UTC
from aggregator.storage.schema import INDEX_NAME, meta, search_entries

_ROWS = 10_000


def copy_database(url: str, path: Path) -> None:
    """``path``: a database that was migrated, and is empty but for `meta`."""
    with closing(sqlite3.connect(path, isolation_level=None)) as target, psycopg.connect(url) as source:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "foreign_keys = OFF", "cache_size = -1000000"):
            target.execute(f"PRAGMA {pragma}")
        indexes = target.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql <> ''").fetchall()
        for name, _ in indexes:
            target.execute(f'DROP INDEX "{name}"')
        for table in (*TABLES, search_entries):
            if table is not meta:
                _copy_table(source, target, table)
        _write_words(source, target)
        for _, definition in indexes:
            target.execute(definition)
        target.execute("PRAGMA journal_mode = WAL")


def _copy_table(source: psycopg.Connection[Any], target: sqlite3.Connection, table: sa.Table) -> None:
    began, count = time.monotonic(), 0
    columns = ", ".join(_read_column(column) for column in table.columns)
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    order = ", ".join(column.name for column in table.primary_key)
    marks = ", ".join("?" * len(table.columns))
    target.execute("BEGIN")
    for rows in _iter_rows(source, f"SELECT {columns} FROM {table.name} ORDER BY {order}"):
        target.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", rows)
        count += len(rows)
    target.execute("COMMIT")
    if (took := time.monotonic() - began) > 2:
        print(f"  sqlite: {table.name}: {count:,} in {took:.0f} s", file=sys.stderr, flush=True)


def _read_column(column: sa.Column[Any]) -> str:
    """As SQLite has it."""
    name = f'"{column.name}"'
    if isinstance(column.type, UTC):
        return f"to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
    if isinstance(column.type, sa.JSON):
        return f"{name}::text"
    return f"{name}::int" if isinstance(column.type, sa.Boolean) else name


def _iter_rows(source: psycopg.Connection[Any], query: str) -> Iterator[list[tuple[Any, ...]]]:
    with psycopg.ServerCursor(source, "rows") as cursor:
        cursor.execute(query.encode())
        while rows := cursor.fetchmany(_ROWS):
            yield rows


def _write_words(source: psycopg.Connection[Any], target: sqlite3.Connection) -> None:
    """The search index, in the order of its keys. Titles are those of a few thousand texts, and a word behind each."""
    began = time.monotonic()
    known: dict[tuple[str, str], str] = {}
    query = """SELECT s.key, title, excerpt, language FROM search_entries s JOIN entries ON entries.id = entry_id
        ORDER BY key"""
    target.execute("BEGIN")
    for rows in _iter_rows(source, query):
        found = [(key, _find_words(known, *said)) for key, *said in rows]
        target.executemany(f"INSERT INTO {INDEX_NAME}(rowid, words) VALUES (?, ?)", found)
    target.execute("COMMIT")
    print(f"  sqlite: words in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def _find_words(known: dict[tuple[str, str], str], title: str, excerpt: str, language: str) -> str:
    said, _, last = title.rpartition(" ")
    if (said, excerpt) not in known:
        known[said, excerpt] = make_words(title=said, author="", excerpt="", text=excerpt[:INDEXED], language=language)
    return f"{last} {known[said, excerpt]}"
