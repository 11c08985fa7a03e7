"""Entries that are held for review: let in, or left out for good, each with its line in the log. Never shows them."""

from __future__ import annotations

from aggregator.app import App
from aggregator.errors import UsageError
from aggregator.model.account import Change
from aggregator.model.feed import Feed
from aggregator.model.ids import EntryId
from aggregator.pipeline.lifecycle import say_held
from aggregator.storage import held
from aggregator.storage.audit import Connection
from aggregator.storage.locks import lock_entries
from aggregator.tasks.desk.feeds import record_change, undo_change


def release_held(app: App, feed: Feed, *, who: str) -> tuple[int, int]:
    """They enter the combined feed, pages and mails, where their dates put them; how many, and the line in the log."""
    with app.db.write() as conn:
        ids = _list_held(conn, feed)
        held.release(conn, feed.id, alarm=say_held(len(ids)))
        return len(ids), record_change(app, conn, who, "entries.release", feed, after={"entries": len(ids)})


def leave_out_held(app: App, feed: Feed, *, who: str) -> tuple[int, int]:
    """They stay stored and are never shown; how many, and the line in the log."""
    with app.db.write() as conn:
        ids = _list_held(conn, feed)
        held.leave_out(conn, feed.id, alarm=say_held(len(ids)))
        return len(ids), record_change(app, conn, who, "entries.leave-out", feed, before={"held": list(ids)})


def _list_held(conn: Connection, feed: Feed) -> tuple[EntryId, ...]:
    """Those of now, and until this transaction ends. Raises `UsageError` when there are none."""
    lock_entries(conn)
    ids = held.list_held(conn, feed.id)
    if not ids:
        raise UsageError(f"{feed.name} has no entries that are held for review")
    return ids


def undo_leave_out(app: App, change: Change, *, who: str) -> int:
    """They wait again."""
    ids = [EntryId(number) for number in change.before["held"]]

    def put_back(conn: Connection, feed: Feed) -> None:
        held.hold_again(conn, feed.id, ids, alarm=say_held(len(ids)))

    return undo_change(app, change, who, put_back)
