"""Several daemons and workers on one PostgreSQL: one clock ticks, all work, and who is gone is replaced."""

from __future__ import annotations

import signal
import socket
import urllib.request
from datetime import datetime
from functools import partial
from itertools import pairwise
from time import monotonic

import pytest
import sqlalchemy as sa

from aggregator.cli.lease import SHARED_LEASE, SHARED_RENEW_SECONDS
from aggregator.storage import leases, migrate
from aggregator.storage.schema import entries, feeds, issues
from tests.cli.daemons import Daemon, Start, configure, wait_until
from tests.fixtures.http_server import TestHttpServer
from tests.fixtures.program import Program

pytestmark = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)

FEED = b"""<rss version="2.0"><channel><title>Bees</title><link>https://a.example.org/</link>
<item><title>A new model of bees</title><link>https://a.example.org/1</link></item></channel></rss>"""
#: Until another daemon leads, at most.
LIMIT = SHARED_LEASE.total_seconds() + 10 * SHARED_RENEW_SECONDS


def find_ports() -> tuple[int, int]:
    """Two that are free."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


@pytest.fixture
def pair(program: Program, start: Start) -> tuple[Daemon, Daemon]:
    """Two daemons: the first one leads."""
    configure(program, 1, newsletters=[])
    daemons = []
    for port, word in zip(find_ports(), ("daemon.leads", "daemon.started"), strict=True):
        daemons.append(start(port=port))
        daemons[-1].wait_for(word)
    return daemons[0], daemons[1]


def test_both_answer_alike(program: Program, start: Start, http_server: TestHttpServer) -> None:
    """A reader that comes by a proxy to the other one the next time is told that nothing is new."""
    configure(program, 1, newsletters=[], feeds=[{"url": http_server.add("/feed.xml", FEED)}])
    assert program.json("fetch", "--all")["new"] == 1
    pair = [start(port=port) for port in find_ports()]
    for daemon in pair:
        daemon.wait_for("daemon.started")

    def ask(daemon: Daemon, path: str) -> tuple[str | None, bytes]:
        with urllib.request.urlopen(f"{daemon.url}{path}", timeout=10) as answer:
            return answer.headers["ETag"], answer.read()

    for path in ("/feed.atom", "/feed.json", "/"):
        one, other = (ask(daemon, path) for daemon in pair)
        assert one == other
        assert one[0] and b"bees" in one[1]


def test_both_serve_and_the_second_leads_when_the_first_is_killed(pair: tuple[Daemon, Daemon]) -> None:
    first, second = pair
    assert first.get("/healthz") == second.get("/healthz") == (200, "ok\n")
    assert not second.has("daemon.leads")

    first.kill()
    second.wait_for("daemon.leads", LIMIT)
    assert second.stop() == 0
    assert not second.has("Traceback")


def test_one_that_was_paused_ticks_no_more(pair: tuple[Daemon, Daemon]) -> None:
    first, second = pair
    first.process.send_signal(signal.SIGSTOP)
    second.wait_for("daemon.leads", LIMIT)
    first.process.send_signal(signal.SIGCONT)
    first.wait_for("daemon.follows")
    assert first.get("/healthz") == (200, "ok\n")
    assert (first.stop(), second.stop()) == (0, 0)


@pytest.mark.soak
def test_one_that_is_paused_for_a_minute_costs_seconds(
    program: Program, start: Start, http_server: TestHttpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A feed is made due again and again, and asked; each minute ends a slot of a newsletter."""
    url = http_server.add("/feed.xml", FEED)
    newsletter = {"slug": "minutely", "title": "AI Minutely", "schedule": "* * * * *", "timezone": "UTC"}
    configure(program, 1, newsletters=[newsletter], feeds=[{"url": url}])
    pair = []
    for port, word in zip(find_ports(), ("daemon.leads", "daemon.started"), strict=True):
        pair.append(start(port=port))
        pair[-1].wait_for(word)
    first, second = pair
    with program.app() as app:

        def ask_for(seconds: float) -> float:
            """The longest wait of the feed for being asked."""
            longest, end = 0.0, monotonic() + seconds
            while monotonic() < end:
                with app.db.write() as conn:
                    conn.execute(sa.update(feeds).values(next_due_at=(due_at := app.now())))
                wait_until(partial(is_asked, due_at), second.process, 60)
                longest = max(longest, (app.now() - due_at).total_seconds())
            return longest

        def is_asked(due_at: datetime) -> bool:
            with app.db.read() as conn:
                found = conn.execute(sa.select(feeds.c.next_due_at)).scalar_one()
            return bool(found > due_at)

        lags = {"before": ask_for(30)}
        first.process.send_signal(signal.SIGSTOP)
        stopped_at = monotonic()
        lags["while another takes over"] = ask_for(10)
        lags["paused"] = ask_for(60 - (monotonic() - stopped_at))
        first.process.send_signal(signal.SIGCONT)
        first.wait_for("daemon.follows")
        lags["after"] = ask_for(70)
        with app.db.read() as conn:
            found = conn.execute(sa.select(issues.c.slot_at, issues.c.created_at).order_by(issues.c.slot_at)).all()

    with capsys.disabled():
        print({word: round(seconds, 1) for word, seconds in lags.items()})
        print("slots made after", [round((row.created_at - row.slot_at).total_seconds(), 1) for row in found])
    gaps = {(later.slot_at - slot.slot_at).total_seconds() for slot, later in pairwise(found)}
    assert gaps == {60}, "none is missed and none is there twice"
    assert len(found) >= 2
    assert lags["while another takes over"] < LIMIT
    assert max(lags["paused"], lags["after"]) < lags["before"] + 10
    assert [line for line in first.lines + second.lines if "daemon.leads" in line] == [
        first.wait_for("daemon.leads"),
        second.wait_for("daemon.leads"),
    ]
    assert (first.stop(), second.stop()) == (0, 0)


def test_one_that_ends_hands_over(pair: tuple[Daemon, Daemon]) -> None:
    first, second = pair
    assert first.stop() == 0
    second.wait_for("daemon.leads", LIMIT)


def test_a_worker_does_what_another_process_has_queued(
    program: Program, start: Start, http_server: TestHttpServer
) -> None:
    """Here the test is the clock."""
    configure(program, 1, newsletters=[], feeds=[{"url": http_server.add("/feed.xml", FEED)}])
    with program.app() as app:
        worker = start(command="worker")
        worker.wait_for("worker.started")
        app.queue.defer("round", key="round")

        def is_read() -> bool:
            with app.db.read() as conn:
                return conn.execute(sa.select(sa.func.count()).select_from(entries)).scalar() == 1

        wait_until(is_read, worker.process)
        with app.db.read() as conn:
            assert leases.get_owner(conn, "daemon") == ""
    assert worker.stop() == 0
    assert not worker.has("Traceback")


def test_a_worker_shows_its_figures_where_it_is_told_to(program: Program, start: Start) -> None:
    """Already while it waits for the schema; and nothing else, to nobody else."""
    configure(program, 1, newsletters=[])
    with program.app() as app:
        with app.db.write() as conn:
            conn.execute(sa.text("UPDATE alembic_version SET version_num = '0006'"))
        port, _ = find_ports()
        worker = start(command="worker", port=port, arguments=("--metrics-listen", f"127.0.0.1:{port}"))
        worker.wait_for("worker.waits")
        waiting = worker.get("/metrics")
        with app.db.write() as conn:
            conn.execute(sa.text("UPDATE alembic_version SET version_num = :last"), {"last": migrate.REVISIONS[-1]})
        worker.wait_for("worker.started")
        working = worker.get("/metrics")
        second = start(command="worker", port=port, arguments=("--metrics-listen", f"127.0.0.1:{port}"))
        assert second.end() == 2

    assert (waiting[0], working[0]) == (200, 200)
    assert "aggregator_database_up 0.0" in waiting[1]
    assert 'aggregator_queue_oldest_seconds{lane="fetch"}' in working[1]
    assert worker.get("/healthz") == (200, "ok\n")
    assert [worker.get(path)[0] for path in ("/", "/feed.atom", "/readyz", "/subscribe")] == [404] * 4
    assert worker.stop() == 0
    (line,) = [line for line in second.lines if line.startswith("aggregator: ")]
    assert line == f"aggregator: --metrics-listen: cannot listen on 127.0.0.1:{port}: Address already in use"
    assert not worker.has("Traceback") and not second.has("Traceback")


def test_a_worker_waits_for_the_schema(program: Program, start: Start) -> None:
    """Of the daemon, which backs up first; and one of an older program does not start at all."""
    configure(program, 1, newsletters=[])
    with program.app() as app:
        with app.db.write() as conn:
            conn.execute(sa.text("UPDATE alembic_version SET version_num = '0006'"))
        worker = start(command="worker")
        worker.wait_for("worker.waits")
        with app.db.write() as conn:
            conn.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        assert worker.end() == 2

    (line,) = [line for line in worker.lines if line.startswith("aggregator: ")]
    assert "the schema is newer than this program" in line
    assert not worker.has("Traceback")
