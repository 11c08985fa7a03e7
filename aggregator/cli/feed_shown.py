"""How one feed is shown, to people and as JSON. Never changes it, never shows its headers: they hold secrets."""

from __future__ import annotations

from typing import Any

from aggregator.app import App
from aggregator.cli.console import MAX_NUMBER
from aggregator.errors import NotFound
from aggregator.log import redact_url
from aggregator.model.feed import Feed, FetchLogLine
from aggregator.model.hub import Hub
from aggregator.model.ids import FeedId
from aggregator.storage import feeds
from aggregator.storage.feed_edits import BY_HAND

#: How the reasons of pauses begin that an editor asked for, here or at the desk.
_WANTED_PAUSES = (BY_HAND, feeds.GONE, feeds.REMOVED)


def find_feed(app: App, words: str) -> Feed:
    """The feed of an address or of a number, as `feeds list` shows it. Raises `NotFound`."""
    url = words
    with app.db.read() as conn:
        if words.isascii() and words.isdecimal() and int(words) <= MAX_NUMBER:
            found = feeds.get_feeds(conn, [FeedId(int(words))])
            url = next((feed.spec.url for feed in found.values()), "")
        feed = feeds.get_by_url(conn, url)
    if feed is None:
        raise NotFound(f"no feed {words} (see `aggregator feeds list`)")
    return feed


def is_problem(feed: Feed) -> bool:
    """Whether it needs the editor's eye."""
    paused = feed.state == "paused" and not feed.paused_reason.startswith(_WANTED_PAUSES)
    return bool(feed.alarm or feed.failures or feed.strikes or feed.move or feed.gone_since or paused)


def rank_problem(feed: Feed) -> tuple[bool, bool, int, str]:
    """Sorts the worst to the front: alarms (silent, shrinking), what is paused, the longest row of failures."""
    return not feed.alarm, feed.state == "active", -feed.failures, feed.name.casefold()


def describe_for_people(feed: Feed) -> dict[str, Any]:
    """The cells of a table that says the most in 80 columns."""
    state, lines = str(feed.state), [feed.name, redact_url(feed.spec.url)]
    if feed.alarm:
        lines.append(f"alarm: {feed.alarm}")
    if feed.state == "paused" and feed.paused_reason:
        lines.append(f"paused: {feed.paused_reason}")
    if feed.failures:
        state = f"failed {feed.failures}x" if feed.state == "active" else state
        lines.append(f"{feed.failure_class}: {feed.failure_reason}")
    elif feed.state == "active" and feed.last_fetched_at is None:
        state = "not read yet"
    if feed.move and feed.move.times:  # what only its site names stands in the alarm
        lines.append(f"moves to {redact_url(feed.move.url)} ({feed.move.times} answers said so)")
    due = feed.next_due_at if feed.state == "active" else None
    return {
        "id": feed.id,
        "state": state,
        "entries": feed.entry_count,
        "next due": due,
        "feed": "\n".join(dict.fromkeys(lines)),
    }


def say_hub(hub: Hub | None) -> str:
    """How a feed's subscription stands, in one sentence; empty without one."""
    if hub is None:
        return ""
    until = f" until {hub.lease_until:%Y-%m-%d %H:%MZ}" if hub.state == "live" and hub.lease_until else ""
    return f"{redact_url(hub.hub_url)} {hub.state}{until}" + (f": {hub.reason}" if hub.reason else "")


def say_log_line(line: FetchLogLine) -> str:
    """What one fetch brought, in one sentence."""
    if line.failure_class:
        return f"{line.failure_class}: {line.failure_reason}"
    if line.not_modified:
        return "not modified"
    counts = {"new": line.new, "changed": line.changed, "unchanged": line.unchanged, "rejected": line.rejected}
    brought = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "no entries"
    return "\n".join([brought, *line.warnings])
