"""The ledger's single steps: who may claim, who may mark, what a crash leaves behind."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import IssueId
from aggregator.model.subscriber import Delivery
from aggregator.storage import deliveries, issues, ledger, subscribers
from aggregator.storage.engine import Database
from aggregator.storage.schema import deliveries as table
from tests.storage import marks
from tests.storage.samples import HOUR, MINUTE, NOW, RENDERED, add_draft, add_sending, subscribe

PEOPLE = tuple(f"p{number}@example.org" for number in range(5))


def claim(conn: Connection, issue_id: IssueId, limit: int = 99, **changes: object) -> tuple[Delivery, ...]:
    values = {"owner": "me", "now": NOW, "limit": limit, "lease": MINUTE}
    return ledger.claim(conn, issue_id, **(values | changes))  # type: ignore[arg-type]


def read_row(conn: Connection, delivery: Delivery) -> sa.Row[tuple[object, ...]]:
    return conn.execute(sa.select(table).where(table.c.id == delivery.id)).one()


def test_a_claimed_row_is_ours_alone_until_its_lease_ends(db: Database) -> None:
    with db.write() as conn:
        issue_id = add_sending(conn, *PEOPLE)
        first = claim(conn, issue_id, 2)
        second = claim(conn, issue_id, owner="other")
        nothing = claim(conn, issue_id)
        row = read_row(conn, first[0])
        public_ids = {found.email: found.public_id for found in subscribers.list_subscriptions(conn)}

    assert [delivery.address for delivery in first + second] == list(PEOPLE)
    assert nothing == ()
    assert {delivery.address: delivery.public_id for delivery in first + second} == public_ids
    assert (first[0].state, first[0].attempts, first[0].fence) == ("sending", 1, 1)
    assert (row.state, row.lease_owner, row.lease_until) == ("sending", "me", NOW + MINUTE)


def test_an_issue_that_is_not_being_sent_gives_nothing(db: Database) -> None:
    with db.write() as conn:
        subscribe(conn, *PEOPLE)
        issue_id = add_draft(conn)
        issues.freeze(conn, issue_id, RENDERED, (), now=NOW)

        assert claim(conn, issue_id) == ()
        assert deliveries.count_states(conn, issue_id) == {"queued": 5}


def test_two_senders_never_share_a_mail(db: Database) -> None:
    people = [f"p{number}@example.org" for number in range(60)]
    with db.write() as conn:
        issue_id = add_sending(conn, *people)

    def take_all(owner: str) -> list[str]:
        taken: list[str] = []
        while True:
            with db.write() as conn:
                claimed = claim(conn, issue_id, 4, owner=owner)
            if not claimed:
                return taken
            taken += [delivery.address for delivery in claimed]

    with ThreadPoolExecutor(4) as pool:
        taken = Counter(address for some in pool.map(take_all, "abcd") for address in some)

    assert taken == Counter(people)


def test_a_mail_goes_through_its_steps_once(db: Database) -> None:
    with db.write() as conn:
        issue_id = add_sending(conn, "a@example.org")
        (delivery,) = claim(conn, issue_id)
        too_early = marks.mark_sent(conn, delivery, reply="250", now=NOW)
        committing = [marks.mark_committing(conn, delivery, now=NOW) for _ in range(2)]
        sent = [marks.mark_sent(conn, delivery, reply="250 2.0.0 queued as 4F2", now=NOW) for _ in range(2)]
        row = read_row(conn, delivery)

    assert (too_early, committing, sent) == (False, [True, False], [True, False])
    assert (row.state, row.code, row.reply_text, row.lease_owner, row.lease_until) == (
        "sent",
        250,
        "250 2.0.0 queued as 4F2",
        "",
        None,
    )


def test_a_mail_put_off_comes_back_when_it_is_time(db: Database) -> None:
    with db.write() as conn:
        issue_id = add_sending(conn, "a@example.org")
        (delivery,) = claim(conn, issue_id)
        later = NOW + HOUR
        done = marks.mark_deferred(conn, delivery, code=451, reply="greylisted", next_try_at=later, now=NOW)
        row = read_row(conn, delivery)
        too_early = claim(conn, issue_id)
        (again,) = claim(conn, issue_id, now=later)
        failed = marks.mark_failed(conn, again, code=550, reply="no such person", now=later)
        end = read_row(conn, delivery)

    assert (done, row.state, row.code, row.reply_text) == (True, "deferred", 451, "greylisted")
    assert too_early == ()
    assert (again.attempts, again.fence) == (2, 2)
    assert (failed, end.state, end.code, end.reply_text) == (True, "failed", 550, "no such person")


def test_a_row_handed_back_costs_no_attempt(db: Database) -> None:
    with db.write() as conn:
        issue_id = add_sending(conn, "a@example.org")
        (delivery,) = claim(conn, issue_id)
        done = marks.requeue(conn, delivery, now=NOW)
        (again,) = claim(conn, issue_id)

    assert done
    assert (again.attempts, again.fence) == (1, 2)


def test_an_old_fence_marks_nothing(db: Database) -> None:
    with db.write() as conn:
        issue_id = add_sending(conn, "a@example.org")
        (old,) = claim(conn, issue_id)
        deliveries.recover(conn, now=NOW + MINUTE, policy="resend")
        (new,) = claim(conn, issue_id, now=NOW + MINUTE, owner="other")
        done = [
            marks.mark_committing(conn, old, now=NOW),
            marks.mark_sent(conn, old, reply="250", now=NOW),
            marks.mark_deferred(conn, old, code=451, reply="", next_try_at=NOW, now=NOW),
            marks.mark_failed(conn, old, code=550, reply="", now=NOW),
            marks.requeue(conn, old, now=NOW),
        ]
        row = read_row(conn, new)

    assert done == [False] * 5
    assert (row.state, row.fence, row.lease_owner) == ("sending", 2, "other")


def test_what_was_certainly_not_accepted_is_queued_again_when_the_lease_is_over(db: Database) -> None:
    with db.write() as conn:
        issue_id = add_sending(conn, "a@example.org")
        (delivery,) = claim(conn, issue_id)
        early = deliveries.recover(conn, now=NOW, policy="resend")
        late = deliveries.recover(conn, now=NOW + MINUTE, policy="hold")
        row = read_row(conn, delivery)
        lost = marks.mark_committing(conn, delivery, now=NOW)

    assert early == {"requeued": 0, "resent": 0, "held": 0}
    assert late == {"requeued": 1, "resent": 0, "held": 0}
    assert (row.state, row.lease_until, row.uncertain) == ("queued", None, 0)
    assert not lost


@pytest.mark.parametrize(("policy", "state", "uncertain"), [("resend", "queued", 1), ("hold", "unknown", 0)])
def test_what_may_have_been_accepted_is_settled_by_policy(
    db: Database, policy: deliveries.UncertainPolicy, state: str, uncertain: int
) -> None:
    with db.write() as conn:
        issue_id = add_sending(conn, "a@example.org")
        (delivery,) = claim(conn, issue_id)
        marks.mark_committing(conn, delivery, now=NOW)
        counts = deliveries.recover(conn, now=NOW + MINUTE, policy=policy)
        row = read_row(conn, delivery)
        again = deliveries.recover(conn, now=NOW + HOUR, policy="resend")

    assert counts == {"requeued": 0, "resent": uncertain, "held": 1 - uncertain}
    assert (row.state, row.uncertain) == (state, uncertain)
    assert "no answer" in row.reply_text
    assert again == {"requeued": 0, "resent": 0, "held": 0}


def test_our_own_dead_claims_need_not_run_out(db: Database) -> None:
    with db.write() as conn:
        issue_id = add_sending(conn, *PEOPLE)
        claim(conn, issue_id, 2, owner="me", lease=HOUR)
        claim(conn, issue_id, 2, owner="other", lease=HOUR)
        counts = deliveries.recover(conn, now=NOW, policy="resend", owner="me")

        assert counts["requeued"] == 2
        assert deliveries.count_states(conn, issue_id) == {"queued": 3, "sending": 2}


def test_an_answer_that_comes_after_recovery_spares_the_second_mail(db: Database) -> None:
    with db.write() as conn:
        issue_id = add_sending(conn, "a@example.org")
        (delivery,) = claim(conn, issue_id)
        marks.mark_committing(conn, delivery, now=NOW)
        deliveries.recover(conn, now=NOW + MINUTE, policy="resend")
        sent = marks.mark_sent(conn, delivery, reply="250", now=NOW + MINUTE)

        assert sent
        assert claim(conn, issue_id, now=NOW + HOUR) == ()


def test_who_left_after_the_freeze_gets_no_mail_and_costs_nobody_a_place(db: Database) -> None:
    with db.write() as conn:
        issue_id = add_sending(conn, *PEOPLE)
        subscribers.remove(conn, PEOPLE[0], reason="left", now=NOW)
        subscribers.suppress(conn, PEOPLE[1].upper(), reason="complaint", now=NOW)
        claimed = claim(conn, issue_id, 2)
        rows = conn.execute(sa.select(table.c.state, table.c.reply_text).order_by(table.c.id).limit(2)).all()

    assert [delivery.address for delivery in claimed] == list(PEOPLE[2:4])
    assert [tuple(row) for row in rows] == [
        ("suppressed", "the subscription has ended"),
        ("suppressed", "the address is suppressed"),
    ]


def test_who_leaves_between_claim_and_dot_gets_no_mail(db: Database) -> None:
    with db.write() as conn:
        issue_id = add_sending(conn, "a@example.org", "b@example.org")
        first, second = claim(conn, issue_id)
        subscribers.end(conn, first.public_id, reason="one click", now=NOW)
        done = [marks.mark_committing(conn, delivery, now=NOW) for delivery in (first, second)]

        assert done == [False, True]
        assert deliveries.count_states(conn, issue_id) == {"suppressed": 1, "committing": 1}


def test_states_are_counted_for_many_issues_at_once(db: Database) -> None:
    with db.write() as conn:
        issue_id = add_sending(conn, *PEOPLE)
        claim(conn, issue_id, 2)
        counts = deliveries.count_by_issue(conn, [issue_id, IssueId(99)])

    assert counts == {issue_id: {"queued": 3, "sending": 2}}


def test_a_crash_between_any_two_commits_loses_and_doubles_nothing(db: Database) -> None:
    """The sender is stopped after each commit in turn; whoever goes on finds every mail in exactly one state."""
    with db.write() as conn:
        issue_id = add_sending(conn, *PEOPLE)
    accepted: Counter[str] = Counter()
    at = NOW
    for stop_after in (1, 2, 3):
        at += HOUR
        with db.write() as conn:
            deliveries.recover(conn, now=at, policy="resend")
            (delivery,) = claim(conn, issue_id, 1, now=at)
        if stop_after == 1:
            continue
        with db.write() as conn:
            marks.mark_committing(conn, delivery, now=at)
        if stop_after == 2:
            continue  # before the dot
        accepted[delivery.address] += 1
        with db.write() as conn:
            marks.mark_sent(conn, delivery, reply="250", now=at)
    while True:
        at += HOUR
        with db.write() as conn:
            deliveries.recover(conn, now=at, policy="resend")
            claimed = claim(conn, issue_id, 2, now=at)
        if not claimed:
            break
        for delivery in claimed:
            with db.write() as conn:
                assert marks.mark_committing(conn, delivery, now=at)
            accepted[delivery.address] += 1
            with db.write() as conn:
                assert marks.mark_sent(conn, delivery, reply="250", now=at)

    assert accepted == Counter(PEOPLE)
    with db.write() as conn:
        assert issues.mark_sent(conn, issue_id, now=at)


def test_a_delivery_of_another_fence_is_another_delivery(db: Database) -> None:
    with db.write() as conn:
        issue_id = add_sending(conn, "a@example.org")
        (delivery,) = claim(conn, issue_id)

        assert not marks.mark_committing(conn, replace(delivery, fence=delivery.fence + 1), now=NOW)
        assert marks.mark_committing(conn, delivery, now=NOW)
