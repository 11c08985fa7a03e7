"""The ledger under every order of claims, marks, crashes, late answers and people who leave.

Promised (threats.md section 2): each person has one row for ever (I4); it ends as sent with an accepted mail or with a
stated reason (I4); more than one accepted mail needs a crash or a lost lease between dot and commit, one each (I5); and
nobody is mailed after having left (I8).
"""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from aggregator.model.newsletter import PlannedSlot
from aggregator.model.subscriber import Delivery, NewSubscriber
from aggregator.storage import deliveries, issues, ledger, subscribers
from aggregator.storage.deliveries import UncertainPolicy
from aggregator.storage.engine import Database
from tests.storage import marks
from tests.storage.samples import DAY, HOUR, MINUTE, NOW, RENDERED

LEASE = 10 * MINUTE
_numbers = itertools.count()


class Ledger(RuleBasedStateMachine):
    """Some workers, one server that counts what it accepts, and a few people."""

    def __init__(self, db: Database, policy: UncertainPolicy) -> None:
        super().__init__()
        self.db, self.policy, self.now = db, policy, NOW
        self.newsletter = f"weekly-{next(_numbers)}"
        self.people = [f"{name}@{self.newsletter}.example" for name in "abcd"]
        self.held: list[Delivery] = []
        self.answered: list[Delivery] = []
        self.leased_until = dict.fromkeys(self.people, NOW)
        self.newest_fence: dict[str, int] = {}
        self.accepted: Counter[str] = Counter()
        self.windows: Counter[str] = Counter()
        self.left: set[str] = set()
        self.failed: set[str] = set()
        slot = PlannedSlot(slot_at=NOW, slug="1", window_start=NOW - DAY, window_end=NOW, state="draft")
        with db.write() as conn:
            for email in self.people:
                new = NewSubscriber(email=email, newsletter=self.newsletter)
                subscribers.add(conn, new, consent="", now=NOW)
            issues.add_slots(conn, self.newsletter, [slot], now=NOW)
            issue = issues.get(conn, self.newsletter, "1")
            assert issue is not None
            self.issue_id = issue.id
            issues.freeze(conn, self.issue_id, RENDERED, (), now=NOW)
            issues.mark_sending(conn, self.issue_id, now=NOW)

    @rule(limit=st.integers(1, 3))
    def claim(self, limit: int) -> None:
        with self.db.write() as conn:
            claimed = ledger.claim(conn, self.issue_id, owner="w", now=self.now, limit=limit, lease=LEASE)
        for delivery in claimed:
            assert self.leased_until[delivery.address] <= self.now
            assert delivery.address not in self.left
            self.leased_until[delivery.address] = self.now + LEASE
            self.newest_fence[delivery.address] = delivery.fence
        self.held += claimed

    @precondition(lambda self: self.held)
    @rule(data=st.data(), accept=st.booleans(), answer=st.booleans())
    def send(self, data: st.DataObject, accept: bool, answer: bool) -> None:
        """Up to the dot; then the server takes it or not, and its answer is seen or not."""
        delivery = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        with self.db.write() as conn:
            allowed = marks.mark_committing(conn, delivery, now=self.now)
        if not allowed:
            return
        assert delivery.address not in self.left
        assert delivery.fence == self.newest_fence[delivery.address]
        if accept:
            self.accepted[delivery.address] += 1
        if answer and accept:
            self.answered.append(delivery)
        elif answer:
            self._free(delivery)
            with self.db.write() as conn:
                reply = {"code": 451, "reply": "try later", "next_try_at": self.now + MINUTE, "now": self.now}
                assert marks.mark_deferred(conn, delivery, **reply)  # type: ignore[arg-type]
        else:
            self.windows[delivery.address] += 1

    @precondition(lambda self: self.answered)
    @rule(data=st.data())
    def mark_answered(self, data: st.DataObject) -> None:
        """The 250 is written down, maybe late."""
        delivery = self.answered.pop(data.draw(st.integers(0, len(self.answered) - 1)))
        with self.db.write() as conn:
            if marks.mark_sent(conn, delivery, reply="250", now=self.now):
                self._free(delivery)
            else:
                # Recovered and claimed again, or suppressed: the mail that is on its way there is a second one.
                self.windows[delivery.address] += 1

    @precondition(lambda self: self.held)
    @rule(data=st.data(), how=st.sampled_from(["defer", "fail", "hand back"]))
    def give_up(self, data: st.DataObject, how: str) -> None:
        delivery = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        with self.db.write() as conn:
            match how:
                case "defer":
                    reply = {"code": 421, "reply": "busy", "next_try_at": self.now + HOUR, "now": self.now}
                    done = marks.mark_deferred(conn, delivery, **reply)  # type: ignore[arg-type]
                case "fail":
                    done = marks.mark_failed(conn, delivery, code=550, reply="unknown person", now=self.now)
                    self.failed |= {delivery.address} if done else set()
                case _:
                    done = marks.requeue(conn, delivery, now=self.now)
        if done:
            self._free(delivery)

    @rule()
    def crash(self) -> None:
        """The process is gone, with the answers that it had seen and not written down."""
        self.windows.update(delivery.address for delivery in self.answered)
        self.held, self.answered = [], []

    @rule(minutes=st.sampled_from([1, 6, 11]))
    def wait_and_recover(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        self.recover()

    def recover(self) -> None:
        with self.db.write() as conn:
            deliveries.recover(conn, now=self.now, policy=self.policy)

    @rule(who=st.integers(0, 3), how=st.sampled_from(["end", "suppress"]))
    def leave(self, who: int, how: str) -> None:
        address = self.people[who]
        with self.db.write() as conn:
            if how == "end":
                subscribers.remove(conn, address, reason="one click", now=self.now)
            else:
                subscribers.suppress(conn, address, reason="complaint", now=self.now)
        self.left.add(address)

    def _free(self, delivery: Delivery) -> None:
        assert delivery.fence == self.newest_fence[delivery.address]
        self.leased_until[delivery.address] = self.now

    @invariant()
    def everybody_has_one_row(self) -> None:
        with self.db.read() as conn:
            counts = deliveries.count_states(conn, self.issue_id)
        assert sum(counts.values()) == len(self.people)

    @invariant()
    def a_second_mail_needs_a_window(self) -> None:
        for address in self.people:
            late = sum(delivery.address == address for delivery in self.answered)
            allowed = 1 + self.windows[address] + late if self.policy == "resend" else 1
            assert self.accepted[address] <= allowed

    def teardown(self) -> None:
        """An honest worker finishes what is left; then every row has its end and its reason."""
        self.crash()
        for _ in range(20):
            self.now += DAY
            self.recover()
            self.claim(3)
            for delivery in self.held:
                with self.db.write() as conn:
                    assert marks.mark_committing(conn, delivery, now=self.now)
                self.accepted[delivery.address] += 1
                with self.db.write() as conn:
                    assert marks.mark_sent(conn, delivery, reply="250", now=self.now)
            self.held = []
        self.everybody_has_one_row()
        self.a_second_mail_needs_a_window()
        with self.db.write() as conn:
            counts = deliveries.count_states(conn, self.issue_id)
            assert issues.mark_sent(conn, self.issue_id, now=self.now), counts
        assert counts.get("unknown", 0) <= (0 if self.policy == "resend" else self.windows.total())
        assert counts.get("sent", 0) <= sum(self.accepted[address] > 0 for address in self.people)
        assert counts.get("failed", 0) == len(self.failed)
        assert counts.get("suppressed", 0) <= len(self.left)
        assert sum(counts.get(state, 0) for state in ("sent", "failed", "suppressed", "unknown")) == len(self.people)


@pytest.mark.parametrize("policy", ["resend", "hold"])
def test_no_order_of_events_loses_or_doubles_a_mail(db: Database, policy: UncertainPolicy) -> None:
    run_state_machine_as_test(
        lambda: Ledger(db, policy),  # type: ignore[arg-type]
        settings=settings(max_examples=50 if db.dialect == "sqlite" else 15, stateful_step_count=40),
    )
