"""Ten thousand feeds due at once on a hundred hosts: how much memory, and how long the fetching loop stands still.

    python bench/loop.py [--feeds 10000] [--hosts 100] [--folder ../shared/corpus/feeds]

Starts the daemon with its default settings on feeds at 127.0.0.1 to 127.0.0.100, all new, waits until all were read,
makes all due again (they are answered 304 then) and waits once more. Memory is PSS over the daemon's process tree. In
the loop a coroutine sleeps for two milliseconds over and over: how much later it wakes is how long the loop was kept
from working, be it by itself, by other threads of the daemon or by the machine; a process that does nothing else shows
the machine's share. Exit code 1: a goal was missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import closing
from pathlib import Path

from clients import write_config
from memory import PROJECT, sum_pss

SERVER = Path(__file__).with_name("server.py")
LIMIT_MB = 300
LIMIT_MS = 50
NAP = 0.002


class DaemonEnded(Exception):
    """Before its time."""


class Lateness:
    """The longest delays of a sleeper, in seconds."""

    def __init__(self) -> None:
        self.worst = 0.0
        #: Of the worst delay, what the sleeper's own thread worked meanwhile.
        self.worst_cpu = 0.0
        self.naps = 0
        self.over_limit = 0

    def note(self, late: float, cpu: float) -> None:
        self.naps += 1
        self.over_limit += late * 1000 > LIMIT_MS
        if late > self.worst:
            self.worst, self.worst_cpu = late, cpu

    def to_json(self) -> str:
        return json.dumps({name: getattr(self, name) for name in ("worst", "worst_cpu", "naps", "over_limit")})


async def watch(lateness: Lateness) -> None:
    """Sleeps until it is cancelled."""
    while True:
        asked, worked = time.perf_counter(), time.thread_time()
        await asyncio.sleep(NAP)
        lateness.note(time.perf_counter() - asked - NAP, time.thread_time() - worked)


def run_daemon(config: str, report: Path) -> None:
    """``aggregator run`` with a sleeper in its fetching loop."""
    sys.path.insert(0, str(PROJECT))
    from aggregator.cli import main as aggregator
    from aggregator.fetch import loop

    lateness, sleepers = Lateness(), []
    start = loop.LoopThread.__init__

    def start_watched(thread: loop.LoopThread) -> None:
        start(thread)
        thread.call(lambda: sleepers.append(asyncio.ensure_future(watch(lateness))))

    def write_report() -> None:
        while True:
            time.sleep(0.5)
            report.with_suffix(".new").write_text(lateness.to_json())
            report.with_suffix(".new").replace(report)

    loop.LoopThread.__init__ = start_watched  # type: ignore[method-assign]
    threading.Thread(target=write_report, daemon=True).start()
    sys.argv = ["aggregator", "run", "--config", config]
    aggregator()


def run_idle() -> None:
    """Sleeps as the sleeper in the loop does, in a process without any work; says how late at the end of its input."""
    lateness = Lateness()
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.is_set():
        asked = time.perf_counter()
        time.sleep(NAP)
        lateness.note(time.perf_counter() - asked - NAP, 0.0)
    print(lateness.to_json())


def count_waiting(database: Path, since: str) -> int:
    """Feeds that were not asked since then (UTC, as the database writes it)."""
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as conn:
            query = "SELECT count(*) FROM feeds WHERE last_fetched_at IS NULL OR last_fetched_at < ?"
            return int(conn.execute(query, (since,)).fetchone()[0])
    except sqlite3.OperationalError:  # not made yet
        return -1


def make_due(database: Path) -> None:
    """All feeds, at once."""
    with closing(sqlite3.connect(database, timeout=60)) as conn, conn:
        conn.execute("UPDATE feeds SET next_due_at = '2001-01-01 00:00:00.000000'")


def read_cpu_seconds(process: int) -> float:
    """User and system time of a process and its ended children."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / 100


def wait_for_round(daemon: subprocess.Popen[bytes], database: Path, name: str, feeds: int) -> float:
    """Until every feed was asked and the daemon has come to rest; the peak of memory."""
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    begun, done_at, peak, peak_then, cpu, quiet = time.monotonic(), 0.0, 0.0, 0.0, 0.0, 0
    while quiet < 4:
        time.sleep(1)
        if daemon.poll() is not None:
            raise DaemonEnded(f"the daemon has ended (exit code {daemon.returncode})")
        peak = max(peak, sum_pss(daemon.pid))
        if not done_at and count_waiting(database, since) == 0:
            done_at, peak_then = time.monotonic(), peak
        used = read_cpu_seconds(daemon.pid)
        quiet = quiet + 1 if done_at and used - cpu < 0.2 else 0
        cpu = used
    seconds = done_at - begun
    print(
        f"{name:<6} {seconds:7.1f} s {feeds / seconds:7.0f} feeds/s, {peak_then:.0f} MB at most while fetching,"
        f" {peak:.0f} MB with the tags and stories that follow",
        flush=True,
    )
    return peak


def measure(said: argparse.Namespace) -> int:
    """Print the figures; exit code 1 when a goal was missed."""
    run = [sys.executable, str(SERVER), "--folder", str(said.folder), "--hosts", str(said.hosts)]
    server = subprocess.Popen(run, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    port = int(server.stdout.readline())
    idle = subprocess.Popen(
        [sys.executable, __file__, "--idle"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with tempfile.TemporaryDirectory() as work:
        urls = [f"http://127.0.0.{n % said.hosts + 1}:{port}/feeds/{n}" for n in range(said.feeds)]
        config = write_config(Path(work), urls, port=port + 1)
        database, report = Path(work) / "var" / "aggregator.db", Path(work) / "loop.json"
        log = Path(work) / "log.txt"
        with log.open("w") as lines:
            daemon = subprocess.Popen(
                [sys.executable, __file__, "--daemon", str(config), str(report)], cwd=work, stderr=lines
            )
        try:
            peak = wait_for_round(daemon, database, "cold", said.feeds)
            urllib.request.urlopen(f"http://127.0.0.1:{port}/mode/fresh").close()
            make_due(database)
            peak = max(peak, wait_for_round(daemon, database, "304", said.feeds))
        except DaemonEnded:
            print(log.read_text()[-2_000:], file=sys.stderr)
            raise
        finally:
            daemon.terminate()
            daemon.wait(60)
            server.kill()
            server.wait()
            still = json.loads(idle.communicate()[0])
        loop = json.loads(report.read_text())
    print(
        f"The loop was kept from working for {loop['worst'] * 1000:.0f} ms at most"
        f" ({loop['worst_cpu'] * 1000:.0f} ms of it its own work), more than {LIMIT_MS} ms {loop['over_limit']} times"
        f" of {loop['naps']:,}; an idle process beside it {still['worst'] * 1000:.0f} ms, {still['over_limit']} times"
    )
    return int(peak > LIMIT_MB or loop["worst"] * 1000 > LIMIT_MS)


def main() -> int:
    """As the arguments say."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--feeds", type=int, default=10_000)
    arguments.add_argument("--hosts", type=int, default=100)
    arguments.add_argument("--folder", type=Path, default=PROJECT.parent / "shared" / "corpus" / "feeds")
    arguments.add_argument("--daemon", nargs=2, help=argparse.SUPPRESS)
    arguments.add_argument("--idle", action="store_true", help=argparse.SUPPRESS)
    said = arguments.parse_args()
    if said.daemon:
        run_daemon(said.daemon[0], Path(said.daemon[1]))
    elif said.idle:
        run_idle()
    else:
        return measure(said)
    return 0


if __name__ == "__main__":
    sys.exit(main())
