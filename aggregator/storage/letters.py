"""Letters to one person: queued, claimed, sent once, their links followed once. Never writes or sends one.

What a killed daemon leaves as ``sending`` was certainly not sent and is taken again when its lease ends; a row that
stays ``committing`` may have been: it is not sent twice, the person can ask again.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Connection  # handed on, for what tasks say about it
from sqlalchemy.engine import RowMapping

from aggregator.model.letter import Letter, NewLetter, Origin
from aggregator.model.retention import CAPS_DAYS, CONFIRM_HOURS
from aggregator.model.subscriber import LetterKind, LetterState, get_domain
from aggregator.storage.engine import lock_name
from aggregator.storage.schema import letters, suppressions
from aggregator.storage.subscribers import hash_address

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
#: Confirmations that strangers can cause: of one network an hour, of one domain an hour, of one address a day, and of
#: one address as long as we remember without its having said yes.
NETWORK_HOURLY, DOMAIN_HOURLY, ADDRESS_DAILY, ADDRESS_EVER = 5, 20, 1, 3
#: Everybody has an address there: the cap of a domain would lock all others out.
LARGE_DOMAINS = frozenset(
    "gmail.com googlemail.com outlook.com hotmail.com live.com yahoo.com yahoo.co.jp icloud.com me.com proton.me "
    "protonmail.com gmx.de gmx.net web.de aol.com docomo.ne.jp ezweb.ne.jp au.com softbank.ne.jp i.softbank.jp".split()
)


def lock_letters(conn: Connection) -> None:
    """From now on nobody else asks for a letter: what is counted stays true until it is written."""
    lock_name(conn, "letters")


def add(conn: Connection, new: NewLetter, *, now: datetime, unsent: str = "") -> int:
    """Queue a letter; its number. ``unsent``: why it is only counted; the address itself is not kept then."""
    row = {
        "public_id": secrets.token_urlsafe(24),
        "kind": new.kind,
        "address": "" if unsent else new.address,
        "address_hash": hash_address(new.address),
        "mailbox_hash": hash_mailbox(new.address),
        "subscriber_id": new.subscriber_id,
        "newsletters": list(new.newsletters),
        "language": new.language,
        "topics": list(new.topics),
        "network_hash": new.origin.network_hash,
        "domain": get_domain(new.address),
        "form": new.origin.form,
        "created_at": now,
        "expires_at": now + timedelta(hours=CONFIRM_HOURS),
        "state": "failed" if unsent else "queued",
        "lease_owner": "",
        "attempts": 0,
        "next_try_at": now,
        "code": 0,
        "reply_text": unsent,
    }
    return int(conn.execute(sa.insert(letters).values(**row).returning(letters.c.id)).scalar_one())


def hash_mailbox(address: str) -> str:
    """What all addresses of one box have in common, as far as is known: tags lead to it, and Gmail's dots."""
    local, _, domain = address.rpartition("@")
    local = local.partition("+")[0]
    if domain.lower() in ("gmail.com", "googlemail.com"):
        local, domain = local.replace(".", ""), "gmail.com"
    return hash_address(f"{local}@{domain}")


def is_capped(conn: Connection, address: str, origin: Origin, *, hourly: int, now: datetime) -> bool:
    """Whether one more letter that a stranger asks for would be too many."""
    mine = letters.c.mailbox_hash == hash_mailbox(address)
    domain = get_domain(address)
    asked = letters.c.kind.in_(("confirm", "known", "change"))
    within_hour = sa.and_(asked, letters.c.created_at > now - HOUR)
    # The address has said yes: what was asked before does not count against it any more.
    said_yes = conn.execute(sa.select(sa.func.max(letters.c.used_at)).where(asked, mine)).scalar_one()
    to_mine = sa.and_(asked, mine, letters.c.created_at > said_yes) if said_yes else sa.and_(asked, mine)
    caps: list[tuple[sa.ColumnElement[bool], int]] = [
        (within_hour, hourly),
        (sa.and_(to_mine, letters.c.created_at > now - DAY), ADDRESS_DAILY),
        (to_mine, ADDRESS_EVER),
    ]
    if origin.network_hash:
        caps.append((sa.and_(within_hour, letters.c.network_hash == origin.network_hash), NETWORK_HOURLY))
    if domain not in LARGE_DOMAINS:
        caps.append((sa.and_(within_hour, letters.c.domain == domain), DOMAIN_HOURLY))
    # All are counted, whatever the first says: the answer takes as long for everybody.
    counted = [conn.execute(sa.select(sa.func.count()).where(which)).scalar_one() >= most for which, most in caps]
    return any(counted)


def was_told(conn: Connection, address: str, kind: LetterKind, *, now: datetime) -> bool:
    """Whether the address got such a letter in the last `CAPS_DAYS`."""
    query = sa.select(letters.c.id).where(
        letters.c.address_hash == hash_address(address),
        letters.c.kind == kind,
        letters.c.created_at > now - timedelta(days=CAPS_DAYS),
    )
    return conn.execute(query.limit(1)).scalar() is not None


def find(conn: Connection, public_id: str) -> Letter | None:
    """By what its token is made of."""
    row = conn.execute(sa.select(letters).where(letters.c.public_id == public_id)).mappings().first()
    return _make_letter(row) if row else None


def use(conn: Connection, letter_id: int, *, now: datetime) -> bool:
    """Follow its link: True once, while it has not expired."""
    statement = sa.update(letters).where(
        letters.c.id == letter_id, letters.c.used_at.is_(None), letters.c.expires_at > now
    )
    return bool(conn.execute(statement.values(used_at=now)).rowcount)


def void_changes(conn: Connection, subscriber_id: int, *, now: datetime) -> None:
    """Links to move a person elsewhere that were not followed yet open nothing any more."""
    open_ones = sa.update(letters).where(
        letters.c.subscriber_id == subscriber_id,
        letters.c.kind == "change",
        letters.c.used_at.is_(None),
        letters.c.expires_at > now,
    )
    conn.execute(open_ones.values(expires_at=now))


def has_due(conn: Connection, *, now: datetime) -> bool:
    """Whether a letter waits to be sent."""
    return conn.execute(sa.select(letters.c.id).where(_is_due(now)).limit(1)).scalar() is not None


def claim(conn: Connection, *, owner: str, until: datetime, limit: int, now: datetime) -> tuple[Letter, ...]:
    """The oldest that are due, ours until ``until``; those to suppressed addresses fail unsent."""
    gone = sa.select(suppressions.c.address_hash)
    unwanted = sa.update(letters).where(_is_due(now), letters.c.address_hash.in_(gone))
    conn.execute(unwanted.values(state="failed", reply_text="the address gets no mail"))
    due = sa.select(letters.c.id).where(_is_due(now)).order_by(letters.c.id).limit(limit)
    numbers = list(conn.execute(due.with_for_update(skip_locked=True)).scalars())
    if not numbers:
        return ()
    mine = sa.update(letters).where(letters.c.id.in_(numbers))
    conn.execute(mine.values(state="sending", lease_owner=owner, lease_until=until, attempts=letters.c.attempts + 1))
    rows = conn.execute(sa.select(letters).where(letters.c.id.in_(numbers)).order_by(letters.c.id)).mappings()
    return tuple(_make_letter(row) for row in rows)


def mark_committing(conn: Connection, letter_id: int, *, owner: str) -> bool:
    """Its dot may be sent: it is still ours, and the address still gets mail."""
    gone = sa.select(suppressions.c.address_hash)
    statement = sa.update(letters).where(
        letters.c.id == letter_id,
        letters.c.state == "sending",
        letters.c.lease_owner == owner,
        letters.c.address_hash.not_in(gone),
    )
    return bool(conn.execute(statement.values(state="committing")).rowcount)


def settle(
    conn: Connection,
    letter_id: int,
    state: LetterState,
    *,
    owner: str,
    code: int = 0,
    reply: str = "",
    next_try_at: datetime | None = None,
) -> None:
    """What became of it; ``queued`` with the time of the next try."""
    values: dict[str, object] = {"state": state, "code": code, "reply_text": reply, "lease_owner": ""}
    if next_try_at is not None:
        values["next_try_at"] = next_try_at
    mine = sa.update(letters).where(letters.c.id == letter_id, letters.c.lease_owner == owner)
    conn.execute(mine.values(**values, lease_until=None))


def _is_due(now: datetime) -> sa.ColumnElement[bool]:
    waits = sa.and_(letters.c.state == "queued", letters.c.next_try_at <= now)
    return sa.or_(waits, sa.and_(letters.c.state == "sending", letters.c.lease_until <= now))


def _make_letter(row: RowMapping) -> Letter:
    same = (
        "id", "public_id", "kind", "address", "subscriber_id", "language", "created_at", "expires_at", "used_at",
        "state", "attempts",
    )  # fmt: skip
    return Letter(
        newsletters=tuple(row["newsletters"]),
        topics=tuple(row["topics"]),
        origin=Origin(network_hash=row["network_hash"], form=row["form"]),
        **{name: row[name] for name in same},
    )
