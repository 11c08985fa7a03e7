"""Which entry is which: a key that stays from fetch to fetch, and a hash of all that was said. Never loses one.

Rule (in this order): the publisher's id, else the link, else a hash of title, date and text. A key that several
different entries of one document share is a key of none of them: each gets its own content hash appended, whatever
their order. Only exact repeats fold into one. Every entry is kept, folded or rejected with its reason.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, fields
from datetime import datetime
from hashlib import blake2b
from json.encoder import encode_basestring_ascii

from aggregator.model.entry import IdentifiedEntry, share_key
from aggregator.model.parsed import Enclosure, ParsedEntry, ParsedFeed, RejectedEntry

#: Longer keys (some publishers put whole articles into ``guid``) are replaced by their hash.
MAX_KEY_LENGTH = 500
#: Begins every content hash's input: raise it when the canonical form changes, and every entry counts as changed once.
HASH_VERSION = 1

#: A comment more is no edit.
_FIELDS = tuple(field.name for field in fields(ParsedEntry) if field.name != "discussion")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identified:
    """The entries of one document: kept, folded and rejected add up to what it holds."""

    entries: tuple[IdentifiedEntry, ...] = ()
    folded: int = 0
    rejected: tuple[RejectedEntry, ...] = ()


def identify_entries(feed: ParsedFeed) -> Identified:
    """Keys and content hashes for all entries of ``feed``, in its order; what `parse` rejected is passed on."""
    rejected = list(feed.rejected)
    candidates: list[tuple[str, str, ParsedEntry]] = []
    gone = {entry.index for entry in feed.rejected}
    positions = (index for index in range(len(feed.entries) + len(gone)) if index not in gone)
    for index, entry in zip(positions, feed.entries, strict=True):
        if is_empty(entry):
            rejected.append(RejectedEntry(index=index, reason="no id, link, title or text"))
        else:
            candidates.append((make_key(entry), hash_entry(entry), entry))

    hashes: defaultdict[str, set[str]] = defaultdict(set)
    for key, content_hash, _ in candidates:
        hashes[key].add(content_hash)
    kept: dict[str, IdentifiedEntry] = {}
    for key, content_hash, entry in candidates:
        own_key = key if len(hashes[key]) == 1 else share_key(key, content_hash)
        kept.setdefault(own_key, IdentifiedEntry(key=own_key, content_hash=content_hash, parsed=entry))
    return Identified(
        entries=tuple(kept.values()),
        folded=len(candidates) - len(kept),
        rejected=tuple(sorted(rejected, key=lambda entry: entry.index)),
    )


def is_empty(entry: ParsedEntry) -> bool:
    """Whether there is nothing to show and nothing to tell it by."""
    said = (entry.id, entry.url, entry.title, entry.summary_html, entry.content_html)
    return not any(text.strip() for text in said)


def make_key(entry: ParsedEntry) -> str:
    """The entry's key by the rule above, before it is compared with the document's other keys."""
    if entry.id.strip():
        key = entry.id.strip()
    elif entry.url.strip():
        key = entry.url.strip()
    else:
        text = entry.content_html or entry.summary_html
        return "hash:" + _hash((entry.title, _instant(entry.published_at or entry.updated_at), text))
    return key if len(key) <= MAX_KEY_LENGTH else "hash:" + _hash((key,))


def hash_entry(entry: ParsedEntry) -> str:
    """blake2b-128, hex, over every field but the count of comments.

    Empty fields are left out, so that a field added later changes no hash.
    """
    said = [str(HASH_VERSION)]
    for name in _FIELDS:
        value = getattr(entry, name)
        if value not in ("", None, ()):
            said.append(f'["{name}", {_write(value)}]')
    return _digest(f"[{', '.join(said)}]")


def _write(value: object) -> str:
    """ASCII JSON: unambiguous between fields, and lone surrogates survive as escapes."""
    match value:
        case str():
            return encode_basestring_ascii(value)
        case datetime():
            return f'"{_instant(value)}"'
        case tuple():
            return f"[{', '.join(map(_write, value))}]"
        case Enclosure():
            return json.dumps((value.url, value.type, value.length))
        case _:
            return json.dumps(value)


def _instant(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


def _hash(said: tuple[str, ...]) -> str:
    return _digest(json.dumps(said))


def _digest(text: str) -> str:
    return blake2b(text.encode("ascii"), digest_size=16).hexdigest()
