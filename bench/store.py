"""Entries per second into both databases, with everything that goes with them, and the lag of their tags.

    python bench/store.py [--feeds 1000] [--entries 20]       (entries: of each feed)

Each transaction holds the outcomes, log lines and entries of 25 feeds, as a round saves them: rows of feeds and of the
fetch log, entries with key hashes, content and the packed original (an entry holds 2 kB of HTML), and a row in the
change table. First all are new; then all were edited; then each feed says that nothing is new (304). At the end the
tags follow from the change table. SQLite: WAL, synchronous=FULL; PostgreSQL: Debian's settings, fsync on, over TCP.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from postgres import new_database, run_server

from aggregator.model.entry import CleanEntry, EntryChange
from aggregator.model.feed import FeedOutcome, FeedSpec, FetchLogLine
from aggregator.model.ids import EntryId, FeedId
from aggregator.model.parsed import ParsedEntry
from aggregator.model.tag import TagEvidence
from aggregator.storage import changes, entries, feeds, meta, migrate
from aggregator.storage.engine import Database, open_database

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
BATCH = 25
HTML_BYTES = 2_000
#: Entries a second that are asked of new ones.
GOALS = {"sqlite": 20_000, "postgresql": 10_000}
_LETTERS = "etaoinshrdlucmfwypvbgkjqxz"


class Author:
    """Writes feeds: words by Zipf's law, the same at every run."""

    def __init__(self) -> None:
        self._random = Random(5)
        weights = range(len(_LETTERS), 0, -1)
        self._words = ["".join(self._random.choices(_LETTERS, weights, k=length % 9 + 2)) for length in range(3_000)]
        self._weights = [1 / place for place in range(1, 3_001)]

    def write_text(self, words: int) -> str:
        return " ".join(self._random.choices(self._words, self._weights, k=words))

    def write_entry(self, feed: int, number: int) -> CleanEntry:
        url = f"https://site{feed}.example/2026/03/{number}-{self.write_text(6).replace(' ', '-')}"
        html = ""
        while len(html) < HTML_BYTES:
            html += f'<p>{self.write_text(40)} <a href="{url}/{len(html)}">{self.write_text(3)}</a></p>\n'
        title = self.write_text(10)
        return CleanEntry(
            key=url,
            content_hash=f"{self._random.getrandbits(128):032x}",
            guid=url,
            url=url,
            canonical_url=url,
            title=title,
            author="A. Writer",
            language="en",
            content_html=html,
            excerpt=self.write_text(45),
            reading_minutes=2,
            published_at=NOW - timedelta(hours=number),
            updated_at=None,
            categories=("AI", "machine learning"),
            enclosures=(),
            tags=None,
            parsed=ParsedEntry(
                id=url, url=f"{url}?utm_source=rss", title=title, author="A. Writer", content_html=html,
                published_at=NOW - timedelta(hours=number), categories=("AI", "machine learning"),
            ),
            policy_version=1,
        )  # fmt: skip


def make_outcome(feed_id: FeedId, *, status: int, new: int = 0) -> FeedOutcome:
    due_at = NOW + timedelta(hours=1, seconds=feed_id % 600)
    why = "every hour, the shortest allowed; hints ask for less"
    line = FetchLogLine(
        at=NOW, status=status, not_modified=status == 304, received_bytes=50_000 * (status == 200), seconds=0.2,
        new=new, next_due_at=due_at, next_due_reason=why,
    )  # fmt: skip
    told = (
        {"etag": f'"{feed_id}-{new}"', "body_hash": f"{feed_id:032x}", "document_entries": 20} if status == 200 else {}
    )
    return FeedOutcome(
        feed_id=feed_id, at=NOW, status=status, host_key=f"site{feed_id}.example", arrived=new, imported=new > 0,
        log=line, next_due_at=due_at, next_due_reason=why, **told,  # type: ignore[arg-type]
    )  # fmt: skip


def measure(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of this process's CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def save_all(db: Database, batches: Sequence[tuple[Sequence[FeedOutcome], Sequence[EntryChange]]]) -> None:
    with db.read() as conn:
        identity = meta.get_identity(conn)
    for outcomes, made in batches:
        with db.write() as conn:
            entries.save(conn, made, now=NOW, identity=identity)
            feeds.save_outcomes(conn, outcomes)


def save_tags(db: Database) -> None:
    """What a tagger does, without its thinking: three tags for each entry that waits."""
    evidence = [TagEvidence(slug=s, kind="topic", field="title", found=s, rule="alias") for s in ("ai", "chips", "law")]
    while True:
        with db.read() as conn:
            claimed = changes.claim_changes(conn, 500)
        if not claimed:
            return
        with db.write() as conn:
            changes.save_tags(conn, dict.fromkeys(claimed, evidence), claimed)


def run(db: Database, made: Sequence[Sequence[CleanEntry]]) -> float:
    """Print the figures of one database; entries a second of new ones."""
    migrate.upgrade(db)
    with db.write() as conn:
        meta.ensure_identity(conn, site_url="https://news.example.org", now=NOW)
        specs = [FeedSpec(url=f"https://site{number}.example/feed") for number in range(len(made))]
        feeds.sync_specs(conn, specs, now=NOW)
    ids = [FeedId(number + 1) for number in range(len(made))]
    count = sum(len(written) for written in made)
    fresh = [
        [EntryChange(feed_id=feed_id, entry_id=None, entry=entry, effective_at=entry.published_at) for entry in written]
        for feed_id, written in zip(ids, made, strict=True)
    ]

    def show(what: str, number: int, unit: str, cost: tuple[float, float]) -> float:
        wall, cpu = cost
        print(f"  {what:<34}{number / wall:>10,.0f} {unit}/s   {cpu / number * 1e6:>7.1f} us CPU each", flush=True)
        return number / wall

    rate = show("new entries", count, "entries", measure(lambda: save_all(db, make_batches(ids, fresh, 200))))
    with db.read() as conn:
        waiting, _ = changes.find_lag(conn, NOW)
    lag = measure(lambda: save_tags(db))
    show(f"their tags ({waiting:,} entries waited)", count, "entries", lag)
    print(f"  the last of these tags came {lag[0]:.1f} s after the last entry")
    with db.read() as conn:
        known = {feed_id: entries.known_entries(conn, feed_id) for feed_id in ids}
    edited = [
        [
            replace(change, entry_id=EntryId(known[change.feed_id][change.entry.key][0]), entry=edit(change.entry))
            for change in wanted
        ]
        for wanted in fresh
    ]
    show(
        "edited entries, old texts kept",
        count,
        "entries",
        measure(lambda: save_all(db, make_batches(ids, edited, 200))),
    )
    nothing: list[list[EntryChange]] = [[] for _ in ids]
    show(
        "checks that brought nothing", len(ids), "feeds", measure(lambda: save_all(db, make_batches(ids, nothing, 304)))
    )
    return rate


def edit(entry: CleanEntry) -> CleanEntry:
    return replace(entry, content_hash=entry.content_hash[::-1], title=f"{entry.title}, edited")


def make_batches(
    ids: Sequence[FeedId], wanted: Sequence[Sequence[EntryChange]], status: int
) -> list[tuple[list[FeedOutcome], list[EntryChange]]]:
    """What a round would hand over, feed by feed."""
    pairs = list(zip(ids, wanted, strict=True))
    return [
        (
            [make_outcome(feed_id, status=status, new=len(some)) for feed_id, some in pairs[start : start + BATCH]],
            [change for _, some in pairs[start : start + BATCH] for change in some],
        )
        for start in range(0, len(pairs), BATCH)
    ]


def main() -> int:
    """Print the figures of both databases; exit code 1 when a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--feeds", type=int, default=1_000)
    parser.add_argument("--entries", type=int, default=20)
    options = parser.parse_args()
    author = Author()
    made = [[author.write_entry(feed, n) for n in range(options.entries)] for feed in range(options.feeds)]
    gc.collect()
    gc.freeze()  # what was written beforehand is not ours to look through
    print(f"{options.feeds:,} feeds with {options.entries} entries each, {BATCH} feeds a transaction")
    rates: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        rates["sqlite"] = run_on(f"sqlite:///{Path(folder) / 'news.sqlite3'}", made)
    with run_server() as server:
        if server:
            with new_database(server, "bench_store") as url:
                rates["postgresql"] = run_on(url, made)
        else:
            print("PostgreSQL is not installed: left out")
    missed = [name for name, rate in rates.items() if rate < GOALS[name]]
    for name in missed:
        print(f"MISSED: {GOALS[name]:,} new entries a second into {name}")
    return int(bool(missed))


def run_on(url: str, made: Sequence[Sequence[CleanEntry]]) -> float:
    db = open_database(url)
    print(f"{db.dialect}:", flush=True)
    try:
        return run(db, made)
    finally:
        db.close()


if __name__ == "__main__":
    sys.exit(main())
