"""What one round of fetching brought, by feed and in sum. Never fetches."""

from __future__ import annotations

from dataclasses import dataclass

from aggregator.model.ids import FeedId
from aggregator.model.parsed import RejectedEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedResult:
    """One feed in one round. new + changed + unchanged + rejected + folded = the entries of its document."""

    feed_id: FeedId
    url: str
    status: int | None
    not_modified: bool = False
    #: Not asked: its host wants to be left alone.
    postponed: bool = False
    failure_class: str = ""
    reason: str = ""
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: tuple[RejectedEntry, ...] = ()
    folded: int = 0

    @property
    def failed(self) -> bool:
        return bool(self.failure_class)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """All feeds of one round."""

    results: tuple[FeedResult, ...] = ()

    @property
    def failures(self) -> tuple[FeedResult, ...]:
        return tuple(result for result in self.results if result.failed)

    @property
    def not_modified(self) -> int:
        return sum(result.not_modified for result in self.results)

    @property
    def postponed(self) -> int:
        return sum(result.postponed for result in self.results)

    @property
    def ok(self) -> int:
        """Feeds that brought a readable document."""
        return len(self.results) - len(self.failures) - self.not_modified - self.postponed

    def total(self, count: str) -> int:
        """The sum of ``new``, ``changed``, ``unchanged``, ``rejected`` or ``folded`` over all feeds."""
        values = (getattr(result, count) for result in self.results)
        return sum(value if isinstance(value, int) else len(value) for value in values)
