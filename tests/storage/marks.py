"""Single steps of the ledger, as the tests of its rules say them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.engine import Connection

from aggregator.model.subscriber import Delivery
from aggregator.storage import ledger
from aggregator.storage.ledger import Mark


def mark_committing(conn: Connection, delivery: Delivery, *, now: datetime, until: datetime | None = None) -> bool:
    return bool(ledger.mark_committing(conn, [delivery], now=now, until=until))


def mark_sent(conn: Connection, delivery: Delivery, *, reply: str, now: datetime) -> bool:
    return _settle(conn, Mark(delivery=delivery, result="sent", code=250, reply=reply), now)


def mark_deferred(
    conn: Connection, delivery: Delivery, *, code: int, reply: str, next_try_at: datetime, now: datetime
) -> bool:
    return _settle(
        conn, Mark(delivery=delivery, result="deferred", code=code, reply=reply, next_try_at=next_try_at), now
    )


def mark_failed(conn: Connection, delivery: Delivery, *, code: int, reply: str, now: datetime) -> bool:
    return _settle(conn, Mark(delivery=delivery, result="failed", code=code, reply=reply), now)


def requeue(conn: Connection, delivery: Delivery, *, now: datetime) -> bool:
    return _settle(conn, Mark(delivery=delivery, result="queued"), now)


def _settle(conn: Connection, mark: Mark, now: datetime) -> bool:
    return ledger.settle(conn, [mark], now=now) == 1
