"""What a question costs as an installation grows: PostgreSQL with up to a million feeds and ten million entries.

    python bench/size.py [--sizes 10000x100000,100000x1000000,1000000x10000000] [--days 365] [--runs 9]

Each size is FEEDSxENTRIES, spread over ``--days``, or FEEDSxENTRIESxDAYS; rows are made by `size_rows`. Then, each as
the program itself does it, warmed up, the median of ``--runs`` in milliseconds:

- claim: 200 of 1,000 due feeds with their hosts leased (`feeds.claim_due`); due: is one due (`feeds.has_due`)
- front, tag, feed, tag feed, search: the page as the web process makes it when it is not in memory, rendered
- regroup: five new entries are tagged, put into stories and scored (`tasks.group`), the window of stories being warm

and HOT: of the rows of `feeds` that a fetch round without news updates, how many need no new index entry.
``--keep``: databases stay on the server that BENCH_POSTGRES_URL names, and are timed again without being filled.
The last lines are ratios to the first size. Exit code 1: one of them is above 2.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import random

import sqlalchemy as sa
from postgres import ensure_database, new_database, run_server
from size_rows import fill

from aggregator.app import App, open_app
from aggregator.config import load_config
from aggregator.log import configure_logging
from aggregator.model.feed import FeedOutcome
from aggregator.model.ids import FeedId
from aggregator.pipeline.tag import get_tags
from aggregator.storage import feeds, host_leases
from aggregator.storage.feed_outcomes import save_outcomes
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.hand import get_namer
from aggregator.tasks.site.routes import find_page
from aggregator.tasks.startup import prepare_database

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
LEASE = timedelta(minutes=15)
LIMIT = 200
MOST = 2.0
_CONFIG = """
site: {{title: Bench, url: https://bench.example}}
database: {url}
feeds: []
"""


def measure(runs: int, work: Callable[[], object], reset: Callable[[], object] = lambda: None) -> float:
    """Median milliseconds; the first two times do not count."""
    taken: list[float] = []
    for _ in range(runs + 2):
        start = time.perf_counter()
        work()
        taken.append((time.perf_counter() - start) * 1000)
        reset()
    return statistics.median(taken[2:])


def claim(app: App) -> int:
    with app.db.write() as conn:
        claimed = feeds.claim_due(conn, now=NOW, limit=LIMIT, lease=LEASE, owner="bench", name_host=get_namer(app))
    assert len(claimed) == LIMIT, len(claimed)
    return len(claimed)


def release(app: App) -> None:
    with app.db.write() as conn:
        feeds.release(conn, owner="bench")
        host_leases.release(conn, now=NOW, gap=timedelta(0), owner="bench")


def has_due(app: App) -> None:
    with app.db.read() as conn:
        feeds.has_due(conn, now=NOW - timedelta(days=2), owner="bench")


def show(app: App, path: str, **query: str) -> None:
    assert find_page(app, path, tuple(query.items())) is not None, path


def add_news(app: App) -> None:
    """Five entries of this minute, copies of others."""
    with app.db.write() as conn:
        conn.execute(
            sa.text("""
            WITH made AS (INSERT INTO entries (feed_id, key, key_hash, content_hash, guid, atom_id, url, canonical_url,
                title, author, language, excerpt, reading_minutes, categories, enclosures, published_at, first_seen_at,
                changed_at, effective_at, backlog)
            SELECT feed_id, fresh, decode(md5(fresh), 'hex'), md5(fresh), fresh, fresh, fresh, fresh, title, author,
                language, excerpt, reading_minutes, categories, enclosures, :now, :now, :now, :now, false
            FROM (SELECT *, 'https://new.example/' || gen_random_uuid() AS fresh FROM entries
                ORDER BY id DESC OFFSET 100 LIMIT 5) AS stored RETURNING id),
            said AS (INSERT INTO contents SELECT made.id, 1, '<p>' || repeat('news ', 100) || '</p>', parsed
                FROM made JOIN contents ON entry_id = 1)
            INSERT INTO entry_changes SELECT id, :now FROM made"""),
            {"now": app.now()},
        )


def regroup(app: App, runs: int) -> float:
    add_news(app)
    regroup_stories(app)
    taken = []
    for _ in range(runs):
        add_news(app)
        start = time.perf_counter()
        assert regroup_stories(app)
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken)


def find_hot_share(app: App) -> float:
    """Of the updates of `feeds` in a round that brings nothing: claimed, then saved as not modified."""
    counted = sa.text("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'feeds'")
    flush = sa.text("SELECT pg_stat_force_next_flush()")
    with app.db.write() as conn:
        conn.execute(flush)
    with app.db.read() as conn:
        before = conn.execute(counted).one()
    with app.db.write() as conn:
        claimed = feeds.claim_due(conn, now=NOW, limit=LIMIT, lease=LEASE, owner="bench", name_host=get_namer(app))
    with app.db.write() as conn:
        save_outcomes(conn, [_make_outcome(feed.id) for feed in claimed], owner="bench")
        host_leases.release(conn, now=NOW, gap=timedelta(0), owner="bench")
        conn.execute(flush)
    with app.db.write() as conn:
        conn.execute(flush)
    with app.db.read() as conn:
        after = conn.execute(counted).one()
    return (after[1] - before[1]) / max(1, after[0] - before[0])


def _make_outcome(feed_id: FeedId) -> FeedOutcome:
    """Not modified, once more; due at another time than before."""
    due = NOW - timedelta(seconds=random() * 3600)
    return FeedOutcome(feed_id=feed_id, at=NOW, status=304, steady=True, next_due_at=due, next_due_reason="bench")


def time_all(app: App, runs: int) -> dict[str, float]:
    """Milliseconds by name, in the order of the columns."""
    slug = find_tag(app)
    frequent, rare = find_words(app)
    return {
        "claim": measure(runs, partial(claim, app), partial(release, app)),
        "due": measure(runs, partial(has_due, app)),
        "front": measure(runs, partial(show, app, "/")),
        "tag": measure(runs, partial(show, app, f"/tags/{slug}")),
        "feed": measure(runs, partial(show, app, "/feed.atom")),
        "tag feed": measure(runs, partial(show, app, f"/tags/{slug}.atom")),
        "search, frequent": measure(runs, partial(show, app, "/search", q=frequent)),
        "search, rare": measure(runs, partial(show, app, "/search", q=rare)),
        "regroup": regroup(app, runs),
    }


def find_tag(app: App) -> str:
    """The most used one."""
    with app.db.read() as conn:
        counted = (
            "SELECT slug FROM entry_tags WHERE entry_id <= 10000 GROUP BY slug ORDER BY count(*) DESC, slug LIMIT 1"
        )
        return str(conn.execute(sa.text(counted)).scalar_one())


def find_words(app: App) -> tuple[str, str]:
    """A word that most texts hold, and one of a single title in 60,000."""
    with app.db.read() as conn:
        titles = conn.execute(sa.text("SELECT title FROM entries WHERE id < 2000 AND language = 'en'")).scalars().all()
    counted: dict[str, int] = {}
    for title in titles:
        for word in title.split():
            counted[word] = counted.get(word, 0) + 1
    return max(counted, key=lambda word: counted[word]), titles[7].split()[-1]


def report_bytes(app: App, feed_count: int, entry_count: int) -> None:
    query = """SELECT relname, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_total_relation_size(oid) > 1000000
    ORDER BY pg_total_relation_size(oid) DESC"""
    with app.db.read() as conn:
        rows = conn.execute(sa.text(query)).all()
    of_feeds = ("feeds", "feed_slices", "fetch_log", "host_leases")
    for name, table, indexes in rows:
        kind, count = ("feed", feed_count) if name in of_feeds else ("entry", entry_count)
        print(f"  {name}: {table / count:,.0f} + {indexes / count:,.0f} bytes of indexes, each {kind}")
    total = sum(table + indexes for _, table, indexes in rows)
    print(f"  all: {total / 1e9:,.1f} GB", flush=True)


@contextmanager
def open_size(server: str, name: str, keep: bool) -> Iterator[tuple[str, bool]]:
    """The address of the database, and whether it is to be filled."""
    if not keep:
        with new_database(server, name) as url:
            yield url, True
        return
    yield ensure_database(server, name)


def run(server: str, size: tuple[int, int, float], runs: int, keep: bool) -> dict[str, float]:
    feed_count, entry_count, days = size
    name = f"bench_size_{feed_count}_{entry_count}_{days:.0f}"
    with open_size(server, name, keep) as (url, is_empty), tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(_CONFIG.format(url=url), encoding="utf-8")
        with open_app(load_config(config, {})) as opened:
            app = replace(opened, now=lambda: NOW)
            if is_empty:
                began = time.monotonic()
                prepare_database(app)
                known = get_tags(app.settings.tag_rules).values()
                fill(url, feed_count, entry_count, now=NOW, span=timedelta(days=days), tags=known)
                with app.db.write() as conn:  # what is stored bears the tags of this taxonomy
                    conn.execute(sa.text("TRUNCATE entry_changes"))
                print(f"{name}: filled in {time.monotonic() - began:.0f} s", flush=True)
                report_bytes(app, feed_count, entry_count)
            taken = time_all(app, runs)
            print_row(f"{feed_count:,} x {entry_count:,}", taken)
            print(f"  HOT: {find_hot_share(app):.0%}", flush=True)
            return taken


def print_row(name: str, values: dict[str, float]) -> None:
    print(f"| {name} | {' | '.join(f'{value:,.1f}' for value in values.values())} |", flush=True)


def read_size(text: str, days: float) -> tuple[int, int, float]:
    parts = text.split("x")
    return int(parts[0]), int(parts[1]), float(parts[2]) if len(parts) > 2 else days


def main() -> int:
    """Print a row a size, and the ratios; exit code 1 when one is too high."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000x100000,100000x1000000,1000000x10000000")
    parser.add_argument("--days", type=float, default=365)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    configure_logging(level="error")
    sizes = [read_size(text, options.days) for text in options.sizes.split(",")]
    with run_server() as server:
        if not server:
            sys.exit("PostgreSQL is not installed")
        taken = [run(server, size, options.runs, options.keep) for size in sizes]
    print(f"| feeds x entries | {' | '.join(taken[0])} |")
    worst = 0.0
    for (feed_count, entry_count, _), values in zip(sizes[1:], taken[1:], strict=True):
        ratios = {name: values[name] / taken[0][name] for name in values}
        print_row(f"{feed_count:,} x {entry_count:,}, times", ratios)
        worst = max(worst, *ratios.values())
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main())
