"""PostgreSQL started again and again under a daemon and a worker: no entry is lost, no mail, and readers are served."""

from __future__ import annotations

import random
import signal
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from aggregator.app import App, read_clock
from aggregator.model.newsletter import Issue
from aggregator.storage import issues
from aggregator.storage.schema import deliveries, entries, feeds
from aggregator.tasks.issues import build_issue
from tests.cli.daemons import Daemon, Start, wait_until
from tests.fixtures.database import PostgresServer
from tests.fixtures.http_server import Answer, LoggedRequest, TestHttpServer
from tests.fixtures.program import Program
from tests.fixtures.smtp_server import SmtpServer
from tests.tasks.paper import WEEKLY, Paper, get_issue

FEEDS = 8
LINES = 10
#: Mails a second: an issue takes longer than a restart.
RATE = 60.0
#: A feed brings so many more after each restart.
NEW = 3


class Publisher:
    """Feeds that grow."""

    def __init__(self, server: TestHttpServer) -> None:
        self.count = NEW
        self.urls = [server.url + f"/{number}.xml" for number in range(FEEDS)]
        for number in range(FEEDS):
            server.handle(f"/{number}.xml", self._answer)

    def _answer(self, request: LoggedRequest) -> Answer:
        name = request.path.strip("/").removesuffix(".xml")
        items = "".join(
            f"<item><title>Feed {name} tells of number {n}</title><link>https://f{name}.example.org/{n}</link></item>"
            for n in range(self.count)
        )
        text = f'<rss version="2.0"><channel><title>{name}</title><link>https://f{name}.example.org/</link>{items}'
        return Answer(body=f"{text}</channel></rss>".encode(), headers={"Content-Type": "application/rss+xml"})


def restart_often(app: App, server: PostgresServer, publisher: Publisher, daemon: Daemon, *, times: int) -> None:
    """Each time more is to be read; while the server is away, readers get the last feed."""
    pause = threading.Event()
    for turn in range(times):
        publisher.count += NEW
        ask(app)
        pause.wait(random.uniform(0.2, 1.5))  # somewhere in the middle of a round and of a batch of mails
        server.stop(signal.SIGQUIT if turn % 2 else signal.SIGINT)
        status, body = daemon.get("/feed.atom")
        assert (status, "<feed" in body) == (200, True)
        server.start()


def ask(app: App) -> None:
    """All feeds are due now."""
    with app.db.write() as conn:
        conn.execute(sa.update(feeds).values(next_due_at=read_clock()))
    app.queue.defer("round", key="round")


@dataclass
class House:
    """A newsletter on a server of its own, its issue frozen, and feeds."""

    server: PostgresServer
    paper: Paper
    publisher: Publisher
    start: Start

    def run(self, *, times: int, people: list[str]) -> None:
        """Restart, then wait until all is read and sent; look at what came of it."""
        with self.paper.app() as app:
            self.paper.subscribe(app, *people)
            self.paper.read(app)
            issue = build_issue(app, self.paper.newsletter(app))
            with app.db.write() as conn:
                issues.mark_sending(conn, issue.id, now=app.now())
        with self.paper.program.app() as app:
            daemon, worker = self.start(), self.start(command="worker")
            daemon.wait_for("daemon.leads")
            worker.wait_for("worker.started")
            wait_until(lambda: daemon.get("/feed.atom")[0] == 200, daemon.process)
            restart_often(app, self.server, self.publisher, daemon, times=times)
            for _ in range(60):  # asks as the clock would, but without its ten seconds
                ask(app)
                app.queue.defer("deliver", key="deliver")
                with suppress(AssertionError):
                    wait_until(partial(self.is_done, app, issue), daemon.process, 1)
                    break
            assert self.is_done(app, issue), (daemon.lines, worker.lines)
            with app.db.read() as conn:
                links = list(conn.execute(sa.select(entries.c.url)).scalars())
                states = Counter(conn.execute(sa.select(deliveries.c.state)).scalars())
        assert (daemon.stop(), worker.stop()) == (0, 0)
        got = Counter(self.paper.recipients())
        assert len(links) == len(set(links))
        assert states == {"sent": len(people)}
        assert set(got) == set(people)
        assert sum(got.values()) - len(got) <= times * LINES
        assert not [line for one in (daemon, worker) for line in one.lines if "Traceback" in line or "rror:" in line]

    def is_done(self, app: App, issue: Issue) -> bool:
        """All is stored and sent."""
        with app.db.read() as conn:
            count = conn.execute(sa.select(sa.func.count()).select_from(entries)).scalar_one()
        return count == 1 + FEEDS * self.publisher.count and get_issue(app, issue.slug).state == "sent"


@pytest.fixture
def house(
    tmp_path: Path,
    own_postgres: PostgresServer,
    http_server: TestHttpServer,
    smtp_server: SmtpServer,
    start_at: Callable[[Program], Start],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> House:
    program = Program(tmp_path, own_postgres.url, capsys, monkeypatch)
    paper, publisher = Paper(program, smtp_server, at=read_clock()), Publisher(http_server)
    paper.post(1, read_clock() - timedelta(hours=1))
    program.configure(
        feeds=[{"folder": "posts"}, *({"url": url} for url in publisher.urls)],
        combined={"first_import": 1000},
        newsletters=[WEEKLY],
        mail={
            "from": "AI Weekly <news@example.org>",
            "smtp": {"host": "127.0.0.1", "port": smtp_server.port, "tls": "none", "connections": LINES},
            "rate": RATE,
        },
    )
    return House(own_postgres, paper, publisher, start_at(program))


def test_two_restarts_lose_nothing(house: House) -> None:
    house.run(times=2, people=[f"reader{number}@example.org" for number in range(100)])


@pytest.mark.soak
def test_twenty_restarts_lose_nothing(house: House) -> None:
    house.run(times=20, people=[f"reader{number}@example.org" for number in range(2_000)])
