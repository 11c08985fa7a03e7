"""A feed of ours as one document: which stories or entries it holds. Never renders it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time

from aggregator.app import App
from aggregator.model.entry import Entry
from aggregator.model.ids import StoryId
from aggregator.model.published import PublishedFeed
from aggregator.model.story import Story
from aggregator.model.tag import Tag
from aggregator.pipeline.rank import order_stories
from aggregator.pipeline.tag import get_tags
from aggregator.render.items import make_story_item
from aggregator.storage import entries, feeds, meta, stories
from aggregator.storage.entries import EntryQuery
from aggregator.storage.stories import StoryQuery


def build_feed(app: App, *, tag: Tag | None = None) -> PublishedFeed:
    """``/feed.atom`` or a tag's: stories by their lead's effective date, newest first, or every entry, as configured.

    When the window holds more stories than the feed may, the best ranked of it are taken, as on the front page.
    """
    now, site = app.now(), app.settings.site
    slug = tag.slug if tag else ""
    found = _list_stories(app, slug, now)
    with app.db.read() as conn:
        identity = meta.get_identity(conn)
        sources = feeds.get_feeds(conn, sorted({story.lead.feed_id for story in found}))
    known = get_tags(app.settings.tag_rules)
    ordered = sorted(found, key=lambda story: (story.lead.effective_at, story.id), reverse=True)
    own_id = f"tag:{identity.authority},{identity.minted_on.isoformat()}:feed"
    return PublishedFeed(
        id=f"{own_id}{f'/tags/{slug}' if slug else ''}",
        title=f"{site.title}: {tag.name}" if tag else site.title,
        subtitle=site.description,
        language=site.language,
        author=site.author,
        self_url=f"{site.url}{f'/tags/{slug}' if slug else '/feed'}.atom",
        page_url=f"{site.url}{f'/tags/{slug}' if slug else '/'}",
        # Of what is in it, never the clock: the same content gives the same bytes and so the same ETag.
        updated_at=max(
            (instant for story in ordered for instant in _list_changes(story, now)),
            default=datetime.combine(identity.minted_on, time(), UTC),
        ),
        items=tuple(
            make_story_item(
                story,
                feed=sources.get(story.lead.feed_id),
                tags=known,
                site=site,
                feed_id=own_id,
                templates=app.templates,
            )
            for story in ordered
        ),
        other_formats={},
        scheme=f"{site.url}/tags/",
    )


def _list_stories(app: App, slug: str, now: datetime) -> tuple[Story, ...]:
    """Stories, or every entry as a story of its own."""
    combined = app.settings.combined
    if combined.one_per_story:
        return _choose_stories(app, slug, now)
    query = EntryQuery(until=now, limit=combined.limit, tag=slug, combined_only=True)
    with app.db.read() as conn:
        return tuple(_stand_alone(entry, now) for entry in entries.list_entries(conn, query))


def _choose_stories(app: App, slug: str, now: datetime) -> tuple[Story, ...]:
    """All of the window, with what came before while there is room; the best ranked of it when there is none."""
    combined = app.settings.combined
    since = now - combined.window
    query = StoryQuery(until=now, limit=combined.limit, tag=slug, combined_only=True)
    with app.db.read() as conn:
        newest = stories.list_stories(conn, query)
        if len(newest) < combined.limit or not all(_is_since(story, since, now) for story in newest):
            return newest
        found = stories.list_stories(conn, replace(query, since=since, limit=0))
    return order_stories(found, now)[: combined.limit]


def _is_since(story: Story, since: datetime, now: datetime) -> bool:
    return any(since <= entry.effective_at < now for entry in story.entries)


def _list_changes(story: Story, now: datetime) -> tuple[datetime, ...]:
    """When the story became what it is. Its members count: one that swallowed a newer story must not look older."""
    return (story.updated_at, *(entry.effective_at for entry in story.entries if entry.effective_at <= now))


def _stand_alone(entry: Entry, now: datetime) -> Story:
    """An entry as a story of its own, under its own id."""
    claimed = entry.updated_at
    return Story(
        id=entry.story_id or StoryId(0),
        atom_id=entry.atom_id,
        # A claim of the future, or of a time before the entry was there, is none.
        updated_at=claimed if claimed and entry.effective_at < claimed <= now else entry.effective_at,
        score=0.0,
        reasons=(),
        entries=(entry,),
    )
