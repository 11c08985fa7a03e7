"""What one round has in hand: feeds that are claimed and have no result yet, and the hosts that are leased with them.
Never claims, never fetches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from functools import cache, partial
from typing import Literal
from weakref import WeakKeyDictionary

from yarl import URL

from aggregator.app import App
from aggregator.errors import DatabaseUnavailable
from aggregator.fetch.hosts import HostKeys
from aggregator.model.feed import FOLDER_SCHEME, Feed, FetchRequest
from aggregator.model.ids import FeedId
from aggregator.storage import feeds, host_leases
from aggregator.storage.engine import Database
from aggregator.storage.feed_claims import NameHost
from aggregator.tasks.worker import worker_name

#: Hosts of which nothing is left in hand are given back together, so often.
_PATIENCE = timedelta(seconds=1)

#: Rounds that ended while their database was away.
_owing: WeakKeyDictionary[Database, list[Hand]] = WeakKeyDictionary()


class Hand:
    """The feeds of one round, from their claim to their result."""

    def __init__(self, app: App, lease: timedelta) -> None:
        """``lease``: for how long all that it takes is claimed."""
        self._app = app
        self._lease = lease
        self._feeds: dict[FeedId, Feed] = {}
        self._shares = get_namer(app) is not None
        #: Feeds in hand, by host.
        self._counts: Counter[str] = Counter()
        #: Hosts that are leased still although none of their feeds is in hand.
        self._done: set[str] = set()
        self._extended_at = self._released_at = app.now()

    def __getitem__(self, feed_id: FeedId) -> Feed:
        return self._feeds[feed_id]

    def take(self, claimed: Sequence[Feed]) -> None:
        """They were claimed just now."""
        self._feeds.update((feed.id, feed) for feed in claimed)
        if self._shares:
            self._counts.update(feed.host_key for feed in claimed if feed.host_key)

    def drop(self, feed_id: FeedId) -> None:
        """It has its result, with which its claim has ended."""
        key = self._feeds.pop(feed_id).host_key
        if key in self._counts:
            self._counts[key] -= 1
            if not self._counts[key]:
                del self._counts[key]
                self._done.add(key)

    def keep(self) -> None:
        """To be called now and then: what waits long for its turn stays ours, what is done is given back."""
        now = self._app.now()
        if now - self._extended_at > self._lease / 3:
            self._extend()
            self._extended_at = now
        if self._done and now - self._released_at >= _PATIENCE:
            self._release(())
            self._released_at = now

    def release(self) -> None:
        """At the end: what a shutdown, an interrupt or a fault left without an answer is due again at once.

        Raises `DatabaseUnavailable`; the next `settle` then does it.
        """
        self._done.update(self._counts)
        self._counts.clear()
        try:
            if self._feeds or self._done:
                self._release(sorted(self._feeds))
        except DatabaseUnavailable:
            _owing.setdefault(self._app.db, []).append(self)
            raise
        self._feeds.clear()

    @property
    def is_lost(self) -> bool:
        """The leases have run out, and others may hold what it held."""
        return self._app.now() - self._extended_at >= self._lease

    def _extend(self) -> None:
        """Feeds of a slow host wait long for their turn: nobody else may ask them meanwhile."""
        if not self._feeds:
            return
        until = self._app.now() + self._lease
        with self._app.db.write() as conn:
            feeds.extend(conn, sorted(self._feeds), until=until, owner=worker_name())
            host_leases.extend(conn, self._counts.keys(), until=until, owner=worker_name())

    def _release(self, feed_ids: Sequence[FeedId]) -> None:
        with self._app.db.write() as conn:
            feeds.release(conn, feed_ids, owner=worker_name())
            host_leases.release(conn, self._done, now=self._app.now(), gap=get_gap(self._app), owner=worker_name())
        self._done.clear()


def settle(app: App) -> None:
    """Release what rounds before could not, because the database was away when they ended."""
    owing = _owing.pop(app.db, [])
    try:
        while owing:
            hand = owing.pop()
            if not hand.is_lost:
                hand.release()
    finally:
        if owing:
            _owing.setdefault(app.db, []).extend(owing)


def get_gap(app: App) -> timedelta:
    """Between two requests to one public host, whoever sends them."""
    return timedelta(seconds=app.settings.fetch.host_gap_seconds)


def get_namer(app: App) -> NameHost | None:
    """How a stored feed tells its host; None: each feed stands for itself, and to claim it is all."""
    kind = app.settings.fetch.host_key
    return None if kind == "feed" else partial(find_host, kind)


def find_host(kind: Literal["host", "domain"], feed_id: FeedId, url: str, stored: str) -> str:
    """Whose turn the feed's request will wait for first (`fetch.host_key`); empty where it waits for none.

    ``stored`` is what its last fetch said. That stands while it fits the address: of one domain's hosts, those in our
    own networks stand for themselves.
    """
    if _fits(kind, url.partition("://")[2].partition("/")[0], stored):
        return stored
    if url.startswith(FOLDER_SCHEME):
        return ""
    try:
        address = URL(url)
    except ValueError:
        return ""  # it will be refused before anybody is asked
    if _fits(kind, (address.raw_host or "").lower().rstrip("."), stored):
        return stored
    return _get_keys(kind).get(FetchRequest(feed_id=feed_id, url=url), address, own=False)


def _fits(kind: Literal["host", "domain"], host: str, stored: str) -> bool:
    return bool(stored) and (host == stored or (kind == "domain" and host.endswith(f".{stored}")))


@cache
def _get_keys(kind: Literal["host", "domain"]) -> HostKeys:
    return HostKeys(kind)
