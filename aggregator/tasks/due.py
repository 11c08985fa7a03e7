"""What is due now, as jobs for the queue. Never does the work, never remembers a time: rows do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from aggregator.app import App
from aggregator.errors import StorageError
from aggregator.heap import release_freed
from aggregator.log import get_logger
from aggregator.storage import deliveries, feeds, hubs
from aggregator.tasks.deliver import deliver_slice, is_paused, sleep
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.issues import make_due_issues
from aggregator.tasks.lists import follow_lists
from aggregator.tasks.lost import search_lost
from aggregator.tasks.refresh import prune_log, refresh_due
from aggregator.tasks.websub import can_be_called, renew_hubs

log = get_logger(__name__)


def defer_due(app: App) -> None:
    """Queue a job for everything that is due. Asked twice, it queues once: jobs have keys."""
    with app.db.read() as conn:
        is_due = feeds.has_due(conn, now=app.now()) or (
            can_be_called(app.settings.site.url) and hubs.has_due(conn, now=app.now())
        )
    if is_due or app.settings.newsletters or app.settings.lists:
        app.queue.defer("round", key="round")
    _defer_mails(app)


def _defer_mails(app: App) -> None:
    with app.db.read() as conn:
        due = deliveries.find_due_issues(conn, now=app.now())
    if due and not is_paused(app):
        app.queue.defer("deliver", key="deliver")


def get_tasks(app: App, *, pause: Callable[[float], bool] = sleep) -> Mapping[str, Callable[..., None]]:
    """Every task that the queue may call, by name. ``pause`` waits so many seconds and says whether we are to stop."""
    return {"round": partial(_round, app, pause), "deliver": partial(_deliver, app, pause)}


def _round(app: App, pause: Callable[[float], bool]) -> None:
    """First what is due to be read, then the issues: after downtime an issue holds what was missed."""
    try:
        _refresh(app)
    except Exception as error:
        if pause(0):
            log.info("refresh.stopped", reason=str(error))  # a fetcher that a shutdown has closed
            return
        log.exception("refresh.failed")  # feeds that cannot be read never keep an issue from being made
    if not pause(0):
        make_due_issues(app)
        _defer_mails(app)


def _refresh(app: App) -> None:
    follow_lists(app)
    with app.db.read() as conn:
        due = feeds.has_due(conn, now=app.now())
    if due:
        done = refresh_due(app)
        search_lost(app, done.results)
        app.sandbox.rest()
    renew_hubs(app)
    regroup_stories(app)
    if due:
        prune_log(app)
        release_freed()


def _deliver(app: App, pause: Callable[[float], bool]) -> None:
    """A slice of each issue in turn; one job at a time, so that ``mail.rate`` holds for all of them together."""
    with app.db.read() as conn:
        due = deliveries.find_due_issues(conn, now=app.now())
    more = False
    for issue_id in due:
        if pause(0):
            return
        try:
            done = deliver_slice(app, issue_id, pause=pause)
        except StorageError:
            raise
        except Exception:
            log.exception("issue.not_delivered", issue=issue_id)  # the other issues go on
            continue
        if done.stopped:
            return
        more = more or not done.empty
    if more:
        app.queue.defer("deliver", key="deliver")
