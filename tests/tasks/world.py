"""Hosts that answer by script, and a clock that stands; all else is real. Never asserts anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from aggregator.app import App
from aggregator.model.feed import (
    Exchanged,
    Feed,
    Fetched,
    FetchFailed,
    FetchRequest,
    Hop,
    NotModified,
    Reply,
)
from aggregator.storage import entries, feeds
from aggregator.storage.entries import EntryQuery
from aggregator.tasks.refresh import refresh_due

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def write_rss(*items: tuple[str, str], head: str = "") -> bytes:
    """Items of (guid, title)."""
    text = "".join(
        f"<item><guid isPermaLink='false'>{guid}</guid><title>{title}</title>"
        f"<link>https://site.example.org/{title.replace(' ', '-')}</link></item>"
        for guid, title in items
    )
    return f"<rss version='2.0'><channel><title>T</title>{head}{text}</channel></rss>".encode()


Answer = Callable[[FetchRequest], Reply]


def give(body: bytes, *hops: Hop, **fields: object) -> Answer:
    """200 with this body."""

    def answer(request: FetchRequest) -> Reply:
        reply = Fetched(
            request=request,
            final_url=hops[-1].url if hops else request.url,
            status=200,
            body=body,
            body_hash=blake2b(body, digest_size=16).hexdigest(),
            content_type="application/rss+xml",
            exchanged=make_exchanged(request, hops),
        )
        return replace(reply, **fields)  # type: ignore[arg-type]

    return answer


def fail(failure_class: str, status: int | None = None, retry_after: timedelta | None = None) -> Answer:
    return lambda request: FetchFailed(
        request=request,
        failure_class=failure_class,
        reason="as the test wants",
        status=status,
        retry_after=retry_after,
        exchanged=make_exchanged(request, ()),
    )


def not_modified(request: FetchRequest) -> Reply:
    return NotModified(request=request, status=304, exchanged=make_exchanged(request, ()))


def make_exchanged(request: FetchRequest, hops: Iterable[Hop]) -> Exchanged:
    host = request.url.split("/")[2]
    return Exchanged(hops=tuple(hops), host_key=host, received_bytes=100, seconds=0.5)


@dataclass
class World:
    """A clock that stands, and hosts that answer by script."""

    now: datetime = NOW
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    #: For all others.
    default: Answer = field(default=fail("dns"))

    def __call__(self) -> datetime:
        return self.now

    def fetch(self, requests: Iterable[FetchRequest], *, tick: float | None = None) -> Iterator[Reply]:
        for request in requests:
            self.asked.append(request.url)
            yield self.answers.get(request.url, self.default)(request)

    def close(self) -> None:
        """Nothing is open."""


class Desk:
    """One installation over the world."""

    def __init__(self, app: App, world: World) -> None:
        self.app = app
        self.world = world

    def pass_time(self, by: timedelta) -> None:
        self.world.now += by

    def fetch_after(self, by: timedelta) -> None:
        self.pass_time(by)
        refresh_due(self.app)

    def fetch_when_due(self) -> timedelta:
        """Lets the time pass until the first feed is due; how long it was."""
        first = min(feed.next_due_at for feed in self.list_feeds() if feed.state == "active")
        waited = max(first - self.world.now, timedelta(0))
        self.fetch_after(waited)
        return waited

    def list_feeds(self) -> tuple[Feed, ...]:
        with self.app.db.read() as conn:
            return feeds.list_feeds(conn)

    def get(self, url: str) -> Feed:
        return next(feed for feed in self.list_feeds() if feed.spec.url == url)

    def count_entries(self) -> int:
        with self.app.db.read() as conn:
            return len(entries.list_entries(conn, EntryQuery()))


A, B, C = "https://a.example.org/one", "https://a.example.org/two", "https://b.example.org/feed"
FEED = write_rss(("1", "One"), ("2", "Two"))
