"""Pages of stories and entries: front page, one tag, one language, older ones, one story. Never renders them itself."""

from __future__ import annotations

from aggregator.app import App
from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId, StoryId
from aggregator.model.language import get_primary
from aggregator.model.shown import EntryPage, StoryPage
from aggregator.model.story import Story
from aggregator.model.tag import Tag
from aggregator.pipeline.coverage import compare_reports
from aggregator.pipeline.excerpt import list_sentences
from aggregator.pipeline.htmltext import html_to_text
from aggregator.pipeline.tag import find_tags
from aggregator.render import page as pages
from aggregator.storage import entries, feeds, stories
from aggregator.tasks.river import build_river_page, build_stories_page, is_spoken
from aggregator.tasks.site.found import LANGUAGE, NUMBER, SLUG, Found, Moved, Page, list_tags, make_html, route

#: Of one story so many entries are quoted, from the beginning of their texts, in characters of HTML.
QUOTED, _MAX_TEXT = 24, 40_000


def _render_front(app: App) -> Page:
    page = build_stories_page(app)
    return make_html(pages.render_front(page, site=app.settings.site, templates=app.templates))


def _render_tag(app: App, slug: str) -> Page | None:
    tag = list_tags(app).get(slug)
    if tag is None:
        return None
    page = build_stories_page(app, tag=tag)
    return make_html(pages.render_tag(page, site=app.settings.site, templates=app.templates))


def _render_language(app: App, language: str) -> Page | None:
    if not is_spoken(app, language):
        return None
    page = build_stories_page(app, language=language)
    return make_html(pages.render_language(page, site=app.settings.site, templates=app.templates))


def _render_older(app: App, number: str) -> Page | None:
    return _render_river(app, number)


def _render_older_of_tag(app: App, slug: str, number: str) -> Page | None:
    tag = list_tags(app).get(slug)
    return _render_river(app, number, tag=tag) if tag else None


def _render_older_of_language(app: App, language: str, number: str) -> Page | None:
    return _render_river(app, number, language=language) if is_spoken(app, language) else None


def _render_river(app: App, number: str, *, tag: Tag | None = None, language: str = "") -> Page | None:
    page = build_river_page(app, EntryId(int(number)), tag=tag, language=language)
    if page is None:
        return None
    return make_html(pages.render_river(page, site=app.settings.site, templates=app.templates), noindex=True)


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
    text = pages.render_entry(page, site=app.settings.site, templates=app.templates)
    return make_html(text, noindex=bool(entry.url))


def _render_story(app: App, number: str) -> Found:
    with app.db.read() as conn:
        found = stories.get(conn, StoryId(int(number)))
        if found is None:
            return None
        if not isinstance(found, Story):
            return Moved(path=f"/stories/{found}")
        quoted = found.others[:QUOTED]
        texts = entries.get_content_html(conn, [entry.id for entry in quoted])
        sources = feeds.get_feeds(conn, sorted({entry.feed_id for entry in found.entries}))
    sentences = {entry.id: _list_sentences(entry, texts.get(entry.id, "")) for entry in quoted}
    speakers = {
        entry.id: _find_speakers(app, entry, sources[entry.feed_id].spec.tags if entry.feed_id in sources else ())
        for entry in found.entries
    }
    page = StoryPage(
        story=found,
        tags=list_tags(app),
        reports=compare_reports(found, sentences, speakers),
        silent=frozenset(code for code in _list_languages(found) if not is_spoken(app, code)),
    )
    return make_html(pages.render_story(page, site=app.settings.site, templates=app.templates))


def _list_languages(story: Story) -> set[str]:
    """Primary languages of its entries."""
    return {get_primary(entry.language) for entry in story.entries}


def _list_sentences(entry: Entry, content_html: str) -> tuple[str, ...]:
    """Of the beginning of its text; of its excerpt, when that is all there is."""
    text = html_to_text(content_html[:_MAX_TEXT]) or entry.excerpt
    return list_sentences(text, entry.language, title=entry.title)


def _find_speakers(app: App, entry: Entry, feed_tags: tuple[str, ...]) -> tuple[str, ...]:
    """The companies whose own feed or site this is, whatever the text is about."""
    found = find_tags(
        title="",
        text="",
        categories=(),
        url=entry.url,
        language=entry.language,
        feed_tags=feed_tags,
        rules=app.settings.tag_rules,
    )
    return tuple(tag.slug for tag in found if tag.is_speaker)


ROUTES = (
    route(r"/", _render_front),
    route(rf"/before/{NUMBER}", _render_older),
    route(rf"/tags/{SLUG}", _render_tag),
    route(rf"/tags/{SLUG}/before/{NUMBER}", _render_older_of_tag),
    route(rf"/lang/{LANGUAGE}", _render_language),
    route(rf"/lang/{LANGUAGE}/before/{NUMBER}", _render_older_of_language),
    route(rf"/entries/{NUMBER}", _render_entry),
    route(rf"/stories/{NUMBER}", _render_story),
)
