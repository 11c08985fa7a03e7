"""Many people at once, from a list: who is new, and their rows. Never subscribes who has left or wants no mail."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Connection  # handed on, for what tasks say about it

from aggregator.model.person import Candidate, Standing
from aggregator.model.subscriber import Wishes
from aggregator.storage.engine import insert
from aggregator.storage.schema import subscribers, subscriptions, suppressions
from aggregator.storage.subscribers import hash_address


def find_standings(conn: Connection, people: Sequence[Candidate]) -> list[Standing]:
    """What each is to the database; a subscription that was never confirmed counts as new. Some hundreds at once."""
    hashes = [hash_address(person.email) for person in people]
    query = sa.select(suppressions.c.address_hash).where(suppressions.c.address_hash.in_(set(hashes)))
    suppressed = set(conn.execute(query).scalars())
    ties = sa.select(subscribers.c.address_hash, subscriptions.c.newsletter, subscriptions.c.state)
    ties = ties.join_from(subscribers, subscriptions).where(subscribers.c.address_hash.in_(set(hashes)))
    states = {(address_hash, newsletter): state for address_hash, newsletter, state in conn.execute(ties)}
    names: dict[str | None, Standing] = {None: "new", "pending": "new", "confirmed": "known", "ended": "left"}
    return [
        "suppressed" if address_hash in suppressed else names[states.get((address_hash, person.newsletter))]
        for person, address_hash in zip(people, hashes, strict=True)
    ]


def add_new(conn: Connection, people: Sequence[Candidate], *, now: datetime) -> None:
    """Subscribe those whom `find_standings` called new in this transaction, confirmed. Some hundreds at once."""
    if not people:
        return
    hashes = {person.email: hash_address(person.email) for person in people}
    rows = [{"email": email, "address_hash": address_hash, "created_at": now} for email, address_hash in hashes.items()]
    conn.execute(insert(conn, subscribers).on_conflict_do_nothing(), rows)
    known = sa.select(subscribers.c.address_hash, subscribers.c.id)
    known = known.where(subscribers.c.address_hash.in_(set(hashes.values())))
    ids: dict[str, int] = {row.address_hash: row.id for row in conn.execute(known)}
    ties = [_make_tie(person, ids[hashes[person.email]], now) for person in people]
    statement = insert(conn, subscriptions)
    renewed = ("state", "language", "topics", "variant", "consent", "confirmed_at")
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=["subscriber_id", "newsletter"],
            set_={name: statement.excluded[name] for name in renewed},
            where=subscriptions.c.state == "pending",
        ),
        ties,
    )


def _make_tie(person: Candidate, subscriber_id: int, now: datetime) -> dict[str, object]:
    return {
        "subscriber_id": subscriber_id,
        "newsletter": person.newsletter,
        "state": "confirmed",
        "public_id": secrets.token_urlsafe(16),
        "language": person.language,
        "topics": list(person.topics),
        "variant": Wishes(language=person.language, topics=person.topics).variant,
        "consent": person.consent,
        "created_at": now,
        "confirmed_at": now,
        "ended_reason": "",
    }
