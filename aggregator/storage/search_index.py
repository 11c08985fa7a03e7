"""Writes the search index: which words an entry is found by. Never makes words, never searches."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import EntryId
from aggregator.storage.bulk import copy_rows, insert_columns
from aggregator.storage.engine import iter_chunks, lock_name
from aggregator.storage.schema import INDEX_NAME, entries, search_entries
from aggregator.storage.search_keys import SLOTS, make_key
from aggregator.storage.search_postgresql import make_vector


def save_words(conn: Connection, words: Mapping[EntryId, str]) -> int:
    """From now on these entries are found by these words, by none without any; how many were found otherwise before.

    What is the same is not written. Ids of no entry are passed over. ``words`` in their order, spaces between them.
    """
    lock_name(conn, "search")
    changed = 0
    for some in iter_chunks(sorted(words)):
        changed += _save_some(conn, {number: words[EntryId(number)] for number in some})
    return changed


def _save_some(conn: Connection, words: Mapping[int, str]) -> int:
    wanted = {number: _fingerprint(some) for number, some in words.items() if some}
    query = sa.select(search_entries.c.entry_id, search_entries.c.key, search_entries.c.fingerprint)
    stored = {row.entry_id: row for row in conn.execute(query.where(search_entries.c.entry_id.in_(list(words))))}
    stale = {number: row.key for number, row in stored.items() if wanted.get(number) != row.fingerprint}
    new = [number for number in wanted if number not in stored or number in stale]
    _leave_out(conn, list(stale.values()))
    found = sa.select(entries.c.id, entries.c.effective_at).where(entries.c.id.in_(new))
    keys = _find_keys(conn, {row.id: row.effective_at for row in conn.execute(found)})
    # In their order: FTS5 writes what it has gathered to disk whenever it is given a lower key than the one before.
    places = sorted((key, number) for number, key in keys.items())
    columns = {
        "key": [key for key, _ in places],
        "entry_id": [number for _, number in places],
        "fingerprint": [wanted[number] for _, number in places],
    }
    insert_columns(conn, search_entries, columns)
    _write_words(conn, [(key, words[number]) for key, number in places])
    return len(set(stale) | set(keys))


def _fingerprint(words: str) -> int:
    digest = blake2b(words.encode("utf-8"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _leave_out(conn: Connection, keys: Collection[int]) -> None:
    """What stands under these keys is found no longer. SQLite never gives such a key again, so it is kept."""
    which = search_entries.c.key.in_(keys)
    if conn.dialect.name == "sqlite":
        conn.execute(sa.update(search_entries).where(which).values(entry_id=None))
    else:
        # With it what lost its entry by itself, when that was deleted; the words go along.
        conn.execute(sa.delete(search_entries).where(sa.or_(which, search_entries.c.entry_id.is_(None))))


def _find_keys(conn: Connection, instants: Mapping[int, datetime]) -> dict[int, int]:
    """A free key for each entry (id -> ``effective_at``), or as near after it as there is one."""
    keys: dict[int, int] = {}
    used: set[int] = set()
    asked = {number: make_key(number, at) for number, at in sorted(instants.items())}
    while asked:
        query = sa.select(search_entries.c.key).where(search_entries.c.key.in_(list(asked.values())))
        used.update(conn.scalars(query))
        for number, key in list(asked.items()):
            if key in used:
                asked[number] = key + SLOTS
            else:
                keys[number] = asked.pop(number)
                used.add(key)
    return keys


def _write_words(conn: Connection, found_by: Sequence[tuple[int, str]]) -> None:
    """The words that each key stands for, keys in their order."""
    if not found_by:
        return
    if conn.dialect.name == "sqlite":
        conn.exec_driver_sql(f"INSERT INTO {INDEX_NAME}(rowid, words) VALUES (?, ?)", list(found_by))
    else:
        vectors = [(key, make_vector(key, words.split())) for key, words in found_by]
        copy_rows(conn, f"COPY {INDEX_NAME} (key, words) FROM STDIN", ("int8", "text"), vectors)
