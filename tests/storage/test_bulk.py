"""Rows in bulk: what they leave in the database is what SQLAlchemy's own way would have left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from aggregator.errors import StorageError
from aggregator.storage.bulk import find_texts, insert_columns, insert_rows, update_columns
from aggregator.storage.engine import Database
from aggregator.storage.schema import feeds, fetch_log, metadata
from aggregator.storage.schema import meta as meta_table
from tests.storage.samples import NOW, ensure_feed

#: What each type of column has to carry, by what is odd about it.
VALUES: dict[str, list[Any]] = {
    "UTC": [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=timezone(timedelta(hours=9, minutes=30))),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
    "Opaque": ["", "plain", 'W/"\udcff\udc80"'],
    "BigInteger": [0, -1, 2**63 - 1],
    "Boolean": [True, False],
    "Double": [0.0, -1.5, 1, 1e300],
    "Integer": [0, -1, 2**31 - 1],
    "JSON": [[], {}, None, ["a", 'ä"\\\t\n\x01'], [["a", "b", None]], [1, True], {"a": ["b"]}, "text", ["a", 1]],
    "LargeBinary": [b"", b"\x00\xff\\x"],
    "Text": ["", "\\N", 'ä\t\r\n"\\', "𝄞"],
}


def test_every_type_of_the_schema_can_go_in_by_bulk() -> None:
    used = {type(column.type).__name__ for table in metadata.tables.values() for column in table.columns}

    assert used <= set(VALUES)


@pytest.mark.parametrize("name", sorted(VALUES))
def test_a_value_goes_in_by_bulk_as_it_goes_in_singly(db: Database, name: str) -> None:
    """Read back as text too, so that neither the form of an instant nor that of JSON differs."""
    type_ = next(
        column.type
        for table in metadata.tables.values()
        for column in table.columns
        if type(column.type).__name__ == name
    )
    table = sa.Table("tried", sa.MetaData(), sa.Column("id", sa.Integer), sa.Column("value", type_, nullable=True))
    count = len(VALUES[name])
    with db.write() as conn:
        table.create(conn)
        for number, value in enumerate(VALUES[name]):
            conn.execute(sa.insert(table).values(id=number, value=value))
        insert_columns(conn, table, {"id": range(count), "value": VALUES[name]})
        update = [*VALUES[name][1:], VALUES[name][0]]
        read = sa.select(table.c.value).order_by(table.c.id)
        written = sa.select(sa.cast(sa.type_coerce(table.c.value, sa.Text), sa.Text)).order_by(table.c.id)
        if name in ("Opaque", "LargeBinary"):
            written = read
        values, texts = conn.execute(read).scalars().all(), conn.execute(written).scalars().all()
        update_columns(conn, table.c.id, range(count), {"value": update})
        updated = conn.execute(read).scalars().all()
        table.drop(conn)

    assert values[::2] == values[1::2] == VALUES[name]
    assert texts[::2] == texts[1::2]
    assert updated[::2] == updated[1::2] == update


def test_rows_in_bulk_come_back_as_they_were_and_a_conflict_is_our_error(db: Database) -> None:
    rows = [{"name": f"n{number}", "value": {"a": ["ä\\\t\n", None, number]}} for number in range(3_000)]
    with db.write() as conn:
        insert_rows(conn, meta_table, rows)
        insert_rows(conn, meta_table, [])
        found = {row.name: row.value for row in conn.execute(sa.select(meta_table))}
    with pytest.raises(StorageError), db.write() as conn:
        insert_rows(conn, meta_table, [{"name": "new", "value": 1}, *rows[:1]])

    assert found == {row["name"]: row["value"] for row in rows}
    with db.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(meta_table)).scalar() == 3_000


def test_a_naive_instant_is_refused(db: Database) -> None:
    with pytest.raises(ValueError, match="naive"), db.write() as conn:
        insert_rows(conn, fetch_log, [{"feed_id": ensure_feed(conn), "at": NOW.replace(tzinfo=None)}])


def test_texts_are_found_among_many(db: Database) -> None:
    with db.write() as conn:
        ensure_feed(conn)
        url = conn.execute(sa.select(feeds.c.url)).scalar_one()
        found = find_texts(conn, feeds.c.url, [*(f"no {number}" for number in range(999)), url])

    assert found == {url}
