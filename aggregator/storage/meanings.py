"""Vectors of what entries mean, one to an entry. Never makes or compares them (`pipeline.meaning`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import EntryId
from aggregator.storage.engine import insert, iter_chunks
from aggregator.storage.schema import entries, meanings


def find_missing(
    conn: Connection, *, limit: int, above: int = 0, since: datetime | None = None
) -> tuple[tuple[EntryId, str, str], ...]:
    """(id, title, language) of up to ``limit`` entries that have no vector, by their numbers from above ``above``.

    Of those that have no story yet; with ``since`` of all from then on.
    """
    asked = entries.c.story_id.is_(None) if since is None else entries.c.effective_at >= since
    query = (
        sa.select(entries.c.id, entries.c.title, entries.c.language)
        .join_from(entries, meanings, meanings.c.entry_id == entries.c.id, isouter=True)
        .where(asked, meanings.c.entry_id.is_(None), entries.c.id > above)
        .order_by(entries.c.id)
        .limit(limit)
    )
    return tuple((EntryId(number), title, language) for number, title, language in conn.execute(query))


def save(conn: Connection, vectors: Mapping[EntryId, bytes]) -> None:
    """Write vectors, also beside another process that writes the same; ids of no entry are passed over."""
    statement = insert(conn, meanings)
    statement = statement.on_conflict_do_update(index_elements=["entry_id"], set_={"vector": statement.excluded.vector})
    for some in iter_chunks(sorted(vectors)):
        known = set(conn.execute(sa.select(entries.c.id).where(entries.c.id.in_(some))).scalars())
        if known:
            conn.execute(
                statement, [{"entry_id": number, "vector": vectors[EntryId(number)]} for number in sorted(known)]
            )
