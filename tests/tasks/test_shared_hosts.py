"""Several processes at one database: a host is asked by one at a time, its gap holds between them, nothing is lost."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from time import monotonic

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.app import App, read_clock
from aggregator.errors import DatabaseUnavailable
from aggregator.model.feed import FetchRequest, Reply
from aggregator.model.ids import FeedId
from aggregator.storage import feeds, host_leases
from aggregator.storage.engine import Database
from aggregator.storage.schema import feeds as feeds_table
from aggregator.storage.schema import host_leases as leases_table
from aggregator.tasks.hand import Hand, find_host, get_namer
from aggregator.tasks.refresh import LEASE, prune_traces, refresh_due, refresh_feeds
from aggregator.tasks.startup import recover_claims
from aggregator.tasks.worker import worker_name
from tests.fixtures.http_server import Answer, LoggedRequest, TestHttpServer
from tests.fixtures.program import Program
from tests.tasks.world import FEED, HOUR, NOW, A, B, C, Desk, World, give

_PROJECT = Path(__file__).resolve().parent.parent.parent
GAP_SECONDS = 0.2
SETTINGS = {"allow_networks": ["127.0.0.0/8"], "host_gap_seconds": GAP_SECONDS}
#: A process that does round after round, with a rest that lets others have its hosts, until no feed is left that was
#: never asked. Every name leads to 127.0.0.1, which counts as a public host.
_WORKER = """
import random, sys, threading
from dataclasses import replace
from pathlib import Path
import sqlalchemy as sa
from aggregator.app import open_app
from aggregator.config import load_config
from aggregator.fetch.address import PinningResolver
from aggregator.fetch.client import HttpFetcher
from aggregator.log import configure_logging
from aggregator.storage.schema import feeds
from aggregator.tasks.refresh import refresh_due
from tests.fetch.conftest import EveryName

async def is_own(self, host):
    return False

PinningResolver.is_own = is_own
configure_logging(level="error")
name, config = sys.argv[1:]
with open_app(load_config(Path(config), {})) as app:
    fetcher = HttpFetcher(replace(app.settings.fetch, user_agent=name), resolver=EveryName())
    app = replace(app, fetcher=fetcher)
    left = sa.select(feeds.c.id).where(feeds.c.last_fetched_at.is_(None)).limit(1)
    print("ready", flush=True)
    sys.stdin.readline()
    while True:
        for result in refresh_due(app).results:
            print(result.url, flush=True)
        with app.db.read() as conn:
            if conn.execute(left).first() is None:
                break
        threading.Event().wait(random.uniform(1, 3) * app.settings.fetch.host_gap_seconds)
    fetcher.close()
"""


@dataclass(frozen=True)
class Asked:
    """One request as the server saw it."""

    path: str
    #: The name of the process.
    who: str
    #: By `time.monotonic`.
    began: float
    ended: float


class Publishers:
    """Several hosts on one server, each with some feeds; who asked what, and when."""

    def __init__(self, server: TestHttpServer, *, hosts: int, feeds_each: int) -> None:
        self.asked: defaultdict[str, list[Asked]] = defaultdict(list)
        self.urls: list[str] = []
        #: Set: they answer.
        self.is_open = threading.Event()
        self.is_open.set()
        self.first = threading.Event()
        for number in range(feeds_each):
            for host in range(hosts):
                server.handle(f"/{host}-{number}", self._answer)
                self.urls.append(f"http://host{host}.example:{server.port}/{host}-{number}")

    def _answer(self, request: LoggedRequest) -> Answer:
        began = monotonic()
        self.first.set()
        self.is_open.wait(20)
        threading.Event().wait(0.02)  # time to be seen asking at once
        who = request.headers["user-agent"]
        self.asked[request.headers["host"]].append(Asked(request.path, who, began, monotonic()))
        return Answer(FEED, headers={"Content-Type": "application/rss+xml"})


@contextmanager
def start_worker(program: Program, name: str) -> Iterator[subprocess.Popen[str]]:
    """The process, ready for its first round, which begins with a line on its standard input."""
    command = [sys.executable, "-c", _WORKER, name, str(program.config)]
    with subprocess.Popen(command, cwd=_PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def say_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def count_leases(conn: Connection, app: App) -> int:
    held = sa.select(sa.func.count()).where(leases_table.c.lease_until > app.now() + timedelta(seconds=1))
    return int(conn.execute(held).scalar_one())


def lease(app: App, key: str, *, for_long: timedelta = HOUR) -> None:
    """Another process has the host."""
    with app.db.write() as conn:
        taken = host_leases.take(conn, [key], now=app.now(), until=app.now() + for_long, owner="another")
    assert taken == {key}


def test_two_processes_ask_each_feed_once_and_no_host_at_the_same_time(
    program: Program, http_server: TestHttpServer
) -> None:
    """The feeds of a host fall due one after the other, so that it goes from hand to hand."""
    publishers = Publishers(http_server, hosts=4, feeds_each=6)
    program.configure(feeds=[{"url": url} for url in publishers.urls], fetch=SETTINGS)
    with program.app() as app, start_worker(program, "one") as one, start_worker(program, "two") as two:
        with app.db.write() as conn:
            for number, feed in enumerate(feeds.list_feeds(conn)):
                feeds.put_off(conn, {feed.id: app.now() + number // 4 * timedelta(seconds=0.4)}, reason="in turn")
        for process in (one, two):
            say_go(process)
        told = [process.communicate(timeout=60)[0].split() for process in (one, two)]
    hands = [len({one.who for one in asked}) for asked in publishers.asked.values()]

    assert sorted(told[0] + told[1]) == sorted(publishers.urls)
    assert max(hands) == 2
    for asked in publishers.asked.values():
        asked.sort(key=lambda one: one.began)
        assert len({one.path for one in asked}) == len(asked) == 6
        for before, after in pairwise(asked):
            assert before.ended <= after.began
            if before.who != after.who:
                assert after.began - before.ended >= GAP_SECONDS - 0.01


def test_the_hosts_of_a_process_that_was_killed_come_free(program: Program, http_server: TestHttpServer) -> None:
    publishers = Publishers(http_server, hosts=2, feeds_each=3)
    publishers.is_open.clear()
    program.configure(feeds=[{"url": url} for url in publishers.urls], fetch=SETTINGS)
    world = World(now=read_clock(), default=give(FEED))
    with program.app(now=world, fetcher=world) as app:
        with start_worker(program, "one") as killed:
            say_go(killed)
            assert publishers.first.wait(20)
            world.now = read_clock()
            while_it_lives = refresh_due(app).results
            recover_claims(app)
            still = refresh_due(app).results
            killed.kill()
            killed.wait(20)
        recover_claims(app)
        in_the_gap = refresh_due(app).results
        world.now += timedelta(seconds=1)
        after_it = refresh_due(app).results
    publishers.is_open.set()

    assert (while_it_lives, still, in_the_gap) == ((), (), ())
    assert {result.url for result in after_it} == set(publishers.urls)


def test_feeds_of_a_host_that_another_process_has_stay_due(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(A, B, C)
    desk.world.default = give(FEED)
    lease(desk.app, "a.example.org")
    first = refresh_due(desk.app).results
    named = refresh_feeds(desk.app, [desk.get(A).id]).results
    desk.pass_time(HOUR)
    later = refresh_due(desk.app).results

    assert [result.url for result in first] == [C]
    assert named == ()
    assert [result.url for result in later][:2] == [A, B]


def test_where_each_feed_stands_for_itself_hosts_are_nobodys(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(A, B, fetch={"host_key": "feed"})
    desk.world.default = give(FEED)
    lease(desk.app, "a.example.org")

    assert len(refresh_due(desk.app).results) == 2


def test_a_command_waits_for_the_gap_of_a_process_that_has_just_ended(program: Program) -> None:
    program.configure(feeds=[{"url": A}, {"url": C}])
    asked_at: dict[str, datetime] = {}

    def answer(request: FetchRequest) -> Reply:
        asked_at[request.url] = read_clock()
        return give(FEED)(request)

    with program.app(fetcher=World(default=answer)) as app:
        with app.db.read() as conn:
            ids = [feed.id for feed in feeds.list_feeds(conn)]
        free_at = app.now() + timedelta(seconds=0.8)
        lease(app, "a.example.org", for_long=free_at - app.now())
        done = refresh_feeds(app, ids)

    assert done.ok == 2
    assert asked_at[A] >= free_at - timedelta(milliseconds=50)


def test_after_a_round_nothing_is_leased_and_old_leases_leave_no_row(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(A, B, C)
    desk.world.default = give(FEED)
    held: list[int] = []

    def look(_: object) -> None:
        with desk.app.db.read() as conn:
            held.append(count_leases(conn, desk.app))

    refresh_feeds(desk.app, [feed.id for feed in desk.list_feeds()], on_result=look)
    look(None)
    desk.pass_time(timedelta(minutes=1))
    prune_traces(desk.app)
    with desk.app.db.read() as conn:
        rows = conn.execute(sa.select(leases_table)).all()

    assert held == [2, 2, 2, 0]
    assert rows == []


def test_a_long_round_keeps_its_hosts_and_gives_back_what_is_done(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(A, B, C)
    app = desk.app
    with app.db.write() as conn:
        claimed = feeds.claim_due(conn, now=NOW, limit=9, lease=LEASE, owner=worker_name(), name_host=get_namer(app))
    hand = Hand(app, LEASE)
    hand.take(claimed)
    for minutes in (6, 12, 18):
        desk.world.now = NOW + timedelta(minutes=minutes)
        hand.keep()
    with app.db.write() as conn:
        others = feeds.claim_due(conn, now=app.now(), limit=9, lease=LEASE, owner="two", name_host=get_namer(app))
        feeds.put_off(conn, {claimed[2].id: app.now() + HOUR}, reason="done")
        feeds.release(conn, [claimed[2].id], owner=worker_name())
    hand.drop(claimed[2].id)
    hand.keep()
    with app.db.read() as conn:
        leases = dict(conn.execute(sa.select(leases_table.c.host_key, leases_table.c.lease_until)).all())

    assert others == ()
    assert leases == {"a.example.org": app.now() + LEASE, "b.example.org": app.now() + timedelta(seconds=1)}


class AwayAtTimes(Database):
    """Cannot be written to while it is `away`."""

    away = False

    @contextmanager
    def write(self) -> Iterator[Connection]:
        if self.away:
            raise DatabaseUnavailable("it is away, as the test wants")
        with super().write() as conn:
            yield conn


def test_what_a_round_could_not_give_back_the_next_one_does(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(A, C)
    desk.world.default = give(FEED)
    db = AwayAtTimes(desk.app.db.engine)
    app = replace(desk.app, db=db)

    def go_away(_: object) -> None:
        db.away = True
        raise DatabaseUnavailable("now")

    with pytest.raises(DatabaseUnavailable):
        refresh_feeds(app, [desk.get(A).id], on_result=go_away)
    with db.read() as conn:
        while_away = count_leases(conn, app)
    db.away = False
    refresh_feeds(app, [desk.get(C).id])
    with db.read() as conn:
        afterwards = count_leases(conn, app)
        claimed = conn.execute(sa.select(feeds_table.c.id).where(feeds_table.c.claimed_by != "")).all()

    assert (while_away, afterwards, claimed) == (1, 0, [])


@pytest.mark.parametrize(
    ("kind", "url", "stored", "expected"),
    [
        ("host", "https://A.Example.org:8443/x", "", "a.example.org"),
        ("host", "https://a.example.org/x", "example.org", "a.example.org"),
        ("host", "https://user@a.example.org./x", "", "a.example.org"),
        ("host", "https://bücher.example/x", "", "xn--bcher-kva.example"),
        ("host", "http://[::1]:8080/", "", "::1"),
        ("host", "folder:/posts", "", ""),
        ("host", "https://[broken/", "left over", ""),
        ("domain", "https://a.example.org/x", "", "example.org"),
        ("domain", "https://a.github.io/x", "", "a.github.io"),
        ("domain", "https://a.example.org/x", "a.example.org", "a.example.org"),
        ("domain", "https://b.example.org/x", "a.example.org", "example.org"),
        ("domain", "http://127.0.0.1:8000/x", "", "127.0.0.1"),
    ],
)
def test_the_host_of_a_stored_feed_is_the_one_whose_turn_it_will_wait_for(
    kind: str, url: str, stored: str, expected: str
) -> None:
    found = find_host(kind, FeedId(1), url, stored)  # type: ignore[arg-type]

    assert found == expected
    assert find_host(kind, FeedId(1), url, found) == expected  # type: ignore[arg-type]
