"""The archive of issues as readers leaf through it: months, neighbours, first headlines. Never writes, never knows
what is not frozen yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId, IssueId
from aggregator.model.newsletter import Issue
from aggregator.storage.engine import iter_chunks
from aggregator.storage.entries import EntryQuery, list_entries
from aggregator.storage.issues import FROZEN, get
from aggregator.storage.schema import issue_entries, issues


def find_issue(conn: Connection, newsletter: str, slug: str) -> Issue | None:
    """By what stands in its address; None for one that readers may not see."""
    issue = get(conn, newsletter, slug)
    return issue if issue is not None and issue.state in FROZEN else None


def find_neighbours(conn: Connection, issue: Issue) -> tuple[Issue | None, Issue | None]:
    """The newsletter's issue before this one, and the one after it. Costs two rows, however long the archive is."""
    slugs = sa.select(issues.c.slug).where(issues.c.newsletter == issue.newsletter, issues.c.state.in_(FROZEN))
    older = slugs.where(issues.c.slot_at < issue.slot_at).order_by(issues.c.slot_at.desc()).limit(1)
    newer = slugs.where(issues.c.slot_at > issue.slot_at).order_by(issues.c.slot_at).limit(1)
    found = [conn.execute(query).scalar() for query in (older, newer)]
    before, after = (None if slug is None else get(conn, issue.newsletter, slug) for slug in found)
    return before, after


def list_slots(conn: Connection, newsletter: str) -> tuple[datetime, ...]:
    """When each issue came out, newest first."""
    query = sa.select(issues.c.slot_at).where(issues.c.newsletter == newsletter, issues.c.state.in_(FROZEN))
    return tuple(conn.execute(query.order_by(issues.c.slot_at.desc())).scalars())


def list_headlines(
    conn: Connection, issue_ids: Sequence[IssueId], *, limit: int = 3
) -> dict[IssueId, tuple[Entry, ...]]:
    """The leads of each issue's first stories as it told them, in order; what the editor hid since is left out."""
    leads: dict[EntryId, list[tuple[IssueId, int]]] = {}
    for some in iter_chunks(issue_ids):
        query: sa.Select[Any] = sa.select(
            issue_entries.c.entry_id, issue_entries.c.issue_id, issue_entries.c.story_position
        ).where(
            issue_entries.c.issue_id.in_(some),
            issue_entries.c.position == 0,
            issue_entries.c.story_position < limit,
        )
        for entry_id, issue_id, place in conn.execute(query):
            leads.setdefault(EntryId(entry_id), []).append((IssueId(issue_id), place))
    found: dict[IssueId, dict[int, Entry]] = {}
    for entry in list_entries(conn, EntryQuery(ids=tuple(leads))):
        for issue_id, place in leads[entry.id]:
            found.setdefault(issue_id, {})[place] = entry
    return {issue_id: tuple(by_place[place] for place in sorted(by_place)) for issue_id, by_place in found.items()}
