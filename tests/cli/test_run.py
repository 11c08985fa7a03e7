"""The daemon as a user runs it: a process of its own, with feeds, pages, a newsletter and signals."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic

import pytest

from aggregator.app import App, read_clock
from aggregator.model.subscriber import NewSubscriber
from aggregator.storage import deliveries, issues
from aggregator.tasks.subscribe import add_subscribers
from tests.cli.daemons import Start, configure, wait_until
from tests.fixtures.http_server import Line, TestHttpServer
from tests.fixtures.program import Program, find_nobody, open_way_to
from tests.fixtures.smtp_server import SmtpServer

_PROJECT = Path(__file__).resolve().parent.parent.parent
READERS = tuple(f"reader{number}@example.org" for number in range(3))


#: For tests to which the database does not matter.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def get_last_slot() -> datetime:
    """When the newsletter's newest slot ended."""
    return read_clock().replace(hour=0, minute=0, second=0, microsecond=0)


def make_feed(server: TestHttpServer) -> str:
    at = (get_last_slot() - timedelta(hours=3)).strftime("%a, %d %b %Y %H:%M:%S +0000")
    item = f"<item><title>A new model of bees</title><link>https://a.example.org/1</link><pubDate>{at}</pubDate></item>"
    feed = f'<rss version="2.0"><channel><title>Bees</title><link>https://a.example.org/</link>{item}</channel></rss>'
    return server.add("/feed.xml", feed.encode())


@contextmanager
def overdue(program: Program) -> Iterator[App]:
    """Readers, and a slot of the newsletter that ended while no daemon ran."""
    with program.app() as app:
        add_subscribers(app, [NewSubscriber(email=email, newsletter="daily") for email in READERS], consent="test")
        with app.db.write() as conn:
            issues.set_planned_until(conn, "daily", get_last_slot() - timedelta(hours=1))
        yield app


def get_states(app: App) -> dict[str, int]:
    with app.db.read() as conn:
        found = issues.list_issues(conn, "daily", states=("sending", "sent"))
        return deliveries.count_states(conn, found[0].id) if found else {}


def test_it_reads_its_feeds_serves_pages_mails_an_overdue_issue_and_ends_at_sigterm(
    program: Program, start: Start, port: int, http_server: TestHttpServer
) -> None:
    configure(program, port, feeds=[{"url": make_feed(http_server)}])
    with overdue(program) as app:
        daemon = start()
        daemon.wait_for("daemon.started")
        assert daemon.get("/healthz") == (200, "ok\n")
        assert daemon.get("/readyz") == (200, "ready\n")
        wait_until(lambda: get_states(app) == {"sent": 3}, daemon.process)
        assert "A new model of bees" in daemon.get("/")[1]
        mails = list((program.folder / "var" / "outbox").glob("*.eml"))
        assert len(mails) == 3
        assert all("A new model of bees" in mail.read_text() for mail in mails)
        with app.db.read() as conn:
            assert [issue.state for issue in issues.list_issues(conn)] == ["sent"]
        wait_until(lambda: daemon.count_children() == 0, daemon.process)
        assert daemon.stop() == 0
        daemon.wait_for("daemon.stopped")
        assert not daemon.has("Traceback")


def test_killed_in_the_middle_of_a_mail_its_successor_starts_and_resends_at_once(
    program: Program, start: Start, port: int, http_server: TestHttpServer, smtp_server: SmtpServer
) -> None:
    silence = HangingServer()
    mail = {"from": "News <news@example.org>", "smtp": {"host": "127.0.0.1", "port": silence.port, "tls": "none"}}
    configure(program, port, feeds=[{"url": make_feed(http_server)}], mail=mail)
    with silence.running(), overdue(program) as app:
        daemon = start()
        wait_until(lambda: get_states(app).get("sending") == 3, daemon.process)
        daemon.kill()
        assert get_states(app) == {"sending": 3}
        mail["smtp"] = {"host": "127.0.0.1", "port": smtp_server.port, "tls": "none"}
        configure(program, port, feeds=[{"url": make_feed(http_server)}], mail=mail)
        began = monotonic()
        successor = start()
        successor.wait_for("daemon.started")
        wait_until(lambda: get_states(app) == {"sent": 3}, successor.process)
        assert monotonic() - began < 20
        assert not successor.has("daemon.stands_by")
        assert successor.stop() == 0
    assert sorted(address for got in smtp_server.mails for address in got.recipients) == list(READERS)


class HangingServer:
    """Greets nobody: whoever connects waits."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    @contextmanager
    def running(self) -> Iterator[None]:
        with self._listener:  # the kernel takes the connections, nobody answers
            yield


@on_sqlite
def test_a_mail_server_that_hangs_does_not_keep_it_from_ending(
    program: Program, start: Start, port: int, http_server: TestHttpServer
) -> None:
    silence = HangingServer()
    mail = {"from": "News <news@example.org>", "smtp": {"host": "127.0.0.1", "port": silence.port, "tls": "none"}}
    configure(program, port, feeds=[{"url": make_feed(http_server)}], mail=mail)
    with silence.running(), overdue(program) as app:
        daemon = start()
        wait_until(lambda: get_states(app).get("sending") == 3, daemon.process)
        began = monotonic()
        assert daemon.stop() == 0
        assert monotonic() - began < 20
        assert get_states(app) == {"queued": 3}


@on_sqlite
def test_a_feed_that_hangs_does_not_keep_it_from_ending(
    program: Program, start: Start, port: int, http_server: TestHttpServer
) -> None:
    asked = threading.Event()

    def hang(line: Line) -> None:
        asked.set()
        line.wait_until_closed()

    url = http_server.script("/slow.xml", hang)
    configure(program, port, feeds=[{"url": url}, {"url": make_feed(http_server)}])
    with overdue(program) as app:
        daemon = start()
        assert asked.wait(20)
        began = monotonic()
        assert daemon.stop() == 0
        assert monotonic() - began < 10
        assert not daemon.has("Traceback")
        assert not daemon.has("issue.frozen")
        with app.db.read() as conn:
            assert issues.list_issues(conn) == ()


@on_sqlite
def test_a_second_daemon_stands_by_and_takes_over(program: Program, start: Start, port: int) -> None:
    configure(program, port)
    first = start()
    first.wait_for("daemon.started")
    second = start()
    second.wait_for("daemon.stands_by")
    assert second.process.poll() is None
    assert first.stop() == 0
    second.wait_for("daemon.started")
    assert second.get("/healthz") == (200, "ok\n")
    second.kill()
    third = start()
    third.wait_for("daemon.started", 10)
    assert not third.has("daemon.stands_by")
    assert third.stop() == 0


@on_sqlite
def test_one_that_stands_by_ends_at_once(program: Program, start: Start, port: int) -> None:
    configure(program, port)
    first = start()
    first.wait_for("daemon.started")
    second = start()
    second.wait_for("daemon.stands_by")
    assert second.stop() == 0
    assert first.stop() == 0


@on_sqlite
def test_a_port_that_is_taken_is_one_clear_line(program: Program, start: Start, port: int) -> None:
    configure(program, port)
    with socket.create_server(("127.0.0.1", port)):
        daemon = start()
        assert daemon.end() == 2
    (line,) = [line for line in daemon.lines if line.startswith("aggregator: ")]
    assert f"127.0.0.1:{port}" in line
    assert "Address already in use" in line
    assert not daemon.has("Traceback")
    again = start()
    again.wait_for("daemon.started")
    assert again.stop() == 0


@on_sqlite
def test_a_folder_that_cannot_be_written_is_one_clear_line(program: Program, start: Start, port: int) -> None:
    configure(program, port, database="sqlite:///closed/news.sqlite3")
    folder = program.folder / "closed"
    folder.mkdir(mode=0o555)
    options = find_nobody()
    open_way_to(program.folder)
    daemon = start(**options)
    assert daemon.end() == 2
    (line,) = [line for line in daemon.lines if line.startswith("aggregator: ")]
    assert str(folder) in line
    assert "cannot be written" in line
    assert not daemon.has("Traceback")
    shutil.rmtree(folder)


def test_a_signal_in_the_middle_of_waiting_does_not_wait_for_itself() -> None:
    """The handler may run while the main thread holds the lock of the very event that it waits for."""
    script = (
        "import os, signal\n"
        "from aggregator.cli.process import watch_signals\n"
        "stop = watch_signals()\n"
        "with stop._cond:\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "assert stop.wait(20)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=_PROJECT, timeout=60, check=False)

    assert done.returncode == 0


@on_sqlite
def test_a_worker_needs_postgresql(program: Program) -> None:
    program.configure()
    result = program.run("worker")
    assert result.code == 2
    assert "database: workers need PostgreSQL" in result.err
