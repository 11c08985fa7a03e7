"""The feeds we publish, by their paths, in every format; and whom we read, as OPML. Never decides what is in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast

from aggregator.app import App
from aggregator.model.ids import EntryId
from aggregator.model.published import Format, PublishedFeed
from aggregator.render.atom import render_atom
from aggregator.render.items import FORMATS
from aggregator.render.jsonfeed import render_json
from aggregator.render.opml import render_opml
from aggregator.render.rss import render_rss
from aggregator.storage import feeds
from aggregator.tasks.river import is_spoken
from aggregator.tasks.site import feed_issues
from aggregator.tasks.site.feed_archives import render_archive
from aggregator.tasks.site.feed_documents import build_living, build_page
from aggregator.tasks.site.feed_scopes import Listed, find_feed, find_tag, get_combined, get_language, get_search
from aggregator.tasks.site.found import LANGUAGE, NUMBER, SLUG, Page, route

_RENDERERS: Mapping[Format, Callable[[PublishedFeed], bytes]] = {
    "atom": render_atom,
    "rss": render_rss,
    "json": render_json,
}
SUFFIX = r"\.(atom|rss|json)"
WEEK = r"([0-9]{4}-W[0-9]{2})"
#: Whoever asks for every entry says so in one of two ways.
EACH = ("entries", "stories")
_Asked = Mapping[str, str]


def _render_combined(app: App, suffix: str, *, query: _Asked) -> Page | None:
    return _render_living(app, get_combined(app, each=_wants_each(query)), suffix)


def _render_combined_page(app: App, before: str, suffix: str, *, query: _Asked) -> Page | None:
    return _render_page(app, get_combined(app, each=_wants_each(query)), before, suffix)


def _render_combined_archive(app: App, week: str) -> Page | None:
    return _render_week(app, get_combined(app), week)


def _render_tag(app: App, slug: str, suffix: str, *, query: _Asked) -> Page | None:
    return _render_living(app, find_tag(app, slug, each=_wants_each(query)), suffix)


def _render_tag_page(app: App, slug: str, before: str, suffix: str, *, query: _Asked) -> Page | None:
    return _render_page(app, find_tag(app, slug, each=_wants_each(query)), before, suffix)


def _render_tag_archive(app: App, slug: str, week: str) -> Page | None:
    return _render_week(app, find_tag(app, slug), week)


def _render_language(app: App, language: str, suffix: str, *, query: _Asked) -> Page | None:
    return _render_living(app, _find_language(app, language, query), suffix, may_be_empty=False)


def _render_language_page(app: App, language: str, before: str, suffix: str, *, query: _Asked) -> Page | None:
    return _render_page(app, _find_language(app, language, query), before, suffix)


def _render_language_archive(app: App, language: str, week: str) -> Page | None:
    return _render_week(app, get_language(app, language), week)


def _render_feed(app: App, number: str, suffix: str) -> Page | None:
    return _render_living(app, find_feed(app, number), suffix)


def _render_feed_page(app: App, number: str, before: str, suffix: str) -> Page | None:
    return _render_page(app, find_feed(app, number), before, suffix)


def _render_feed_archive(app: App, number: str, week: str) -> Page | None:
    return _render_week(app, find_feed(app, number), week)


def _render_search(app: App, suffix: str, *, query: _Asked) -> Page | None:
    return _render_living(app, get_search(app, query.get("q", ""), each=_wants_each(query)), suffix)


def _render_issues(app: App, newsletter: str, suffix: str) -> Page | None:
    feed = feed_issues.build_issues(app, newsletter, cast(Format, suffix))
    return replace(_make_page(feed, suffix, f"/issues/{newsletter}"), noindex=False) if feed else None


def _render_opml(app: App) -> Page:
    with app.db.read() as conn:
        read = [feed for feed in feeds.list_feeds(conn) if feed.state == "active"]
    return Page(body=render_opml(read, site=app.settings.site), content_type="text/x-opml; charset=utf-8")


def _find_language(app: App, language: str, query: _Asked) -> Listed | None:
    return get_language(app, language, each=_wants_each(query)) if is_spoken(app, language) else None


def _wants_each(query: _Asked) -> bool:
    return query.get("entries") == "1" or query.get("stories") == "0"


def _render_living(app: App, listed: Listed | None, suffix: str, *, may_be_empty: bool = True) -> Page | None:
    if listed is None:
        return None
    feed = build_living(app, listed, cast(Format, suffix))
    return _make_page(feed, suffix, listed.view_path) if feed.items or may_be_empty else None


def _render_page(app: App, listed: Listed | None, before: str, suffix: str) -> Page | None:
    feed = listed and build_page(app, listed, EntryId(int(before)), cast(Format, suffix))
    return _make_page(feed, suffix, f"{listed.stem}/before/{before}") if listed and feed else None


def _render_week(app: App, listed: Listed | None, week: str) -> Page | None:
    body = listed and render_archive(app, listed, week)
    return _wrap(body, "atom", listed.view_path) if listed and body else None


def _make_page(feed: PublishedFeed, suffix: str, view_path: str) -> Page:
    known = cast(Format, suffix)
    return _wrap(_RENDERERS[known](feed), known, view_path)


def _wrap(body: bytes, suffix: Format, view_path: str) -> Page:
    return Page(body=body, content_type=f"{FORMATS[suffix]}; charset=utf-8", noindex=True, view_path=view_path)


ROUTES = (
    route(rf"/feed{SUFFIX}", _render_combined, *EACH),
    route(rf"/before/{NUMBER}{SUFFIX}", _render_combined_page, *EACH),
    route(rf"/archive/{WEEK}\.atom", _render_combined_archive),
    route(rf"/tags/{SLUG}/before/{NUMBER}{SUFFIX}", _render_tag_page, *EACH),
    route(rf"/tags/{SLUG}/archive/{WEEK}\.atom", _render_tag_archive),
    route(rf"/tags/{SLUG}{SUFFIX}", _render_tag, *EACH),
    route(rf"/lang/{LANGUAGE}{SUFFIX}", _render_language, *EACH),
    route(rf"/lang/{LANGUAGE}/before/{NUMBER}{SUFFIX}", _render_language_page, *EACH),
    route(rf"/lang/{LANGUAGE}/archive/{WEEK}\.atom", _render_language_archive),
    route(rf"/feeds/{NUMBER}{SUFFIX}", _render_feed),
    route(rf"/feeds/{NUMBER}/before/{NUMBER}{SUFFIX}", _render_feed_page),
    route(rf"/feeds/{NUMBER}/archive/{WEEK}\.atom", _render_feed_archive),
    route(rf"/search{SUFFIX}", _render_search, "q", *EACH),
    route(rf"/issues/([a-z0-9-]{{1,100}}){SUFFIX}", _render_issues),
    route(r"/feeds\.opml", _render_opml),
)
