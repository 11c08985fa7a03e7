"""The editor's word on an issue that is frozen or goes out: send it, let it rest, go on, break it off. Never sends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from aggregator.app import App
from aggregator.errors import UsageError
from aggregator.model.newsletter import Issue
from aggregator.model.retention import DELIVERIES
from aggregator.storage import issues, sending
from aggregator.storage.sending import Connection
from aggregator.tasks.deliver import end_trouble

_BY_EDITOR = "paused by the editor"

#: How long it is known who got an issue.
_KNOWN_FOR = DELIVERIES - timedelta(days=1)
#: What else belongs into the transaction of a change, such as its line in the audit log.
Then = Callable[[Connection], object]


def open_issue(app: App, issue: Issue, *, then: Then = lambda conn: None) -> None:
    """From now on it is being sent; a pause that ends by itself is over: the editor is here.

    Raises `UsageError` while it rests by the editor's own word.
    """
    with app.db.write() as conn:
        issues.mark_sending(conn, issue.id, now=app.now())
        now = issues.get_by_id(conn, issue.id) or issue
        if now.paused_reason and now.paused_until is None:
            raise UsageError(f"{issue.name} rests ({now.paused_reason}); aggregator issues resume lets it go on")
        sending.resume(conn, issue.id)
        then(conn)


def is_too_old(app: App, issue: Issue) -> bool:
    """Whether nobody knows any more who got it."""
    return app.now() - (issue.frozen_at or issue.slot_at) > _KNOWN_FOR


def count_missed(app: App, issue: Issue) -> int:
    """How many people should have got it and did not. Raises `UsageError` when nobody knows any more."""
    if is_too_old(app, issue):
        raise UsageError(f"{issue.name} is so old that nobody knows any more who got it ({DELIVERIES.days} days)")
    with app.db.read() as conn:
        return sending.count_missed(conn, issue.id)


def send_to_missed(app: App, issue: Issue, *, then: Then = lambda conn: None) -> None:
    """It goes to them, too."""
    with app.db.write() as conn:
        sending.send_to_missed(conn, issue.id, now=app.now())
        then(conn)


def rest_issue(app: App, issue: Issue, reason: str, *, then: Then = lambda conn: None) -> None:
    """Nothing more of it is sent until `go_on`. Raises `UsageError` when it is not being sent."""
    with app.db.write() as conn:
        if not sending.pause(conn, issue.id, reason or _BY_EDITOR, until=None):
            raise UsageError(f"{issue.name} is not being sent: it is {issue.state}")
        then(conn)


def go_on(app: App, issue: Issue, *, then: Then = lambda conn: None) -> bool:
    """It is sent further; False: it did not rest."""
    with app.db.write() as conn:
        end_trouble(conn, issue)
        rested = sending.resume(conn, issue.id)
        if rested:
            then(conn)
        return rested


def cancel_issue(app: App, issue: Issue, *, then: Then = lambda conn: None) -> None:
    """Nobody else gets it. Raises `UsageError` when it is neither frozen nor being sent."""
    with app.db.write() as conn:
        if sending.cancel(conn, issue.id, now=app.now()) is None:
            raise UsageError(f"{issue.name} is not being sent: it is {issue.state}")
        end_trouble(conn, issue)
        then(conn)
