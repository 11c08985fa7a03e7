"""How much an entry is discussed, as its publisher counts: comments, or points. Never guesses a number.

RSS has ``slash:comments`` (Slash module of RSS 1.0), Atom ``thr:total`` (RFC 4685 5). JSON feeds have no field of their
own for it; the editor says where in each item it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: By feedparser's names, in the order in which they are believed.
ELEMENTS = ("slash_comments", "thr_total")
#: What is longer is no count.
_MAX_DIGITS = 9


def read_count(value: object) -> int | None:
    """A whole number from 0 to 999,999,999, as text or as a number; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if 0 <= value < 10**_MAX_DIGITS else ""
    if not isinstance(value, str) or len(value) > 2 * _MAX_DIGITS:
        return None
    text = value.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else None


def find_count(entry: Mapping[str, Any]) -> int | None:
    """Of what `ELEMENTS` say in a read entry, the first that is a number."""
    for name in ELEMENTS:
        value = dict.get(entry, name) if isinstance(entry, dict) else entry.get(name)
        if value is not None and (count := read_count(value)) is not None:
            return count
    return None


def follow_path(item: Mapping[str, Any], path: str) -> int | None:
    """The count at ``path`` of an item of JSON: names of members with dots between them (``_hn.points``)."""
    found: object = item
    for name in path.split(".") if path else ():
        found = found.get(name) if isinstance(found, Mapping) else None
    return read_count(found)
