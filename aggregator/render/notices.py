"""What has happened, as an event to be told: a sentence for people, values for programs. Never stores, never sends.

Programs of others read it: of a feed's address the query stays here, which may hold the editor's own token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from aggregator.model.feed import Feed
from aggregator.model.ids import IssueId
from aggregator.model.newsletter import Issue
from aggregator.model.notice import Event, EventKind, write_instant
from aggregator.model.said import say_count
from aggregator.model.settings import Site
from aggregator.model.story import Story
from aggregator.render.links import get_public_url, get_web_url
from aggregator.render.words import cut_text, get_feed_name, get_headline, keep_legal

#: Of a story's entries so many are named.
_MOST_ENTRIES = 10
#: Characters of a title, and of a reason.
_TITLE, _REASON = 200, 500
#: What many of one kind at once are called.
_MANY: Mapping[str, str] = {
    "story.new": "new stories",
    "feed.broken": "feeds that are broken",
    "feed.moved": "feeds that have moved",
}


def tell_story(story: Story, *, site: Site, now: datetime) -> Event:
    """``story.new``."""
    lead = story.lead
    tags = {tag.slug: tag.kind for entry in story.entries for tag in entry.tags}
    return Event(
        kind="story.new",
        subject=f"story:{story.id}",
        at=now,
        text=f"New story: {_cut(get_headline(lead), _TITLE)} ({_cut(get_feed_name(lead.feed_name), _TITLE)})",
        url=f"{site.url}/stories/{story.id}",
        data={
            "id": story.id,
            "title": lead.title,
            "url": lead.url,
            "excerpt": lead.excerpt,
            "language": lead.language,
            "score": round(story.score, 3),
            "tags": [{"slug": slug, "kind": kind} for slug, kind in tags.items()],
            "entries": [
                {
                    "id": entry.id,
                    "title": entry.title,
                    "url": entry.url,
                    "feed": {"id": entry.feed_id, "title": get_feed_name(entry.feed_name)},
                    "effective_at": write_instant(entry.effective_at),
                }
                for entry in story.entries[:_MOST_ENTRIES]
            ],
        },
    )


def name_issue(kind: EventKind, issue_id: IssueId, *, now: datetime) -> str:
    """The event's subject: one that rests is told once a day."""
    return f"issue:{issue_id}" + (f":{now:%Y-%m-%d}" if kind == "issue.paused" else "")


def tell_issue(kind: EventKind, issue: Issue, *, site: Site, now: datetime, title: str) -> Event:
    """``issue.sent``, ``issue.draft`` or ``issue.paused``. ``title``: of its newsletter."""
    name = f"{title} {issue.slug}"
    reason = _cut(issue.paused_reason, _REASON)
    text = f"{name} was sent: {issue.subject}"
    if kind == "issue.draft":
        text = f"{name} waits for your word"
        if issue.review_until is not None:
            text += f" until {issue.review_until:%Y-%m-%d %H:%M} UTC"
    elif kind == "issue.paused":
        text = f"{name} rests while it is sent: {reason}"
    return Event(
        kind=kind,
        subject=name_issue(kind, issue.id, now=now),
        at=now,
        text=text,
        url=f"{site.url}/issues/{issue.newsletter}/{issue.slug}" if issue.frozen_at else "",
        data={
            "id": issue.id,
            "newsletter": issue.newsletter,
            "slug": issue.slug,
            "state": issue.state,
            "subject": issue.subject,
            "stories": issue.story_count if issue.frozen_at else None,
            "slot_at": write_instant(issue.slot_at),
            "review_until": _write(issue.review_until),
            "sent_at": _write(issue.sent_at),
            "paused_until": _write(issue.paused_until),
            "reason": reason,
            "deliveries": dict(issue.deliveries),
        },
    )


def tell_feed(kind: EventKind, feed: Feed, *, site: Site, now: datetime) -> Event:
    """``feed.broken`` or ``feed.moved``."""
    reason = _cut(feed.paused_reason or feed.alarm, _REASON)
    moved_to = _hide_query(feed.move.url) if feed.move else ""
    name = _cut(get_feed_name(feed.name), _TITLE)
    said = "The feed {} needs you: {}" if kind == "feed.broken" else "The feed {} has moved: {}"
    return Event(
        kind=kind,
        subject=f"feed:{feed.id}:{now:%Y-%m-%d}",
        at=now,
        text=said.format(name, reason or moved_to),
        url=f"{site.url}/feeds/{feed.id}",
        data={
            "id": feed.id,
            "title": name,
            "url": get_public_url(feed.spec),
            "state": feed.state,
            "reason": reason,
            "failures": feed.failures,
            "last_failure": _cut(feed.failure_reason, _REASON),
            "last_status": feed.last_status,
            "last_fetched_at": _write(feed.last_fetched_at),
            "next_due_at": write_instant(feed.next_due_at),
            "moved_to": moved_to,
        },
    )


def tell_trouble(name: str, reason: str, since: datetime, *, now: datetime) -> Event:
    """``mail.trouble``."""
    reason = _cut(reason, _REASON)
    return Event(
        kind="mail.trouble",
        subject=f"{name}:{write_instant(since)}",
        at=now,
        text=f"Something does not work: {name}: {reason}",
        data={"name": name, "reason": reason, "since": write_instant(since)},
    )


def tell_low_disk(free: int, total: int, *, now: datetime) -> Event:
    """``disk.low``."""
    return Event(
        kind="disk.low",
        subject=f"disk:{now:%Y-%m-%d}",
        at=now,
        text=f"The disk of the database is nearly full: {free // 2**20} MB are free",
        data={"free_bytes": free, "total_bytes": total},
    )


def tell_more(kind: EventKind, count: int, *, now: datetime) -> Event:
    """So many more of one kind at once: they are counted, not told one by one."""
    return Event(
        kind=kind,
        subject=f"more:{now.isoformat()}",
        at=now,
        text=f"And {count} more {_MANY[kind]} at once",
        data={"more": count},
    )


def write_alert(bodies: Sequence[Mapping[str, Any]], *, site: Site) -> tuple[str, str]:
    """Subject and text of the mail that tells of these events."""
    first = bodies[0]["text"]
    subject = first if len(bodies) == 1 else f"{say_count(len(bodies), 'alert')}: {first}"
    blocks = ["\n".join(filter(None, (body["text"], body["url"]))) for body in bodies]
    foot = f"-- \nAlerts of {site.title}, {site.url}\nWho gets them stands under alerts: in config.yaml."
    return f"[{site.title}] {_cut(subject, _TITLE)}", "\n\n".join([*blocks, foot]) + "\n"


def _cut(text: str, limit: int) -> str:
    """One line of it."""
    return cut_text(" ".join(keep_legal(text).split()), limit)


def _hide_query(url: str) -> str:
    return get_web_url(url).partition("?")[0]


def _write(at: datetime | None) -> str | None:
    return None if at is None else write_instant(at)
