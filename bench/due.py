"""Choosing the feeds that are due, at 1,000 to 1,000,000 stored feeds on both databases, with the query plans.

    python bench/due.py [--most 1000000] [--repeat 15]

200 feeds are claimed while 1,000 are due; then the question is asked while none is. Times are medians in milliseconds,
the transaction with its commit included. Exit code 1: the largest table took more than three times as long as the
smallest, which is to say that it is not flat.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from postgres import new_database, run_server
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from aggregator.model.feed import FeedSpec
from aggregator.storage import feeds, migrate
from aggregator.storage.bulk import insert_rows
from aggregator.storage.engine import Database, open_database
from aggregator.storage.feed_claims import select_due
from aggregator.storage.feed_rows import new_row
from aggregator.storage.schema import feeds as table

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
LEASE = timedelta(minutes=15)
SIZES = (1_000, 10_000, 100_000, 1_000_000)
LIMIT = 200
DUE = 1_000
#: How much slower than the smallest table the largest may be.
FLAT = 3.0


def fill(db: Database, first: int, last: int) -> None:
    """Add feeds: `DUE` are due within the last hour, the others within the next day; one in ten is paused."""
    for start in range(first, last, 20_000):
        rows = []
        for number in range(start, min(start + 20_000, last)):
            row = new_row(FeedSpec(url=f"https://site{number}.example/feed"), NOW)
            row["state"] = "paused" if number >= DUE and number % 10 == 0 else "active"
            wait = -(number * 3.6) if number < DUE else 1 + (number * 7_919) % 86_400
            row["next_due_at"] = NOW + timedelta(seconds=wait)
            rows.append(row)
        with db.write() as conn:
            insert_rows(conn, table, rows)


def settle(db: Database) -> None:
    """What a database does by itself after a while: statistics, and (PostgreSQL) the map of what is visible to all."""
    with db.engine.connect() as conn:
        conn.execution_options(isolation_level="AUTOCOMMIT")
        conn.exec_driver_sql("ANALYZE" if db.dialect == "sqlite" else "VACUUM ANALYZE")


def measure(repeat: int, work: Callable[[], object], reset: Callable[[], object] = lambda: None) -> float:
    """Median milliseconds; the first time does not count."""
    taken: list[float] = []
    for _ in range(repeat + 1):
        start = time.perf_counter()
        work()
        taken.append((time.perf_counter() - start) * 1000)
        reset()
    return statistics.median(taken[1:])


def claim(db: Database, now: datetime) -> int:
    with db.write() as conn:
        return len(feeds.claim_due(conn, now=now, limit=LIMIT, lease=LEASE, owner="bench"))


def ask(db: Database, question: Callable[[Connection], object]) -> object:
    with db.read() as conn:
        return question(conn)


def release(db: Database) -> None:
    with db.write() as conn:
        feeds.release(conn, owner="bench")


def explain(db: Database) -> list[str]:
    """The plan of choosing, line by line."""
    dialect = sqlite.dialect() if db.dialect == "sqlite" else postgresql.dialect()
    chosen = select_due(NOW, LIMIT).compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    with db.read() as conn:
        if db.dialect == "sqlite":
            return [row[-1] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {chosen}")]
    with db.write() as conn:  # a row that is to be locked needs one
        return [row[0] for row in conn.execute(sa.text(f"EXPLAIN {chosen}".replace(":", "\\:")))]


def run(db: Database, sizes: Sequence[int], repeat: int) -> float:
    """Print one line a size and the plan; how much slower the last was than the first."""
    migrate.upgrade(db)
    early = NOW - timedelta(days=2)
    claims: list[float] = []
    filled = 0
    print(f"{db.dialect}, milliseconds:")
    print(f"  {'feeds':>10} {'claim 200':>11} {'claim, none due':>16} {'has_due, none due':>18}")
    for size in sizes:
        fill(db, filled, size)
        filled = size
        settle(db)
        assert claim(db, NOW) == LIMIT
        release(db)
        claims.append(measure(repeat, lambda: claim(db, NOW), lambda: release(db)))
        none = measure(repeat, lambda: claim(db, early))
        asked = measure(repeat, lambda: ask(db, lambda conn: feeds.has_due(conn, now=early)))
        print(f"  {size:>10,} {claims[-1]:>11.2f} {none:>16.2f} {asked:>18.2f}", flush=True)
    print(f"  the plan at {filled:,} feeds:")
    for line in explain(db):
        print(f"    {line}")
    return claims[-1] / claims[0]


def run_on(url: str, sizes: Sequence[int], repeat: int) -> float:
    db = open_database(url)
    try:
        return run(db, sizes, repeat)
    finally:
        db.close()


def main() -> int:
    """Print the figures of both databases; exit code 1 when they grow with the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=SIZES[-1])
    parser.add_argument("--repeat", type=int, default=15)
    options = parser.parse_args()
    sizes = [size for size in SIZES if size <= options.most]
    slower: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        slower["sqlite"] = run_on(f"sqlite:///{Path(folder) / 'news.sqlite3'}", sizes, options.repeat)
    with run_server() as server:
        if server:
            with new_database(server, "bench_due") as url:
                slower["postgresql"] = run_on(url, sizes, options.repeat)
        else:
            print("PostgreSQL is not installed: left out")
    for name, times in slower.items():
        print(f"{name}: claiming took {times:.1f} times as long at {sizes[-1]:,} feeds as at {sizes[0]:,}")
    return int(any(times > FLAT for times in slower.values()))


if __name__ == "__main__":
    sys.exit(main())
