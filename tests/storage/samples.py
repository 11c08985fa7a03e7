"""Values to store, with everything that a test does not care about filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from aggregator.model.entry import CleanEntry, EntryChange
from aggregator.model.feed import FeedSpec
from aggregator.model.ids import EntryId, FeedId, IssueId, StoryId
from aggregator.model.newsletter import IssueItem, PlannedSlot, RenderedIssue
from aggregator.model.parsed import ParsedEntry
from aggregator.model.story import GroupedStory
from aggregator.model.subscriber import NewSubscriber
from aggregator.model.tag import TagEvidence, TagKind
from aggregator.storage import changes, entries, feeds, issues, meta, stories, subscribers

NOW = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
RENDERED = RenderedIssue(
    subject="AI Weekly 10",
    preheader="Zwölf Meldungen",
    mail_html="<p>新しい</p>",
    mail_text="新しい",
    web_html="<p></p>",
)


def make_tag(slug: str, kind: TagKind = "org") -> TagEvidence:
    return TagEvidence(slug=slug, kind=kind, field="title", found=slug.title(), rule="alias", count=2)


def make_entry(key: str, **changes: Any) -> CleanEntry:
    values: dict[str, Any] = {
        "key": key,
        "content_hash": "first",
        "guid": "",
        "url": f"https://a.example/{key}",
        "canonical_url": f"https://a.example/{key}",
        "title": f"Title of {key}",
        "author": "",
        "language": "en",
        "content_html": f"<p>{key}</p>",
        "excerpt": "",
        "reading_minutes": 3,
        "published_at": None,
        "updated_at": None,
        "categories": (),
        "enclosures": (),
        "parsed": ParsedEntry(id=key, title=key),
        "policy_version": 1,
    }
    return CleanEntry(**(values | changes))


def ensure_feed(conn: Connection, url: str = "https://a.example/feed", **changes: Any) -> FeedId:
    return feeds.add(conn, FeedSpec(url=url, origin="added", **changes), NOW)


def ensure_identity(conn: Connection) -> meta.Identity:
    return meta.ensure_identity(conn, site_url="https://news.example.org", now=NOW)


def save_entries(
    conn: Connection,
    *made: CleanEntry,
    feed_id: FeedId | None = None,
    at: datetime = NOW,
    backlog: bool = False,
    tags: Mapping[str, Sequence[str]] | None = None,
) -> tuple[EntryId, ...]:
    """Store new entries, each a minute older than the one before; their ids in the order given. ``tags``: by key."""
    feed_id = ensure_feed(conn) if feed_id is None else feed_id
    wanted = [
        EntryChange(feed_id=feed_id, entry_id=None, entry=entry, effective_at=at - position * MINUTE, backlog=backlog)
        for position, entry in enumerate(made)
    ]
    entries.save(conn, wanted, now=NOW, identity=ensure_identity(conn))
    known = entries.find_known(conn, feed_id, [entry.key for entry in made])
    tag_entries(conn, {known[key][0]: slugs for key, slugs in (tags or {}).items()})
    return tuple(known[entry.key][0] for entry in made)


def tag_entries(conn: Connection, tags: Mapping[EntryId, Sequence[str]]) -> None:
    changes.save_tags(conn, {entry_id: [make_tag(slug) for slug in slugs] for entry_id, slugs in tags.items()})


def save_story(conn: Connection, *entry_ids: EntryId, story_id: StoryId | None = None) -> StoryId:
    """Put entries into one story, the first as its lead."""
    group = GroupedStory(story_id=story_id, entry_ids=entry_ids)
    (touched,) = stories.save_groups(conn, [group], now=NOW, identity=ensure_identity(conn))
    return touched


def make_slot(slug: str = "2026-W10", *, at: datetime = NOW, **changes: Any) -> PlannedSlot:
    values = {"slot_at": at, "slug": slug, "window_start": at - 7 * DAY, "window_end": at, "state": "draft"}
    return PlannedSlot(**(values | changes))  # type: ignore[arg-type]


def add_draft(conn: Connection, slug: str = "2026-W10", *, newsletter: str = "weekly", at: datetime = NOW) -> IssueId:
    issues.add_slots(conn, newsletter, [make_slot(slug, at=at)], now=NOW)
    issue = issues.get(conn, newsletter, slug)
    assert issue is not None
    return issue.id


def subscribe(conn: Connection, *emails: str, newsletter: str = "weekly") -> None:
    for email in emails:
        new = NewSubscriber(email=email, newsletter=newsletter)
        assert subscribers.add(conn, new, consent="said so", now=NOW)


def add_sending(conn: Connection, *emails: str, items: Sequence[IssueItem] = ()) -> IssueId:
    """An issue that is being sent to these new people."""
    subscribe(conn, *emails)
    issue_id = add_draft(conn)
    assert issues.freeze(conn, issue_id, RENDERED, items, now=NOW)
    assert issues.mark_sending(conn, issue_id, now=NOW)
    return issue_id
