"""What Prometheus reads, over a real socket and on both databases."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from aggregator import __version__, metrics
from aggregator.app import App
from aggregator.cli.run import Daemon
from aggregator.config.schema import Web
from aggregator.errors import DatabaseUnavailable
from aggregator.mail.replies import Step, read_refusal
from aggregator.storage.engine import Database
from aggregator.storage.migrate import REVISIONS
from aggregator.taskqueue.local import LocalQueue
from aggregator.tasks.figures import Figures
from aggregator.tasks.process_memory import measure_memory
from aggregator.web.cache import Pace
from aggregator.web.headers import HEADERS
from aggregator.web.server import create_server
from aggregator.web.site import create_site
from aggregator.web.watch import Watch
from tests.fixtures.database import PostgresServer
from tests.fixtures.program import Program
from tests.fixtures.smtp_server import FOR_EVER, SmtpServer
from tests.storage.samples import NOW
from tests.tasks.paper import READERS, SLOT, Paper, ready, send_all
from tests.web.conftest import AT_ONCE, FIRST, Door, News, Reply, run_server, write_rss

Values = Mapping[tuple[str, ...], float]
Serve = Callable[..., Door]
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")


def read_values(reply: Reply) -> Values:
    """Every sample, by its name and the values of its labels."""
    assert reply.status == 200
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def ask(door: Door) -> Values:
    return read_values(door.ask("/metrics"))


def find_rise(before: Values, after: Values) -> Values:
    """What was counted in between."""
    return {
        key: value - before.get(key, 0)
        for key, value in after.items()
        if key[0].endswith("_total") and key[0].startswith("aggregator_") and value != before.get(key, 0)
    }


@pytest.fixture(autouse=True)
def keep_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer is of its own moment."""
    monkeypatch.setattr("aggregator.tasks.figures.SHARE", 0)
    monkeypatch.setattr("aggregator.tasks.figures.LONG_SECONDS", 0)


@contextmanager
def serve_to(app: App, *networks: str) -> Iterator[Door]:
    """To these networks alone, behind a proxy of this machine."""
    site = create_site(app, pace=AT_ONCE, metrics_allow=networks)
    with run_server(create_server(site, trusted_proxies=["127.0.0.0/8"])) as door:
        yield door


def test_what_there_is_and_what_is_done_shows(news: News, serve: Serve) -> None:
    news.configure()
    with news.program.app() as app:
        door = serve(app)
        before = ask(door)
        assert news.program.json("fetch", "--all")["failed"] == 0
        assert news.program.json("issues", "build")["state"] == "ready"
        found = ask(door)

    assert found["aggregator_feeds", "active"] == 3
    assert found["aggregator_feeds", "paused"] == 0
    assert found["aggregator_entries_last_day",] == 5
    assert found["aggregator_entries_untagged",] == 0
    assert found["aggregator_stories_last_day",] == 4
    assert found["aggregator_issues", "ready"] == 1
    assert found["aggregator_issue_deliveries", "sent"] == 0
    assert found["aggregator_feeds_due",] == found["aggregator_feeds_due_oldest_seconds",] == 0
    assert found["aggregator_database_up",] == 1
    kind = "sqlite" if news.program.is_sqlite else "postgresql"
    assert found["aggregator_build_info", kind, REVISIONS[-1], __version__] == 1
    assert 0 <= found["aggregator_database_pool_in_use",] <= found["aggregator_database_pool_size",]
    rise = find_rise(before, found)
    assert rise["aggregator_fetches_total", "ok"] == 3
    assert rise["aggregator_entries_stored_total", "new"] == 5
    assert found["aggregator_parse_seconds_count",] - before["aggregator_parse_seconds_count",] == 2


def test_jobs_that_nobody_takes_show(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        door = serve(app)
        before = ask(door)
        app.queue.defer("letters", key="letters")
        after = ask(door)

    lane = "local" if program.is_sqlite else "others"
    assert before["aggregator_queue_jobs", lane, "waiting"] == before["aggregator_queue_oldest_seconds", lane] == 0
    assert after["aggregator_queue_jobs", lane, "waiting"] == 1
    assert after["aggregator_queue_oldest_seconds", lane] > 0
    assert [after["aggregator_queue_jobs", lane, state] for state in ("later", "running")] == [0, 0]


def test_a_feed_that_fails_or_says_nothing_new_is_counted_so(news: News, http_server: Any, serve: Serve) -> None:
    news.configure()
    with news.program.app() as app:
        door = serve(app)
        news.program.json("fetch", "--all")
        first = ask(door)
        http_server.add("/b", b"gone", status=500)
        http_server.add("/a", write_rss([(FIRST[0][0], "OpenAI shows another model"), FIRST[1]], "Feed a"))
        news.program.json("fetch", "--all")
        rise = find_rise(first, ask(door))

    assert rise["aggregator_fetches_total", "http"] == 1
    assert rise["aggregator_fetches_total", "ok"] + rise.get(("aggregator_fetches_total", "not_modified"), 0) == 2
    assert rise["aggregator_entries_stored_total", "changed"] >= 1
    assert ("aggregator_entries_stored_total", "new") not in rise


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_mails_and_what_servers_say_are_counted(program: Program, smtp_server: SmtpServer, serve: Serve) -> None:
    paper = Paper(program, smtp_server)
    paper.post(1, SLOT - timedelta(days=1))
    paper.configure()
    smtp_server.answer("RCPT", "550 5.1.1 no such user", to=READERS[1], times=FOR_EVER)
    with ready(paper) as (app, issue):
        door = serve(app)
        before = ask(door)
        send_all(app, issue)
        after = ask(door)
        rise = find_rise(before, after)

    assert rise == {
        ("aggregator_mails_total", "sent"): 2,
        ("aggregator_mails_total", "failed"): 1,
        ("aggregator_smtp_replies_total", "2xx", "none"): 2,
        ("aggregator_smtp_replies_total", "5xx", "5.1.1"): 1,
    }
    assert (before["aggregator_issues", "ready"], after["aggregator_issues", "sent"]) == (1, 1)
    assert after["aggregator_deliveries_due",] == 0
    assert [after["aggregator_issue_deliveries", state] for state in ("sent", "bounced", "queued")] == [2, 1, 0]


def test_get_and_head_bear_the_headers_of_every_answer(site: tuple[Program, App, Door]) -> None:
    _, _, door = site
    for method in ("GET", "HEAD"):
        reply = door.ask("/metrics", method)
        assert reply.status == 200
        assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert reply.headers["cache-control"] == "no-store"
        assert all(reply.headers[name.lower()] == value for name, value in HEADERS.items())
        assert bool(reply.body) == (method == "GET")
    assert door.ask("/metrics", "POST").status == 405


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_strangers_find_nothing_there(site: tuple[Program, App, Door]) -> None:
    _, app, _ = site
    with serve_to(app, "192.0.2.0/24", "2001:db8::/32") as door:
        missing = door.ask("/nowhere-at-all")
        for client in ("192.0.2.7", "203.0.113.9, 192.0.2.7", "::ffff:192.0.2.7", "2001:db8::5"):
            assert door.ask("/metrics", headers={"X-Forwarded-For": client}).status == 200, client
        for client in ("203.0.113.9", "192.0.2.7, 203.0.113.9", "2001:db9::5", "unknown", ""):
            headers = {"X-Forwarded-For": client} if client else {}
            for method in ("GET", "HEAD"):
                reply = door.ask("/metrics", method, headers=headers)
                assert reply.status == 404, client
                assert {**reply.headers, "date": ""} == {**missing.headers, "date": ""}
                assert reply.body == (missing.body if method == "GET" else b"")
    with serve_to(app) as door:
        assert door.ask("/metrics").status == 404


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_strangers_find_nothing_at_a_worker_either(site: tuple[Program, App, Door]) -> None:
    _, app, _ = site
    with run_server(create_server(Watch(app, metrics_allow=["192.0.2.0/24"]), trusted_proxies=["127.0.0.0/8"])) as door:
        assert door.ask("/metrics", headers={"X-Forwarded-For": "192.0.2.7"}).status == 200
        for method in ("GET", "HEAD", "POST", "DELETE"):
            found, missing = door.ask("/metrics", method), door.ask("/nowhere-at-all", method)
            assert (found.status, found.body) == (missing.status, missing.body)
            assert found.status in (404, 405)
            assert {**found.headers, "date": ""} == {**missing.headers, "date": ""}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_daemon_takes_the_networks_from_the_configuration(site: tuple[Program, App, Door]) -> None:
    _, app, _ = site
    web = Web(metrics_allow=("198.51.100.0/24",))
    with run_server(Daemon(app, web, None)._make_web()) as door:
        statuses = [door.ask("/metrics", headers={"X-Forwarded-For": f"198.51.{n}.1"}).status for n in (100, 101)]

    assert statuses == [200, 404]


class Troubled:
    """A database that does what the test says before each transaction."""

    def __init__(self, db: Any, before: Callable[[], object]) -> None:
        self._db, self._before = db, before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def read(self) -> AbstractContextManager[Any]:
        self._before()
        found: AbstractContextManager[Any] = self._db.read()
        return found


def test_without_a_database_the_process_still_tells_of_itself(site: tuple[Program, App, Door], serve: Serve) -> None:
    _, app, _ = site
    faults: list[Exception] = []

    def fail() -> None:
        if faults:
            raise faults[0]

    door = serve(replace(app, db=Troubled(app.db, fail)))  # type: ignore[arg-type]
    whole = ask(door)
    faults.append(RuntimeError("a fault of ours"))
    faulty = ask(door)
    faults.insert(0, DatabaseUnavailable("gone"))
    partial = ask(door)
    faults.clear()
    again = ask(door)

    assert faulty.keys() == partial.keys()
    assert partial["aggregator_database_up",] == 0
    gone = {name for name, *_ in whole.keys() - partial.keys()}
    assert gone == {name for name in list_served(whole) if name in list_documented("From rows")}
    assert partial["aggregator_memory_pss_bytes",] > 1_000_000
    assert again.keys() == whole.keys()
    assert again["aggregator_database_up",] == 1


def test_a_server_that_is_stopped_and_started_again_costs_no_scrape(
    own_postgres: PostgresServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    serve: Serve,
) -> None:
    program = Program(tmp_path, own_postgres.url, capsys, monkeypatch)
    program.configure()
    with program.app() as app:
        door = serve(app)
        ups = [ask(door)["aggregator_database_up",]]
        own_postgres.stop()
        ups.append(ask(door)["aggregator_database_up",])
        own_postgres.start()
        ups.append(ask(door)["aggregator_database_up",])

    assert ups == [1, 0, 1]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_database_that_keeps_silent_holds_nobody_up(
    site: tuple[Program, App, Door], serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, app, _ = site
    monkeypatch.setattr("aggregator.web.metrics.PATIENCE_SECONDS", 60)
    gate, looks = threading.Event(), []

    def wait() -> None:
        looks.append(1)
        assert gate.wait(60)

    gate.set()
    # The pages' own look happens with the first answer, and then no more.
    door = serve(replace(app, db=Troubled(app.db, wait)), pace=Pace(watch_seconds=3600))  # type: ignore[arg-type]
    ask(door)
    monkeypatch.setattr("aggregator.web.metrics.PATIENCE_SECONDS", 0.2)
    gate.clear()
    looks.clear()
    silent = [ask(door)["aggregator_database_up",] for _ in range(3)]
    asked = len(looks)
    gate.set()
    monkeypatch.setattr("aggregator.web.metrics.PATIENCE_SECONDS", 60)
    answered = ask(door)["aggregator_database_up",]

    assert silent == [0, 0, 0]
    assert asked == 1, "all of them wait for one look"
    assert answered == 1


def test_what_took_long_is_kept_a_hundred_times_as_long(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aggregator.tasks.figures.SHARE", 100)
    monkeypatch.setattr("aggregator.tasks.figures.LONG_SECONDS", 30)
    clock, asked = [1000.0], []

    class Slow(Troubled):
        """Each transaction takes two seconds."""

        @contextmanager
        def read(self) -> Iterator[Any]:
            clock[0] += 2
            asked.append(1)
            with db.read() as conn:
                yield conn

    app = SimpleNamespace(db=Slow(db, lambda: None), now=lambda: NOW, queue=LocalQueue())
    figures = Figures(app, clock=lambda: clock[0])  # type: ignore[arg-type]

    def count_reads(after_seconds: float) -> int:
        clock[0] += after_seconds
        asked.clear()
        figures.look()
        return len(asked)

    assert count_reads(0) == 6, "the schema, and five times rows"
    assert count_reads(180) == 1, "the schema alone"
    assert count_reads(30) == 6
    assert {figure.name for figure in figures.collect()} >= set(list_documented("From rows"))


@given(st.integers(-1, 1000), st.from_regex(r"([245]\.\d{1,3}\.\d{1,3} )?.{0,20}", fullmatch=True))
def test_no_server_can_name_a_label(code: int, text: str) -> None:
    read_refusal(code, text, Step.RCPT)
    served = text_string_to_metric_families(metrics.render_metrics(()).decode())
    (replies,) = (family for family in served if family.name == "aggregator_smtp_replies")

    for sample in replies.samples:
        assert sample.labels["class"] in ("2xx", "4xx", "5xx", "other")
        assert re.fullmatch(r"none|other|[245]\.[0-7]\.\d{1,2}", sample.labels["enhanced"])
    assert len(replies.samples) <= 301


def test_words_beyond_the_bound_are_counted_together() -> None:
    tally = metrics.Tally("aggregator_test_words", "Of this test.", "word")
    for number in range(1000):
        tally.add(f"word {number}")
    served = text_string_to_metric_families(metrics.render_metrics(()).decode())
    (family,) = (family for family in served if family.name == "aggregator_test_words")

    assert len(family.samples) <= 301
    assert sum(sample.value for sample in family.samples) == 1000


def test_memory_is_that_of_the_whole_tree() -> None:
    alone = measure_memory()
    command = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline()
        both, its_own = measure_memory(), measure_memory(child.pid)
        child.communicate(b"\n")

    assert alone is not None and both is not None and its_own is not None
    assert both.processes == alone.processes + 1
    assert its_own.processes == 1 and its_own.pss_bytes > 1_000_000
    assert measure_memory(child.pid) is None


# The page


def list_documented(heading: str = "") -> list[str]:
    """The names in the tables, of one section or of all."""
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    return re.findall(
        r"^\| `([a-z_]+)` \|", "".join(part for part in sections if part.startswith(heading)), re.MULTILINE
    )


def list_served(values: Values) -> set[str]:
    """Their names; a histogram has one."""
    return {re.sub(r"(?<=_seconds)_(bucket|sum|count)$", "", name) for name, *_ in values}
