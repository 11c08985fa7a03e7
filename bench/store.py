"""Entries per second into both databases, with everything that goes with them, and the lag of their tags.

    python bench/store.py [--feeds 1000] [--entries 20] [--runs 3]       (entries: of each feed)

Each transaction holds the outcomes, log lines and entries of 25 feeds, as a round saves them: rows of feeds and of the
fetch log, entries with key hashes, content and the packed original (an entry holds 2 kB of HTML), and a row in the
change table. First all are new; their tags follow from the change table; then all were edited; then each feed says that
nothing is new (304). SQLite: WAL, synchronous=FULL; PostgreSQL: Debian's settings, fsync on, over TCP.

Each figure is the best of several runs in new databases, because other work on the machine only ever adds. The floor
is what the machine allows: the very statements of the new entries once more, by the bare driver with the same settings.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TypeVar

from postgres import new_database, run_server
from store_parts import Recording, Statements, make_replay, record

from aggregator.model.entry import CleanEntry, EntryChange
from aggregator.model.feed import FeedOutcome, FeedSpec, FetchLogLine
from aggregator.model.ids import EntryId, FeedId
from aggregator.model.parsed import ParsedEntry
from aggregator.model.tag import TagEvidence
from aggregator.storage import changes, entries, feeds, meta, migrate
from aggregator.storage.engine import Database, open_database
from aggregator.storage.packing import pack_parsed

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
BATCH = 25
HTML_BYTES = 2_000
#: Entries a second that are asked of new ones.
GOALS = {"sqlite": 20_000, "postgresql": 10_000}
Made = Sequence[Sequence[CleanEntry]]
#: Of each transaction.
Batches = Sequence[tuple[Sequence[FeedOutcome], Sequence[EntryChange]]]
R = TypeVar("R")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Seconds for one of many, by the clock and of this process's CPU."""

    wall: float
    cpu: float


def measure(work: Callable[[], object], count: int) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(wall=(time.perf_counter() - wall) / count, cpu=(time.process_time() - cpu) / count)


def save_all(db: Database, batches: Batches) -> None:
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


def prepare(db: Database, made: Made) -> None:
    migrate.upgrade(db)
    with db.write() as conn:
        meta.ensure_identity(conn, site_url="https://news.example.org", now=NOW)
        specs = [FeedSpec(url=f"https://site{number}.example/feed") for number in range(len(made))]
        feeds.sync_specs(conn, specs, now=NOW)


def make_new(made: Made) -> Batches:
    wanted = [
        [EntryChange(feed_id=feed_id, entry_id=None, entry=entry, effective_at=entry.published_at) for entry in written]
        for feed_id, written in zip(list_ids(made), made, strict=True)
    ]
    return make_batches(list_ids(made), wanted, 200)


def make_edited(db: Database, made: Made) -> Batches:
    with db.read() as conn:
        known = [
            entries.find_known(conn, feed_id, [entry.key for entry in written])
            for feed_id, written in zip(list_ids(made), made, strict=True)
        ]
    wanted = [
        [
            EntryChange(feed_id=feed_id, entry_id=EntryId(stored[entry.key][0]), entry=edit(entry), effective_at=NOW)
            for entry in written
        ]
        for feed_id, written, stored in zip(list_ids(made), made, known, strict=True)
    ]
    return make_batches(list_ids(made), wanted, 200)


def list_ids(made: Made) -> list[FeedId]:
    return [FeedId(number + 1) for number in range(len(made))]


def run(db: Database, made: Made) -> dict[str, Cost]:
    """What each kind of work costs in an empty database."""
    prepare(db, made)
    count = sum(len(written) for written in made)
    costs: dict[str, Cost] = {}
    batches = make_new(made)
    costs["new entries"] = measure(lambda: save_all(db, batches), count)
    costs["their tags"] = measure(lambda: save_tags(db), count)
    edited = make_edited(db, made)
    costs["edited entries, old texts kept"] = measure(lambda: save_all(db, edited), count)
    nothing = make_batches(list_ids(made), [[] for _ in made], 304)
    costs["checks that brought nothing"] = measure(lambda: save_all(db, nothing), len(made))
    return costs


def find_parts(db: Database, made: Made) -> Recording:
    """What the parts of new entries cost, and what was executed for them."""
    prepare(db, made)
    batches = make_new(made)
    with record(db) as found:
        whole = measure(lambda: save_all(db, batches), 1).cpu
    packing = measure(lambda: [packing_of(entry) for written in made for entry in written], 1).cpu
    found.seconds["packing"] = packing
    found.seconds["rows and all else in Python"] = whole - sum(found.seconds.values())
    return found


def packing_of(entry: CleanEntry) -> bytes:
    return pack_parsed(entry.parsed)


def replay(db: Database, made: Made, statements: Statements) -> Cost:
    """What the same statements cost by the bare driver."""
    prepare(db, made)
    return measure(make_replay(db, statements), sum(len(written) for written in made))


def show(what: str, costs: Sequence[Cost]) -> Cost:
    """Print and return the best of them; the rate and the CPU each by itself."""
    best = Cost(wall=min(cost.wall for cost in costs), cpu=min(cost.cpu for cost in costs))
    print(f"  {what:<38}{1 / best.wall:>8,.0f}/s {best.cpu * 1e6:>8.1f} us CPU each", flush=True)
    return best


def run_on(new_url: Callable[[], AbstractContextManager[str]], made: Made, runs: int) -> float:
    """Print the figures of one kind of database, each the best of ``runs``; new entries a second."""

    def use(work: Callable[[Database], R]) -> R:
        with new_url() as url, closing(open_database(url)) as db:
            gc.collect()
            return work(db)

    found = [use(lambda db: run(db, made)) for _ in range(runs)]
    best = {what: show(what, [costs[what] for costs in found]) for what in found[0]}
    recorded = [use(lambda db: find_parts(db, made)) for _ in range(runs)]
    floor = [use(lambda db: replay(db, made, recorded[0].statements)) for _ in range(runs)]
    show("floor: the bare driver, same statements", floor)
    count = sum(len(written) for written in made)
    parts = {what: min(some.seconds[what] for some in recorded) for what in recorded[0].seconds}
    print("  CPU of a new entry by part, us: ", end="")
    print(", ".join(f"{what} {parts[what] / count * 1e6:.1f}" for what in sorted(parts, key=lambda w: -parts[w])))
    return 1 / best["new entries"].wall


def edit(entry: CleanEntry) -> CleanEntry:
    return replace(entry, content_hash=entry.content_hash[::-1], title=f"{entry.title}, edited")


def make_batches(ids: Sequence[FeedId], wanted: Sequence[Sequence[EntryChange]], status: int) -> Batches:
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
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    author = Author()
    made = [[author.write_entry(feed, n) for n in range(options.entries)] for feed in range(options.feeds)]
    gc.collect()
    gc.freeze()  # what was written beforehand is not ours to look through
    print(f"{options.feeds:,} feeds with {options.entries} entries each, {BATCH} feeds a transaction; ", end="")
    print(f"best of {options.runs}")
    rates: dict[str, float] = {}
    print("sqlite:", flush=True)
    rates["sqlite"] = run_on(new_file, made, options.runs)
    with run_server() as server:
        if server:
            print("postgresql:", flush=True)
            rates["postgresql"] = run_on(lambda: new_database(server, "bench_store"), made, options.runs)
        else:
            print("PostgreSQL is not installed: left out")
    missed = [name for name, rate in rates.items() if rate < GOALS[name]]
    for name in missed:
        print(f"MISSED: {GOALS[name]:,} new entries a second into {name}")
    return int(bool(missed))


@contextmanager
def new_file() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{Path(folder) / 'news.sqlite3'}"


if __name__ == "__main__":
    sys.exit(main())
