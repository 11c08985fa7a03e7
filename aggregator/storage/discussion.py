"""How much entries are discussed, kept up with what feeds tell. Never counts as an edit: no version, no new date."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import EntryId
from aggregator.storage.bulk import update_columns
from aggregator.storage.engine import iter_chunks
from aggregator.storage.locks import lock_entries
from aggregator.storage.schema import entries, stories

#: By so much a number must differ from the one that its story was scored with before that is done anew.
MOVED = 0.2


def save_counts(conn: Connection, counts: Mapping[EntryId, int]) -> int:
    """Write those of ``counts`` (entry -> comments or points) that are not what is stored; how many.

    The score of a story is forgotten only when its most discussed entry has moved by a fifth: most looks at a feed
    bring a few comments more.
    """
    lock_entries(conn)  # nor do they come to another story meanwhile
    written = 0
    told: set[int] = set()
    for some in iter_chunks(sorted(counts)):
        query = sa.select(entries.c.id, entries.c.discussion, entries.c.story_id).where(entries.c.id.in_(some))
        moved = [row for row in conn.execute(query.order_by(entries.c.id)) if row.discussion != counts[EntryId(row.id)]]
        new = [counts[EntryId(row.id)] for row in moved]
        update_columns(conn, entries.c.id, [row.id for row in moved], {"discussion": new})
        told |= {row.story_id for row in moved if row.story_id}
        written += len(moved)
    for part in iter_chunks(sorted(told)):
        largest = sa.func.max(entries.c.discussion).label("talk")
        talked = sa.select(entries.c.story_id, largest).where(entries.c.story_id.in_(part))
        now = {row.story_id: row.talk or 0 for row in conn.execute(talked.group_by(entries.c.story_id))}
        scored = conn.execute(sa.select(stories.c.id, stories.c.reasons).where(stories.c.id.in_(part)))
        stale = [number for number, reasons in scored if _has_moved(_find_scored(reasons), now[number])]
        conn.execute(sa.update(stories).where(stories.c.id.in_(stale)).values(score=None))
    return written


def _find_scored(reasons: list[list[object]]) -> int:
    """The number that the story was scored with; 0: none."""
    return next((int(str(value)) for name, value, _ in reasons if name == "discussion"), 0)


def _has_moved(scored: int, now: int) -> bool:
    return abs(now - scored) >= max(1.0, MOVED * scored)
