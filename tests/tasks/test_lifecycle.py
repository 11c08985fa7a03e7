"""What becomes of a feed over many rounds: hints, moves, deaths, quarantine, alarms, floods, what is logged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from itertools import pairwise

from aggregator.model.feed import FetchRequest, Hop, Reply
from aggregator.pipeline.lifecycle import say_held
from aggregator.storage import entries, feed_edits, feeds, fetchlog, held
from aggregator.storage.entries import EntryQuery
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.refresh import LEASE
from tests.tasks.world import (
    DAY,
    FEED,
    HOUR,
    NOW,
    A,
    B,
    C,
    Desk,
    fail,
    give,
    not_modified,
    write_rss,
)


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
    desk.world.answers[A] = fail("timeout")
    desk.fetch_when_due()
    silent = desk.get(A)
    desk.world.answers[A] = give(FEED)
    waits.append(desk.fetch_when_due())

    assert classes == ["too_hostile", "too_hostile", "quarantined"]
    assert "quarantine" in in_quarantine.next_due_reason
    assert in_quarantine.alarm
    assert (silent.failure_class, silent.strikes) == ("timeout", 3)
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


def test_an_answer_of_the_old_address_that_comes_after_a_move_says_nothing(open_desk: Callable[..., Desk]) -> None:
    """Its entries are kept; the new address is asked at once, and not with validators of the old one."""
    new = "https://new.example.org/feed"
    desk = open_desk(A)

    def answer(request: FetchRequest) -> Reply:
        with desk.app.db.write() as conn:
            feed_edits.move(conn, request.feed_id, new)
        return give(FEED, etag='"old"')(request)

    desk.world.answers[A] = answer
    desk.fetch_after(timedelta(0))
    moved = desk.get(new)
    desk.world.answers[new] = give(FEED, etag='"new"')
    desk.fetch_after(timedelta(0))

    assert (moved.etag, moved.body_hash, moved.next_due_at, moved.last_fetched_at) == ("", "", NOW, None)
    assert (desk.get(new).etag, desk.count_entries()) == ('"new"', 2)
    assert desk.world.asked == [A, new]


def test_a_worker_whose_claim_is_anothers_by_now_stores_entries_only(open_desk: Callable[..., Desk]) -> None:
    """It hung for longer than its lease; the other goes on as if it had never been."""
    desk = open_desk(A)

    def answer(request: FetchRequest) -> Reply:
        desk.pass_time(2 * LEASE)
        with desk.app.db.write() as conn:
            assert feeds.claim(conn, [request.feed_id], now=desk.world.now, lease=LEASE, owner="another")
        return give(FEED, etag='"slow"')(request)

    desk.world.answers[A] = answer
    desk.fetch_after(timedelta(0))
    feed = desk.get(A)
    with desk.app.db.read() as conn:
        owners = feeds.list_owners(conn)

    assert owners == ("another",)
    assert (feed.etag, feed.last_fetched_at, feed.next_due_at) == ("", None, NOW)
    assert (feed.first_imported_at, desk.count_entries()) == (desk.world.now, 2)


def write_dated(word: str, count: int, *, offset: timedelta) -> bytes:
    """Items a day apart, the newest ``offset`` before `NOW`."""
    items = "".join(
        f"<item><guid isPermaLink='false'>{word}{number}</guid><title>{word} number {number}</title>"
        f"<link>https://site.example.org/{word}/{number}</link>"
        f"<pubDate>{format_datetime(NOW - offset - number * DAY)}</pubDate></item>"
        for number in range(count)
    )
    return f"<rss version='2.0'><channel><title>T</title>{items}</channel></rss>".encode()


def test_a_burst_that_nothing_explains_is_held_until_an_editor_admits_it(open_desk: Callable[..., Desk]) -> None:
    """Older than what is stored, and none of it: perhaps the old under new names."""
    desk = open_desk(A)

    def count_combined() -> int:
        regroup_stories(desk.app)
        with desk.app.db.read() as conn:
            return len(entries.list_entries(conn, EntryQuery(combined_only=True)))

    desk.world.answers[A] = give(write_dated("first", 12, offset=HOUR))
    desk.fetch_after(timedelta(0))
    desk.world.answers[A] = give(write_dated("second", 12, offset=5 * HOUR))
    desk.fetch_after(2 * DAY)
    first = (count_combined(), desk.count_entries(), desk.get(A).alarm)
    desk.world.answers[A] = not_modified
    desk.fetch_after(2 * DAY)
    kept = desk.get(A).alarm
    with desk.app.db.write() as conn:
        released = [held.release(conn, desk.get(A).id, alarm=kept) for _ in range(2)]
    after = (count_combined(), desk.get(A).alarm)
    desk.world.answers[A] = give(write_dated("third", 1, offset=-3 * DAY))
    desk.fetch_after(2 * DAY)

    assert first == (10, 24, say_held(12))
    assert kept == say_held(12)
    assert released == [12, 0]
    assert after == (22, "")
    assert count_combined() == 23
