"""Finds what stands at an address. Never makes a page itself."""

from __future__ import annotations

from collections.abc import Iterable

from aggregator.app import App
from aggregator.render import page as pages
from aggregator.tasks.site import feeds, lists, robots, stories
from aggregator.tasks.site.found import Found, Page, Query, Route, route

_TYPES = {"css": "text/css; charset=utf-8", "svg": "image/svg+xml"}


def find_page(app: App, path: str, query: Query = ()) -> Found:
    """What stands at ``path`` (``/``, ``/feed.atom``, ``/tags/openai``...); None when there is nothing.

    ``query`` as `read_query` makes it.
    """
    for found in _ROUTES:
        if match := found.pattern.fullmatch(path):
            known = {"query": dict(query)} if found.keys else {}
            return found.make(app, *match.groups(), **known)
    return None


def read_query(path: str, pairs: Iterable[tuple[str, str]]) -> Query:
    """Of what a reader asks beside ``path``, what its route knows: sorted, the first value of each key."""
    keys = next((found.keys for found in _ROUTES if found.pattern.fullmatch(path)), frozenset())
    first: dict[str, str] = {}
    for key, value in pairs:
        if key in keys:
            first.setdefault(key, value)
    return tuple(sorted(first.items()))


def _get_asset(app: App, name: str) -> Page | None:
    body = pages.get_assets().get(name)
    if body is None:
        return None
    return Page(body=body, content_type=_TYPES[name.rpartition(".")[2]], immutable=True)


_ROUTES: tuple[Route, ...] = (
    *feeds.ROUTES,
    *stories.ROUTES,
    *lists.ROUTES,
    *robots.ROUTES,
    route(r"/static/([a-z0-9.-]+)", _get_asset),
)
