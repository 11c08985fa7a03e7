"""People ask for newsletters, say that it was them, and leave. Never mails them: rows of letters wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from aggregator.app import App
from aggregator.errors import UsageError
from aggregator.log import get_logger
from aggregator.mail.roles import is_ours, is_role
from aggregator.model.letter import Letter, NewLetter, Origin
from aggregator.model.newsletter import Newsletter
from aggregator.model.subscriber import NewSubscriber, Subscription, Wishes
from aggregator.storage import deliveries, issues, letters, meta, subscribers
from aggregator.storage.letters import Connection
from aggregator.tasks.personal_links import CONFIRM, UNSUBSCRIBE
from aggregator.tokens import read_token

log = get_logger(__name__)

#: What leaving by the page is called in the row; only such an ending can be undone there, and not for long.
LEFT_ALL = "page: all newsletters"
LEFT = ("one click", "page", LEFT_ALL, "preferences")
UNDO = timedelta(days=1)

Standing = Literal["open", "done", "expired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a letter's link is about, for its page."""

    standing: Standing
    kind: str = "confirm"
    titles: tuple[str, ...] = ()
    address: str = ""


def add_subscribers(app: App, people: Sequence[NewSubscriber], *, consent: str) -> int:
    """Add all of them, confirmed, in one transaction; the number added. Raises `UsageError` for no address."""
    checked = [(person, clean_email(person.email)) for person in people]
    with app.db.write() as conn:
        return sum(
            subscribers.add(
                conn,
                NewSubscriber(
                    email=email, newsletter=person.newsletter, language=person.language, topics=person.topics
                ),
                consent=consent,
                now=app.now(),
            )
            for person, email in checked
        )


def clean_email(text: str) -> str:
    """The address in its normal form, all ASCII (a domain may be xn--...). Raises `UsageError`; asks no DNS."""
    from email_validator import EmailNotValidError, validate_email

    try:
        checked = validate_email(text.strip(), check_deliverability=False, strict=True, allow_smtputf8=False)
        return checked.ascii_email or checked.normalized
    except EmailNotValidError as error:
        raise UsageError(f"{text!r} is no e-mail address: {error}") from None


def list_open(app: App) -> tuple[Newsletter, ...]:
    """What people may subscribe to on the web."""
    return tuple(one for one in app.settings.newsletters if one.is_open)


def choose_wishes(newsletter: Newsletter, language: str, topics: Sequence[str]) -> Wishes:
    """Of what a person wishes, what this newsletter offers."""
    spoken = language if language in newsletter.languages and language != newsletter.language else ""
    return Wishes(language=spoken, topics=tuple(sorted(set(topics) & set(newsletter.topics))))


def ask(app: App, address: str, slugs: Sequence[str], wishes: Wishes, origin: Origin) -> None:
    """Queue the letter that this wish leads to, if any. Says nothing, and takes as long for every address.

    ``address`` comes from `clean_email`. Of the wishes, what no newsletter offers is not kept.
    """
    now = app.now()
    wanted = [one for one in list_open(app) if one.slug in slugs]
    topics = {topic for one in wanted for topic in one.topics} & set(wishes.topics)
    languages = {language for one in wanted for language in (one.language, *one.languages)}
    with app.db.write() as conn:
        letters.lock_letters(conn)
        capped = letters.is_capped(conn, address, origin, hourly=app.settings.confirmations_per_hour, now=now)
        unwanted = gets_no_letter(app, conn, address)
        mine = {one.newsletter for one in subscribers.find_by_address(conn, address) if one.state == "confirmed"}
        told = letters.was_told(conn, address, "known", now=now)
        if capped:
            log.info("letters.capped", network=origin.network_hash[:8])
            return
        is_known = set(slugs) <= mine
        new = NewLetter(
            kind="known" if is_known else "confirm",
            address=address,
            newsletters=tuple(slugs),
            language=wishes.language if wishes.language in languages else "",
            topics=tuple(sorted(topics)),
            origin=origin,
        )
        unsent = unwanted or ("told before" if is_known and told else "")
        letters.add(conn, new, now=now, unsent=unsent)
    wake(app)


def gets_no_letter(app: App, conn: Connection, address: str) -> str:
    """Why no stranger can make us mail to it; empty: nothing is against it."""
    bounces = app.settings.mail.bounces
    if is_role(address) or is_ours(address, bounces.address if bounces else ""):
        return "no person's address"
    return "the address gets no mail" if subscribers.is_suppressed(conn, address) else ""


def wake(app: App) -> None:
    """Letters wait: the daemon need not look by itself first."""
    app.queue.defer("letters", key="letters")


def find_asked(app: App, token: str) -> Asked:
    """What the link is about; changes nothing. A wrong token looks like an expired one."""
    with app.db.read() as conn:
        letter = _find_letter(conn, token)
        return _describe(app, conn, letter, _get_standing(letter, app.now()))


def confirm(app: App, token: str) -> Asked:
    """Do what the letter asked for, once; said again it is done already."""
    now = app.now()
    with app.db.write() as conn:
        letter = _find_letter(conn, token)
        asked = _describe(app, conn, letter, _get_standing(letter, now))
        if letter is None or asked.standing != "open":
            return asked
        if letters.use(conn, letter.id, now=now):
            if letter.kind == "change":
                _change_address(app, conn, letter, now)
            else:
                _subscribe(app, conn, letter, now)
        asked = _describe(app, conn, letter, "done")
    wake(app)
    return asked


def end_by_token(app: App, token: str, *, reason: str) -> None:
    """End the subscription that ``token`` was made for; unknown or spent tokens change nothing and say nothing."""
    with app.db.read() as conn:
        public_id = read_token(meta.get_identity(conn).signing_key, UNSUBSCRIBE, token)
    if public_id is not None:
        with app.db.write() as conn:
            subscribers.end(conn, public_id, reason=reason, now=app.now())


def end_all_by_token(app: App, token: str) -> None:
    """End every subscription of the person; unknown tokens likewise."""
    found = find_by_token(app, token, UNSUBSCRIBE)
    if found is not None:
        with app.db.write() as conn:
            subscribers.remove(conn, found.email, reason=LEFT_ALL, now=app.now())


def undo_by_token(app: App, token: str) -> bool:
    """It was a mistake: whether anything goes on; who left all newsletters has all of them again."""
    found = find_by_token(app, token, UNSUBSCRIBE)
    if found is None:
        return False
    with app.db.write() as conn:
        return subscribers.return_to(conn, found, LEFT, together=LEFT_ALL, since=app.now() - UNDO)


def find_by_token(app: App, token: str, purpose: str) -> Subscription | None:
    """The subscription that a token of this purpose was made for."""
    with app.db.read() as conn:
        public_id = read_token(meta.get_identity(conn).signing_key, purpose, token)
        return subscribers.find(conn, public_id) if public_id else None


def write_consent(how: str, now: datetime, origin: Origin) -> str:
    """The evidence that is kept with a subscription."""
    return f"{how} on {now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC; form {origin.form}; network {origin.network_hash}"


def _find_letter(conn: Connection, token: str) -> Letter | None:
    public_id = read_token(meta.get_identity(conn).signing_key, CONFIRM, token)
    letter = letters.find(conn, public_id) if public_id else None
    return letter if letter is not None and letter.kind in ("confirm", "change") else None


def _get_standing(letter: Letter | None, now: datetime) -> Standing:
    if letter is None:
        return "expired"
    if letter.used_at is not None:
        return "done"
    return "open" if letter.expires_at > now else "expired"


def _describe(app: App, conn: Connection, letter: Letter | None, standing: Standing) -> Asked:
    """What holds of it today: a link that begins nothing any more, or what it began is over, is out of date."""
    if letter is None or standing == "expired" or subscribers.is_suppressed(conn, letter.address):
        return Asked(standing="expired")
    mine = {one.newsletter: one for one in subscribers.find_by_address(conn, letter.address)}

    def holds(slug: str) -> bool:
        one = mine.get(slug)
        if standing == "done":
            return one is not None and one.state == "confirmed"
        return one is None or one.ended_at is None or one.ended_at <= letter.created_at

    titles = tuple(one.title for one in app.settings.newsletters if one.slug in letter.newsletters and holds(one.slug))
    moves = letter.kind == "change" and (standing == "open" or subscribers.find_person(conn, letter.address))
    if not (titles or moves):
        return Asked(standing="expired")
    return Asked(standing=standing, kind=letter.kind, titles=titles, address=hide_address(letter.address))


def hide_address(address: str) -> str:
    """Enough of it to be known again by whom it belongs to: ``a…@example.org``."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"


def _subscribe(app: App, conn: Connection, letter: Letter, now: datetime) -> None:
    consent = write_consent("confirmed on the web", now, letter.origin)
    for newsletter in app.settings.newsletters:
        if newsletter.slug not in letter.newsletters:
            continue
        wishes = choose_wishes(newsletter, letter.language, letter.topics)
        new = NewSubscriber(
            email=letter.address, newsletter=newsletter.slug, language=wishes.language, topics=wishes.topics
        )
        is_new = subscribers.add(conn, new, consent=consent, now=now, wished_at=letter.created_at)
        if is_new and newsletter.welcome:
            _queue_welcome(conn, letter.address, newsletter.slug, now)


def _queue_welcome(conn: Connection, address: str, slug: str, now: datetime) -> None:
    newest = issues.find_newest_mailed(conn, slug)
    for one in subscribers.find_by_address(conn, address):
        if newest is not None and one.newsletter == slug:
            deliveries.queue_one(conn, newest, one.id, now=now)


def _change_address(app: App, conn: Connection, letter: Letter, now: datetime) -> None:
    """Everything moves to the new address; where that is somebody's already, the subscriptions join his."""
    assert letter.subscriber_id is not None
    mine = subscribers.list_subscriptions(conn, subscriber_id=letter.subscriber_id)
    if not mine or mine[0].email == letter.address:
        return
    old = mine[0].email
    if subscribers.find_person(conn, letter.address) not in (None, letter.subscriber_id):
        consent = write_consent("moved from another address and confirmed", now, letter.origin)
        for one in mine:
            if one.state == "confirmed":
                new = NewSubscriber(
                    email=letter.address, newsletter=one.newsletter, language=one.language, topics=one.topics
                )
                subscribers.add(conn, new, consent=consent, now=now, wished_at=letter.created_at)
        subscribers.remove(conn, old, reason="moved to another address", now=now)
    else:
        subscribers.move(conn, letter.subscriber_id, letter.address)
    letters.void_changes(conn, letter.subscriber_id, now=now)
    told = NewLetter(
        kind="changed",
        address=old,
        newsletters=letter.newsletters,
        language=letter.language,
        subscriber_id=letter.subscriber_id,
        origin=letter.origin,
    )
    letters.add(conn, told, now=now)
