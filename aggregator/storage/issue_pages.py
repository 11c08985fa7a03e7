"""Issues as the desk lists them: a page at a time, and what one holds. Never counts deliveries: that is no small thing
(`delivery_pages`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Connection  # handed on, for what tasks say about it

from aggregator.model.ids import IssueId, StoryId
from aggregator.model.newsletter import Issue, Section
from aggregator.storage.issues import make_issue, select_issues
from aggregator.storage.schema import entries, issue_entries, issue_stories, issues


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldStory:
    """A story of a frozen issue, by the title of the entry that leads it there."""

    story_id: StoryId
    section: Section
    title: str
    language: str
    entry_count: int


def list_page(
    conn: Connection, newsletter: str = "", *, before_id: int | None = None, limit: int = 50
) -> tuple[Issue, ...]:
    """Newest slot first, without their deliveries; ``before_id``: those that stand below that one."""
    query = select_issues().order_by(issues.c.slot_at.desc(), issues.c.id.desc()).limit(limit)
    if newsletter:
        query = query.where(issues.c.newsletter == newsletter)
    if before_id is not None:
        place = sa.select(issues.c.slot_at).where(issues.c.id == before_id).scalar_subquery()
        query = query.where(
            sa.or_(issues.c.slot_at < place, sa.and_(issues.c.slot_at == place, issues.c.id < before_id))
        )
    return tuple(make_issue(row, {}) for row in conn.execute(query).mappings())


def find(conn: Connection, issue_id: int) -> Issue | None:
    """One, without its deliveries."""
    row = conn.execute(select_issues().where(issues.c.id == issue_id)).mappings().first()
    return None if row is None else make_issue(row, {})


def find_draft(conn: Connection, newsletter: str) -> Issue | None:
    """The oldest of those that wait; a newsletter hardly has more than one."""
    query = select_issues().where(issues.c.newsletter == newsletter, issues.c.state == "draft")
    row = conn.execute(query.order_by(issues.c.slot_at).limit(1)).mappings().first()
    return None if row is None else make_issue(row, {})


def list_held(conn: Connection, issue_id: IssueId) -> tuple[HeldStory, ...]:
    """In the order of the issue."""
    first = sa.and_(
        issue_entries.c.issue_id == issue_stories.c.issue_id,
        issue_entries.c.story_position == issue_stories.c.position,
    )
    query = (
        sa.select(
            issue_stories.c.story_id, issue_stories.c.section, issue_entries.c.position, entries.c.title,
            entries.c.language,
        )
        .join_from(issue_stories, issue_entries, first)
        .join(entries, entries.c.id == issue_entries.c.entry_id)
        .where(issue_stories.c.issue_id == issue_id)
        .order_by(issue_stories.c.position, issue_entries.c.position)
    )  # fmt: skip
    found: dict[int, HeldStory] = {}
    for row in conn.execute(query):
        held = found.get(row.story_id)
        found[row.story_id] = (
            replace(held, entry_count=held.entry_count + 1)
            if held
            else HeldStory(
                story_id=StoryId(row.story_id),
                section=row.section,
                title=row.title,
                language=row.language,
                entry_count=1,
            )
        )
    return tuple(found.values())
