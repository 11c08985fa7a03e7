"""A subscription at a hub (WebSub, W3C 2018), which tells us when a feed has news. Never asks a hub."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from aggregator.model.feed import HubState
from aggregator.model.ids import FeedId


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """One feed at its hub."""

    feed_id: FeedId
    hub_url: str
    #: The address of the feed as the hub knows it (``rel="self"``).
    topic_url: str
    #: What our callback's address ends with; nobody can guess it.
    token: str
    #: The hub signs what it sends with this (WebSub 7).
    secret: str = field(repr=False)
    state: HubState
    reason: str = ""
    lease_until: datetime | None = None
    next_try_at: datetime
    #: Requests that the hub has not answered by asking back.
    tries: int = 0
    #: When it last proved that it works.
    pushed_at: datetime | None = None
    #: Checks in a row that found what it had not told.
    misses: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Farewell:
    """A subscription that nobody wants any more, until its hub knows."""

    hub_url: str
    topic_url: str
    #: Of the callback, as it was.
    token: str
