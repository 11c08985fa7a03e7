"""The long form: figures for a dated result file (``make soak``), from seeds that are printed and can be given again.

``ZOO_SEED=7 make soak ARGS=tests/zoo`` repeats a run.
"""

from __future__ import annotations

import ipaddress
import os
import random
import resource
import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from aggregator.app import App
from aggregator.errors import ParseError
from aggregator.fetch.address import AddressBlocked, AddressGuard
from aggregator.model.feed import FAILURE_CLASSES, Fetched, FetchRequest
from aggregator.model.ids import FeedId
from aggregator.storage import feeds
from aggregator.tasks.refresh import refresh_feeds
from tests.zoo import test_documents, test_transport
from tests.zoo.conftest import START, Clock, Zoo, get_feed, on_sqlite, run_round
from tests.zoo.documents import serve
from tests.zoo.expect import check_sentence
from tests.zoo.outside import serve_outside
from tests.zoo.test_laws import DOCUMENTS, mutate
from tests.zoo.test_meaning import edit_often

pytestmark = pytest.mark.soak

SEED = int(os.environ.get("ZOO_SEED") or random.SystemRandom().randrange(10**6))

Say = Callable[[str], None]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Prints a line into the result file."""

    def line(text: str) -> None:
        with capsys.disabled():
            print(f"\nseed {SEED}: {text}", flush=True)

    return line


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


HEALTHY_COUNT, HOSTILE_COUNT = 400, 100
#: Each round is had so often; figures are medians.
TIMES = 3
#: So long a hostile line holds whoever waits for it.
SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Lateness:
    """One round: seconds from its beginning until each healthy feed is stored, and what the program computed."""

    waits: Sequence[float]
    #: Of this process until the last healthy feed is stored.
    cpu_seconds: float

    @property
    def p99(self) -> float:
        return percentile(self.waits, 0.99)


def measure_lateness(app: App, healthy: Container[str], urls: Sequence[str]) -> Lateness:
    """A round over all ``urls``, in their order."""
    with app.db.read() as conn:
        numbers = {feed.spec.url: feed.id for feed in feeds.list_feeds(conn)}
    waits: list[float] = []
    used = 0.0
    started, computed = time.monotonic(), time.process_time()

    def note(url: str) -> None:
        nonlocal used
        if url in healthy:
            waits.append(time.monotonic() - started)
            used = time.process_time() - computed

    refresh_feeds(app, [numbers[url] for url in urls], on_result=lambda result: note(result.url))
    return Lateness(waits=waits, cpu_seconds=used)


class RunningClock(Clock):
    """Goes on by itself: how long a batch is gathered is told by it."""

    def __call__(self) -> datetime:
        return START + timedelta(seconds=time.monotonic())


def settle_outside(zoo: Zoo, port: int, name: str, count: int) -> list[str]:
    """Feeds of a server in another process, each at a host of its own."""
    urls = [zoo.world.url(f"{name}{n}.example", f"/feed-{n}?seed={SEED + n}") for n in range(count)]
    zoo.world.outside.update((zoo.world.settle(f"{name}{n}.example"), port) for n in range(count))
    return urls


@pytest.mark.parametrize("mix", ["lines", "floods", "bombs"])
@on_sqlite
def test_lateness_with_a_fifth_of_the_feeds_hostile(mix: str, zoo: Zoo, say: Say) -> None:
    """400 healthy feeds alone, among 100 hostile ones that nobody knows yet, and among the same a second time.

    Rounds of the three kinds take turns, so that what else the machine does meets all of them alike.
    """
    rounds: dict[str, list[Lateness]] = {"alone": [], "first contact": [], "among": []}
    with serve_outside("healthy") as port, serve_outside(mix) as hostile_port:
        healthy = settle_outside(zoo, port, "healthy", HEALTHY_COUNT)
        animals = settle_outside(zoo, hostile_port, "animal", HOSTILE_COUNT * TIMES)
        zoo.specs = [{"url": url} for url in animals + healthy]
        known, zoo.clock = set(healthy), RunningClock()
        with zoo.open(timeout_seconds=SECONDS, max_bytes=2_000_000) as app:
            measure_lateness(app, known, healthy)  # the first import is another work
            for number in range(TIMES):
                hostile = animals[number * HOSTILE_COUNT : (number + 1) * HOSTILE_COUNT]
                rounds["alone"].append(measure_lateness(app, known, healthy))
                rounds["first contact"].append(measure_lateness(app, known, hostile + healthy))
                rounds["among"].append(measure_lateness(app, known, hostile + healthy))
    p99 = {kind: statistics.median(one.p99 for one in some) for kind, some in rounds.items()}
    for kind, some in rounds.items():
        half = statistics.median(percentile(one.waits, 0.5) for one in some)
        worst = max(max(one.waits) for one in some)
        cpu = statistics.median(one.cpu_seconds for one in some)
        say(f"{mix}, {kind}: p50 {half:.2f} s, p99 {p99[kind]:.2f} s, worst {worst:.2f} s, CPU {cpu:.2f} s")
        assert all(len(one.waits) == HEALTHY_COUNT for one in some)
    # Far less than the five seconds that who waits for a hostile line or document would wait.
    assert p99["among"] < 1.5 * p99["alone"] + 1.0, "hosts that are known to be hostile"
    assert p99["first contact"] < 1.5 * p99["alone"] + 2.0, "hosts that nobody knows yet"


def count_resources() -> tuple[int, int, int]:
    """Open files, threads, and the most memory that this process has had, in MiB."""
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count(), usage


@on_sqlite
def test_all_animals_at_once_for_many_rounds(zoo: Zoo, say: Say) -> None:
    """All lines and documents beside healthy feeds, in twelve rounds: files, threads and memory stay flat."""
    animals = [endpoint for case in test_transport.CASES.values() for endpoint, _ in case.values()]
    bodies = [body for case in test_documents.CASES.values() for body, _ in case.values() if len(body) < 2_000_000]
    urls = [zoo.add(endpoint, seed=SEED + number) for number, endpoint in enumerate(animals)]
    urls += [zoo.add(serve(body)) for body in bodies]
    zoo.add_healthy(40)
    seen: Counter[str] = Counter()
    with zoo.open(timeout_seconds=3.0, max_bytes=2_000_000) as app:
        marks = []
        for number in range(12):
            started = time.monotonic()
            results = run_round(app)
            if number == 0:
                assert all(results[url].new == 3 for url in zoo.healthy)
            assert [results[url] for url in zoo.healthy if url in results and results[url].failed] == []
            seen.update(result.failure_class or "read" for url, result in results.items() if url not in zoo.healthy)
            for result in results.values():
                if result.failed:
                    assert result.failure_class in FAILURE_CLASSES
            zoo.clock.now += timedelta(days=8)
            marks.append((*count_resources(), round(time.monotonic() - started, 1)))
        for url in urls:
            reason = get_feed(app, url).failure_reason
            if reason and "Error" not in reason:
                check_sentence(reason)
    say(f"{len(urls)} animals, {len(marks)} rounds: {dict(seen.most_common())}")
    say(f"files, threads, MiB, seconds by round: {marks}")
    assert marks[-1][0] <= marks[2][0] + 5 and marks[-1][1] <= marks[2][1] + 2
    assert marks[-1][2] <= marks[2][2] + 64


def test_a_million_addresses(say: Say) -> None:
    """The guard against the registry of special addresses, written independently of it."""
    rng = random.Random(SEED)
    guard = AddressGuard()
    closed = [ipaddress.ip_network(net) for net in SPECIAL]
    counts: Counter[str] = Counter()
    for _ in range(1_000_000):
        address = draw_address(rng, closed)
        try:
            guard.open_socket((FAMILIES[address.version], socket.SOCK_STREAM, 6, "", (str(address), 80))).close()
        except AddressBlocked:
            counts["refused"] += 1
            continue
        counts["open"] += 1
        inner = getattr(address, "ipv4_mapped", None) or address
        assert not any(inner in net for net in closed if net.version == inner.version), address
        assert inner.version == 4 or inner in ipaddress.ip_network("2000::/3"), address
    say(f"1,000,000 addresses: {dict(counts)}")
    assert counts["open"] > 100_000 and counts["refused"] > 100_000


FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
#: IANA's registries of special-purpose addresses, those that are not globally reachable.
SPECIAL = """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
    192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
    ::/96 ::ffff:0:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16 3fff::/20 5f00::/16
    fc00::/7 fe80::/10 fec0::/10 ff00::/8
""".split()


def draw_address(rng: random.Random, closed: Sequence[object]) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Any address, one in or just beside a special network, or an IPv4 address inside an IPv6 one."""
    kind = rng.randrange(5)
    if kind == 0:
        return ipaddress.IPv4Address(rng.getrandbits(32))
    if kind == 1:
        return ipaddress.IPv6Address((0b001 << 125) | rng.getrandbits(125))
    if kind == 2:
        return ipaddress.IPv6Address((0xFFFF << 32) | rng.getrandbits(32))
    network = rng.choice(closed)
    assert isinstance(network, ipaddress.IPv4Network | ipaddress.IPv6Network)
    edge = rng.choice((int(network.network_address) - 1, int(network.broadcast_address) + 1))
    inside = int(network.network_address) + rng.randrange(network.num_addresses)
    whole = (1 << network.max_prefixlen) - 1
    number = max(0, min(whole, edge if kind == 3 else inside))
    return ipaddress.IPv4Address(number) if network.version == 4 else ipaddress.IPv6Address(number)


@on_sqlite
def test_twenty_thousand_mutated_documents_in_the_sandbox(zoo: Zoo, say: Say) -> None:
    """Entries or a known class, never longer than the sandbox allows; the slowest ones are told with their seeds."""
    bodies = [*DOCUMENTS, *(body for case in test_documents.CASES.values() for body, _ in case.values())]
    bodies = [body for body in bodies if len(body) < 300_000]
    seen: Counter[str] = Counter()
    slowest: list[tuple[float, int]] = []
    for number in range(20_000):
        rng = random.Random(SEED * 100_000 + number)
        body = mutate(rng.choice(bodies), rng, rng.randint(0, 20))
        request = FetchRequest(feed_id=FeedId(1), url="https://e.example/feed")
        reply = Fetched(request=request, final_url=request.url, status=200, body=body, body_hash="x")
        started = time.monotonic()
        try:
            zoo.sandbox.parse(reply)
            seen["read"] += 1
        except ParseError as error:
            assert error.failure_class in FAILURE_CLASSES
            seen[error.failure_class] += 1
        slowest = sorted([*slowest, (time.monotonic() - started, number)])[-3:]
    say(f"20,000 mutated documents: {dict(seen.most_common())}; slowest {[(round(s, 2), n) for s, n in slowest]}")
    assert slowest[-1][0] < 21


def test_a_day_of_edits(zoo: Zoo) -> None:
    """Z54, long form, on both databases: every ten minutes another text."""
    edit_often(zoo, times=143)
