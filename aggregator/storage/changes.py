"""The change table: entries that were stored without tags and wait for them. Never tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import EntryId
from aggregator.model.tag import TagEvidence
from aggregator.storage.bulk import insert_rows
from aggregator.storage.engine import insert, iter_chunks
from aggregator.storage.schema import entries, entry_changes, entry_tags, stories


def claim_changes(conn: Connection, limit: int) -> dict[EntryId, datetime]:
    """Up to ``limit`` entries that wait, lowest id first, and since when: a token for `save_tags`.

    Nothing is locked: two that take the same entries do the same work twice, and nothing is lost.
    """
    query = sa.select(entry_changes.c.entry_id, entry_changes.c.changed_at).order_by(entry_changes.c.entry_id)
    return {EntryId(number): changed_at for number, changed_at in conn.execute(query.limit(limit))}


def save_tags(
    conn: Connection, tags: Mapping[EntryId, Sequence[TagEvidence]], claimed: Mapping[EntryId, datetime] | None = None
) -> None:
    """Put ``tags`` in place of those that the entries bear; their stories are to be scored anew.

    ``claimed`` (of `claim_changes`): these wait no longer, unless they have changed once more since; with None none of
    the entries waits any longer. Ids of no entry are passed over.
    """
    for some in iter_chunks(sorted(tags)):
        query = sa.select(entries.c.id, entries.c.effective_at).where(entries.c.id.in_(some))
        dated = conn.execute(query).all()
        conn.execute(sa.delete(entry_tags).where(entry_tags.c.entry_id.in_(some)))
        insert_tags(conn, ((number, effective_at, tags[EntryId(number)]) for number, effective_at in dated))
        forget_scores(conn, some)
        if claimed is None:
            conn.execute(sa.delete(entry_changes).where(entry_changes.c.entry_id.in_(some)))
        else:
            _forget(conn, [(number, claimed[number]) for number in some if number in claimed])


def _forget(conn: Connection, claimed: Sequence[tuple[EntryId, datetime]]) -> None:
    same = (
        entry_changes.c.entry_id == sa.bindparam("done_id"),
        entry_changes.c.changed_at == sa.bindparam("done_at", type_=entry_changes.c.changed_at.type),
    )
    if claimed:
        rows = [{"done_id": number, "done_at": changed_at} for number, changed_at in claimed]
        conn.execute(sa.delete(entry_changes).where(*same), rows)


def forget_scores(conn: Connection, ids: Sequence[int]) -> None:
    """The stories of these entries, a chunk of them, are to be scored anew."""
    told = sa.select(entries.c.story_id).where(entries.c.id.in_(ids), entries.c.story_id.is_not(None))
    conn.execute(sa.update(stories).where(stories.c.id.in_(told)).values(score=None))


def find_lag(conn: Connection, now: datetime) -> tuple[int, float]:
    """How many entries wait for their tags, and for how many seconds the one that waits longest has."""
    query = sa.select(sa.func.count(), sa.func.min(entry_changes.c.changed_at)).select_from(entry_changes)
    waiting, oldest = conn.execute(query).one()
    return waiting, max(0.0, (now - oldest).total_seconds()) if waiting else 0.0


def note_changes(conn: Connection, ids: Sequence[int], *, now: datetime) -> None:
    """From now on these entries wait, if they do not already."""
    statement = insert(conn, entry_changes)
    later = statement.on_conflict_do_update(
        index_elements=["entry_id"], set_={"changed_at": statement.excluded.changed_at}
    )
    for some in iter_chunks(ids):
        conn.execute(later, [{"entry_id": number, "changed_at": now} for number in some])


def insert_tags(conn: Connection, tagged: Iterable[tuple[int, datetime, Sequence[TagEvidence]]]) -> None:
    """Write the tags of entries that bear none: (id, the entry's effective date, its tags)."""
    rows: list[dict[str, Any]] = [
        {
            "entry_id": number,
            "position": position,
            "slug": tag.slug,
            "kind": tag.kind,
            "field": tag.field,
            "found": tag.found,
            "rule": tag.rule,
            "count": tag.count,
            "effective_at": effective_at,
        }
        for number, effective_at, tags in tagged
        for position, tag in enumerate(tags)
    ]
    for some in iter_chunks(rows):
        insert_rows(conn, entry_tags, some)
