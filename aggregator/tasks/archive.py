"""Weeks that are over become archives (RFC 5005 4), which never change. Never renders them: `tasks.site` does.

What is missing is found by its absence, and each week is stored by one transaction: a job that is lost, or runs twice,
or beside another, does no harm. An archive is made anew in two cases only: readers may not see any more what it tells
of, or the site lives at another address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from aggregator.app import App
from aggregator.log import get_logger
from aggregator.storage import archives, meta
from aggregator.storage.paging import Connection
from aggregator.tasks.site.feed_archives import (
    GRACE,
    WEEK,
    build_archive,
    find_start,
    find_week_start,
    get_made_with,
    name_week,
)

log = get_logger(__name__)

#: What waits for its tags still belongs to the week in which it came: so long a week is kept open for it.
_PATIENCE = timedelta(days=3)
#: Under this name the store keeps for which revision of the content archives were last looked at.
_LOOKED_AT = "archives looked at"


def has_archives_due(app: App) -> bool:
    """Whether a week is over that has no archive yet, or the content has changed since the archives were looked at."""
    with app.db.read() as conn:
        if next(_iter_missing(conn, app.now()), None) is not None:
            return True
        return bool(archives.find_newest(conn) and meta.get_value(conn, _LOOKED_AT) != _describe(app, conn))


def close_weeks(app: App, *, is_stopping: Callable[[], bool] = lambda: False) -> int:
    """Make the archives that are missing, oldest first, and those anew that tell too much; how many."""
    with app.db.read() as conn:
        looked_at = _describe(app, conn)
        missing = tuple(_iter_missing(conn, app.now()))
        stale = archives.find_stale(conn, get_made_with(app))
    made = 0
    for week, anew in (*((week, True) for week in stale), *((week, False) for week in missing)):
        if is_stopping():
            return made
        made += _close(app, week, anew=anew)
    with app.db.write() as conn:
        meta.set_value(conn, _LOOKED_AT, looked_at)  # what has changed meanwhile is looked at once more
    return made


def _close(app: App, week: str, *, anew: bool) -> bool:
    archive = build_archive(app, week)
    with app.db.write() as conn:
        saved = archives.save(conn, archive, now=app.now(), anew=anew)
    if saved:
        log.info("archive.made_anew" if anew else "archive.closed", week=week, items=len(archive.items))
    return saved


def _describe(app: App, conn: Connection) -> str:
    return f"{meta.get_revision(conn)} {get_made_with(app)}"


def _iter_missing(conn: Connection, now: datetime) -> Iterator[str]:
    """From the week after the newest archive, or from the first one in which there was anything."""
    newest = archives.find_newest(conn)
    begun = find_start(newest) if newest else None
    if begun is not None:
        start = begun + WEEK
    else:
        first = archives.find_first_moment(conn)
        if first is None:
            return
        start = find_week_start(first)
    while start + WEEK + GRACE <= now:
        if start + WEEK + _PATIENCE > now and archives.has_waiting(conn, start, start + WEEK):
            return
        yield name_week(start)
        start += WEEK
