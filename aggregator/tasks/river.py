"""The stories of the combined window and the river of entries, put together for pages. Never renders them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from aggregator.app import App
from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId
from aggregator.model.language import UNNAMED, get_primary
from aggregator.model.shown import RiverPage, StoriesPage
from aggregator.model.story import Story
from aggregator.model.tag import Tag, TagActivity
from aggregator.pipeline.rank import order_stories
from aggregator.pipeline.tag import get_tags
from aggregator.storage import archives, entries, issues, river_pages, stories, tags
from aggregator.storage.entries import EntryQuery
from aggregator.storage.paging import lead_by
from aggregator.storage.stories import StoryQuery

#: Entries on one page of the river: at least, at most.
LEAST, MOST = 25, 40
#: A page ends at an entry whose number is a multiple of this, if it can: then most pages stay what they are, and where
#: they are, whatever comes in above them.
_ANCHOR = 15
#: A language in which nothing was told for so long has no page, unless its weeks are in the archives.
LATELY = timedelta(weeks=4)
#: Bars of a tag's chart.
WEEKS = 12
#: Of a window with more entries only so many stories are looked at, the best ranked: pages cost the same however many
#: feeds there are.
CROWDED, BEST = 3_000, 500
MENTIONED = 8
RECENT_ISSUES = 5


def build_stories_page(app: App, *, tag: Tag | None = None, language: str = "") -> StoriesPage:
    """The front page's stories in order, or those of one tag, or told in one language (BCP 47)."""
    now, combined = app.now(), app.settings.combined
    since, slug = now - combined.window, tag.slug if tag else ""
    is_front = not slug and not language
    midnight = _find_midnight(now, app.settings.site.timezone)
    known = get_tags(app.settings.tag_rules)
    query = StoryQuery(since=since, until=now, tag=slug, language=language, combined_only=True)
    with app.db.read() as conn:
        is_crowded = stories.is_crowded(conn, query, CROWDED)
        best = max(BEST, combined.limit)
        found = stories.list_best(conn, query, limit=best) if is_crowded else stories.list_stories(conn, query)
        top = river_pages.list_below(conn, _select(now, slug, language), None, limit=MOST + 1)
        if is_front and not is_crowded:
            activity = tags.count_by_day(conn, since=since, until=now, limit=MENTIONED * 4)
        else:
            activity = _count_by_day(found, since, now) if is_front else ()
        by_week = tags.count_by_week(conn, slug, until=midnight, weeks=WEEKS, now=now) if slug else ()
        recent = issues.list_issues(conn, states=issues.FROZEN, limit=RECENT_ISSUES) if is_front else ()
    river, older_id = cut_page(top)
    members = [entry for story in found for entry in story.entries]
    ordered = order_stories(found, now)[: combined.limit]
    mentioned = [TagActivity(tag=known[slug], by_day=by_day) for slug, by_day in activity if slug in known]
    return StoriesPage(
        tag=tag,
        window_start=since,
        window_end=now,
        stories=tuple(tell_in(story, language) for story in ordered) if language else ordered,
        river=river,
        entry_count=len(members),
        feed_count=len({entry.feed_id for entry in members}),
        story_count=len(found),
        mentioned=tuple(mentioned[:MENTIONED]),
        issues=recent,
        tags=known,
        language=language,
        older_id=older_id,
        languages=_count_languages(app, members) if is_front else (),
        by_week=by_week,
        weeks_end=midnight,
    )


def _count_by_day(found: Sequence[Story], since: datetime, until: datetime) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """As `tags.count_by_day`, in the stories of a window of which not all is looked at."""
    days = -((since - until) // timedelta(days=1))
    counted: dict[str, list[int]] = {}
    for entry in (entry for story in found for entry in story.entries if since <= entry.effective_at < until):
        for slug in {evidence.slug for evidence in entry.tags}:
            counted.setdefault(slug, [0] * days)[(entry.effective_at - since) // timedelta(days=1)] += 1
    ordered = sorted(counted.items(), key=lambda one: (-sum(one[1]), one[0]))
    return tuple((slug, tuple(by_day)) for slug, by_day in ordered)


def build_river_page(app: App, before_id: EntryId, *, tag: Tag | None = None, language: str = "") -> RiverPage | None:
    """What stands below entry ``before_id``; None when there is no such entry, or nothing below it."""
    query = _select(app.now(), tag.slug if tag else "", language)
    with app.db.read() as conn:
        # A place in the river stays one when the editor hides the entry that stood there.
        place = entries.get(conn, before_id, hidden="too")
        if place is None:
            return None
        river, older_id = cut_page(river_pages.list_below(conn, query, place, limit=MOST + 1))
        above = river_pages.list_above(conn, query, place, limit=MOST)
    if not river:
        return None
    return RiverPage(
        tag=tag,
        language=language,
        before_id=before_id,
        river=river,
        older_id=older_id,
        newer_id=_find_newer(above, place),
        tags=get_tags(app.settings.tag_rules),
    )


def _find_newer(above: Sequence[Entry], place: Entry) -> EntryId | None:
    """Below which entry the page begins that ends at ``place``; None: it is the first of all.

    ``above``: the next ``MOST`` entries above ``place``, newest first.
    """
    if len(above) < LEAST:
        return None
    is_first = len(above) < MOST and len(cut_page((*above, place))[0]) > len(above)
    return None if is_first else above[-LEAST].id


def cut_page(found: Sequence[Entry]) -> tuple[tuple[Entry, ...], EntryId | None]:
    """The entries of one page, and its last one's number when there are more; ``found`` holds up to ``MOST + 1``."""
    end = find_end([entry.id for entry in found], least=LEAST, most=MOST, anchor=_ANCHOR)
    return tuple(found[:end]), found[end - 1].id if len(found) > end else None


def find_end(numbers: Sequence[EntryId], *, least: int, most: int, anchor: int) -> int:
    """How many of these are on one page, which ends at a multiple of ``anchor``, if it can."""
    end = min(len(numbers), most)
    return next((count for count in range(least, end) if numbers[count - 1] % anchor == 0), end)


def tell_in(story: Story, language: str) -> Story:
    """``story`` led by the entry that leads it in ``language`` (primary tag), if it has one."""
    told = {entry.id for entry in story.entries if get_primary(entry.language) == language}
    return lead_by(story, told) or story


def _select(now: datetime, slug: str, language: str) -> EntryQuery:
    return EntryQuery(until=now, tag=slug, language=language, combined_only=True)


def _find_midnight(now: datetime, timezone: str) -> datetime:
    """When the day ends at the site's place."""
    there = now.astimezone(ZoneInfo(timezone))
    return datetime.combine(there.date() + timedelta(days=1), time(), there.tzinfo).astimezone(UTC)


def is_spoken(app: App, language: str) -> bool:
    """Whether a language (primary tag) has a page: something was told in it of late, or in a week that is over.

    Strangers may ask for what they like, and all that is stored would be read for a language that nobody writes.
    """
    now = app.now()
    lately = EntryQuery(since=now - LATELY, until=now, language=language, combined_only=True, limit=1)
    with app.db.read() as conn:
        return bool(entries.list_entries(conn, lately) or archives.find_newest(conn, f"language:{language}"))


def _count_languages(app: App, members: Iterable[Entry]) -> tuple[tuple[str, int], ...]:
    """Primary languages that have a page, most used first."""
    counted = Counter(get_primary(entry.language) for entry in members)
    named = [(code, count) for code, count in counted.items() if code not in UNNAMED and is_spoken(app, code)]
    return tuple(sorted(named, key=lambda one: (-one[1], one[0])))
