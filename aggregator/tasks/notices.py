"""What has happened is told to those who asked for it: posted to webhooks, mailed to editors. Never decides what it is.

Each target hears of one event after the other, the oldest first. One that is not there is left alone, longer each time,
and hears all of it later; after `PATIENCE` an event is told no more. What waits together for one address is one mail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from hashlib import blake2b
from urllib.parse import urlsplit

from aggregator.app import App
from aggregator.errors import MailError, RecipientRefused, StorageError
from aggregator.fetch.webhooks import make_webhook
from aggregator.log import get_logger
from aggregator.mail.dkim import build_signer
from aggregator.mail.message import get_sender_domain, message_id, write_letter
from aggregator.mail.single import send_one
from aggregator.model.feed import Fetched, FetchFailed, Postponed, Reply
from aggregator.model.notice import Notice
from aggregator.model.settings import MAIL_TARGET, WebhookSettings
from aggregator.model.subscriber import Message
from aggregator.pipeline.words import header_text
from aggregator.render.notices import write_alert
from aggregator.storage import notices
from aggregator.storage.notices import PATIENCE
from aggregator.tasks.notable import is_look_due, look_around
from aggregator.tasks.worker import worker_name

log = get_logger(__name__)

LEASE = timedelta(minutes=15)
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=12)
#: Events in one mail.
MOST_MAILED = 100
#: Answers that say nothing about this event: all others of the target would get the same.
_NOT_NOW = frozenset({408, 425, 429})


def has_due(app: App) -> bool:
    """Whether it is time to look for what has happened, or something waits to be told."""
    with app.db.read() as conn:
        # What waits for a target that is configured no more is given up, be it the last one.
        return (bool(app.settings.alerts.targets) and is_look_due(conn, app)) or notices.has_due(conn, now=app.now())


def tell(app: App, *, pause: Callable[[float], bool]) -> None:
    """Look for what has happened, and tell all that waits. ``pause`` says whether to stop."""
    look_around(app)
    targets = app.settings.alerts.targets
    with app.db.write() as conn:
        notices.forget_others(conn, targets)
        notices.give_up(conn, targets, now=app.now())
    _post_all(app, pause)
    for address in app.settings.alerts.mail:
        if pause(0):
            return
        if claimed := _claim(app, f"{MAIL_TARGET}{address}", limit=MOST_MAILED):
            _mail(app, address, claimed)


def _claim(app: App, target: str, *, limit: int) -> tuple[Notice, ...]:
    now = app.now()
    with app.db.write() as conn:
        return notices.claim(conn, target, owner=worker_name(), until=now + LEASE, limit=limit, now=now)


def _post_all(app: App, pause: Callable[[float], bool]) -> None:
    """One event to each webhook at a time, until none waits."""
    webhooks = {webhook.url: webhook for webhook in app.settings.alerts.webhooks}
    while not pause(0):
        claimed = {url: found[0] for url in webhooks if (found := _claim(app, url, limit=1))}
        if not claimed:
            return
        _post(app, webhooks, claimed)


def _post(app: App, webhooks: Mapping[str, WebhookSettings], claimed: Mapping[str, Notice]) -> None:
    now = app.now()
    requests = [
        make_webhook(url, webhooks[url].key, f"msg_{_name(notice)}", notice.body, now=now)
        for url, notice in claimed.items()
    ]
    with closing(app.fetcher.fetch(requests)) as replies:
        for reply in replies:
            _note_reply(app, claimed[reply.request.url], reply)


def _note_reply(app: App, notice: Notice, reply: Reply) -> None:
    owner, now, host = worker_name(), app.now(), urlsplit(notice.target).hostname
    match reply:
        case Fetched():
            with app.db.write() as conn:
                notices.settle(conn, [notice], "done", owner=owner, code=reply.status)
            log.info("webhook.told", host=host, kind=notice.kind)
        case Postponed():
            with app.db.write() as conn:
                until = now + reply.wait
                notices.put_off(conn, [notice], until, owner=owner, reply=reply.reason, counted=False)
                notices.hold_back(conn, notice.target, until)
        case FetchFailed(status=410 as gone):
            with app.db.write() as conn:
                notices.settle(conn, [notice], "failed", owner=owner, code=gone, reply=reply.reason)
                notices.leave(conn, notice.target, reply.reason)
            log.error("webhook.gone", host=host, reason=reply.reason)
        case FetchFailed():
            status = reply.status or 0
            is_away = status in _NOT_NOW or not 400 <= status < 500
            _try_later(app, [notice], reply.reason, code=status, wait=reply.retry_after, is_away=is_away)


def _try_later(
    app: App,
    claimed: Sequence[Notice],
    reason: str,
    *,
    code: int = 0,
    wait: timedelta | None = None,
    is_away: bool = True,
) -> None:
    """Twice as late each time. When the target ``is_away``, so does all else that waits for it."""
    first, owner, now = claimed[0], worker_name(), app.now()
    until = now + max(wait or FIRST_WAIT, min(FIRST_WAIT * 2 ** min(first.attempts - 1, 12), LONGEST_WAIT))
    late = [notice for notice in claimed if until >= notice.created_at + PATIENCE]
    with app.db.write() as conn:
        notices.settle(conn, late, "failed", owner=owner, code=code, reply=reason)
        notices.put_off(conn, [one for one in claimed if one not in late], until, owner=owner, code=code, reply=reason)
        if is_away:
            notices.hold_back(conn, first.target, until)
    log.warning("notice.failed", notice=first.id, kind=first.kind, reason=reason, again_at=until.isoformat())


def _mail(app: App, address: str, claimed: Sequence[Notice]) -> None:
    """All of them in one mail. What may have arrived is sent again under the same Message-ID."""
    owner = worker_name()
    try:
        reply = send_one(app.mailer.deliver, _write(app, address, claimed))
    except StorageError:
        raise
    except MailError as error:
        if isinstance(error, RecipientRefused) and not 400 <= error.code < 500:
            with app.db.write() as conn:
                notices.settle(conn, claimed, "failed", owner=owner, code=error.code, reply=str(error))
            log.error("alert.refused", reason=str(error))
        else:
            _try_later(app, claimed, str(error), code=error.code)
    except Exception as error:  # a bug of ours costs this mail, not the others
        log.exception("alert.broken")
        _try_later(app, claimed, f"{type(error).__name__}: {error}"[:500])
    else:
        with app.db.write() as conn:
            notices.settle(conn, claimed, "done", owner=owner, code=250, reply=reply)
        log.info("alert.sent", events=len(claimed))


def _write(app: App, address: str, claimed: Sequence[Notice]) -> Message:
    site, mail = app.settings.site, app.settings.mail
    subject, text = write_alert([notice.body for notice in claimed], site=site)
    return write_letter(
        subject=header_text(subject),
        html="",
        text=text,
        sender=mail.sender,
        recipient=address,
        message_id=message_id("alert", _name(*claimed), get_sender_domain(mail.sender)),
        date=app.now(),
        reply_to=mail.reply_to,
        signer=build_signer(mail.dkim),
    )


def _name(*told: Notice) -> str:
    """The same at every attempt, so that who gets it twice knows."""
    said = "\n".join(f"{one.target}\n{one.kind}\n{one.subject}\n{one.created_at.isoformat()}" for one in told)
    return blake2b(said.encode("utf-8", "replace"), digest_size=16).hexdigest()
