"""What came back is stored once and acts by one policy: who is gone, who is full, and who only turned us away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.bounce import Bounce, Consequence, SoftRule
from aggregator.model.subscriber import BounceKind
from aggregator.storage import bounces, subscribers
from aggregator.storage.engine import Database
from aggregator.storage.schema import deliveries, letters
from aggregator.storage.schema import subscribers as people
from aggregator.storage.schema import subscriptions as ties
from tests.storage.returned import deliver, make_bounce, write_letter
from tests.storage.samples import DAY, HOUR, MINUTE, NOW, subscribe

ADA, BOB = "ada@example.org", "bob@example.org"
RULE = SoftRule(limit=3, within=30 * DAY)


def record(
    conn: Connection, bounce: Bounce, *, raw: bytes = b"", now: datetime = NOW, rule: SoftRule = RULE
) -> Consequence | None:
    return bounces.record(conn, bounce, raw=raw or repr(bounce).encode(), origin="imap", now=now, rule=rule)


def get_row(conn: Connection, delivery_id: int) -> tuple[object, ...]:
    columns = (deliveries.c.state, deliveries.c.code, deliveries.c.reply_text)
    return tuple(conn.execute(sa.select(*columns).where(deliveries.c.id == delivery_id)).one())


def get_states(conn: Connection) -> dict[tuple[str, str], str]:
    return {(one.email, one.newsletter): one.state for one in subscribers.list_subscriptions(conn)}


def test_a_hard_bounce_ends_all_that_the_address_has(db: Database) -> None:
    with db.write() as conn:
        subscribe(conn, ADA, BOB)
        subscribe(conn, ADA, newsletter="daily")
        number = deliver(conn, ADA)
        done = record(conn, make_bounce("hard", number), now=NOW + HOUR)
        states, row = get_states(conn), get_row(conn, number)
        (ended,) = subscribers.list_subscriptions(conn, "daily")

        assert done is not None
        assert (done.kind, done.ended, done.suppressed) == ("hard", 2, True)
        assert states == {(ADA, "weekly"): "ended", (ADA, "daily"): "ended", (BOB, "weekly"): "confirmed"}
        assert ended.ended_reason == "bounced: 5.1.1 550 5.1.1 said the other server"
        assert ended.ended_at == NOW + HOUR
        assert row == ("bounced", 550, "550 5.1.1 said the other server")
        assert subscribers.is_suppressed(conn, ADA.upper())
        assert not subscribers.is_suppressed(conn, BOB)


def test_what_follows_from_each_kind(db: Database) -> None:
    """A complaint and a wish to leave end that subscription, not the other one."""
    expected: dict[BounceKind, tuple[str, int, bool]] = {
        "policy": ("bounced", 0, False),
        "complaint": ("sent", 1, True),
        "unsubscribe": ("sent", 1, False),
        "reply": ("sent", 0, False),
        "other": ("sent", 0, False),
        "soft": ("bounced", 0, False),
    }
    found = {}
    with db.write() as conn:
        for kind in expected:
            email = f"{kind}@example.org"
            subscribe(conn, email)
            subscribe(conn, email, newsletter="daily")
            number = deliver(conn, email)
            done = record(conn, make_bounce(kind, number))

            assert done is not None
            assert done.suppressed == subscribers.is_suppressed(conn, email)
            found[kind] = (get_row(conn, number)[0], done.ended, done.suppressed)
        states = get_states(conn)

    assert found == expected
    assert {email for (email, _), state in states.items() if state == "ended"} == {
        "complaint@example.org",
        "unsubscribe@example.org",
    }
    assert {state for (_, newsletter), state in states.items() if newsletter == "daily"} == {"confirmed"}


def test_a_mail_to_the_unsubscribing_address(db: Database) -> None:
    with db.write() as conn:
        subscribe(conn, ADA, BOB)
        (ada, _) = subscribers.list_subscriptions(conn)
        bounce = Bounce(kind="unsubscribe", about="subscription", about_id=ada.id)
        first, second = record(conn, bounce, raw=b"one"), record(conn, bounce, raw=b"two")
        (after, bob) = subscribers.list_subscriptions(conn)

    assert first is not None and second is not None
    assert (first.ended, second.ended) == (1, 0)
    assert (after.state, after.ended_reason, bob.state) == ("ended", "unsubscribed by mail", "confirmed")


def test_a_mail_that_is_read_twice_acts_once(db: Database) -> None:
    """And does not end what its reader began again in between."""
    with db.write() as conn:
        subscribe(conn, ADA)
        number = deliver(conn, ADA)
        first = record(conn, make_bounce("complaint", number), raw=b"the same")
        conn.execute(sa.update(ties).values(state="confirmed"))
        second = record(conn, make_bounce("complaint", number), raw=b"the same")

        assert first is not None
        assert second is None
        assert len(bounces.list_bounces(conn)) == 1
        assert get_states(conn) == {(ADA, "weekly"): "confirmed"}


def test_what_names_nobody_acts_on_nobody(db: Database) -> None:
    """No address of ours, or rows that are gone."""
    with db.write() as conn:
        subscribe(conn, ADA)
        deliver(conn, ADA)
        strays: Sequence[Bounce] = (
            Bounce(kind="other", status="5.1.1", diagnostic="forged"),
            make_bounce("hard", 999),
            Bounce(kind="hard", about="letter", about_id=999),
            Bounce(kind="unsubscribe", about="subscription", about_id=999),
        )
        done = [record(conn, bounce) for bounce in strays]

        assert [(one.ended, one.suppressed) for one in done if one] == [(0, False)] * 4
        assert get_states(conn) == {(ADA, "weekly"): "confirmed"}
        assert [found.address for found in bounces.list_bounces(conn)] == [""] * 4


def test_soft_bounces_that_go_on_end_it(db: Database) -> None:
    with db.write() as conn:
        subscribe(conn, ADA)
        done = []
        for day in range(3):
            number = deliver(conn, ADA, f"issue {day}", at=NOW + 7 * day * DAY)
            done.append(record(conn, make_bounce("soft", number, "5.2.2"), now=NOW + 7 * day * DAY + HOUR))

        assert [(one.ended, one.suppressed) for one in done if one] == [(0, False), (0, False), (1, True)]
        assert subscribers.is_suppressed(conn, ADA)


def test_a_mail_that_arrived_in_between_forgives(db: Database) -> None:
    """Bounced, bounced, arrived, bounced, bounced: never three in a row."""
    with db.write() as conn:
        subscribe(conn, ADA)
        for week, arrives in enumerate((False, False, True, False, False)):
            at = NOW + 7 * week * DAY
            number = deliver(conn, ADA, f"issue {week}", at=at)
            if not arrives:
                record(
                    conn, make_bounce("soft", number, "5.2.2"), now=at + HOUR, rule=SoftRule(limit=3, within=90 * DAY)
                )

        assert get_states(conn) == {(ADA, "weekly"): "confirmed"}


def test_what_is_still_under_way_forgives_nothing(db: Database) -> None:
    """A server tries for five days: the daily mails behind the first one look sent, and come back as well."""
    with db.write() as conn:
        subscribe(conn, ADA)
        numbers = [deliver(conn, ADA, f"day {day}", at=NOW + day * DAY) for day in range(8)]
        done = [
            record(conn, make_bounce("soft", number, "5.4.7"), now=NOW + (day + 5) * DAY)
            for day, number in enumerate(numbers[:3])
        ]

        assert [bool(one and one.ended) for one in done] == [False, False, True]


def test_old_soft_bounces_are_forgotten(db: Database) -> None:
    with db.write() as conn:
        subscribe(conn, ADA)
        for month in range(4):
            at = NOW + 16 * month * DAY
            record(conn, make_bounce("soft", deliver(conn, ADA, f"issue {month}", at=at)), now=at)

        assert get_states(conn) == {(ADA, "weekly"): "confirmed"}


def test_many_reports_of_one_mail_count_once(db: Database) -> None:
    with db.write() as conn:
        subscribe(conn, ADA)
        number = deliver(conn, ADA)
        for part in range(5):
            record(conn, make_bounce("soft", number), raw=f"report {part}".encode(), now=NOW + part * MINUTE)

        assert get_states(conn) == {(ADA, "weekly"): "confirmed"}
        assert len(bounces.list_bounces(conn, kind="soft")) == 5


def test_soft_bounces_of_another_address_do_not_count(db: Database) -> None:
    """Whoever has a new address begins anew; what comes back from the old one ends nothing."""
    with db.write() as conn:
        subscribe(conn, ADA)
        numbers = [deliver(conn, ADA, f"issue {week}", at=NOW + week * DAY) for week in range(4)]
        for number in numbers[:2]:
            record(conn, make_bounce("soft", number))
        new = {"email": BOB, "address_hash": subscribers.hash_address(BOB)}
        conn.execute(sa.update(people).values(**new))
        latest = deliver(conn, BOB, "issue 9", at=NOW + 5 * DAY)
        soft = record(conn, make_bounce("soft", latest), now=NOW + 5 * DAY)
        hard = record(conn, make_bounce("hard", numbers[3]), now=NOW + 6 * DAY)

        assert soft is not None and hard is not None
        assert (soft.ended, hard.ended, hard.suppressed) == (0, 0, True)
        assert get_states(conn) == {(BOB, "weekly"): "confirmed"}
        assert subscribers.is_suppressed(conn, ADA)
        assert not subscribers.is_suppressed(conn, BOB)


def test_a_row_that_somebody_sends_now_is_left_to_him(db: Database) -> None:
    """His next step finds the subscription ended."""
    expected = dict.fromkeys(("sent", "unknown", "failed", "queued", "deferred"), "bounced")
    expected |= {state: state for state in ("sending", "committing", "suppressed")}
    found = {}
    with db.write() as conn:
        for state in expected:
            subscribe(conn, f"{state}@example.org")
            number = deliver(conn, f"{state}@example.org", state=state)
            record(conn, make_bounce("hard", number))
            found[state] = get_row(conn, number)[0]

    assert found == expected


def test_a_letter_that_comes_back(db: Database) -> None:
    """It has failed; the address gets no other one when nobody is there."""
    suppressed = {}
    kinds: tuple[BounceKind, ...] = ("hard", "soft", "policy")
    with db.write() as conn:
        for kind in kinds:
            number = write_letter(conn, f"{kind}@example.org")
            record(conn, Bounce(kind=kind, about="letter", about_id=number, status="5.1.1", code=550, diagnostic="no"))
            suppressed[kind] = subscribers.is_suppressed(conn, f"{kind}@example.org")
        rows = conn.execute(sa.select(letters.c.state, letters.c.code, letters.c.reply_text)).all()

        assert [tuple(row) for row in rows] == [("failed", 550, "5.1.1 no")] * 3
        assert suppressed == {"hard": True, "soft": False, "policy": False}
        assert bounces.list_bounces(conn)[0].address == ""


def test_a_refusal_at_the_door_goes_the_same_way(db: Database) -> None:
    with db.write() as conn:
        subscribe(conn, ADA)
        number = deliver(conn, ADA, state="failed")
        done = bounces.record_refusal(conn, make_bounce("hard", number), now=NOW, rule=RULE)
        (found,) = bounces.list_bounces(conn)
        shown = bounces.get_bounce(conn, found.id)

        assert done is not None and shown is not None
        assert (done.ended, found.origin, found.delivery_id) == (1, "smtp", number)
        assert b"550 5.1.1 said the other server" in shown[1]
        assert get_row(conn, number)[0] == "bounced"


def test_what_is_kept_of_a_large_mail(db: Database) -> None:
    """Its beginning; less of one that nothing follows from."""
    raw = bytes(range(256)) * 1000
    with db.write() as conn:
        subscribe(conn, ADA)
        record(conn, make_bounce("policy", deliver(conn, ADA)), raw=raw)
        record(conn, Bounce(kind="other"), raw=b"\x00" + raw)
        other, ours = (bounces.get_bounce(conn, found.id) for found in bounces.list_bounces(conn))

    assert ours is not None and other is not None
    assert ours[1] == raw[: bounces.MAX_KEPT]
    assert other[1] == (b"\x00" + raw)[: bounces.MAX_KEPT_OTHER]


def test_lists_are_newest_first_and_narrowed(db: Database) -> None:
    with db.write() as conn:
        subscribe(conn, ADA, BOB)
        subscribe(conn, ADA, newsletter="daily")
        record(conn, make_bounce("soft", deliver(conn, ADA, "w1")), now=NOW)
        record(conn, make_bounce("hard", deliver(conn, BOB, "w1")), now=NOW + HOUR)
        record(conn, make_bounce("soft", deliver(conn, ADA, "d1", newsletter="daily")), now=NOW + DAY)
        record(conn, Bounce(kind="other", diagnostic="spam"), now=NOW + 2 * DAY)

        found = bounces.list_bounces(conn)
        assert [(one.kind, one.address, one.newsletter, one.issue) for one in found] == [
            ("other", "", "", ""),
            ("soft", ADA, "daily", "d1"),
            ("hard", BOB, "weekly", "w1"),
            ("soft", ADA, "weekly", "w1"),
        ]
        assert [one.issue for one in bounces.list_bounces(conn, kind="soft")] == ["d1", "w1"]
        assert [one.issue for one in bounces.list_bounces(conn, newsletter="daily")] == ["d1"]
        assert [one.kind for one in bounces.list_bounces(conn, limit=1)] == ["other"]
        middle = bounces.list_bounces(conn, since=NOW + HOUR, until=NOW + 2 * DAY)
        assert [one.kind for one in middle] == ["soft", "hard"]
        assert bounces.get_bounce(conn, 999) is None


def test_of_somebody_who_is_forgotten_nothing_is_kept(db: Database) -> None:
    """His mail may come back after that: it names him."""
    with db.write() as conn:
        subscribe(conn, ADA)
        gone = deliver(conn, ADA)
        conn.execute(sa.delete(deliveries).where(deliveries.c.id == gone))
        record(conn, make_bounce("hard", gone))
        (kept,) = bounces.list_bounces(conn)
        found = bounces.get_bounce(conn, kept.id)

    assert (kept.kind, kept.address, kept.diagnostic) == ("hard", "", "")
    assert found is not None
    assert found[1] == b""
