"""Mails a second and core into a mail server that throws them away: ours with its ledger, and the usual way.

    python bench/send.py [--recipients 20000] [--naive 1000] [--connections 32] [--only signed-1]

Builds one issue of thirty stories for so many subscribers by the program's own commands, on an SQLite file as the
daemon has it (each commit is on the disk before the next step), and sends it to Debian's ``smtp-sink`` on 127.0.0.1
with ``aggregator issues send``: unsigned and signed (rsa2048), in one process and in two, each from a fresh copy of the
database. Then the usual way (`naive.py`), signed and not. CPU is user and system time of the sender and its children,
its start included, the server's not. Memory is the greatest of one process, and PSS of all, looked at each second.

Exit code 1: a mail is missing, or a goal was missed.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from memory import PROJECT, sum_pss

SINK = "/usr/sbin/smtp-sink"
NAIVE = Path(__file__).with_name("naive.py")
STORIES = 30
#: Signed and unsigned mails per second and core; MB of one process.
GOALS = {"signed": 1_500, "unsigned": 4_000}
LIMIT_MB = 150
WORDS = """harbour violin glacier pepper lantern saddle orchid turbine meadow compass granite pelican walnut ferry
cobalt thistle anchor marble juniper kettle falcon saffron tundra viaduct willow zeppelin badger cinnamon dolphin
ember""".split()


@dataclass(frozen=True)
class Cost:
    """What one way of sending took."""

    mails: int
    wall: float
    cpu: float
    rss: float
    pss: float

    def print(self, name: str) -> None:
        """One line of the table."""
        speed, a_core = self.mails / self.wall, self.mails / self.cpu
        millis = 1_000 / a_core
        print(f"{name:34} {speed:8,.0f} {a_core:12,.0f} {millis:8.3f} {self.rss:8.0f} {self.pss:8.0f}", flush=True)


@contextmanager
def open_sink() -> Iterator[int]:
    """A mail server that takes everything; its port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = int(free.getsockname()[1])
    # Started by root it asks for somebody else to be.
    somebody = ["-u", "nobody"] if os.geteuid() == 0 else []
    with subprocess.Popen([SINK, *somebody, f"127.0.0.1:{port}", "1000"], stderr=subprocess.DEVNULL) as sink:
        try:
            for _ in range(100):
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield port
        finally:
            sink.terminate()


def write_config(folder: Path, port: int, connections: int, *, signed: bool, processes: int) -> Path:
    """A newsletter that is mailed through ``port``."""
    dkim = "  dkim: {domain: example.org, selector: bench, key_file: key.pem}\n" if signed else ""
    config = folder / f"{'signed' if signed else 'unsigned'}-{processes}.yaml"
    config.write_text(
        f"""site: {{title: AI News, url: "https://news.example.org", contact: editor@example.org}}
database: sqlite:///{folder / "news.db"}
feeds: [{{folder: posts}}]
newsletters: [{{slug: weekly, title: AI Weekly, schedule: "0 8 * * 1", min_stories: 1}}]
mail:
  from: AI Weekly <news@example.org>
  bounces: {{address: b@bounce.example.org, maildir: bounces}}
  processes: {processes}
  smtp: {{host: 127.0.0.1, port: {port}, tls: none, connections: {connections}}}
{dkim}""",
        encoding="utf-8",
    )
    return config


def aggregator(config: Path, *command: str) -> list[str]:
    """A command line of the program."""
    return [sys.executable, "-m", "aggregator", *command, "--config", str(config)]


def time_signature(key: Path) -> float:
    """Seconds of CPU of one RSA operation by OpenSSL, without which no mail is signed: what this machine gives now."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    private = load_pem_private_key(key.read_bytes(), None)
    assert isinstance(private, RSAPrivateKey)
    started = time.process_time()
    for _ in range(500):
        private.sign(b"a mail", PKCS1v15(), SHA256())
    return (time.process_time() - started) / 500


def write_posts(folder: Path) -> None:
    """A week's stories."""
    posts = folder / "posts"
    posts.mkdir()
    for number in range(STORIES):
        digest = sha256(str(number).encode()).digest()
        words = [WORDS[byte % len(WORDS)] for byte in digest]
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3_600 * (number + 1)))
        title = f"The {' '.join(words[:5])} report {number * number}"
        text = ". ".join(" ".join(words[start : start + 16]).capitalize() for start in range(0, 32, 4))
        head = f'---\ntitle: "{title}"\ndate: {when}\nurl: https://blog.example.org/{number}\n---\n'
        (posts / f"{number}.md").write_text(f"{head}\n{text}.\n", encoding="utf-8")


def add_subscribers(database: Path, count: int) -> None:
    """Confirmed ones, as many; straight into the tables, which have the columns' defaults for all that is not said."""
    now = "2026-01-01 00:00:00.000000"
    with closing(sqlite3.connect(database)) as conn, conn:
        emails = (f"reader{number}@example{number % 97}.net" for number in range(count))
        people = ((email, sha256(email.encode()).hexdigest(), now) for email in emails)
        conn.executemany("INSERT INTO subscribers (email, address_hash, created_at) VALUES (?, ?, ?)", people)
        conn.execute(
            "INSERT INTO subscriptions (subscriber_id, newsletter, state, public_id, language, topics, consent,"
            " created_at, confirmed_at, ended_reason) SELECT id, 'weekly', 'confirmed', lower(hex(randomblob(16))), '',"
            " '[]', 'bench', ?, ?, '' FROM subscribers",
            (now, now),
        )


def prepare(folder: Path, config: Path, recipients: int) -> None:
    """One frozen issue with a row for each recipient, and what the usual way mails."""
    write_posts(folder)
    key = ["openssl", "genrsa", "-traditional", "-out", str(folder / "key.pem"), "2048"]
    subprocess.run(key, check=True, capture_output=True)
    run = {"check": True, "cwd": PROJECT, "stdout": subprocess.DEVNULL}
    subprocess.run(aggregator(config, "fetch", "--all"), **run)  # type: ignore[call-overload]
    add_subscribers(folder / "news.db", recipients)
    subprocess.run(aggregator(config, "issues", "build", "weekly"), **run)  # type: ignore[call-overload]
    with closing(sqlite3.connect(folder / "news.db")) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        html, text = conn.execute("SELECT mail_html, mail_text FROM renderings WHERE variant = ''").fetchone()
    (folder / "mail.html").write_text(html, encoding="utf-8")
    (folder / "mail.txt").write_text(text, encoding="utf-8")
    shutil.copy(folder / "news.db", folder / "frozen.db")
    sizes = f"{len(html.encode()):,} bytes of HTML, {len(text.encode()):,} of text"
    print(f"{recipients:,} recipients of an issue of {STORIES} stories, {sizes}\n")


def measure(command: list[str], mails: int) -> Cost:
    """Run a sender to its end."""
    before, started, peak = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), [0.0]
    ended = threading.Event()
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL) as process:

        def watch() -> None:
            while not ended.wait(1.0):
                peak[0] = max(peak[0], sum_pss(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        ended.set()
        watcher.join()
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(mails, wall, cpu, usage.ru_maxrss / 1024, peak[0])


def send_ours(folder: Path, config: Path, recipients: int) -> Cost:
    """Send the issue from a fresh copy of the database; all rows must be sent."""
    for ending in ("", "-wal", "-shm"):
        (folder / f"news.db{ending}").unlink(missing_ok=True)
    shutil.copy(folder / "frozen.db", folder / "news.db")
    cost = measure(aggregator(config, "issues", "send", "weekly"), recipients)
    with closing(sqlite3.connect(folder / "news.db")) as conn:
        states = dict(conn.execute("SELECT state, count(*) FROM deliveries GROUP BY state").fetchall())
    if states != {"sent": recipients}:
        raise SystemExit(f"not all were sent: {states}")
    return cost


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--recipients", type=int, default=20_000)
    parser.add_argument("--naive", type=int, default=1_000, help="mails by the usual way (signed; unsigned: ten times)")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", default="", help="one of signed-1, signed-2, unsigned-1, unsigned-2, naive")
    given = parser.parse_args()
    missed = []
    with tempfile.TemporaryDirectory(prefix="send-") as name, open_sink() as port:
        folder = Path(name)
        ways = [(how, count) for count in (1, 2) for how in ("unsigned", "signed")]
        configs = {
            way: write_config(folder, port, given.connections, signed=way[0] == "signed", processes=way[1])
            for way in ways
        }
        prepare(folder, configs["unsigned", 1], given.recipients)
        print(f"{'':34} {'mails/s':>8} {'mails/s/core':>12} {'ms CPU':>8} {'RSS MB':>8} {'PSS MB':>8}")
        for (how, count), config in configs.items():
            if given.only in ("", f"{how}-{count}"):
                cost = send_ours(folder, config, given.recipients)
                cost.print(f"ours, {how}, {count} process{'es' if count > 1 else ''}")
                if how == "signed":
                    alone = time_signature(folder / "key.pem")
                    print(f"{'  of which the RSA operation':34} {'':8} {1 / alone:12,.0f} {alone * 1_000:8.3f}")
                if count == 1 and (cost.mails / cost.cpu < GOALS[how] or cost.rss > LIMIT_MB):
                    missed.append(how)
        if given.only in ("", "naive"):
            for how, mails, more in (("signed", given.naive, ["key.pem"]), ("unsigned", given.naive * 10, [])):
                paths = [str(folder), *(str(folder / one) for one in more)]
                cost = measure([sys.executable, str(NAIVE), str(port), str(mails), *paths], mails)
                cost.print(f"email + smtplib{' + dkimpy' if more else ''}, {how}")
    for how in missed:
        print(f"missed: {GOALS[how]:,} {how} mails a second and core, or {LIMIT_MB} MB", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
