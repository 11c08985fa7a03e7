"""Moves an installation to another database: copies it, compares both, makes the search index. Never stops a daemon."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from aggregator.errors import UsageError
from aggregator.model.ids import EntryId
from aggregator.pipeline.htmltext import html_to_text
from aggregator.pipeline.query import make_words
from aggregator.storage import changes, copying, entries, leases, meta, migrate
from aggregator.storage.engine import CHUNK, Database, open_database
from aggregator.storage.entries import EntryQuery
from aggregator.storage.paging import Connection
from aggregator.storage.search_index import save_words
from aggregator.tasks.worker import is_dead


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What a copy came to."""

    #: Rows of each table.
    tables: Mapping[str, int]
    #: Where the two are not the same; empty: nowhere.
    difference: str


def copy_installation(
    source_url: str, target_url: str, *, lease: str, now: datetime, on_progress: Callable[..., object]
) -> Copied:
    """Copy, or go on with a copy that was broken off. ``on_progress`` takes ``total`` and ``advance``, in rows.

    Raises `UsageError` or `StorageError` for what cannot be copied there; ``lease``: the name of the daemon's.
    """
    copying.refuse_places(source_url, target_url)
    with closing(open_database(source_url, as_it_is=True)) as source:
        migrate.require_current(source)
        with source.read() as conn:
            _refuse_source(conn, source, lease, now)
            with closing(open_database(target_url)) as target:
                return _copy(conn, target, on_progress)


def _copy(source: Connection, target: Database, on_progress: Callable[..., object]) -> Copied:
    copying.prepare_target(source, target)
    counts = copying.count_rows(source)
    with target.read() as conn:
        there = sum(copying.count_rows(conn).values())
    on_progress(total=sum(counts.values()), completed=there)
    copying.copy_rows(source, target, on_rows=lambda count: on_progress(advance=count))
    difference = _compare(source, target)
    if not difference:
        _index(target)
        copying.finish(source, target)
    return Copied(tables=counts, difference=difference)


def _compare(source: Connection, target: Database) -> str:
    with target.read() as conn:
        for table in copying.TABLES:
            key = copying.find_difference(source, conn, table)
            if key is not None:
                return f"not identical: table {table.name}, key {', '.join(map(str, key))}"
    return ""


def _index(target: Database) -> None:
    """Entries are found by the same words as before, however far an earlier copy came."""
    with target.read() as conn:
        last = changes.get_last(conn)
    for first in range(1, last + 1, CHUNK):
        ids = tuple(map(EntryId, range(first, first + CHUNK)))
        with target.write() as conn:
            found = entries.list_entries(conn, EntryQuery(ids=ids))
            texts = entries.get_content_html(conn, ids)
            words = {
                entry.id: make_words(
                    title=entry.title,
                    author=entry.author,
                    excerpt=entry.excerpt,
                    text=html_to_text(texts.get(entry.id, "")),
                    language=entry.language,
                )
                for entry in found
            }
            save_words(conn, words)


def _refuse_source(conn: Connection, source: Database, lease: str, now: datetime) -> None:
    if meta.get_value(conn, copying.MARK) is not None:
        raise UsageError(f"{source.url_text}: is a copy that was broken off: end it first")
    ends_at, owner = leases.get_end(conn, lease), leases.get_owner(conn, lease)
    if owner and ends_at is not None and ends_at > now and not is_dead(owner):
        raise UsageError(f"{source.url_text}: a daemon runs on it: stop it first")
