"""Letters to one person leave: is this you? Never decides who gets one; a row is sent at most once.

A daemon that is killed before the dot leaves a row whose lease ends; after the dot, one that is not touched again: the
person can ask once more, and nobody is mailed twice.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from aggregator.app import App
from aggregator.errors import MailError, MailUnavailable, MailUncertain, RecipientRefused, SenderRefused, StorageError
from aggregator.log import get_logger
from aggregator.mail.addresses import letter_address
from aggregator.mail.dkim import build_signer
from aggregator.mail.message import get_sender_domain, message_id, write_letter
from aggregator.mail.single import send_one
from aggregator.model.letter import Letter
from aggregator.model.newsletter import Newsletter
from aggregator.model.subscriber import Message, Subscription, get_domain
from aggregator.pipeline.words import header_text
from aggregator.render.idiom import Idiom
from aggregator.render.letters import write_letter_parts
from aggregator.storage import letters, meta, subscribers
from aggregator.tasks.pace import Pace
from aggregator.tasks.personal_links import confirm_url, preferences_url, unsubscribe_url
from aggregator.tasks.worker import worker_name

log = get_logger(__name__)

LEASE = timedelta(minutes=15)
SLICE = 20
#: Waits after a temporary failure; after the last the letter is out of date.
RETRIES = tuple(timedelta(minutes=minutes) for minutes in (2, 10, 30, 60, 180, 360, 720))
#: The server refuses us, not the recipient.
REST = timedelta(minutes=15)


class _Gone(Exception):
    """The row is no longer ours, or the address gets no mail any more."""


def has_due(app: App) -> bool:
    """Whether a letter waits."""
    with app.db.read() as conn:
        return letters.has_due(conn, now=app.now())


def send_letters(app: App, *, pause: Callable[[float], bool]) -> None:
    """All that are due, one after the other, as fast as the rates allow."""
    pace = Pace(app)
    try:
        _send_due(app, pace, pause)
    finally:
        pace.leave()


def _send_due(app: App, pace: Pace, pause: Callable[[float], bool]) -> None:
    while not pause(0):
        with app.db.write() as conn:
            now = app.now()
            owner = worker_name()
            found = letters.claim(conn, owner=owner, until=now + LEASE, limit=SLICE, now=now)
        for number, letter in enumerate(found):
            try:
                is_its_turn = pace.wait(get_domain(letter.address), pause)
            except StorageError:
                with suppress(StorageError):
                    _hand_back(app, found[number:], owner)
                raise
            if not is_its_turn:
                _hand_back(app, found[number:], owner)
                return
            _send(app, letter, owner)
        if len(found) < SLICE:
            return


def _hand_back(app: App, rest: tuple[Letter, ...], owner: str) -> None:
    with app.db.write() as conn:
        for letter in rest:
            letters.settle(conn, letter.id, "queued", owner=owner)


def _send(app: App, letter: Letter, owner: str) -> None:
    """Whatever becomes of it, the others go on."""
    is_committing = False

    def about_to_commit() -> None:
        nonlocal is_committing
        with app.db.write() as conn:
            if not letters.mark_committing(conn, letter.id, owner=owner):
                raise _Gone
        is_committing = True

    try:
        reply = send_one(app.mailer.deliver, _write(app, letter), about_to_commit)
    except _Gone:
        with app.db.write() as conn:
            letters.settle(conn, letter.id, "failed", owner=owner, reply="the address gets no mail")
    except MailUncertain as error:
        # The row stays `committing`: it may have arrived, and the person can ask again.
        log.warning("letter.uncertain", letter=letter.id, reason=str(error))
    except MailError as error:
        _put_off(app, letter, owner, error)
    except Exception as error:
        # A template of the editor's, or a bug. What may have arrived stays `committing`, like one that is uncertain.
        log.exception("letter.broken", letter=letter.id, kind=letter.kind)
        if not is_committing:
            _put_off(app, letter, owner, MailUnavailable(0, f"{type(error).__name__}: {error}"[:500]))
    else:
        with app.db.write() as conn:
            letters.settle(conn, letter.id, "sent", owner=owner, code=250, reply=reply)
        log.info("letter.sent", letter=letter.id, kind=letter.kind)


def _put_off(app: App, letter: Letter, owner: str, error: MailError) -> None:
    now = app.now()
    wait = RETRIES[min(letter.attempts, len(RETRIES)) - 1]
    if isinstance(error, SenderRefused):
        log.error("letter.refused", letter=letter.id, reason=str(error))
        wait = max(wait, REST)
    given_up = isinstance(error, RecipientRefused) and not 400 <= error.code < 500
    given_up = given_up or now + wait >= letter.expires_at
    with app.db.write() as conn:
        letters.settle(
            conn,
            letter.id,
            "failed" if given_up else "queued",
            owner=owner,
            code=error.code,
            reply=str(error),
            next_try_at=now + wait,
        )


def _write(app: App, letter: Letter) -> Message:
    settings = app.settings
    chosen = [one for one in settings.newsletters if one.slug in letter.newsletters]
    first = chosen[0] if len(chosen) == 1 else None
    with app.db.read() as conn:
        key = meta.get_identity(conn).signing_key
        mine = subscribers.find_by_address(conn, letter.address) if letter.kind == "known" else ()
    site_url = settings.site.url
    language = letter.language or (chosen[0].language if chosen else settings.site.language)
    unsubscribe = _find_way_out(site_url, key, mine, letter)
    parts = write_letter_parts(
        letter.kind,
        title=_name(chosen, language, settings.site.timezone) or settings.site.title,
        action_url=_find_action(site_url, key, mine, letter),
        unsubscribe_url=unsubscribe,
        site=settings.site,
        language=language,
        templates=app.templates,
    )
    sender = (first.sender if first else "") or settings.mail.sender
    bounces = settings.mail.bounces
    return write_letter(
        subject=header_text(parts.subject),
        html=parts.html,
        text=parts.text,
        sender=sender,
        recipient=letter.address,
        message_id=message_id("letter", letter.public_id[:16], get_sender_domain(sender)),
        date=app.now(),
        reply_to=(first.reply_to if first else "") or settings.mail.reply_to,
        return_path=letter_address(key, bounces.address, letter.id) if bounces else "",
        unsubscribe_url=unsubscribe,
        signer=build_signer(settings.mail.dkim),
    )


def _name(chosen: list[Newsletter], language: str, timezone: str) -> str:
    return str(Idiom(language=language, timezone=timezone).listing([one.title for one in chosen])) if chosen else ""


def _find_action(site_url: str, key: bytes, mine: tuple[Subscription, ...], letter: Letter) -> str:
    if letter.kind in ("confirm", "change"):
        return confirm_url(site_url, key, letter.public_id)
    active = [one for one in mine if one.state == "confirmed"]
    return preferences_url(site_url, key, active[0].public_id, active[0].email) if active else ""


def _find_way_out(site_url: str, key: bytes, mine: tuple[Subscription, ...], letter: Letter) -> str:
    active = [one for one in mine if one.newsletter in letter.newsletters and one.state == "confirmed"]
    return unsubscribe_url(site_url, key, active[0].public_id) if active else ""
