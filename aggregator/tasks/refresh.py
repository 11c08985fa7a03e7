"""One round of fetching, for feeds that are due or named: claim -> fetch -> read -> save. Never tells time itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

from aggregator.app import App
from aggregator.log import get_logger, redact_url
from aggregator.model.feed import Feed, FetchRequest, Reply
from aggregator.model.ids import FeedId
from aggregator.model.round import FeedResult, Round
from aggregator.storage import feeds
from aggregator.tasks.reading import Reading, read_reply
from aggregator.tasks.saving import save_batch

log = get_logger(__name__)

#: Feeds whose replies are saved in one transaction; bounds the work a kill costs.
BATCH = 25
#: Documents parsed at one time, each in a child process of its own.
PARSERS = 2
#: How long a claimed feed is left alone by others; renewed for the rest of a claim with each batch.
LEASE = timedelta(minutes=15)
#: Feeds claimed at a time.
CLAIM = 200


def refresh_due(app: App) -> Round:
    """One round over every feed that is due now."""
    results: list[FeedResult] = []
    while True:
        with app.db.write() as conn:
            claimed = feeds.claim_due(conn, now=app.now(), limit=CLAIM, lease=LEASE)
        if not claimed:
            return Round(results=tuple(results))
        results += _fetch_and_save(app, claimed, on_result=None)


def refresh_feeds(
    app: App, feed_ids: Sequence[FeedId], *, on_result: Callable[[FeedResult], None] | None = None
) -> Round:
    """One round over the feeds named, due or not; ``on_result`` hears of each as it is saved."""
    results: list[FeedResult] = []
    for start in range(0, len(feed_ids), CLAIM):
        with app.db.write() as conn:
            claimed = feeds.claim(conn, feed_ids[start : start + CLAIM], now=app.now(), lease=LEASE)
        results += _fetch_and_save(app, claimed, on_result=on_result)
    return Round(results=tuple(results))


def _fetch_and_save(
    app: App, claimed: Sequence[Feed], *, on_result: Callable[[FeedResult], None] | None
) -> list[FeedResult]:
    by_id = {feed.id: feed for feed in claimed}
    results: list[FeedResult] = []
    try:
        with (
            closing(app.fetcher.fetch([_request(feed) for feed in claimed])) as replies,
            ThreadPoolExecutor(PARSERS) as parsers,
        ):
            for batch in _chunked(_read_replies(app, by_id, replies, parsers), BATCH):
                for result in save_batch(app, batch):
                    results.append(result)
                    _log_result(result)
                    if on_result:
                        on_result(result)
                _extend_rest(app, by_id, results)
    finally:
        _release_rest(app, by_id, results)
    return results


def _read_replies(
    app: App, claimed: Mapping[FeedId, Feed], replies: Iterable[Reply], parsers: ThreadPoolExecutor
) -> Iterator[Reading]:
    """What each reply holds, in their order. Only as many bodies are in memory as are being parsed, and one more."""
    running: deque[Future[Reading]] = deque()
    for reply in replies:
        running.append(parsers.submit(read_reply, app, claimed[reply.request.feed_id], reply))
        if len(running) > PARSERS:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()


def _find_rest(claimed: Mapping[FeedId, Feed], results: Sequence[FeedResult]) -> list[FeedId]:
    return sorted(claimed.keys() - {result.feed_id for result in results})


def _extend_rest(app: App, claimed: Mapping[FeedId, Feed], results: Sequence[FeedResult]) -> None:
    """Feeds of a slow host wait long for their turn: nobody else may ask them meanwhile."""
    if rest := _find_rest(claimed, results):
        with app.db.write() as conn:
            feeds.extend(conn, rest, until=app.now() + LEASE)


def _release_rest(app: App, claimed: Mapping[FeedId, Feed], results: Sequence[FeedResult]) -> None:
    """Feeds that a shutdown, an interrupt or a fault left without an answer are due again at once."""
    if rest := _find_rest(claimed, results):
        with app.db.write() as conn:
            feeds.release(conn, rest)


def _request(feed: Feed) -> FetchRequest:
    return FetchRequest(
        feed_id=feed.id,
        url=feed.spec.url,
        etag=feed.etag,
        last_modified=feed.last_modified,
        body_hash=feed.body_hash,
        headers=feed.spec.headers,
        url_prefix=feed.spec.url_prefix,
    )


def _log_result(result: FeedResult) -> None:
    url = redact_url(result.url)
    if result.failed:
        log.warning("feed.failed", url=url, failure=result.failure_class, reason=result.reason)
    else:
        log.info("feed.read", url=url, status=result.status, new=result.new, changed=result.changed)


def _chunked(readings: Iterable[Reading], size: int) -> Iterator[list[Reading]]:
    batch: list[Reading] = []
    for reading in readings:
        batch.append(reading)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
