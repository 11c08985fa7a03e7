"""Ten thousand local feeds on a hundred local hosts, through 1, 2 and 4 workers, then with one killed now and then.

    python bench/scale.py [--feeds 10000] [--hosts 100] [--workers 1,2,4] [--kill-seconds 5]

Each line is one round of new feeds with a PostgreSQL database of its own: the wall time from the first job to the last
feed stored, CPU time of the workers and their children since then (with kills: the start of those that replace them,
too), what the server saw: feeds asked for twice, and the most requests that one host had at a time (eight is what a
host of one's own network may have, of all workers together). With kills a feed may be asked for twice, none may be
missing. Exit code 1: a feed was missing, was asked twice in a round without kills, or a host had more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from memory import PROJECT
from postgres import new_database, run_server
from server import make_document

from aggregator.taskqueue.postgres import PostgresQueue

#: A host answers after so long: what is asked at one time can be seen.
ANSWER_SECONDS = 0.01
AT_ONCE = 8


class Hosts:
    """Answers ``/feeds/NUMBER`` on many addresses and counts; ``/seen`` tells what, ``/forget`` begins anew."""

    def __init__(self) -> None:
        self._bodies = [make_document(seed, entries=5, words=60) for seed in range(200)]
        self.forget()

    def forget(self) -> None:
        self._asked: Counter[str] = Counter()
        self._now: Counter[str] = Counter()
        self._most: Counter[str] = Counter()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the client closes it."""
        host = writer.get_extra_info("sockname")[0]
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                body = await self._make(host, head.split(b" ", 2)[1].decode())
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(body) + body
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _make(self, host: str, path: str) -> bytes:
        if path == "/forget":
            self.forget()
            return b""
        if path == "/seen":
            twice = sum(count > 1 for count in self._asked.values())
            seen = {"asked": len(self._asked), "twice": twice, "most": max(self._most.values(), default=0)}
            return json.dumps(seen).encode()
        self._asked[path] += 1
        self._now[host] += 1
        self._most[host] = max(self._most[host], self._now[host])
        await asyncio.sleep(ANSWER_SECONDS)
        self._now[host] -= 1
        number = int(path.rpartition("/")[2])
        return self._bodies[number % len(self._bodies)].replace(
            b"https://example.org/", b"https://f%d.example.org/" % number
        )


async def serve(count: int) -> None:
    """Until it is killed; says its port."""
    hosts, port = Hosts(), 0
    for number in range(1, count + 1):
        server = await asyncio.start_server(hosts.answer, f"127.0.0.{number}", port, backlog=1024)
        port = server.sockets[0].getsockname()[1]
    print(port, flush=True)
    await asyncio.Event().wait()


class Workers:
    """So many of ``aggregator worker``; those that are killed are replaced."""

    def __init__(self, config: Path, count: int) -> None:
        self._config = config
        self._processes = [self._start() for _ in range(count)]
        self.kills = 0

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "aggregator", "worker", "--config", str(self._config)]
        log = (self._config.parent / "workers.log").open("ab")
        return subprocess.Popen(command, cwd=PROJECT, stderr=log, stdout=log)

    def kill_one(self) -> None:
        victim = self._processes.pop(0)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        self.kills += 1
        self._processes.append(self._start())

    def read_cpu(self) -> float:
        """Seconds of processor time so far of those that run, and of their children that have ended."""
        ticks = 0
        for process in self._processes:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
            ticks += sum(map(int, fields[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(60)


def measure(address: str, database: str, said: argparse.Namespace, workers: int, kill_seconds: float) -> dict[str, Any]:
    """One round."""
    with tempfile.TemporaryDirectory() as folder:
        config = write_config(Path(folder), address, database, said)
        run = [sys.executable, "-m", "aggregator", "feeds", "list", "--limit", "1", "--config", str(config)]
        subprocess.run(run, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)  # the schema, and the feeds
        urllib.request.urlopen(f"{address}/forget").close()
        queue, before = PostgresQueue(database), resource.getrusage(resource.RUSAGE_CHILDREN)
        with psycopg.connect(database, autocommit=True) as conn:
            crew = Workers(config, workers)
            wait_for_workers(conn, 2 * workers)
            starting, began = crew.read_cpu(), time.perf_counter()
            queue.defer("round", key="round")
            seconds = wait_for_feeds(conn, queue, crew, said.feeds, began, kill_seconds)
            crew.stop()
            entries = conn.execute("SELECT count(*) FROM entries").fetchone()
        queue.close()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime - starting
        seen = json.load(urllib.request.urlopen(f"{address}/seen"))
        return {**seen, "seconds": seconds, "cpu": cpu, "kills": crew.kills, "entries": entries[0] if entries else 0}


def wait_for_workers(conn: psycopg.Connection[Any], count: int) -> None:
    """Until all have begun to look for jobs: starting is not what is measured."""
    while (conn.execute("SELECT count(*) FROM procrastinate_workers").fetchone() or (0,))[0] < count:
        time.sleep(0.05)


def wait_for_feeds(
    conn: psycopg.Connection[Any], queue: PostgresQueue, crew: Workers, feeds: int, began: float, kill_seconds: float
) -> float:
    """Seconds until all are stored. Here the bench is the clock that ticks."""
    ticked = killed = began
    while (conn.execute("SELECT count(*) FROM feeds WHERE last_fetched_at IS NOT NULL").fetchone() or (0,))[0] < feeds:
        now = time.perf_counter()
        if now - began > 1_800:
            break
        if kill_seconds and now - killed > kill_seconds:
            crew.kill_one()
            killed = now
        if now - ticked > 2:
            queue.defer("round", key="round")
            ticked = now
        time.sleep(0.1)
    return time.perf_counter() - began


def write_config(folder: Path, address: str, database: str, said: argparse.Namespace) -> Path:
    """Feeds by turns on all hosts."""
    port = address.rpartition(":")[2]
    urls = (f"http://127.0.0.{number % said.hosts + 1}:{port}/feeds/{number}" for number in range(said.feeds))
    outlines = "".join(f'<outline type="rss" xmlUrl="{url}"/>' for url in urls)
    (folder / "feeds.opml").write_text(f'<opml version="2.0"><body>{outlines}</body></opml>')
    config = folder / "config.yaml"
    config.write_text(
        f"site: {{title: Bench, url: http://news.example.org, contact: editor@example.org}}\ndatabase: {database}\n"
        "fetch: {allow_networks: [127.0.0.0/8]}\nfeeds:\n  - opml: feeds.opml\nnewsletters: []\n"
    )
    return config


@contextmanager
def run_hosts(count: int) -> Iterator[str]:
    """The address of the first."""
    command = [sys.executable, __file__, "--serve", "--hosts", str(count)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()


def print_row(workers: int, found: dict[str, Any], feeds: int, first: float) -> bool:
    """Whether nothing is wrong with it."""
    per_feed, rate = 1000 * found["cpu"] / feeds, feeds / found["seconds"]
    print(
        f"{workers:>7} {found['kills']:>5} {found['seconds']:>8.1f} {rate:>8.0f} {found['cpu']:>7.1f}"
        f" {per_feed:>12.2f} {per_feed / (first or per_feed):>6.2f} {found['asked']:>7} {found['twice']:>6}"
        f" {found['most']:>5} {found['entries']:>8}",
        flush=True,
    )
    return found["asked"] == feeds and found["most"] <= AT_ONCE and (found["kills"] > 0 or not found["twice"])


def main() -> None:
    """As the arguments say."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--feeds", type=int, default=10_000)
    arguments.add_argument("--hosts", type=int, default=100)
    arguments.add_argument("--workers", default="1,2,4")
    arguments.add_argument("--kill-seconds", type=float, default=5)
    arguments.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    said = arguments.parse_args()
    if said.serve:
        asyncio.run(serve(said.hosts))
        return
    counts = [int(count) for count in said.workers.split(",")]
    print(f"{said.feeds} new feeds on {said.hosts} hosts; {os.cpu_count()} cores")
    print("workers kills  seconds  feeds/s   CPU s  CPU ms/feed  ratio   asked  twice  most  entries")
    good, first = True, 0.0
    with run_server() as server, run_hosts(said.hosts) as address:
        for number, (workers, kill) in enumerate([*((count, 0.0) for count in counts), (2, said.kill_seconds)]):
            with new_database(server, f"scale_{number}") as database:
                found = measure(address, database, said, workers, kill)
            good = print_row(workers, found, said.feeds, first) and good
            first = first or 1000 * found["cpu"] / said.feeds
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
