"""One Delivery row at a time: claim -> personalise -> mail -> mark. Never renders an issue: its bytes are frozen.

The ledger's promises: a claim is committed before MAIL FROM, ``committing`` before the final dot, ``sent`` right after
the answer. A kill before the dot is certainly not accepted and queued again; a kill after it is
``unknown`` until the policy settles it. The same row always makes the same Message-ID.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aggregator.app import App
from aggregator.errors import MailError, MailUncertain, NotFound, RecipientRefused, SenderRefused, StorageError
from aggregator.log import get_logger
from aggregator.mail.message import PreparedMessage, get_sender_domain, message_id, prepare_message
from aggregator.model.ids import IssueId
from aggregator.model.newsletter import Issue, RenderedIssue
from aggregator.model.settings import Settings
from aggregator.model.subscriber import Delivery
from aggregator.pipeline.words import header_text
from aggregator.storage import deliveries, issues, meta
from aggregator.tasks.subscribe import UNSUBSCRIBE
from aggregator.tasks.worker import is_dead, worker_name
from aggregator.tokens import sign_token

log = get_logger(__name__)

#: Deliveries claimed at a time.
SLICE = 10
#: Longer than a slice may take: with a low ``mail.rate`` fewer rows are claimed at a time.
LEASE = timedelta(minutes=10)
#: Replies that are about our login, whoever the mail is for (RFC 4954 6).
LOGIN_REFUSED = (530, 534, 535, 538)
#: A server may take ten minutes to answer the final dot (RFC 5321 4.5.3.2.6).
ANSWER = timedelta(minutes=12)
SLICE_SECONDS = 60
#: Waits after the first, second... temporary refusal.
RETRIES = (
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(hours=8),
    timedelta(hours=12),
    timedelta(hours=24),
)
#: A row fails for good when all of them are used up and its issue is older than this: tries that our own wrong
#: password cost are not the recipient's fault.
GIVE_UP = timedelta(hours=48)
#: When the server refuses us, not a recipient, the daemon sends nothing for this long: no login a second.
SENDER_PAUSE = timedelta(minutes=15)
#: When the line is lost or the server asks for rest (421).
LINE_PAUSE = timedelta(minutes=1)
#: Waits between two tries to note what was sent, in seconds: a mail that is not noted would be sent again.
NOTE_AGAIN = (1.0, 4.0, 10.0)

_PAUSED = "mail waits until"


def sleep(seconds: float) -> bool:
    """Wait; never asked to stop. The daemon hands in a wait that a shutdown ends."""
    if seconds > 0:
        time.sleep(seconds)
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """What one slice of an issue did; ``stopped`` says why nothing more can be sent now."""

    sent: int = 0
    refused: int = 0
    deferred: int = 0
    stopped: str = ""
    #: Nothing was due.
    empty: bool = False

    def add(self, state: str, stopped: str) -> Slice:
        """With one more row counted."""
        return replace(
            self,
            sent=self.sent + (state == "sent"),
            refused=self.refused + (state == "failed"),
            deferred=self.deferred + (state in ("deferred", "uncertain")),
            stopped=stopped,
        )


class LeaseLost(Exception):
    """Another worker has the row: nothing may be sent for it here."""


def deliver_slice(
    app: App,
    issue_id: IssueId,
    *,
    on_result: Callable[[Delivery, str], None] | None = None,
    pause: Callable[[float], bool] = sleep,
) -> Slice:
    """Send the next few mails of an issue that is being sent; marks it sent when no row waits any more.

    ``on_result`` hears of each row and its new state. ``pause`` waits so many seconds and says whether to stop; it is
    asked after each mail. What was claimed and not tried is handed back, whatever happens.
    """
    with app.db.read() as conn:
        issue, rendered = issues.get_by_id(conn, issue_id), issues.get_rendered(conn, issue_id)
        key = meta.get_identity(conn).signing_key
    if issue is None or rendered is None:
        raise NotFound(f"issue {issue_id} is not frozen")
    mail = _prepare(app.settings, issue, rendered)
    rest = _claim(app, issue_id)
    done = Slice(empty=not rest)
    try:
        while rest:
            started = app.now()
            state, stopped = _deliver(app, mail, key, rest[0], pause)
            delivery = rest.popleft()
            done = done.add(state, stopped)
            if on_result:
                on_result(delivery, state)
            if stopped or pause(_time_left(app, started)):
                break
    finally:
        _hand_back(app, rest)
    with app.db.write() as conn:
        if done.sent and not done.stopped:
            meta.set_value(conn, _PAUSED, "")
        issues.mark_sent(conn, issue_id, now=app.now())
    return done


def is_paused(app: App) -> bool:
    """Whether the server refused us, or was not there, a short while ago: the daemon waits, a command need not."""
    with app.db.read() as conn:
        until = meta.get_value(conn, _PAUSED)
    return bool(until) and app.now() < datetime.fromisoformat(until)


def _claim(app: App, issue_id: IssueId) -> deque[Delivery]:
    rate = app.settings.mail.rate
    limit = max(1, min(SLICE, int(rate * SLICE_SECONDS))) if rate else SLICE
    recover_dead(app)
    with app.db.write() as conn:
        return deque(deliveries.claim(conn, issue_id, owner=worker_name(), now=app.now(), limit=limit, lease=LEASE))


def recover_dead(app: App) -> None:
    """Free what lost workers had claimed: those whose lease is over, and dead processes of this machine at once.

    Who sends from this machine stands in a list, ourselves included; a worker that two at once wrote out of it is only
    waited for until its lease is over.
    """
    name, us, now = f"senders on {socket.gethostname()}", worker_name(), app.now()
    with app.db.write() as conn:
        listed = meta.get_value(conn, name) or []
        dead = [worker for worker in listed if is_dead(worker)]
        wanted = sorted({us, *listed} - set(dead))
        if wanted != listed:
            meta.set_value(conn, name, wanted)
        counts = deliveries.recover(conn, now=now, policy="resend")
        for worker in dead:
            more = deliveries.recover(conn, now=now, policy="resend", owner=worker)
            counts = {what: number + more[what] for what, number in counts.items()}
    if any(counts.values()):
        log.warning("deliveries.recovered", **counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueMail:
    """An issue's bytes with gaps for what is personal, and what fills them."""

    prepared: PreparedMessage
    issue_slug: str
    domain: str
    site_url: str
    #: Before this nobody is given up.
    give_up_at: datetime


def _prepare(settings: Settings, issue: Issue, rendered: RenderedIssue) -> IssueMail:
    site, sender = settings.site, settings.mail.sender
    title = next((item.title for item in settings.newsletters if item.slug == issue.newsletter), site.title)
    prepared = prepare_message(
        newsletter=issue.newsletter,
        issue_slug=issue.slug,
        subject=header_text(rendered.subject),
        html=rendered.mail_html,
        text=rendered.mail_text,
        sender=sender,
        reply_to=settings.mail.reply_to,
        list_title=title,
        list_id_domain=get_sender_domain(sender),
        archive_url=f"{site.url}/issues/",
    )
    return IssueMail(
        prepared=prepared,
        issue_slug=issue.slug,
        domain=get_sender_domain(sender),
        site_url=site.url,
        give_up_at=(issue.frozen_at or issue.slot_at) + GIVE_UP,
    )


def _deliver(
    app: App, mail: IssueMail, key: bytes, delivery: Delivery, pause: Callable[[float], bool]
) -> tuple[str, str]:
    """One row; its new state, and why nothing more can be sent now (empty: go on)."""

    def about_to_commit() -> None:
        with app.db.write() as conn:
            now = app.now()
            if not deliveries.mark_committing(conn, delivery, now=now, until=now + ANSWER):
                raise LeaseLost(f"delivery {delivery.id} is another worker's, or the person has left")

    try:
        message = mail.prepared.personalise(
            address=delivery.address,
            message_id=message_id(mail.issue_slug, delivery.public_id, mail.domain),
            unsubscribe_url=unsubscribe_url(mail.site_url, key, delivery.public_id),
            date=app.now(),
        )
        reply = app.mailer.send(message, about_to_commit=about_to_commit)
    except LeaseLost as error:
        log.warning("delivery.lost", reason=str(error))
        return "lost", ""
    except MailError as error:
        return _mark_refused(app, mail, delivery, error)
    except StorageError:
        raise  # the database is away: nothing was sent, and nothing can be noted either
    except Exception as error:
        # A fault of ours with this one row: it waits its turns, the others go on.
        log.exception("delivery.fault", delivery=delivery.id)
        return _mark_refused(app, mail, delivery, MailError(-1, f"{type(error).__name__}: {error}"))
    _note_sent(app, delivery, reply, pause)
    log.info("delivery.sent", delivery=delivery.id, reply=reply)
    return "sent", ""


def _note_sent(app: App, delivery: Delivery, reply: str, pause: Callable[[float], bool]) -> None:
    """The one mark that is worth waiting for: without it the mail goes out a second time."""
    for seconds in (*NOTE_AGAIN, None):
        try:
            with app.db.write() as conn:
                deliveries.mark_sent(conn, delivery, reply=reply, now=app.now())
            return
        except StorageError as error:
            if seconds is None:
                raise
            log.warning("delivery.not_noted", delivery=delivery.id, reason=str(error))
            pause(seconds)


def _mark_refused(app: App, mail: IssueMail, delivery: Delivery, error: MailError) -> tuple[str, str]:
    now = app.now()
    log.warning("delivery.refused", delivery=delivery.id, code=error.code, reason=error.text, kind=type(error).__name__)
    # Greylisting is about one recipient; 421 and a lost line are about the server.
    about_line = isinstance(error, MailUncertain) or error.code in (0, 421)
    gone = delivery.attempts > len(RETRIES) and now >= mail.give_up_at
    next_try = now + RETRIES[min(delivery.attempts, len(RETRIES)) - 1]
    code, reply = max(error.code, 0), error.text
    with app.db.write() as conn:
        match error:
            case MailUncertain():
                # The row stays ``committing``; recovery settles it by policy when its lease is over.
                state, stopped, wait = "uncertain", str(error), LINE_PAUSE
            case SenderRefused():
                # It says us and may mean this one mail: the others go first after the pause, and a mail that is refused
                # again waits longer each time, so that it holds up nobody. It never fails: the fault is ours to mend.
                again = next_try if delivery.attempts > 1 and code not in LOGIN_REFUSED else now
                deliveries.mark_deferred(conn, delivery, code=code, reply=reply, next_try_at=again, now=now)
                state, stopped, wait = "deferred", str(error), SENDER_PAUSE
            case _ if gone or isinstance(error, RecipientRefused):
                deliveries.mark_failed(conn, delivery, code=code, reply=reply, now=now)
                state, stopped, wait = "failed", "", LINE_PAUSE
            case _:
                deliveries.mark_deferred(conn, delivery, code=code, reply=reply, next_try_at=next_try, now=now)
                state, stopped, wait = "deferred", str(error) if about_line else "", LINE_PAUSE
        if stopped:
            meta.set_value(conn, _PAUSED, (now + wait).isoformat())
    return state, stopped


def _hand_back(app: App, rows: Collection[Delivery]) -> None:
    if not rows:
        return
    try:
        with app.db.write() as conn:
            for delivery in rows:
                deliveries.requeue(conn, delivery, now=app.now())
    except StorageError as error:
        log.warning("deliveries.not_handed_back", rows=len(rows), reason=str(error))  # their lease ends


def _time_left(app: App, started: datetime) -> float:
    """Seconds until the next mail may leave: ``mail.rate`` a second at most."""
    rate = app.settings.mail.rate
    return max(0.0, 1 / rate - (app.now() - started).total_seconds()) if rate else 0.0


def unsubscribe_url(site_url: str, key: bytes, public_id: str) -> str:
    """The address of one subscription's own unsubscribe page; it never expires."""
    return f"{site_url}/unsubscribe/{sign_token(key, UNSUBSCRIBE, public_id)}"
