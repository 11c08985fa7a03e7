"""A round: what it holds in memory, how long it holds its feeds, and what a refusing database costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aggregator.errors import StorageError
from aggregator.model.feed import (
    Feed,
    FeedOutcome,
    Fetched,
    FetchFailed,
    FetchLogLine,
    FetchRequest,
    FolderRead,
    Reply,
)
from aggregator.model.ids import FeedId
from aggregator.model.parsed import ParsedEntry, ParsedFeed
from aggregator.storage import entries, feeds, fetchlog
from aggregator.storage.engine import Database
from aggregator.tasks.readers import PARSERS
from aggregator.tasks.reading import read_reply
from aggregator.tasks.refresh import BATCH, LEASE, prune_traces, refresh_due
from tests.fixtures.program import Program

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
BODY = b"<rss version='2.0'><channel><title>T</title><item><guid>1</guid><title>One</title></item></channel></rss>"


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class SlowHost:
    """Answers one feed after the other, each after half a minute."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.asked: list[FeedId] = []

    def fetch(self, requests: Iterable[FetchRequest], *, tick: float | None = None) -> Iterator[Reply]:
        for request in requests:
            self.clock.now += timedelta(seconds=30)
            self.asked.append(request.feed_id)
            yield FetchFailed(request=request, failure_class="timeout", reason="no answer")

    def close(self) -> None:
        """Nothing is open."""


class Folder:
    """Always has one post."""

    def fetch(self, requests: Iterable[FetchRequest], *, tick: float | None = None) -> Iterator[Reply]:
        post = ParsedFeed(title="T", entries=(ParsedEntry(id="1", title="One"),))
        return (FolderRead(request=request, feed=post, body_hash="1") for request in requests)

    def close(self) -> None:
        """Nothing is open."""


def test_feeds_of_a_slow_host_stay_claimed_until_they_are_asked(program: Program) -> None:
    program.configure(feeds=[{"url": f"https://slow.example.org/{number}.xml"} for number in range(3 * BATCH)])
    clock = Clock()
    host = SlowHost(clock)
    assert timedelta(seconds=30) * 3 * BATCH > LEASE > timedelta(seconds=30) * (BATCH + PARSERS)
    with program.app(now=clock, fetcher=host) as app:
        claims: list[int] = []
        ask = host.fetch

        def fetch_beside_another(requests: Iterable[FetchRequest], *, tick: float | None = None) -> Iterator[Reply]:
            for reply in ask(requests):
                with app.db.write() as conn:
                    due = feeds.claim_due(conn, now=clock.now, due_by=NOW, limit=1, lease=LEASE)
                claims.append(len(due))
                yield reply

        host.fetch = fetch_beside_another  # type: ignore[method-assign]
        refresh_due(app)

    assert len(host.asked) == len(set(host.asked)) == 3 * BATCH
    assert set(claims) == {0}


def test_a_feed_that_the_database_refuses_is_asked_later_and_later(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.configure(feeds=[{"url": "https://news.example.org/feed.xml"}])
    clock = Clock()
    save = entries.save

    def refuse(conn: object, changes: Sequence[object], **rest: object) -> None:
        if changes:
            raise StorageError("too much")
        save(conn, changes, **rest)  # type: ignore[arg-type]

    waits: list[timedelta] = []
    with program.app(now=clock, fetcher=Folder()) as app:
        monkeypatch.setattr(entries, "save", refuse)
        for failures in (1, 2, 3):
            (result,) = refresh_due(app).results
            feed = get_only_feed(app.db)
            assert (result.failure_class, feed.failure_class, feed.failures) == ("not_saved", "not_saved", failures)
            assert feed.body_hash == ""
            waits.append(feed.next_due_at - clock.now)
            clock.now = feed.next_due_at
        monkeypatch.setattr(entries, "save", save)
        (result,) = refresh_due(app).results

    assert waits[0] < waits[1] < waits[2]
    assert (result.failure_class, result.new) == ("", 1)


@pytest.mark.parametrize("body", [BODY, b"nothing"])
def test_what_was_read_is_held_without_its_bytes(program: Program, body: bytes) -> None:
    program.configure(feeds=[{"url": "https://news.example.org/feed.xml"}])
    with program.app() as app:
        feed = get_only_feed(app.db)
        request = FetchRequest(feed_id=feed.id, url=feed.spec.url)
        reply = Fetched(request=request, final_url=feed.spec.url, status=200, body=body, body_hash="1")
        reading = read_reply(app, feed, reply)

    assert isinstance(reading.reply, Fetched)
    assert (reading.reply.body, reading.reply.body_hash) == (b"", "1")


def get_only_feed(db: Database) -> Feed:
    with db.read() as conn:
        (feed,) = feeds.list_feeds(conn)
    return feed


def test_what_many_rounds_left_in_the_log_does_not_outgrow_what_pruning_takes(program: Program) -> None:
    program.configure(feeds=[{"url": "https://a.example.org/feed"}])
    with program.app(now=Clock()) as app:
        with app.db.read() as conn:
            (feed,) = feeds.list_feeds(conn)
        at = NOW - timedelta(days=100)
        line = FetchLogLine(at=at, status=304, not_modified=True, next_due_at=at, next_due_reason="")
        outcome = FeedOutcome(feed_id=feed.id, at=at, next_due_at=at, next_due_reason="", log=line)
        # Rounds of their own: one transaction that writes the same row so often takes PostgreSQL half a minute.
        for _ in range(11):
            with app.db.write() as conn:
                feeds.save_outcomes(conn, [replace(outcome, postponed=True)] * 1_000)
        prune_traces(app)
        with app.db.read() as conn:
            left = len(fetchlog.list_lines(conn, feed.id, limit=20_000))

    assert left == 0
