"""Stored entries whose cleaned parts are older than our policy: finds them and writes the new parts. Never cleans.

How far a renewal has come is kept beside the entries, so that a kill costs a chunk, and none is looked for twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.entry import CleanEntry, IdentifiedEntry
from aggregator.model.ids import EntryId, FeedId
from aggregator.storage import meta
from aggregator.storage.bulk import update_columns
from aggregator.storage.changes import forget_scores, note_changes
from aggregator.storage.engine import iter_chunks
from aggregator.storage.entry_rows import content_columns, said_columns
from aggregator.storage.locks import lock_entries
from aggregator.storage.packing import unpack_parsed
from aggregator.storage.schema import contents, entries

#: Under this name `meta` keeps a `CleanedBy`.
_CLEANED_BY = "policy of cleaning"
#: What follows from the publisher's words alone stays as it is: only what we make of them is written.
_KEPT = frozenset({"content_hash", "guid", "published_at", "updated_at", "discussion", "changed_at"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanedBy:
    """Which policy the stored entries are cleaned by."""

    #: 0: not known.
    policy: int = 0
    #: Entries of numbers less than this may still be cleaned by an older one; 0: none is.
    below: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """A stored entry as its publisher said it."""

    id: EntryId
    feed_id: FeedId
    item: IdentifiedEntry


def get_cleaned_by(conn: Connection) -> CleanedBy:
    """As `set_cleaned_by` was told last."""
    value = meta.get_value(conn, _CLEANED_BY) or {}
    return CleanedBy(policy=value.get("policy", 0), below=value.get("below", 0))


def set_cleaned_by(conn: Connection, cleaned: CleanedBy) -> None:
    """To be called in the transaction that makes it true."""
    meta.set_value(conn, _CLEANED_BY, {"policy": cleaned.policy, "below": cleaned.below})


def count_stale(conn: Connection, cleaned: CleanedBy) -> int:
    """How many entries are still to be cleaned by this policy. Looks at each one."""
    if not cleaned.below:
        return 0
    query = sa.select(sa.func.count()).select_from(contents).where(*_is_stale(cleaned))
    return conn.execute(query).scalar_one()


def list_stale(conn: Connection, cleaned: CleanedBy, limit: int) -> tuple[Stale, ...]:
    """The ``limit`` newest of them, newest first."""
    query = (
        sa.select(entries.c.id, entries.c.feed_id, entries.c.key, entries.c.content_hash, contents.c.parsed)
        .join_from(contents, entries)
        .where(*_is_stale(cleaned))
        .order_by(contents.c.entry_id.desc())
        .limit(limit)
    )
    return tuple(
        Stale(
            id=EntryId(row.id),
            feed_id=FeedId(row.feed_id),
            item=IdentifiedEntry(key=row.key, content_hash=row.content_hash, parsed=unpack_parsed(row.parsed)),
        )
        for row in conn.execute(query)
    )


def _is_stale(cleaned: CleanedBy) -> tuple[sa.ColumnElement[bool], ...]:
    return contents.c.entry_id < cleaned.below, contents.c.policy_version < cleaned.policy


def save_cleaned(conn: Connection, cleaned: Mapping[EntryId, CleanEntry], *, now: datetime) -> int:
    """Write what we make of these entries now; how many are shown otherwise than before.

    An entry that its publisher has edited since it was read is passed over: it has been cleaned by the new policy.
    Dates, keys and what the publisher said stay, and so does the date of change: nothing was said anew. What is shown
    otherwise waits for tags again (`storage.changes`).
    """
    lock_entries(conn)  # no edit comes between what is read and what is written
    changed = 0
    for some in iter_chunks(sorted(cleaned)):
        query = sa.select(*_SHOWN, contents.c.content_html).join_from(entries, contents).where(entries.c.id.in_(some))
        stored = {row.id: row for row in conn.execute(query)}
        same = [number for number in some if number in stored and _says(stored[number], cleaned[EntryId(number)])]
        if not same:
            continue
        said = [cleaned[EntryId(number)] for number in same]
        columns = said_columns(said, now)
        update_columns(conn, entries.c.id, same, {name: columns[name] for name in columns if name not in _KEPT})
        content = content_columns(same, said)
        update_columns(
            conn, contents.c.entry_id, same, {name: content[name] for name in ("policy_version", "content_html")}
        )
        others = [number for number in same if _shows_otherwise(stored[number], cleaned[EntryId(number)])]
        forget_scores(conn, others)
        note_changes(conn, others, now=now)
        changed += len(others)
    return changed


_TEXTS = ("url", "canonical_url", "title", "author", "language", "excerpt", "reading_minutes")
_SHOWN = tuple(entries.c[name] for name in ("id", "content_hash", *_TEXTS, "categories", "enclosures"))


def _says(row: Any, entry: CleanEntry) -> bool:
    return bool(row.content_hash == entry.content_hash)


def _shows_otherwise(row: Any, entry: CleanEntry) -> bool:
    if any(getattr(row, name) != getattr(entry, name) for name in (*_TEXTS, "content_html")):
        return True
    enclosures = [(part.url, part.type, part.length) for part in entry.enclosures]
    return tuple(row.categories) != tuple(entry.categories) or list(map(tuple, row.enclosures)) != enclosures
