"""Mail that came back: kept as it came, once, and what follows from it for the ledger and for people. Never reads mail.

One transaction stores a bounce and acts on it, so that a mail that is read again after a crash changes nothing.
What a bounce ends is decided here alone, for mails that come back and for refusals at the server's door alike:

==============  =====================================================================================================
kind            what follows
==============  =====================================================================================================
hard            the subscriptions of the address end, the address is mailed no more
soft            the same when the last `SoftRule.limit` deliveries or more came back within `SoftRule.within`
policy          nothing: we were refused, not the reader
complaint       that subscription ends, the address is mailed no more
unsubscribe     that subscription ends
reply, other    nothing
==============  =====================================================================================================
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Connection  # handed on, for what tasks say about it
from sqlalchemy.engine import RowMapping

from aggregator.model.bounce import Bounce, BounceOrigin, Consequence, SoftRule, StoredBounce
from aggregator.model.ids import DeliveryId, SubscriberId
from aggregator.model.subscriber import BounceKind
from aggregator.storage import subscribers
from aggregator.storage.engine import insert
from aggregator.storage.schema import bounces, deliveries, issues, letters, subscriptions
from aggregator.storage.schema import subscribers as people

#: Of a mail, this much is kept; the report stands at its beginning.
MAX_KEPT = 32 * 1024
#: Of one that nothing follows from.
MAX_KEPT_OTHER = 4 * 1024
#: A mail that was accepted may still come back for so long (RFC 5321 4.5.4.1): after that it has arrived.
GRACE = timedelta(days=6)

#: How the reason begins for which a bounce ended a subscription; the rest are the other server's words.
GIVEN_UP = "bounced:"
_MAX_REASON = 160
_UNDELIVERED = ("hard", "soft", "policy")
#: A reason outlives the person, and is to name nobody.
_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:@]{1,128}@[^\s<>()\[\]\"',;:@]{1,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """Whom a bounce is about."""

    address: str
    delivery_id: int | None = None
    letter_id: int | None = None
    subscription_id: int | None = None
    #: Empty: the letter of somebody who does not subscribe yet.
    public_id: str = ""
    subscriber_id: int | None = None


def record(
    conn: Connection, bounce: Bounce, *, raw: bytes, origin: BounceOrigin, now: datetime, rule: SoftRule
) -> Consequence | None:
    """Store a bounce and do what follows from it; None: this very mail was stored before, and nothing is done."""
    target = _find_target(conn, bounce)
    kept = MAX_KEPT if target else MAX_KEPT_OTHER
    # Of somebody who is forgotten nothing is kept but that something came.
    is_gone = target is None and bool(bounce.about)
    row = {
        "raw_hash": sha256(raw).hexdigest(),
        "kind": bounce.kind,
        "delivery_id": target.delivery_id if target else None,
        "subscription_id": target.subscription_id if target else None,
        "address_hash": subscribers.hash_address(target.address) if target and target.address else "",
        "status": bounce.status,
        "diagnostic": "" if is_gone else bounce.diagnostic,
        "origin": origin,
        "received_at": now,
        "packed": zlib.compress(b"" if is_gone else raw[:kept]),
    }
    statement = insert(conn, bounces).values(**row).on_conflict_do_nothing().returning(bounces.c.id)
    number = conn.execute(statement).scalar()
    if number is None:
        return None
    if target is None:
        return Consequence(id=number, kind=bounce.kind)
    if bounce.kind in _UNDELIVERED:
        _mark_undelivered(conn, bounce, target, now)
    return _act(conn, number, bounce, target, now, rule)


def record_refusal(conn: Connection, bounce: Bounce, *, now: datetime, rule: SoftRule) -> Consequence | None:
    """The same for a mail that the server refused when it was handed over: its words are all there is to keep."""
    words = f"{bounce.code} {bounce.diagnostic}" if bounce.code else bounce.diagnostic
    raw = f"Delivery {bounce.about_id} was refused at {now.isoformat()}:\n{words}\n".encode()
    return record(conn, bounce, raw=raw, origin="smtp", now=now, rule=rule)


def _find_target(conn: Connection, bounce: Bounce) -> _Target | None:
    """None: the row is gone (pruned, forgotten), or none was named."""
    if bounce.about == "letter":
        address = conn.execute(sa.select(letters.c.address).where(letters.c.id == bounce.about_id)).scalar()
        return None if address is None else _Target(address=address, letter_id=bounce.about_id)
    tie = (subscriptions.c.id.label("subscription_id"), subscriptions.c.public_id, people.c.id.label("subscriber_id"))
    if bounce.about == "delivery":
        query = sa.select(deliveries.c.id.label("delivery_id"), deliveries.c.address, *tie)
        query = query.join_from(deliveries, subscriptions).join(people, people.c.id == subscriptions.c.subscriber_id)
        found = conn.execute(query.where(deliveries.c.id == bounce.about_id)).mappings().first()
    elif bounce.about == "subscription":
        query = sa.select(people.c.email.label("address"), *tie).join_from(subscriptions, people)
        found = conn.execute(query.where(subscriptions.c.id == bounce.about_id)).mappings().first()
    else:
        return None
    return None if found is None else _Target(**found)


def _mark_undelivered(conn: Connection, bounce: Bounce, target: _Target, now: datetime) -> None:
    """A row that somebody is sending at this moment is left to him: the subscription's end stops him before the dot."""
    words = (
        f"{bounce.status} {bounce.diagnostic}".strip() if bounce.status not in bounce.diagnostic else bounce.diagnostic
    )
    said = {"code": bounce.code, "reply_text": words}
    if target.delivery_id is not None:
        states = ("sent", "failed", "unknown", "queued", "deferred")
        where = sa.and_(deliveries.c.id == target.delivery_id, deliveries.c.state.in_(states))
        conn.execute(sa.update(deliveries).where(where).values(state="bounced", changed_at=now, **said))
    if target.letter_id is not None:
        where = sa.and_(letters.c.id == target.letter_id, letters.c.state.in_(("sent", "queued", "failed")))
        conn.execute(sa.update(letters).where(where).values(state="failed", **said))


def _act(conn: Connection, number: int, bounce: Bounce, target: _Target, now: datetime, rule: SoftRule) -> Consequence:
    ended, suppressed = 0, False
    reason = " ".join(filter(None, (GIVEN_UP, bounce.status, _ADDRESS.sub("...", bounce.diagnostic))))[:_MAX_REASON]
    if bounce.kind == "hard" or (bounce.kind == "soft" and _is_lasting(conn, target, now, rule)):
        if target.address:
            ended = subscribers.remove(conn, target.address, reason=reason, now=now)
            suppressed = _suppress(conn, target.address, reason, now)
    elif bounce.kind == "complaint":
        ended = _end(conn, target, "complained", now)
        suppressed = _suppress(conn, target.address, "complained", now)
    elif bounce.kind == "unsubscribe":
        ended = _end(conn, target, "unsubscribed by mail", now)
    return Consequence(id=number, kind=bounce.kind, ended=ended, suppressed=suppressed)


def _is_lasting(conn: Connection, target: _Target, now: datetime, rule: SoftRule) -> bool:
    """Whether the last ``limit`` deliveries to this person came back, with none between them that arrived.

    By the order of the deliveries, not of the bounces: a server may try for days before it gives up, and what was
    mailed meanwhile will come back as well. So only what was accepted long enough ago counts as arrived.
    """
    if target.delivery_id is None:
        return False
    mine = deliveries.c.subscriber_id == target.subscriber_id
    arrived = (
        sa.select(sa.func.max(deliveries.c.id))
        .where(mine, deliveries.c.state == "sent", deliveries.c.changed_at <= now - GRACE)
        .scalar_subquery()
    )
    count = (
        sa.select(sa.func.count(sa.distinct(bounces.c.delivery_id)))
        .join_from(bounces, deliveries)
        .where(
            mine,
            deliveries.c.address == target.address,
            bounces.c.kind == "soft",
            bounces.c.received_at > now - rule.within,
            deliveries.c.id > sa.func.coalesce(arrived, 0),
        )
    )
    return conn.execute(count).scalar_one() >= rule.limit


def _end(conn: Connection, target: _Target, reason: str, now: datetime) -> int:
    """As the link and the button in the mail do."""
    is_on = sa.select(subscriptions.c.id).where(
        subscriptions.c.id == target.subscription_id, subscriptions.c.state != "ended"
    )
    if conn.execute(is_on).first() is None:
        return 0
    subscribers.end(conn, target.public_id, reason, now)
    return 1


def _suppress(conn: Connection, address: str, reason: str, now: datetime) -> bool:
    if not address:
        return False
    subscribers.suppress(conn, address, reason=reason, now=now)
    return True


def list_bounces(
    conn: Connection,
    *,
    kind: BounceKind | None = None,
    newsletter: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before_id: int | None = None,
    limit: int = 0,
) -> tuple[StoredBounce, ...]:
    """Newest first; ``before_id``: those that came before that one."""
    query = _select().order_by(bounces.c.id.desc())
    if kind is not None:
        query = query.where(bounces.c.kind == kind)
    if newsletter is not None:
        query = query.where(subscriptions.c.newsletter == newsletter)
    if since is not None:
        query = query.where(bounces.c.received_at >= since)
    if until is not None:
        query = query.where(bounces.c.received_at < until)
    if before_id is not None:
        query = query.where(bounces.c.id < before_id)
    if limit:
        query = query.limit(limit)
    return tuple(_make_bounce(row) for row in conn.execute(query).mappings())


def get_bounce(conn: Connection, number: int) -> tuple[StoredBounce, bytes] | None:
    """One row and the mail itself, or its beginning."""
    row = conn.execute(_select().add_columns(bounces.c.packed).where(bounces.c.id == number)).mappings().first()
    return None if row is None else (_make_bounce(row), zlib.decompress(row["packed"]))


def _select() -> sa.Select[Any]:
    columns = [
        bounces.c[name] for name in ("id", "kind", "status", "diagnostic", "origin", "received_at", "delivery_id")
    ]
    about = (
        sa.func.coalesce(deliveries.c.address, people.c.email, "").label("address"),
        sa.func.coalesce(subscriptions.c.newsletter, "").label("newsletter"),
        sa.func.coalesce(issues.c.slug, "").label("issue"),
        people.c.id.label("subscriber_id"),
    )
    return (
        sa.select(*columns, *about)
        .join_from(bounces, deliveries, deliveries.c.id == bounces.c.delivery_id, isouter=True)
        .outerjoin(subscriptions, subscriptions.c.id == bounces.c.subscription_id)
        .outerjoin(people, people.c.id == subscriptions.c.subscriber_id)
        .outerjoin(issues, issues.c.id == deliveries.c.issue_id)
    )


def _make_bounce(row: RowMapping) -> StoredBounce:
    number = row["delivery_id"]
    same = ("id", "kind", "status", "diagnostic", "origin", "received_at", "address", "newsletter", "issue")
    who = row["subscriber_id"]
    return StoredBounce(
        delivery_id=None if number is None else DeliveryId(number),
        subscriber_id=None if who is None else SubscriberId(who),
        **{name: row[name] for name in same},
    )
