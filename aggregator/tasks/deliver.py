"""One Delivery row at a time: claim -> personalise -> mail -> mark. Never renders an issue: its bytes are frozen.

The ledger's promises: a claim is committed before MAIL FROM, ``committing`` before the final dot, ``sent`` right after
the answer. A kill before the dot is certainly not accepted and queued again; a kill after it is
``unknown`` until the policy settles it. The same row always makes the same Message-ID.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aggregator.app import App
from aggregator.errors import MailError, MailUncertain, NotFound, RecipientRefused, SenderRefused
from aggregator.log import get_logger
from aggregator.mail.message import PreparedMessage, get_sender_domain, message_id, prepare_message
from aggregator.model.ids import IssueId
from aggregator.model.newsletter import Issue, RenderedIssue
from aggregator.model.settings import Settings
from aggregator.model.subscriber import Delivery
from aggregator.storage import deliveries, issues, meta
from aggregator.tasks.subscribe import UNSUBSCRIBE
from aggregator.tokens import sign_token

log = get_logger(__name__)

#: Deliveries claimed at a time: what a shutdown waits for at most.
SLICE = 10
LEASE = timedelta(minutes=10)
#: Waits after the first, second... temporary refusal; after the last the row has failed.
RETRIES = (
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(hours=8),
    timedelta(hours=12),
    timedelta(hours=24),
)
#: When the server refuses us, not a recipient, nothing is sent for this long.
SENDER_PAUSE = timedelta(minutes=15)


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


def deliver_slice(app: App, issue_id: IssueId, *, on_result: Callable[[Delivery, str], None] | None = None) -> Slice:
    """Send the next few mails of an issue that is being sent; marks it sent when no row waits any more.

    ``on_result`` hears of each row and its new state.
    """
    with app.db.read() as conn:
        issue, rendered = issues.get_by_id(conn, issue_id), issues.get_rendered(conn, issue_id)
        key = meta.get_identity(conn).signing_key
    if issue is None or rendered is None:
        raise NotFound(f"issue {issue_id} is not frozen")
    mail = _prepare(app.settings, issue, rendered)
    with app.db.write() as conn:
        deliveries.recover(conn, now=app.now(), policy="resend")
        claimed = deliveries.claim(conn, issue_id, owner=worker_name(), now=app.now(), limit=SLICE, lease=LEASE)
    done = Slice(empty=not claimed)
    for position, delivery in enumerate(claimed):
        started = app.now()
        state, stopped = _deliver(app, mail, key, delivery)
        done = done.add(state, stopped)
        if on_result:
            on_result(delivery, state)
        if stopped:
            _hand_back(app, claimed[position + 1 :])
            break
        _keep_rate(app, started)
    with app.db.write() as conn:
        issues.mark_sent(conn, issue_id, now=app.now())
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueMail:
    """An issue's bytes with gaps for what is personal, and what fills them."""

    prepared: PreparedMessage
    issue_slug: str
    domain: str
    site_url: str


def _prepare(settings: Settings, issue: Issue, rendered: RenderedIssue) -> IssueMail:
    site, sender = settings.site, settings.mail.sender
    title = next((item.title for item in settings.newsletters if item.slug == issue.newsletter), site.title)
    prepared = prepare_message(
        newsletter=issue.newsletter,
        issue_slug=issue.slug,
        subject=rendered.subject,
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
    )


def _deliver(app: App, mail: IssueMail, key: bytes, delivery: Delivery) -> tuple[str, str]:
    """One row; its new state, and why nothing more can be sent now (empty: go on)."""

    def about_to_commit() -> None:
        with app.db.write() as conn:
            if not deliveries.mark_committing(conn, delivery, now=app.now()):
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
        return _mark_refused(app, delivery, error)
    with app.db.write() as conn:
        deliveries.mark_sent(conn, delivery, reply=reply, now=app.now())
    log.info("delivery.sent", delivery=delivery.id, reply=reply)
    return "sent", ""


def _mark_refused(app: App, delivery: Delivery, error: MailError) -> tuple[str, str]:
    now = app.now()
    log.warning("delivery.refused", delivery=delivery.id, code=error.code, reason=error.text, kind=type(error).__name__)
    with app.db.write() as conn:
        match error:
            case MailUncertain():
                # The row stays ``committing``; recovery settles it by policy when its lease is over.
                return "uncertain", str(error)
            case RecipientRefused():
                deliveries.mark_failed(conn, delivery, code=error.code, reply=error.text, now=now)
                return "failed", ""
            case SenderRefused():
                next_try = now + SENDER_PAUSE
                deliveries.mark_deferred(
                    conn, delivery, code=error.code, reply=error.text, next_try_at=next_try, now=now
                )
                return "deferred", str(error)
        if delivery.attempts > len(RETRIES):
            deliveries.mark_failed(conn, delivery, code=error.code, reply=error.text, now=now)
            return "failed", ""
        next_try = now + RETRIES[delivery.attempts - 1]
        deliveries.mark_deferred(conn, delivery, code=error.code, reply=error.text, next_try_at=next_try, now=now)
        # Greylisting is about one recipient; 421 and a lost line are about the server.
        return "deferred", str(error) if error.code in (0, 421) else ""


def _hand_back(app: App, rows: Sequence[Delivery]) -> None:
    with app.db.write() as conn:
        for delivery in rows:
            deliveries.requeue(conn, delivery, now=app.now())


def _keep_rate(app: App, started: datetime) -> None:
    """Wait until the next mail may leave: ``mail.rate`` a second at most."""
    if app.settings.mail.rate:
        left = 1 / app.settings.mail.rate - (app.now() - started).total_seconds()
        if left > 0:
            time.sleep(left)


def unsubscribe_url(site_url: str, key: bytes, public_id: str) -> str:
    """The address of one subscription's own unsubscribe page; it never expires."""
    return f"{site_url}/unsubscribe/{sign_token(key, UNSUBSCRIBE, public_id)}"


def worker_name() -> str:
    """Who claims: host and process."""
    return f"{socket.gethostname()}:{os.getpid()}"
