"""Feeds that are not found any more: where their site says that they live now. Never moves one: the editor does.

What is found stands in the feed's alarm, with the command that takes it over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aggregator.app import App
from aggregator.errors import StorageError
from aggregator.log import get_logger, redact_url
from aggregator.model.feed import Feed, Move
from aggregator.model.ids import FeedId
from aggregator.model.round import FeedResult
from aggregator.pipeline.lifecycle import find_elsewhere
from aggregator.storage import feed_edits, feeds
from aggregator.tasks.discover import rediscover

log = get_logger(__name__)

_LOST = (404, 410)
#: Looked for after so many failures, and again after each so many more.
_EVERY = 3


def find_lost(app: App, results: Sequence[FeedResult]) -> tuple[FeedId, ...]:
    """Those of a round that answered "not found" for the third time, the sixth time..."""
    lost = [result.feed_id for result in results if result.status in _LOST]
    with app.db.read() as conn:
        stored = feeds.get_feeds(conn, lost)
    return tuple(feed.id for feed in stored.values() if feed.failures and feed.failures % _EVERY == 0)


def search_lost(app: App, feed_ids: Sequence[FeedId]) -> int:
    """Look for them one after the other, at some fourteen requests each; how many were found."""
    with app.db.read() as conn:
        stored = feeds.get_feeds(conn, feed_ids)
    count = 0
    for feed in stored.values():
        try:
            count += _search(app, feed)
        except StorageError:
            raise
        except Exception:  # a page that a stage of ours cannot digest: the others are looked for all the same
            log.exception("feed.not_searched", url=redact_url(feed.spec.url))
    return count


def _search(app: App, feed: Feed) -> bool:
    found = rediscover(app, feed)
    if found is None or found.url == feed.spec.url:
        return False
    log.info("feed.found_again", url=redact_url(feed.spec.url), at=redact_url(found.url))
    offered = Move(url=found.url, first_seen_at=app.now(), times=0)
    with app.db.write() as conn:
        feed_edits.note_move(conn, feed.id, offered, find_elsewhere(replace(feed, move=offered)))
    return True
