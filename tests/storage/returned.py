"""Deliveries and letters to bounce, laid into the ledger as a sender leaves them."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.bounce import Bounce
from aggregator.model.subscriber import BounceKind
from aggregator.storage import subscribers
from aggregator.storage.letters import hash_mailbox
from aggregator.storage.schema import deliveries, issues, letters
from aggregator.storage.schema import subscribers as people
from tests.storage.samples import DAY, NOW


def add_issue(conn: Connection, slug: str, *, newsletter: str = "weekly", at: datetime = NOW) -> int:
    """One that was sent; asked again, the same."""
    known = conn.execute(
        sa.select(issues.c.id).where(issues.c.newsletter == newsletter, issues.c.slug == slug)
    ).scalar()
    if known is not None:
        return int(known)
    values = {
        "newsletter": newsletter,
        "slug": slug,
        "slot_at": at,
        "window_start": at - 7 * DAY,
        "window_end": at,
        "state": "sent",
        "reason": "",
        "subject": "News",
        "created_at": at,
    }
    return int(conn.execute(sa.insert(issues).values(**values).returning(issues.c.id)).scalar_one())


def deliver(
    conn: Connection,
    email: str,
    slug: str = "one",
    *,
    at: datetime = NOW,
    state: str = "sent",
    newsletter: str = "weekly",
) -> int:
    """A delivery of the issue ``slug`` to a subscriber; its number."""
    issue_id = add_issue(conn, slug, newsletter=newsletter, at=at)
    address_hash = subscribers.hash_address(email)
    subscriber_id = conn.execute(sa.select(people.c.id).where(people.c.address_hash == address_hash)).scalar_one()
    (tie,) = [one for one in subscribers.list_subscriptions(conn, newsletter) if one.subscriber_id == subscriber_id]
    values = {
        "issue_id": issue_id,
        "subscriber_id": subscriber_id,
        "subscription_id": tie.id,
        "address": email,
        "state": state,
        "lease_owner": "",
        "fence": 1,
        "attempts": 1,
        "uncertain": 0,
        "next_try_at": at,
        "code": 250,
        "reply_text": "2.0.0 Ok",
        "created_at": at,
        "changed_at": at,
    }
    return int(conn.execute(sa.insert(deliveries).values(**values).returning(deliveries.c.id)).scalar_one())


def write_letter(conn: Connection, email: str, *, state: str = "sent") -> int:
    """A confirmation that was mailed; its number."""
    values = {
        "public_id": f"letter-to-{email}",
        "kind": "confirm",
        "address": email,
        "address_hash": subscribers.hash_address(email),
        "mailbox_hash": hash_mailbox(email),
        "newsletters": ["weekly"],
        "language": "",
        "topics": [],
        "network_hash": "",
        "domain": email.rpartition("@")[2],
        "form": "",
        "created_at": NOW,
        "expires_at": NOW + 3 * DAY,
        "state": state,
        "lease_owner": "",
        "attempts": 1,
        "next_try_at": NOW,
        "code": 250,
        "reply_text": "",
    }
    return int(conn.execute(sa.insert(letters).values(**values).returning(letters.c.id)).scalar_one())


def make_bounce(kind: BounceKind, delivery_id: int, status: str = "5.1.1", **changes: object) -> Bounce:
    values: dict[str, object] = {
        "kind": kind,
        "about": "delivery",
        "about_id": delivery_id,
        "status": status,
        "code": 550,
        "diagnostic": f"550 {status} said the other server",
    }
    return Bounce(**(values | changes))  # type: ignore[arg-type]
