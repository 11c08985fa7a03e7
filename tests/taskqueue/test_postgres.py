"""The queue that several processes share: who takes what, what becomes of a process that is gone, of a failed job."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from procrastinate.exceptions import ConnectorException
from procrastinate.manager import JobManager
from structlog.testing import capture_logs

from aggregator.errors import DatabaseUnavailable
from aggregator.storage.engine import Database, open_database
from aggregator.taskqueue import postgres
from aggregator.taskqueue.postgres import PostgresQueue
from tests.taskqueue.test_queue import PATIENCE, running, wait_until

MakeQueue = Callable[[], PostgresQueue]


@pytest.fixture
def make_queue(postgres_database_url: str) -> Iterator[MakeQueue]:
    """Queues of several processes on one database."""
    with ExitStack() as stack:

        def make() -> PostgresQueue:
            queue = PostgresQueue(postgres_database_url)
            stack.callback(queue.close)
            return queue

        yield make


@pytest.fixture
def unused_address() -> str:
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def database(postgres_database_url: str) -> Iterator[Database]:
    opened = open_database(postgres_database_url)
    yield opened
    opened.close()


def list_jobs(database: Database) -> list[tuple[str, str]]:
    with database.read() as conn:
        rows = conn.execute(sa.text("SELECT task_name, status::text FROM procrastinate_jobs ORDER BY id"))
        return [(row.task_name, row.status) for row in rows]


def test_two_processes_share_the_fetching_and_nothing_is_left(make_queue: MakeQueue, database: Database) -> None:
    """Each fetches in one job at a time, so the second job is for the other one."""
    first, second = make_queue(), make_queue()
    both = threading.Barrier(2, timeout=PATIENCE)
    seen: list[str] = []

    def fetch(name: str, number: int) -> None:
        both.wait()
        seen.append(name)

    with (
        running(first, {"fetch": partial(fetch, "first")}),
        running(second, {"fetch": partial(fetch, "second")}),
    ):
        for number in (1, 2):
            first.defer("fetch", key=f"fetch-{number}", number=number)
        wait_until(lambda: len(seen) == 2 and not list_jobs(database))

    assert sorted(seen) == ["first", "second"]


def test_mails_come_first(postgres_database_url: str) -> None:
    """Of what waits for the one thread there is."""
    queue, seen = PostgresQueue(postgres_database_url, workers=1), list[str]()
    names = ("retag", "search", "deliver")
    for name in names:
        queue.defer(name, key=name)
    with running(queue, {name: partial(seen.append, name) for name in names}):
        wait_until(lambda: len(seen) == len(names))
    queue.close()

    assert seen == ["deliver", "search", "retag"]


def test_one_that_was_taken_for_dead_ends_its_own_job_only(
    make_queue: MakeQueue, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, other = make_queue(), make_queue()
    begun, go, entered, leave = (threading.Event() for _ in range(4))

    def stay(mine: threading.Event, end: threading.Event) -> None:
        mine.set()
        assert end.wait(PATIENCE)

    monkeypatch.setattr(postgres, "HEARTBEAT_SECONDS", 1000.0)
    with ExitStack() as stack:
        stack.enter_context(running(slow, {"deliver": partial(stay, begun, go)}))
        slow.defer("deliver", key="deliver")
        assert begun.wait(PATIENCE)
        with database.write() as conn:
            conn.execute(sa.text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '60 s'"))
        monkeypatch.setattr(postgres, "HEARTBEAT_SECONDS", 0.2)
        stack.enter_context(running(other, {"deliver": partial(stay, entered, leave)}))
        assert entered.wait(PATIENCE)
        slow.defer("deliver", key="deliver")
        go.set()
        wait_until(lambda: bool(slow._unended))  # its row is not there any more, which it has noted
        assert list_jobs(database) == [("deliver", "doing"), ("deliver", "todo")]
        leave.set()


def test_an_end_that_could_not_be_written_is_written_later(
    make_queue: MakeQueue, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other jobs go on meanwhile, and the key is free again."""
    monkeypatch.setattr(postgres, "HEARTBEAT_SECONDS", 0.2)
    finish, failed = JobManager.finish_job, threading.Event()

    async def fail_once(self: JobManager, **how: Any) -> None:
        if not failed.is_set():
            failed.set()
            raise ConnectorException
        await finish(self, **how)

    monkeypatch.setattr(JobManager, "finish_job", fail_once)
    queue, seen = make_queue(), list[str]()
    with running(queue, {"work": partial(seen.append, "work"), "letters": partial(seen.append, "letters")}):
        queue.defer("work", key="work")
        assert failed.wait(PATIENCE)
        queue.defer("letters", key="letters")
        queue.defer("work", key="work")
        wait_until(lambda: len(seen) == 3 and not list_jobs(database))

    assert sorted(seen) == ["letters", "work", "work"]


def test_the_jobs_of_a_process_that_is_gone_are_taken_back(
    make_queue: MakeQueue, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the lock of their key with them; of one whose twin waits already there is one only."""
    monkeypatch.setattr(postgres, "HEARTBEAT_SECONDS", 0.2)
    with database.write() as conn:
        gone = conn.execute(
            sa.text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '60 s') RETURNING id")
        ).scalar()
        begun = (
            "INSERT INTO procrastinate_jobs (task_name, queue_name, lock, queueing_lock, status, worker_id, args)"
            " VALUES ('work', 'others', :key, :key, 'doing', :gone, CAST(:ids AS jsonb))"
        )
        for key in ("a", "b"):
            conn.execute(sa.text(begun), {"key": key, "gone": gone, "ids": json.dumps({"whose": key})})
    queue = make_queue()
    queue.defer("work", key="b", whose="twin")
    seen: list[str] = []

    def work(whose: str) -> None:
        seen.append(whose)

    with capture_logs() as logs, running(queue, {"work": work, "recover": partial(work, "recovered")}):
        wait_until(lambda: len(seen) == 3 and not list_jobs(database))

    assert sorted(seen) == ["a", "recovered", "twin"]
    assert [line["event"] for line in logs] == ["job.taken_back"] * 2


def test_a_job_that_fails_is_tried_later_and_later(
    make_queue: MakeQueue, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first time what was queued meanwhile is the next try, at once; then nobody can queue it for a while."""
    monkeypatch.setattr(postgres, "RETRY_SECONDS", 1)
    queue, ended = make_queue(), threading.Event()
    tries: list[int] = []
    with capture_logs() as logs:

        def work(number: int) -> None:
            tries.append(number)
            if len(tries) == 1:
                queue.defer("work", key="k", number=number)  # the tick's, while it runs
            if len(tries) < 3:
                raise ValueError("on purpose")
            ended.set()

        with running(queue, {"work": work}):
            queue.defer("work", key="k", number=7)
            assert ended.wait(PATIENCE)
            wait_until(lambda: not list_jobs(database))

    assert tries == [7, 7, 7]
    assert [line["again_in_seconds"] for line in logs if line["event"] == "job.failed"] == [0, 2]


def test_a_database_that_is_away_is_one_clear_line(unused_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_CONNECT_SECONDS", 0.2)
    queue = PostgresQueue(f"postgresql://nobody:secret@{unused_address}/news?connect_timeout=1")
    for ask in (partial(queue.defer, "round", key="round"), queue.measure):
        with pytest.raises(DatabaseUnavailable, match="the job queue") as caught:
            ask()
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)
    queue.close()


def test_it_waits_for_a_database_and_stops_when_told(unused_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_CONNECT_SECONDS", 0.2)
    queue = PostgresQueue(f"postgresql://nobody@{unused_address}/news?connect_timeout=1")
    with capture_logs() as logs, running(queue, {}):
        wait_until(lambda: bool(logs))
    queue.close()

    assert logs[0]["event"] == "queue.away"


def test_connections_that_are_cut_are_made_again(make_queue: MakeQueue, database: Database) -> None:
    """As when the server is started again."""
    queue, seen = make_queue(), threading.Event()
    with running(queue, {"work": seen.set}):
        queue.defer("work", key="a")
        assert seen.wait(PATIENCE)
        seen.clear()
        with database.write() as conn:
            conn.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        queue.defer("work", key="b")
        assert seen.wait(PATIENCE)


def test_age_counts_from_when_a_job_could_be_taken(make_queue: MakeQueue, database: Database) -> None:
    """A retry that is put off is not late."""
    queue = make_queue()
    for name in ("work", "letters", "round"):
        queue.defer(name, key=name)
    queue._defer("retag", "retag", {}, 3600)
    queue._defer("clean", "clean", {}, 3600)
    with database.write() as conn:
        conn.execute(
            sa.text(
                "UPDATE procrastinate_events SET at = now() - interval '90 s' WHERE job_id IN"
                " (SELECT id FROM procrastinate_jobs WHERE task_name = 'letters')"
            )
        )
        conn.execute(
            sa.text(
                "UPDATE procrastinate_jobs SET scheduled_at = now() - interval '20 s'"
                " WHERE task_name IN ('clean', 'round')"
            )
        )
    fetching, others = queue.measure()

    assert (fetching.name, fetching.waiting, fetching.later, fetching.running) == ("fetch", 1, 0, 0)
    assert 20 <= fetching.oldest_seconds < 60
    assert (others.name, others.waiting, others.later, others.running) == ("others", 3, 1, 0)
    assert 90 <= others.oldest_seconds < 130
