"""The change table: entries that wait for tags, new ones and those that are to be tagged again. Never tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import EntryId, FeedId
from aggregator.model.tag import TagEvidence
from aggregator.storage import meta
from aggregator.storage.bulk import insert_rows
from aggregator.storage.engine import insert, iter_chunks
from aggregator.storage.locks import lock_entries
from aggregator.storage.schema import entries, entry_changes, entry_tags, stories

#: Under this name `meta` keeps a `MadeWith`.
_MADE_WITH = "taxonomy of tags"


def claim_changes(conn: Connection, limit: int) -> dict[EntryId, datetime]:
    """Up to ``limit`` entries that wait, newest first, and since when: a token for `save_tags`.

    Nothing is locked: two that take the same entries do the same work twice, and nothing is lost.
    """
    query = sa.select(entry_changes.c.entry_id, entry_changes.c.changed_at).order_by(entry_changes.c.entry_id.desc())
    return {EntryId(number): changed_at for number, changed_at in conn.execute(query.limit(limit))}


def save_tags(
    conn: Connection, tags: Mapping[EntryId, Sequence[TagEvidence]], claimed: Mapping[EntryId, datetime] | None = None
) -> int:
    """Put ``tags`` in place of those that the entries bear; how many bear other ones now; their stories lose scores.

    Tags that are the same, evidence included, are not written. ``claimed`` (of `claim_changes`): these wait no longer,
    unless they have changed once more since; with None none of the entries waits any longer. Ids of no entry are
    passed over.
    """
    lock_entries(conn)
    changed = 0
    for some in iter_chunks(sorted(tags)):
        query = sa.select(entries.c.id, entries.c.effective_at).where(entries.c.id.in_(some))
        wanted = {number: list(_iter_rows(number, at, tags[EntryId(number)])) for number, at in conn.execute(query)}
        borne = _get_rows(conn, some)
        others = [number for number, rows in wanted.items() if rows != borne.get(number, [])]
        _replace_rows(conn, others, wanted)
        changed += len(others)
        if claimed is None:
            conn.execute(sa.delete(entry_changes).where(entry_changes.c.entry_id.in_(some)))
        else:
            _forget(conn, [(number, claimed[number]) for number in some if number in claimed])
    return changed


def _get_rows(conn: Connection, ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """What the entries bear, as rows, in order."""
    query = sa.select(entry_tags).where(entry_tags.c.entry_id.in_(ids))
    found: dict[int, list[dict[str, Any]]] = {}
    for row in conn.execute(query.order_by(entry_tags.c.entry_id, entry_tags.c.position)).mappings():
        found.setdefault(row["entry_id"], []).append(dict(row))
    return found


def _replace_rows(conn: Connection, ids: Sequence[int], wanted: Mapping[int, Sequence[dict[str, Any]]]) -> None:
    if ids:
        conn.execute(sa.delete(entry_tags).where(entry_tags.c.entry_id.in_(ids)))
        for some in iter_chunks([row for number in ids for row in wanted[number]]):
            insert_rows(conn, entry_tags, some)
        forget_scores(conn, ids)


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


def note_older(conn: Connection, below: int, limit: int, *, now: datetime) -> int:
    """From now on the ``limit`` highest entries of those below ``below`` wait; the lowest of them, 0: there is none."""
    lock_entries(conn)
    query = sa.select(entries.c.id).where(entries.c.id < below).order_by(entries.c.id.desc()).limit(limit)
    ids = list(conn.scalars(query))
    note_changes(conn, ids, now=now)
    return min(ids, default=0)


def note_feed(conn: Connection, feed_id: FeedId, *, now: datetime) -> None:
    """From now on all entries of a feed wait."""
    lock_entries(conn)
    theirs = sa.select(entries.c.id, sa.literal(now, entry_changes.c.changed_at.type)).where(
        entries.c.feed_id == feed_id
    )
    statement = insert(conn, entry_changes).from_select(["entry_id", "changed_at"], theirs)
    conn.execute(statement.on_conflict_do_update(index_elements=["entry_id"], set_={"changed_at": now}))


def forget_feed_scores(conn: Connection, feed_id: FeedId) -> None:
    """The stories that a feed tells are to be scored anew."""
    told = sa.select(entries.c.story_id).where(entries.c.feed_id == feed_id, entries.c.story_id.is_not(None))
    conn.execute(sa.update(stories).where(stories.c.id.in_(told), stories.c.score.is_not(None)).values(score=None))


def count_older(conn: Connection, below: int) -> int:
    """How many entries have a number less than ``below``."""
    query = sa.select(sa.func.count()).select_from(entries).where(entries.c.id < below)
    return conn.execute(query).scalar_one()


def get_last(conn: Connection) -> int:
    """The highest number of an entry; 0 when there is none."""
    return conn.execute(sa.select(sa.func.max(entries.c.id))).scalar() or 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeWith:
    """Which taxonomy the stored tags were made with."""

    #: Its fingerprint; empty: none, or two of them are mixed.
    taxonomy: str = ""
    #: Entries of numbers less than this are still to be tagged with it; 0: none.
    below: int = 0


def get_made_with(conn: Connection) -> MadeWith:
    """As `set_made_with` was told last."""
    value = meta.get_value(conn, _MADE_WITH) or {}
    return MadeWith(taxonomy=value.get("taxonomy", ""), below=value.get("below", 0))


def set_made_with(conn: Connection, made: MadeWith) -> None:
    """To be called in the transaction that makes it true."""
    lock_entries(conn)
    meta.set_value(conn, _MADE_WITH, {"taxonomy": made.taxonomy, "below": made.below})


def note_taxonomy(conn: Connection, fingerprint: str) -> None:
    """Tags made with this taxonomy are about to be stored; with tags of another beside them they are mixed."""
    if meta.get_value(conn, _MADE_WITH) is None:
        if not has_tags(conn):
            set_made_with(conn, MadeWith(taxonomy=fingerprint))
    elif get_made_with(conn).taxonomy not in (fingerprint, ""):
        set_made_with(conn, MadeWith())


def has_tags(conn: Connection) -> bool:
    """Whether any entry bears a tag."""
    return conn.execute(sa.select(entry_tags.c.entry_id).limit(1)).first() is not None


def _iter_rows(number: int, effective_at: datetime, tags: Sequence[TagEvidence]) -> Iterator[dict[str, Any]]:
    for position, tag in enumerate(tags):
        yield {
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
