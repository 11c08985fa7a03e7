"""One round of fetching, for feeds that are due or named: claim -> fetch -> read -> save. Never tells time itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from time import sleep

from aggregator.app import App
from aggregator.log import get_logger, redact_url
from aggregator.model.feed import Feed, Fetched, FetchRequest, FolderRead, Reply
from aggregator.model.ids import FeedId
from aggregator.model.parsed import ParsedFeed
from aggregator.model.round import FeedResult, Round
from aggregator.pipeline.identify import identify_entries
from aggregator.storage import feeds, fetchlog, host_leases, hosts
from aggregator.tasks.hand import Hand, get_gap, get_namer, settle
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
#: How long a claimed feed, and its host, is left alone by others; renewed for what is in hand still.
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
    """Keep what fetches leave bounded: pauses and leases of hosts that have ended, and the log, by and by."""
    while True:
        with app.db.write() as conn:
            hosts.prune(conn, now=app.now())
            more = host_leases.prune(conn, now=app.now())
            more = fetchlog.prune(conn, now=app.now()) or more
        if not more:
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

    What falls due meanwhile is the next round's: this one must end, others wait for it. Each claim goes on behind the
    one before: thousands of feeds of a slow host are not passed over again each time. Who was left because another
    process had the host gets a second chance at the end, and after that the next round.
    """
    began_at, limit = app.now(), PROBES if watch.is_probing else CLAIM
    after: tuple[datetime, FeedId] | None = None
    while not watch.is_down:
        with app.db.write() as conn:
            claimed = feeds.claim_due(
                conn,
                now=app.now(),
                due_by=began_at,
                after=after,
                limit=limit,
                lease=LEASE,
                owner=worker_name(),
                name_host=get_namer(app),
            )
        if claimed:
            after = claimed[-1].next_due_at, claimed[-1].id
            yield claimed
        elif after is None:
            return
        else:
            after = None
        if watch.is_probing:
            return


def _claim_named(
    app: App, feed_ids: Sequence[FeedId], due_by: datetime | None, put_aside: list[FeedResult]
) -> Iterator[Sequence[Feed]]:
    """Those whose host wants to be left alone go to ``put_aside``, whoever named them.

    Those whose host another process has asked just now are waited for at the end: its gap is short.
    """
    left = list(feed_ids)
    for is_last in (False, True):
        found: set[FeedId] = set()
        for start in range(0, len(left), CLAIM):
            claimed, held_back = _claim_some(app, left[start : start + CLAIM], due_by)
            put_aside += held_back
            found.update([feed.id for feed in claimed], [result.feed_id for result in held_back])
            yield claimed
        left = [feed_id for feed_id in left if feed_id not in found]
        if is_last or not _wait_for_gap(app, left):
            return


def _claim_some(
    app: App, feed_ids: Sequence[FeedId], due_by: datetime | None
) -> tuple[Sequence[Feed], Sequence[FeedResult]]:
    """What is to be asked now, and what its host wants to be left alone."""
    with app.db.write() as conn:
        now, owner = app.now(), worker_name()
        claimed = feeds.claim(
            conn, feed_ids, now=now, due_by=due_by, lease=LEASE, owner=owner, name_host=get_namer(app)
        )
        frozen = hosts.get_frozen(conn, {feed.host_key for feed in claimed}, now)
        feeds.release(conn, [feed.id for feed in claimed if feed.host_key in frozen])
        host_leases.release(conn, list(frozen), now=now, gap=get_gap(app), owner=owner)
    held_back = [
        FeedResult(feed_id=feed.id, url=feed.spec.url, status=None, postponed=True, reason=frozen[feed.host_key][1])
        for feed in claimed
        if feed.host_key in frozen
    ]
    return [feed for feed in claimed if feed.host_key not in frozen], held_back


def _wait_for_gap(app: App, feed_ids: Sequence[FeedId]) -> bool:
    """Until the hosts are free that another process has done with, but for the gap. False: there are none."""
    with app.db.read() as conn:
        wait = host_leases.find_wait(conn, feed_ids, now=app.now(), gap=get_gap(app), owner=worker_name())
    if wait is None:
        return False
    sleep(wait.total_seconds())
    return True


def _run(
    app: App,
    claims: Iterator[Sequence[Feed]],
    watch: OutageWatch,
    *,
    on_result: Callable[[FeedResult], None] | None,
) -> Round:
    settle(app)
    hand = Hand(app, LEASE)
    results: list[FeedResult] = []
    try:
        with (
            closing(app.fetcher.fetch(_iter_requests(claims, hand), tick=TICK_SECONDS)) as replies,
            Readers(app) as readers,
        ):
            for batch in _chunked(app, _read_replies(app, hand, replies, readers)):
                watch.note(batch)
                for result in save_batch(app, batch, watch):
                    results.append(result)
                    hand.drop(result.feed_id)
                    _log_result(result)
                    if on_result:
                        on_result(result)
                hand.keep()
    finally:
        hand.release()
    return Round(results=tuple(results))


def _iter_requests(claims: Iterator[Sequence[Feed]], hand: Hand) -> Iterator[FetchRequest]:
    """The fetcher takes them when it has room."""
    for claimed in claims:
        hand.take(claimed)
        for feed in claimed:
            yield _request(feed)


def _read_replies(app: App, hand: Hand, replies: Iterable[Reply | None], readers: Readers) -> Iterator[Reading | None]:
    """What each reply holds, in the order in which it is known.

    None: nothing came for a while, of the net or of the readers.
    """
    for reply in replies:
        if isinstance(reply, Fetched | FolderRead):
            readers.add(hand[reply.request.feed_id], reply)
        elif reply is not None:
            yield read_reply(app, hand[reply.request.feed_id], reply)
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
