"""The two programs that `round.py` measures, each in a process of its own. Never prints anything but its measurements.

    python bench/clients.py ours|reader FOLDER URLS        (URLS: a file, one address a line)

Takes lines on standard input, ``round``, ``tags`` or ``stories``, and answers each with one line of JSON. CPU is user
and system time of this process and of all children it had, from the beginning of a task to its end.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
READER_WORKERS = 10


def main() -> None:
    """Serve the program named."""
    name, folder, urls = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]).read_text().split()
    {"ours": run_ours, "reader": run_reader}[name](folder, urls)


def measure(work: Callable[[], dict[str, Any]], settle: Callable[[], object] = lambda: None) -> dict[str, Any]:
    """``work`` with its cost; ``settle`` ends the children, whose time counts only when they have ended."""
    cpu, wall = read_cpu(), time.perf_counter()
    found = work()
    seconds = time.perf_counter() - wall
    settle()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu": read_cpu() - cpu, "wall": seconds, "rss": peak, **found}


def read_cpu() -> float:
    """Seconds of user and system time, of this process and its ended children."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def answer(tasks: dict[str, Callable[[], dict[str, Any]]]) -> None:
    """Until the input ends."""
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(tasks[line.strip()]()), flush=True)


def run_ours(folder: Path, urls: list[str]) -> None:
    """This program: its default settings, its own tasks, an SQLite file."""
    sys.path.insert(0, str(PROJECT))
    import sqlalchemy as sa

    from aggregator.app import open_app
    from aggregator.config import load_config
    from aggregator.log import configure_logging
    from aggregator.model.round import Round
    from aggregator.storage import feeds
    from aggregator.storage.schema import entries
    from aggregator.tasks.group import regroup_stories
    from aggregator.tasks.refresh import refresh_feeds
    from aggregator.tasks.startup import prepare_database
    from aggregator.tasks.tag import tag_waiting

    configure_logging(level="error")
    with open_app(load_config(write_config(folder, urls), {})) as app:
        prepare_database(app)

        with app.db.read() as conn:
            numbers = [feed.id for feed in feeds.list_feeds(conn)]

        def count(done: Round) -> dict[str, Any]:
            with app.db.read() as conn:
                stored = conn.execute(sa.select(sa.func.count()).select_from(entries)).scalar_one()
            said = {name: done.total(name) for name in ("new", "changed", "unchanged", "rejected", "folded")}
            return {"stored": stored, "failed": len(done.failures), "not_modified": done.not_modified, **said}

        def run_round() -> dict[str, Any]:
            rounds: list[Round] = []
            cost = measure(lambda: rounds.append(refresh_feeds(app, numbers)) or {}, app.sandbox.close)
            return {**cost, **count(rounds[0])}

        answer(
            {
                "round": run_round,
                "tags": lambda: measure(lambda: {"tagged": tag_waiting(app)}),
                "stories": lambda: measure(lambda: {"grouped": regroup_stories(app)}),
            }
        )


def write_config(folder: Path, urls: list[str], port: int = 8000) -> Path:
    """The shipped configuration with other feeds, which may lie on this machine."""
    text = (PROJECT / "config.yaml").read_text(encoding="utf-8")
    head, _, rest = text.partition("\nfeeds:\n")
    tail = re.search(r"^(?=[a-z]+:)", rest, re.MULTILINE)
    outlines = "".join(f'<outline type="rss" text="{url}" xmlUrl="{url}"/>' for url in urls)
    (folder / "feeds.opml").write_text(f'<opml version="2.0"><head/><body>{outlines}</body></opml>')
    body = f"{head}\nfeeds:\n  - opml: feeds.opml\n{rest[tail.start() :] if tail else ''}"
    body = re.sub(r"^fetch:.*$", "fetch:\n  allow_networks: [127.0.0.0/8]", body, count=1, flags=re.MULTILINE)
    config = folder / "config.yaml"
    config.write_text(body.replace("127.0.0.1:8000", f"127.0.0.1:{port}"), encoding="utf-8")
    return config


def run_reader(folder: Path, urls: list[str]) -> None:
    """lemon24/reader as its documentation has it, with an SQLite file and some workers."""
    from reader import make_reader

    reader = make_reader(str(folder / "reader.sqlite"))
    for url in urls:
        reader.add_feed(url)

    def refresh() -> dict[str, Any]:
        done = {"new": 0, "changed": 0, "unchanged": 0, "not_modified": 0, "failed": 0}
        for result in reader.update_feeds_iter(workers=READER_WORKERS, scheduled=False):
            if isinstance(result.value, Exception):
                done["failed"] += 1
            elif result.value is None:
                done["not_modified"] += 1
            else:
                done["new"] += result.value.new
                done["changed"] += result.value.modified
                done["unchanged"] += result.value.unmodified
        return done

    def run_round() -> dict[str, Any]:
        cost = measure(refresh)
        return {**cost, "stored": reader.get_entry_counts().total}

    answer({"round": run_round})


if __name__ == "__main__":
    main()
