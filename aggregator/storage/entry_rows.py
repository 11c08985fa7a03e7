"""Entries as rows: keys as hashes, columns as values, what no database takes. Never executes a statement."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from aggregator.model.entry import CleanEntry
from aggregator.storage.packing import pack_parsed

#: An absolute IRI as `atom:id` demands it (RFC 4287 4.2.6, RFC 3987): scheme, colon, no space, control or delimiter.
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x20\x7f-\x9f<>\"{}|\\^`\ud800-\udfff\ufffe\uffff]+\Z")
_IRI_CHARACTERS = 1_000
#: An index row of PostgreSQL holds about 2,700 bytes.
_IRI_BYTES = 2_000
#: How a key ends that was shared in one document: ``#`` and a content hash.
_SHARED = re.compile(r"#[0-9a-f]{32}\Z")


def hash_key(key: str) -> bytes:
    """What the key is unique by: 16 bytes, however long a publisher makes it."""
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def hash_base(key: str, content_hash: str) -> bytes | None:
    """`hash_key` of what several entries of one document shared; None for a key that is an entry's own."""
    tail = f"#{content_hash}"
    return hash_key(key[: -len(tail)]) if key.endswith(tail) else None


def hash_asked(key: str) -> set[bytes]:
    """What ``key`` may be stored under: itself, and what it was made of when it looks like a shared one."""
    return {hash_key(key), hash_key(_SHARED.sub("", key))}


def can_be_atom_id(guid: str) -> bool:
    """Whether the publisher's own id can serve as ours: an absolute IRI of sane length."""
    return len(guid) <= _IRI_CHARACTERS and _IRI.match(guid) is not None and len(guid.encode()) <= _IRI_BYTES


def find_unstorable(entry: CleanEntry) -> str:
    """Why no database would take this entry, in words; empty when it would."""
    texts = [
        entry.key, entry.content_hash, entry.guid, entry.url, entry.canonical_url, entry.title, entry.author,
        entry.language, entry.content_html, entry.excerpt, *entry.categories,
    ]  # fmt: skip
    if entry.enclosures:
        texts += [text for part in entry.enclosures for text in (part.url, part.type)]
    joined = "\n".join(texts)
    if "\0" in joined:
        return "its text holds a NUL"
    try:
        if not joined.isascii():
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
    if instant.tzinfo is UTC:
        return False
    if instant.tzinfo is None:
        return True
    try:
        instant.astimezone(UTC)
    except OverflowError:
        return True
    return False


def said_columns(said: Sequence[CleanEntry], now: datetime) -> dict[str, Sequence[Any]]:
    """The columns that a change of the entry may change, of many entries."""
    return {
        "content_hash": [entry.content_hash for entry in said],
        "guid": [entry.guid for entry in said],
        "url": [entry.url for entry in said],
        "canonical_url": [entry.canonical_url for entry in said],
        "title": [entry.title for entry in said],
        "author": [entry.author for entry in said],
        "language": [entry.language for entry in said],
        "excerpt": [entry.excerpt for entry in said],
        "reading_minutes": [entry.reading_minutes for entry in said],
        "categories": [entry.categories for entry in said],
        "enclosures": [
            [(part.url, part.type, part.length) for part in entry.enclosures] if entry.enclosures else ()
            for entry in said
        ],
        "published_at": [entry.published_at for entry in said],
        "updated_at": [entry.updated_at for entry in said],
        "discussion": [entry.parsed.discussion for entry in said],
        "changed_at": [now] * len(said),
    }


def content_columns(ids: Sequence[int], said: Sequence[CleanEntry]) -> dict[str, Sequence[Any]]:
    """The rows of the long parts."""
    return {
        "entry_id": ids,
        "policy_version": [entry.policy_version for entry in said],
        "content_html": [entry.content_html for entry in said],
        "parsed": [pack_parsed(entry.parsed) for entry in said],
    }
