"""Looks for what has happened that others are told of, and writes a row for each of them. Never tells anybody.

The store is looked at, not those who change it: so nothing that happens waits for an alert, and what happened while
nobody looked is found afterwards. Of one kind at most `MOST` are told one by one in one look, the rest is counted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from aggregator.app import App
from aggregator.log import get_logger
from aggregator.model.ids import FeedId, IssueId, StoryId
from aggregator.model.notice import Event, EventKind
from aggregator.render import notices as say
from aggregator.storage import feeds, issues, notable, notices, stories, troubles
from aggregator.storage.notable import Connection, Look
from aggregator.storage.stories import StoryQuery
from aggregator.tasks.deliver import RESTS
from aggregator.tasks.disk import measure_disk

log = get_logger(__name__)

#: So often the store is looked at.
EVERY = timedelta(minutes=1)
MOST = 20
#: A story that is older is no news any more; an issue that was sent before is told to nobody.
FRESH, RECENT = timedelta(days=1), timedelta(days=3)
#: Bytes: less is too little, and more than the second is enough again.
LOW, ENOUGH = 2**30, 2**30 * 5 // 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    look: Look
    events: tuple[Event, ...]


def is_look_due(conn: Connection, app: App) -> bool:
    """Whether it is time to look again."""
    look = notable.get_look(conn)
    return look is None or not timedelta(0) <= app.now() - look.at < EVERY


def look_around(app: App) -> int:
    """Note what has happened since the last look, for all who are told of it; how many rows that are."""
    with app.db.read() as conn:
        if not is_look_due(conn, app):
            return 0
        gone = notices.list_gone(conn)
        before = notable.get_look(conn)
        found = _look(conn, app, before)
    targets = app.settings.alerts.targets
    with app.db.write() as conn:
        if not notable.save_look(conn, found.look, before=before):
            return 0  # another process has looked meanwhile
        told = {target: kinds for target, kinds in targets.items() if target not in gone}
        noted = notices.note(conn, found.events, told, now=app.now())
    if noted:
        log.info("events.noted", events=len(found.events), notices=noted)
    return noted


def _look(conn: Connection, app: App, before: Look | None) -> _Found:
    now, newest = app.now(), notable.find_last_story(conn)
    before = before or Look(at=now, since=now, story=newest)
    disk = measure_disk(app)
    is_low = disk is not None and disk[0] < (ENOUGH if before.is_disk_low else LOW)
    look = replace(
        before,
        at=now,
        story=newest,
        broken=notable.find_broken(conn),
        moved=notable.find_moved(conn),
        is_disk_low=is_low,
    )
    events = [
        *_find_stories(conn, app, before.story, newest),
        *_find_issues(conn, app, before),
        *_find_feeds(conn, app, "feed.broken", look.broken - before.broken),
        *_find_feeds(conn, app, "feed.moved", look.moved - before.moved),
        *_find_troubles(conn, app),
    ]
    if disk is not None and is_low and not before.is_disk_low:
        events.append(say.tell_low_disk(*disk, now=now))
    return _Found(look=look, events=tuple(events))


def _find_stories(conn: Connection, app: App, after: StoryId, until: StoryId) -> Iterator[Event]:
    now = app.now()
    begun = notable.find_begun(conn, after=after, until=until, since=now - FRESH)
    told = stories.list_stories(conn, StoryQuery(ids=begun[:MOST])) if begun else ()
    yield from (say.tell_story(story, site=app.settings.site, now=now) for story in reversed(told))
    yield from _count_rest(app, "story.new", begun)


def _find_issues(conn: Connection, app: App, before: Look) -> Iterator[Event]:
    now = app.now()
    found: tuple[tuple[EventKind, tuple[IssueId, ...]], ...] = (
        ("issue.sent", notable.find_sent(conn, max(before.since, now - RECENT))),
        ("issue.draft", notable.find_drafts(conn)),
        ("issue.paused", notable.find_paused(conn)),
    )
    titles = {newsletter.slug: newsletter.title for newsletter in app.settings.newsletters}
    targets = app.settings.alerts.targets
    for kind, ids in found:
        subjects = {say.name_issue(kind, issue_id, now=now): issue_id for issue_id in ids[-MOST:]}
        for subject in subjects.keys() - notices.find_told(conn, kind, subjects, targets):
            issue = issues.get_by_id(conn, subjects[subject])
            if issue is not None:
                title = titles.get(issue.newsletter, issue.newsletter)
                yield say.tell_issue(kind, issue, site=app.settings.site, now=now, title=title)


def _find_feeds(conn: Connection, app: App, kind: EventKind, ids: Collection[FeedId]) -> Iterator[Event]:
    ordered = sorted(ids)
    stored = feeds.get_feeds(conn, ordered[:MOST])
    yield from (say.tell_feed(kind, feed, site=app.settings.site, now=app.now()) for feed in stored.values())
    yield from _count_rest(app, kind, ordered)


def _count_rest(app: App, kind: EventKind, ids: Sequence[int]) -> Iterator[Event]:
    if len(ids) > MOST:
        yield say.tell_more(kind, len(ids) - MOST, now=app.now())


def _find_troubles(conn: Connection, app: App) -> Iterator[Event]:
    """But for issues that rest, which have an event of their own."""
    for trouble in troubles.list_troubles(conn):
        if not trouble.name.startswith(RESTS):
            yield say.tell_trouble(trouble.name, trouble.reason, trouble.since, now=app.now())
