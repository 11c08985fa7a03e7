"""What is new or changed against what is stored. Never looks at the database: it is given the hashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aggregator.model.entry import IdentifiedEntry
from aggregator.model.ids import EntryId


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Entries of one document, sorted by what must be done with them."""

    new: tuple[IdentifiedEntry, ...] = ()
    changed: tuple[tuple[EntryId, IdentifiedEntry], ...] = ()
    unchanged: int = 0


def compare_entries(entries: Sequence[IdentifiedEntry], known: Mapping[str, tuple[EntryId, str]]) -> Comparison:
    """Sort ``entries`` against ``known``: the stored entries of the same feed, key -> (id, content hash).

    A stored entry that is missing from the document is no change: feeds show only their newest. A key that several
    entries share in one document may stand alone in the next, and the other way round (`identify`): the content then
    says which stored one it is. What has a key that was shared before, and new content, is new: an edit of one must
    not overwrite another.
    """
    shared = {split_key(key, content_hash) for key, (_, content_hash) in known.items()} - {None}
    new: list[IdentifiedEntry] = []
    changed: list[tuple[EntryId, IdentifiedEntry]] = []
    unchanged = 0
    for entry in entries:
        base = split_key(entry.key, entry.content_hash)
        plain = entry.key if base is None else base
        alone, own = known.get(plain), known.get(share_key(plain, entry.content_hash))
        if own is not None or (alone is not None and alone[1] == entry.content_hash):
            unchanged += 1
        elif base is None and plain in shared:
            new.append(replace(entry, key=share_key(plain, entry.content_hash)))
        elif base is None and alone is not None:
            changed.append((alone[0], entry))
        else:
            new.append(entry)
    return Comparison(new=tuple(new), changed=tuple(changed), unchanged=unchanged)


def share_key(key: str, content_hash: str) -> str:
    """The key of an entry whose ``key`` others have, too."""
    return f"{key}#{content_hash}"


def split_key(key: str, content_hash: str) -> str | None:
    """What `share_key` was made of; None for a key that is an entry's own."""
    tail = f"#{content_hash}"
    return key.removesuffix(tail) if key.endswith(tail) else None
