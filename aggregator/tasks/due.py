"""What is due now, as jobs for the queue. Never does the work, never remembers a time: rows do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from time import sleep as wait_seconds

from aggregator.app import App
from aggregator.errors import StorageError
from aggregator.heap import release_freed
from aggregator.log import get_logger
from aggregator.model.ids import FeedId
from aggregator.storage import deliveries, feeds, hubs
from aggregator.tasks import bounces, letters, notices
from aggregator.tasks.announce import announce, has_news
from aggregator.tasks.archive import close_weeks, has_archives_due
from aggregator.tasks.clean import clean_stored, is_cleaning
from aggregator.tasks.deliver import is_paused
from aggregator.tasks.desk.settings import adopt_settings
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.issues import make_due_issues
from aggregator.tasks.lists import follow_lists
from aggregator.tasks.lost import find_lost, search_lost
from aggregator.tasks.people import prune_daily
from aggregator.tasks.refresh import prune_traces, refresh_due
from aggregator.tasks.rounds import Rounds
from aggregator.tasks.startup import recover_claims
from aggregator.tasks.tag import is_retagging, retag_stored
from aggregator.tasks.turns import Turns
from aggregator.tasks.websub import can_be_called, leave_hubs, renew_hubs
from aggregator.tasks.worker import worker_name

log = get_logger(__name__)

#: So many processes fetch at one time, where several share the queue.
MOST_FETCHING = 64


def sleep(seconds: float) -> bool:
    """Wait; never asked to stop. The daemon hands in a wait that a shutdown ends."""
    if seconds > 0:
        wait_seconds(seconds)
    return False


def defer_due(app: App) -> None:
    """Queue a job for everything that is due. Asked twice, it queues once: jobs have keys."""
    adopt_settings(app)
    with app.db.read() as conn:
        feeds_due = feeds.has_due(conn, now=app.now(), owner=worker_name())
        hubs_due = can_be_called(app.settings.site.url) and (hubs.has_due(conn, now=app.now()) or hubs.has_left(conn))
    if feeds_due or app.settings.newsletters:
        app.queue.defer("round", key="round")
    if hubs_due or app.settings.lists:
        app.queue.defer("errands", key="errands")
    if is_cleaning(app):
        app.queue.defer("clean", key="clean")
    if is_retagging(app):
        app.queue.defer("retag", key="retag")
    if has_archives_due(app):
        app.queue.defer("archive", key="archive")
    if bounces.is_due(app):
        app.queue.defer("bounces", key="bounces")
    if letters.has_due(app):
        app.queue.defer("letters", key="letters")
    if notices.has_due(app):
        app.queue.defer("notices", key="notices")
    _defer_announcements(app)
    _defer_mails(app)


def _defer_announcements(app: App) -> None:
    if has_news(app):
        app.queue.defer("announce", key="announce")


def _defer_mails(app: App) -> None:
    with app.db.read() as conn:
        due = deliveries.find_due_issues(conn, now=app.now())
    if due and not is_paused(app):
        app.queue.defer("deliver", key="deliver")


def get_tasks(
    app: App, *, pause: Callable[[float], bool] = sleep, config: Path | None = None
) -> Mapping[str, Callable[..., None]]:
    """Every task that the queue may call, by name. ``pause`` waits so many seconds and says whether we are to stop.

    ``config``: the file that other processes of ours read, where large issues are sent by several.
    """
    tasks = _list_tasks(app, pause, config)
    return {name: partial(_adopt_first, app, task) for name, task in tasks.items()}


def _adopt_first(app: App, task: Callable[..., None], **ids: int | str) -> None:
    """The desk may have said something at another machine."""
    adopt_settings(app)
    task(**ids)


def _list_tasks(app: App, pause: Callable[[float], bool], config: Path | None) -> Mapping[str, Callable[..., None]]:
    rounds = Rounds(app.queue, partial(_fetch_due, app), lambda: pause(0))
    return {
        "round": partial(_round, app, rounds, pause),
        "fetch": partial(_fetch, app, rounds),
        "tail": rounds.wait,
        "recover": partial(recover_claims, app),
        "errands": partial(_run_errands, app),
        "search": partial(_search, app),
        "clean": partial(clean_stored, app, pause=pause),
        "deliver": Turns(app, config, pause).run,
        "retag": partial(_retag, app, pause),
        "archive": partial(_close_weeks, app, pause),
        "announce": partial(_announce, app, pause),
        "bounces": partial(bounces.read_due, app, pause=pause),
        "letters": partial(letters.send_letters, app, pause=pause),
        "notices": partial(notices.tell, app, pause=pause),
    }


def _round(app: App, rounds: Rounds, pause: Callable[[float], bool]) -> None:
    """First what is due to be read, then the issues: after downtime an issue holds what was missed."""
    try:
        _refresh(app, rounds)
    except StorageError:
        raise
    except Exception:
        log.exception("refresh.failed")  # feeds that cannot be read never keep an issue from being made
    if not pause(0):
        make_due_issues(app)
        _defer_announcements(app)
        _defer_mails(app)
        prune_daily(app, is_stopping=lambda: pause(0))


def _fetch(app: App, rounds: Rounds, number: int) -> None:
    """For a process beside the one that does the round; what it brought is to be grouped."""
    _ask_others(app, number + 1)
    rounds.run()
    app.queue.defer("round", key="round")


def _ask_others(app: App, number: int) -> None:
    """While feeds are due that nobody has claimed, each process that fetches asks one more: as many as there are."""
    if not app.queue.is_shared or number > MOST_FETCHING:
        return
    with app.db.read() as conn:
        due = feeds.has_due(conn, now=app.now(), owner="")
    if due:
        app.queue.defer("fetch", key=f"fetch-{number}", number=number)


def _run_errands(app: App) -> None:
    """What asks a few addresses beside the rounds, which need not wait for them."""
    follow_lists(app)
    renew_hubs(app)
    leave_hubs(app)


def _retag(app: App, pause: Callable[[float], bool]) -> None:
    """Beside the rounds: stored entries are tagged again after a change of the taxonomy, their stories scored."""
    retag_stored(app, pause=pause)
    if not pause(0):
        regroup_stories(app)


def _close_weeks(app: App, pause: Callable[[float], bool]) -> None:
    close_weeks(app, is_stopping=lambda: pause(0))


def _announce(app: App, pause: Callable[[float], bool]) -> None:
    announce(app, pause=pause)


def _search(app: App, feed_ids: str) -> None:
    """For feeds that are not found any more, numbers with spaces between them."""
    search_lost(app, [FeedId(int(number)) for number in feed_ids.split()])


def _refresh(app: App, rounds: Rounds) -> None:
    with app.db.read() as conn:
        due = feeds.has_due(conn, now=app.now(), owner=worker_name())
    if due:
        _ask_others(app, 1)
        rounds.run()
    regroup_stories(app)
    if due:
        prune_traces(app)
        release_freed()


def _fetch_due(app: App, on_claimed: Callable[[], object]) -> None:
    if lost := find_lost(app, refresh_due(app, on_claimed).results):
        # A key for each batch: what is not taken while another waits would be asked for by nobody.
        app.queue.defer("search", key=f"search-{lost[0]}-{lost[-1]}", feed_ids=" ".join(map(str, lost)))
    app.sandbox.rest()
