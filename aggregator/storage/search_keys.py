"""Where entries stand in the search index: newer ones have higher keys. Never reads, never writes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

#: Entries of one minute that have keys of their own; further ones take what later minutes have left.
SLOTS = 1_024
_MINUTE = 60
#: Higher than every key.
ABOVE_ALL = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """What an index found, newest first."""

    #: (key, id of the entry).
    found: tuple[tuple[int, int], ...]
    #: Below this key there may be more; None: nowhere.
    rest: int | None


def make_key(number: int, at: datetime) -> int:
    """By the minute of ``at``; within it entries stand in the order of their numbers, as a rule."""
    return max(0, int(at.timestamp()) // _MINUTE) * SLOTS + number % SLOTS


def find_end(at: datetime) -> int:
    """Above the keys of all entries of the minute of ``at``, below those of the next."""
    return (max(0, int(at.timestamp()) // _MINUTE) + 1) * SLOTS


def get_minute(key: int) -> int:
    """Since 1970, in minutes."""
    return key // SLOTS
