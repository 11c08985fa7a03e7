"""One round of fetching, for feeds that are due or named: claim -> fetch -> read -> save. Never tells time itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

from aggregator.app import App
from aggregator.log import get_logger, redact_url
from aggregator.model.feed import Feed, Fetched, FetchRequest, FolderRead, Reply
from aggregator.model.ids import FeedId
from aggregator.model.parsed import ParsedFeed
from aggregator.model.round import FeedResult, Round
from aggregator.pipeline.identify import identify_entries
from aggregator.storage import feeds, fetchlog, hosts
from aggregator.tasks.outage import PROBES, OutageWatch
from aggregator.tasks.readers import Readers
from aggregator.tasks.reading import Reading, read_reply
from aggregator.tasks.saving import save_batch
from aggregator.tasks.worker import worker_name

log = get_logger(__name__)

#: Feeds whose documents are saved in one transaction; bounds the work a kill costs.
BATCH = 25
#: So many replies without a document cost as little as one with.
BARE = 8
#: How long a claimed feed is left alone by others; renewed for the rest of a claim with each batch.
LEASE = timedelta(minutes=15)
#: What has been read is saved when so long nothing more comes.
TICK_SECONDS = 0.5
#: A batch is not gathered for longer, however slowly more comes.
PATIENCE = timedelta(seconds=1)
#: Feeds claimed at a time.
CLAIM = 200


def refresh_due(app: App, on_claimed: Callable[[], object] = lambda: None) -> Round:
    """One round over every feed that is due now; when our own network is down, over a few.

    ``on_claimed`` is called when all of them are in the fetcher's hand: what is left is a matter of their hosts.
    """
    watch = OutageWatch(app)

    def claim() -> Iterator[Sequence[Feed]]:
        yield from _claim_due(app, watch)
        on_claimed()

    return _run(app, claim(), watch, on_result=None)


def refresh_feeds(
    app: App,
    feed_ids: Sequence[FeedId],
    *,
    only_due: bool = False,
    on_result: Callable[[FeedResult], None] | None = None,
) -> Round:
    """One round over the feeds named, due or not; ``on_result`` hears of each as it is saved.

    ``only_due``: without those that another process fetched since they were named. Feeds whose host asked for a pause
    are postponed, due or not.
    """
    due_by = app.now() if only_due else None
    put_aside: list[FeedResult] = []
    done = _run(app, _claim_named(app, feed_ids, due_by, put_aside), OutageWatch(app), on_result=on_result)
    if on_result:
        for result in put_aside:
            on_result(result)
    return Round(results=(*done.results, *put_aside))


def prune_traces(app: App) -> None:
    """Keep what fetches leave bounded: pauses of hosts that have ended, and the log, some lines in each transaction."""
    while True:
        with app.db.write() as conn:
            hosts.prune(conn, now=app.now())
            if not fetchlog.prune(conn, now=app.now()):
                return


def save_found(app: App, feed_id: FeedId, reply: Fetched, document: ParsedFeed) -> FeedResult | None:
    """Store what a search has read of a feed that was added since, so that it is not asked for once more.

    None: somebody fetches the feed already.
    """
    with app.db.write() as conn:
        claimed = feeds.claim(conn, [feed_id], now=app.now(), lease=LEASE, owner=worker_name())
    if not claimed:
        return None
    request = _request(claimed[0])
    reading = Reading(
        feed=claimed[0],
        reply=replace(reply, request=request),
        document=document,
        identified=identify_entries(document),
    )
    return save_batch(app, [reading], OutageWatch(app))[0]


def _claim_due(app: App, watch: OutageWatch) -> Iterator[Sequence[Feed]]:
    """A few at a time, as they are wanted: what is not claimed yet, another process may take.

    What falls due meanwhile is the next round's: this one must end, others wait for it.
    """
    began_at, limit = app.now(), PROBES if watch.is_probing else CLAIM
    while not watch.is_down:
        with app.db.write() as conn:
            claimed = feeds.claim_due(
                conn, now=app.now(), due_by=began_at, limit=limit, lease=LEASE, owner=worker_name()
            )
        if not claimed:
            return
        yield claimed
        if watch.is_probing:
            return


def _claim_named(
    app: App, feed_ids: Sequence[FeedId], due_by: datetime | None, put_aside: list[FeedResult]
) -> Iterator[Sequence[Feed]]:
    """Those whose host wants to be left alone go to ``put_aside``, whoever named them."""
    for start in range(0, len(feed_ids), CLAIM):
        with app.db.write() as conn:
            some, now = feed_ids[start : start + CLAIM], app.now()
            claimed = feeds.claim(conn, some, now=now, due_by=due_by, lease=LEASE, owner=worker_name())
            frozen = hosts.get_frozen(conn, {feed.host_key for feed in claimed}, now)
            held_back = [feed for feed in claimed if feed.host_key in frozen]
            feeds.release(conn, [feed.id for feed in held_back])
        for feed in held_back:
            reason = frozen[feed.host_key][1]
            put_aside.append(FeedResult(feed_id=feed.id, url=feed.spec.url, status=None, postponed=True, reason=reason))
        yield [feed for feed in claimed if feed.host_key not in frozen]


def _run(
    app: App,
    claims: Iterator[Sequence[Feed]],
    watch: OutageWatch,
    *,
    on_result: Callable[[FeedResult], None] | None,
) -> Round:
    held: dict[FeedId, Feed] = {}
    results: list[FeedResult] = []
    extended_at = app.now()
    try:
        with (
            closing(app.fetcher.fetch(_iter_requests(claims, held), tick=TICK_SECONDS)) as replies,
            Readers(app) as readers,
        ):
            for batch in _chunked(app, _read_replies(app, held, replies, readers)):
                watch.note(batch)
                for result in save_batch(app, batch, watch):
                    results.append(result)
                    del held[result.feed_id]
                    _log_result(result)
                    if on_result:
                        on_result(result)
                if app.now() - extended_at > LEASE / 3:
                    _extend(app, held)
                    extended_at = app.now()
    finally:
        _release(app, held)
    return Round(results=tuple(results))


def _iter_requests(claims: Iterator[Sequence[Feed]], held: dict[FeedId, Feed]) -> Iterator[FetchRequest]:
    """The fetcher takes them when it has room; who is in ``held`` is claimed and has no result yet."""
    for claimed in claims:
        held.update((feed.id, feed) for feed in claimed)
        for feed in claimed:
            yield _request(feed)


def _read_replies(
    app: App, held: Mapping[FeedId, Feed], replies: Iterable[Reply | None], readers: Readers
) -> Iterator[Reading | None]:
    """What each reply holds, in the order in which it is known.

    None: nothing came for a while, of the net or of the readers.
    """
    for reply in replies:
        if isinstance(reply, Fetched | FolderRead):
            readers.add(held[reply.request.feed_id], reply)
        elif reply is not None:
            yield read_reply(app, held[reply.request.feed_id], reply)
        yield from readers.take()
        while readers.is_full:
            if not readers.wait(TICK_SECONDS):
                yield None
            yield from readers.take()
        if reply is None:
            yield None
    while readers.in_hand:
        if not readers.wait(TICK_SECONDS):
            yield None
        yield from readers.take()


def _extend(app: App, held: Mapping[FeedId, Feed]) -> None:
    """Feeds of a slow host wait long for their turn: nobody else may ask them meanwhile."""
    if held:
        with app.db.write() as conn:
            feeds.extend(conn, sorted(held), until=app.now() + LEASE, owner=worker_name())


def _release(app: App, held: Mapping[FeedId, Feed]) -> None:
    """Feeds that a shutdown, an interrupt or a fault left without an answer are due again at once."""
    if held:
        with app.db.write() as conn:
            feeds.release(conn, sorted(held), owner=worker_name())


def _request(feed: Feed) -> FetchRequest:
    return FetchRequest(
        feed_id=feed.id,
        url=feed.spec.url,
        etag=feed.etag,
        last_modified=feed.last_modified,
        body_hash=feed.body_hash,
        headers=feed.spec.headers,
        url_prefix=feed.spec.url_prefix,
        page=feed.spec.page,
        points=feed.spec.points,
        slices=feed.slices,
        suspect=feed.failures > 0,
    )


def _log_result(result: FeedResult) -> None:
    """What changed nothing is not worth a line: most of a round is that."""
    if result.not_modified:
        return
    url = redact_url(result.url)
    if result.failed:
        log.warning("feed.failed", url=url, failure=result.failure_class, reason=result.reason)
    elif result.postponed:
        log.info("feed.postponed", url=url)
    else:
        log.info("feed.read", url=url, status=result.status, new=result.new, changed=result.changed)


def _chunked(app: App, readings: Iterable[Reading | None]) -> Iterator[list[Reading]]:
    """Batches of what costs about the same, or of what there is when no more come: nobody waits for a slow host."""
    batch: list[Reading] = []
    room, began_at = float(BATCH), app.now()
    for reading in readings:
        if reading is not None:
            batch.append(reading)
            room -= 1 if reading.document else 1 / BARE
        if batch and (reading is None or room <= 0 or app.now() - began_at > PATIENCE):
            yield batch
            batch, room, began_at = [], float(BATCH), app.now()
    if batch:
        yield batch
