"""Numbers for the machine that watches: how much there is, and how late. Never reads what a row says.

Each statement reads one index, at most `MOST` rows of it where rows may be many; `count_feeds` and `count_deliveries`
read a whole index, or all of some issues in it, and are for callers that keep the answer for a while.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.pool import QueuePool

from aggregator.model.ids import IssueId
from aggregator.storage.deliveries import count_by_issue
from aggregator.storage.engine import Database
from aggregator.storage.feed_claims import is_due
from aggregator.storage.ledger import WAITING
from aggregator.storage.schema import deliveries, entries, entry_changes, feeds, issues, stories
from aggregator.storage.stories import IS_WHOLE

#: What is more is not counted.
MOST = 100_000
#: Issues whose deliveries are counted: of one week, and those that are being sent.
_MOST_ISSUES = 500


@dataclass(frozen=True, slots=True)
class Due:
    """What waits for its turn: how many, at most `MOST`, and since when the first of them is due."""

    count: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class Pool:
    """Connections of this process: open at most, and lent at the moment."""

    limit: int
    in_use: int


def count_feeds(conn: Connection) -> Mapping[str, int]:
    """By state; reads a whole index."""
    return _count_states(conn, feeds)


def find_due_feeds(conn: Connection, now: datetime) -> Due:
    """Feeds whose time has come and that nobody has claimed."""
    found = sa.select(feeds.c.next_due_at).where(*is_due(now))
    return _find_due(conn, found, (feeds.c.next_due_at, feeds.c.id))


def find_next_feed(conn: Connection) -> datetime | None:
    """When the next feed is due."""
    at = feeds.c.next_due_at
    found: datetime | None = conn.execute(sa.select(at).where(feeds.c.state == "active").order_by(at).limit(1)).scalar()
    return found


def count_untagged(conn: Connection) -> int:
    """Entries that are stored and wait for their tags."""
    return _count(conn, sa.select(entry_changes.c.entry_id))


def count_unranked(conn: Connection) -> int:
    """Stories that wait for their score: those that `stories.find_unscored` would find."""
    told = sa.exists().where(entries.c.story_id == stories.c.id, entries.c.hidden.is_(False))
    return _count(conn, sa.select(stories.c.id).where(stories.c.score.is_(None), IS_WHOLE, told))


def count_new_entries(conn: Connection, since: datetime) -> int:
    """Entries first seen since then."""
    return _count(conn, sa.select(entries.c.id).where(entries.c.first_seen_at >= since))


def count_new_stories(conn: Connection, since: datetime) -> int:
    """Stories that began since then, without those that went into another."""
    return _count(conn, sa.select(stories.c.id).where(stories.c.created_at >= since, IS_WHOLE))


def count_issues(conn: Connection) -> Mapping[str, int]:
    """By state. There are few of them: each newsletter has one a slot."""
    return _count_states(conn, issues)


def count_deliveries(conn: Connection, since: datetime) -> Mapping[str, int]:
    """By state, of issues whose slot was since then, and of those that are being sent still."""
    recent = sa.or_(issues.c.slot_at >= since, issues.c.state == "sending")
    query = sa.select(issues.c.id).where(recent).order_by(issues.c.slot_at.desc()).limit(_MOST_ISSUES)
    counts: dict[str, int] = {}
    for by_state in count_by_issue(conn, [IssueId(number) for number in conn.execute(query).scalars()]).values():
        for state, count in by_state.items():
            counts[state] = counts.get(state, 0) + count
    return counts


def find_due_deliveries(conn: Connection, now: datetime) -> Due:
    """Deliveries whose time has come, of issues that are being sent and do not rest."""
    query = sa.select(issues.c.id).where(issues.c.state == "sending", issues.c.paused_reason == "").limit(_MOST_ISSUES)
    count, oldest_at = 0, None
    for issue_id in conn.execute(query).scalars().all():
        for state in WAITING:
            found = sa.select(deliveries.c.next_try_at).where(
                deliveries.c.issue_id == issue_id, deliveries.c.state == state, deliveries.c.next_try_at <= now
            )
            due = _find_due(conn, found, (deliveries.c.next_try_at,))
            count = min(count + due.count, MOST)
            oldest_at = min(filter(None, (oldest_at, due.oldest_at)), default=None)
    return Due(count, oldest_at)


def get_pool(db: Database) -> Pool:
    """Asks the pool, not the database."""
    pool = db.engine.pool
    assert isinstance(pool, QueuePool)
    return Pool(limit=pool.size() + max(pool._max_overflow, 0), in_use=pool.checkedout())


def _count_states(conn: Connection, table: sa.Table) -> Mapping[str, int]:
    rows = conn.execute(sa.select(table.c.state, sa.func.count()).group_by(table.c.state))
    return {row.state: row[1] for row in rows}


def _count(conn: Connection, found: sa.Select[Any]) -> int:
    return int(conn.execute(sa.select(sa.func.count()).select_from(found.limit(MOST).subquery())).scalar_one())


def _find_due(conn: Connection, found: sa.Select[Any], order: Sequence[sa.Column[Any]]) -> Due:
    """``found``: instants; ``order``: of an index that has them. Asked for both at once, PostgreSQL sorts them all."""
    oldest_at = conn.execute(found.order_by(*order).limit(1)).scalar()
    return Due(_count(conn, found) if oldest_at else 0, oldest_at)
