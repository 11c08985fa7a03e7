"""The editor's word about where stories stand: pinned or buried. Never of who belongs to which story."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import EntryId
from aggregator.model.story import Ruling, RulingKind
from aggregator.storage.engine import iter_chunks
from aggregator.storage.schema import rulings


def list_placings(conn: Connection, entry_ids: Collection[EntryId]) -> tuple[Ruling, ...]:
    """Rulings of the kinds pin and bury about any of the entries, oldest first."""
    found: list[tuple[datetime, int, EntryId, RulingKind]] = []
    query = sa.select(rulings).where(rulings.c.kind.in_(("pin", "bury")))
    for some in iter_chunks(sorted(set(entry_ids))):
        rows = conn.execute(query.where(rulings.c.entry_id.in_(some)))
        found += [(row.made_at, row.id, EntryId(row.entry_id), row.kind) for row in rows]
    return tuple(Ruling(kind=kind, entry_id=entry_id) for _, _, entry_id, kind in sorted(found))
