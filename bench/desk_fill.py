"""Databases of the size that the desk must bear, on both kinds, to be kept between runs. Not a benchmark."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import psycopg
from desk_copy import copy_database
from desk_rows import fill_rest
from postgres import ensure_database, run_server
from size_rows import fill

from aggregator.app import open_app
from aggregator.config import load_config
from aggregator.pipeline.tag import get_tags
from aggregator.storage.migrations import versions
from aggregator.tasks.startup import prepare_database

#: A Wednesday; the servers' clocks begin here.
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
_CONFIG = """
site: {{title: Bench, url: "https://bench.example", contact: editor@bench.example}}
database: {url}
feeds: []
newsletters:
  - {{slug: weekly, title: AI Weekly, schedule: "0 8 * * 1"}}
  - {{slug: daily, title: AI Daily, schedule: "0 7 * * *"}}
rules:
  - {{name: sponsored, when: {{title: [sponsored, advertorial, "/^(ad|promo):/"]}}, drop: true}}
  - {{name: short notes, when: {{max_words: 40, language: [en, de]}}, not: {{tag: [openai, anthropic]}}, weight: 0.5}}
  - {{name: robots, when: {{text: [robot*, ロボット, 机器人]}}, tag: robotics, section: Machines}}
mail:
  from: AI Weekly <news@bench.example>
  smtp: {{host: 127.0.0.1, port: 2525, tls: none}}
"""


@dataclass(frozen=True)
class Size:
    """How much there is of everything."""

    feeds: int = 10_000
    entries: int = 1_000_000
    people: int = 100_000
    days: float = 120


@contextmanager
def open_databases(folder: Path, size: Size, *, keep: bool, only: str = "") -> Iterator[Mapping[str, Path]]:
    """The configuration of each kind, filled."""
    with run_server(folder / "postgresql" if keep else None) as server:
        if not server:
            sys.exit("PostgreSQL is not installed: it makes the rows of both databases")
        url, _ = ensure_database(server, "bench_desk")
        path = folder / "news.sqlite3"
        configs = {
            "SQLite": _write_config(folder / "sqlite.yaml", f"sqlite:///{path}"),
            "PostgreSQL": _write_config(folder / "postgresql.yaml", url),
        }
        made_with = f"{size} {_find_schema()}"
        stages = {
            "PostgreSQL": lambda: _fill(configs["PostgreSQL"], url, size),
            "SQLite": lambda: _copy(configs["SQLite"], url, path),
        }
        for kind, make in stages.items():
            mark = folder / f"filled-{kind}"
            if not mark.exists() or mark.read_text() != made_with:
                mark.unlink(missing_ok=True)
                began = time.monotonic()
                make()
                mark.write_text(made_with)
                print(f"{kind}: filled in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        yield {kind: config for kind, config in configs.items() if not only or kind.lower() == only}


def _find_schema() -> str:
    """Another one whenever a migration is another: what was kept is filled anew then."""
    files = sorted(Path(versions.__file__).parent.glob("*.py"))
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _write_config(path: Path, url: str) -> Path:
    path.write_text(_CONFIG.format(url=url), encoding="utf-8")
    return path


def _fill(config: Path, url: str, size: Size) -> None:
    with psycopg.connect(url, autocommit=True) as conn:  # what an earlier run did not end
        conn.execute("DROP SCHEMA public CASCADE")
        conn.execute("CREATE SCHEMA public")
    with open_app(load_config(config, {})) as opened:
        app = replace(opened, now=lambda: NOW)
        prepare_database(app)
        known = get_tags(app.settings.tag_rules).values()
        fill(url, size.feeds, size.entries, now=NOW, span=timedelta(days=size.days), tags=known)
    fill_rest(url, feeds=size.feeds, entries=size.entries, people=size.people, now=NOW)


def _copy(config: Path, url: str, path: Path) -> None:
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        (path.parent / name).unlink(missing_ok=True)
    with open_app(load_config(config, {})) as opened:
        prepare_database(replace(opened, now=lambda: NOW))
    copy_database(url, path)


if __name__ == "__main__":
    with open_databases(Path(sys.argv[1]), Size(), keep=True) as made:
        print(made)
