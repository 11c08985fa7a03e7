"""What is new or changed against what is stored. Never looks at the database: it is given the hashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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

    A stored entry that is missing from the document is no change: feeds show only their newest.
    """
    new: list[IdentifiedEntry] = []
    changed: list[tuple[EntryId, IdentifiedEntry]] = []
    unchanged = 0
    for entry in entries:
        stored = known.get(entry.key)
        if stored is None:
            new.append(entry)
        elif stored[1] != entry.content_hash:
            changed.append((stored[0], entry))
        else:
            unchanged += 1
    return Comparison(new=tuple(new), changed=tuple(changed), unchanged=unchanged)
