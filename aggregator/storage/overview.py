"""The last days in numbers, for the desk's first page. Never reads what an entry says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.storage.schema import entries, notices, subscriptions

#: More are not counted.
_MOST = 1_000


def count_by_language(conn: Connection, days: Sequence[datetime]) -> dict[str, tuple[int, ...]]:
    """Shown entries between each two of ``days``, by language as the entry has it, the most used first."""
    at = entries.c.effective_at
    sums = [sa.func.sum(sa.case((sa.and_(at >= begin, at < end), 1), else_=0)) for begin, end in pairwise(days)]
    query = (
        sa.select(entries.c.language, *sums)
        .where(at >= days[0], at < days[-1], sa.not_(entries.c.hidden))
        .group_by(entries.c.language)
    )
    found = {row[0]: tuple(int(count) for count in row[1:]) for row in conn.execute(query)}
    return dict(sorted(found.items(), key=lambda one: (-sum(one[1]), one[0])))


def count_failed_notices(conn: Connection, since: datetime) -> int:
    """Webhooks and alerts since then that were given up."""
    failed = (notices.c.state == "failed", notices.c.created_at >= since)
    return _count(conn, sa.select(notices.c.id).where(*failed).limit(_MOST))


def count_joined_and_left(conn: Connection, since: datetime) -> tuple[int, int]:
    """Subscriptions that were confirmed, and that ended, since then."""
    joined = sa.select(subscriptions.c.id).where(subscriptions.c.confirmed_at >= since)
    left = sa.select(subscriptions.c.id).where(subscriptions.c.ended_at >= since)
    return _count(conn, joined), _count(conn, left)


def _count(conn: Connection, found: sa.Select[Any]) -> int:
    return int(conn.execute(sa.select(sa.func.count()).select_from(found.subquery())).scalar_one())
