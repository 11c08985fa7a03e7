"""One issue goes out: its ledger is handed to the mailer, and what stops it is noted. Never renders: bytes are frozen.

The ledger's promises: a claim is committed before MAIL FROM, ``committing`` before the final dot, ``sent`` right after
the answer. A kill before the dot is certainly not accepted and queued again; a kill after it is
``unknown`` until the policy settles it. The same row always makes the same Message-ID.
"""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from aggregator.app import App
from aggregator.errors import MailUnavailable, SenderRefused
from aggregator.log import get_logger
from aggregator.model.ids import IssueId
from aggregator.model.newsletter import Issue
from aggregator.model.subscriber import Delivery
from aggregator.storage import deliveries, issues, meta, sending, troubles
from aggregator.storage.sending import Connection
from aggregator.tasks.issue_ledger import IssueLedger
from aggregator.tasks.issue_mails import IssueMails
from aggregator.tasks.sending_rules import LINE_PAUSE, MAX_SENDER_PAUSE, SENDER_PAUSE
from aggregator.tasks.worker import is_dead, worker_name

log = get_logger(__name__)

_PAUSED = "mail waits until"
_REFUSALS = "refusals of issue"
#: What the name of the trouble begins with that an issue rests.
RESTS = "an issue rests:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What one run of an issue did; ``stopped`` says why nothing more can be sent now."""

    #: Rows by what became of them (`storage.ledger.Result`); empty: nothing was due.
    counts: Counter[str] = field(default_factory=Counter)
    stopped: str = ""


def never() -> bool:
    """For who is never asked to stop."""
    return False


def deliver_issue(
    app: App,
    issue_id: IssueId,
    *,
    is_stopping: Callable[[], bool] = never,
    on_result: Callable[[Delivery, str], None] | None = None,
    wait: Callable[[float], object] = time.sleep,
) -> Sending:
    """Send what is due of an issue that is being sent; marks it sent when no row waits any more.

    ``on_result`` hears of each row and its new state, in another thread. Raises `NotFound` for an issue that is not
    frozen, `StorageError` when nothing can be noted.
    """
    recover_dead(app)
    with app.db.write() as conn:
        if sending.resume_due(conn, issue_id, now=app.now()):
            log.info("issue.resumed", issue=issue_id)
    stopped, ledger = "", None
    try:
        mails = IssueMails(app, issue_id)
        ledger = IssueLedger(app, mails, is_stopping=is_stopping, on_result=on_result, wait=wait)
        app.mailer.deliver(ledger.rows)
    except SenderRefused as error:
        stopped = str(error)
        _rest(app, issue_id, stopped)
    except MailUnavailable as error:
        stopped = str(error)
        log.warning("mail.unavailable", reason=stopped)
        with app.db.write() as conn:
            meta.set_value(conn, _PAUSED, (app.now() + LINE_PAUSE).isoformat())
    finally:
        if ledger is not None:
            ledger.hand_back()
    return _close(app, issue_id, ledger, stopped)


def _close(app: App, issue_id: IssueId, ledger: IssueLedger | None, stopped: str) -> Sending:
    counts = ledger.counts if ledger else Counter()
    sent = counts["sent"]
    with app.db.write() as conn:
        if sent and not stopped:
            meta.set_value(conn, _PAUSED, "")
        sending.end_cancelled(conn, issue_id, now=app.now())
        if issues.mark_sent(conn, issue_id, now=app.now()):
            log.info("issue.sent", issue=issue_id)
        issue = issues.get_by_id(conn, issue_id)
        if issue is not None and not stopped and not issue.paused_reason:  # another process may have let it rest
            troubles.end_trouble(conn, _name_trouble(issue))
            if sent:
                meta.set_value(conn, f"{_REFUSALS} {issue_id}", 0)
    return Sending(counts=counts, stopped=stopped)


def _rest(app: App, issue_id: IssueId, reason: str) -> None:
    """The server, or our own key, refuses us: the issue rests, each time longer, and the editor is told."""
    now, name = app.now(), f"{_REFUSALS} {issue_id}"
    with app.db.write() as conn:
        times = int(meta.get_value(conn, name) or 0)
        until = now + min(SENDER_PAUSE * 2 ** min(times, 10), MAX_SENDER_PAUSE)
        issue = issues.get_by_id(conn, issue_id)
        rests = sending.pause(conn, issue_id, reason, until=until)
        if issue is not None and rests:  # else it rests already, or was cancelled meanwhile
            meta.set_value(conn, name, times + 1)
            troubles.note_trouble(conn, _name_trouble(issue), reason, now=now)
    slug = issue.slug if issue else issue_id
    log.error("issue.paused", issue=slug, reason=reason, until=until.isoformat() if rests else "")


def _name_trouble(issue: Issue) -> str:
    return f"{RESTS} {issue.name}"


def end_trouble(conn: Connection, issue: Issue) -> None:
    """The editor has seen to it: he resumed or cancelled the issue."""
    troubles.end_trouble(conn, _name_trouble(issue))
    meta.set_value(conn, f"{_REFUSALS} {issue.id}", 0)


def is_paused(app: App) -> bool:
    """Whether the server was not there a short while ago: the daemon waits, a command need not."""
    with app.db.read() as conn:
        until = meta.get_value(conn, _PAUSED)
    return bool(until) and app.now() < datetime.fromisoformat(until)


def recover_dead(app: App) -> None:
    """Free what lost workers had claimed: those whose lease is over, and dead processes of this machine at once.

    Who sends from this machine stands in a list, ourselves included; a worker that two at once wrote out of it is only
    waited for until its lease is over.
    """
    name, us, now, policy = f"senders on {socket.gethostname()}", worker_name(), app.now(), app.settings.mail.uncertain
    with app.db.write() as conn:
        listed = meta.get_value(conn, name) or []
        dead = [worker for worker in listed if is_dead(worker)]
        wanted = sorted({us, *listed} - set(dead))
        if wanted != listed:
            meta.set_value(conn, name, wanted)
        counts = deliveries.recover(conn, now=now, policy=policy)
        for worker in dead:
            more = deliveries.recover(conn, now=now, policy=policy, owner=worker)
            counts = {what: number + more[what] for what, number in counts.items()}
    if any(counts.values()):
        log.warning("deliveries.recovered", **counts)
