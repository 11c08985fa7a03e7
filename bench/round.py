"""One round over a thousand local feeds: this program and lemon24/reader in turn, on the same server.

    python bench/round.py [--reader-python PATH] [--feeds 1000] [--cycles 1] [--folder ../shared/corpus/feeds]

Five rounds one after the other: all new; all answered 304; the same bodies without validators; bodies made anew with
another build date or comment; two new entries in each feed. CPU is user and system time of a client and its children;
memory is PSS over its process tree. The server is a process of its own and counts for nobody. Exit code 1: a goal was
missed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections import defaultdict
from pathlib import Path
from typing import Any

from memory import PROJECT, sum_pss

CLIENTS = Path(__file__).with_name("clients.py")
SERVER = Path(__file__).with_name("server.py")

#: What is asked for, in order: name, the server's mode, and how many times less CPU than reader's ours may take.
ROUNDS = (
    ("cold", "fresh", 6.0),
    ("304", "", 40.0),
    ("unchanged", "plain", 15.0),
    ("touched", "touched", 15.0),
    ("two new", "two-new", 0.0),
)
#: CPU ms a feed of Miniflux 2 with its PostgreSQL: 1,000 feeds (70 MB), 23,192 entries, 16 workers, no throttle, on two
#: shared cores. Measured for this project's design, not by this script; "unchanged" is the same bodies without
#: validators, which it reads and writes again whatever they hold, so it stands beside "touched" as well.
MINIFLUX = {"cold": 63.7, "304": 5.1, "unchanged": 75.7, "touched": 75.7, "two new": 74.7}
MINIFLUX_GOAL = 4.0
#: After these rounds there are entries to tag and to group.
WITH_NEW = ("cold", "two new")

MAKE_VENV = """No Python with lemon24/reader: only our own figures follow. To make one, outside of this project:
    python3 -m venv ../reader-venv && ../reader-venv/bin/pip install reader sgmllib3k
and then: python bench/round.py --reader-python ../reader-venv/bin/python
(sgmllib3k: the feedparser inside reader imports it, and its package does not ask for it.)
"""


class Client:
    """One of the two programs, in a process of its own."""

    def __init__(self, python: str, name: str, folder: Path, urls: Path) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [python, "-W", "ignore", str(CLIENTS), name, str(folder), str(urls)],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def ask(self, task: str) -> dict[str, Any]:
        """The measurements of one task, with its peak of memory."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{task}\n")
        self._process.stdin.flush()
        peak, ended = [0.0], threading.Event()

        def watch() -> None:
            while not ended.wait(0.3):
                peak[0] = max(peak[0], sum_pss(self._process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            found = self._read()
        finally:
            ended.set()
            watcher.join()
        return {**found, "pss": max(peak[0], sum_pss(self._process.pid))}

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} has ended before its answer (exit code {self._process.wait()})")
        found: dict[str, Any] = json.loads(line)
        return found


def run_cycle(said: argparse.Namespace, turn: int, results: dict[tuple[str, str], list[dict[str, Any]]]) -> None:
    """All rounds once, with fresh databases; who begins changes from round to round."""
    server = subprocess.Popen(
        [sys.executable, str(SERVER), "--folder", str(said.folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        address = f"http://127.0.0.1:{int(server.stdout.readline())}"
        with tempfile.TemporaryDirectory() as work:
            urls = Path(work) / "urls.txt"
            urls.write_text("\n".join(f"{address}/feeds/{number}" for number in range(said.feeds)))
            clients = [Client(sys.executable, "ours", Path(work), urls)]
            if said.reader_python:
                clients.append(Client(said.reader_python, "reader", Path(work), urls))
            for number, (name, mode, _) in enumerate(ROUNDS):
                if mode:
                    urllib.request.urlopen(f"{address}/mode/{mode}").close()
                for client in clients[:: -1 if (turn + number) % 2 else 1]:
                    results[name, client.name].append(client.ask("round"))
                    print_row(name, client.name, results[name, client.name][-1], said.feeds)
                for task in ("tags", "stories"):  # what reader does not have; it follows a round
                    results[f"{name} {task}", "ours"].append(clients[0].ask(task))
                    if name in WITH_NEW:
                        print_row(task, "ours", results[f"{name} {task}", "ours"][-1], said.feeds)
            for client in clients:
                client.close()
    finally:
        server.kill()
        server.wait()


def print_row(name: str, who: str, found: dict[str, Any], feeds: int) -> None:
    """One measurement."""
    counts = ", ".join(
        f"{found[key]:,} {word}"
        for key, word in (
            ("tagged", "entries tagged"),
            ("grouped", "stories"),
            ("stored", "stored"),
            ("new", "new"),
            ("changed", "changed"),
            ("unchanged", "unchanged"),
            ("not_modified", "not modified"),
            ("failed", "feeds failed"),
        )
        if found.get(key)
    )
    print(
        f"{name:<10} {who:<7} {found['cpu'] / feeds * 1000:8.2f} ms {found['wall']:8.1f} s"
        f" {feeds / found['wall']:7.0f} feeds/s {found['pss']:5.0f} MB (RSS {found['rss']:.0f})  {counts}",
        flush=True,
    )


def print_summary(results: dict[tuple[str, str], list[dict[str, Any]]], feeds: int) -> bool:
    """Medians and ratios; whether every goal was met."""
    print("\nCPU ms a feed   ours   reader    ratio   goal   Miniflux*   ratio   goal")
    met = True
    for name, _, goal in ROUNDS:
        ours, reader = (median_ms(results[name, who], feeds) for who in ("ours", "reader"))
        against = reader / ours
        against_miniflux = MINIFLUX[name] / ours
        met = met and not against < goal and against_miniflux >= MINIFLUX_GOAL
        wanted = f"{goal:.0f}x" if goal else "-"
        print(
            f"{name:<12} {ours:8.2f} {reader:8.2f} {against:7.1f}x {wanted:>6} {MINIFLUX[name]:11.1f}"
            f" {against_miniflux:6.1f}x {MINIFLUX_GOAL:5.0f}x"
        )
    for name in WITH_NEW:
        tags, stories = (median_ms(results[f"{name} {task}", "ours"], feeds) for task in ("tags", "stories"))
        whole = median_ms(results[name, "ours"], feeds) + tags + stories
        against = median_ms(results[name, "reader"], feeds) / whole
        print(f"{name} with what follows and reader has not, tags {tags:.2f} and stories {stories:.2f}:", end="")
        print(f" {whole:.2f} ({against:.1f}x)")
    print("* published figures: Miniflux 2 and its PostgreSQL, 1,000 feeds of the same corpus, two shared cores")
    return met


def median_ms(found: list[dict[str, Any]], feeds: int) -> float:
    """CPU a feed; not a number when nothing was measured."""
    return statistics.median(one["cpu"] for one in found) / feeds * 1000 if found else float("nan")


def can_import(python: str) -> bool:
    """Whether ``python`` is there and has reader."""
    try:
        return subprocess.run([python, "-c", "import reader, sgmllib"], stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def main() -> int:
    """Print the figures; exit code 1 when a goal was missed."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--reader-python", default="")
    arguments.add_argument("--feeds", type=int, default=1000)
    arguments.add_argument("--cycles", type=int, default=1)
    arguments.add_argument("--folder", type=Path, default=PROJECT.parent / "shared" / "corpus" / "feeds")
    said = arguments.parse_args()
    if said.reader_python:
        said.reader_python = str(Path(said.reader_python).absolute())  # the clients run in a folder of their own
    if said.reader_python and not can_import(said.reader_python):
        said.reader_python = ""
    if not said.reader_python:
        print(MAKE_VENV)
    results: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for turn in range(said.cycles):
        run_cycle(said, turn, results)
    return int(not print_summary(results, said.feeds))


if __name__ == "__main__":
    sys.exit(main())
