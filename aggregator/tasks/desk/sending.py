"""The editor's word on an issue that is frozen or goes out, with its line in the log; and how far the issue is.
Never sends: the daemon does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aggregator.app import App
from aggregator.errors import NotFound, UsageError
from aggregator.model.account import Change
from aggregator.model.newsletter import Issue, Newsletter
from aggregator.pipeline.schedule import describe_schedule, next_slots
from aggregator.storage import audit, delivery_pages, issue_pages, sending
from aggregator.storage.delivery_pages import LedgerSum, Progress
from aggregator.storage.sending import Connection
from aggregator.tasks import steering
from aggregator.tasks.desk.undone import record_undo
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.issues import build_issue, get_deadline

_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:@]{1,128}@[^\s<>()\[\]\"',;:@]{1,255}")
#: What differs from mail to mail: numbers of queues, addresses of machines; never an enhanced status code (RFC 3463).
_MARK = re.compile(r"(?<![\w.])(?!\d\.\d{1,3}\.\d{1,3}(?![\w.]))(?=[\w.:/+=-]*\d)[\w.:/+=-]{6,}")
_MOST_WORDS = 300


def simplify(reply: str) -> str:
    """A server's words without what differs from mail to mail, so that alike ones are counted together."""
    words = _ADDRESS.sub("…", " ".join(reply[:1000].split()))
    return _MARK.sub("…", words)[:_MOST_WORDS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """What happens next with a newsletter if nobody acts."""

    newsletter: Newsletter
    #: In words, as `check` says it.
    rhythm: str
    next_slot: datetime | None
    #: The oldest draft that waits, until when the editor is waited for (None: it is made at once), and what then.
    draft: Issue | None
    deadline: datetime | None


def list_coming(app: App) -> tuple[Coming, ...]:
    """Of every newsletter."""
    return tuple(_look_ahead(app, newsletter) for newsletter in app.settings.newsletters)


def _look_ahead(app: App, newsletter: Newsletter) -> Coming:
    with app.db.read() as conn:
        draft = issue_pages.find_draft(conn, newsletter.slug)
    slots = next_slots(newsletter.schedule, newsletter.timezone, app.now(), 1)
    return Coming(
        newsletter=newsletter,
        rhythm=describe_schedule(newsletter.schedule),
        next_slot=slots[0] if slots else None,
        draft=draft,
        deadline=get_deadline(newsletter, draft) if draft else None,
    )


def measure(app: App, issue_id: int, _state: str = "") -> Progress:
    """How far an issue is. Counts all of its ledger: for beside a request. ``_state``: so that what was counted before
    the issue came to be so is not taken for it."""
    issue = find_issue(app, issue_id)
    with app.db.read() as conn:
        return delivery_pages.measure(conn, issue, now=app.now())


def sum_up(app: App, issue_id: int, _state: str = "") -> LedgerSum:
    """What became of its mails, and why. Reads all of its ledger: for beside a request."""
    issue = find_issue(app, issue_id)
    with app.db.read() as conn:
        return delivery_pages.sum_up(conn, issue, simplify=simplify)


def find_issue(app: App, issue_id: int) -> Issue:
    """Without its deliveries. Raises `NotFound`."""
    with app.db.read() as conn:
        found = issue_pages.find(conn, issue_id)
    if found is None:
        raise NotFound(f"no issue {issue_id}")
    return found


class Line:
    """The line in the log that a change of an issue takes along, and its number afterwards."""

    def __init__(self, app: App, who: str, action: str, issue: Issue, *, before: Any = None, after: Any = None) -> None:
        self._app, self._who, self._action, self._issue = app, who, action, issue
        self._before, self._after = before, after
        self.number = 0

    def write(self, conn: Connection) -> None:
        """In the transaction of the change."""
        self.number = audit.record(
            conn,
            who=self._who,
            action=self._action,
            subject=f"issue:{self._issue.id}",
            title=self._issue.subject or self._issue.name,
            before=self._before,
            after=self._after,
            now=self._app.now(),
        )


def pause(app: App, issue_id: int, reason: str, *, who: str) -> int:
    """It rests until somebody lets it go on; the line of the log. Raises `NotFound`, `UsageError`."""
    issue = find_issue(app, issue_id)
    wanted = reason or f"paused at the desk by {who}"
    line = Line(app, who, "issue.pause", issue, before=_tell_pause(issue), after={"paused": wanted})
    steering.rest_issue(app, issue, wanted, then=line.write)
    return line.number


def resume(app: App, issue_id: int, *, who: str) -> int:
    """It goes on."""
    issue = find_issue(app, issue_id)
    line = Line(app, who, "issue.resume", issue, before=_tell_pause(issue), after={"paused": ""})
    if not steering.go_on(app, issue, then=line.write):
        raise UsageError(f"{issue.name} does not rest")
    return line.number


def _tell_pause(issue: Issue) -> dict[str, str]:
    """For the log: why it rests, and until when where it goes on by itself."""
    until = {"until": issue.paused_until.isoformat()} if issue.paused_until else {}
    return {"paused": issue.paused_reason, **until}


def undo_pause(app: App, change: Change, *, who: str) -> int:
    """Of a pause and of its end: what stood there before, if nobody has done anything since."""
    issue = find_issue(app, change.number)
    before, after = change.before["paused"], change.after["paused"]
    with app.db.write() as conn:
        now = issue_pages.find(conn, issue.id)
        if now is None or now.state != "sending" or now.paused_reason != after:
            raise UsageError(f"{issue.name} is not any more as it was left then")
        until = datetime.fromisoformat(change.before["until"]) if change.before.get("until") else None
        if before and (until is None or until > app.now()):  # what would go on by itself by now goes on
            sending.pause(conn, issue.id, before, until=until)
        else:
            sending.resume(conn, issue.id)
        return record_undo(app, conn, change, who=who, before={"paused": after}, after={"paused": before})


def cancel(app: App, issue_id: int, *, who: str) -> int:
    """Nobody else gets it. Raises `UsageError` when it is neither frozen nor being sent."""
    issue = find_issue(app, issue_id)
    line = Line(app, who, "issue.cancel", issue, before={"state": issue.state})
    steering.cancel_issue(app, issue, then=line.write)
    return line.number


def send(app: App, issue_id: int, *, who: str) -> int:
    """A frozen issue goes out from the daemon's next look on; sent twice, it is sent once."""
    issue = find_issue(app, issue_id)
    if issue.state != "ready":
        raise UsageError(f"{issue.name} does not wait to be sent: it is {issue.state}")
    line = Line(app, who, "issue.send", issue, before={"state": "ready"}, after={"state": "sending"})
    steering.open_issue(app, issue, then=line.write)
    return line.number


def send_to_missed(app: App, issue_id: int, *, who: str) -> int:
    """Once more to those who should have got it and did not. Raises `UsageError` when nobody was missed."""
    issue = find_issue(app, issue_id)
    count = steering.count_missed(app, issue)
    if not count:
        raise UsageError(f"nobody was missed by {issue.name}")
    line = Line(app, who, "issue.missed", issue, after={"people": count})
    steering.send_to_missed(app, issue, then=line.write)
    return line.number


def build(app: App, newsletter: Newsletter, *, who: str) -> tuple[Issue, int]:
    """The issue of the window up to now, frozen, not sent; it may be skipped, which its reason says."""
    regroup_stories(app)
    lines: list[int] = []

    def note(conn: Connection, issue: Issue) -> None:
        after = {"state": issue.state, "reason": issue.reason} if issue.reason else {"state": issue.state}
        line = Line(app, who, "issue.build", issue, after=after)
        line.write(conn)
        lines.append(line.number)

    issue = build_issue(app, newsletter, then=note)
    return issue, lines[-1]
