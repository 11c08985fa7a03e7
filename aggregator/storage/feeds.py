"""Feeds: what the editor asked for and how they stand; claims and outcomes live next door. Never fetches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from aggregator.model.feed import Feed, FeedSpec
from aggregator.model.feed_edit import get_field
from aggregator.model.ids import FeedId
from aggregator.storage.engine import iter_chunks, lock_name
from aggregator.storage.feed_claims import (
    claim,
    claim_due,
    extend,
    has_due,
    list_overdue,
    list_owners,
    put_off,
    release,
)
from aggregator.storage.feed_outcomes import ADDRESSES, save_outcomes
from aggregator.storage.feed_rows import (
    NEVER_FAILED,
    apply_edits,
    make_feed,
    make_spec,
    new_row,
    pack_edits,
    spec_values,
    unpack_edits,
)
from aggregator.storage.meta import renew_revision
from aggregator.storage.schema import entries, feeds

__all__ = [
    "GONE",
    "REMOVED",
    "SyncCounts",
    "add",
    "add_all",
    "claim",
    "claim_due",
    "extend",
    "find_ids",
    "get_by_url",
    "get_feeds",
    "has_due",
    "list_feeds",
    "list_overdue",
    "list_owners",
    "list_specs",
    "pause_unlisted",
    "put_off",
    "release",
    "remove",
    "resume",
    "save_outcomes",
    "sync_list",
    "sync_specs",
]

#: Why a feed is paused when its line in the configuration is gone; one that is named again goes on.
GONE = "no longer in the configuration"
REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncCounts:
    """What a change of the configuration did."""

    added: int = 0
    updated: int = 0
    paused: int = 0


def sync_specs(conn: Connection, specs: Sequence[FeedSpec], *, now: datetime, complete: bool = True) -> SyncCounts:
    """Make the stored feeds of origin ``config`` and ``opml`` those of ``specs``; feeds of followed lists stay.

    One that is gone is paused and keeps its entries; one that comes back goes on. Feeds of origin ``added`` stay as
    they are unless ``specs`` names them too. Of two specs with one address the first counts. A feed that has moved is
    known by the address it was asked for under as well as by the one it has now. Not ``complete``: a list could not
    be read, so that a feed of origin ``opml`` is not gone for want of being named.
    """
    kept = ("added",) if complete else ("added", "opml")
    return _sync(conn, specs, now, list_url="", kept=kept)


def sync_list(conn: Connection, list_url: str, specs: Sequence[FeedSpec], *, now: datetime) -> SyncCounts:
    """Make the stored feeds of a followed list those of ``specs``, which bear its address as their ``list_url``.

    Only feeds of this list can be gone. One that somebody else asked for, or that was removed by command, stays as it
    is.
    """
    return _sync(conn, specs, now, list_url=list_url, kept=())


def _sync(
    conn: Connection, specs: Sequence[FeedSpec], now: datetime, *, list_url: str, kept: Sequence[str]
) -> SyncCounts:
    lock_name(conn, ADDRESSES)
    wanted: dict[str, FeedSpec] = {}
    for spec in specs:
        wanted.setdefault(spec.url, spec)
    stored = conn.execute(_select_asked()).mappings().all()
    matched = _match(wanted, stored)
    new = [new_row(spec, now) for url, spec in wanted.items() if url not in matched]
    for some in iter_chunks(new):
        conn.execute(sa.insert(feeds), list(some))
    updated = 0
    for url, row in matched.items():
        if row is None or (list_url and _is_others(row, list_url)):
            continue
        if changes := _find_changes(row, wanted[url], now):
            conn.execute(sa.update(feeds).where(feeds.c.id == row["id"]).values(**changes))
            updated += 1
    named = {row["id"] for row in matched.values() if row is not None}
    gone = [row["id"] for row in stored if row["id"] not in named and _can_be_gone(row, list_url, kept)]
    _pause_gone(conn, gone)
    if new or updated or gone:
        renew_revision(conn)
    return SyncCounts(added=len(new), updated=updated, paused=len(gone))


def pause_unlisted(conn: Connection, followed: Collection[str]) -> int:
    """Pause the feeds of lists that are not among ``followed`` any more; how many."""
    query = sa.select(feeds.c.id, feeds.c.list_url).where(feeds.c.list_url != "", feeds.c.state == "active")
    gone = [feed_id for feed_id, list_url in conn.execute(query) if list_url not in followed]
    _pause_gone(conn, gone)
    if gone:
        renew_revision(conn)
    return len(gone)


def _pause_gone(conn: Connection, gone: Sequence[int]) -> None:
    for ids in iter_chunks(gone):
        conn.execute(sa.update(feeds).where(feeds.c.id.in_(ids)).values(state="paused", paused_reason=GONE))


def _select_asked() -> sa.Select[Any]:
    """Of every feed what the editor asked for, and whether it is there."""
    return sa.select(*(feeds.c[name] for name in _ASKED))


_ASKED = (
    "id", "url", "asked_url", "origin", "spec_title", "spec_language", "weight", "spec_tags", "interval_seconds",
    "headers", "url_prefix", "page", "points", "full_content", "list_url", "edits", "state", "paused_reason",
    "removed_at",
)  # fmt: skip


def _match(wanted: Iterable[str], stored: Sequence[RowMapping]) -> dict[str, RowMapping | None]:
    """The stored feed of each address that has one; None where another address of ``wanted`` has it already."""
    known = {row["url"]: row for row in stored} | {row["asked_url"]: row for row in stored if row["asked_url"]}
    found = {url: row for url in wanted if (row := known.get(url)) is not None}
    asked = {row["id"] for url, row in found.items() if row["asked_url"] == url}
    return {url: None if row["id"] in asked and row["asked_url"] != url else row for url, row in found.items()}


def _can_be_gone(row: RowMapping, list_url: str, kept: Sequence[str]) -> bool:
    return row["state"] == "active" and row["list_url"] == list_url and row["origin"] not in kept


def _is_others(row: RowMapping, list_url: str) -> bool:
    """Whether a followed list has no say over a stored feed."""
    if row["removed_at"] is not None:
        return True
    return bool(row["list_url"] != list_url and row["paused_reason"] != GONE)


def add(conn: Connection, spec: FeedSpec, now: datetime) -> FeedId:
    """Store a feed, due at once; one that is stored already takes the new wishes over and goes on if it was removed."""
    lock_name(conn, ADDRESSES)
    renew_revision(conn)
    row = _find(conn, spec.url)
    if row is not None:
        if changes := _find_changes(row, spec, now):
            conn.execute(sa.update(feeds).where(feeds.c.id == row["id"]).values(**changes))
        return FeedId(row["id"])
    return FeedId(conn.execute(sa.insert(feeds).values(**new_row(spec, now)).returning(feeds.c.id)).scalar_one())


def add_all(conn: Connection, specs: Sequence[FeedSpec], now: datetime) -> tuple[FeedId, ...]:
    """The same for a list, each address once; their numbers."""
    lock_name(conn, ADDRESSES)
    wanted = {spec.url: spec for spec in reversed(specs)}
    stored = find_ids(conn, list(wanted), removed=True)
    for spec in wanted.values():
        if spec.url in stored:
            add(conn, spec, now)
    for some in iter_chunks([new_row(spec, now) for url, spec in wanted.items() if url not in stored]):
        conn.execute(sa.insert(feeds), list(some))
    renew_revision(conn)
    return tuple(sorted(set(find_ids(conn, list(wanted)).values())))


def find_ids(conn: Connection, urls: Sequence[str], *, removed: bool = False) -> dict[str, FeedId]:
    """Address -> the feed that is there or was asked for under it, of those that are stored; ``removed``: ones too
    that were removed."""
    found: dict[str, FeedId] = {}
    for some in iter_chunks(sorted(set(urls) - {""})):
        for column in (feeds.c.asked_url, feeds.c.url):
            query = sa.select(column, feeds.c.id).where(column.in_(some), column != sa.literal_column("''"))
            rows = conn.execute(query if removed else query.where(feeds.c.removed_at.is_(None)))
            found |= {url: FeedId(number) for url, number in rows}
    return found


def remove(conn: Connection, feed_id: FeedId, *, now: datetime | None = None) -> None:
    """Take a feed away: out of every list and never fetched. Its entries stay, and with them the row."""
    renew_revision(conn)
    removed_at = now if now is not None else sa.func.coalesce(feeds.c.removed_at, feeds.c.added_at)
    conn.execute(
        sa.update(feeds)
        .where(feeds.c.id == feed_id)
        .values(state="paused", paused_reason=REMOVED, removed_at=removed_at)
    )


def resume(conn: Connection, feed_id: FeedId, *, now: datetime) -> bool:
    """A paused feed goes on, due at once, as if it had never failed. False: it is not paused, or it was removed."""
    paused = (feeds.c.id == feed_id, feeds.c.state == "paused", feeds.c.removed_at.is_(None))
    due = {"state": "active", "paused_reason": "", "next_due_at": now, "next_due_reason": "resumed"}
    resumed = bool(conn.execute(sa.update(feeds).where(*paused).values(**NEVER_FAILED, **due)).rowcount)
    if resumed:
        renew_revision(conn)
    return resumed


def list_feeds(conn: Connection) -> tuple[Feed, ...]:
    """All feeds but removed ones, in the order they came, with how many entries each shows; without their slices."""
    query = sa.select(entries.c.feed_id, sa.func.count()).group_by(entries.c.feed_id)
    counts: dict[int, int] = dict(conn.execute(query).all())
    for number, hidden in conn.execute(query.where(entries.c.hidden)):  # few, and with an index of their own
        counts[number] -= hidden
    rows = conn.execute(sa.select(feeds).where(feeds.c.removed_at.is_(None)).order_by(feeds.c.id)).mappings()
    return tuple(make_feed(row, entry_count=counts.get(row["id"], 0)) for row in rows)


def list_specs(conn: Connection, *, after: int = 0, limit: int = 1_000) -> tuple[tuple[FeedId, FeedSpec], ...]:
    """What is asked for of all feeds but removed ones, in the order they came, from behind feed ``after``."""
    query = sa.select(*(feeds.c[name] for name in _ASKED)).where(feeds.c.removed_at.is_(None), feeds.c.id > after)
    rows = conn.execute(query.order_by(feeds.c.id).limit(limit)).mappings()
    return tuple((FeedId(row["id"]), make_spec(row)) for row in rows)


def get_feeds(conn: Connection, ids: Sequence[FeedId]) -> dict[FeedId, Feed]:
    """Feeds by id, removed ones too, without counting their entries and without their slices."""
    found: dict[FeedId, Feed] = {}
    for some in iter_chunks(sorted(set(ids))):
        for row in conn.execute(sa.select(feeds).where(feeds.c.id.in_(some)).order_by(feeds.c.id)).mappings():
            found[FeedId(row["id"])] = make_feed(row)
    return found


def get_by_url(conn: Connection, url: str) -> Feed | None:
    """The feed that is at exactly this address, or was asked for under it; None when it was removed."""
    row = _find(conn, url)
    if row is None or row["removed_at"] is not None:
        return None
    count = conn.execute(sa.select(sa.func.count()).where(entries.c.feed_id == row["id"])).scalar_one()
    return make_feed(row, entry_count=count)


def _find(conn: Connection, url: str) -> RowMapping | None:
    if not url:
        return None
    for column in (feeds.c.url, feeds.c.asked_url):
        # Said once more as a literal, so that SQLite takes the partial index.
        query = sa.select(feeds).where(column == url, column != sa.literal_column("''"))
        if (row := conn.execute(query).mappings().first()) is not None:
            return row
    return None


def _find_changes(row: RowMapping, spec: FeedSpec, now: datetime) -> dict[str, Any]:
    """The columns in which a stored feed differs from what is asked for now."""
    # What is asked for by now is said otherwise no more: the next wish counts again.
    edits = {
        name: replace(one, base=base)
        for name, one in unpack_edits(row["edits"]).items()
        if one.value != (base := get_field(spec, name))
    }
    asked = spec_values(apply_edits(spec, edits)) | {"edits": pack_edits(edits)}
    changes = {name: value for name, value in asked.items() if row[name] != value}
    if row["asked_url"] and spec.url == row["url"]:
        changes["asked_url"] = ""
    if row["removed_at"] is not None or row["paused_reason"] == GONE:
        changes |= {
            "state": "active",
            "paused_reason": "",
            "removed_at": None,
            "next_due_at": now,
            "next_due_reason": "back again",
        }
    return changes
