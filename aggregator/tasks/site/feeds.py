"""The feeds we publish, by their paths. Never renders them itself."""

from __future__ import annotations

from aggregator.app import App
from aggregator.render.atom import render_atom
from aggregator.tasks.site.feed_documents import build_feed
from aggregator.tasks.site.found import SLUG, Page, list_tags, route

ATOM = "application/atom+xml; charset=utf-8"


def _render_feed(app: App) -> Page:
    return Page(body=render_atom(build_feed(app)), content_type=ATOM)


def _render_tag_feed(app: App, slug: str) -> Page | None:
    tag = list_tags(app).get(slug)
    if tag is None:
        return None
    return Page(body=render_atom(build_feed(app, tag=tag)), content_type=ATOM)


ROUTES = (
    route(r"/feed\.atom", _render_feed),
    route(rf"/tags/{SLUG}\.atom", _render_tag_feed),
)
