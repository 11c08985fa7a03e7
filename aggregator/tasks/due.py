"""What is due now, as jobs for the queue. Never does the work, never remembers a time: rows do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from aggregator.app import App
from aggregator.model.ids import IssueId
from aggregator.storage import deliveries, feeds
from aggregator.tasks.deliver import deliver_slice
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.issues import make_due_issues
from aggregator.tasks.refresh import refresh_due


def defer_due(app: App) -> None:
    """Queue a job for everything that is due. Asked twice, it queues once: jobs have keys."""
    now = app.now()
    with app.db.read() as conn:
        feeds_due = feeds.count_due(conn, now=now)
        sending = deliveries.find_due_issues(conn, now=now)
    if feeds_due:
        app.queue.defer("refresh", key="refresh")
    if app.settings.newsletters:
        app.queue.defer("issues", key="issues")
    for issue_id in sending:
        app.queue.defer("deliver", key=f"deliver:{issue_id}", issue_id=issue_id)


def get_tasks(app: App) -> Mapping[str, Callable[..., None]]:
    """Every task that the queue may call, by name."""
    return {
        "refresh": partial(_refresh, app),
        "issues": partial(make_due_issues, app),
        "deliver": partial(_deliver, app),
    }


def _refresh(app: App) -> None:
    refresh_due(app)
    app.sandbox.rest()
    regroup_stories(app)


def _deliver(app: App, issue_id: int) -> None:
    done = deliver_slice(app, IssueId(issue_id))
    if not done.empty and not done.stopped:
        # A slice at a time, so that a shutdown waits for a few mails and not for a list.
        app.queue.defer("deliver", key=f"deliver:{issue_id}", issue_id=issue_id)
