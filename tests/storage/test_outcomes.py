"""What a fetch leaves on its feed, in the log of fetches and on its host."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from aggregator.model.feed import CheckHints, Feed, FeedOutcome, FeedSpec, FetchLogLine, Move
from aggregator.model.ids import FeedId
from aggregator.storage import feed_edits, feeds, fetchlog, hosts
from aggregator.storage.engine import Database
from aggregator.storage.feed_claims import select_due
from aggregator.storage.feeds import GONE
from tests.storage.samples import DAY, HOUR, MINUTE, NOW, ensure_feed

SECOND = timedelta(seconds=1)


def make_outcome(feed_id: FeedId, **changes: Any) -> FeedOutcome:
    values: dict[str, Any] = {
        "feed_id": feed_id,
        "at": NOW,
        "next_due_at": NOW + HOUR,
        "next_due_reason": "hourly",
        "status": 200,
    }
    return FeedOutcome(**(values | changes))


def make_line(**changes: Any) -> FetchLogLine:
    values: dict[str, Any] = {"at": NOW, "next_due_at": NOW + HOUR, "next_due_reason": "hourly"}
    return FetchLogLine(**(values | changes))


def save(db: Database, *outcomes: FeedOutcome) -> dict[FeedId, Feed]:
    """The feeds as they are afterwards, slices included."""
    with db.write() as conn:
        feeds.save_outcomes(conn, outcomes)
    with db.write() as conn:
        claimed = feeds.claim(conn, [o.feed_id for o in outcomes], now=NOW + 900 * DAY, lease=HOUR)
        feeds.release(conn)
    return {feed.id: feed for feed in claimed}


@pytest.fixture
def feed_id(db: Database) -> FeedId:
    with db.write() as conn:
        return ensure_feed(conn)


def test_everything_that_a_fetch_told_is_there_again(db: Database, feed_id: FeedId) -> None:
    told = make_outcome(
        feed_id,
        host_key="a.example",
        hints=CheckHints(ttl_minutes=0, update_minutes=60, skip_hours=(0, 23), skip_days=(6,)),
        slices=b"\0\xff",
        document_entries=12,
        arrived=2,
        move=Move(url="https://b.example/", first_seen_at=NOW - DAY, times=3),
        gone_since=NOW - HOUR,
        strikes=2,
        alarm="nothing new for a year",
    )
    feed = save(db, told)[feed_id]

    same = ("host_key", "hints", "slices", "document_entries", "move", "gone_since", "strikes", "alarm")
    assert {name: getattr(feed, name) for name in same} == {name: getattr(told, name) for name in same}
    assert (feed.arrivals, feed.largest_document) == ((NOW, NOW), 12)


def test_what_a_fetch_did_not_tell_stays_or_goes_as_the_outcome_says(db: Database, feed_id: FeedId) -> None:
    told = make_outcome(
        feed_id,
        hints=CheckHints(ttl_minutes=5),
        slices=b"s",
        document_entries=12,
        arrived=1,
        move=Move(url="https://b.example/", first_seen_at=NOW, times=1),
        strikes=2,
        alarm="!",
    )
    save(db, told)
    quiet = save(db, make_outcome(feed_id, status=304))[feed_id]
    fewer = save(db, make_outcome(feed_id, hints=CheckHints(), slices=b"", document_entries=3))[feed_id]

    assert (quiet.hints, quiet.slices, quiet.document_entries) == (CheckHints(ttl_minutes=5), b"s", 12)
    assert (quiet.move, quiet.strikes, quiet.alarm, quiet.arrivals) == (None, 0, "", (NOW,))
    assert (fewer.hints, fewer.slices) == (CheckHints(), b"")
    assert (fewer.document_entries, fewer.largest_document) == (3, 12)


def test_the_newest_twenty_arrivals_are_kept(db: Database, feed_id: FeedId) -> None:
    for hours, arrived in ((0, 15), (1, 4), (2, 3)):
        feed = save(db, make_outcome(feed_id, at=NOW + hours * HOUR, arrived=arrived))[feed_id]
    flood = save(db, make_outcome(feed_id, at=NOW + DAY, arrived=10**9))[feed_id]

    assert feed.arrivals == (NOW + 2 * HOUR,) * 3 + (NOW + HOUR,) * 4 + (NOW,) * 13
    assert flood.arrivals == (NOW + DAY,) * 20


def test_a_postponed_check_moves_and_nothing_else_changes(db: Database, feed_id: FeedId) -> None:
    with db.write() as conn:
        bad = make_outcome(feed_id, failure_class="http", failure_reason="500", status=500, strikes=1, alarm="!")
        feeds.save_outcomes(conn, [bad])
        before = feeds.get_feeds(conn, [feed_id])[feed_id]
        feeds.claim(conn, [feed_id], now=NOW, lease=HOUR, owner="me")
        feeds.save_outcomes(
            conn,
            [make_outcome(feed_id, at=NOW + HOUR, postponed=True, next_due_at=NOW + DAY, next_due_reason="its host")],
        )
        after = feeds.get_feeds(conn, [feed_id])[feed_id]
        free = feeds.claim(conn, [feed_id], now=NOW, lease=HOUR)

    assert after == replace(before, next_due_at=NOW + DAY, next_due_reason="its host")
    assert len(free) == 1


def test_a_steady_outcome_ends_the_claim_and_leaves_what_the_last_one_said(db: Database, feed_id: FeedId) -> None:
    with db.write() as conn:
        told = make_outcome(feed_id, host_key="a.example", strikes=1, alarm="!", etag='"1"', arrived=2)
        feeds.save_outcomes(conn, [told])
        before = feeds.get_feeds(conn, [feed_id])[feed_id]
        feeds.claim(conn, [feed_id], now=NOW, lease=HOUR, owner="me")
        seen = {"at": NOW + HOUR, "status": 304, "next_due_at": NOW + DAY, "next_due_reason": "daily"}
        feeds.save_outcomes(conn, [make_outcome(feed_id, steady=True, **seen)])
        after = feeds.get_feeds(conn, [feed_id])[feed_id]
        free = feeds.claim(conn, [feed_id], now=NOW, lease=HOUR)

    due = replace(before, next_due_at=NOW + DAY, next_due_reason="daily")
    assert after == replace(due, last_fetched_at=NOW + HOUR, last_status=304)
    assert len(free) == 1


def test_an_outcome_whose_claim_is_anothers_by_now_leaves_the_feed_alone(db: Database, feed_id: FeedId) -> None:
    """Its entries are stored, so that the import is over; the other's claim and outcome stay as they are."""
    late = make_outcome(feed_id, etag="slow", slices=b"slow", pause="gone", imported=True, log=make_line(new=1))
    with db.write() as conn:
        feeds.claim(conn, [feed_id], now=NOW, lease=HOUR, owner="slow")
        feeds.claim(conn, [feed_id], now=NOW + HOUR, lease=HOUR, owner="quick")
        feeds.extend(conn, [feed_id], until=NOW + DAY, owner="slow")
        dropped = [feeds.save_outcomes(conn, [late], owner="slow")]
        others = feeds.claim(conn, [feed_id], now=NOW + HOUR, lease=HOUR)
        kept = make_outcome(feed_id, etag="quick", slices=b"quick", at=NOW + HOUR)
        dropped.append(feeds.save_outcomes(conn, [kept], owner="quick"))
        dropped.append(feeds.save_outcomes(conn, [late], owner="slow"))
        (after,) = feeds.claim(conn, [feed_id], now=NOW + 2 * HOUR, lease=HOUR)
        lines = fetchlog.list_lines(conn, feed_id, 9)

    assert dropped == [{feed_id}, frozenset(), {feed_id}]
    assert others == ()
    assert (after.etag, after.slices, after.state, after.last_fetched_at) == ("quick", b"quick", "active", NOW + HOUR)
    assert after.first_imported_at == NOW
    assert [line.new for line in lines] == [1, 1]


def test_a_claim_that_ran_out_and_that_nobody_took_still_counts(db: Database, feed_id: FeedId) -> None:
    with db.write() as conn:
        feeds.claim(conn, [feed_id], now=NOW, lease=HOUR, owner="slow")
        late = feeds.save_outcomes(conn, [make_outcome(feed_id, etag="slow", at=NOW + DAY)], owner="slow")
        feed = feeds.get_feeds(conn, [feed_id])[feed_id]

    assert (late, feed.etag) == (frozenset(), "slow")


def test_what_an_old_address_answered_says_nothing_of_a_moved_feed(db: Database, feed_id: FeedId) -> None:
    """It is asked at its new address at once, without the validators of the old one."""
    with db.write() as conn:
        (claimed,) = feeds.claim(conn, [feed_id], now=NOW, lease=HOUR, owner="me")
        feed_edits.move(conn, feed_id, "https://new.example/feed")
        told = make_outcome(feed_id, asked_url=claimed.spec.url, etag="old", failure_class="http", alarm="!")
        late = feeds.save_outcomes(conn, [told], owner="me")
        (again,) = feeds.claim_due(conn, now=NOW, limit=9, lease=HOUR)

    assert late == {feed_id}
    assert (again.spec.url, again.etag, again.failures, again.alarm) == ("https://new.example/feed", "", 0, "")


def test_a_feed_that_moved_is_known_by_both_addresses(db: Database, feed_id: FeedId) -> None:
    with db.write() as conn:
        before = feeds.get_feeds(conn, [feed_id])[feed_id].spec.url
        feeds.save_outcomes(conn, [make_outcome(feed_id, moved_to="https://b.example/")])
        moved = [feeds.get_by_url(conn, url) for url in (before, "https://b.example/")]
        again = ensure_feed(conn)
        feeds.save_outcomes(conn, [make_outcome(feed_id, moved_to="https://c.example/")])
        feeds.save_outcomes(conn, [make_outcome(feed_id, moved_to=before)])
        (back,) = feeds.list_feeds(conn)

    assert [feed and (feed.id, feed.spec.url) for feed in moved] == [(feed_id, "https://b.example/")] * 2
    assert again == feed_id
    assert (back.id, back.spec.url) == (feed_id, before)


def test_a_configuration_finds_a_feed_that_moved(db: Database) -> None:
    old, new = FeedSpec(url="https://old.example/"), FeedSpec(url="https://new.example/")
    with db.write() as conn:
        feeds.sync_specs(conn, [old], now=NOW)
        (feed,) = feeds.list_feeds(conn)
        feeds.save_outcomes(conn, [make_outcome(feed.id, moved_to=new.url)])
        counts = [feeds.sync_specs(conn, specs, now=NOW) for specs in ([old], [old, new], [new], [new], [old])]
        states = [(feed.spec.url, feed.state) for feed in feeds.list_feeds(conn)]

    assert [(c.added, c.updated, c.paused) for c in counts] == [
        (0, 0, 0),
        (0, 0, 0),
        (0, 1, 0),  # the editor has learned the new address: the old one is forgotten
        (0, 0, 0),
        (1, 0, 1),
    ]
    assert states == [(new.url, "paused"), (old.url, "active")]


def test_no_feed_moves_to_where_another_is(db: Database, feed_id: FeedId) -> None:
    with db.write() as conn:
        other = ensure_feed(conn, "https://b.example/")
        third = ensure_feed(conn, "https://c.example/")
    found = save(
        db,
        make_outcome(feed_id, moved_to="https://b.example/", alarm="shrinks"),
        make_outcome(other, moved_to="https://d.example/"),
        make_outcome(third, moved_to="https://d.example/"),
    )

    assert [found[i].spec.url for i in (feed_id, other, third)] == [
        "https://a.example/feed",
        "https://b.example/",
        "https://c.example/",
    ]
    assert "https://b.example/" in found[feed_id].alarm
    assert "https://d.example/" in found[third].alarm


def test_a_feed_is_paused_and_goes_on_when_the_editor_says_so(db: Database, feed_id: FeedId) -> None:
    with db.write() as conn:
        gone = make_outcome(feed_id, failure_class="http", pause="410 twice", gone_since=NOW, next_due_at=NOW)
        feeds.save_outcomes(conn, [gone])
        paused = feeds.get_feeds(conn, [feed_id])[feed_id]
        due = feeds.has_due(conn, now=NOW + DAY)
        resumed = [feeds.resume(conn, feed_id, now=NOW + DAY) for _ in "ab"]
        active = feeds.get_feeds(conn, [feed_id])[feed_id]

    assert (paused.state, paused.paused_reason, paused.gone_since, due) == ("paused", "410 twice", NOW, False)
    assert resumed == [True, False]
    assert (active.state, active.paused_reason, active.failures, active.gone_since) == ("active", "", 0, None)
    assert active.next_due_at == NOW + DAY


def test_outcomes_of_one_feed_are_written_in_their_order(db: Database, feed_id: FeedId) -> None:
    bad = make_outcome(feed_id, failure_class="http", log=make_line(status=500))
    good = make_outcome(feed_id, etag="e", log=make_line(status=200))
    feed = save(db, bad, good, bad, bad)[feed_id]
    with db.read() as conn:
        lines = fetchlog.list_lines(conn, feed_id, limit=10)

    assert (feed.failures, feed.etag) == (2, "e")
    assert [line.status for line in lines] == [500, 500, 200, 500]


def test_a_log_line_comes_back_as_it_was_written(db: Database, feed_id: FeedId) -> None:
    line = make_line(
        status=200, failure_class="not_xml", failure_reason="x", not_modified=True, received_bytes=2**40, seconds=1.5,
        new=1, changed=2, unchanged=3, rejected=4, folded=5, warnings=("ä", "b"),
    )  # fmt: skip
    save(db, make_outcome(feed_id, log=line), make_outcome(feed_id))
    with db.read() as conn:
        assert fetchlog.list_lines(conn, feed_id, limit=10) == (line,)
        assert fetchlog.list_lines(conn, FeedId(99), limit=10) == ()


def test_the_log_is_bounded_by_age_and_by_number(db: Database, feed_id: FeedId) -> None:
    def prune(**options: int) -> int:
        """How many calls it took."""
        for calls in range(1, 100):
            with db.write() as conn:
                if not fetchlog.prune(conn, now=NOW, keep_lines=5, **options):
                    return calls
        raise AssertionError

    with db.write() as conn:
        other = ensure_feed(conn, "https://b.example/")
        for day in range(100, -1, -1):
            lines = [make_outcome(i, log=make_line(at=NOW - day * DAY, new=day)) for i in (feed_id, other)]
            feeds.save_outcomes(conn, lines if day % 30 == 0 else lines[:1])
    calls = prune(limit=20), prune(), prune()
    with db.read() as conn:
        kept = [[line.new for line in fetchlog.list_lines(conn, i, limit=500)] for i in (feed_id, other)]

    assert calls[0] > 1
    assert calls[1:] == (1, 1)
    assert kept == [[0, 1, 2, 3, 4], [0, 30, 60, 90]]


def test_a_frozen_host_holds_back_its_feeds_and_no_others(db: Database) -> None:
    with db.write() as conn:
        ids = [ensure_feed(conn, f"https://a.example/{number}") for number in range(4)]
        stranger = ensure_feed(conn, "https://b.example/")
        late = NOW + 3 * DAY
        due = [make_outcome(i, host_key="a.example", next_due_at=NOW, next_due_reason="soon") for i in ids[:3]]
        due += [make_outcome(ids[3], host_key="a.example", next_due_at=late), make_outcome(stranger, host_key="b")]
        feeds.save_outcomes(conn, due)
        feeds.claim(conn, [ids[2]], now=NOW, lease=HOUR)
        hosts.freeze(conn, "a.example", NOW + DAY, "429")
        hosts.freeze(conn, "a.example", NOW + HOUR, "503")
        found = feeds.get_feeds(conn, [*ids, stranger])
        frozen = [hosts.get_frozen(conn, ["a.example", "b"], now) for now in (NOW, NOW + DAY)]

    held = [found[i] for i in ids[:2]]
    assert all(NOW + DAY <= feed.next_due_at < NOW + DAY + MINUTE for feed in held)
    assert len({feed.next_due_at for feed in held}) == 2
    assert {feed.next_due_reason for feed in held} == {"429"}
    assert [found[i].next_due_at for i in (ids[2], ids[3], stranger)] == [NOW, late, NOW + HOUR]
    assert frozen == [{"a.example": (NOW + DAY, "429")}, {}]


def test_a_longer_pause_replaces_a_shorter_one(db: Database) -> None:
    with db.write() as conn:
        feed_id = ensure_feed(conn)
        feeds.save_outcomes(conn, [make_outcome(feed_id, host_key="a", next_due_at=NOW)])
        hosts.freeze(conn, "a", NOW + HOUR, "503")
        hosts.freeze(conn, "a", NOW + DAY, "429")
        feed = feeds.get_feeds(conn, [feed_id])[feed_id]

    assert feed.next_due_at >= NOW + DAY
    assert feed.next_due_reason == "429"


def test_a_process_frees_its_own_claims_and_nobodys(db: Database) -> None:
    with db.write() as conn:
        one, two, three = (ensure_feed(conn, f"https://{name}.example/") for name in "abc")
        feeds.claim(conn, [one], now=NOW, lease=HOUR, owner="me")
        feeds.claim(conn, [two], now=NOW, lease=HOUR, owner="you")
        feeds.claim(conn, [three], now=NOW, lease=HOUR)
        owners = feeds.list_owners(conn)
        feeds.release(conn, [two], owner="me")
        feeds.release(conn, owner="me")
        free = feeds.claim(conn, [one, two, three], now=NOW, lease=HOUR)

    assert owners == ("me", "you")
    assert {feed.id for feed in free} == {one, three}


def test_whether_something_is_due_is_known_without_counting(db: Database) -> None:
    with db.write() as conn:
        nothing = feeds.has_due(conn, now=NOW)
        one, two = (ensure_feed(conn, f"https://{name}.example/") for name in "ab")
        feeds.save_outcomes(conn, [make_outcome(one), make_outcome(two, next_due_at=NOW + DAY)])
        soon = (feeds.has_due(conn, now=NOW), feeds.has_due(conn, now=NOW + HOUR))
        feeds.claim_due(conn, now=NOW + HOUR, limit=5, lease=HOUR)
        later = feeds.has_due(conn, now=NOW + HOUR)

    assert (nothing, soon, later) == (False, (False, True), False)


def test_the_feeds_of_a_followed_list_come_and_go_with_it(db: Database) -> None:
    url = "https://lists.example/ai.opml"
    specs = [FeedSpec(url=f"https://{name}.example/", origin="opml", list_url=url) for name in "abc"]
    mine = FeedSpec(url="https://c.example/", title="Mine")
    with db.write() as conn:
        feeds.sync_specs(conn, [mine], now=NOW)
        first = feeds.sync_list(conn, url, specs, now=NOW)
        config = feeds.sync_specs(conn, [mine], now=NOW)
        fewer = feeds.sync_list(conn, url, specs[1:], now=NOW)
        listed = {feed.spec.url: feed for feed in feeds.list_feeds(conn)}
        feeds.remove(conn, listed["https://b.example/"].id, now=NOW)
        same = feeds.sync_list(conn, url, specs[1:], now=NOW)
        back = feeds.sync_list(conn, url, specs, now=NOW)
        unlisted = feeds.pause_unlisted(conn, [])
        found = {feed.spec.url: (feed.state, feed.paused_reason) for feed in feeds.list_feeds(conn)}

    assert (first.added, config.paused, fewer.paused) == (2, 0, 1)
    assert listed["https://c.example/"].spec == mine
    assert (same.updated, same.paused, back.updated, unlisted) == (0, 0, 1, 1)
    assert found == {"https://a.example/": ("paused", GONE), "https://c.example/": ("active", "")}


def test_due_feeds_are_read_from_the_start_of_one_index(db: Database) -> None:
    """No scan and no sort; for PostgreSQL, which scans a table that is empty, scans are made dear."""
    chosen = select_due(NOW, 200).compile(dialect=db.engine.dialect, compile_kwargs={"literal_binds": True})
    with db.write() as conn:
        if db.dialect == "sqlite":
            plan = [str(row[-1]) for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {chosen}")]
        else:
            for scan in ("seqscan", "bitmapscan"):
                conn.exec_driver_sql(f"SET LOCAL enable_{scan} = off")
            plan = [str(row[0]) for row in conn.exec_driver_sql(f"EXPLAIN {chosen}")]

    assert [line for line in plan if "ix_feeds_state_next_due_at_id" in line]
    assert not [line for line in plan if "SORT" in line.upper() or "B-TREE" in line]
