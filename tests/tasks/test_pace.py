"""Those who send at the same time divide the rates: never more than the whole, and what a dead one had goes back."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from aggregator.app import App
from aggregator.errors import DatabaseUnavailable, StorageError
from aggregator.model.newsletter import Issue
from aggregator.storage import issues
from aggregator.storage import senders as stored
from aggregator.storage.engine import Database
from aggregator.tasks import turns
from aggregator.tasks.deliver import deliver_issue
from aggregator.tasks.due import get_tasks
from aggregator.tasks.issue_ledger import IssueLedger
from aggregator.tasks.issue_mails import IssueMails
from aggregator.tasks.pace import JOIN_SECONDS, LEASE, RENEW_SECONDS, Pace
from aggregator.tasks.rates import Rates
from tests.tasks.paper import Paper, count_states, get_issue, ready

RATE = 2.0


def tick(paper: Paper) -> float:
    """One clock for rows and rates."""
    return paper.clock.at.timestamp()


def open_pace(paper: Paper, app: App) -> Pace:
    return Pace(app, clock=lambda: tick(paper))


def send_for(paper: Paper, seconds: float, *paces: Pace) -> list[int]:
    """How many mails each lets go, all that it may."""
    counts = [0] * len(paces)
    for _ in range(round(seconds * 10)):
        for number, pace in enumerate(paces):
            if not pace.get_wait():
                pace.spend("")
                counts[number] += 1
        paper.clock.move(seconds=0.1)
    return counts


@pytest.fixture
def app(paper: Paper) -> Any:
    paper.configure(rate=RATE)
    with paper.app() as app:
        yield app


def test_who_is_alone_begins_at_once_and_a_newcomer_when_he_was_counted(paper: Paper, app: App) -> None:
    first, second = open_pace(paper, app), open_pace(paper, app)
    assert send_for(paper, 10, first) == [20]
    assert second.get_wait() == pytest.approx(JOIN_SECONDS)
    assert send_for(paper, RENEW_SECONDS, second) == [0]
    before = send_for(paper, JOIN_SECONDS - RENEW_SECONDS, first, second)
    assert before[1] == 0
    assert send_for(paper, 20, first, second) == [20, 20]


def test_the_part_of_one_who_leaves_or_is_killed_goes_back(paper: Paper, app: App) -> None:
    first, second, third = (open_pace(paper, app) for _ in range(3))
    send_for(paper, 10, first, second, third)
    second.leave()
    send_for(paper, RENEW_SECONDS, first, third)
    assert send_for(paper, 20, first, third) == [20, 20]
    # The third is killed: it is counted until its lease is over.
    assert send_for(paper, LEASE.total_seconds() - RENEW_SECONDS, first) == [8]
    send_for(paper, 2 * RENEW_SECONDS, first)
    assert send_for(paper, 20, first) == [40]


def test_one_that_stood_still_for_long_is_a_newcomer_again(paper: Paper, app: App) -> None:
    first, second = open_pace(paper, app), open_pace(paper, app)
    send_for(paper, 10, first, second)
    send_for(paper, LEASE.total_seconds() + RENEW_SECONDS, first)
    assert second.get_wait() == pytest.approx(JOIN_SECONDS)
    second.keep()
    assert second.get_wait() == pytest.approx(JOIN_SECONDS)


def test_where_nothing_is_limited_nobody_counts(paper: Paper) -> None:
    paper.configure(mail={"domain_rates": {"example.net": 1.0}})
    with paper.app() as app:
        pace = open_pace(paper, app)
        assert (pace.get_wait(), pace.get_domain_wait("example.org")) == (0.0, 0.0)
        with app.db.read() as conn:
            assert not stored.list_names(conn)
        assert pace.get_domain_wait("example.net") == 0.0
        with app.db.read() as conn:
            assert len(stored.list_names(conn)) == 1


def test_two_that_join_at_once_see_each_other(db: Database, paper: Paper) -> None:
    """Not both are alone; whoever was second waits."""
    now, seen, together = paper.clock.at, list[int](), threading.Barrier(2)

    def join(name: str) -> None:
        together.wait(10)
        with db.write() as conn:
            seen.append(stored.join(conn, name, now=now, until=now + LEASE))

    threads = [threading.Thread(target=join, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(seen) == [1, 2]


@pytest.mark.parametrize("seed", (1, 2))
def test_whoever_comes_goes_and_is_killed_the_whole_is_never_exceeded(paper: Paper, seed: int) -> None:
    """In no stretch of time, but for one mail that each may have saved up."""
    paper.configure(rate=10.0)
    chance, sent = Random(seed), list[tuple[float, Pace]]()
    with paper.app() as app:
        sending = [open_pace(paper, app)]
        for _ in range(800):
            paper.clock.move(seconds=chance.choice((0.02, 0.05, 0.1)))
            match chance.randrange(100):
                case 0 | 1 | 2 if len(sending) < 4:
                    sending.append(open_pace(paper, app))
                case 3 if len(sending) > 1:
                    sending.pop(chance.randrange(len(sending))).leave()
                case 4 if len(sending) > 1:
                    del sending[chance.randrange(len(sending))]  # killed
            for pace in chance.sample(sending, chance.randint(0, len(sending))):  # some are slow
                if not pace.get_wait():
                    pace.spend("")
                    sent.append((tick(paper), pace))
    assert len(sent) > 80
    for number, (start, _) in enumerate(sent):
        who = set[Pace]()
        for count, (at, pace) in enumerate(sent[number:], 1):
            who.add(pace)
            assert count <= (at - start) * 10.0 + len(who) + 1e-6


@pytest.mark.parametrize("share", [1, 2, 7, 64])
def test_parts_add_up_to_the_limit(share: int) -> None:
    rates = Rates(7.0, {"example.net": 0.5}, clock=lambda: 0.0)
    rates.divide(share)
    assert share / rates.get_interval() == pytest.approx(7.0)
    assert share / rates.get_interval("example.net") == pytest.approx(0.5)


def begin(app: App, issue: Issue) -> None:
    with app.db.write() as conn:
        issues.mark_sending(conn, issue.id, now=app.now())


def test_two_send_one_issue_each_mail_once(paper: Paper) -> None:
    """Both take part: the first mail of each is answered when the other has one, too."""
    people = [f"r{n}@example.org" for n in range(120)]
    counts: dict[int, Counter[str]] = {}
    with ready(paper, *people) as (app, issue), paper.app() as other:
        begin(app, issue)
        both = threading.Barrier(2)

        def send(number: int, one: App) -> None:
            met = list[int]()

            def meet(*_: object) -> None:
                if not met:
                    met.append(both.wait(20))

            counts[number] = deliver_issue(one, issue.id, on_result=meet).counts

        threads = [threading.Thread(target=send, args=pair) for pair in enumerate((app, other))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert get_issue(app, issue.slug).state == "sent"
        assert count_states(app, issue) == {"sent": len(people)}
    assert Counter(paper.recipients()) == Counter(people)
    assert all(counts[number]["sent"] for number in (0, 1))


def test_a_domain_that_is_limited_is_so_for_both_together(paper: Paper) -> None:
    paper.configure(mail={"domain_rates": {"example.net": RATE}})
    people = [f"n{n}@example.net" for n in range(140)]
    taken: list[tuple[int, float]] = []
    with ready(paper, *people) as (app, issue), paper.app() as other, ExitStack() as stack:
        begin(app, issue)
        ledgers = []
        for one in (app, other):
            mails = IssueMails(one, issue.id)
            ledger = IssueLedger(one, mails, is_stopping=lambda: False, clock=lambda: tick(paper))
            stack.callback(ledger.hand_back)
            ledgers.append(ledger)
        start = tick(paper)
        for _ in range(300):
            for number, ledger in enumerate(ledgers):
                keys = [mail.key for mail in ledger.rows.take(4).mails]
                taken += [(number, tick(paper) - start) for _ in keys]
            paper.clock.move(seconds=0.1)
    assert min(Counter(number for number, _ in taken).values()) > 20
    times = [at for _, at in taken]
    # In no ten seconds more than ten seconds' worth, and one in hand of each.
    assert max(sum(at <= later < at + 10 for later in times) for at in times) <= 10 * RATE + 2
    assert len(times) >= 30 * RATE - 2 * JOIN_SECONDS


def test_when_nobody_can_be_counted_all_that_was_taken_is_handed_back(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper.configure(mail={"domain_rates": {"example.net": RATE}})
    people = [f"n{n}@example.net" for n in range(5)]
    with ready(paper, *people) as (app, issue):
        begin(app, issue)

        def fail(*_: object, **__: object) -> int:
            raise DatabaseUnavailable("gone")

        monkeypatch.setattr(stored, "join", fail)
        with suppress(StorageError):
            deliver_issue(app, issue.id)
        assert count_states(app, issue) == {"queued": len(people)}


class Asked:
    """A queue of several processes that only remembers."""

    is_shared = True

    def __init__(self) -> None:
        self.jobs: list[tuple[str, str, dict[str, int | str]]] = []

    def defer(self, task: str, *, key: str, **ids: int | str) -> bool:
        self.jobs.append((task, key, ids))
        return True

    def close(self) -> None:
        """Nothing is open."""


def test_where_many_wait_one_more_is_asked(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless they are few, or the rate is what limits: 400 a second one sends alone, 900 not."""
    queue: Any = Asked()
    with ready(paper) as (app, issue), paper.app(queue=queue) as one:
        begin(app, issue)
        for many, rate in ((4, 0.0), (3, 400.0), (3, 900.0)):
            monkeypatch.setattr(turns, "MANY", many)
            mail = replace(one.settings.mail, rate=rate)
            turns.ask_one_more(replace(one, settings=replace(one.settings, mail=mail)), issue, 1)
        assert queue.jobs == [("deliver", "deliver-2", {"number": 2})]
        get_tasks(one, pause=lambda _: False)["deliver"](number=2)
        assert queue.jobs[1:] == [("deliver", "deliver-3", {"number": 3})]
        assert count_states(app, issue) == {"sent": 3}


def test_a_process_that_sends_already_is_no_other(paper: Paper) -> None:
    """Who is asked while he sends leaves it to one who is free."""
    with ready(paper) as (app, issue):
        begin(app, issue)
        asked = list[int]()

        def pause(_: float) -> bool:
            if not asked:
                asked.append(1)
                tasks["deliver"](number=2)
                asked.append(len(paper.smtp.mails))
            return False

        tasks = get_tasks(app, pause=pause)
        tasks["deliver"]()
        assert asked == [1, 0]
        assert count_states(app, issue) == {"sent": 3}
