"""Rows for every table, made from the schema: a table or column that is added later is filled without a word here.

Values are of the kinds that get lost on the way from one database to another. Never keeps the rules between tables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.storage.bulk import insert_rows
from aggregator.storage.copying import TABLES
from aggregator.storage.engine import UTC, Opaque
from tests.storage.samples import NOW

_TEXTS = ("", "plain", "新しい業界 ", "Zwölf 'quoted' \"ones\"\n", "\U0001f600 \\ \u2028 \t", "%s :name \x7f")
_JSON: tuple[Any, ...] = ([], {}, ["a", "業界"], {"b": [1, 1.5, None, True], "a": {"ä": "\u2028"}}, ["\\", 2**53, 1e-9])


def fill_empty_tables(conn: Connection, count: int) -> None:
    """``count`` rows into each table that has none, or as many as there is something to point to."""
    for table in TABLES:
        if not conn.execute(sa.select(sa.exists().select_from(table))).scalar():
            keys = _list_keys(conn, table)
            rows = [{c.name: _make(c, number, keys) for c in table.columns} for number in range(1, count + 1)]
            unique = {tuple(row[c.name] for c in table.primary_key): row for row in rows}
            insert_rows(conn, table, list(unique.values()))


def list_empty_tables(conn: Connection) -> list[str]:
    return [t.name for t in TABLES if not conn.execute(sa.select(sa.exists().select_from(t))).scalar()]


def _list_keys(conn: Connection, table: sa.Table) -> Mapping[str, Sequence[Any]]:
    """What each column may point to."""
    return {
        key.parent.name: conn.execute(sa.select(key.column).order_by(key.column)).scalars().all()
        for key in table.foreign_keys
        if key.column.table is not table
    }


def _make(column: sa.Column[Any], number: int, keys: Mapping[str, Sequence[Any]]) -> Any:
    """Of row ``number``; an optional one is missing in every third."""
    if column.nullable and number % 3 == 0:
        return None
    if column.name in keys:
        return keys[column.name][number % len(keys[column.name])]
    if column.foreign_keys:
        return 1 + number % 2  # a row of its own table
    words = _find_words(column)
    return words[number % len(words)] if words else _make_value(column, number)


def _find_words(column: sa.Column[Any]) -> list[str]:
    """Those that its constraint allows; none: any."""
    for constraint in column.table.constraints:
        if isinstance(constraint, sa.CheckConstraint) and str(constraint.sqltext).startswith(f"{column.name} IN "):
            return re.findall(r"'([^']*)'", str(constraint.sqltext))
    return []


def _make_value(column: sa.Column[Any], number: int) -> Any:
    kind = column.type
    if isinstance(kind, UTC):
        return NOW + timedelta(microseconds=number * 1_234_567)
    if isinstance(kind, Opaque):
        return f'"{number}\udcff"'
    if isinstance(kind, sa.LargeBinary):
        return blake2b(str(number).encode()).digest()
    if isinstance(kind, sa.JSON):
        return _JSON[number % len(_JSON)]
    if isinstance(kind, sa.Boolean):
        return number % 2 == 0
    if isinstance(kind, sa.Double):
        return number / 7
    if isinstance(kind, sa.Integer):
        return number
    return f"{_TEXTS[number % len(_TEXTS)]}{number}"
