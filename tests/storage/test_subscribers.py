"""People: joining, leaving, and never being mailed again against their will."""

from __future__ import annotations

import pytest

from aggregator.model.subscriber import NewSubscriber
from aggregator.storage import subscribers
from aggregator.storage.engine import Database
from tests.storage.samples import DAY, HOUR, NOW, subscribe

NEW = NewSubscriber(email="Ann@example.org", newsletter="weekly", language="ja", topics=("chips", "エージェント"))


def test_a_person_added_is_confirmed_with_the_evidence_kept(db: Database) -> None:
    with db.write() as conn:
        added = subscribers.add(conn, NEW, consent="imported from list.csv by the editor", now=NOW)
        again = subscribers.add(conn, NEW, consent="twice", now=NOW + DAY)
        (found,) = subscribers.list_subscriptions(conn)

    assert (added, again) == (True, False)
    assert (found.email, found.newsletter, found.state, found.language) == (
        "Ann@example.org",
        "weekly",
        "confirmed",
        "ja",
    )
    assert (found.topics, found.consent) == (NEW.topics, "imported from list.csv by the editor")
    assert (found.created_at, found.ended_at, found.ended_reason) == (NOW, None, "")
    assert len(found.public_id) >= 20


def test_one_address_is_one_person_whatever_its_case(db: Database) -> None:
    with db.write() as conn:
        subscribe(conn, "ann@example.org", newsletter="weekly")
        subscribe(conn, "ANN@example.org", newsletter="daily")
        other = NewSubscriber(email="Ann@Example.org", newsletter="daily")
        added = subscribers.add(conn, other, consent="", now=NOW)
        found = subscribers.list_subscriptions(conn)
        daily = subscribers.list_subscriptions(conn, "daily")

    assert not added
    assert len({subscription.subscriber_id for subscription in found}) == 1
    assert len({subscription.public_id for subscription in found}) == 2
    assert [subscription.newsletter for subscription in daily] == ["daily"]


def test_who_left_stays_out_unless_it_is_their_own_wish(db: Database) -> None:
    with db.write() as conn:
        subscribers.add(conn, NEW, consent="form", now=NOW)
        (before,) = subscribers.list_subscriptions(conn)
        left = [subscribers.end(conn, before.public_id, reason="one click", now=NOW + HOUR) for _ in range(2)]
        (ended,) = subscribers.list_subscriptions(conn)
        imported = subscribers.add(conn, NEW, consent="csv", now=NOW + DAY)
        (still,) = subscribers.list_subscriptions(conn)
        late = subscribers.add(conn, NEW, consent="form of before", now=NOW + DAY, wished_at=NOW)
        revived = subscribers.add(conn, NEW, consent="form again", now=NOW + DAY, wished_at=NOW + DAY)
        (back,) = subscribers.list_subscriptions(conn)

    assert left == [True, True]
    assert (ended.state, ended.ended_at, ended.ended_reason) == ("ended", NOW + HOUR, "one click")
    assert (imported, late, still) == (False, False, ended)
    assert (revived, back.state, back.ended_at, back.consent) == (True, "confirmed", None, "form again")
    assert back.public_id == before.public_id


def test_an_unknown_token_ends_nothing(db: Database) -> None:
    with db.write() as conn:
        subscribe(conn, "a@example.org")
        ended = subscribers.end(conn, "no such id", reason="x", now=NOW)
        (found,) = subscribers.list_subscriptions(conn)

    assert not ended
    assert found.state == "confirmed"


def test_removing_ends_one_or_all_subscriptions_of_an_address(db: Database) -> None:
    with db.write() as conn:
        for newsletter in ("weekly", "daily", "monthly"):
            subscribe(conn, "a@example.org", newsletter=newsletter)
        subscribe(conn, "b@example.org")
        one = subscribers.remove(conn, "A@example.org", newsletter="daily", reason="asked", now=NOW)
        rest = subscribers.remove(conn, "a@example.org", reason="asked", now=NOW)
        none = subscribers.remove(conn, "a@example.org", reason="asked", now=NOW)
        left = [found.email for found in subscribers.list_subscriptions(conn) if found.state == "confirmed"]

    assert (one, rest, none) == (1, 2, 0)
    assert left == ["b@example.org"]


def test_a_suppressed_address_cannot_be_added(db: Database) -> None:
    with db.write() as conn:
        before = subscribers.is_suppressed(conn, NEW.email)
        for _ in range(2):
            subscribers.suppress(conn, "ann@EXAMPLE.org", reason="complaint", now=NOW)
        added = subscribers.add(conn, NEW, consent="csv", now=NOW, wished_at=NOW)
        found = subscribers.list_subscriptions(conn)

    assert (before, added, found) == (False, False, ())
    with db.read() as conn:
        assert subscribers.is_suppressed(conn, NEW.email)


@pytest.mark.parametrize("email", ["ann@example.org", " ANN@EXAMPLE.ORG ", "Ann@example.org"])
def test_a_hash_stands_for_every_way_to_write_an_address(email: str) -> None:
    assert subscribers.hash_address(email) == subscribers.hash_address(NEW.email)
    assert subscribers.hash_address("é@example.org") == subscribers.hash_address("e\u0301@example.org")
