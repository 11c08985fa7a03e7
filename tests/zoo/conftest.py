"""The zoo: a hostile server, a small internet before it, and the program that must live with both."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aggregator.app import App
from aggregator.fetch.client import HttpFetcher
from aggregator.model.entry import Entry
from aggregator.model.feed import Feed
from aggregator.model.round import FeedResult
from aggregator.model.settings import FetchSettings
from aggregator.sandbox import ParseSandbox
from aggregator.storage import entries, feeds
from aggregator.storage.entries import EntryQuery
from aggregator.tasks.refresh import refresh_due
from tests.fixtures.program import Program
from tests.zoo.documents import HEALTHY, serve
from tests.zoo.server import Endpoint, ZooServer
from tests.zoo.world import SocketLog, World, WorldResolver, lead_to_server

START = datetime(2026, 11, 25, 12, tzinfo=UTC)
#: No network of ours: the guard is as strict as it comes. No gap, because every animal has a host of its own.
SETTINGS = FetchSettings(
    host_gap_seconds=0.0, timeout_seconds=10.0, user_agent="Zoo/1 (+https://example.org)", max_bytes=10 * 1024 * 1024
)

#: For cases that are about the line or the parser: what is stored, and how, is the same on both databases.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@dataclass
class Clock:
    """Stands until it is moved."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Zoo:
    """Animals, visitors and the program that feeds them."""

    program: Program
    server: ZooServer
    world: World
    sandbox: ParseSandbox
    clock: Clock
    specs: list[dict[str, Any]] = field(default_factory=list)
    healthy: list[str] = field(default_factory=list)

    def add(self, endpoint: Endpoint, *, host: str = "", seed: int = 0, scheme: str = "http", **spec: Any) -> str:
        """A feed that the endpoint answers, at a host of its own unless one is named; returns its address."""
        number = len(self.specs)
        path = self.server.put(f"/feed-{number}", endpoint)
        url = self.world.url(host or f"animal{number}.example", f"{path}?seed={seed}", scheme=scheme)
        self.specs.append({"url": url, **spec})
        return url

    def add_healthy(self, count: int = 3, **spec: Any) -> None:
        """Feeds as they should be, three entries each."""
        self.healthy += [self.add(serve(HEALTHY), **spec) for _ in range(count)]

    @contextmanager
    def open(
        self,
        *,
        fetch: dict[str, Any] | None = None,
        tls: ssl.SSLContext | None = None,
        site: Any = None,
        **changes: Any,
    ) -> Iterator[App]:
        """The program, with the zoo's internet; ``fetch`` goes to config.yaml, ``changes`` to the fetcher alone."""
        sections = {"site": site} if site else {}
        self.program.configure(feeds=self.specs, fetch={"allow_networks": [], **(fetch or {})}, **sections)
        fetcher = HttpFetcher(replace(SETTINGS, **changes), resolver=WorldResolver(self.world), ssl_context=tls)
        try:
            with self.program.app(now=self.clock, fetcher=fetcher, sandbox=self.sandbox) as app:
                yield app
        finally:
            fetcher.close()


def check_healthy(zoo: Zoo, results: Mapping[str, FeedResult]) -> None:
    """Whatever happened to others: the healthy feeds of this round were read."""
    for url in zoo.healthy:
        assert (results[url].failure_class, results[url].new) == ("", 3), results[url]


def run_round(app: App) -> dict[str, FeedResult]:
    """One round over all that is due, by address."""
    return {result.url: result for result in refresh_due(app).results}


def get_feed(app: App, url: str) -> Feed:
    with app.db.read() as conn:
        return next(feed for feed in feeds.list_feeds(conn) if feed.spec.url == url)


def list_stored(app: App, url: str = "") -> Sequence[Entry]:
    """Entries of one feed, or all, in the order in which they were stored."""
    feed_id = get_feed(app, url).id if url else None
    with app.db.read() as conn:
        return sorted(entries.list_entries(conn, EntryQuery(feed_id=feed_id)), key=lambda entry: entry.id)


def wait_until_due(zoo: Zoo, app: App, url: str) -> timedelta:
    """Move the clock to where the feed is due; how far that was."""
    wait = get_feed(app, url).next_due_at - zoo.clock.now
    zoo.clock.now = get_feed(app, url).next_due_at
    return wait


def live(zoo: Zoo, app: App, *, until: datetime) -> None:
    """Every round that is due until then, each at its minute."""
    while True:
        due = min(get_feed(app, spec["url"]).next_due_at for spec in zoo.specs)
        if due > until:
            zoo.clock.now = until
            return
        zoo.clock.now = max(due, zoo.clock.now)
        assert run_round(app)


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[ParseSandbox]:
    """One for all cases: a new interpreter a case would cost more than the case."""
    sandbox = ParseSandbox()
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PEM file with a key and a self-signed certificate for ``secure.example``; skips without openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl, which makes the throw-away certificate, is not on this machine")
    folder = tmp_path_factory.mktemp("zoo-certificate")
    key, chain, both = folder / "key.pem", folder / "chain.pem", folder / "both.pem"
    names = ["-subj", "/CN=secure.example", "-addext", "subjectAltName=DNS:secure.example"]
    command = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(chain)]
    subprocess.run([openssl, *command, *names, *files], check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + chain.read_bytes())
    return both


def open_zoo(
    program: Program, monkeypatch: pytest.MonkeyPatch, sandbox: ParseSandbox, tls: ssl.SSLContext | None = None
) -> Zoo:
    clock = Clock()
    server = ZooServer(tls, clock)
    world = World(server)
    lead_to_server(world, monkeypatch)
    return Zoo(program, server, world, sandbox, clock)


@pytest.fixture
def zoo(program: Program, monkeypatch: pytest.MonkeyPatch, shared_sandbox: ParseSandbox) -> Iterator[Zoo]:
    """A zoo of one's own; the sandbox is everybody's. Nothing may have been connected but the zoo's own names."""
    opened = open_zoo(program, monkeypatch, shared_sandbox)
    yield opened
    opened.server.close()
    assert opened.world.strays == []


@pytest.fixture
def secure_zoo(
    program: Program, monkeypatch: pytest.MonkeyPatch, shared_sandbox: ParseSandbox, certificate: Path
) -> Iterator[tuple[Zoo, ssl.SSLContext]]:
    """The same with TLS on port 443 of ``secure.example``, and the context that trusts it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    opened = open_zoo(program, monkeypatch, shared_sandbox, context)
    yield opened, ssl.create_default_context(cafile=str(certificate))
    opened.server.close()
    assert opened.world.strays == []


@pytest.fixture(scope="session")
def socket_log() -> SocketLog:
    """What the interpreter itself sees of connections."""
    return SocketLog()
