"""``/robots.txt`` (RFC 9309): what search engines need not ask for. Never keeps them from a page that says `noindex`:
they must read that to obey it.
"""

from __future__ import annotations

from aggregator.app import App
from aggregator.render.links import get_root
from aggregator.tasks.site.found import Page, route

#: Without end, or for one person each.
_NOT_ASKED = ("/search", "/confirm/", "/preferences/", "/unsubscribe/", "/websub/", "/admin/")


def _render_robots(app: App) -> Page:
    root = get_root(app.settings.site)
    lines = ["User-agent: *", *(f"Disallow: {root}{path}" for path in _NOT_ASKED)]
    return Page(body="".join(f"{line}\n" for line in lines).encode(), content_type="text/plain; charset=utf-8")


ROUTES = (route(r"/robots\.txt", _render_robots),)
