"""What an editor does to one feed: fetch it now, pause it, mend its address, say other things of it, remove it.
Never shows it: that is `feed`.
"""

from __future__ import annotations

from collections.abc import Callable

from aggregator.model.feed import Feed
from aggregator.pipeline.urls import is_web_url
from aggregator.tasks.desk import feed_held
from aggregator.tasks.desk import feeds as tasks
from aggregator.tasks.discover import check_move
from aggregator.web.desk.feed import find_feed, show_feed
from aggregator.web.desk.feed_fields import (
    AddFields,
    EditFields,
    MoveFields,
    PauseFields,
    make_seen,
    read_edit,
    read_spec,
)
from aggregator.web.desk.feed_new import SECONDS, show_new, take_a_place
from aggregator.web.desk.visit import Action, Done, NoFields, Section, Visit
from aggregator.web.desk.words import N_, FieldError, say


def _find(visit: Visit) -> Feed:
    return find_feed(visit.app, visit.params["feed"])


def _done(feed: Feed, line: int) -> Done:
    return Done(to=f"/feeds/{feed.id}", change=line)


def _add(visit: Visit, sent: AddFields) -> Done:
    number, line = tasks.add_feed(visit.app, read_spec(sent), who=visit.account.name)
    return Done(to=f"/feeds/{number}", change=line, body={"feed": number})


def _edit(visit: Visit, sent: EditFields) -> Done:
    feed = _find(visit)
    if sent.back:
        return _done(feed, tasks.edit_feed(visit.app, feed.id, {}, sent.back, who=visit.account.name))
    if sent.seen and sent.seen != make_seen(feed):
        said = say(N_("Somebody changed this feed meanwhile. What stands there now is shown beside what you typed."))
        raise FieldError({"": said, "seen": said})
    return _done(feed, tasks.edit_feed(visit.app, feed.id, read_edit(sent, feed), who=visit.account.name))


def _move(visit: Visit, sent: MoveFields) -> Done:
    feed = _find(visit)
    if not is_web_url(sent.url):
        raise FieldError({"url": say(N_("This is no web address: %(url)s"), url=sent.url)})
    url = sent.url if sent.sure else _check(visit, feed, sent.url)
    return _done(feed, tasks.move_feed(visit.app, feed.id, url, who=visit.account.name))


def _check(visit: Visit, feed: Feed, url: str) -> str:
    """The address to keep: behind redirects that are for good."""
    with take_a_place():
        check = check_move(visit.app, feed, url, seconds=SECONDS)
    if check.found is None:
        outcome = check.outcome
        raise FieldError({"url": say(N_("There is no feed at %(url)s: %(outcome)s"), url=url, outcome=outcome)})
    if not check.is_same and feed.first_imported_at is not None:
        said = N_(
            "There is %(outcome)s. It holds none of the entries that we have, and bears another title. Tick the box"
            " below if it is the same feed all the same."
        )
        raise FieldError({"url": say(said, outcome=check.outcome)})
    return check.found.url


def _change(change: Callable[..., int]) -> Callable[[Visit, NoFields], Done]:
    """What runs a task that needs to know no more than which feed."""

    def run(visit: Visit, _: NoFields) -> Done:
        feed = _find(visit)
        return _done(feed, change(visit.app, feed.id, who=visit.account.name))

    return run


def _pause(visit: Visit, sent: PauseFields) -> Done:
    feed = _find(visit)
    return _done(feed, tasks.pause_feed(visit.app, feed.id, sent.reason, who=visit.account.name))


def _remove(visit: Visit, _: NoFields) -> Done:
    feed = _find(visit)
    return Done(to="/feeds", change=tasks.remove_feed(visit.app, feed.id, who=visit.account.name))


def _answer(answer: Callable[..., tuple[int, int]]) -> Callable[[Visit, NoFields], Done]:
    """The same of a task about the entries that are held."""

    def run(visit: Visit, _: NoFields) -> Done:
        feed = _find(visit)
        count, line = answer(visit.app, feed, who=visit.account.name)
        return Done(to=f"/feeds/{feed.id}", change=line, body={"entries": count})

    return run


_HERE = "/feeds/{feed:int}"
ROOM = Section(
    key="feeds",
    actions=(
        Action(
            name="feed.add", path="/feeds/add", fields=AddFields, run=_add, done=N_("A feed was added"),
            page=show_new, undo=tasks.undo_addition,
        ),
        Action(
            name="feed.edit", path=f"{_HERE}/edit", fields=EditFields, run=_edit, done=N_("A feed's settings changed"),
            page=show_feed, undo=tasks.undo_edit,
        ),
        Action(
            name="feed.move", path=f"{_HERE}/move", fields=MoveFields, run=_move,
            done=N_("A feed lives at another address"), page=show_feed, undo=tasks.undo_move,
        ),
        Action(
            name="feed.adopt", path=f"{_HERE}/adopt", run=_change(tasks.adopt_move),
            done=N_("A feed's new address was taken over"), page=show_feed, undo=tasks.undo_move,
        ),
        Action(
            name="feed.refuse", path=f"{_HERE}/refuse", run=_change(tasks.refuse_move),
            done=N_("A feed stays where it is"), page=show_feed, undo=tasks.undo_refusal,
        ),
        Action(
            name="feed.pause", path=f"{_HERE}/pause", fields=PauseFields, run=_pause, done=N_("A feed was paused"),
            page=show_feed, undo=tasks.undo_pause,
        ),
        Action(
            name="feed.resume", path=f"{_HERE}/resume", run=_change(tasks.resume_feed),
            done=N_("A feed is read again"), page=show_feed, undo=tasks.undo_resume,
        ),
        Action(
            name="feed.fetch", path=f"{_HERE}/fetch", run=_change(tasks.fetch_soon), done=N_("A feed is fetched next"),
            page=show_feed,
        ),
        Action(
            name="feed.remove", path=f"{_HERE}/remove", run=_remove, done=N_("A feed was removed"), page=show_feed,
            undo=tasks.undo_removal,
        ),
        Action(
            name="entries.release", path=f"{_HERE}/release", run=_answer(feed_held.release_held),
            done=N_("Entries that were held were let in"), page=show_feed,
        ),
        Action(
            name="entries.leave-out", path=f"{_HERE}/leave-out", run=_answer(feed_held.leave_out_held),
            done=N_("Entries that were held stay out"), page=show_feed, undo=feed_held.undo_leave_out,
        ),
    ),
)  # fmt: skip
