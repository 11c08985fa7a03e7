"""Vectors of what entries mean, one to an entry. Never makes or compares them (`pipeline.meaning`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import EntryId
from aggregator.storage.bulk import insert_rows
from aggregator.storage.engine import iter_chunks
from aggregator.storage.schema import entries, meanings


def find_missing(conn: Connection, *, limit: int) -> tuple[tuple[EntryId, str, str], ...]:
    """(id, title, language) of up to ``limit`` entries that have no vector and no story yet, the newest first."""
    query = (
        sa.select(entries.c.id, entries.c.title, entries.c.language)
        .join_from(entries, meanings, meanings.c.entry_id == entries.c.id, isouter=True)
        .where(entries.c.story_id.is_(None), meanings.c.entry_id.is_(None))
        .order_by(entries.c.effective_at.desc(), entries.c.id.desc())
        .limit(limit)
    )
    return tuple((EntryId(number), title, language) for number, title, language in conn.execute(query))


def save(conn: Connection, vectors: Mapping[EntryId, bytes]) -> None:
    """Write vectors in place of those that the entries have; ids of no entry are passed over."""
    for some in iter_chunks(sorted(vectors)):
        conn.execute(sa.delete(meanings).where(meanings.c.entry_id.in_(some)))
        known = set(conn.execute(sa.select(entries.c.id).where(entries.c.id.in_(some))).scalars())
        insert_rows(
            conn, meanings, [{"entry_id": number, "vector": vectors[number]} for number in some if number in known]
        )


def get_vectors(conn: Connection, ids: Collection[EntryId]) -> dict[EntryId, bytes]:
    """Those of ``ids`` that have one."""
    found: dict[EntryId, bytes] = {}
    for some in iter_chunks(sorted(ids)):
        query = sa.select(meanings.c.entry_id, meanings.c.vector).where(meanings.c.entry_id.in_(some))
        found |= {EntryId(number): bytes(vector) for number, vector in conn.execute(query)}
    return found
