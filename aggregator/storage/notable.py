"""What has happened since somebody looked last: stories, issues and feeds that others are told of. Never tells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Connection  # handed on, for what tasks say about it

from aggregator.model.feed_health import FAILED, GONE, MAX_STRIKES, RULES_FIND_NOTHING
from aggregator.model.ids import FeedId, IssueId, StoryId
from aggregator.storage.deliveries import CANCELLED
from aggregator.storage.engine import lock_name
from aggregator.storage.meta import get_value, set_value
from aggregator.storage.schema import entries, feeds, issues, stories

_NAME = "looked for events"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was known when somebody looked last."""

    at: datetime
    #: When somebody looked first: what was over by then is told to nobody.
    since: datetime
    story: StoryId
    broken: frozenset[FeedId] = frozenset()
    moved: frozenset[FeedId] = frozenset()
    is_disk_low: bool = False


def get_look(conn: Connection) -> Look | None:
    """The last one; None: nobody has looked yet."""
    found = get_value(conn, _NAME)
    return _read_look(found) if found else None


def save_look(conn: Connection, look: Look, *, before: Look | None) -> bool:
    """Remember it in place of ``before``; False, and nothing is changed, when another one was remembered meanwhile."""
    lock_name(conn, _NAME)
    if get_look(conn) != before:
        return False
    value: dict[str, Any] = {
        "at": look.at.isoformat(),
        "since": look.since.isoformat(),
        "story": look.story,
        "broken": sorted(look.broken),
        "moved": sorted(look.moved),
        "is_disk_low": look.is_disk_low,
    }
    set_value(conn, _NAME, value)
    return True


def _read_look(found: dict[str, Any]) -> Look:
    return Look(
        at=datetime.fromisoformat(found["at"]),
        since=datetime.fromisoformat(found["since"]),
        story=StoryId(found["story"]),
        broken=frozenset(map(FeedId, found["broken"])),
        moved=frozenset(map(FeedId, found["moved"])),
        is_disk_low=bool(found["is_disk_low"]),
    )


def find_last_story(conn: Connection) -> StoryId:
    """The newest there is. Stories come one transaction after the other, so that none with a lower id comes later."""
    return StoryId(conn.execute(sa.select(sa.func.max(stories.c.id))).scalar() or 0)


def find_begun(conn: Connection, *, after: StoryId, until: StoryId, since: datetime) -> tuple[StoryId, ...]:
    """Stories of (after, until] that begin now, oldest first.

    Such a one has an entry that is shown, no older than ``since``, and neither of a feed's first import nor held back.
    """
    begins = (
        sa.exists()
        .where(
            entries.c.story_id == stories.c.id,
            entries.c.feed_id == feeds.c.id,
            entries.c.hidden.is_(False),
            entries.c.backlog.is_(False),
            entries.c.effective_at >= since,
            entries.c.first_seen_at > feeds.c.first_imported_at,
        )
        .correlate(stories)
    )
    query = sa.select(stories.c.id).where(
        stories.c.id > after, stories.c.id <= until, stories.c.merged_into.is_(None), begins
    )
    return tuple(StoryId(number) for number in conn.execute(query.order_by(stories.c.id)).scalars())


def find_broken(conn: Connection) -> frozenset[FeedId]:
    """Feeds that fail for long, are in quarantine, or were paused because they are gone."""
    alarm = feeds.c.alarm
    failing = sa.or_(
        alarm.startswith(FAILED, autoescape=True), alarm == RULES_FIND_NOTHING, feeds.c.strikes >= MAX_STRIKES
    )
    gone = feeds.c.paused_reason.startswith(GONE, autoescape=True)
    return _find_feeds(conn, sa.or_(sa.and_(feeds.c.state == "active", failing), gone))


def find_moved(conn: Connection) -> frozenset[FeedId]:
    """Feeds that have moved for good, or are lost and were found elsewhere: the address is not adopted yet."""
    url = feeds.c.moved_url
    return _find_feeds(conn, sa.and_(feeds.c.state == "active", url != "", url != feeds.c.url))


def _find_feeds(conn: Connection, which: sa.ColumnElement[bool]) -> frozenset[FeedId]:
    found = conn.execute(sa.select(feeds.c.id).where(feeds.c.removed_at.is_(None), which)).scalars()
    return frozenset(FeedId(number) for number in found)


def find_drafts(conn: Connection) -> tuple[IssueId, ...]:
    """Drafts that wait for an editor's word."""
    waits = (issues.c.state == "draft", issues.c.review_until.is_not(None), issues.c.approved_at.is_(None))
    return _find_issues(conn, *waits)


def find_paused(conn: Connection) -> tuple[IssueId, ...]:
    """Issues whose sending rests, not by an editor's word."""
    rests = (issues.c.state == "sending", issues.c.paused_reason != "", issues.c.paused_until.is_not(None))
    return _find_issues(conn, *rests)


def find_sent(conn: Connection, since: datetime) -> tuple[IssueId, ...]:
    """Issues that were sent to their end since then."""
    return _find_issues(conn, issues.c.state == "sent", issues.c.sent_at >= since, issues.c.reason != CANCELLED)


def _find_issues(conn: Connection, *which: sa.ColumnElement[bool]) -> tuple[IssueId, ...]:
    query = sa.select(issues.c.id).where(*which).order_by(issues.c.id)
    return tuple(IssueId(number) for number in conn.execute(query).scalars())
