"""Feeds: the editor's wishes, claims, outcomes; and the named leases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from aggregator.model.feed import FeedFacts, FeedOutcome, FeedSpec
from aggregator.model.ids import FeedId
from aggregator.storage import feeds, leases, meta
from aggregator.storage.engine import Database
from aggregator.storage.feeds import SyncCounts
from tests.storage.samples import DAY, HOUR, MINUTE, NOW, ensure_feed, make_entry, save_entries

SPEC = FeedSpec(
    url="https://a.example/feed",
    title="A 社",
    language="ja",
    weight=1.5,
    tags=("chips",),
    interval=timedelta(minutes=45),
    headers=(("X-Key", "1"), ("Accept", "*/*")),
    url_prefix="https://a.example/posts/",
)
OTHER = FeedSpec(url="https://b.example/feed", origin="opml")


def make_outcome(feed_id: FeedId, **changes: object) -> FeedOutcome:
    values = {"feed_id": feed_id, "at": NOW, "next_due_at": NOW + HOUR, "next_due_reason": "hourly", "status": 200}
    return FeedOutcome(**(values | changes))  # type: ignore[arg-type]


def test_a_wish_comes_back_as_it_was_given(db: Database) -> None:
    with db.write() as conn:
        feeds.sync_specs(conn, [SPEC, OTHER], now=NOW)
        first, second = feeds.list_feeds(conn)

    assert (first.spec, second.spec) == (SPEC, OTHER)
    assert (first.state, first.next_due_at, first.next_due_reason, first.failures) == ("active", NOW, "new", 0)
    assert (first.etag, first.body_hash, first.last_fetched_at, first.entry_count) == ("", "", None, 0)


def test_a_changed_configuration_changes_only_what_it_says(db: Database) -> None:
    with db.write() as conn:
        first = feeds.sync_specs(conn, [SPEC, OTHER, OTHER], now=NOW)
        same = feeds.sync_specs(conn, [SPEC, OTHER], now=NOW + HOUR)
        gone = feeds.sync_specs(conn, [replace(SPEC, weight=2.0)], now=NOW + HOUR)
        still_gone = feeds.sync_specs(conn, [replace(SPEC, weight=2.0)], now=NOW + HOUR)
        states = {feed.spec.url: (feed.state, feed.spec.weight) for feed in feeds.list_feeds(conn)}
        back = feeds.sync_specs(conn, [SPEC, OTHER], now=NOW + DAY)
        returned = feeds.get_by_url(conn, OTHER.url)

    assert first == SyncCounts(added=2)
    assert same == SyncCounts()
    assert gone == SyncCounts(updated=1, paused=1)
    assert still_gone == SyncCounts()
    assert states == {SPEC.url: ("active", 2.0), OTHER.url: ("paused", 1.0)}
    assert back == SyncCounts(updated=2)
    assert returned is not None
    assert (returned.state, returned.next_due_at) == ("active", NOW + DAY)


def test_a_feed_added_by_command_outlives_every_configuration(db: Database) -> None:
    with db.write() as conn:
        feed_id = ensure_feed(conn)
        counts = feeds.sync_specs(conn, [], now=NOW)
        again = ensure_feed(conn)
        listed = feeds.list_feeds(conn)

    assert counts == SyncCounts()
    assert again == feed_id
    assert [feed.state for feed in listed] == ["active"]


def test_a_removed_feed_is_gone_but_its_entries_stay(db: Database) -> None:
    with db.write() as conn:
        feed_id = ensure_feed(conn)
        save_entries(conn, make_entry("one"), make_entry("two"), feed_id=feed_id)
        (before,) = feeds.list_feeds(conn)
        feeds.remove(conn, feed_id)
        after = (feeds.list_feeds(conn), feeds.get_by_url(conn, before.spec.url), feeds.has_due(conn, now=NOW))
        kept = feeds.get_feeds(conn, [feed_id])
        ensure_feed(conn)
        (again,) = feeds.list_feeds(conn)

    assert before.entry_count == 2
    assert after == ((), None, False)
    assert kept[feed_id].spec.url == before.spec.url
    assert (again.id, again.state, again.entry_count) == (feed_id, "active", 2)


def test_only_feeds_that_are_due_are_claimed_longest_waiting_first(db: Database) -> None:
    with db.write() as conn:
        ids = [ensure_feed(conn, f"https://{name}.example/") for name in "abcd"]
        due_at = [NOW, NOW - HOUR, NOW + MINUTE, NOW - MINUTE]
        feeds.save_outcomes(conn, [make_outcome(i, next_due_at=at) for i, at in zip(ids, due_at, strict=True)])
        waiting = feeds.has_due(conn, now=NOW)
        first = feeds.claim_due(conn, now=NOW, limit=2, lease=MINUTE)
        second = feeds.claim_due(conn, now=NOW, limit=2, lease=MINUTE)
        nothing = feeds.claim_due(conn, now=NOW, limit=2, lease=MINUTE)
        left = feeds.has_due(conn, now=NOW)
        later = feeds.claim_due(conn, now=NOW + MINUTE, limit=10, lease=MINUTE)

    assert waiting
    assert [feed.id for feed in first] == [ids[1], ids[3]]
    assert [feed.id for feed in second] == [ids[0]]
    assert (nothing, left) == ((), False)
    assert [feed.id for feed in later] == [ids[1], ids[3], ids[0], ids[2]]


def test_a_named_feed_is_claimed_though_not_due_but_never_twice(db: Database) -> None:
    with db.write() as conn:
        one, two = ensure_feed(conn), ensure_feed(conn, "https://b.example/")
        feeds.save_outcomes(conn, [make_outcome(one)])
        first = feeds.claim(conn, [one, two], now=NOW, lease=MINUTE)
        again = feeds.claim(conn, [one, two], now=NOW, lease=MINUTE)
        feeds.release(conn, [two])
        freed = feeds.claim(conn, [one, two], now=NOW, lease=MINUTE)
        feeds.release(conn)
        all_free = feeds.claim(conn, [one, two], now=NOW, lease=MINUTE)

    assert {feed.id for feed in first} == {one, two}
    assert again == ()
    assert [feed.id for feed in freed] == [two]
    assert len(all_free) == 2


def test_two_workers_never_share_a_feed(db: Database) -> None:
    with db.write() as conn:
        ids = {ensure_feed(conn, f"https://a.example/{number}") for number in range(40)}

    def take_all() -> list[FeedId]:
        taken: list[FeedId] = []
        while True:
            with db.write() as conn:
                claimed = feeds.claim_due(conn, now=NOW, limit=3, lease=HOUR)
            if not claimed:
                return taken
            taken += [feed.id for feed in claimed]

    with ThreadPoolExecutor(4) as pool:
        taken = [feed_id for worker in [pool.submit(take_all) for _ in range(4)] for feed_id in worker.result()]

    assert len(taken) == len(ids)
    assert set(taken) == ids


def test_an_outcome_ends_the_claim_and_says_when_to_come_again(db: Database) -> None:
    facts = FeedFacts(title="機械", site_url="https://a.example/", language="ja", atom_id="urn:x", updated_at=NOW - DAY)
    with db.write() as conn:
        feed_id = ensure_feed(conn)
        feeds.claim_due(conn, now=NOW, limit=1, lease=DAY)
        done = make_outcome(feed_id, etag='W/"\udce9"', last_modified="x", body_hash="ab", facts=facts, imported=True)
        feeds.save_outcomes(conn, [done])
        (feed,) = feeds.claim_due(conn, now=NOW + HOUR, limit=1, lease=DAY)

    assert (feed.etag, feed.last_modified, feed.body_hash) == ('W/"\udce9"', "x", "ab")
    assert (feed.title, feed.name, feed.atom_id, feed.feed_updated_at) == ("機械", "機械", "urn:x", NOW - DAY)
    assert (feed.last_status, feed.last_fetched_at, feed.first_imported_at) == (200, NOW, NOW)
    assert (feed.next_due_at, feed.next_due_reason) == (NOW + HOUR, "hourly")


def test_failures_add_up_keep_the_validators_and_end_with_a_success(db: Database) -> None:
    with db.write() as conn:
        feed_id = ensure_feed(conn)
        good = make_outcome(feed_id, etag="e", body_hash="b", facts=FeedFacts(title="T"), imported=True)
        bad = make_outcome(feed_id, status=500, failure_class="http", failure_reason="500\0 \ud800")
        feeds.save_outcomes(conn, [good, bad, bad])
        failed = feeds.get_feeds(conn, [feed_id])[feed_id]
        feeds.save_outcomes(conn, [make_outcome(feed_id, status=304, at=NOW + HOUR, imported=True)])
        mended = feeds.get_feeds(conn, [feed_id])[feed_id]

    assert (failed.failures, failed.failure_class, failed.failure_reason) == (2, "http", "500\ufffd ?")
    assert (failed.etag, failed.body_hash, failed.title) == ("e", "b", "T")
    assert (mended.failures, mended.failure_class, mended.failure_reason, mended.etag) == (0, "", "", "e")
    assert mended.first_imported_at == NOW


def test_a_lease_has_one_owner_and_a_fence_that_grows_with_each_new_one(db: Database) -> None:
    with db.write() as conn:
        first = leases.acquire(conn, "daemon", "one", now=NOW, ttl=MINUTE)
        refused = leases.acquire(conn, "daemon", "two", now=NOW, ttl=MINUTE)
        longer = leases.acquire(conn, "daemon", "one", now=NOW + MINUTE / 2, ttl=MINUTE)
        still_refused = leases.acquire(conn, "daemon", "two", now=NOW + MINUTE, ttl=MINUTE)
        taken = leases.acquire(conn, "daemon", "two", now=NOW + 2 * MINUTE, ttl=MINUTE)
        leases.release(conn, "daemon", "one", now=NOW + 2 * MINUTE)
        leases.release(conn, "daemon", "two", now=NOW + 2 * MINUTE)
        free = leases.acquire(conn, "daemon", "one", now=NOW + 2 * MINUTE, ttl=MINUTE)

    assert (first, refused, longer, still_refused, taken, free) == (1, None, 1, None, 2, 3)


def test_of_many_that_want_a_lease_at_once_one_gets_it(db: Database) -> None:
    def take(owner: str) -> int | None:
        with db.write() as conn:
            return leases.acquire(conn, "daemon", owner, now=NOW, ttl=MINUTE)

    with ThreadPoolExecutor(5) as pool:
        fences = list(pool.map(take, "abcde"))

    assert sorted(fence or 0 for fence in fences) == [0, 0, 0, 0, 1]


def test_a_list_that_cannot_be_read_pauses_nobody(db: Database) -> None:
    """Its feeds are not named just now, which does not mean that they are gone; a feed of the file itself is."""
    with db.write() as conn:
        feeds.sync_specs(conn, [SPEC, OTHER], now=NOW)
        counts = feeds.sync_specs(conn, [], now=NOW, complete=False)
        states = {feed.spec.url: feed.state for feed in feeds.list_feeds(conn)}

    assert counts.paused == 1
    assert states == {SPEC.url: "paused", OTHER.url: "active"}


def test_what_pages_show_of_feeds_has_a_revision(db: Database) -> None:
    revisions = []
    for change in (
        lambda conn: feeds.sync_specs(conn, [SPEC], now=NOW),
        lambda conn: feeds.sync_specs(conn, [SPEC], now=NOW),
        lambda conn: feeds.add(conn, replace(OTHER, origin="added"), NOW),
        lambda conn: feeds.remove(conn, FeedId(2), now=NOW),
    ):
        with db.write() as conn:
            change(conn)
            revisions.append(meta.get_revision(conn))

    assert revisions[0] == revisions[1]
    assert len(set(revisions)) == 3
