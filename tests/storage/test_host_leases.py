"""Hosts are claimed with their feeds: never two owners at once, the gap kept between them, and nothing left behind."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from aggregator.model.feed import Feed, FeedSpec
from aggregator.model.ids import FeedId
from aggregator.storage import feed_edits, feeds, host_leases
from aggregator.storage.bulk import insert_rows
from aggregator.storage.engine import Database
from aggregator.storage.feed_rows import new_row
from aggregator.storage.schema import feeds as feeds_table
from aggregator.storage.schema import host_leases as leases_table
from tests.storage.samples import DAY, HOUR, MINUTE, NOW

GAP = timedelta(seconds=1)


def name_host(feed_id: FeedId, url: str, stored: str) -> str:
    return url.split("/")[2]


def add_feeds(db: Database, *urls: str, waiting: timedelta = HOUR) -> None:
    """Due, the first for the longest time."""
    rows = [new_row(FeedSpec(url=url), NOW) | {"next_due_at": NOW - waiting + n * GAP} for n, url in enumerate(urls)]
    with db.write() as conn:
        insert_rows(conn, feeds_table, rows)


def claim(db: Database, owner: str, *, now: datetime = NOW, limit: int = 100, lease: timedelta = HOUR) -> list[Feed]:
    with db.write() as conn:
        return list(feeds.claim_due(conn, now=now, limit=limit, lease=lease, owner=owner, name_host=name_host))


def give_back(db: Database, owner: str, claimed: Sequence[Feed], *, now: datetime = NOW) -> None:
    with db.write() as conn:
        feeds.release(conn, [feed.id for feed in claimed], owner=owner)
        host_leases.release(conn, {feed.host_key for feed in claimed}, now=now, gap=GAP, owner=owner)


def list_urls(claimed: Sequence[Feed]) -> list[str]:
    return [feed.spec.url.removeprefix("https://") for feed in claimed]


def test_who_claims_a_feed_has_its_host_and_others_get_the_rest(db: Database) -> None:
    add_feeds(db, "https://a/1", "https://b/1", "https://a/2", "https://c/1", "https://b/2")
    first = claim(db, "one", limit=1)
    second = claim(db, "two")
    rest = claim(db, "one")

    assert list_urls(first) == ["a/1"]
    assert list_urls(second) == ["b/1", "c/1", "b/2"]
    assert list_urls(rest) == ["a/2"]


def test_a_host_comes_free_with_its_last_feed_and_after_its_gap(db: Database) -> None:
    add_feeds(db, "https://a/1", "https://a/2", "https://a/3")
    one, two = claim(db, "one", limit=1), claim(db, "one", limit=1)
    give_back(db, "one", one)
    with_feeds_in_hand = claim(db, "two")
    give_back(db, "one", two)
    in_the_gap = claim(db, "two", now=NOW + GAP / 2)
    by_itself = claim(db, "one", now=NOW + GAP / 2, limit=1)
    give_back(db, "one", by_itself, now=NOW + GAP / 2)
    after_it = claim(db, "two", now=NOW + 1.5 * GAP)

    assert (with_feeds_in_hand, in_the_gap) == ([], [])
    assert list_urls(by_itself) == ["a/1"]
    assert list_urls(after_it) == ["a/1", "a/2", "a/3"]


def test_a_lease_runs_out_with_the_claims_unless_it_is_extended(db: Database) -> None:
    add_feeds(db, "https://a/1", "https://a/2", "https://b/1", "https://b/2")
    claimed = claim(db, "one", limit=1, lease=MINUTE) + claim(db, "one", limit=2, lease=MINUTE)
    with db.write() as conn:
        feeds.extend(conn, [claimed[0].id], until=NOW + HOUR, owner="one")
        host_leases.extend(conn, ["a"], until=NOW + HOUR, owner="one")
        host_leases.extend(conn, ["b"], until=NOW + HOUR, owner="another")
    later = claim(db, "two", now=NOW + MINUTE)

    assert list_urls(later) == ["b/1", "b/2"]


def test_what_the_dead_had_comes_free_whatever_they_had_in_hand(db: Database) -> None:
    add_feeds(db, "https://a/1", "https://b/1")
    claim(db, "dead", limit=1)
    claim(db, "living")
    with db.write() as conn:
        owners = host_leases.list_owners(conn, now=NOW)
        feeds.release(conn, owner="dead")
        host_leases.release(conn, now=NOW, gap=GAP, owner="dead")
    left = claim(db, "two", now=NOW + GAP)

    assert owners == ("dead", "living")
    assert list_urls(left) == ["a/1"]


def test_the_rows_of_ended_leases_go(db: Database) -> None:
    add_feeds(db, *(f"https://host{number}/" for number in range(3)))
    ended = claim(db, "one", limit=2)
    claim(db, "one")
    give_back(db, "one", ended)
    with db.write() as conn:
        host_leases.prune(conn, now=NOW + GAP)
        left = conn.execute(sa.select(leases_table.c.host_key)).scalars().all()

    assert left == ["host2"]


def test_feeds_that_are_named_wait_for_their_hosts_too(db: Database) -> None:
    add_feeds(db, "https://a/1", "https://a/2", "https://b/1")
    ids = [feed.id for feed in claim(db, "one")]
    give_back(db, "one", claim(db, "one"))
    with db.write() as conn:
        feeds.release(conn, [ids[1]])
        refused = feeds.claim(conn, ids[1:2], now=NOW, lease=HOUR, owner="two", name_host=name_host)
        without_hosts = feeds.claim(conn, ids[1:2], now=NOW, lease=HOUR, owner="two")
        feeds.release(conn)
        busy = host_leases.find_wait(conn, ids, now=NOW, gap=GAP, owner="two")
        host_leases.release(conn, now=NOW, gap=GAP, owner="one")
        wait = host_leases.find_wait(conn, ids, now=NOW, gap=GAP, owner="two")
        given = feeds.claim(conn, ids, now=NOW + GAP, lease=HOUR, owner="two", name_host=name_host)

    assert (refused, len(without_hosts)) == ((), 1)
    assert (busy, wait) == (None, GAP)
    assert len(given) == 3


def test_a_feed_is_claimed_under_the_host_it_has_now(db: Database) -> None:
    """New ones have no key yet; one that was moved had another's."""
    add_feeds(db, "https://a/1", "https://b/1")
    first = claim(db, "one")
    with db.write() as conn:
        feeds.release(conn)
        feed_edits.move(conn, first[1].id, "https://a/2")
        host_leases.release(conn, now=NOW, gap=GAP, owner="one")
    with db.write() as conn:
        conn.execute(sa.update(feeds_table).where(feeds_table.c.id == first[0].id).values(host_key="stale"))
    second = claim(db, "two", now=NOW + GAP)

    assert [feed.host_key for feed in first] == ["a", "b"]
    assert [feed.host_key for feed in second] == ["a", "a"]


def test_a_feed_without_a_host_is_claimed_with_none(db: Database) -> None:
    add_feeds(db, "folder:/a", "folder:/b")
    with db.write() as conn:
        one = feeds.claim_due(conn, now=NOW, limit=1, lease=HOUR, owner="one", name_host=lambda *_: "")
        two = feeds.claim_due(conn, now=NOW, limit=9, lease=HOUR, owner="two", name_host=lambda *_: "")
        leases = conn.execute(sa.select(leases_table)).all()

    assert (len(one), len(two), leases) == (1, 1, [])


def test_many_feeds_of_a_leased_host_before_all_others_keep_nobody_from_them(db: Database) -> None:
    """Known or new: a full claim comes of those behind."""
    slow = [f"https://slow/{number}" for number in range(450)]
    add_feeds(db, *slow, waiting=2 * HOUR)
    add_feeds(db, *(f"https://host{number}/" for number in range(60)))
    claim(db, "one", limit=1)
    others = [claim(db, owner, limit=25) for owner in ("two", "three", "two")]
    its_own = claim(db, "one", limit=500)

    assert [len(claimed) for claimed in others] == [25, 25, 10]
    assert not any("slow" in feed.spec.url for claimed in others for feed in claimed)
    assert len(its_own) == 449


def test_whether_any_is_due_looks_at_hosts_where_an_owner_is_named(db: Database) -> None:
    add_feeds(db, "https://a/1", "https://a/2")
    claim(db, "one", limit=1)
    with db.read() as conn:
        unnamed = feeds.has_due(conn, now=NOW, owner="two")
    claim(db, "two")
    with db.read() as conn:
        due = [feeds.has_due(conn, now=NOW, owner=owner) for owner in (None, "one", "two", "")]

    assert unnamed
    assert due == [True, True, False, False]


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_two_that_take_the_same_hosts_at_one_moment_never_both_get_one(db: Database) -> None:
    """The statement alone decides, without the queue before `claim_due`; in whatever order the keys are named."""
    keys = [f"host{number}" for number in range(50)]
    ready = Barrier(4)

    def take(owner: str) -> set[str]:
        taken: set[str] = set()
        for start in range(20):
            mine = keys[start:] + keys[:start] if owner in ("one", "two") else keys[::-1]
            with db.write() as conn:
                ready.wait(20)
                got = host_leases.take(conn, mine[:30], now=NOW, until=NOW + HOUR, owner=owner)
            taken |= got
        return taken

    owners = ("one", "two", "three", "four")
    with ThreadPoolExecutor(4) as pool:
        taken = dict(zip(owners, pool.map(take, owners), strict=True))
    with db.read() as conn:
        stored = dict(conn.execute(sa.select(leases_table.c.host_key, leases_table.c.owner)).all())

    assert sum(map(len, taken.values())) == len(set().union(*taken.values())) == 50
    assert all(stored[key] == owner for owner, some in taken.items() for key in some)


def test_owners_at_full_speed_neither_wait_for_each_other_nor_leave_a_feed(db: Database) -> None:
    """Four rounds in three processes, all that they do to leases at once: claim, extend, give back, forget."""
    add_feeds(db, *(f"https://host{number * 7 % 30}/{number}" for number in range(240)))

    def work(owner: str) -> list[FeedId]:
        asked: list[FeedId] = []
        now = NOW
        while (now := now + GAP) < NOW + HOUR:
            claimed = claim(db, owner, now=now, limit=9, lease=DAY)
            with db.write() as conn:
                if not claimed and not feeds.has_due(conn, now=now):
                    break
                feeds.extend(conn, [feed.id for feed in claimed], until=now + 2 * DAY, owner=owner)
                host_leases.extend(conn, {feed.host_key for feed in claimed}, until=now + 2 * DAY, owner=owner)
            with db.write() as conn:
                feeds.put_off(conn, {feed.id: NOW + 9 * DAY for feed in claimed}, reason="")
            give_back(db, owner, claimed, now=now)
            with db.write() as conn:
                host_leases.prune(conn, now=now - GAP)
            asked += [feed.id for feed in claimed]
        return asked

    with ThreadPoolExecutor(4) as pool:
        asked = [feed_id for some in pool.map(work, ("one", "two", "three", "one")) for feed_id in some]

    assert len(asked) == len(set(asked)) == 240


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_release_sees_what_was_claimed_while_it_waited(db: Database) -> None:
    """Two rounds of one process: the new one claims a feed of the host that the old one is about to give back."""
    add_feeds(db, "https://a/1", "https://a/2", "https://a/3")
    old = claim(db, "one", limit=1)
    with db.write() as conn:
        feeds.put_off(conn, {old[0].id: NOW + HOUR}, reason="")
        feeds.release(conn, [old[0].id], owner="one")
    with ThreadPoolExecutor(1) as pool:
        with db.write() as conn:
            feeds.claim_due(conn, now=NOW, limit=1, lease=HOUR, owner="one", name_host=name_host)
            released = pool.submit(give_back, db, "one", old)
            wait_for_locks(conn, released)
        released.result(20)
    others = claim(db, "two", now=NOW + 2 * GAP)

    assert others == []


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_who_claims_a_moment_later_chooses_among_what_is_left(db: Database) -> None:
    """So that a full claim comes of it, not what a race leaves of one."""
    add_feeds(db, *(f"https://host{number % 3}/{number}" for number in range(12)), "https://b/1", "https://b/2")
    with ThreadPoolExecutor(1) as pool:
        with db.write() as conn:
            first = feeds.claim_due(conn, now=NOW, limit=3, lease=HOUR, owner="one", name_host=name_host)
            second = pool.submit(claim, db, "two", limit=2)
            wait_for_locks(conn, second)
        claimed = second.result(20)

    assert len(first) == 3
    assert list_urls(claimed) == ["b/1", "b/2"]


def wait_for_locks(conn: Connection, other: Future[Any]) -> None:
    """Until somebody waits for another one's lock, or ``other`` is done and never will."""
    while not other.done() and not conn.execute(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar():
        pass


OWNERS = ("one", "two", "three")
HOSTS = ("a", "b", "c")
#: What one owner does: claim so many, give so many back with a result, extend, die; or the time passes.
STEPS = st.one_of(
    st.tuples(st.just("claim"), st.sampled_from(OWNERS), st.integers(1, 5)),
    st.tuples(st.just("finish"), st.sampled_from(OWNERS), st.integers(1, 5)),
    st.tuples(st.just("extend"), st.sampled_from(OWNERS), st.just(0)),
    st.tuples(st.just("die"), st.sampled_from(OWNERS), st.just(0)),
    st.tuples(st.just("wait"), st.just(""), st.sampled_from([100, 500, 1_000, 30_000])),
)


class Play:
    """Some owners at work on one database, with what each has in hand and when a host was last in whose hand."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.now = NOW
        self._hands: dict[str, dict[FeedId, tuple[Feed, datetime]]] = {owner: {} for owner in OWNERS}
        self._last: dict[str, tuple[str, datetime]] = {}
        self.asked: list[FeedId] = []

    def take_step(self, step: tuple[str, str, int]) -> None:
        kind, owner, count = step
        if kind == "wait":
            self.now += timedelta(milliseconds=count)
            for hand in self._hands.values():  # what has run out is nobody's
                for feed_id in [feed_id for feed_id, (_, until) in hand.items() if until <= self.now]:
                    feed, until = hand.pop(feed_id)
                    self._last[feed.host_key] = ("", until - GAP)
        else:
            {"claim": self.claim, "finish": self.finish, "extend": self.extend, "die": self.die}[kind](owner, count)

    def claim(self, owner: str, count: int) -> int:
        claimed = claim(self._db, owner, now=self.now, limit=count, lease=MINUTE)
        for feed in claimed:
            others = {one for one in OWNERS for held, _ in self._hands[one].values() if held.host_key == feed.host_key}
            assert others <= {owner}
            last, at = self._last.get(feed.host_key, (owner, self.now))
            assert last == owner or self.now - at >= GAP
            self._hands[owner][feed.id] = feed, self.now + MINUTE
        return len(claimed)

    def finish(self, owner: str, count: int) -> None:
        done = [feed for feed, _ in self._hands[owner].values()][:count]
        with self._db.write() as conn:
            feeds.put_off(conn, {feed.id: NOW + 30 * HOUR for feed in done}, reason="")
        give_back(self._db, owner, done, now=self.now)
        self.asked += [feed.id for feed in done]
        self._let_go(owner, done)

    def extend(self, owner: str, count: int) -> None:
        hand = self._hands[owner]
        with self._db.write() as conn:
            feeds.extend(conn, list(hand), until=self.now + MINUTE, owner=owner)
            keys = {feed.host_key for feed, _ in hand.values()}
            host_leases.extend(conn, keys, until=self.now + MINUTE, owner=owner)
        self._hands[owner] = {feed_id: (feed, self.now + MINUTE) for feed_id, (feed, _) in hand.items()}

    def die(self, owner: str, count: int) -> None:
        with self._db.write() as conn:
            feeds.release(conn, owner=owner)
            host_leases.release(conn, now=self.now, gap=GAP, owner=owner)
        self._let_go(owner, [feed for feed, _ in self._hands[owner].values()])

    def _let_go(self, owner: str, done: Sequence[Feed]) -> None:
        for feed in done:
            del self._hands[owner][feed.id]
            self._last[feed.host_key] = owner, self.now


@settings(max_examples=40)
@given(steps=st.lists(STEPS, max_size=30))
def test_whatever_three_owners_do_no_host_has_two_and_no_feed_starves(
    db: Database, steps: list[tuple[str, str, int]]
) -> None:
    with db.write() as conn:
        conn.execute(sa.delete(feeds_table))
        conn.execute(sa.delete(leases_table))
    add_feeds(db, *(f"https://{HOSTS[number * number % 3]}/{number}" for number in range(12)))
    play = Play(db)
    for step in steps:
        play.take_step(step)
    for owner in OWNERS:
        play.finish(owner, 12)
    for owner in OWNERS:
        play.now += GAP
        play.claim(owner, 5)
        play.finish(owner, 12)
    play.now += GAP
    play.claim("one", 12)
    play.finish("one", 12)

    assert len(play.asked) == len(set(play.asked)) == 12
