"""What is told of stories and entries as JSON, by the command line and by the desk. Never reads the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId
from aggregator.model.rule import RuleDecision
from aggregator.model.story import Ruling, Story, StoryLink


def describe_story(story: Story) -> dict[str, Any]:
    """The JSON document of one story."""
    tags = {tag.slug: tag for entry in story.entries for tag in entry.tags}
    return {
        "id": story.id,
        "title": story.lead.title,
        "url": story.lead.url,
        "score": round(story.score, 3),
        "language": story.lead.language,
        "tags": [{"slug": tag.slug, "kind": tag.kind} for tag in tags.values()],
        "entries": [
            {"id": entry.id, "guid": entry.guid, "feed_url": entry.feed_url, "title": entry.title, "url": entry.url}
            for entry in story.entries
        ],
    }


def describe_reasons(story: Story) -> list[dict[str, Any]]:
    """What its score is made of."""
    return [{"name": term.name, "value": term.value, "points": term.points} for term in story.reasons]


def describe_why(story: Story, links: Mapping[EntryId, StoryLink], said: Sequence[Ruling]) -> dict[str, Any]:
    """The JSON document of what holds a story together."""
    tied = [(entry, links.get(entry.id)) for entry in story.entries]
    return {
        "entries": [
            {
                "id": entry.id,
                "title": entry.title,
                "with": link.other_id if link else None,
                "strength": round(link.strength, 3) if link else None,
                "evidence": list(link.evidence) if link else [],
            }
            for entry, link in tied
        ],
        "rulings": [{"kind": r.kind, "entry": r.entry_id, "other": r.other_id} for r in said],
    }


def describe_entry(entry: Entry) -> dict[str, Any]:
    """The JSON document of one entry."""
    return {
        "id": entry.id,
        "feed_url": entry.feed_url,
        "guid": entry.guid,
        "title": entry.title,
        "url": entry.url,
        "author": entry.author,
        "language": entry.language,
        "published_at": entry.published_at,
        "effective_at": entry.effective_at,
        "tags": [{"slug": tag.slug, "kind": tag.kind} for tag in entry.tags],
        "excerpt": entry.excerpt,
        "reading_minutes": entry.reading_minutes,
        "story_id": entry.story_id,
    }


def describe_whole_entry(entry: Entry, decided: Sequence[RuleDecision], content_html: str) -> dict[str, Any]:
    """The same with what the editor's rules made of it, and its cleaned content."""
    return describe_entry(entry) | {
        "hidden": entry.hidden,
        "weight": entry.weight,
        "section": entry.section,
        "rules": [{"rule": said.rule, "action": said.action, "value": said.value} for said in decided],
        "content_html": content_html,
    }
