"""One document of a feed of ours: which stories or entries it holds, where its neighbours lie. Never renders it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time

from aggregator.app import App
from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId
from aggregator.model.published import FeedItem, FeedPlaces, Format, PublishedFeed
from aggregator.model.settings import CombinedSettings
from aggregator.model.story import Story, get_place
from aggregator.pipeline.rank import order_stories
from aggregator.pipeline.tag import get_tags
from aggregator.render.items import make_story_item
from aggregator.storage import archives, entries, feeds, meta
from aggregator.storage.meta import Identity
from aggregator.storage.paging import Connection
from aggregator.tasks.river import find_end
from aggregator.tasks.site.feed_lists import list_above, list_below, list_found, list_window, merge
from aggregator.tasks.site.feed_scopes import FORMATS, SHARED, Listed

#: On one page of older ones: at least, at most. It ends where an entry's number is a multiple of `_ANCHOR`, if it can:
#: then most pages stay what they are, whatever comes in above them.
LEAST, MOST, _ANCHOR = 30, 60, 20
#: To fill a document of a quiet week, so many times what fits is looked at.
_LOOKED_BACK = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What one document holds, newest first."""

    stories: tuple[Story, ...]
    #: What is missing stands below this entry; None: nothing is.
    below: EntryId | None = None
    #: The page before this one begins below this entry; None: only the living document comes before it.
    above: EntryId | None = None


def build_living(app: App, listed: Listed, suffix: Format = "atom") -> PublishedFeed:
    """The document that changes: what a reader follows."""
    now = app.now()
    with app.db.read() as conn:
        chosen = choose_living(conn, listed, app.settings.combined, now)
        newest = archives.find_newest(conn, listed.key) if suffix == "atom" and listed.has_archives else ""
    places = FeedPlaces(
        next=_get_url(app, listed.get_page(chosen.below, suffix)) if chosen.below else "",
        prev_archive=_get_url(app, listed.get_archive(newest)) if newest else "",
    )
    return _build(app, listed, chosen, suffix, places=places, path=listed.get_living(suffix), is_living=True)


def build_page(app: App, listed: Listed, before: EntryId, suffix: Format = "atom") -> PublishedFeed | None:
    """What stands below entry ``before``; None when there is no such entry, or nothing below it."""
    with app.db.read() as conn:
        # A place stays one when the editor hides the entry that stood there.
        place = entries.get(conn, before, hidden="too")
        if place is None or (listed.feed is not None and place.feed_id != listed.feed.id):
            return None
        chosen = _choose_page(conn, listed, place, app.now())
    if not chosen.stories:
        return None
    living = _get_url(app, listed.get_living(suffix))
    places = FeedPlaces(
        first=living,
        previous=_get_url(app, listed.get_page(chosen.above, suffix)) if chosen.above else living,
        next=_get_url(app, listed.get_page(chosen.below, suffix)) if chosen.below else "",
    )
    return _build(app, listed, chosen, suffix, places=places, path=listed.get_page(before, suffix))


def choose_living(conn: Connection, listed: Listed, combined: CombinedSettings, now: datetime) -> Chosen:
    """All of the window, with what came before while there is room; the best ranked of it when there is none.

    Of one feed at most so many as configured, the best ranked ones. What is newest is always in, unless the editor has
    buried it: who follows the feed waits for it, and from it on older pages lead to all the rest.
    """
    if listed.searched is not None:
        return Chosen(stories=list_found(conn, listed, listed.searched, now, limit=combined.limit))
    if listed.scope.kind not in SHARED:
        found = list_below(conn, listed, None, now, limit=combined.limit + 1)
        more = len(found) > combined.limit
        return Chosen(stories=found[: combined.limit], below=found[combined.limit - 1].lead.id if more else None)
    window, place = list_window(conn, listed, now, since=now - combined.window, limit=combined.limit)
    room = _Room(limit=combined.limit, per_feed=combined.per_feed)
    room.take(story for story in window[:1] if get_place(story) >= 0)
    room.take(window if listed.is_each else order_stories(window, now))
    older: tuple[Story, ...] = ()
    more = True
    if not room.is_full:
        wanted = _LOOKED_BACK * combined.limit
        older = list_below(conn, listed, place, now, limit=wanted)
        more = len(older) == wanted
        room.take(older)
    return _order(room, merge(window, older), more=more)


def _order(room: _Room, looked_at: Sequence[Story], *, more: bool) -> Chosen:
    """By place, with the last entry above which nothing is missing. ``more``: there is more than was looked at."""
    taken = tuple(story for story in looked_at if story.lead.id in room.taken)
    whole = next((n for n, story in enumerate(looked_at) if story.lead.id not in room.taken), len(looked_at))
    if not looked_at or (whole == len(looked_at) and not more):
        return Chosen(stories=taken)
    return Chosen(stories=taken, below=looked_at[max(whole, 1) - 1].lead.id)


class _Room:
    """What has found room in a document."""

    def __init__(self, *, limit: int, per_feed: int) -> None:
        self._limit = limit
        self._per_feed = per_feed or limit
        self._by_feed: Counter[int] = Counter()
        self.taken: set[EntryId] = set()

    @property
    def is_full(self) -> bool:
        return len(self.taken) >= self._limit

    def take(self, found: Iterable[Story]) -> None:
        """In this order, while there is room."""
        for story in found:
            lead = story.lead
            if self.is_full:
                return
            if lead.id not in self.taken and self._by_feed[lead.feed_id] < self._per_feed:
                self.taken.add(lead.id)
                self._by_feed[lead.feed_id] += 1


def _choose_page(conn: Connection, listed: Listed, place: Entry, now: datetime) -> Chosen:
    found = list_below(conn, listed, place, now, limit=MOST + 1)
    end = find_end([story.lead.id for story in found], least=LEAST, most=MOST, anchor=_ANCHOR)
    above = list_above(conn, listed, place, now, limit=LEAST)
    return Chosen(
        stories=found[:end],
        below=found[end - 1].lead.id if len(found) > end else None,
        above=above[0].lead.id if above else None,
    )


def make_items(app: App, conn: Connection, found: Sequence[Story], *, own_id: str) -> tuple[FeedItem, ...]:
    """Stories as items: whole where the feed of the lead allows it, or where it has no other address than ours."""
    leads = [story.lead for story in found]
    known = get_tags(app.settings.tag_rules)
    sources = feeds.get_feeds(conn, sorted({lead.feed_id for lead in leads}))
    free = {number for number, feed in sources.items() if feed.spec.full_content}
    whole = entries.get_content_html(conn, [lead.id for lead in leads if not lead.url or lead.feed_id in free])
    return tuple(
        make_story_item(
            story,
            feed=sources.get(story.lead.feed_id),
            tags=known,
            site=app.settings.site,
            feed_id=own_id,
            templates=app.templates,
            content_html=whole.get(story.lead.id, ""),
        )
        for story in found
    )


def get_own_id(identity: Identity) -> str:
    """The id of the combined feed; all others lie below it."""
    return f"tag:{identity.authority},{identity.minted_on.isoformat()}:feed"


def get_beginning(identity: Identity) -> datetime:
    """When a feed in which there is nothing became what it is."""
    return datetime.combine(identity.minted_on, time(), UTC)


def _build(
    app: App,
    listed: Listed,
    chosen: Chosen,
    suffix: Format,
    *,
    places: FeedPlaces,
    path: str,
    is_living: bool = False,
) -> PublishedFeed:
    now = app.now()
    with app.db.read() as conn:
        identity = meta.get_identity(conn)
        items = make_items(app, conn, chosen.stories, own_id=get_own_id(identity))
    # Of what is in it, never the clock: the same content gives the same bytes and so the same ETag.
    changes = (instant for story in chosen.stories for instant in _list_changes(story, now))
    empty = describe(app, listed, identity)
    return replace(
        empty,
        self_url=_get_url(app, path),
        updated_at=max(changes, default=empty.updated_at),
        items=items,
        places=places,
        other_formats={other: _get_url(app, _swap(path, suffix, other)) for other in FORMATS if other != suffix},
        hub_url=app.settings.site.hub if is_living and is_announced(listed, suffix) else "",
    )


def describe(app: App, listed: Listed, identity: Identity) -> PublishedFeed:
    """What all documents of one feed say about it, in one that holds nothing yet."""
    site = app.settings.site
    is_spoken = listed.scope.kind == "language"
    return PublishedFeed(
        id=listed.get_id(get_own_id(identity)),
        title=listed.title,
        subtitle=site.description,
        language=listed.scope.name if is_spoken else site.language,
        author=site.author,
        self_url="",
        page_url=_get_url(app, listed.page_path),
        updated_at=get_beginning(identity),
        items=(),
        other_formats={},
        scheme=f"{site.url}/tags/",
    )


def is_announced(listed: Listed, suffix: Format) -> bool:
    """Whether the hub is told of news in it: of the combined feed in every format, of tags and languages in Atom."""
    if listed.is_asked or listed.scope.kind not in SHARED:
        return False
    return listed.scope.kind == "all" or suffix == "atom"


def _get_url(app: App, path: str) -> str:
    return f"{app.settings.site.url}{path}"


def _swap(path: str, suffix: Format, other: Format) -> str:
    stem, mark, query = path.partition("?")
    return f"{stem.removesuffix(suffix)}{other}{mark}{query}"


def _list_changes(story: Story, now: datetime) -> tuple[datetime, ...]:
    """When the story became what it is. Its members count: one that swallowed a newer story must not look older."""
    return (story.updated_at, *(entry.effective_at for entry in story.entries if entry.effective_at <= now))
