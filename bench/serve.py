"""Readers served a second: the daemon, and nginx with the static export of the same site, one after the other.

    python bench/serve.py [--seconds 5] [--connections 1,50,500]

Makes a site of the sample posts (examples/demo.py), starts `aggregator run` on it and later nginx on what `aggregator
publish` wrote, each in one process on one core of its own, and asks with wrk on another core: conditional requests
(all answered 304) and the combined feed in full (200, gzip); the daemon once more while its content changes every
second, so that the feed is made anew as often. Memory is PSS over the process tree, before and after.
Needs wrk (apt install wrk); without nginx (apt install nginx-light) only our own figures follow. Exit code 1: the goal
was missed.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from memory import PROJECT, sum_pss

#: Conditional requests a second that one core must answer, with many connections.
GOAL = 4_000
FEED = "/feed.atom"
_NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; {user}
events {{ worker_connections 4096; }}
http {{
  types {{ application/atom+xml atom; text/html html; text/css css; }}
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; gzip_static on; gzip_vary on;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port} backlog=2048; root {site}; index index.html; }}
}}
"""


@dataclass(frozen=True)
class Load:
    """What one run of wrk saw."""

    rate: float
    p99_ms: float
    errors: int
    #: Of the server, per request: what a core takes, however busy the machine is with other work.
    cpu_us: float


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Requests a second beside nginx.")
    parser.add_argument("--seconds", type=int, default=5, help="length of each run of wrk")
    parser.add_argument("--connections", default="1,50,500", help="numbers of connections, with commas between them")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is missing: apt install wrk", file=sys.stderr)
        return 2
    counts = [int(number) for number in options.connections.split(",")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port = make_site(folder)
        figures = {}
        with run_daemon(folder, port) as process:
            figures["ours"] = measure(process, port, counts, options.seconds, folder / "demo" / "var" / "aggregator.db")
        if nginx := find_nginx():
            with run_nginx(nginx, folder) as (process, other):
                figures["nginx"] = measure(process, other, counts, options.seconds)
        else:
            print("nginx is missing (apt install nginx-light): only our own figures follow.\n")
    print_table(figures, counts)
    reached = max(load.rate for (kind, _), load in figures["ours"][0].items() if kind == "304")
    print(f"\ngoal: {GOAL} conditional requests/s; best: {reached:.0f}")
    return int(reached < GOAL or any(load.errors for load in figures["ours"][0].values()))


def make_site(folder: Path) -> int:
    """The demonstration's site, database and static export, in ``folder``; returns the port that its daemon takes."""
    demo = [sys.executable, str(PROJECT / "examples" / "demo.py"), str(folder / "demo")]
    subprocess.run(demo, check=True, stdout=subprocess.DEVNULL, cwd=PROJECT)
    port = find_port()
    config = folder / "demo" / "config.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("listen: 127.0.0.1:8000", f"listen: 127.0.0.1:{port}"), encoding="utf-8")
    feed = folder / "demo" / "site" / FEED[1:]
    coded = feed.with_name(f"{feed.name}.gz")
    if not coded.exists():  # or nginx would have to code each answer
        coded.write_bytes(gzip.compress(feed.read_bytes(), 6))
    return port


@contextmanager
def run_daemon(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The real daemon, all of it."""
    command = [sys.executable, "-m", "aggregator", "run", "--config", str(folder / "demo" / "config.yaml")]
    with run_pinned(command, folder / "daemon.log", port) as process:
        yield process


@contextmanager
def run_nginx(nginx: str, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """One worker on the static export."""
    port = find_port()
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, site=folder / "demo" / "site", port=port, user=user))
    with run_pinned([nginx, "-c", str(config), "-p", str(folder)], folder / "nginx.out", port) as process:
        yield process, port


@contextmanager
def run_pinned(command: list[str], log: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """On the first core we may use, once it answers; wrk gets the others."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:1])
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=PROJECT, stdout=file, stderr=file)
    os.sched_setaffinity(0, cores[1:] or cores)
    try:
        end = time.monotonic() + 60
        while not answers(port):
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{command[0]} does not answer:\n{log.read_text(errors='replace')}")
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait()
        os.sched_setaffinity(0, cores)


def measure(
    process: subprocess.Popen[bytes], port: int, counts: list[int], seconds: int, database: Path | None = None
) -> tuple[dict[tuple[str, int], Load], float, float]:
    """Each kind of request with each number of connections; memory before and after, in MB."""
    url = f"http://127.0.0.1:{port}{FEED}"
    with urllib.request.urlopen(url) as answer:
        tag = answer.headers["ETag"]
    kinds = {"304": ("If-None-Match", tag), "200": ("Accept-Encoding", "gzip")}
    for wanted, (name, value) in kinds.items():
        assert ask(url, name, value) == (wanted, "gzip" if wanted == "200" else ""), "not what is to be measured"
    with change_content(database) if database else nullcontext():  # what a start leaves to do, and room for so many
        load(process.pid, url, kinds["200"], max(counts), 10)
    before, loads = sum_pss(process.pid), {}
    for kind, header in kinds.items():
        for count in counts:
            loads[kind, count] = load(process.pid, url, header, count, seconds)
    for count in counts if database else ():
        with change_content(database):
            loads["changing", count] = load(process.pid, url, kinds["304"], count, seconds)
    return loads, before, sum_pss(process.pid)


@contextmanager
def change_content(path: Path) -> Iterator[None]:
    """Say once a second that content has changed, as a round does when it saves."""
    ended = threading.Event()

    def change() -> None:
        while not ended.wait(1.0):
            with sqlite3.connect(path, timeout=10) as conn:
                conn.execute("UPDATE meta SET value = ? WHERE name = 'revision'", (f'"{time.time()}"',))
            conn.close()

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def ask(url: str, name: str, value: str) -> tuple[str, str]:
    """Status and coding of one answer."""
    request = urllib.request.Request(url, headers={name: value})
    try:
        with urllib.request.urlopen(request) as answer:
            return str(answer.status), answer.headers.get("Content-Encoding", "")
    except urllib.error.HTTPError as error:
        with error:
            return str(error.code), error.headers.get("Content-Encoding", "")


def load(server: int, url: str, header: tuple[str, str], connections: int, seconds: int) -> Load:
    """One run of wrk."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--timeout", "10", "--latency"]
    before = sum_cpu(server)
    done = subprocess.run(
        [*command, "-H", ": ".join(header), url],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
    )
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", done.stdout)
    assert rate and p99, done.stdout
    failed = [int(number) for number in re.findall(r"(?:connect|read|write|timeout|responses:?) (\d+)", done.stdout)]
    unit = {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]]
    spent, requests = sum_cpu(server) - before, float(rate[1]) * seconds
    return Load(float(rate[1]), float(p99[1]) * unit, sum(failed), spent / requests * 1e6)


def sum_cpu(root: int) -> float:
    """Seconds of user and system time of a process and its children."""
    children = Path(f"/proc/{root}/task/{root}/children").read_text().split()
    fields = Path(f"/proc/{root}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK") + sum(sum_cpu(int(child)) for child in children)


def print_table(figures: dict[str, tuple[dict[tuple[str, int], Load], float, float]], counts: list[int]) -> None:
    """As docs/benchmarks.md has it."""
    names = list(figures)
    print(f"| answer, connections | {' | '.join(f'{name}: requests/s | CPU us each | p99 ms' for name in names)} |")
    print(f"|---|{'---|---|---|' * len(names)}")
    for kind, title in (("304", "304"), ("200", "200, gzip"), ("changing", "304 while content changes")):
        for count in counts:
            cells = [figures[name][0].get((kind, count)) for name in names]
            row = " | ".join(f"{c.rate:,.0f} | {c.cpu_us:.0f} | {c.p99_ms:.1f}" if c else "- | - | -" for c in cells)
            print(f"| {title}, {count} | {row} |")
    memory = " | ".join(f"{before:.0f} -> {after:.0f} | |" for _, before, after in figures.values())
    print(f"| memory, MB | {memory} |")
    for name in names:
        if errors := sum(cell.errors for cell in figures[name][0].values()):
            print(f"{name}: {errors} requests failed")


def find_nginx() -> str | None:
    """Debian keeps it where only root looks."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def find_port() -> int:
    """A free one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether somebody listens and speaks."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
