"""What the mailer is given and allowed, without a mailer: rates, rests, people who leave, an editor who stops it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest

from aggregator.app import App
from aggregator.errors import MailUnavailable, MailUncertain, RecipientRefused, SenderRefused
from aggregator.model.mailing import Outcome
from aggregator.model.newsletter import Issue
from aggregator.storage import deliveries, issues, sending, subscribers
from aggregator.storage.deliveries import CANCELLED
from aggregator.storage.schema import deliveries as table
from aggregator.storage.schema import renderings, subscriptions
from aggregator.tasks.issue_ledger import IssueLedger
from aggregator.tasks.issue_mails import IssueMails
from aggregator.tasks.issues import build_issue
from aggregator.tasks.sending_rules import DOMAIN_REST, LINE_PAUSE
from tests.tasks.paper import READERS, Paper, count_states, get_issue, ready, send_all

ADA, BOB, CYD = READERS


class Ticks:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def opened(app: App, issue: Issue, **options: Any) -> Iterator[IssueLedger]:
    """The ledger of an issue that is being sent."""
    with app.db.write() as conn:
        issues.mark_sending(conn, issue.id, now=app.now())
    ledger = IssueLedger(app, IssueMails(app, issue.id), is_stopping=lambda: False, **options)
    try:
        yield ledger
    finally:
        ledger.hand_back()


def take(ledger: IssueLedger, limit: int = 10) -> list[int]:
    return [mail.key for mail in ledger.rows.take(limit).mails]


def settle(ledger: IssueLedger, keys: list[int], error: Any = None) -> None:
    """All dots are sent and answered."""
    assert set(ledger.rows.commit(keys, ())) == set(keys)
    ledger.rows.commit((), [Outcome(key=key, reply="" if error else "ok", error=error) for key in keys])


def test_the_rate_is_kept_whatever_is_asked_for(paper: Paper) -> None:
    paper.configure(rate=2)
    clock = Ticks()
    with ready(paper, *(f"r{n}@example.org" for n in range(9))) as (app, issue), opened(app, issue, clock=clock) as led:
        taken, waits = [], list[float]()
        while True:
            supply = led.rows.take(4)
            taken += [(mail.key, clock.now) for mail in supply.mails]
            if supply.wait_seconds is None and not supply.mails:
                break
            if supply.wait_seconds:
                waits.append(supply.wait_seconds)
                clock.now += supply.wait_seconds
    assert len(taken) == 9
    assert [round(at - 1_000.0, 6) for _, at in taken] == [number / 2 for number in range(9)]
    assert set(waits) == {0.5}


def test_a_slow_domain_holds_up_nobody_else(paper: Paper) -> None:
    paper.configure(mail={"domain_rates": {"example.net": 0.5}})
    people = [f"n{n}@example.net" for n in range(50)] + [f"o{n}@example.org" for n in range(4)]
    clock = Ticks()
    with ready(paper, *people) as (app, issue), opened(app, issue, clock=clock) as led:
        addresses = {mail.key: mail.message.recipient for mail in led.rows.take(10).mails}
        assert sorted(addresses.values()) == ["n0@example.net", *(f"o{n}@example.org" for n in range(4))]
        assert len(led.rows.take(10).mails) == 0
        assert led.rows.take(10).wait_seconds == pytest.approx(2.0)
        clock.now += 2.0
        assert [mail.message.recipient for mail in led.rows.take(10).mails] == ["n1@example.net"]
        # What cannot have its turn within a minute waits in its row, for anybody.
        settle(led, take(led))
        led.hand_back()
        with app.db.read() as conn:
            waiting = [row.next_try_at for row in conn.execute(table.select()) if row.state == "queued"]
        later = sorted(at for at in waiting if at > app.now())
        assert 0 < len(later) < len(waiting)
        # One after the other, as the domain takes them.
        assert {(after - before).total_seconds() for before, after in pairwise(later)} == {2.0}
        assert count_states(app, issue).get("sending", 0) == 0


def test_a_domain_that_puts_off_one_after_the_other_rests(paper: Paper) -> None:
    people = [f"n{n}@example.net" for n in range(6)] + [ADA]
    with ready(paper, *people) as (app, issue):
        with opened(app, issue) as led:
            settle(led, take(led, 3), MailUnavailable(451, "4.7.1 slow down"))
            assert [mail.message.recipient for mail in led.rows.take(9).mails] == [ADA]
        assert count_states(app, issue) == {"deferred": 3, "queued": 4}
        with opened(app, issue) as led:
            assert len(take(led)) == 1  # the others of that domain are not due
        paper.clock.at += DOMAIN_REST
        with opened(app, issue) as led:
            assert len(take(led)) == 7


def test_who_leaves_between_claim_and_dot_gets_nothing(paper: Paper) -> None:
    with ready(paper) as (app, issue), opened(app, issue) as led:
        keys = take(led)
        with app.db.write() as conn:
            subscribers.remove(conn, BOB, reason="link", now=app.now())
            subscribers.suppress(conn, CYD, reason="complaint", now=app.now())
        assert set(led.rows.commit(keys, ())) == {keys[0]}
        assert count_states(app, issue) == {"committing": 1, "suppressed": 2}


def test_who_is_forgotten_between_claim_and_dot_gets_nothing(paper: Paper) -> None:
    with ready(paper) as (app, issue), opened(app, issue) as led:
        keys = take(led)
        with app.db.write() as conn:
            conn.execute(table.delete().where(table.c.address == ADA))
        assert set(led.rows.commit(keys, ())) == set(keys[1:])
        led.rows.commit((), [Outcome(key=keys[0], reply="ok")])
        assert count_states(app, issue) == {"committing": 2}


@pytest.mark.parametrize(
    ("error", "policy", "state", "waits"),
    [
        (RecipientRefused(550, "5.1.1 no such user"), "resend", "bounced", None),
        (MailUnavailable(450, "4.2.0 greylisted"), "resend", "deferred", True),
        (MailUnavailable(0, "line lost"), "resend", "deferred", True),
        (SenderRefused(550, "5.7.1 policy"), "resend", "deferred", False),
        (MailUncertain(0, "line lost"), "resend", "queued", True),
        (MailUncertain(0, "line lost"), "hold", "unknown", None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_answer_leads_to_its_state(paper: Paper, error: Any, policy: str, state: str, waits: bool | None) -> None:
    paper.configure(mail={"uncertain": policy})
    with ready(paper, ADA) as (app, issue), opened(app, issue) as led:
        settle(led, take(led), error)
        assert count_states(app, issue) == {state: 1}
        if waits is not None:
            with app.db.read() as conn:
                row = conn.execute(table.select()).one()
            assert (row.next_try_at > app.now()) == waits
            assert error.text in row.reply_text


def test_a_mail_that_is_in_doubt_again_and_again_is_left_to_the_editor(paper: Paper) -> None:
    with ready(paper, ADA) as (app, issue):
        for _ in range(deliveries.MAX_UNCERTAIN):
            with opened(app, issue) as led:
                settle(led, take(led), MailUncertain(0, "line lost"))
                assert count_states(app, issue) == {"queued": 1}
            paper.clock.at += LINE_PAUSE
        with opened(app, issue) as led:
            settle(led, take(led), MailUncertain(0, "line lost"))
        assert count_states(app, issue) == {"unknown": 1}


def stop_by_pause(app: App, issue: Issue) -> None:
    with app.db.write() as conn:
        assert sending.pause(conn, issue.id, "paused by the editor", until=None)


def stop_by_cancel(app: App, issue: Issue) -> None:
    with app.db.write() as conn:
        assert sending.cancel(conn, issue.id, now=app.now()) == 3


@pytest.mark.parametrize("stop", [stop_by_pause, stop_by_cancel])
def test_an_issue_that_is_stopped_sends_no_further_dot(paper: Paper, stop: Callable[[App, Issue], None]) -> None:
    with ready(paper) as (app, issue):
        with opened(app, issue) as led:
            keys = take(led, 2)
            stop(app, issue)
            assert not led.rows.commit(keys, ())
            assert led.rows.is_stopping()
            assert not take(led)
        assert count_states(app, issue) == ({"queued": 3} if stop is stop_by_pause else {"suppressed": 3})
        assert not send_all(app, issue).counts
    assert paper.recipients() == []


def test_a_paused_issue_goes_on_and_a_cancelled_one_reaches_those_it_missed(paper: Paper) -> None:
    with ready(paper) as (app, issue):
        with opened(app, issue) as led:
            settle(led, take(led, 1))
            stop_by_pause(app, issue)
        with app.db.write() as conn:
            assert deliveries.find_due_issues(conn, now=app.now()) == ()
            assert sending.resume(conn, issue.id)
            assert deliveries.find_due_issues(conn, now=app.now()) == (issue.id,)
            assert sending.cancel(conn, issue.id, now=app.now()) == 2
        assert (get_issue(app, issue.slug).state, get_issue(app, issue.slug).reason) == ("sent", CANCELLED)
        paper.clock.move(minutes=5)
        paper.subscribe(app, "late@example.org")  # came after it: was never missed
        with app.db.write() as conn:
            subscribers.remove(conn, CYD, reason="link", now=app.now())
            assert sending.count_missed(conn, issue.id) == 1
            assert sending.send_to_missed(conn, issue.id, now=app.now()) == 1
        send_all(app, issue)
        assert count_states(app, issue) == {"sent": 2, "suppressed": 1}
    assert paper.recipients() == [BOB]


def test_an_issue_that_nobody_got_yet_becomes_none_when_it_is_cancelled(paper: Paper) -> None:
    with ready(paper) as (app, issue):
        with app.db.write() as conn:
            assert sending.cancel(conn, issue.id, now=app.now()) == 3
            assert sending.cancel(conn, issue.id, now=app.now()) is None
        assert get_issue(app, issue.slug).state == "skipped"
        paper.clock.move(days=1)
        again = build_issue(app, paper.newsletter(app))
        assert (again.state, again.story_count) == ("ready", issue.story_count)


def test_each_gets_what_he_wishes_and_whose_wish_was_not_made_the_whole(paper: Paper) -> None:
    wishes = {ADA: "", BOB: "|chips", CYD: "|sports", "dan@example.org": "ja|"}
    with ready(paper, *wishes) as (app, issue):
        with app.db.write() as conn:
            for email, variant in wishes.items():
                (known,) = [one for one in subscribers.list_subscriptions(conn) if one.email == email]
                conn.execute(subscriptions.update().where(subscriptions.c.id == known.id).values(variant=variant))
            whole = conn.execute(renderings.select()).mappings().one()
            made = [
                {
                    **whole,
                    "variant": "|chips",
                    "mail_html": whole["mail_html"].replace("</body>", "Only chips.</body>"),
                },
                {**whole, "variant": "|sports", "mail_html": "", "mail_text": ""},
            ]
            conn.execute(renderings.insert(), made)
            conn.execute(table.delete())
            deliveries.queue_deliveries(conn, issue.id, "weekly", now=app.now())
        send_all(app, issue)
        assert count_states(app, issue) == {"sent": 3, "suppressed": 1}
    chips = {
        mail.recipients[0]: "Only chips." in mail.message.get_body(("html",)).get_content()  # type: ignore[union-attr]
        for mail in paper.smtp.mails
    }
    assert chips == {ADA: False, BOB: True, "dan@example.org": False}


def test_one_who_comes_later_gets_the_last_issue_alone(paper: Paper) -> None:
    with ready(paper) as (app, issue):
        send_all(app, issue)
        paper.subscribe(app, "late@example.org")
        with app.db.write() as conn:
            (late,) = [one for one in subscribers.list_subscriptions(conn) if one.email == "late@example.org"]
            assert deliveries.queue_one(conn, issue.id, late.id, now=app.now())
            assert not deliveries.queue_one(conn, issue.id, late.id, now=app.now())
        assert get_issue(app, issue.slug).state == "sending"
        send_all(app, issue)
        assert get_issue(app, issue.slug).state == "sent"
    assert sorted(paper.recipients()) == sorted([*READERS, "late@example.org"])
