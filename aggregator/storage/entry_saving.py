"""Writes entries with their content and tags, in bulk, and chooses the `atom:id` of new ones. Never reads a feed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.errors import StorageError
from aggregator.model.entry import CleanEntry, EntryChange
from aggregator.storage.engine import iter_chunks, lock_name, reserve_ids
from aggregator.storage.meta import Identity
from aggregator.storage.packing import pack_parsed
from aggregator.storage.schema import contents, entries, entry_tags, stories

#: An absolute IRI as `atom:id` demands it (RFC 4287 4.2.6, RFC 3987): scheme, colon, no space, control or delimiter.
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x20\x7f-\x9f<>\"{}|\\^`\ud800-\udfff\ufffe\uffff]+\Z")
_IRI_CHARACTERS = 1_000
#: An index row of PostgreSQL holds about 2,700 bytes.
_IRI_BYTES = 2_000


def save(conn: Connection, changes: Sequence[EntryChange], *, now: datetime, identity: Identity) -> None:
    """Write new and changed entries. A changed one keeps its dates of arrival, ``atom_id``, backlog and story.

    A new one whose key another process stored in the meantime becomes a change of that. Raises `StorageError` naming
    the feed and the key of an entry that no database takes (`find_unstorable`); then nothing of this call may be kept.
    """
    for change in changes:
        if reason := find_unstorable(change.entry):
            raise StorageError(f"feed {change.feed_id}: entry {change.entry.key!r} cannot be stored: {reason}")
    lock_name(conn, "entries")  # ids and `atom:id`s are chosen by looking at what is there
    found = _find_stored(conn, [change for change in changes if change.entry_id is None])
    new: dict[tuple[int, bytes], EntryChange] = {}
    changed: dict[int, CleanEntry] = {}
    for change in changes:
        place = (change.feed_id, hash_key(change.entry.key))
        if change.entry_id is not None:
            changed[change.entry_id] = change.entry
        elif place not in found:
            new.setdefault(place, change)
        elif found[place][1] != change.entry.content_hash:
            changed[found[place][0]] = change.entry
    _insert(conn, new, now, identity)
    _update(conn, changed, now)


def hash_key(key: str) -> bytes:
    """What the key is unique by: 16 bytes, however long a publisher makes it."""
    return blake2b(key.encode(), digest_size=16).digest()


def find_unstorable(entry: CleanEntry) -> str:
    """Why no database would take this entry, in words; empty when it would."""
    enclosures = (text for part in entry.enclosures for text in (part.url, part.type))
    evidence = (text for tag in entry.tags for text in (tag.slug, tag.found, tag.rule))
    texts = (
        entry.key, entry.content_hash, entry.guid, entry.url, entry.canonical_url, entry.title, entry.author,
        entry.language, entry.content_html, entry.excerpt, *entry.categories, *enclosures, *evidence,
    )  # fmt: skip
    joined = "\n".join(texts)
    if "\0" in joined:
        return "its text holds a NUL"
    try:
        joined.encode()
    except UnicodeEncodeError:
        return "its text holds half of a surrogate pair"
    if not -(2**31) <= entry.reading_minutes < 2**31:
        return "its reading time is absurd"
    for instant in (entry.published_at, entry.updated_at):
        if instant is not None and _is_off_the_calendar(instant):
            return "its date is naive or off the calendar"
    return ""


def _is_off_the_calendar(instant: datetime) -> bool:
    if instant.tzinfo is None:
        return True
    try:
        instant.astimezone(UTC)
    except OverflowError:
        return True
    return False


def _find_stored(conn: Connection, changes: Iterable[EntryChange]) -> dict[tuple[int, bytes], tuple[int, str]]:
    """(feed, key hash) -> (id, content hash) of those that are stored after all."""
    by_feed: dict[int, list[bytes]] = defaultdict(list)
    for change in changes:
        by_feed[change.feed_id].append(hash_key(change.entry.key))
    found: dict[tuple[int, bytes], tuple[int, str]] = {}
    for feed_id, hashes in by_feed.items():
        for some in iter_chunks(hashes):
            query = sa.select(entries.c.key_hash, entries.c.id, entries.c.content_hash)
            for key_hash, number, content_hash in conn.execute(
                query.where(entries.c.feed_id == feed_id, entries.c.key_hash.in_(some))
            ):
                found[feed_id, bytes(key_hash)] = (number, content_hash)
    return found


def _insert(conn: Connection, new: dict[tuple[int, bytes], EntryChange], now: datetime, identity: Identity) -> None:
    numbers = reserve_ids(conn, entries, len(new))
    taken = _find_taken(conn, [change.entry.guid for change in new.values()])
    for some in iter_chunks(list(zip(numbers, new.items(), strict=True))):
        rows: list[dict[str, Any]] = []
        for number, ((feed_id, key_hash), change) in some:
            guid = change.entry.guid
            own = can_be_atom_id(guid) and guid not in taken
            taken.add(guid)
            rows.append(
                {
                    "id": number,
                    "feed_id": feed_id,
                    "key": change.entry.key,
                    "key_hash": key_hash,
                    "atom_id": guid if own else identity.entry_id(number),
                    "first_seen_at": now,
                    "effective_at": change.effective_at or now,
                    "backlog": change.backlog,
                    **_said(change.entry, now),
                }
            )
        conn.execute(sa.insert(entries), rows)
        conn.execute(sa.insert(contents), [_content(number, change.entry) for number, (_, change) in some])
        _insert_tags(conn, ((number, change.effective_at or now, change.entry) for number, (_, change) in some))


def can_be_atom_id(guid: str) -> bool:
    """Whether the publisher's own id can serve as ours: an absolute IRI of sane length."""
    return len(guid) <= _IRI_CHARACTERS and _IRI.match(guid) is not None and len(guid.encode()) <= _IRI_BYTES


def _find_taken(conn: Connection, guids: Sequence[str]) -> set[str]:
    """Those of ``guids`` that are the `atom:id` of a stored entry already."""
    wanted = sorted({guid for guid in guids if can_be_atom_id(guid)})
    return {
        taken
        for some in iter_chunks(wanted)
        for taken in conn.execute(sa.select(entries.c.atom_id).where(entries.c.atom_id.in_(some))).scalars()
    }


def _update(conn: Connection, changed: dict[int, CleanEntry], now: datetime) -> None:
    for some in iter_chunks(sorted(changed)):
        query = sa.select(entries.c.id, entries.c.effective_at).where(entries.c.id.in_(some))
        dated: dict[int, datetime] = dict(conn.execute(query).all())
        if not dated:
            continue
        rows = [{"changed_id": number, **_said(changed[number], now)} for number in dated]
        names = [name for name in rows[0] if name != "changed_id"]
        conn.execute(
            sa.update(entries)
            .where(entries.c.id == sa.bindparam("changed_id"))
            .values({name: sa.bindparam(name) for name in names}),
            rows,
        )
        content = [{"changed_id": number, **_content(number, changed[number])} for number in dated]
        conn.execute(
            sa.update(contents)
            .where(contents.c.entry_id == sa.bindparam("changed_id"))
            .values({name: sa.bindparam(name) for name in content[0] if name not in ("changed_id", "entry_id")}),
            content,
        )
        conn.execute(sa.delete(entry_tags).where(entry_tags.c.entry_id.in_(list(dated))))
        _insert_tags(conn, ((number, effective_at, changed[number]) for number, effective_at in dated.items()))
        told = sa.select(entries.c.story_id).where(entries.c.id.in_(list(dated)), entries.c.story_id.is_not(None))
        conn.execute(sa.update(stories).where(stories.c.id.in_(told)).values(score=None))
        # An edited lead is an edited story (RFC 4287 4.2.15).
        conn.execute(sa.update(stories).where(stories.c.lead_entry_id.in_(list(dated))).values(updated_at=now))


def _said(entry: CleanEntry, now: datetime) -> dict[str, Any]:
    """The columns that a change of the entry may change."""
    return {
        "content_hash": entry.content_hash,
        "guid": entry.guid,
        "url": entry.url,
        "canonical_url": entry.canonical_url,
        "title": entry.title,
        "author": entry.author,
        "language": entry.language,
        "excerpt": entry.excerpt,
        "reading_minutes": entry.reading_minutes,
        "categories": entry.categories,
        "enclosures": [(part.url, part.type, part.length) for part in entry.enclosures],
        "published_at": entry.published_at,
        "updated_at": entry.updated_at,
        "changed_at": now,
    }


def _content(number: int, entry: CleanEntry) -> dict[str, Any]:
    return {
        "entry_id": number,
        "policy_version": entry.policy_version,
        "content_html": entry.content_html,
        "parsed": pack_parsed(entry.parsed),
    }


def _insert_tags(conn: Connection, tagged: Iterable[tuple[int, datetime, CleanEntry]]) -> None:
    rows = [
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
        for number, effective_at, entry in tagged
        for position, tag in enumerate(entry.tags)
    ]
    for some in iter_chunks(rows):
        conn.execute(sa.insert(entry_tags), some)
