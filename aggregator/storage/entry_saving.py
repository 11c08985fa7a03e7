"""Writes entries with their content, in bulk, and chooses the `atom:id` of new ones. Never reads a feed, never tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from aggregator.errors import StorageError
from aggregator.model.entry import CleanEntry, EntryChange
from aggregator.model.ids import EntryId
from aggregator.storage.bulk import find_texts, insert_columns, update_columns
from aggregator.storage.changes import forget_scores, note_changes
from aggregator.storage.engine import iter_chunks, reserve_ids
from aggregator.storage.entry_rows import (
    can_be_atom_id,
    content_columns,
    find_unstorable,
    hash_base,
    hash_key,
    said_columns,
)
from aggregator.storage.entry_versions import keep_versions
from aggregator.storage.locks import lock_entries
from aggregator.storage.meta import Identity
from aggregator.storage.schema import contents, entries, entry_changes, stories

#: So many edits of one entry are written within `EDIT_WINDOW`; the next ones not before it ends.
MAX_EDITS = 24
EDIT_WINDOW = timedelta(hours=24)

#: What a stored entry is found by: its feed and the hash of its key.
Place = tuple[int, bytes]


def save(conn: Connection, changes: Sequence[EntryChange], *, now: datetime, identity: Identity) -> tuple[EntryId, ...]:
    """Write new and changed entries; the ids of those whose change was *not* written for want of edits.

    A changed one keeps its dates of arrival, ``atom_id``, backlog and story. It takes the key that the change bears,
    unless another entry of the feed has it. A new one whose key another process stored in the meantime becomes a
    change of that. What a changed one said before is kept (`entry_versions`).

    Edits are capped, because some texts hold the time of day: of one entry at most `MAX_EDITS` with another content
    hash are written within `EDIT_WINDOW` of the first of them, whatever they change; later ones are left out, and the
    first to come after the window is written again. So versions, tags and scores stay bounded in number and in work.

    All that is written waits in the change table (`storage.changes`) for its tags; a changed one keeps those it has.

    Raises `StorageError` naming the feed and the key of an entry that no database takes (`find_unstorable`); then
    nothing of this call may be kept.
    """
    for change in changes:
        if reason := find_unstorable(change.entry):
            raise StorageError(f"feed {change.feed_id}: entry {change.entry.key!r} cannot be stored: {reason}")
    lock_entries(conn)  # ids and `atom:id`s are chosen by looking at what is there
    new: dict[Place, EntryChange] = {}
    changed: dict[int, CleanEntry] = {}
    for change in changes:
        if change.entry_id is not None:
            changed[change.entry_id] = change.entry
        else:
            new.setdefault((change.feed_id, hash_key(change.entry.key)), change)
    try:
        with conn.begin_nested():
            _insert(conn, new, now, identity)
    except IntegrityError:  # another process was quicker; looking first would cost more than all that is new
        changed |= _take_stored(conn, new)
        _insert(conn, new, now, identity)
    return _update(conn, changed, now)


def _take_stored(conn: Connection, new: dict[Place, EntryChange]) -> dict[int, CleanEntry]:
    """Take out of ``new`` what is stored after all; those of it that say something else, by id."""
    found = _find_stored(conn, new)
    taken = [(found[place], new.pop(place).entry) for place in found]
    return {number: entry for (number, content_hash), entry in taken if content_hash != entry.content_hash}


def _find_stored(conn: Connection, places: Iterable[Place]) -> dict[Place, tuple[int, str]]:
    """(id, content hash) of those places where an entry is stored."""
    found: dict[Place, tuple[int, str]] = {}
    query = sa.select(entries.c.feed_id, entries.c.key_hash, entries.c.id, entries.c.content_hash)
    for some in iter_chunks(sorted(places)):
        for row in conn.execute(query.where(sa.tuple_(entries.c.feed_id, entries.c.key_hash).in_(some))):
            found[row.feed_id, bytes(row.key_hash)] = (row.id, row.content_hash)
    return found


def _insert(conn: Connection, new: Mapping[Place, EntryChange], now: datetime, identity: Identity) -> None:
    numbers = reserve_ids(conn, entries, len(new))
    free = _find_free(conn, {change.entry.guid for change in new.values()})
    for some in iter_chunks(list(zip(numbers, new.items(), strict=True))):
        ids = [number for number, _ in some]
        made = [change for _, (_, change) in some]
        said = [change.entry for change in made]
        insert_columns(
            conn,
            entries,
            {
                "id": ids,
                "feed_id": [change.feed_id for change in made],
                "key": [entry.key for entry in said],
                "key_hash": [place[1] for _, (place, _) in some],
                "base_hash": [hash_base(entry.key, entry.content_hash) for entry in said],
                "atom_id": _choose_atom_ids(ids, said, free, identity),
                "first_seen_at": [now] * len(ids),
                "effective_at": [change.effective_at or now for change in made],
                "backlog": [change.backlog for change in made],
                **said_columns(said, now),
            },
        )
        insert_columns(conn, contents, content_columns(ids, said))
        insert_columns(conn, entry_changes, {"entry_id": ids, "changed_at": [now] * len(ids)})


def _choose_atom_ids(ids: Iterable[int], said: Iterable[CleanEntry], free: set[str], identity: Identity) -> list[str]:
    """The publisher's own where it is free, which it is no longer then."""
    chosen: list[str] = []
    for number, entry in zip(ids, said, strict=True):
        if entry.guid in free:
            free.remove(entry.guid)
            chosen.append(entry.guid)
        else:
            chosen.append(identity.entry_id(number))
    return chosen


def _find_free(conn: Connection, guids: Iterable[str]) -> set[str]:
    """Those of ``guids`` that can be an `atom:id` and are that of no stored entry."""
    free = {guid for guid in guids if can_be_atom_id(guid)}
    for some in iter_chunks(sorted(free)):
        free -= find_texts(conn, entries.c.atom_id, some)
    return free


def _update(conn: Connection, changed: Mapping[int, CleanEntry], now: datetime) -> tuple[EntryId, ...]:
    capped: list[EntryId] = []
    for some in iter_chunks(sorted(changed)):
        stored = {row.id: row for row in conn.execute(_select_stored().where(entries.c.id.in_(some)))}
        edited = {number for number, row in stored.items() if row.content_hash != changed[number].content_hash}
        over = {number for number in edited if _count_edits(stored[number], now)[0] > MAX_EDITS}
        capped += [EntryId(number) for number in sorted(over)]
        written = [number for number in stored if number not in over]
        if not written:
            continue
        keep_versions(conn, [number for number in written if number in edited], now=now)
        _write_changes(conn, {number: changed[number] for number in written}, stored, edited, now)
        _move_keys(conn, [(stored[number], changed[number]) for number in written])
        # An edited lead is an edited story (RFC 4287 4.2.15).
        conn.execute(sa.update(stories).where(stories.c.lead_entry_id.in_(written)).values(updated_at=now))
        forget_scores(conn, written)
        note_changes(conn, written, now=now)
    return tuple(capped)


def _select_stored() -> sa.Select[Any]:
    names = ("id", "feed_id", "key", "content_hash", "edits", "edits_since")
    return sa.select(*(entries.c[name] for name in names)).order_by(entries.c.id)


def _count_edits(row: Row[Any], now: datetime) -> tuple[int, datetime]:
    """How many edits it would be with one more, and since when they are counted."""
    if row.edits_since is None or now >= row.edits_since + EDIT_WINDOW:
        return 1, now
    return row.edits + 1, row.edits_since


def _write_changes(
    conn: Connection, changed: Mapping[int, CleanEntry], stored: Mapping[int, Row[Any]], edited: set[int], now: datetime
) -> None:
    said = list(changed.values())
    edits = [
        _count_edits(stored[number], now) if number in edited else (stored[number].edits, stored[number].edits_since)
        for number in changed
    ]
    columns: dict[str, Sequence[Any]] = {
        "edits": [count for count, _ in edits],
        "edits_since": [since for _, since in edits],
        **said_columns(said, now),
    }
    update_columns(conn, entries.c.id, list(changed), columns)
    content = content_columns(list(changed), said)
    update_columns(conn, contents.c.entry_id, content.pop("entry_id"), content)


def _move_keys(conn: Connection, written: Sequence[tuple[Row[Any], CleanEntry]]) -> None:
    """Give changed entries the keys that they bear now; one that another entry of the feed has is not given."""
    moved = {(row.feed_id, hash_key(entry.key)): (row, entry) for row, entry in written if row.key != entry.key}
    if not moved:
        return
    taken = _find_stored(conn, moved)
    given = [(row.id, entry, place[1]) for place, (row, entry) in moved.items() if place not in taken]
    columns: dict[str, Sequence[Any]] = {
        "key": [entry.key for _, entry, _ in given],
        "key_hash": [key_hash for _, _, key_hash in given],
        "base_hash": [hash_base(entry.key, entry.content_hash) for _, entry, _ in given],
    }
    update_columns(conn, entries.c.id, [number for number, _, _ in given], columns)
