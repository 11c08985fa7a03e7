"""Who changes something about a person sees who that is now, and is waited for by who moves or erases the person."""

from __future__ import annotations

import pytest

from aggregator.storage import people, subscribers
from aggregator.storage.engine import Database
from tests.storage.samples import NOW, subscribe
from tests.storage.test_beside import Beside

ADA = "ada@example.org"


@pytest.fixture
def public_id(db: Database) -> str:
    with db.write() as conn:
        subscribe(conn, ADA)
        return subscribers.find_by_address(conn, ADA)[0].public_id


def test_who_moves_meanwhile_is_found_where_she_is(db: Database, public_id: str) -> None:
    with db.write() as conn:
        found = subscribers.find(conn, public_id)
        assert found
        subscribers.move(conn, found.subscriber_id, "new@example.org")
        beside = Beside(db, conn, lambda other: subscribers.find(other, public_id, lock=True))
    seen = beside.finish()
    assert getattr(seen, "email", "") == "new@example.org"


def test_who_is_erased_meanwhile_is_not_found(db: Database, public_id: str) -> None:
    with db.write() as conn:
        people.forget(conn, ADA, now=NOW)
        beside = Beside(db, conn, lambda other: subscribers.find(other, public_id, lock=True))
    assert beside.finish() is None


def test_what_is_chosen_while_a_person_is_erased_goes_too(db: Database, public_id: str) -> None:
    with db.write() as conn:
        assert subscribers.find(conn, public_id, lock=True)
        beside = Beside(db, conn, lambda other: people.forget(other, ADA, now=NOW))
        subscribe(conn, ADA, newsletter="daily")
        subscribers.remove(conn, ADA, reason="preferences", now=NOW)
    assert getattr(beside.finish(), "subscriptions", 0) == 2
    with db.read() as conn:
        assert subscribers.list_subscriptions(conn) == ()
