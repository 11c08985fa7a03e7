"""Every file of the static site, one after the other. Never writes one."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

from aggregator.app import App
from aggregator.render import page as pages
from aggregator.render.links import get_root
from aggregator.storage import issues, tags
from aggregator.tasks.site.found import HTML, Found, Moved, Page, list_tags
from aggregator.tasks.site.routes import find_page

#: In a page, and in HTML escaped inside a feed.
_HREF = re.compile(r"""href=(?:"|&quot;|&#34;)([^"&#?<>\s]+)""")


def iter_site(app: App) -> Iterator[tuple[str, bytes]]:
    """Every file of the static site (path below its root, bytes): style sheets first, the front page last.

    Besides the lists and all issues, whatever page of ours one of them links to, however old: no link dangles.
    """
    for name, body in pages.get_assets().items():
        yield f"static/{name}", body
    last = {path: find_page(app, path) for path in ("/feed.atom", "/")}
    seen = set(last)
    waiting = deque([*_iter_paths(app), *(link for page in last.values() for link in _find_links(app, page))])
    while waiting:
        path = waiting.popleft()
        if path in seen:
            continue
        seen.add(path)
        page = _find_readable(app, path)
        if page is not None and not page.immutable:
            waiting.extend(link for link in _find_links(app, page) if link not in seen)
            yield _file_name(path, page), page.body
    for path, found in last.items():
        if isinstance(found, Page):
            yield _file_name(path, found), found.body


def _find_readable(app: App, path: str) -> Page | None:
    """The page; where it moved, the page it moved to, for files cannot redirect (its canonical link says where)."""
    found = find_page(app, path)
    if isinstance(found, Moved):
        found = find_page(app, found.path)
    return found if isinstance(found, Page) else None


def _find_links(app: App, found: Found) -> Iterator[str]:
    """The paths of our own pages that a page or feed points to, below the site's root or in full."""
    if not isinstance(found, Page):
        return
    site = app.settings.site
    for address in _HREF.findall(found.body.decode()):
        for start in (site.url, get_root(site)):
            path = address.removeprefix(start)
            if address.startswith(start) and path.startswith("/"):
                yield path
                break


def _file_name(path: str, page: Page) -> str:
    """``/tags/openai`` -> ``tags/openai/index.html``, so that any web server finds it by its path."""
    if page.content_type != HTML:
        return path[1:]
    return f"{path.strip('/')}/index.html".lstrip("/")


def _iter_paths(app: App) -> Iterator[str]:
    yield from ("/tags/", "/feeds", "/issues/")
    with app.db.read() as conn:
        used = [slug for slug, _, _ in tags.list_tags(conn)]
        read = [(i.newsletter, i.slug) for i in issues.list_issues(conn, states=issues.FROZEN)]
        sent = issues.mailed_story_ids(conn)
    known = list_tags(app)
    yield from (f"/tags/{slug}" for slug in used if slug in known)
    yield from (f"/tags/{slug}.atom" for slug in used if slug in known)
    yield from (f"/issues/{newsletter}/{slug}" for newsletter, slug in read)
    # A mail links to stories that its page may not name.
    yield from (f"/stories/{story_id}" for story_id in sorted(sent))
