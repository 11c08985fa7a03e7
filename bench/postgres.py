"""A PostgreSQL server of one's own for a benchmark: Debian's package with its own settings, fsync on. Not a benchmark.

BENCH_POSTGRES_URL names another server to make databases on instead.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

_STARTUP_SECONDS = 60


@contextmanager
def run_server(keep: Path | None = None) -> Iterator[str]:
    """The address of a server on which databases may be made and dropped; empty where none is installed.

    ``keep``: a folder that its data stay in.
    """
    if given := os.environ.get("BENCH_POSTGRES_URL"):
        yield given
        return
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if not homes:
        yield ""
        return
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
    folder = keep or Path(tempfile.mkdtemp(prefix="bench-postgres-"))
    try:
        with _run(homes[-1].parent, folder) as url:
            yield url
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def new_database(server_url: str, name: str) -> Iterator[str]:
    """Make a database on the server, and drop it at the end."""
    server = make_url(server_url).set(drivername="postgresql")
    address = server.render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        try:
            yield server.set(database=name).render_as_string(hide_password=False)
        finally:
            conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


def ensure_database(server_url: str, name: str) -> tuple[str, bool]:
    """The address of a database that stays on the server, and whether it was made just now."""
    with psycopg.connect(server_url, autocommit=True) as conn:
        there = conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if not there:
            conn.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    return make_url(server_url).set(database=name).render_as_string(hide_password=False), not there


@contextmanager
def _run(programs: Path, folder: Path) -> Iterator[str]:
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:  # as which PostgreSQL refuses to run
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    made = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
    if not (folder / "data").exists():
        subprocess.run(made, env=environment, cwd=folder, capture_output=True, check=True, **identity)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = [
        str(programs / "postgres"),
        "-D",
        str(folder / "data"),
        "-k",
        str(folder),
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(server, env=environment, cwd=folder, stdout=log, stderr=log, **identity)
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    try:
        _wait(url, process)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _STARTUP_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise SystemExit("PostgreSQL did not start")
