"""People and their ties to newsletters, with the evidence of their consent, and those who want no mail. Never mails."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from aggregator.model.ids import SubscriberId, SubscriptionId
from aggregator.model.subscriber import NewSubscriber, Subscription, Wishes
from aggregator.storage.engine import insert
from aggregator.storage.schema import deliveries, subscribers, subscriptions, suppressions


def hash_address(email: str) -> str:
    """What an address is known by: SHA-256, hex, of its form without differences in case or composition."""
    return sha256(unicodedata.normalize("NFC", email.strip()).casefold().encode()).hexdigest()


def add(
    conn: Connection, new: NewSubscriber, *, consent: str, now: datetime, wished_at: datetime | None = None
) -> bool:
    """Subscribe a person, confirmed, with the evidence of consent; True when that is new.

    Who has ended the subscription stays ended, unless the person's own wish is newer (``wished_at``; None: it is
    somebody else's); a suppressed address is never subscribed. ``new.email`` is a checked address.
    """
    address_hash = hash_address(new.email)
    if is_suppressed(conn, new.email):
        return False
    person = {"email": new.email, "address_hash": address_hash, "created_at": now}
    conn.execute(insert(conn, subscribers).values(**person).on_conflict_do_nothing())
    subscriber_id = conn.execute(
        sa.select(subscribers.c.id).where(subscribers.c.address_hash == address_hash)
    ).scalar_one()
    wishes = {
        "state": "confirmed",
        "language": new.language,
        "topics": list(new.topics),
        "variant": Wishes(language=new.language, topics=new.topics).variant,
        "consent": consent,
        "confirmed_at": now,
        "ended_reason": "",
    }
    tie = {"subscriber_id": subscriber_id, "newsletter": new.newsletter, "public_id": secrets.token_urlsafe(16)}
    statement = insert(conn, subscriptions).values(**tie, **wishes, created_at=now).on_conflict_do_nothing()
    if conn.execute(statement.returning(subscriptions.c.id)).first():
        return True
    again = subscriptions.c.state == "pending"
    if wished_at is not None:
        again = sa.or_(again, sa.and_(subscriptions.c.state == "ended", subscriptions.c.ended_at <= wished_at))
    renewed = sa.update(subscriptions).where(
        subscriptions.c.subscriber_id == subscriber_id, subscriptions.c.newsletter == new.newsletter, again
    )
    return bool(conn.execute(renewed.values(**wishes, ended_at=None)).rowcount)


def list_subscriptions(
    conn: Connection, newsletter: str | None = None, *, subscriber_id: int | None = None
) -> tuple[Subscription, ...]:
    """In the order in which they came; ended ones too."""
    query = select_subscriptions().order_by(subscriptions.c.id)
    if subscriber_id is not None:
        query = query.where(subscriptions.c.subscriber_id == subscriber_id)
    if newsletter is not None:
        query = query.where(subscriptions.c.newsletter == newsletter)
    return tuple(make_subscription(row) for row in conn.execute(query).mappings())


def end(conn: Connection, public_id: str, reason: str, now: datetime) -> bool:
    """The person leaves; asked again it stays so. False when there is no such subscription."""
    known = conn.execute(sa.select(subscriptions.c.id).where(subscriptions.c.public_id == public_id)).scalar()
    _end(conn, subscriptions.c.public_id == public_id, reason, now)
    return known is not None


def remove(conn: Connection, email: str, *, newsletter: str | None = None, reason: str, now: datetime) -> int:
    """End the subscriptions of an address, to one newsletter or (None) to all; how many were not ended before."""
    person = sa.select(subscribers.c.id).where(subscribers.c.address_hash == hash_address(email))
    which: sa.ColumnElement[bool] = subscriptions.c.subscriber_id.in_(person)
    if newsletter is not None:
        which = sa.and_(which, subscriptions.c.newsletter == newsletter)
    return _end(conn, which, reason, now)


def find(conn: Connection, public_id: str, *, lock: bool = False) -> Subscription | None:
    """By what its tokens are made of. ``lock``: until this transaction ends nobody else moves or erases the person."""
    query = select_subscriptions().where(subscriptions.c.public_id == public_id)
    row = conn.execute(query.with_for_update(of=subscribers) if lock else query).mappings().first()
    return make_subscription(row) if row else None


def find_by_address(conn: Connection, email: str) -> tuple[Subscription, ...]:
    """All of an address."""
    query = select_subscriptions().where(subscribers.c.address_hash == hash_address(email)).order_by(subscriptions.c.id)
    return tuple(make_subscription(row) for row in conn.execute(query).mappings())


def find_person(conn: Connection, email: str) -> SubscriberId | None:
    """Who has this address, with or without a subscription."""
    query = sa.select(subscribers.c.id).where(subscribers.c.address_hash == hash_address(email))
    found = conn.execute(query).scalar()
    return None if found is None else SubscriberId(found)


def set_wishes(conn: Connection, subscription_id: int, wishes: Wishes) -> None:
    """What the person wants of the newsletter from now on."""
    mine = sa.update(subscriptions).where(subscriptions.c.id == subscription_id)
    conn.execute(mine.values(language=wishes.language, topics=list(wishes.topics), variant=wishes.variant))


def return_to(conn: Connection, left: Subscription, reasons: Sequence[str], *, together: str, since: datetime) -> bool:
    """Undo an ending for one of ``reasons`` that is not older than ``since``, and the person's others for the reason
    ``together``; a suppressed address stays out."""
    if is_suppressed(conn, left.email):
        return False
    with_it = sa.and_(subscriptions.c.subscriber_id == left.subscriber_id, subscriptions.c.ended_reason == together)
    lately = (subscriptions.c.ended_reason.in_(reasons), subscriptions.c.ended_at >= since)
    return begin_again(conn, sa.or_(subscriptions.c.id == left.id, with_it), *lately) > 0


def revive(conn: Connection, ids: Sequence[int], *, reason: str) -> int:
    """Undo an ending for ``reason`` of these subscriptions; a suppressed address stays out. How many."""
    unwanted = sa.exists().where(
        subscribers.c.id == subscriptions.c.subscriber_id, subscribers.c.address_hash == suppressions.c.address_hash
    )
    return begin_again(conn, subscriptions.c.id.in_(ids), subscriptions.c.ended_reason == reason, ~unwanted)


def begin_again(conn: Connection, *which: sa.ColumnElement[bool]) -> int:
    """Undo the ending of ``which`` subscriptions that were confirmed once; how many."""
    ended = (subscriptions.c.state == "ended", subscriptions.c.confirmed_at.is_not(None))
    again = sa.update(subscriptions).where(*which, *ended)
    return conn.execute(again.values(state="confirmed", ended_at=None, ended_reason="")).rowcount


def move(conn: Connection, subscriber_id: int, email: str) -> None:
    """The person has another address, which nobody else has; what waits to be sent goes there."""
    me = sa.update(subscribers).where(subscribers.c.id == subscriber_id)
    conn.execute(me.values(email=email, address_hash=hash_address(email), folded=email.lower()))
    waiting = sa.update(deliveries).where(
        deliveries.c.subscriber_id == subscriber_id, deliveries.c.state.in_(("queued", "deferred"))
    )
    conn.execute(waiting.values(address=email))


def _end(conn: Connection, which: sa.ColumnElement[bool], reason: str, now: datetime) -> int:
    statement = sa.update(subscriptions).where(which, subscriptions.c.state != "ended")
    return conn.execute(statement.values(state="ended", ended_at=now, ended_reason=reason)).rowcount


def suppress(conn: Connection, email: str, *, reason: str, now: datetime) -> None:
    """No mail to this address from now on, whoever adds it; only its hash is kept."""
    row = {"address_hash": hash_address(email), "reason": reason, "created_at": now}
    conn.execute(insert(conn, suppressions).values(**row).on_conflict_do_nothing())


def is_suppressed(conn: Connection, email: str) -> bool:
    """Whether `suppress` was said of this address."""
    query = sa.select(suppressions.c.address_hash).where(suppressions.c.address_hash == hash_address(email))
    return conn.execute(query).scalar() is not None


def select_subscriptions() -> sa.Select[tuple[object, ...]]:
    """For `make_subscription`."""
    return sa.select(subscriptions, subscribers.c.email).join_from(subscriptions, subscribers)


def make_subscription(row: RowMapping) -> Subscription:
    """Of a row of `select_subscriptions`."""
    same = ("email", "newsletter", "state", "public_id", "language", "consent", "created_at", "ended_at")
    return Subscription(
        id=SubscriptionId(row["id"]),
        subscriber_id=SubscriberId(row["subscriber_id"]),
        topics=tuple(row["topics"]),
        ended_reason=row["ended_reason"],
        **{name: row[name] for name in same},
    )
