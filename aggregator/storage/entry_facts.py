"""What is stored of one entry beside what lists show: how it is known, how often it was edited. Never writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import EntryId
from aggregator.storage.schema import entries, entry_changes


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFacts:
    """For who asks why an entry is what it is."""

    #: What it is told from the others of its feed by.
    key: str
    content_hash: str
    #: When what it says was written last.
    changed_at: datetime
    #: Its edits, since when they are counted.
    edits: int
    edits_since: datetime | None
    #: Of its feed's first import, and no part of its newest: no front page, no mail.
    backlog: bool
    #: Whether it still waits for its tags and the rules.
    waits: bool


def get_facts(conn: Connection, entry_id: EntryId) -> EntryFacts | None:
    """None: there is no such entry."""
    names = ("key", "content_hash", "changed_at", "edits", "edits_since", "backlog")
    waits = sa.exists().where(entry_changes.c.entry_id == entries.c.id).label("waits")
    query = sa.select(*(entries.c[name] for name in names), waits).where(entries.c.id == entry_id)
    row = conn.execute(query).mappings().first()
    return None if row is None else EntryFacts(**row)
