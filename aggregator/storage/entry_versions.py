"""What entries said before their edits, a bounded few of each. Never compares them, never decides what an edit is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.entry import EntryVersion
from aggregator.model.ids import EntryId
from aggregator.storage.engine import iter_chunks
from aggregator.storage.packing import unpack_parsed
from aggregator.storage.schema import contents, entries, entry_versions

#: Earlier versions kept of one entry: its first, and the newest of the others.
MAX_VERSIONS = 10


def keep_versions(conn: Connection, ids: Sequence[int], *, now: datetime) -> None:
    """Put what these entries say now aside, because it is about to be written over."""
    for some in iter_chunks(sorted(ids)):
        said = (
            sa.select(
                entries.c.id,
                sa.literal(now, entry_versions.c.replaced_at.type),
                entries.c.content_hash,
                contents.c.parsed,
            )
            .join_from(entries, contents)
            .where(entries.c.id.in_(some))
            .order_by(entries.c.id)
        )
        names = ["entry_id", "replaced_at", "content_hash", "parsed"]
        conn.execute(sa.insert(entry_versions).from_select(names, said))
        _drop_surplus(conn, some)


def _drop_surplus(conn: Connection, ids: Sequence[int]) -> None:
    number, entry_id = entry_versions.c.id, entry_versions.c.entry_id
    placed = (
        sa.select(
            number,
            sa.func.row_number().over(partition_by=entry_id, order_by=number.desc()).label("from_newest"),
            sa.func.min(number).over(partition_by=entry_id).label("first"),
        )
        .where(entry_id.in_(ids))
        .subquery()
    )
    surplus = sa.select(placed.c.id).where(placed.c.from_newest >= MAX_VERSIONS, placed.c.id != placed.c.first)
    conn.execute(sa.delete(entry_versions).where(number.in_(surplus)))


def list_versions(conn: Connection, entry_id: EntryId) -> tuple[EntryVersion, ...]:
    """What an entry said before, the oldest first; what it says now is not among them (`entries.get_parsed`).

    At most `MAX_VERSIONS`: where others were dropped, they stood between the first and the second.
    """
    query = sa.select(entry_versions).where(entry_versions.c.entry_id == entry_id).order_by(entry_versions.c.id)
    return tuple(
        EntryVersion(
            replaced_at=row["replaced_at"], content_hash=row["content_hash"], parsed=unpack_parsed(row["parsed"])
        )
        for row in conn.execute(query).mappings()
    )
