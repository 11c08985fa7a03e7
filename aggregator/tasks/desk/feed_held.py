"""Entries that are held for review: let in, or left out for good, each with its line in the log. Never shows them."""

from __future__ import annotations

from aggregator.app import App
from aggregator.errors import UsageError
from aggregator.model.account import Change
from aggregator.model.feed import Feed
from aggregator.model.ids import EntryId, FeedId
from aggregator.pipeline.lifecycle import say_held
from aggregator.storage import audit, feeds, held

_NONE = "no entries of this feed are held for review"


def release_held(app: App, feed: Feed, *, who: str) -> tuple[int, int]:
    """They enter the combined feed, pages and mails, where their dates put them; how many, and the line in the log."""
    with app.db.write() as conn:
        waiting = held.list_held(conn, feed.id)
        if not held.release(conn, feed.id, alarm=say_held(len(waiting))):
            raise UsageError(_NONE)
        line = audit.record(
            conn,
            who=who,
            action="entries.release",
            subject=f"feed:{feed.id}",
            title=feed.name,
            after={"entries": len(waiting)},
            now=app.now(),
        )
    return len(waiting), line


def leave_out_held(app: App, feed: Feed, *, who: str) -> tuple[int, int]:
    """They stay stored and are never shown; how many, and the line in the log."""
    with app.db.write() as conn:
        waiting = held.list_held(conn, feed.id)
        if not held.leave_out(conn, feed.id, alarm=say_held(len(waiting))):
            raise UsageError(_NONE)
        line = audit.record(
            conn,
            who=who,
            action="entries.leave-out",
            subject=f"feed:{feed.id}",
            title=feed.name,
            before={"held": list(waiting)},
            now=app.now(),
        )
    return len(waiting), line


def undo_leave_out(app: App, change: Change, *, who: str) -> int:
    """They wait again."""
    feed_id = FeedId(int(change.subject.partition(":")[2]))
    with app.db.write() as conn:
        if feed_id not in feeds.get_feeds(conn, [feed_id]):
            raise UsageError("this feed is not there any more")
        ids = [EntryId(number) for number in change.before["held"]]
        held.hold_again(conn, feed_id, ids, alarm=say_held(len(ids)))
        line = audit.record(
            conn,
            who=who,
            action="undo",
            subject=change.subject,
            title=change.title,
            after={"change": change.id},
            now=app.now(),
        )
        if not audit.mark_undone(conn, change.id, line):
            raise UsageError("this was taken back already")
    return line
