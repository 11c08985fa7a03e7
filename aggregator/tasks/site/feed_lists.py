"""Stories, or single entries as such, of one of our feeds, by their places. Never chooses among them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from aggregator.model.entry import Entry
from aggregator.model.ids import StoryId
from aggregator.model.search import SearchQuery
from aggregator.model.story import Story
from aggregator.storage import entries, paging, river_pages, stories
from aggregator.storage.entries import EntryQuery
from aggregator.storage.paging import Connection
from aggregator.storage.search import search
from aggregator.storage.stories import StoryQuery
from aggregator.tasks import river
from aggregator.tasks.site.feed_scopes import Listed

#: Of a window, so many stories at most are looked at, the newest ones.
_MOST_OF_WINDOW = 5_000


def list_below(
    conn: Connection, listed: Listed, place: Entry | None, now: datetime, *, limit: int
) -> tuple[Story, ...]:
    """The first ``limit`` below ``place``, newest first; from the top without one."""
    query = listed.get_entries(now)
    if not listed.is_each:
        return paging.list_page(conn, query, place, limit=limit)
    return _stand_alone(river_pages.list_below(conn, query, place, limit=limit), now)


def list_above(conn: Connection, listed: Listed, place: Entry, now: datetime, *, limit: int) -> tuple[Story, ...]:
    """The ``limit`` that stand next above ``place``, newest first."""
    query = listed.get_entries(now)
    if not listed.is_each:
        return paging.find_newer(conn, query, place, limit=limit)
    return _stand_alone(river_pages.list_above(conn, query, place, limit=limit), now)


def list_window(
    conn: Connection, listed: Listed, now: datetime, *, since: datetime, limit: int
) -> tuple[tuple[Story, ...], Entry | None]:
    """All that stand at ``since`` or above, newest first; where they are too many, as many of the newest as never
    find room all (``limit``), and the best ranked. Also the last place above which none is left out."""
    query = listed.get_entries(now)
    if not listed.is_each:
        window = StoryQuery(
            since=since, until=query.until, tag=query.tag, language=query.language, combined_only=query.combined_only
        )
        if not stories.is_crowded(conn, window, river.CROWDED):
            found = paging.list_page(conn, query, None, limit=_MOST_OF_WINDOW, since=since)
            return found, found[-1].lead if found else None
        newest = paging.list_page(conn, query, None, limit=limit + 1, since=since)
        best = paging.choose_leads(conn, query, stories.list_best(conn, window, limit=max(river.BEST, limit)))
        found = merge(newest, (story for story in best if story.lead.effective_at >= since))
        return found, newest[-1].lead if newest else None
    each = list_below(conn, listed, None, now, limit=_MOST_OF_WINDOW)
    found = tuple(story for story in each if story.lead.effective_at >= since)
    return found, found[-1].lead if found else None


def merge(*parts: Iterable[Story]) -> tuple[Story, ...]:
    """All of them once, newest first."""
    found = {story.lead.id: story for part in parts for story in part}
    return tuple(sorted(found.values(), key=lambda story: (story.lead.effective_at, story.lead.id), reverse=True))


def list_found(conn: Connection, listed: Listed, asked: SearchQuery, now: datetime, *, limit: int) -> tuple[Story, ...]:
    """What a search finds, newest first; a story by the newest of its entries that was found."""
    ids = search(conn, asked, limit=limit, until=now).ids
    found = entries.list_entries(conn, EntryQuery(ids=ids))
    if listed.is_each:
        return _stand_alone(found, now)
    told = {entry.story_id: entry for entry in reversed(found) if entry.story_id is not None}
    loaded = stories.list_stories(conn, StoryQuery(ids=tuple(told)))
    led = [story for one in loaded if (story := paging.lead_by(one, {told[one.id].id})) is not None]
    return tuple(sorted(led, key=lambda story: (story.lead.effective_at, story.lead.id), reverse=True))


def _stand_alone(found: Iterable[Entry], now: datetime) -> tuple[Story, ...]:
    return tuple(stand_alone(entry, now) for entry in found)


def stand_alone(entry: Entry, now: datetime) -> Story:
    """An entry as a story of its own, under its own id."""
    claimed = entry.updated_at
    return Story(
        id=entry.story_id or StoryId(0),
        atom_id=entry.atom_id,
        # A claim of the future, or of a time before the entry was there, is none.
        updated_at=claimed if claimed and entry.effective_at < claimed <= now else entry.effective_at,
        score=0.0,
        reasons=(),
        entries=(entry,),
    )
