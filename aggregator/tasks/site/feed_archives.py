"""Archives by week (RFC 5005 4): what is in one, and its document. Never stores one: `tasks.archive` does.

Weeks are those of ISO 8601, in UTC. A story belongs to the week in which it was first told, a single entry to the week
in which it was first seen: so nothing is added to a week that is over, however old what comes in claims to be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from aggregator.app import App
from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId
from aggregator.model.language import get_primary
from aggregator.model.published import FeedItem, FeedPlaces, PublishedFeed
from aggregator.model.story import Story
from aggregator.render.atom import render_atom
from aggregator.storage import archives, entries, meta, paging, stories
from aggregator.storage.archives import PACKING, Archive, ArchivedItem
from aggregator.storage.entries import EntryQuery
from aggregator.storage.paging import Connection
from aggregator.storage.stories import StoryQuery
from aggregator.tasks.site.feed_documents import describe, get_own_id, make_items
from aggregator.tasks.site.feed_lists import stand_alone
from aggregator.tasks.site.feed_scopes import Listed, get_combined

WEEK = timedelta(weeks=1)
#: A claimed date may lie a day ahead: what was told in a week is there for all to see by then.
GRACE = timedelta(hours=25)
#: Of one feed, so many entries of a week: a first import may bring thousands.
_MOST_OF_FEED = 300


def name_week(at: datetime) -> str:
    """``2025-W49``."""
    year, week, _ = at.astimezone(UTC).isocalendar()
    return f"{year:04}-W{week:02}"


def find_start(week: str) -> datetime | None:
    """The Monday on which ``2025-W49`` begins; None for one that no calendar has."""
    year, number = week.split("-W")
    try:
        return datetime.combine(date.fromisocalendar(int(year), int(number), 1), time(), UTC)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """A story, or an entry as such, with the feeds in which it stands so."""

    story: Story
    scopes: tuple[str, ...]


def render_archive(app: App, listed: Listed, week: str) -> bytes | None:
    """Atom; None when there is nothing of that week.

    Of the combined feed a week that is not over yet, or not closed, is there too: without the mark of an archive.
    """
    start = find_start(week)
    if start is None or not listed.has_archives:
        return None
    with app.db.read() as conn:
        if listed.scope.kind == "all":
            document = archives.get_document(conn, week)
            if document is not None:
                return document
            first = archives.find_first_moment(conn)
            if first is None or not find_week_start(first) <= start <= app.now():
                return None
            told = [one.story for one in _list_told(app, conn, start, of_feeds=False) if "all" in one.scopes]
            items = make_items(app, conn, told, own_id=get_own_id(meta.get_identity(conn)))
            return render_atom(_build(app, conn, listed, week, items))
        items = archives.list_items(conn, week, listed.key)
        return render_atom(_build(app, conn, listed, week, items, is_closed=True)) if items else None


def find_week_start(at: datetime) -> datetime:
    """The beginning of the Monday before, or of this one, in UTC."""
    day = at.astimezone(UTC).date()
    return datetime.combine(day - timedelta(days=day.weekday()), time(), UTC)


def get_made_with(app: App) -> str:
    """Part of an archive's bytes: where the site lives."""
    return f"{PACKING} {app.settings.site.url}"


def build_archive(app: App, week: str) -> Archive:
    """Everything of one week, to be stored."""
    start = find_start(week)
    assert start is not None  # of our own making
    listed = get_combined(app)
    with app.db.read() as conn:
        told = _list_told(app, conn, start)
        items = make_items(app, conn, [one.story for one in told], own_id=get_own_id(meta.get_identity(conn)))
        kept = tuple(ArchivedItem(item=item, scopes=one.scopes) for item, one in zip(items, told, strict=True))
        combined = tuple(one.item for one in kept if "all" in one.scopes)
        document = render_atom(_build(app, conn, listed, week, combined, is_closed=True))
    return Archive(
        week=week,
        made_with=get_made_with(app),
        document=document,
        items=kept,
        entry_ids=frozenset(entry.id for one in told for entry in one.story.entries),
    )


def _build(
    app: App, conn: Connection, listed: Listed, week: str, items: Sequence[FeedItem], *, is_closed: bool = False
) -> PublishedFeed:
    url, start = app.settings.site.url, find_start(week)
    assert start is not None  # looked at before
    before = archives.find_before(conn, week, listed.key)
    # The weeks of the combined feed follow each other without a gap; what another feed's next will be, nobody knows.
    has_next = listed.scope.kind == "all" and start + WEEK <= app.now()
    places = FeedPlaces(
        current=f"{url}{listed.get_living('atom')}",
        prev_archive=f"{url}{listed.get_archive(before)}" if before else "",
        next_archive=f"{url}{listed.get_archive(name_week(start + WEEK))}" if has_next else "",
    )
    return replace(
        describe(app, listed, meta.get_identity(conn)),
        self_url=f"{url}{listed.get_archive(week)}",
        updated_at=max((item.updated_at for item in items), default=start),
        items=tuple(items),
        places=places,
        is_archive=is_closed,
    )


def _list_told(app: App, conn: Connection, start: datetime, *, of_feeds: bool = True) -> tuple[_Told, ...]:
    """All that a week has told, newest first by the place of what leads it; the entries of each feed ``of_feeds``."""
    by_default = app.settings.combined.one_per_story
    told = [*_list_entries(app, conn, start, is_each=not by_default, of_feeds=of_feeds)]
    if by_default:
        found = stories.list_stories(conn, StoryQuery(ids=archives.list_story_ids(conn, start, start + WEEK)))
        belonging = paging.find_belonging(conn, EntryQuery(combined_only=True), {story.id for story in found})
        told += (one for story in found for one in _split(story, belonging))
    return tuple(sorted(told, key=lambda one: (one.story.lead.effective_at, one.story.lead.id), reverse=True))


def _split(story: Story, belonging: Collection[EntryId]) -> Iterator[_Told]:
    """A story once for each entry that leads it in some feed."""
    by_scope: dict[str, set[EntryId]] = {}
    for entry in story.entries:
        if entry.id in belonging:
            for scope in _list_scopes(entry):
                by_scope.setdefault(scope, set()).add(entry.id)
    led: dict[EntryId, Story] = {}
    scopes: dict[EntryId, list[str]] = {}
    for scope, members in by_scope.items():
        if (one := paging.lead_by(story, members)) is not None:
            led[one.lead.id] = one
            scopes.setdefault(one.lead.id, []).append(scope)
    yield from (_Told(story=one, scopes=tuple(scopes[number])) for number, one in led.items())


def _list_scopes(entry: Entry) -> Iterator[str]:
    yield "all"
    yield from dict.fromkeys(f"tag:{evidence.slug}" for evidence in entry.tags)
    yield f"language:{get_primary(entry.language)}"


def _list_entries(app: App, conn: Connection, start: datetime, *, is_each: bool, of_feeds: bool) -> Iterator[_Told]:
    """Entries as such: where every entry is told, those of all feeds; and ``of_feeds`` those of each."""
    free: set[EntryId] = set()
    of_feed: set[EntryId] = set()
    counts: Counter[int] = Counter()
    for entry_id, feed_id, is_free in archives.list_seen(conn, start, start + WEEK):
        counts[feed_id] += 1
        if is_each and is_free:
            free.add(entry_id)
        if of_feeds and counts[feed_id] <= _MOST_OF_FEED:
            of_feed.add(entry_id)
    for entry in entries.list_entries(conn, EntryQuery(ids=free | of_feed)):
        scopes = list(_list_scopes(entry)) if entry.id in free else []
        if entry.id in of_feed:
            scopes.append(f"feed:{entry.feed_id}")
        yield _Told(story=stand_alone(entry, app.now()), scopes=tuple(scopes))
