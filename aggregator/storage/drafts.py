"""What is said of an issue before it is frozen: the editor's changes and word, what failed, which variants are wished.

Never freezes: that is `issues.freeze`, which sees under the same lock whether the changes it was made with still hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import IssueId, StoryId
from aggregator.model.newsletter import IssueEdits
from aggregator.storage.engine import lock_name
from aggregator.storage.schema import issues, subscriptions

#: More variants of one issue than this are not rendered: those who wish a rarer one get the whole issue.
MAX_VARIANTS = 200


def pack_edits(edits: IssueEdits) -> dict[str, Any] | None:
    """As they are stored; None when nothing was changed."""
    if edits == IssueEdits():
        return None
    packed: dict[str, Any] = {
        "subject": edits.subject,
        "introduction": edits.introduction,
        "placed": [[story_id, section] for story_id, section in edits.placed],
        "dropped": list(edits.dropped),
    }
    return packed | ({"texts": [list(text) for text in edits.texts]} if edits.texts else {})


def unpack_edits(stored: Mapping[str, Any] | None) -> IssueEdits:
    """What `pack_edits` made."""
    if not stored:
        return IssueEdits()
    return IssueEdits(
        subject=stored["subject"],
        introduction=stored["introduction"],
        placed=tuple((StoryId(story_id), section) for story_id, section in stored["placed"]),
        dropped=tuple(StoryId(story_id) for story_id in stored["dropped"]),
        texts=tuple((StoryId(number), headline, excerpt) for number, headline, excerpt in stored.get("texts", ())),
    )


def change_edits(
    conn: Connection, issue_id: IssueId, change: Callable[[IssueEdits], IssueEdits]
) -> tuple[IssueEdits, IssueEdits] | None:
    """The edits before and after ``change``; None when it is no draft (any more). Of two at once none is lost."""
    row = conn.execute(sa.select(issues.c.newsletter).where(issues.c.id == issue_id)).first()
    if row is None:
        return None
    lock_issues(conn, row.newsletter)
    is_draft = (issues.c.id == issue_id, issues.c.state == "draft")
    found = conn.execute(sa.select(issues.c.edits).where(*is_draft)).first()
    if found is None:
        return None
    before = unpack_edits(found.edits)
    edits = change(before)
    # What could not be rendered may be so now: it is tried at once.
    conn.execute(sa.update(issues).where(*is_draft).values(edits=pack_edits(edits), paused_until=None))
    return before, edits


def lock_issues(conn: Connection, newsletter: str) -> None:
    """What drafts of a newsletter hold is decided by one at a time."""
    lock_name(conn, f"issues of {newsletter}")


def approve(conn: Connection, issue_id: IssueId, *, now: datetime) -> bool:
    """The editor says yes; False when it is no draft, or was approved before. What was to wait need not any more."""
    waits = sa.or_(issues.c.approved_at.is_(None), issues.c.approved_at > now)
    statement = sa.update(issues).where(issues.c.id == issue_id, issues.c.state == "draft", waits)
    return bool(conn.execute(statement.values(approved_at=now, paused_until=None)).rowcount)


def schedule(
    conn: Connection, issue_id: IssueId, newsletter: str, at: datetime | None, *, before: datetime | None
) -> bool:
    """The editor's yes holds from ``at`` on; None: it is taken back. ``before``: what was to hold until now.

    False when it is no draft (any more), or when somebody else has said something meanwhile.
    """
    lock_issues(conn, newsletter)
    stands = issues.c.approved_at.is_(None) if before is None else issues.c.approved_at == before
    is_draft = (issues.c.id == issue_id, issues.c.state == "draft", stands)
    return bool(conn.execute(sa.update(issues).where(*is_draft).values(approved_at=at, paused_until=None)).rowcount)


def holds_yes(conn: Connection, issue_id: IssueId, newsletter: str, approved_at: datetime | None) -> bool:
    """Whether the editor's yes is as it was; until the transaction's end it stays so."""
    lock_issues(conn, newsletter)
    found = conn.execute(sa.select(issues.c.approved_at).where(issues.c.id == issue_id)).first()
    return found is not None and found.approved_at == approved_at


def reopen(conn: Connection, issue_id: IssueId, newsletter: str, *, reason: str) -> bool:
    """What was skipped for ``reason`` is a draft again; False when it is none that was, or when a later slot has its
    window by now."""
    lock_issues(conn, newsletter)
    later = issues.alias()
    mine = sa.select(issues.c.slot_at).where(issues.c.id == issue_id).scalar_subquery()
    is_last = ~sa.exists().where(later.c.newsletter == newsletter, later.c.slot_at > mine)
    statement = sa.update(issues).where(
        issues.c.id == issue_id, issues.c.state == "skipped", issues.c.reason == reason, is_last
    )
    return bool(conn.execute(statement.values(state="draft", reason="")).rowcount)


def note_failure(conn: Connection, issue_id: IssueId, reason: str, *, again_at: datetime) -> bool:
    """The draft could not be made, why, and when it is tried again."""
    statement = sa.update(issues).where(issues.c.id == issue_id, issues.c.state == "draft")
    return bool(conn.execute(statement.values(reason=reason, paused_until=again_at)).rowcount)


def list_variants(conn: Connection, newsletter: str, *, limit: int = MAX_VARIANTS) -> tuple[str, ...]:
    """Which variants its confirmed subscribers wish, those of most people first."""
    count = sa.func.count()
    query = (
        sa.select(subscriptions.c.variant)
        .where(
            subscriptions.c.newsletter == newsletter,
            subscriptions.c.state == "confirmed",
            subscriptions.c.variant != "",
        )
        .group_by(subscriptions.c.variant)
        .order_by(count.desc(), subscriptions.c.variant)
        .limit(limit)
    )
    return tuple(conn.execute(query).scalars())
