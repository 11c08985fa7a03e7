"""What becomes of a feed over many rounds: hosts that ask for patience, moves, deaths, our own network, what is logged.

The fetcher is a fake that answers by script; clock, database, parser and decisions are real.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import pytest

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
from aggregator.pipeline.compare import compare_entries
from aggregator.pipeline.identify import identify_entries
from aggregator.storage import entries, feeds, fetchlog, hosts
from aggregator.storage.entries import EntryQuery
from aggregator.tasks.outcome import make_outcome
from aggregator.tasks.refresh import refresh_due
from aggregator.tasks.startup import spread_overdue
from tests.fixtures.program import Program

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


@pytest.fixture
def open_desk(program: Program) -> Iterator[Callable[..., Desk]]:
    """Opens the program over these addresses."""
    with_app = []

    def open_one(*urls: str, **sections: object) -> Desk:
        program.configure(feeds=[{"url": url} for url in urls], **sections)
        world = World()
        opened = program.app(now=world, fetcher=world)
        with_app.append(opened)
        return Desk(opened.__enter__(), world)

    yield open_one
    for opened in with_app:
        opened.__exit__(None, None, None)


A, B, C = "https://a.example.org/one", "https://a.example.org/two", "https://b.example.org/feed"
FEED = write_rss(("1", "One"), ("2", "Two"))


def test_retry_after_holds_for_every_feed_of_the_host_and_for_no_other(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(A, B, C)
    desk.world.answers = {A: give(FEED), B: give(FEED), C: give(FEED)}
    desk.fetch_after(timedelta(0))
    desk.world.answers[A] = fail("http", 429, retry_after=5 * HOUR)
    desk.fetch_after(DAY)
    frozen_at = desk.world.now

    assert desk.get(A).next_due_at >= frozen_at + 5 * HOUR
    assert desk.get(B).next_due_at >= frozen_at + 5 * HOUR
    assert "5 h" in desk.get(B).next_due_reason
    assert desk.get(C).next_due_at < frozen_at + 5 * HOUR


def test_hints_of_a_document_hold_through_a_304(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(A)
    desk.world.answers[A] = give(write_rss(("1", "One"), head="<ttl>300</ttl>"))
    desk.fetch_after(timedelta(0))
    first = desk.get(A)
    desk.world.answers[A] = not_modified
    desk.fetch_when_due()
    second = desk.get(A)

    assert first.next_due_at >= NOW + 5 * HOUR
    assert second.next_due_at >= desk.world.now + 5 * HOUR
    assert "ttl" in first.next_due_reason
    assert "ttl" in second.next_due_reason


def test_when_nobody_answers_it_is_our_own_network_and_no_feed_is_blamed(open_desk: Callable[..., Desk]) -> None:
    urls = [f"https://host{number}.example.org/feed" for number in range(30)]
    desk = open_desk(*urls)
    desk.world.default = give(FEED)
    desk.fetch_after(timedelta(0))
    desk.world.default = fail("dns")
    desk.world.asked.clear()
    desk.fetch_after(2 * DAY)
    while_down = desk.list_feeds()
    with desk.app.db.read() as conn:
        lines = [fetchlog.list_lines(conn, feed.id, limit=10) for feed in while_down]
    asked_while_down = len(desk.world.asked)
    desk.fetch_after(timedelta(minutes=11))
    probes = len(desk.world.asked) - asked_while_down
    desk.world.default = give(FEED)
    desk.fetch_after(timedelta(minutes=11))
    desk.fetch_after(timedelta(minutes=11))

    assert {feed.failures for feed in while_down} == {0}
    assert {feed.failure_class for feed in while_down} == {""}
    assert {(len(said), said[0].failure_class) for said in lines} == {(2, "dns")}
    assert all("our own network" in said[0].next_due_reason for said in lines)
    assert any("our own network" in feed.next_due_reason for feed in while_down)
    assert 0 < probes <= 10
    assert all(feed.last_fetched_at and feed.last_fetched_at > NOW + DAY for feed in desk.list_feeds())


def test_one_dead_host_among_many_is_no_outage(open_desk: Callable[..., Desk]) -> None:
    urls = [f"https://host{number}.example.org/feed" for number in range(10)]
    desk = open_desk(*urls, A)
    desk.world.default = give(FEED)
    desk.world.answers[A] = fail("dns")
    desk.fetch_after(timedelta(0))

    assert desk.get(A).failures == 1
    assert desk.get(A).failure_class == "dns"


def test_a_permanent_move_is_recorded_shown_and_adopted_on_evidence(open_desk: Callable[..., Desk]) -> None:
    new = "https://new.example.org/feed"
    desk = open_desk(A)
    desk.world.answers[A] = give(FEED, Hop(status=301, url=new))
    desk.fetch_after(timedelta(0))
    seen = desk.get(A).move
    for _ in range(3):
        desk.fetch_after(12 * HOUR)
    early = [feed.spec.url for feed in desk.list_feeds()]
    desk.world.answers[new] = give(FEED)
    desk.fetch_after(13 * HOUR)
    late = [feed.spec.url for feed in desk.list_feeds()]

    assert seen is not None
    assert (seen.url, seen.times) == (new, 1)
    assert early == [A]
    assert late == [new]
    assert desk.count_entries() == 2


def test_a_temporary_redirect_moves_nothing(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(A)
    desk.world.answers[A] = give(FEED, Hop(status=302, url="https://new.example.org/feed"))
    for _ in range(8):
        desk.fetch_after(DAY)

    assert desk.get(A).move is None


def test_a_feed_that_is_gone_twice_a_day_apart_is_paused_and_keeps_its_entries(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(A)
    desk.world.answers[A] = give(FEED)
    desk.fetch_after(timedelta(0))
    desk.world.answers[A] = fail("http", 410)
    desk.fetch_after(DAY)
    once = desk.get(A).state
    desk.fetch_after(2 * HOUR)
    soon = desk.get(A).state
    desk.fetch_after(2 * DAY)
    late = desk.get(A).state

    assert (once, soon, late) == ("active", "active", "paused")
    assert desk.count_entries() == 2


def test_404_is_asked_again_for_ever(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(A)
    desk.world.answers[A] = fail("http", 404)
    waits = [desk.fetch_when_due() for _ in range(20)]

    assert desk.get(A).state == "active"
    assert all(later >= earlier / 1.2 for earlier, later in pairwise(waits[1:]))
    assert timedelta(days=6) < waits[-1] < timedelta(days=8)


def test_three_documents_that_are_too_hostile_bring_a_feed_into_quarantine(open_desk: Callable[..., Desk]) -> None:
    bomb = b"<rss><channel>" + b"<a>" * 500_000
    desk = open_desk(A)
    desk.world.answers[A] = give(bomb)
    classes, waits = [], []
    for _ in range(3):
        waits.append(desk.fetch_when_due())
        classes.append(desk.get(A).failure_class)
    in_quarantine = desk.get(A)
    desk.world.answers[A] = give(FEED)
    waits.append(desk.fetch_when_due())

    assert classes == ["too_hostile", "too_hostile", "quarantined"]
    assert "quarantine" in in_quarantine.next_due_reason
    assert in_quarantine.alarm
    assert waits[-1] >= timedelta(days=6)
    assert (desk.get(A).strikes, desk.get(A).failure_class) == (0, "")


def test_every_fetch_leaves_a_line_that_says_what_it_brought_and_why_the_next_is_then(
    open_desk: Callable[..., Desk],
) -> None:
    desk = open_desk(A)
    desk.world.answers[A] = give(FEED)
    desk.fetch_after(timedelta(0))
    desk.world.answers[A] = not_modified
    desk.fetch_when_due()
    desk.world.answers[A] = fail("timeout")
    desk.fetch_when_due()
    with desk.app.db.read() as conn:
        failed, same, first = fetchlog.list_lines(conn, desk.get(A).id, limit=10)

    assert (first.status, first.new, first.received_bytes, first.not_modified) == (200, 2, 100, False)
    assert (same.status, same.not_modified) == (304, True)
    assert (failed.failure_class, failed.failure_reason) == ("timeout", "as the test wants")
    assert all(line.next_due_at > line.at and line.next_due_reason for line in (failed, same, first))
    assert failed.next_due_at == desk.get(A).next_due_at


def test_a_feed_that_suddenly_holds_nothing_raises_an_alarm(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(A)
    desk.world.answers[A] = give(write_rss(*((str(number), f"Title {number}") for number in range(30))))
    desk.fetch_after(timedelta(0))
    calm = desk.get(A).alarm
    desk.world.answers[A] = give(write_rss())
    desk.fetch_after(DAY)
    alarmed = desk.get(A).alarm
    desk.world.answers[A] = give(write_rss(*((str(number), f"Title {number}") for number in range(30))))
    desk.fetch_after(DAY)

    assert calm == ""
    assert alarmed
    assert desk.get(A).alarm == ""
    assert desk.count_entries() == 30


def test_new_ids_for_what_is_known_are_taken_over_and_publish_nothing_again(open_desk: Callable[..., Desk]) -> None:
    titles = [f"Something quite particular number {number}" for number in range(12)]
    desk = open_desk(A)
    desk.world.answers[A] = give(write_rss(*((f"old-{number}", title) for number, title in enumerate(titles))))
    desk.fetch_after(timedelta(0))
    with desk.app.db.read() as conn:
        before = {entry.id: entry.effective_at for entry in entries.list_entries(conn, EntryQuery())}
    desk.world.answers[A] = give(write_rss(*((f"new-{number}", title) for number, title in enumerate(titles))))
    for _ in range(3):
        desk.fetch_after(DAY)
    with desk.app.db.read() as conn:
        after = {entry.id: entry.effective_at for entry in entries.list_entries(conn, EntryQuery())}

    assert after == before


def test_after_a_restart_what_is_overdue_is_asked_in_turn_and_the_rest_keeps_its_time(
    open_desk: Callable[..., Desk],
) -> None:
    urls = [f"https://host{number % 4}.example.org/{number}" for number in range(120)]
    desk = open_desk(*urls, C)
    desk.world.default = give(FEED)
    desk.world.answers[C] = give(FEED, fresh_for=20 * HOUR)
    desk.fetch_after(timedelta(0))
    due_before = desk.get(C).next_due_at
    desk.world.asked.clear()
    desk.pass_time(10 * HOUR)
    spread_overdue(desk.app)
    refresh_due(desk.app)
    at_once = list(desk.world.asked)
    desk.fetch_after(timedelta(minutes=1))
    after_a_minute = len(desk.world.asked)
    desk.fetch_after(timedelta(minutes=29))

    assert sorted({url.split("/")[2] for url in at_once}) == [f"host{number}.example.org" for number in range(4)]
    assert len(at_once) == 4
    assert 30 < after_a_minute < 90
    assert sorted(set(desk.world.asked)) == sorted(urls)
    assert desk.get(C).next_due_at == due_before


def test_a_feed_on_which_a_decision_stumbles_costs_itself_only(
    open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk(A, B, C)
    desk.world.default = give(FEED)
    compare = compare_entries

    def stumble(found: Any, known: Any) -> Any:
        if any(entry.parsed.title == "Odd" for entry in found):
            raise OverflowError("a fault of ours")
        return compare(found, known)

    monkeypatch.setattr("aggregator.tasks.saving.compare_entries", stumble)
    desk.world.answers[B] = give(write_rss(("9", "Odd")))
    desk.fetch_after(timedelta(0))

    assert (desk.get(A).failures, desk.get(C).failures) == (0, 0)
    assert desk.get(A).last_fetched_at == desk.get(C).last_fetched_at == NOW
    assert (desk.get(B).failures, desk.get(B).failure_class) == (1, "not_saved")
    assert "OverflowError" in desk.get(B).failure_reason
    assert desk.get(B).next_due_at > NOW


def test_a_document_on_which_reading_stumbles_costs_its_feed_only(
    open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk(A, B, C)
    desk.world.default = give(FEED)
    desk.world.answers[B] = give(write_rss(("9", "Odd")))
    identify = identify_entries

    def stumble(document: Any) -> Any:
        if document.entries[0].title == "Odd":
            raise RecursionError("a fault of ours")
        return identify(document)

    monkeypatch.setattr("aggregator.tasks.reading.identify_entries", stumble)
    desk.fetch_after(timedelta(0))

    assert desk.get(A).last_fetched_at == desk.get(C).last_fetched_at == NOW
    assert (desk.get(B).failures, desk.get(B).failure_class) == (1, "not_saved")
    assert desk.get(B).next_due_at > NOW


def test_a_feed_of_which_nothing_can_be_written_is_not_asked_again_at_once(
    open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk(A, B)
    desk.world.default = give(FEED)
    judge = make_outcome

    def stumble(app: App, read: Any, result: Any, around: Any) -> Any:
        if read.feed.spec.url == B:
            raise ValueError("a fault of ours")
        return judge(app, read, result, around)

    monkeypatch.setattr("aggregator.tasks.saving.make_outcome", stumble)
    desk.fetch_after(timedelta(0))
    desk.fetch_after(timedelta(minutes=20))

    assert desk.get(A).last_fetched_at == NOW
    assert desk.world.asked.count(B) == 1


def test_the_log_names_the_next_check_that_a_frozen_host_brings(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(A)
    desk.world.answers[A] = give(FEED)
    with desk.app.db.write() as conn:
        hosts.freeze(conn, "a.example.org", NOW + 5 * DAY, "a.example.org asks for 5 d (Retry-After)")
    desk.fetch_after(timedelta(0))
    with desk.app.db.read() as conn:
        (line,) = fetchlog.list_lines(conn, desk.get(A).id, limit=10)

    assert desk.get(A).next_due_at >= NOW + 5 * DAY
    assert (line.next_due_at, line.next_due_reason) == (desk.get(A).next_due_at, desk.get(A).next_due_reason)


def test_a_token_in_a_redirect_stands_in_no_alarm(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(A, B, C)
    desk.world.default = give(FEED)
    moved = "https://new.example.org/feed?key=s3cret"
    desk.world.answers[A] = give(FEED, Hop(status=301, url=moved))
    desk.fetch_after(timedelta(0))
    leaving = desk.get(A).alarm
    desk.world.answers[B] = give(FEED, Hop(status=301, url=moved))
    for _ in range(8):
        desk.fetch_after(DAY)
    alarms = [leaving, *(feed.alarm for feed in desk.list_feeds())]

    assert "new.example.org/feed" in leaving
    assert any("another feed" in alarm for alarm in alarms)
    assert not any("s3cret" in alarm for alarm in alarms)


def test_probes_of_a_few_hosts_that_do_not_answer_blame_no_feed(open_desk: Callable[..., Desk]) -> None:
    many = [f"https://host{number}.example.org/feed" for number in range(30)]
    few = [f"https://a.example.org/{number}" for number in range(12)]
    desk = open_desk(*many, *few)
    desk.world.default = give(FEED)
    desk.fetch_after(timedelta(0))
    desk.world.default = fail("dns")
    desk.fetch_after(2 * DAY)
    with desk.app.db.write() as conn:  # the feeds of one host come first
        feeds.put_off(conn, {desk.get(url).id: desk.world.now - HOUR for url in few}, reason="as the test wants")
    desk.fetch_after(timedelta(minutes=1))

    assert {feed.failures for feed in desk.list_feeds()} == {0}
