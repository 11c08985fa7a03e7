"""One person: everything found, everything gone; and what is old goes by itself, no sooner."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model import retention
from aggregator.model.bounce import SoftRule
from aggregator.model.person import Candidate
from aggregator.model.subscriber import Wishes
from aggregator.storage import bounces, imports, people, pruning, subscribers
from aggregator.storage.engine import Database
from aggregator.storage.schema import deliveries, letters, subscriptions
from tests.storage.returned import deliver, make_bounce, write_letter
from tests.storage.samples import DAY, NOW, subscribe

ADA, BOB = "ada@example.org", "bob@example.org"
SECOND = timedelta(seconds=1)


def fill(conn: Connection) -> None:
    """Two people with a mail, a letter, and a mail that came back each."""
    subscribe(conn, ADA, BOB)
    for email in (ADA, BOB):
        bounce = make_bounce("soft", deliver(conn, email), "4.2.2")
        bounces.record(conn, bounce, raw=email.encode(), origin="maildir", now=NOW, rule=SoftRule())
        write_letter(conn, email)


def test_a_person_is_found_by_any_spelling(db: Database) -> None:
    with db.write() as conn:
        fill(conn)
        found = people.find_person(conn, "  ADA@example.org ")
        nobody = people.find_person(conn, "cy@example.org")

    assert found is not None
    assert (found.email, found.since, found.suppression) == (ADA, NOW, None)
    assert [(one.newsletter, one.state) for one in found.subscriptions] == [("weekly", "confirmed")]
    assert [(one.issue, one.address) for one in found.deliveries] == [("one", ADA)]
    assert [(one.kind, one.address) for one in found.letters] == [("confirm", ADA)]
    assert [(one.kind, one.status) for one in found.bounces] == [("soft", "4.2.2")]
    assert nobody is None


def test_who_only_asked_is_found_and_forgotten_too(db: Database) -> None:
    """Somebody else may have written the address into the form."""
    with db.write() as conn:
        write_letter(conn, ADA)
        found = people.find_person(conn, ADA)
        gone = people.forget(conn, ADA, now=NOW)
        after = people.find_person(conn, ADA)

    assert found is not None and found.since is None and len(found.letters) == 1
    assert gone is not None and gone.letters == 1
    assert after is not None and after.letters == () and after.suppression is not None
    assert after.suppression.reason == people.FORGOTTEN


def test_forgetting_takes_one_person_whole(db: Database) -> None:
    """Letters to an earlier address as well, and a mail that is under way; nobody else's."""
    with db.write() as conn:
        fill(conn)
        tie = subscribers.list_subscriptions(conn)[0]
        moved = write_letter(conn, "old@example.org")
        conn.execute(sa.update(letters).where(letters.c.id == moved).values(subscriber_id=tie.subscriber_id))
        deliver(conn, ADA, "two", at=NOW + DAY, state="committing")
        gone = people.forget(conn, ADA.upper(), now=NOW)
        again = people.forget(conn, "nobody@example.org", now=NOW)
        left = people.find_person(conn, BOB)
        addresses = [*conn.execute(sa.select(letters.c.address)).scalars()]
        addresses += conn.execute(sa.select(deliveries.c.address)).scalars()
        standing = imports.find_standings(conn, [make_candidate(ADA)])

    assert gone is not None
    assert (gone.subscriptions, gone.deliveries, gone.letters, gone.bounces) == (1, 2, 2, 1)
    assert again is None
    assert left is not None and (len(left.deliveries), len(left.letters), len(left.bounces)) == (1, 1, 1)
    assert set(addresses) == {BOB}
    assert standing == ["suppressed"]


def make_candidate(email: str, **changes: object) -> Candidate:
    values: dict[str, object] = {"newsletter": "weekly", "language": "", "topics": (), "consent": "list"}
    return Candidate(email=email, **(values | changes))  # type: ignore[arg-type]


def test_a_list_adds_whom_it_may(db: Database) -> None:
    """New people with their wishes as a variant; who never confirmed is confirmed; nobody else is touched."""
    with db.write() as conn:
        subscribe(conn, "known@example.org", "left@example.org", "waits@example.org")
        subscribers.remove(conn, "left@example.org", reason="left", now=NOW)
        waiting = sa.update(subscriptions).where(subscriptions.c.id == subscribers.list_subscriptions(conn)[2].id)
        conn.execute(waiting.values(state="pending", confirmed_at=None))
        subscribers.suppress(conn, "never@example.org", reason="complained", now=NOW)
        names = ("new", "KNOWN", "left", "never", "waits")
        wishes = {"language": "ja", "topics": ("agents", "chips")}
        listed = [make_candidate(f"{name}@example.org", **wishes) for name in names]
        standings = imports.find_standings(conn, listed)
        new = [one for one, standing in zip(listed, standings, strict=True) if standing == "new"]
        imports.add_new(conn, new, now=NOW + DAY)
        states = {one.email: (one.state, one.consent) for one in subscribers.list_subscriptions(conn)}
        variants = conn.execute(sa.select(subscriptions.c.variant).where(subscriptions.c.consent == "list")).scalars()

        assert standings == ["new", "known", "left", "suppressed", "new"]
        assert states == {
            "known@example.org": ("confirmed", "said so"),
            "left@example.org": ("ended", "said so"),
            "waits@example.org": ("confirmed", "list"),
            "new@example.org": ("confirmed", "list"),
        }
        assert set(variants) == {Wishes(language="ja", topics=("agents", "chips")).variant}


def test_allowing_revives_only_what_bounces_ended(db: Database) -> None:
    with db.write() as conn:
        subscribe(conn, ADA)
        subscribe(conn, ADA, newsletter="daily")
        subscribers.remove(conn, ADA, newsletter="daily", reason="one click", now=NOW)
        bounce = make_bounce("hard", deliver(conn, ADA))
        bounces.record(conn, bounce, raw=b"x", origin="maildir", now=NOW, rule=SoftRule())
        why = people.get_suppression(conn, ADA)
        done = people.allow(conn, ADA, revive=True)
        again = people.allow(conn, ADA, revive=False)
        after = people.get_suppression(conn, ADA)
        states = {one.newsletter: one.state for one in subscribers.list_subscriptions(conn)}

    assert why is not None and why.reason.startswith("bounced: 5.1.1")
    assert (done, again, after) == (1, 0, None)
    assert states == {"weekly": "confirmed", "daily": "ended"}


def test_a_bounce_without_a_word_can_be_undone_as_well(db: Database) -> None:
    """A report that names neither code nor reason, once too often."""
    with db.write() as conn:
        subscribe(conn, ADA)
        bounce = make_bounce("soft", deliver(conn, ADA), "", code=0, diagnostic="")
        done = bounces.record(conn, bounce, raw=b"x", origin="maildir", now=NOW, rule=SoftRule(limit=1))

        assert done is not None and done.ended == 1
        assert people.allow(conn, ADA, revive=True) == 1


def test_why_an_address_gets_no_mail_names_nobody(db: Database) -> None:
    """Other servers like to repeat the address; the reason outlives the person who is forgotten."""
    said = f"550 5.1.1 <{ADA}>: Recipient {ADA.upper()} (forwarded to ada=home@else.example) unknown"
    with db.write() as conn:
        subscribe(conn, ADA)
        bounce = make_bounce("hard", deliver(conn, ADA), diagnostic=said)
        bounces.record(conn, bounce, raw=b"x", origin="maildir", now=NOW, rule=SoftRule())
        people.forget(conn, ADA, now=NOW)
        why = people.get_suppression(conn, ADA)

    assert why is not None
    assert why.reason == "bounced: 5.1.1 550 5.1.1 <...>: Recipient ... (forwarded to ...) unknown"


AGES = {
    "bounces": retention.BOUNCES,
    "deliveries": retention.DELIVERIES,
    "letters": retention.UNCONFIRMED,
    "unconfirmed": retention.UNCONFIRMED,
}


@pytest.mark.parametrize("kind", AGES)
def test_what_is_old_goes_and_nothing_else(db: Database, kind: str) -> None:
    """To the second: kept on its last day, gone after it."""
    with db.write() as conn:
        fill(conn)
        subscribe(conn, "cy@example.org")
        tie = subscribers.list_subscriptions(conn)[2]
        conn.execute(sa.update(subscriptions).where(subscriptions.c.id == tie.id).values(state="pending"))
        kept = pruning.count_old(conn, now=NOW + AGES[kind])
        old = pruning.count_old(conn, now=NOW + AGES[kind] + SECOND)
        while pruning.prune_people(conn, now=NOW + AGES[kind] + SECOND, limit=1):
            pass
        after = pruning.count_old(conn, now=NOW + AGES[kind] + SECOND)

    assert kept[kind] == 0
    assert old[kind] == (1 if kind == "unconfirmed" else 2)
    assert set(after.values()) == {0}


def test_pruning_leaves_people_and_what_is_under_way(db: Database) -> None:
    """Confirmed and ended subscriptions, the list of those who get no mail, and mails that somebody is sending."""
    with db.write() as conn:
        fill(conn)
        subscribers.remove(conn, BOB, reason="left", now=NOW)
        people.forget(conn, "nobody@example.org", now=NOW)
        subscribers.suppress(conn, "x@example.org", reason="complained", now=NOW)
        deliver(conn, ADA, "two", at=NOW + SECOND, state="committing")
        write_letter(conn, "cy@example.org", state="committing")  # whose answer was never seen
        while pruning.prune_people(conn, now=NOW + 900 * DAY):
            pass
        states = [(one.email, one.state) for one in subscribers.list_subscriptions(conn)]
        left = conn.execute(sa.select(deliveries.c.state)).scalars().all()

        assert states == [(ADA, "confirmed"), (BOB, "ended")]
        assert list(left) == ["committing"]
        assert conn.execute(sa.select(letters.c.address)).scalars().all() == []
        assert subscribers.is_suppressed(conn, "x@example.org")
