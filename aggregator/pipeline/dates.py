"""Which instant an entry stands at in the river. Never reads the clock and never trusts a publisher's.

Rule: a claimed date counts when it lies within [first seen - 30 days, first seen + 24 hours]; on a feed's first import
any past date counts, because then the whole archive is new to us but not to the world. Everything else stands where
it was first seen, so that neither the year 2099 nor a republished archive can sit on top of the front page.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

#: How late an entry may be for its claim to count, once the feed is known.
MAX_AGE = timedelta(days=30)
#: How far a publisher's clock may run ahead of ours.
MAX_AHEAD = timedelta(hours=24)
#: Nothing on the web is older: such a claim is a default value of somebody's software (1970, 0001).
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


def effective_at(published_at: datetime | None, *, first_seen_at: datetime, first_import: bool) -> datetime:
    """The instant to order by, which the caller freezes at first save. ``published_at``: the claim, if any."""
    if published_at is None:
        return first_seen_at
    claimed = to_utc(published_at)
    earliest = EARLIEST if first_import else max(EARLIEST, first_seen_at - MAX_AGE)
    if claimed is None or not earliest <= claimed <= first_seen_at + MAX_AHEAD:
        return first_seen_at
    return claimed


def to_utc(moment: datetime) -> datetime | None:
    """The same instant in UTC; a naive value is taken for UTC. None when that lies outside the years 1 to 9999."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError):  # 0001-01-01 with an offset ahead of UTC, 9999-12-31 with one behind
        return None


def from_utc_fields(fields: Iterable[float]) -> datetime | None:
    """A `time.struct_time` (or a sequence of six numbers) in UTC as a datetime; None for anything that is none.

    A leap second becomes the second before it, because `datetime` knows none.
    """
    try:
        year, month, day, hour, minute, second = (int(field) for field in tuple(fields)[:6])
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None
