"""One feed at the desk: said otherwise, moved, paused, asked now, removed; each with its line in the log and its undo.

Values of headers may be secrets: no line of the log holds one. Never fetches.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from aggregator.app import App
from aggregator.errors import NotFound, UsageError
from aggregator.model.account import Change
from aggregator.model.feed import Feed, FeedSpec, Move
from aggregator.model.feed_edit import EDITED_FIELDS, EditedField, get_field
from aggregator.model.ids import FeedId
from aggregator.pipeline.urls import is_web_url
from aggregator.storage import audit, changes, feed_edits, feeds
from aggregator.storage.audit import Connection
from aggregator.storage.locks import lock_entries, lock_stories
from aggregator.tasks.desk.undone import record_undo

#: What the audit log calls it when headers were changed: their names, never their values.
_HIDDEN = "..."
#: What decides whether a feed is read.
_COMING_AND_GOING = ("feed.add", "feed.remove", "feed.pause", "feed.resume")


def edit_feed(
    app: App,
    feed_id: FeedId,
    values: Mapping[EditedField, Any],
    taken_back: Sequence[EditedField] = (),
    *,
    who: str,
) -> int:
    """Say something in place of what was asked for; the line in the log.

    ``values``: JSON as `model.feed_edit` has them, of forms that were checked. What is the same already is no change.
    Raises `NotFound`, and `UsageError` when nothing would be other than it is.
    """
    now = app.now()
    with app.db.write() as conn:
        _lock(conn, {*values, *taken_back})
        feed = _get(conn, feed_id)
        wanted = {name: value for name, value in values.items() if value != get_field(feed.spec, name)}
        back = [name for name in taken_back if name in feed.edits]
        if not wanted and not back:
            raise UsageError("nothing is other than it was")
        feed_edits.edit(conn, feed, wanted, back, who=who, now=now)
        _ask_sooner(conn, feed, wanted, now)
        after = _get(conn, feed_id)
        names = [name for name in EDITED_FIELDS if name in wanted or name in back]
        _let_follow(conn, feed.id, names, now)
        before_, after_ = _tell(feed, names), _tell(after, names)
        return record_change(app, conn, who, "feed.edit", feed, before=before_, after=after_)


def _tell(feed: Feed, names: Sequence[EditedField]) -> dict[str, Any]:
    """For the log: what holds of each, and whether it was said here."""
    found: dict[str, Any] = {name: get_field(feed.spec, name) for name in names}
    if "headers" in found:
        found["headers"] = [[name, _HIDDEN] for name, _ in feed.spec.headers]
    return found | {"here": [name for name in names if name in feed.edits]}


def _lock(conn: Connection, names: Collection[EditedField]) -> None:
    """For `_let_follow`, before any row is written."""
    if "weight" in names:
        lock_stories(conn)
    if "tags" in names:
        lock_entries(conn)


def _let_follow(conn: Connection, feed_id: FeedId, names: Sequence[EditedField], now: datetime) -> None:
    """What was stored before is tagged, and scored, as the feed is now; by the next rounds."""
    if "tags" in names:
        changes.note_feed(conn, feed_id, now=now)
    if "weight" in names:
        changes.forget_feed_scores(conn, feed_id)


def _ask_sooner(conn: Connection, feed: Feed, wanted: Mapping[EditedField, Any], now: datetime) -> None:
    """With other headers it may answer otherwise; with a shorter interval it may be due."""
    if feed.state != "active":
        return
    if "headers" in wanted:
        feeds.put_off(conn, {feed.id: now}, reason="other headers")
    elif wanted.get("interval") is not None and feed.last_fetched_at is not None:
        due = max(now, feed.last_fetched_at + timedelta(seconds=wanted["interval"]))
        if due < feed.next_due_at:
            feeds.put_off(conn, {feed.id: due}, reason="another interval")


def undo_edit(app: App, change: Change, *, who: str) -> int:
    """What held before holds again, unless something else was said since. Raises `UsageError`."""
    names = [cast(EditedField, name) for name in change.before if name in EDITED_FIELDS]
    if "headers" in names:
        raise UsageError("the values of headers are kept in no log: they cannot be put back")

    def put_back(conn: Connection, feed: Feed) -> None:
        _lock(conn, names)
        now = _tell(feed, names)
        if any(now[name] != change.after[name] for name in names):
            raise UsageError("it was changed since")
        if not any(name in feed.edits for name in names):
            raise UsageError("the configuration itself says the same by now")
        back = [name for name in names if name not in change.before["here"]]
        values = {name: change.before[name] for name in names if name in change.before["here"]}
        feed_edits.edit(conn, feed, values, back, who=who, now=app.now())
        _let_follow(conn, feed.id, names, app.now())

    return undo_change(app, change, who, put_back)


def move_feed(app: App, feed_id: FeedId, url: str, *, who: str, action: str = "feed.move") -> int:
    """It lives at ``url`` from now on, with its entries. Raises `NotFound`, `UsageError`."""
    with app.db.write() as conn:
        feed = _get(conn, feed_id)
        _check_address(feed, url)
        if not feed_edits.move(conn, feed.id, url):
            raise UsageError(f"{url} is another feed's address")
        if feed.state == "active":
            feeds.put_off(conn, {feed.id: app.now()}, reason="another address")
        return record_change(app, conn, who, action, feed, before={"url": feed.spec.url}, after={"url": url})


def _check_address(feed: Feed, url: str) -> None:
    if not is_web_url(url):
        raise UsageError(f"{url!r} is no http:// or https:// address")
    if url == feed.spec.url:
        raise UsageError(f"{url} is where it lives already")
    if feed.spec.url.lower().startswith("https:") and not url.lower().startswith("https:"):
        raise UsageError(f"{feed.spec.url} does not move from https to http")


def undo_move(app: App, change: Change, *, who: str) -> int:
    """It lives where it lived. Raises `UsageError`."""

    def put_back(conn: Connection, feed: Feed) -> None:
        if feed.spec.url != change.after["url"]:
            raise UsageError("it has moved since")
        if not feed_edits.move(conn, feed.id, change.before["url"]):
            raise UsageError(f"{change.before['url']} is another feed's address by now")

    return undo_change(app, change, who, put_back)


def adopt_move(app: App, feed_id: FeedId, *, who: str) -> int:
    """The redirect that waits is believed. Raises `NotFound`, `UsageError`."""
    with app.db.read() as conn:
        feed = _get(conn, feed_id)
    if feed.move is None:
        raise UsageError("no other address is known")
    return move_feed(app, feed_id, feed.move.url, who=who, action="feed.adopt")


def refuse_move(app: App, feed_id: FeedId, *, who: str) -> int:
    """The redirect that waits is not believed; seen again, it is counted from the beginning."""
    with app.db.write() as conn:
        feed = _get(conn, feed_id)
        if feed.move is None:
            raise UsageError("no other address is known")
        feed_edits.forget_move(conn, feed.id)
        moved = {"url": feed.move.url, "at": feed.move.first_seen_at.isoformat(), "times": feed.move.times}
        return record_change(app, conn, who, "feed.refuse", feed, before=moved | {"alarm": feed.alarm})


def undo_refusal(app: App, change: Change, *, who: str) -> int:
    """The redirect waits again."""

    def put_back(conn: Connection, feed: Feed) -> None:
        if feed.move is not None:
            raise UsageError("it was seen again since")
        seen_at = datetime.fromisoformat(change.before["at"])
        move = Move(url=change.before["url"], first_seen_at=seen_at, times=change.before["times"])
        feed_edits.note_move(conn, feed.id, move, change.before["alarm"])

    return undo_change(app, change, who, put_back)


def pause_feed(app: App, feed_id: FeedId, reason: str, *, who: str) -> int:
    """It is asked no more until `resume_feed`. Raises `NotFound`, `UsageError`."""
    with app.db.write() as conn:
        feed = _get(conn, feed_id)
        said = f"{feed_edits.BY_HAND}{who}{reason and ': '}{reason}"
        if not feed_edits.pause(conn, feed.id, said):
            raise UsageError(f"it is paused already: {feed.paused_reason or 'no reason known'}")
        return record_change(app, conn, who, "feed.pause", feed, before={"state": "active"}, after={"reason": said})


def resume_feed(app: App, feed_id: FeedId, *, who: str) -> int:
    """It is asked again, now, as if it had never failed. Raises `NotFound`, `UsageError`."""
    with app.db.write() as conn:
        feed = _get(conn, feed_id)
        if not feeds.resume(conn, feed.id, now=app.now()):
            raise UsageError("it is not paused")
        return record_change(
            app, conn, who, "feed.resume", feed, before={"reason": feed.paused_reason}, after={"state": "active"}
        )


def undo_pause(app: App, change: Change, *, who: str) -> int:
    """It is asked again."""

    def put_back(conn: Connection, feed: Feed) -> None:
        _check_last(conn, change)
        if feed.paused_reason != change.after["reason"]:
            raise UsageError("it was changed since")
        # What it failed before stays known: nobody has tried whether it works.
        feed_edits.restore(conn, feed.id, now=app.now())

    return undo_change(app, change, who, put_back)


def undo_resume(app: App, change: Change, *, who: str) -> int:
    """It rests again, for the reason that it had."""

    def put_back(conn: Connection, feed: Feed) -> None:
        _check_last(conn, change)
        if not feed_edits.pause(conn, feed.id, change.before["reason"]):
            raise UsageError("it was changed since")

    return undo_change(app, change, who, put_back)


def _check_last(conn: Connection, change: Change) -> None:
    """Nobody has let it rest, go on, come or go since. Raises `UsageError`."""
    if audit.has_later(conn, change, _COMING_AND_GOING):
        raise UsageError("it was changed since")


def fetch_soon(app: App, feed_id: FeedId, *, who: str) -> int:
    """It is due now: the next tick asks it. Raises `NotFound`, `UsageError`."""
    with app.db.write() as conn:
        feed = _get(conn, feed_id)
        if feed.state != "active":
            raise UsageError("it is paused; let it go on first")
        feeds.put_off(conn, {feed.id: app.now()}, reason=f"asked for by {who}")
        return record_change(app, conn, who, "feed.fetch", feed)


def can_be_removed(feed: Feed) -> bool:
    """Whether nothing would bring it back: what the configuration names comes back at the next start."""
    named = feed.spec.origin != "added" and feed.paused_reason != feeds.GONE
    return not named or (bool(feed.spec.list_url) and feed.state == "paused")


def remove_feed(app: App, feed_id: FeedId, *, who: str) -> int:
    """An added feed leaves the list; its entries stay. Raises `NotFound`; `UsageError` for one of the configuration."""
    with app.db.write() as conn:
        feed = _get(conn, feed_id)
        if not can_be_removed(feed):
            raise UsageError("it stands in the configuration: remove it there, or pause it here")
        feeds.remove(conn, feed.id, now=app.now())
        before = {"state": feed.state, "reason": feed.paused_reason}
        return record_change(app, conn, who, "feed.remove", feed, before=before)


def undo_removal(app: App, change: Change, *, who: str) -> int:
    """It is read again."""

    def put_back(conn: Connection, feed: Feed) -> None:
        feed_edits.restore(conn, feed.id, now=app.now())
        if change.before["state"] == "paused":
            feed_edits.pause(conn, feed.id, change.before["reason"])

    return undo_change(app, change, who, put_back, removed=True)


def add_feed(app: App, spec: FeedSpec, *, who: str) -> tuple[FeedId, int]:
    """A new feed, due at once, and the line in the log. Raises `UsageError` when it is read already."""
    with app.db.write() as conn:
        if (known := feeds.get_by_url(conn, spec.url)) is not None:
            raise UsageError(f"{spec.url} is read already, as {known.name}")
        number = feeds.add(conn, spec, app.now())
        line = record_change(app, conn, who, "feed.add", _get(conn, number), after={"url": spec.url})
    return number, line


def undo_addition(app: App, change: Change, *, who: str) -> int:
    """It is not read any more; entries that came stay."""

    def put_back(conn: Connection, feed: Feed) -> None:
        _check_last(conn, change)
        if not can_be_removed(feed):
            raise UsageError("it stands in the configuration by now: remove it there, or pause it here")
        feeds.remove(conn, feed.id, now=app.now())

    return undo_change(app, change, who, put_back)


def _get(conn: Connection, feed_id: FeedId, *, removed: bool = False) -> Feed:
    feed = feeds.get_feeds(conn, [feed_id]).get(feed_id)
    if feed is None or (feed.paused_reason == feeds.REMOVED) != removed:
        raise NotFound(f"no feed {feed_id}")
    return feed


def record_change(
    app: App, conn: Connection, who: str, action: str, feed: Feed, *, before: Any = None, after: Any = None
) -> int:
    """One line about a feed."""
    return audit.record(
        conn,
        who=who,
        action=action,
        subject=f"feed:{feed.id}",
        title=feed.name,
        before=before,
        after=after,
        now=app.now(),
    )


def undo_change(
    app: App, change: Change, who: str, put_back: Callable[[Connection, Feed], None], *, removed: bool = False
) -> int:
    """``put_back`` in one transaction with the line that says so."""
    with app.db.write() as conn:
        feed = _get(conn, FeedId(change.number), removed=removed)
        put_back(conn, feed)
        return record_undo(app, conn, change, who=who)
