"""Stories a page at a time, by the place of the entry that leads them where they are looked at. Never ranks.

Where a story is looked at (all feeds, one tag, one language) it is led by its lead, if that one belongs there, else by
the first of its entries that does. So a story stands where an entry stands, whose place never changes: no page shifts
when new ones arrive, and none is told twice. Costs the page, not what is stored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Connection  # handed on, for what tasks say about it

from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId, StoryId
from aggregator.model.story import Story
from aggregator.storage import river_pages
from aggregator.storage.engine import iter_chunks
from aggregator.storage.entries import EntryQuery, conditions
from aggregator.storage.schema import entries, entry_tags
from aggregator.storage.stories import StoryQuery
from aggregator.storage.stories import list_stories as load_stories

#: Entries that are looked at in one go: most of them lead their stories.
_LEAST_READ = 30


def list_page(
    conn: Connection, query: EntryQuery, place: Entry | None, *, limit: int, since: datetime | None = None
) -> tuple[Story, ...]:
    """The first ``limit`` stories that stand below ``place`` among the entries of ``query``, newest first; from the
    top without one. ``since``: none that stands before it.

    Each bears the entry that leads it here as its lead.
    """
    return _walk(conn, query, place, limit=limit, above=False, since=since)


def find_newer(conn: Connection, query: EntryQuery, place: Entry, *, limit: int) -> tuple[Story, ...]:
    """The ``limit`` stories that stand next above ``place``, newest first."""
    return tuple(reversed(_walk(conn, query, place, limit=limit, above=True, since=None)))


def choose_leads(conn: Connection, query: EntryQuery, found: Iterable[Story]) -> tuple[Story, ...]:
    """Each story led by the entry that leads it among those of ``query``; those that have none there are left out."""
    found = tuple(found)
    belonging = find_belonging(conn, query, {story.id for story in found})
    return tuple(led for story in found if (led := lead_by(story, belonging)) is not None)


def lead_by(story: Story, belonging: Collection[EntryId]) -> Story | None:
    """``story`` led by its lead, if it is one of ``belonging``, else by the oldest entry that is; None: it has none."""
    if story.lead.id in belonging:
        return story
    able = [entry for entry in story.entries if entry.id in belonging]
    if not able:
        return None
    lead = min(able, key=lambda entry: (entry.effective_at, entry.id))
    return replace(story, entries=(lead, *(entry for entry in story.entries if entry.id != lead.id)))


def _walk(
    conn: Connection, query: EntryQuery, place: Entry | None, *, limit: int, above: bool, since: datetime | None
) -> tuple[Story, ...]:
    """In the order of walking: away from ``place``."""
    found: list[Story] = []
    while len(found) < limit:
        wanted = max(_LEAST_READ, limit - len(found))
        if above and place is not None:
            read = river_pages.list_above(conn, query, place, limit=wanted)[::-1]
        else:
            read = river_pages.list_below(conn, query, place, limit=wanted)
        met = [entry for entry in read if since is None or entry.effective_at >= since]
        found += _tell(conn, query, met)
        if len(read) < wanted or len(met) < len(read):
            break
        place = read[-1]
    return tuple(found[:limit])


def _tell(conn: Connection, query: EntryQuery, met: Sequence[Entry]) -> list[Story]:
    """The stories that the entries of ``met`` lead here, in their order."""
    numbers = {entry.story_id for entry in met if entry.story_id is not None}
    led = choose_leads(conn, query, load_stories(conn, StoryQuery(ids=numbers)))
    by_lead = {story.lead.id: story for story in led}
    return [by_lead[entry.id] for entry in met if entry.id in by_lead]


def find_belonging(conn: Connection, query: EntryQuery, story_ids: Collection[StoryId]) -> set[EntryId]:
    """Of the entries of these stories, those that meet ``query``."""
    rest = conditions(replace(query, tag="", limit=0))
    if query.tag:
        # By its key: a list of all entries of a tag would be made for each page.
        rest.append(sa.exists().where(entry_tags.c.entry_id == entries.c.id, entry_tags.c.slug == query.tag))
    found: set[EntryId] = set()
    for some in iter_chunks(sorted(story_ids)):
        chosen = sa.select(entries.c.id).where(entries.c.story_id.in_(some), *rest)
        found.update(map(EntryId, conn.execute(chosen).scalars()))
    return found
