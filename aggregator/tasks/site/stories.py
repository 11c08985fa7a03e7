"""Pages of stories and entries: the front page, one tag, one story, one entry. Never ranks or renders them itself."""

from __future__ import annotations

from aggregator.app import App
from aggregator.model.ids import EntryId, StoryId
from aggregator.model.shown import EntryPage, StoryPage
from aggregator.model.story import Story
from aggregator.render import page as pages
from aggregator.storage import entries, stories
from aggregator.tasks.river import build_stories_page
from aggregator.tasks.site.found import NUMBER, SLUG, Found, Moved, Page, list_tags, make_html, route


def _render_front(app: App) -> Page:
    page = build_stories_page(app)
    return make_html(pages.render_front(page, site=app.settings.site, templates=app.templates))


def _render_tag(app: App, slug: str) -> Page | None:
    tag = list_tags(app).get(slug)
    if tag is None:
        return None
    page = build_stories_page(app, tag=tag)
    return make_html(pages.render_tag(page, site=app.settings.site, templates=app.templates))


def _render_entry(app: App, number: str) -> Page | None:
    with app.db.read() as conn:
        entry = entries.get(conn, EntryId(int(number)))
        if entry is None:
            return None
        story = stories.get(conn, entry.story_id) if entry.story_id else None
        # Only a post without an address of its own is shown whole: the rest belongs to its publisher.
        content = "" if entry.url else entries.get_content_html(conn, [entry.id]).get(entry.id, "")
    page = EntryPage(
        entry=entry, content_html=content, story=story if isinstance(story, Story) else None, tags=list_tags(app)
    )
    return make_html(pages.render_entry(page, site=app.settings.site, templates=app.templates))


def _render_story(app: App, number: str) -> Found:
    with app.db.read() as conn:
        found = stories.get(conn, StoryId(int(number)))
    if found is None:
        return None
    if not isinstance(found, Story):
        return Moved(path=f"/stories/{found}")
    page = StoryPage(story=found, tags=list_tags(app))
    return make_html(pages.render_story(page, site=app.settings.site, templates=app.templates))


ROUTES = (
    route(r"/", _render_front),
    route(rf"/tags/{SLUG}", _render_tag),
    route(rf"/entries/{NUMBER}", _render_entry),
    route(rf"/stories/{NUMBER}", _render_story),
)
