"""An installation copied from SQLite to PostgreSQL and back by the real command; the two files held side by side.

    PYTHONPATH=. python bench/moving.py [--entries 100000] [--feeds 1000] [--subscribers 10000] [--kills 0]

Entries of `store.py` (2 kB of HTML, the packed original), three tags each, two to a story, the words they are found by;
an issue with a row for each subscriber; 500 rows in every table else. With ``--kills`` each way is killed (SIGKILL) so
often in the large tables and while the index is made, and started again. The comparison is this script's own: every row
of every table, as `sqlite3` gives it, in the order of keys; the search index by its words.

Exit code 1: the last database is not the first.
"""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import psycopg
import sqlalchemy as sa
from memory import PROJECT
from postgres import new_database, run_server
from store import NOW, Author, make_new, prepare, save_all, save_tags

from aggregator.model.ids import EntryId
from aggregator.model.newsletter import IssueItem, PlannedSlot, RenderedIssue
from aggregator.model.story import GroupedStory
from aggregator.model.subscriber import NewSubscriber
from aggregator.storage import issues, meta, stories, subscribers
from aggregator.storage.engine import CHUNK, Database, open_database
from aggregator.storage.schema import bounces, fetch_log
from aggregator.storage.schema import entries as entries_table
from aggregator.tasks.copying import _index
from tests.storage.every_table import fill_empty_tables, list_empty_tables

OTHERS = 500
#: Where a copy is killed, in turn.
PLACES = ("entries", "contents", "entry_tags", "deliveries", "search_entries")


@dataclass(frozen=True)
class Took:
    """One way: all its starts together."""

    wall: float
    cpu: float
    kills: int


def fill(db: Database, feeds: int, entries: int, people: int) -> None:
    """The installation."""
    author = Author()
    made = [[author.write_entry(feed, number) for number in range(entries // feeds)] for feed in range(feeds)]
    prepare(db, made)
    save_all(db, make_new(made))
    save_tags(db)
    with db.read() as conn:
        identity, last = meta.get_identity(conn), conn.execute(sa.select(sa.func.max(entries_table.c.id))).scalar_one()
    numbers = [EntryId(number) for number in range(1, last + 1)]
    groups = [GroupedStory(story_id=None, entry_ids=tuple(numbers[at : at + 2])) for at in range(0, last, 2)]
    for at in range(0, len(groups), CHUNK):
        with db.write() as conn:
            stories.save_groups(conn, groups[at : at + CHUNK], now=NOW, identity=identity)
    with db.write() as conn:
        for number in range(people):
            wish = NewSubscriber(email=f"reader{number}@example{number % 97}.net", newsletter="weekly")
            subscribers.add(conn, wish, consent=f"form, 192.0.2.{number % 256}, {NOW}", now=NOW)
        slot = PlannedSlot(slot_at=NOW, slug="one", window_start=NOW - timedelta(7), window_end=NOW, state="draft")
        issues.add_slots(conn, "weekly", [slot], now=NOW)
        issue = issues.get(conn, "weekly", "one")
        assert issue is not None
        mail = RenderedIssue(subject="News", preheader="", mail_html="<p>新しい</p>", mail_text="新しい", web_html="")
        items = [
            IssueItem(story_id=stories.StoryId(number), entry_ids=(EntryId(2 * number - 1),), section="top")
            for number in range(1, 31)
        ]
        assert issues.freeze(conn, issue.id, mail, items, now=NOW)
        fill_empty_tables(conn, OTHERS)
        conn.execute(sa.delete(fetch_log).where(fetch_log.c.id == 1))
        conn.execute(sa.delete(bounces).where(bounces.c.id > OTHERS - 3))  # whose numbers are not to be given again
    _index(db)


def run_copy(source: str, target: str, kills: int) -> Took:
    """The command until it ends by itself; killed ``kills`` times before."""
    command = [sys.executable, "-m", "aggregator", "db", "copy", "--from", source, "--to", target]
    started, cpu = time.perf_counter(), 0.0
    for left in range(kills, -1, -1):
        place = PLACES[(kills - left) % len(PLACES)] if left else ""
        process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None
        if place:
            wait_for(target, place, process)
            process.send_signal(signal.SIGKILL)
        said = process.stdout.read().strip()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        cpu += usage.ru_utime + usage.ru_stime
        print(f"    {f'killed at {place}' if place else said} ({process.returncode})", flush=True)
        if process.returncode != (-signal.SIGKILL if place else 0):
            raise SystemExit("it ended otherwise than it should")
    return Took(time.perf_counter() - started, cpu, kills)


def wait_for(target: str, place: str, process: subprocess.Popen[str]) -> None:
    """Until the copy stands in this table."""
    look: Callable[[], bool] = (
        (lambda: look_sqlite(target, place)) if "sqlite" in target else (lambda: look_postgresql(target, place))
    )
    while process.poll() is None:
        if look():
            return
        time.sleep(0.02)
    raise SystemExit(f"it ended before {place}")


def look_sqlite(target: str, place: str) -> bool:
    path = target.removeprefix("sqlite:///")
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as conn:
            if place == "search_entries":
                return bool(conn.execute("SELECT EXISTS (SELECT 1 FROM search_entries)").fetchone()[0])
            query = "SELECT json_extract(value, '$.table') FROM meta WHERE name = 'copying'"
            return bool(conn.execute(query).fetchone() == (place,))
    except sqlite3.OperationalError:
        return False  # not there yet


def look_postgresql(target: str, place: str) -> bool:
    try:
        with psycopg.connect(target) as conn:
            if place == "search_entries":
                return bool((conn.execute("SELECT EXISTS (SELECT 1 FROM search_entries)").fetchone() or [False])[0])
            query = "SELECT value ->> 'table' FROM meta WHERE name = 'copying'"
            return conn.execute(query).fetchone() == (place,)
    except psycopg.errors.UndefinedTable:
        return False


def digest(path: Path) -> dict[str, tuple[int, str]]:
    """Rows and hash of each table, the numbers that were given away among them; of the index its words."""
    found: dict[str, tuple[int, str]] = {}
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, search_words, 'row')")
        queries = {
            "search_entries": "SELECT entry_id, fingerprint FROM search_entries ORDER BY 1, 2",
            "search_words": "SELECT term, doc, cnt FROM temp.words ORDER BY 1",
            "sqlite_sequence": "SELECT name, seq FROM sqlite_sequence ORDER BY 1",
        }
        for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1").fetchall():
            if not name.startswith(("search_words", "sqlite_", "search_entries")):
                columns = conn.execute(f'PRAGMA table_info("{name}")').fetchall()
                order = ", ".join(f'"{c[1]}"' for c in sorted((c for c in columns if c[5]), key=lambda c: c[5]))
                chosen = ", ".join(f'"{name}"' for name in sorted(c[1] for c in columns))
                queries[name] = f'SELECT {chosen} FROM "{name}" ORDER BY {order or 1}'
        for name, query in queries.items():
            hashed, count = sha256(), 0
            for row in conn.execute(query):
                hashed.update(repr(row).encode("utf-8", "surrogatepass"))
                count += 1
            found[name] = count, hashed.hexdigest()
    return found


def show(way: str, took: Took, rows: int, size: float) -> None:
    print(
        f"  {way:<24}{took.wall:>7.1f} s {rows / took.wall:>8,.0f} rows/s {took.cpu:>7.1f} s CPU {size:,.0f} MB there",
        flush=True,
    )


def measure_mb(place: str) -> float:
    if place.startswith("sqlite"):
        return Path(place.removeprefix("sqlite:///")).stat().st_size / 1e6
    with psycopg.connect(place) as conn:
        return float((conn.execute("SELECT pg_database_size(current_database())").fetchone() or [0])[0]) / 1e6


def main() -> int:
    """Print the figures of both ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("entries", 100_000), ("feeds", 1_000), ("subscribers", 10_000), ("kills", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="moving-") as folder, run_server() as server:
        if not server:
            raise SystemExit("PostgreSQL is not installed")
        first, last = Path(folder) / "first.sqlite3", Path(folder) / "last.sqlite3"
        with closing(open_database(f"sqlite:///{first}", synchronous=False)) as db:
            fill(db, given.feeds, given.entries, given.subscribers)
            with db.read() as conn:
                assert not list_empty_tables(conn), list_empty_tables(conn)
        before, bytes_before = digest(first), sha256(first.read_bytes()).digest()
        rows = sum(count for count, _ in before.values()) - before["search_words"][0]
        print(f"{len(before)} tables, {rows:,} rows, {measure_mb(f'sqlite:///{first}'):,.0f} MB", flush=True)
        with new_database(server, "bench_moving") as middle:
            for way, source, target in (
                ("SQLite -> PostgreSQL", f"sqlite:///{first}", middle),
                ("PostgreSQL -> SQLite", middle, f"sqlite:///{last}"),
            ):
                show(way, run_copy(source, target, given.kills), rows, measure_mb(target))
        after = digest(last)
        if sha256(first.read_bytes()).digest() != bytes_before:
            print("NOT THE SAME: the bytes of the source")
        differing = [name for name in before if after.get(name) != before[name]]
        for name in differing:
            print(f"NOT THE SAME: {name}: {before[name]} {after.get(name)}")
        print(f"compared by another program: {len(before)} tables, {rows:,} rows, {len(differing)} not the same")
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main())
