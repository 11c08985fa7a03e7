"""Pages that list what there is: feeds and one of them, tags, ways to follow. Never renders them itself.

The archive of issues stands next door, and so does search.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from aggregator.app import App
from aggregator.model.feed import Feed
from aggregator.model.ids import EntryId, FeedId
from aggregator.model.language import UNNAMED, get_primary
from aggregator.model.listed import (
    FeedPage,
    FeedsPage,
    FollowPage,
    LanguageCount,
    TagCount,
    TagKindPage,
    TagsOfKind,
    TagsPage,
)
from aggregator.model.tag import TagKind
from aggregator.render import lists
from aggregator.render.initials import list_leaves, sort_names
from aggregator.render.tagnames import get_name
from aggregator.render.words import get_feed_name
from aggregator.storage import entries, feed_pages, feeds, river_pages, tags
from aggregator.storage.entries import EntryQuery
from aggregator.tasks.river import is_spoken
from aggregator.tasks.site import archive, search
from aggregator.tasks.site.found import NUMBER, Page, list_tags, make_html, route

#: On one page, so that it stays readable and small.
FEEDS, ENTRIES, TAGS = 100, 30, 300
#: Of each kind on the index of tags: the most used, and how many others at most stand there, too.
TOP_TAGS, OTHER_TAGS = 24, 120
#: Bars of the chart of a feed.
WEEKS = 26
NEWEST, FOLLOW_TAGS, FOLLOW_LANGUAGES = 6, 12, 16
_KINDS: tuple[TagKind, ...] = ("org", "product", "topic")
PAGE = r"([1-9][0-9]{0,5})"


def _render_feeds(app: App, number: str = "1") -> Page | None:
    with app.db.read() as conn:
        stored = [feed for feed in feeds.list_feeds(conn) if feed.state == "active"]
    ordered = sort_names(stored, _name_feed)
    leaves = list_leaves([_name_feed(feed) for feed in ordered], FEEDS)
    at = int(number)
    if at > max(1, len(leaves)):
        return None
    page = FeedsPage(
        feeds=tuple(ordered[(at - 1) * FEEDS : at * FEEDS]),
        number=at,
        leaves=leaves,
        feed_count=len(stored),
        failing_count=sum(1 for feed in stored if feed.failures),
        language_count=len(_count_languages(stored)),
        min_interval=app.settings.fetch.min_interval,
        user_agent=app.settings.fetch.user_agent,
    )
    return make_html(lists.render_feeds(page, site=app.settings.site, templates=app.templates))


def _name_feed(feed: Feed) -> str:
    return get_feed_name(feed.name)


def _count_languages(stored: Iterable[Feed]) -> Counter[str]:
    """Primary languages of feeds."""
    claimed = (get_primary(feed.spec.language or feed.language) for feed in stored)
    return Counter(language for language in claimed if language not in UNNAMED)


def _render_feed(app: App, number: str, before: str = "") -> Page | None:
    feed_id, now = FeedId(int(number)), app.now()
    with app.db.read() as conn:
        feed = feeds.get_feeds(conn, [feed_id]).get(feed_id)
        if feed is None or feed.paused_reason == feeds.REMOVED:
            return None
        # A place in the list stays one when the editor hides the entry that stood there.
        place = entries.get(conn, EntryId(int(before)), hidden="too") if before else None
        if before and (place is None or place.feed_id != feed_id):
            return None
        query = EntryQuery(feed_id=feed_id, until=now, told_only=True)
        found = river_pages.list_below(conn, query, place, limit=ENTRIES + 1)
        newest = found if place is None else river_pages.list_below(conn, query, None, limit=1)
        page = FeedPage(
            feed=feed,
            entries=found[:ENTRIES],
            entry_count=feed_pages.count_entries(conn, feed_id),
            by_week=feed_pages.count_by_week(conn, feed_id, until=now, weeks=WEEKS) if place is None else (),
            now=now,
            before=place.id if place else None,
            has_more=len(found) > ENTRIES,
            newest_at=newest[0].effective_at if newest else None,
        )
    return make_html(lists.render_feed(page, site=app.settings.site, templates=app.templates), noindex=True)


def _render_follow(app: App) -> Page:
    known, site = list_tags(app), app.settings.site
    with app.db.read() as conn:
        newest = entries.list_entries(conn, EntryQuery(until=app.now(), limit=NEWEST, combined_only=True))
        used = tags.list_tags(conn, since=app.now() - app.settings.combined.window)
        read = [feed for feed in feeds.list_feeds(conn) if feed.state == "active"]
    spoken = [one for one in _count_languages(read).most_common(FOLLOW_LANGUAGES) if is_spoken(app, one[0])]
    page = FollowPage(
        newest=newest,
        tags=tuple(known[slug] for slug, _, _ in used if slug in known)[:FOLLOW_TAGS],
        languages=tuple(LanguageCount(language=language, feed_count=count) for language, count in spoken),
        newsletters=tuple((newsletter.slug, newsletter.title) for newsletter in app.settings.newsletters),
        feed_count=len(read),
    )
    return make_html(lists.render_follow(page, site=site, templates=app.templates))


def _render_tags(app: App) -> Page:
    language = app.settings.site.language
    kinds = []
    for kind, found in _list_used(app).items():
        others = sort_names(found[TOP_TAGS:], lambda count: get_name(count.tag, language))
        shown = tuple(others) if len(others) <= OTHER_TAGS else ()
        kinds.append(TagsOfKind(kind=kind, top=tuple(found[:TOP_TAGS]), others=shown, tag_count=len(found)))
    page = TagsPage(kinds=tuple(kinds))
    return make_html(lists.render_tags(page, site=app.settings.site, templates=app.templates))


def _render_tag_kind(app: App, kind: TagKind, number: str = "1") -> Page | None:
    site, at = app.settings.site, int(number)
    found = sort_names(_list_used(app).get(kind, ()), lambda count: get_name(count.tag, site.language))
    leaves = list_leaves([get_name(count.tag, site.language) for count in found], TAGS)
    if at > len(leaves):
        return None
    shown = tuple(found[(at - 1) * TAGS : at * TAGS])
    page = TagKindPage(kind=kind, tags=shown, tag_count=len(found), number=at, leaves=leaves)
    return make_html(lists.render_tag_kind(page, site=site, templates=app.templates))


def _list_used(app: App) -> dict[TagKind, list[TagCount]]:
    """The tags that some entry bears, by kind, most used first; no kind without any."""
    known = list_tags(app)
    with app.db.read() as conn:
        counts = tags.list_tags(conn)
    used = [TagCount(tag=known[slug], entry_count=count) for slug, _, count in counts if slug in known]
    by_kind = {kind: [count for count in used if count.tag.kind == kind] for kind in _KINDS}
    return {kind: found for kind, found in by_kind.items() if found}


ROUTES = (
    route(r"/tags/", _render_tags),
    route(r"/tags/all/(org|product|topic)", _render_tag_kind),
    route(rf"/tags/all/(org|product|topic)/{PAGE}", _render_tag_kind),
    route(r"/feeds", _render_feeds),
    route(rf"/feeds/page/{PAGE}", _render_feeds),
    route(rf"/feeds/{NUMBER}", _render_feed),
    route(rf"/feeds/{NUMBER}/before/{NUMBER}", _render_feed),
    route(r"/feed", _render_follow),
    *archive.ROUTES,
    *search.ROUTES,
)
