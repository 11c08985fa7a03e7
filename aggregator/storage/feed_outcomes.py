"""Writes what fetching brought for feeds themselves: state, next check, log. Never their entries, never decides.

In bulk: outcomes that set the same columns share one statement, because most of them are hundreds of "not modified".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.feed import FeedOutcome, FetchLogLine
from aggregator.model.ids import FeedId
from aggregator.storage.bulk import insert_rows
from aggregator.storage.engine import UTC, insert, iter_chunks, lock_name
from aggregator.storage.feed_claims import release
from aggregator.storage.feed_rows import keep_asked, pack_arrivals, pack_hints, storable, unpack_arrivals
from aggregator.storage.meta import renew_revision
from aggregator.storage.schema import feed_slices, feeds, fetch_log

#: Arrivals that are kept of a feed.
MAX_ARRIVALS = 20
#: Two that write addresses at once wait for each other.
ADDRESSES = "feed addresses"


def save_outcomes(conn: Connection, outcomes: Sequence[FeedOutcome], *, owner: str = "") -> frozenset[FeedId]:
    """Write what fetching brought, log lines included, and end the claims; the feeds of which it came too late.

    Too late: ``owner``, who claimed the feeds, lost the claim when its lease ran out, or the feed has moved since it
    was asked. Such an outcome leaves its log line, and that entries were imported; a claim of another one stays.

    Belongs into the transaction that saves the entries: a validator that is stored without them would lose them for
    ever. Characters no database takes become U+FFFD. ``moved_to`` an address that another feed has changes no address:
    the feed's alarm says so. A `postponed` one changes the next check and nothing else, a `steady` one the
    time and the status as well.
    """
    rounds: list[dict[int, FeedOutcome]] = []
    for outcome in outcomes:  # of a feed that comes twice one is written after the other
        for chosen in rounds:
            if outcome.feed_id not in chosen:
                break
        else:
            rounds.append(chosen := {})
        chosen[outcome.feed_id] = outcome
    late: set[FeedId] = set()
    for chosen in rounds:
        late |= _save(conn, [chosen[feed_id] for feed_id in sorted(chosen)], owner)
    lines = [_log_row(outcome.feed_id, outcome.log) for outcome in outcomes if outcome.log is not None]
    for some in iter_chunks(lines):
        insert_rows(conn, fetch_log, some)
    if any(outcome.moved_to or outcome.pause for outcome in outcomes):
        renew_revision(conn)
    return frozenset(late)


def _save(conn: Connection, outcomes: Sequence[FeedOutcome], owner: str) -> set[FeedId]:
    if any(outcome.moved_to for outcome in outcomes):
        lock_name(conn, ADDRESSES)  # before any row: who moves a feed does it in this order
    late = _find_late(conn, outcomes, owner)
    _leave(conn, [outcome for outcome in outcomes if outcome.feed_id in late], owner)
    outcomes = [outcome for outcome in outcomes if outcome.feed_id not in late]
    fetched = [outcome for outcome in outcomes if not outcome.postponed]
    taken = _find_taken(conn, fetched)
    arrivals = _get_arrivals(conn, [outcome.feed_id for outcome in fetched if outcome.arrived])
    by_shape: defaultdict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for outcome in outcomes:
        values = _values(outcome, taken, arrivals)
        by_shape[tuple(values)].append({f"new_{name}": value for name, value in values.items()})
    for names, rows in by_shape.items():
        for some in iter_chunks(rows):
            conn.execute(_make_update(names), list(some))
    _save_slices(conn, fetched)
    return late


def _find_late(conn: Connection, outcomes: Sequence[FeedOutcome], owner: str) -> set[FeedId]:
    """Looked at under a lock: nobody moves or claims them before they are written."""
    asked = {outcome.feed_id: outcome.asked_url for outcome in outcomes if outcome.asked_url or owner}
    late: set[FeedId] = set()
    for some in iter_chunks(sorted(asked)):
        query = sa.select(feeds.c.id, feeds.c.url, feeds.c.claimed_by).where(feeds.c.id.in_(some)).order_by(feeds.c.id)
        for number, url, claimed_by in conn.execute(query.with_for_update()):
            if (owner and claimed_by != owner) or asked[number] not in ("", url):
                late.add(FeedId(number))
    return late


def _leave(conn: Connection, late: Sequence[FeedOutcome], owner: str) -> None:
    release(conn, [outcome.feed_id for outcome in late], owner=owner)
    for outcome in late:
        if outcome.imported:
            first = sa.func.coalesce(feeds.c.first_imported_at, sa.literal(outcome.at, UTC))
            conn.execute(sa.update(feeds).where(feeds.c.id == outcome.feed_id).values(first_imported_at=first))


def _check_values(outcome: FeedOutcome) -> dict[str, Any]:
    """What every outcome writes; of most, which are steady, that is all."""
    values = {
        "id": outcome.feed_id,
        "next_due_at": outcome.next_due_at,
        "next_due_reason": storable(outcome.next_due_reason),
    }
    return values if outcome.postponed else values | {"last_fetched_at": outcome.at, "last_status": outcome.status}


def _values(
    outcome: FeedOutcome, taken: Collection[str], arrivals: Mapping[int, tuple[datetime, ...]]
) -> dict[str, Any]:
    values = _check_values(outcome)
    if outcome.postponed or outcome.steady:
        return values
    move = outcome.move
    values |= {
        "failures": 1 if outcome.failure_class else 0,
        "failure_class": outcome.failure_class,
        "failure_reason": storable(outcome.failure_reason),
        "host_key": storable(outcome.host_key),
        "moved_url": storable(move.url) if move else "",
        "moved_since": move.first_seen_at if move else None,
        "moved_times": move.times if move else 0,
        "gone_since": outcome.gone_since,
        "strikes": outcome.strikes,
        "alarm": storable(outcome.alarm),
    }
    for name in ("etag", "last_modified", "body_hash", "document_entries"):
        if (value := getattr(outcome, name)) is not None:
            values[name] = value
    if outcome.hints is not None:
        values["hints"] = pack_hints(outcome.hints)
    if outcome.arrived:
        came = (outcome.at,) * min(outcome.arrived, MAX_ARRIVALS) + arrivals.get(outcome.feed_id, ())
        values["arrivals"] = pack_arrivals(came[:MAX_ARRIVALS])
    if outcome.imported:
        values["first_imported_at"] = outcome.at
    if outcome.facts is not None:
        for name in ("title", "site_url", "language", "atom_id", "rights", "author"):
            values[name] = storable(getattr(outcome.facts, name))
        values["feed_updated_at"] = outcome.facts.updated_at
    if outcome.pause:
        values |= {"state": "paused", "paused_reason": storable(outcome.pause)}
    if outcome.moved_to in taken:
        shown = outcome.moved_to.partition("?")[0]  # the query may hold the editor's own token
        values["alarm"] = storable(f"has moved to {shown}, where we follow another feed already")
    elif outcome.moved_to:
        values["url"] = storable(outcome.moved_to)
    return values


@cache
def _make_update(names: tuple[str, ...]) -> sa.Update:
    """Sets these columns of a feed to parameters called ``new_`` and the column, and ends its claim."""
    given = {name: sa.bindparam(f"new_{name}", type_=feeds.c[name].type) for name in names}
    values: dict[str, Any] = {name: given[name] for name in names if name != "id"}
    values |= {"claimed_until": sa.null(), "claimed_by": sa.literal_column("''")}
    if "failures" in names:
        values["failures"] = (feeds.c.failures + 1) * given["failures"]
    if "document_entries" in names:
        count = given["document_entries"]
        values["largest_document"] = sa.case((feeds.c.largest_document < count, count), else_=feeds.c.largest_document)
    if "first_imported_at" in names:
        values["first_imported_at"] = sa.func.coalesce(feeds.c.first_imported_at, given["first_imported_at"])
    if "url" in names:
        values["asked_url"] = keep_asked(given["url"])
    return sa.update(feeds).where(feeds.c.id == given["id"]).values(values)


def _find_taken(conn: Connection, outcomes: Sequence[FeedOutcome]) -> set[str]:
    """Those of the new addresses that a feed has already, or that two want at once."""
    wanted = [outcome.moved_to for outcome in outcomes if outcome.moved_to]
    if not wanted:
        return set()
    taken = {url for url in wanted if wanted.count(url) > 1}
    for some in iter_chunks(sorted(set(wanted))):
        taken |= set(conn.execute(sa.select(feeds.c.url).where(feeds.c.url.in_(some))).scalars())
    return taken


def _get_arrivals(conn: Connection, ids: Sequence[int]) -> dict[int, tuple[datetime, ...]]:
    found: dict[int, tuple[datetime, ...]] = {}
    for some in iter_chunks(ids):
        query = sa.select(feeds.c.id, feeds.c.arrivals).where(feeds.c.id.in_(some))
        found |= {feed_id: unpack_arrivals(packed) for feed_id, packed in conn.execute(query)}
    return found


def _save_slices(conn: Connection, outcomes: Sequence[FeedOutcome]) -> None:
    """Empty ones are no row at all."""
    kept = [{"feed_id": o.feed_id, "slices": o.slices} for o in outcomes if o.slices]
    statement = insert(conn, feed_slices)
    update = statement.on_conflict_do_update(index_elements=["feed_id"], set_={"slices": statement.excluded.slices})
    for rows in iter_chunks(kept):
        conn.execute(update, list(rows))
    for ids in iter_chunks([outcome.feed_id for outcome in outcomes if outcome.slices == b""]):
        conn.execute(sa.delete(feed_slices).where(feed_slices.c.feed_id.in_(ids)))


def _log_row(feed_id: int, line: FetchLogLine) -> dict[str, Any]:
    return {
        "feed_id": feed_id,
        "at": line.at,
        "status": line.status,
        "failure_class": line.failure_class,
        "failure_reason": storable(line.failure_reason),
        "not_modified": line.not_modified,
        "received_bytes": line.received_bytes,
        "seconds": line.seconds,
        "new": line.new,
        "changed": line.changed,
        "unchanged": line.unchanged,
        "rejected": line.rejected,
        "folded": line.folded,
        "warnings": [storable(text) for text in line.warnings],
        "next_due_at": line.next_due_at,
        "next_due_reason": storable(line.next_due_reason),
    }
