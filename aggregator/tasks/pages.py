"""Every public page and feed by its path: load -> rank -> render. The web serves one, ``publish`` all at once.
Never answers a request, never writes a file.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from aggregator.app import App
from aggregator.model.ids import EntryId, StoryId
from aggregator.model.shown import (
    EntryPage,
    FeedsPage,
    IssuePage,
    IssuesPage,
    NewsletterIssues,
    StoryPage,
    TagCount,
    TagsPage,
)
from aggregator.model.story import Story
from aggregator.model.tag import Tag
from aggregator.pipeline.tag import get_tags
from aggregator.render import page as pages
from aggregator.render.atom import render_atom
from aggregator.render.links import get_root
from aggregator.storage import entries, feeds, issues, stories, tags
from aggregator.tasks.river import build_feed, build_stories_page

HTML = "text/html; charset=utf-8"
ATOM = "application/atom+xml; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The bytes behind one path."""

    body: bytes
    content_type: str = HTML
    #: A file whose name holds its hash never changes.
    immutable: bool = False

    @property
    def etag(self) -> str:
        """Strong validator, made from the bytes alone (RFC 9110 8.8.3)."""
        return f'"{blake2b(self.body, digest_size=16).hexdigest()}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The page lives at another path for good."""

    path: str


Found = Page | Moved | None
#: In a page, and in HTML escaped inside a feed.
_HREF = re.compile(r"""href=(?:"|&quot;|&#34;)([^"&#?<>\s]+)""")
_TYPES = {"css": "text/css; charset=utf-8", "svg": "image/svg+xml"}


def find_page(app: App, path: str) -> Found:
    """The page at ``path`` (``/``, ``/feed.atom``, ``/tags/openai``...); None when there is none."""
    for pattern, make in _ROUTES:
        if match := pattern.fullmatch(path):
            return make(app, *match.groups())
    return None


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
    known = get_tags(app.settings.tag_rules)
    yield from (f"/tags/{slug}" for slug in used if slug in known)
    yield from (f"/tags/{slug}.atom" for slug in used if slug in known)
    yield from (f"/issues/{newsletter}/{slug}" for newsletter, slug in read)
    # A mail links to stories that its page may not name.
    yield from (f"/stories/{story_id}" for story_id in sorted(sent))


def _render_front(app: App) -> Page:
    page = build_stories_page(app)
    return _html(pages.render_front(page, site=app.settings.site, templates=app.templates))


def _render_tag(app: App, slug: str) -> Page | None:
    tag = get_tags(app.settings.tag_rules).get(slug)
    if tag is None:
        return None
    page = build_stories_page(app, tag=tag)
    return _html(pages.render_tag(page, site=app.settings.site, templates=app.templates))


def _render_feed(app: App) -> Page:
    return Page(body=render_atom(build_feed(app), app.settings.site), content_type=ATOM)


def _render_tag_feed(app: App, slug: str) -> Page | None:
    tag = get_tags(app.settings.tag_rules).get(slug)
    if tag is None:
        return None
    return Page(body=render_atom(build_feed(app, tag=tag), app.settings.site), content_type=ATOM)


def _render_tags(app: App) -> Page:
    known = get_tags(app.settings.tag_rules)
    with app.db.read() as conn:
        counts = tags.list_tags(conn)
    used = tuple(TagCount(tag=known[slug], entry_count=count) for slug, _, count in counts if slug in known)
    return _html(pages.render_tags(TagsPage(tags=used), site=app.settings.site, templates=app.templates))


def _render_feeds(app: App) -> Page:
    with app.db.read() as conn:
        stored = tuple(feed for feed in feeds.list_feeds(conn) if feed.state == "active")
    return _html(pages.render_feeds(FeedsPage(feeds=stored), site=app.settings.site, templates=app.templates))


def _render_entry(app: App, number: str) -> Page | None:
    with app.db.read() as conn:
        entry = entries.get(conn, EntryId(int(number)))
        if entry is None:
            return None
        story = stories.get(conn, entry.story_id) if entry.story_id else None
        # Only a post without an address of its own is shown whole: the rest belongs to its publisher.
        content = "" if entry.url else entries.get_content_html(conn, [entry.id]).get(entry.id, "")
    page = EntryPage(
        entry=entry, content_html=content, story=story if isinstance(story, Story) else None, tags=_tags(app)
    )
    return _html(pages.render_entry(page, site=app.settings.site, templates=app.templates))


def _render_story(app: App, number: str) -> Found:
    with app.db.read() as conn:
        found = stories.get(conn, StoryId(int(number)))
    if found is None:
        return None
    if not isinstance(found, Story):
        return Moved(path=f"/stories/{found}")
    page = StoryPage(story=found, tags=_tags(app))
    return _html(pages.render_story(page, site=app.settings.site, templates=app.templates))


def _render_issues(app: App) -> Page:
    with app.db.read() as conn:
        stored = issues.list_issues(conn, states=issues.FROZEN)
    lists = tuple(
        NewsletterIssues(
            slug=newsletter.slug,
            title=newsletter.title,
            issues=tuple(issue for issue in stored if issue.newsletter == newsletter.slug),
        )
        for newsletter in app.settings.newsletters
    )
    return _html(pages.render_issues(IssuesPage(newsletters=lists), site=app.settings.site, templates=app.templates))


def _render_issue(app: App, newsletter: str, slug: str) -> Page | None:
    with app.db.read() as conn:
        stored = issues.list_issues(conn, newsletter, states=issues.FROZEN)
        position = next((at for at, issue in enumerate(stored) if issue.slug == slug), None)
        if position is None:
            return None
        rendered = issues.get_rendered(conn, stored[position].id)
    if rendered is None:
        return None
    titles = {item.slug: item.title for item in app.settings.newsletters}
    page = IssuePage(
        issue=stored[position],
        newsletter_title=titles.get(newsletter, newsletter),
        web_html=rendered.web_html,
        previous=stored[position + 1] if position + 1 < len(stored) else None,
        next=stored[position - 1] if position else None,
    )
    return _html(pages.render_issue(page, site=app.settings.site, templates=app.templates))


def _get_asset(app: App, name: str) -> Page | None:
    body = pages.get_assets().get(name)
    if body is None:
        return None
    return Page(body=body, content_type=_TYPES[name.rpartition(".")[2]], immutable=True)


def _tags(app: App) -> dict[str, Tag]:
    return get_tags(app.settings.tag_rules)


def _html(text: str) -> Page:
    return Page(body=text.encode())


_SLUG = r"([a-z0-9][a-z0-9.-]{0,100})"
_ROUTES: tuple[tuple[re.Pattern[str], Callable[..., Found]], ...] = (
    (re.compile(r"/"), _render_front),
    (re.compile(r"/feed\.atom"), _render_feed),
    (re.compile(r"/tags/"), _render_tags),
    (re.compile(rf"/tags/{_SLUG}\.atom"), _render_tag_feed),
    (re.compile(rf"/tags/{_SLUG}"), _render_tag),
    (re.compile(r"/feeds"), _render_feeds),
    (re.compile(r"/issues/"), _render_issues),
    (re.compile(r"/issues/([a-z0-9-]+)/([0-9A-Za-z.-]+)"), _render_issue),
    (re.compile(r"/entries/([0-9]{1,18})"), _render_entry),
    (re.compile(r"/stories/([0-9]{1,18})"), _render_story),
    (re.compile(r"/static/([a-z0-9.-]+)"), _get_asset),
)
