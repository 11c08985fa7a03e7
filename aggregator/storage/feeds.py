"""Feeds: what the editor asked for, how fetching them stands, and who fetches them right now. Never fetches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from aggregator.model.feed import Feed, FeedOutcome, FeedSpec
from aggregator.model.ids import FeedId
from aggregator.storage.engine import iter_chunks
from aggregator.storage.meta import renew_revision
from aggregator.storage.schema import entries, feeds

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
    """Make the stored feeds of origin ``config`` and ``opml`` those of ``specs``.

    One that is gone is paused and keeps its entries; one that comes back goes on. Feeds of origin ``added`` stay as
    they are unless ``specs`` names them too. Of two specs with one address the first counts. Not ``complete``: a list
    could not be read, so that a feed of origin ``opml`` is not gone for want of being named.
    """
    kept = ("added",) if complete else ("added", "opml")
    wanted: dict[str, FeedSpec] = {}
    for spec in specs:
        wanted.setdefault(spec.url, spec)
    stored = {row["url"]: row for row in conn.execute(sa.select(feeds)).mappings().all()}
    new = [_new_row(spec, now) for url, spec in wanted.items() if url not in stored]
    if new:
        conn.execute(sa.insert(feeds), new)
    updated = 0
    for url, spec in wanted.items():
        if url in stored and (changes := _find_changes(stored[url], spec, now)):
            conn.execute(sa.update(feeds).where(feeds.c.url == url).values(**changes))
            updated += 1
    gone = [
        row["id"]
        for url, row in stored.items()
        if url not in wanted and row["origin"] not in kept and row["state"] == "active"
    ]
    for ids in iter_chunks(gone):
        conn.execute(sa.update(feeds).where(feeds.c.id.in_(ids)).values(state="paused", paused_reason=GONE))
    if new or updated or gone:
        renew_revision(conn)
    return SyncCounts(added=len(new), updated=updated, paused=len(gone))


def add(conn: Connection, spec: FeedSpec, now: datetime) -> FeedId:
    """Store a feed, due at once; one that is stored already takes the new wishes over and goes on if it was removed."""
    renew_revision(conn)
    row = conn.execute(sa.select(feeds).where(feeds.c.url == spec.url)).mappings().first()
    if row is not None:
        if changes := _find_changes(row, spec, now):
            conn.execute(sa.update(feeds).where(feeds.c.id == row["id"]).values(**changes))
        return FeedId(row["id"])
    return FeedId(conn.execute(sa.insert(feeds).values(**_new_row(spec, now)).returning(feeds.c.id)).scalar_one())


def remove(conn: Connection, feed_id: FeedId, *, now: datetime | None = None) -> None:
    """Take a feed away: out of every list and never fetched. Its entries stay, and with them the row."""
    renew_revision(conn)
    removed_at = now if now is not None else sa.func.coalesce(feeds.c.removed_at, feeds.c.added_at)
    conn.execute(
        sa.update(feeds)
        .where(feeds.c.id == feed_id)
        .values(state="paused", paused_reason=REMOVED, removed_at=removed_at)
    )


def list_feeds(conn: Connection) -> tuple[Feed, ...]:
    """All feeds but removed ones, in the order they came, with how many entries each has."""
    counted = conn.execute(sa.select(entries.c.feed_id, sa.func.count()).group_by(entries.c.feed_id))
    counts: dict[int, int] = dict(counted.all())
    rows = conn.execute(sa.select(feeds).where(feeds.c.removed_at.is_(None)).order_by(feeds.c.id)).mappings()
    return tuple(_make_feed(row, counts.get(row["id"], 0)) for row in rows)


def get_feeds(conn: Connection, ids: Sequence[FeedId]) -> dict[FeedId, Feed]:
    """Feeds by id, removed ones too, without counting their entries."""
    found: dict[FeedId, Feed] = {}
    for some in iter_chunks(sorted(set(ids))):
        for row in conn.execute(sa.select(feeds).where(feeds.c.id.in_(some)).order_by(feeds.c.id)).mappings():
            found[FeedId(row["id"])] = _make_feed(row, 0)
    return found


def get_by_url(conn: Connection, url: str) -> Feed | None:
    """The feed at exactly this address, unless it was removed."""
    query = sa.select(feeds).where(feeds.c.url == url, feeds.c.removed_at.is_(None))
    row = conn.execute(query).mappings().first()
    if row is None:
        return None
    count = conn.execute(sa.select(sa.func.count()).where(entries.c.feed_id == row["id"])).scalar_one()
    return _make_feed(row, count)


def claim_due(conn: Connection, *, now: datetime, limit: int, lease: timedelta) -> tuple[Feed, ...]:
    """Up to ``limit`` feeds whose time has come, longest waiting first; nobody else gets them until the lease ends."""
    due = (
        sa.select(feeds.c.id)
        .where(feeds.c.state == "active", feeds.c.next_due_at <= now, _is_free(now))
        .order_by(feeds.c.next_due_at, feeds.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return _claim(conn, due, now + lease)


def claim(conn: Connection, ids: Sequence[FeedId], *, now: datetime, lease: timedelta) -> tuple[Feed, ...]:
    """Those of ``ids`` that nobody fetches right now, due or not, paused or not."""
    claimed: list[Feed] = []
    for some in iter_chunks(ids):
        free = sa.select(feeds.c.id).where(feeds.c.id.in_(some), _is_free(now)).with_for_update(skip_locked=True)
        claimed += _claim(conn, free, now + lease)
    return tuple(claimed)


def extend(conn: Connection, ids: Sequence[FeedId], *, until: datetime) -> None:
    """Keep the claims of feeds that still wait for their answer."""
    for some in iter_chunks(ids):
        held = sa.and_(feeds.c.id.in_(some), feeds.c.claimed_until.is_not(None))
        conn.execute(sa.update(feeds).where(held).values(claimed_until=until))


def release(conn: Connection, ids: Sequence[FeedId] | None = None) -> None:
    """End the claims of feeds whose fetch brought nothing, or all claims: those of a process that is no more."""
    statement = sa.update(feeds).where(feeds.c.claimed_until.is_not(None)).values(claimed_until=None)
    for some in iter_chunks(ids) if ids is not None else (None,):
        conn.execute(statement if some is None else statement.where(feeds.c.id.in_(some)))


def _is_free(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(feeds.c.claimed_until.is_(None), feeds.c.claimed_until <= now)


def _claim(conn: Connection, chosen: sa.Select[Any], until: datetime) -> tuple[Feed, ...]:
    statement = sa.update(feeds).where(feeds.c.id.in_(chosen)).values(claimed_until=until).returning(feeds)
    rows = sorted(conn.execute(statement).mappings(), key=lambda row: (row["next_due_at"], row["id"]))
    return tuple(_make_feed(row, 0) for row in rows)


def count_due(conn: Connection, *, now: datetime) -> int:
    """How many feeds `claim_due` could give."""
    query = sa.select(sa.func.count()).where(feeds.c.state == "active", feeds.c.next_due_at <= now, _is_free(now))
    return conn.execute(query).scalar_one()


def save_outcomes(conn: Connection, outcomes: Sequence[FeedOutcome]) -> None:
    """Write what fetching brought and end the claims. Belongs into the transaction that saves the entries: a validator
    that is stored without them would lose them for ever. Characters no database takes become U+FFFD."""
    for outcome in outcomes:
        conn.execute(sa.update(feeds).where(feeds.c.id == outcome.feed_id).values(**_outcome_values(outcome)))


def _outcome_values(outcome: FeedOutcome) -> dict[str, Any]:
    failed = bool(outcome.failure_class)
    values: dict[str, Any] = {
        "claimed_until": None,
        "last_fetched_at": outcome.at,
        "last_status": outcome.status,
        "failures": feeds.c.failures + 1 if failed else 0,
        "failure_class": outcome.failure_class,
        "failure_reason": _storable(outcome.failure_reason),
        "next_due_at": outcome.next_due_at,
        "next_due_reason": _storable(outcome.next_due_reason),
    }
    kept = {"etag": outcome.etag, "last_modified": outcome.last_modified, "body_hash": outcome.body_hash}
    values |= {name: value for name, value in kept.items() if value is not None}
    if outcome.imported:
        values["first_imported_at"] = sa.func.coalesce(feeds.c.first_imported_at, outcome.at)
    if outcome.facts is not None:
        for name in ("title", "site_url", "language", "atom_id", "rights", "author"):
            values[name] = _storable(getattr(outcome.facts, name))
        values["feed_updated_at"] = outcome.facts.updated_at
    return values


def _storable(text: str) -> str:
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _spec_values(spec: FeedSpec) -> dict[str, Any]:
    return {
        "origin": spec.origin,
        "spec_title": spec.title,
        "spec_language": spec.language,
        "weight": spec.weight,
        "spec_tags": list(spec.tags),
        "interval_seconds": None if spec.interval is None else round(spec.interval.total_seconds()),
        "headers": [list(header) for header in spec.headers],
        "url_prefix": spec.url_prefix,
    }


def _new_row(spec: FeedSpec, now: datetime) -> dict[str, Any]:
    texts = ("title", "site_url", "language", "atom_id", "rights", "author", "etag", "last_modified", "body_hash")
    return {
        "url": spec.url,
        **_spec_values(spec),
        "state": "active",
        "paused_reason": "",
        "added_at": now,
        **dict.fromkeys(texts, ""),
        "next_due_at": now,
        "next_due_reason": "new",
        "failures": 0,
        "failure_class": "",
        "failure_reason": "",
    }


def _find_changes(row: RowMapping, spec: FeedSpec, now: datetime) -> dict[str, Any]:
    """The columns in which a stored feed differs from what is asked for now."""
    changes = {name: value for name, value in _spec_values(spec).items() if row[name] != value}
    if row["removed_at"] is not None or row["paused_reason"] == GONE:
        changes |= {
            "state": "active",
            "paused_reason": "",
            "removed_at": None,
            "next_due_at": now,
            "next_due_reason": "back again",
        }
    return changes


def _make_feed(row: RowMapping, entry_count: int) -> Feed:
    seconds = row["interval_seconds"]
    spec = FeedSpec(
        url=row["url"],
        origin=row["origin"],
        title=row["spec_title"],
        language=row["spec_language"],
        weight=row["weight"],
        tags=tuple(row["spec_tags"]),
        interval=None if seconds is None else timedelta(seconds=seconds),
        headers=tuple((name, value) for name, value in row["headers"]),
        url_prefix=row["url_prefix"],
    )
    same = (
        "id", "state", "title", "site_url", "language", "atom_id", "rights", "author", "feed_updated_at", "etag",
        "last_modified", "body_hash", "last_fetched_at", "last_status", "first_imported_at", "next_due_at",
        "next_due_reason", "failures", "failure_class", "failure_reason",
    )  # fmt: skip
    return Feed(spec=spec, entry_count=entry_count, **{name: row[name] for name in same})
