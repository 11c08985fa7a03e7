"""What a person says about their own subscriptions, behind a link that only they have. Never mails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aggregator.app import App
from aggregator.model.letter import NewLetter, Origin
from aggregator.model.newsletter import Newsletter
from aggregator.model.subscriber import NewSubscriber, Subscription, Wishes
from aggregator.storage import letters, meta, people, subscribers
from aggregator.storage.letters import Connection
from aggregator.tasks.people import describe_person
from aggregator.tasks.personal_links import name_preferences
from aggregator.tasks.subscribe import choose_wishes, gets_no_letter, wake, write_consent
from aggregator.tokens import read_token


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a person has and may choose."""

    email: str
    subscriber_id: int
    #: No: mail came back, or somebody asked that none is sent; nothing can be chosen until the address is another.
    gets_mail: bool
    #: With what the person has of each; None: nothing.
    choices: tuple[tuple[Newsletter, Subscription | None], ...]

    @property
    def slugs(self) -> frozenset[str]:
        """What comes now."""
        return frozenset(letter.slug for letter, mine in self.choices if mine and mine.state == "confirmed")

    @property
    def wishes(self) -> Wishes:
        """All topics and the language that were chosen anywhere."""
        active = [mine for _, mine in self.choices if mine and mine.state == "confirmed"]
        topics = sorted({topic for mine in active for topic in mine.topics})
        return Wishes(language=next((mine.language for mine in active if mine.language), ""), topics=tuple(topics))


def find_desk(app: App, token: str) -> Desk | None:
    """None for every token that is nobody's."""
    with app.db.read() as conn:
        return _read_desk(app, conn, token)


def _read_desk(app: App, conn: Connection, token: str, *, lock: bool = False) -> Desk | None:
    """Of whom the token was made for, if it was made for the address of today.

    ``lock``: for who writes; the address stays that of today until the transaction ends.
    """
    key = meta.get_identity(conn).signing_key
    found = subscribers.find(conn, token.rpartition(".")[0], lock=lock)
    if found is None or not read_token(key, name_preferences(found.email), token):
        return None
    mine = {one.newsletter: one for one in subscribers.list_subscriptions(conn, subscriber_id=found.subscriber_id)}
    # What is closed can be left, not joined.
    kept = {slug for slug, one in mine.items() if one.state == "confirmed"}
    return Desk(
        email=found.email,
        subscriber_id=found.subscriber_id,
        gets_mail=not subscribers.is_suppressed(conn, found.email),
        choices=tuple((one, mine.get(one.slug)) for one in app.settings.newsletters if one.is_open or one.slug in kept),
    )


def save(app: App, token: str, slugs: Sequence[str], wishes: Wishes, origin: Origin) -> None:
    """From now on these newsletters, with these wishes; in one transaction."""
    now = app.now()
    consent = write_consent("chosen on the preference page", now, origin)
    with app.db.write() as conn:
        desk = _read_desk(app, conn, token, lock=True)
        if desk is None:
            return
        for newsletter, mine in desk.choices:
            chosen = choose_wishes(newsletter, wishes.language, wishes.topics)
            if newsletter.slug not in slugs:
                subscribers.remove(conn, desk.email, newsletter=newsletter.slug, reason="preferences", now=now)
            elif mine is None or mine.state != "confirmed":
                new = NewSubscriber(
                    email=desk.email, newsletter=newsletter.slug, language=chosen.language, topics=chosen.topics
                )
                subscribers.add(conn, new, consent=consent, now=now, wished_at=now)
            else:
                subscribers.set_wishes(conn, mine.id, chosen)


def leave(app: App, token: str) -> None:
    """No newsletter any more."""
    with app.db.write() as conn:
        if desk := _read_desk(app, conn, token, lock=True):
            subscribers.remove(conn, desk.email, reason="preferences", now=app.now())


def ask_change(app: App, token: str, address: str, origin: Origin) -> bool:
    """A letter to the new address asks whether it is theirs; until then nothing changes.

    Capped like any letter; False: so it was, and an earlier one is as good as before. Whether the address gets mail at
    all is not said: it may be somebody else's.
    """
    now = app.now()
    with app.db.write() as conn:
        letters.lock_letters(conn)
        desk = _read_desk(app, conn, token, lock=True)
        if desk is None or letters.is_capped(
            conn, address, origin, hourly=app.settings.confirmations_per_hour, now=now
        ):
            return False
        # Of two asks the last one holds: who mistyped an address must not lose everything to its owner.
        letters.void_changes(conn, desk.subscriber_id, now=now)
        new = NewLetter(
            kind="change",
            address=address,
            newsletters=tuple(sorted(desk.slugs)),
            language=desk.wishes.language,
            subscriber_id=desk.subscriber_id,
            origin=origin,
        )
        letters.add(conn, new, now=now, unsent=gets_no_letter(app, conn, address))
    wake(app)
    return True


def export(app: App, token: str) -> dict[str, Any] | None:
    """Everything that is kept about the person; None: the token is nobody's."""
    with app.db.read() as conn:
        desk = _read_desk(app, conn, token)
        person = people.find_person(conn, desk.email) if desk else None
    return describe_person(person) if person else None


def forget(app: App, token: str) -> bool:
    """Erase the person; False: there is nobody."""
    with app.db.write() as conn:
        desk = _read_desk(app, conn, token, lock=True)
        return desk is not None and people.forget(conn, desk.email, now=app.now()) is not None
