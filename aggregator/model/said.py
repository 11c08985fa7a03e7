"""Waits and counts in words, the same in every room. Never reads a clock."""

from __future__ import annotations

from datetime import timedelta


def say_count(count: int, one: str, many: str = "") -> str:
    """``1 feed``, ``2 feeds``."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def say_wait(wait: timedelta) -> str:
    """A wait in its largest whole unit: "45 s", "30 min", "2 h", "7 d"; an odd one rounded."""
    seconds = int(wait.total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size and (seconds % size == 0 or seconds >= 2 * size):
            return f"{round(seconds / size)} {unit}"
    return f"{seconds} s"
