"""How the house stands: the week in numbers, what needs a decision now, what comes next. Never changes anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from aggregator.app import App
from aggregator.model.newsletter import Issue, Newsletter
from aggregator.model.tag import Tag
from aggregator.pipeline.schedule import next_slots
from aggregator.pipeline.tag import get_tags
from aggregator.storage import feed_health, figures, issues, overview, tags
from aggregator.storage.engine import measure_size
from aggregator.tasks.disk import measure_disk

DAYS = 7
#: Tags that are shown, and of how many the last two weeks are compared.
MENTIONED, COMPARED = 12, 60
#: Languages that have a colour of their own; the rest are one.
LANGUAGES = 4
#: Feeds that stand where a decision is asked for: by trouble.
ASKED = ("gone", "quarantined", "moved", "broken", "held", "silent", "shrinking")

Kind = Literal["draft", "paused", "feeds", "notices"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mentioned:
    """A tag, how often this week day by day, and how often in the week before."""

    tag: Tag
    by_day: tuple[int, ...]
    before: int

    @property
    def total(self) -> int:
        return sum(self.by_day)

    @property
    def change(self) -> int | None:
        """In percent of the week before; None: there was nothing then."""
        return round(100 * (self.total - self.before) / self.before) if self.before else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """What takes a moment to count."""

    counted_at: datetime
    #: Beginnings of the last days in the site's zone, oldest first.
    days: tuple[datetime, ...]
    #: Language -> entries by day; under "" those of rarer languages.
    by_language: Mapping[str, tuple[int, ...]]
    mentioned: tuple[Mentioned, ...]
    #: As `storage.feed_health.count_feeds`.
    feeds: Mapping[str, int]
    #: Deliveries by state, of this week's issues.
    mails: Mapping[str, int]
    joined: int
    left: int
    database_bytes: int

    @property
    def total(self) -> int:
        return sum(sum(counts) for counts in self.by_language.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Something that waits for the editor: which kind, how many or which issue, what the matter is."""

    kind: Kind
    count: int = 1
    issue: Issue | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is asked anew for each look."""

    decisions: tuple[Decision, ...]
    next_slots: tuple[tuple[Newsletter, datetime], ...]
    next_feed_at: datetime | None
    due_feeds: int
    untagged: int
    #: Of the disk that the database's file is on; None: it is elsewhere.
    disk_free: int | None


def count_week(app: App) -> Week:
    """Some tenths of a second at a million entries: to be kept for a while."""
    now = app.now()
    zone = ZoneInfo(app.settings.site.timezone)
    today = now.astimezone(zone).date()
    days = [datetime.combine(today - timedelta(days=back), time(), zone) for back in range(DAYS - 1, -2, -1)]
    week = timedelta(days=DAYS)
    with app.db.read() as conn:
        counted = overview.count_by_language(conn, days)
        recent = tags.count_by_day(conn, since=now - week, until=now, limit=COMPARED)
        before = dict(tags.count_by_day(conn, since=now - 2 * week, until=now - week, limit=COMPARED * 2))
        joined, left = overview.count_joined_and_left(conn, now - week)
        found = feed_health.count_feeds(conn)
        mails = figures.count_deliveries(conn, now - week)
        size = measure_size(conn)
    known = get_tags(app.settings.tag_rules)
    mentioned = [
        Mentioned(tag=known[slug], by_day=by_day, before=sum(before.get(slug, ())))
        for slug, by_day in recent
        if slug in known
    ]
    return Week(
        counted_at=now,
        days=tuple(days[:-1]),
        by_language=_join_rare(counted),
        mentioned=tuple(mentioned[:MENTIONED]),
        feeds=found,
        mails=mails,
        joined=joined,
        left=left,
        database_bytes=size,
    )


def _join_rare(counted: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    named = [language for language in counted if language][:LANGUAGES]
    rest = [counts for language, counts in counted.items() if language not in named]
    found = {language: counted[language] for language in named}
    return found | ({"": tuple(map(sum, zip(*rest, strict=True)))} if rest else {})


def look(app: App, week: Week | None) -> Standing:
    """``week``: what is known of it."""
    now = app.now()
    with app.db.read() as conn:
        waiting = issues.list_issues(conn, states=("draft", "sending", "ready"))
        due = figures.find_due_feeds(conn, now)
        untagged = figures.count_untagged(conn)
        failed = overview.count_failed_notices(conn, now - timedelta(days=DAYS))
        next_feed_at = figures.find_next_feed(conn)
    # One that has a yes waits for nobody, unless it cannot be made.
    decisions = [
        Decision(kind="draft", issue=issue)
        for issue in waiting
        if issue.state == "draft" and (issue.approved_at is None or issue.reason)
    ]
    decisions += [Decision(kind="paused", issue=issue) for issue in waiting if issue.paused_reason]
    troubles = week.feeds if week else {}
    decisions += [
        Decision(kind="feeds", trouble=trouble, count=troubles[trouble]) for trouble in ASKED if troubles.get(trouble)
    ]
    if failed:
        decisions.append(Decision(kind="notices", count=failed))
    slots = [
        (newsletter, slot)
        for newsletter in app.settings.newsletters
        for slot in next_slots(newsletter.schedule, newsletter.timezone, now, 1)
    ]
    disk = measure_disk(app)
    return Standing(
        decisions=tuple(decisions),
        next_slots=tuple(sorted(slots, key=lambda one: one[1])),
        next_feed_at=next_feed_at,
        due_feeds=due.count,
        untagged=untagged,
        disk_free=disk and disk[0],
    )
