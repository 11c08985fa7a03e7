"""How a feed fares, at a glance: what is the matter with it, what its last fetches brought. Never judges a fetch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aggregator.model.feed import Feed

#: What is the matter with a feed, one word each.
Trouble = Literal["broken", "moved", "quarantined", "gone", "held", "silent", "shrinking", "failing"]
#: In the order in which they need a decision; the last mostly needs none: it failed once or twice lately.
TROUBLES: tuple[Trouble, ...] = (
    "broken", "moved", "quarantined", "gone", "held", "silent", "shrinking", "failing",
)  # fmt: skip
#: So many failures in a row are no accident any more.
BROKEN_FAILURES = 3
#: So many documents in a row that were too hostile bring a feed into quarantine.
MAX_STRIKES = 3

# How alarms and reasons of pauses are known again: `pipeline.lifecycle` words them, the store looks for these.
FAILED = "failed"
SILENT = "silent for"
SHRANK = "shrank: holds"
EMPTY = "holds no entries any more"
RULES_FIND_NOTHING = "its rules find nothing on the page any more"
HELD = "held for review"
GONE = "gone: answers 410 since"


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """One fetch, as little of it as a strip shows."""

    failure_class: str
    not_modified: bool
    new: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFilter:
    """Which feeds are listed, and in what order; empty: all."""

    state: str = ""
    #: One of `TROUBLES`, or ``any``.
    trouble: str = ""
    origin: str = ""
    #: BCP 47; those of its regions too.
    language: str = ""
    #: All of them in its titles or addresses.
    words: str = ""
    order: Literal["trouble", "name", "newest"] = "trouble"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFeed:
    """A feed in a list of the desk."""

    feed: Feed
    #: None: nothing is the matter.
    trouble: Trouble | None
    #: Newest first.
    fetches: tuple[Glance, ...] = ()
    #: Entries of the last seven days.
    week: int = 0
