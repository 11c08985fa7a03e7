"""All that is kept about one person, looked up or erased; and the list of addresses that get no mail. Never mails."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.person import Forgotten, KeptBounce, KeptDelivery, KeptLetter, Person, Suppression
from aggregator.storage import subscribers
from aggregator.storage.bounces import GIVEN_UP
from aggregator.storage.schema import bounces, deliveries, issues, letters, subscriptions, suppressions
from aggregator.storage.schema import subscribers as people

#: Why the hash of a forgotten person stays: nobody adds the address again.
FORGOTTEN = "forgotten on request"


def find_person(conn: Connection, email: str, *, with_mails: bool = True) -> Person | None:
    """Everything about the address; None when there is nothing. ``with_mails``: issues to it, too."""
    address_hash = subscribers.hash_address(email)
    row = conn.execute(sa.select(people).where(people.c.address_hash == address_hash)).mappings().first()
    number = row["id"] if row else None
    person = Person(
        email=row["email"] if row else email.strip(),
        since=row["created_at"] if row else None,
        suppression=get_suppression(conn, email),
        subscriptions=subscribers.list_subscriptions(conn, subscriber_id=number) if row else (),
        deliveries=list_kept_deliveries(conn, number) if number is not None and with_mails else (),
        letters=_list_letters(conn, address_hash, number),
        bounces=_list_bounces(conn, address_hash, number),
    )
    return person if row or person.suppression or person.letters or person.bounces else None


def get_suppression(conn: Connection, email: str) -> Suppression | None:
    """Why and since when the address gets no mail."""
    query = sa.select(suppressions).where(suppressions.c.address_hash == subscribers.hash_address(email))
    row = conn.execute(query).mappings().first()
    return Suppression(reason=row["reason"], created_at=row["created_at"]) if row else None


def allow(conn: Connection, email: str, *, revive: bool) -> int:
    """Take the address off the list; how many subscriptions came back.

    ``revive``: those that bounces ended; what the person ended stays ended.
    """
    address_hash = subscribers.hash_address(email)
    conn.execute(sa.delete(suppressions).where(suppressions.c.address_hash == address_hash))
    if not revive:
        return 0
    mine = sa.select(people.c.id).where(people.c.address_hash == address_hash)
    return subscribers.begin_again(
        conn, subscriptions.c.subscriber_id.in_(mine), subscriptions.c.ended_reason.startswith(GIVEN_UP)
    )


def forget(conn: Connection, email: str, *, now: datetime) -> Forgotten | None:
    """Erase the person; only the hash of the address stays, so that nobody adds it again. None: nobody is known.

    Every address that letters and deliveries hold of the person goes with it. An issue that is being sent passes over
    a row that is gone.
    """
    address_hash = subscribers.hash_address(email)
    if find_person(conn, email) is None:
        return None
    subscribers.suppress(conn, email, reason=FORGOTTEN, now=now)
    # Who changes something about the person at this moment is waited for, and finds nobody after that.
    mine = sa.select(people.c.id).where(people.c.address_hash == address_hash).with_for_update()
    number = conn.execute(mine).scalar()
    returned = conn.execute(sa.delete(bounces).where(_is_bounce_of(address_hash, number))).rowcount
    mailed = conn.execute(sa.delete(deliveries).where(deliveries.c.subscriber_id == number)).rowcount
    asked = conn.execute(sa.delete(letters).where(_is_letter_to(address_hash, number))).rowcount
    ties = 0
    if number is not None:
        ties = conn.execute(sa.delete(subscriptions).where(subscriptions.c.subscriber_id == number)).rowcount
        conn.execute(sa.delete(people).where(people.c.id == number))
    return Forgotten(subscriptions=ties, deliveries=mailed, letters=asked, bounces=returned)


def _is_letter_to(address_hash: str, number: int | None) -> sa.ColumnElement[bool]:
    same = letters.c.address_hash == address_hash
    return same if number is None else sa.or_(same, letters.c.subscriber_id == number)


def _is_bounce_of(address_hash: str, number: int | None) -> sa.ColumnElement[bool]:
    same = bounces.c.address_hash == address_hash
    if number is None:
        return same
    ties = sa.select(subscriptions.c.id).where(subscriptions.c.subscriber_id == number)
    mailed = sa.select(deliveries.c.id).where(deliveries.c.subscriber_id == number)
    return sa.or_(same, bounces.c.subscription_id.in_(ties), bounces.c.delivery_id.in_(mailed))


def list_kept_deliveries(
    conn: Connection, number: int, *, before_id: int | None = None, limit: int = 0
) -> tuple[KeptDelivery, ...]:
    """Issues to a person: all, the oldest first; with a ``limit`` the newest first, below ``before_id``."""
    same = ("id", "issue_id", "address", "state", "created_at", "changed_at")
    query = (
        sa.select(*(deliveries.c[name] for name in same), deliveries.c.reply_text, issues.c.newsletter, issues.c.slug)
        .join_from(deliveries, issues)
        .where(deliveries.c.subscriber_id == number)
    )
    if before_id is not None:
        query = query.where(deliveries.c.id < before_id)
    query = query.order_by(deliveries.c.id.desc()).limit(limit) if limit else query.order_by(deliveries.c.id)
    return tuple(
        KeptDelivery(
            newsletter=row["newsletter"],
            issue=row["slug"],
            reply=row["reply_text"],
            **{name: row[name] for name in same},
        )
        for row in conn.execute(query).mappings()
    )


def _list_letters(conn: Connection, address_hash: str, number: int | None) -> tuple[KeptLetter, ...]:
    same = ("kind", "address", "state", "created_at", "used_at")
    query = sa.select(letters).where(_is_letter_to(address_hash, number)).order_by(letters.c.id)
    return tuple(
        KeptLetter(newsletters=tuple(row["newsletters"]), **{name: row[name] for name in same})
        for row in conn.execute(query).mappings()
    )


def _list_bounces(conn: Connection, address_hash: str, number: int | None) -> tuple[KeptBounce, ...]:
    same = ("kind", "status", "diagnostic", "received_at")
    query = sa.select(*(bounces.c[name] for name in same)).where(_is_bounce_of(address_hash, number))
    rows = conn.execute(query.order_by(bounces.c.id)).mappings()
    return tuple(KeptBounce(**{name: row[name] for name in same}) for row in rows)
