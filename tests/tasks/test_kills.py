"""A sender killed at random moments while people leave: none is lost, at most one mail a kill and line is doubled."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path

import pytest
import sqlalchemy as sa

from aggregator.app import App
from aggregator.model.newsletter import Issue
from aggregator.model.subscriber import NewSubscriber
from aggregator.storage import meta, subscribers
from aggregator.storage.schema import deliveries, subscriptions
from aggregator.tasks.issues import build_issue
from aggregator.tasks.personal_links import UNSUBSCRIBE
from aggregator.tasks.subscribe import add_subscribers, end_by_token
from aggregator.tokens import sign_token
from tests.tasks.paper import Paper, count_states, get_issue

_PROJECT = Path(__file__).resolve().parent.parent.parent
LINES = 10


@dataclass
class Tally:
    """What the kills did."""

    kills: int = 0
    mails: int = 0
    lost: int = 0
    doubled: int = 0
    left: int = 0
    #: Mailed after they were told that they had left.
    wronged: list[str] = field(default_factory=list)


class Door:
    """Remembers who got a mail, in order, and forgets the mails."""

    def __init__(self, paper: Paper) -> None:
        self._mails = paper.smtp.mails
        self.got: list[str] = []
        paper.smtp.on_dot = self._note

    def _note(self, line: int, recipient: str) -> None:
        self.got.append(recipient)
        del self._mails[:-1]


class Leavers:
    """People who leave while the issue goes out, as the link in a mail does it."""

    def __init__(self, app: App, issue: Issue, door: Door, people: list[str]) -> None:
        self._app, self._issue, self._door = app, issue, door
        self._people = random.sample(people, len(people))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        #: Address -> how many mails had come, to anybody, when it was told that it had left.
        self.left: dict[str, int] = {}
        #: Whose mail was on its way when they left: its last byte may have been sent.
        self.too_late: set[str] = set()

    def __enter__(self) -> Leavers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        with self._app.db.read() as conn:
            key = meta.get_identity(conn).signing_key
            known = {one.email: one.public_id for one in subscribers.list_subscriptions(conn)}
        for address in self._people:
            if self._ended.wait(random.uniform(0, 0.05)):
                return
            end_by_token(self._app, sign_token(key, UNSUBSCRIBE, known[address]), reason="link")
            with self._app.db.read() as conn:
                query = sa.select(deliveries.c.state).where(
                    deliveries.c.issue_id == self._issue.id, deliveries.c.address == address
                )
                if conn.execute(query).scalar() == "committing":
                    self.too_late.add(address)
            self.left[address] = len(self._door.got)


def kill_at_random(paper: Paper, *, kills: int, readers: int) -> Tally:
    """Send issues by the real command, killed again and again; each issue is finished before the next."""
    tally, door = Tally(), Door(paper)
    command = [sys.executable, "-m", "aggregator", "issues", "send", "weekly", "--config", str(paper.program.config)]
    people = [f"reader{number}@example.org" for number in range(readers)]
    while tally.kills < kills:
        # An hour an issue: the command goes by the real clock, which the test's must never overtake.
        paper.clock.move(hours=1)
        digest = blake2b(str(tally.kills).encode()).hexdigest()
        title = " ".join(digest[start : start + 6] for start in range(0, 48, 6))
        paper.post(tally.kills + 2, paper.clock() - timedelta(minutes=30), title=title)
        door.got.clear()
        with paper.app() as app:
            come_back(app, people)
            paper.read(app)
            issue = build_issue(app, paper.newsletter(app))
            with Leavers(app, issue, door, people[: readers // 4]) as leavers:
                most = max(2, readers // kills)
                while tally.kills < kills and _send_and_kill(command, door, random.randint(1, most)):
                    tally.kills += 1
            for _ in range(20):  # at once: rows of the dead are free, nobody waits for their leases
                if not subprocess.run(command, cwd=_PROJECT, capture_output=True, check=False).returncode:
                    break
            assert get_issue(app, issue.slug).state == "sent"
            check(tally, door, leavers, people, count_states(app, issue))
        assert tally.doubled <= tally.kills * LINES
    return tally


def come_back(app: App, people: list[str]) -> None:
    """Everybody is subscribed, whoever has left before."""
    new = [NewSubscriber(email=email, newsletter="weekly") for email in people]
    add_subscribers(app, new, consent="test")
    with app.db.write() as conn:
        conn.execute(sa.update(subscriptions).values(state="confirmed", ended_at=None, ended_reason=""))


def check(tally: Tally, door: Door, leavers: Leavers, people: list[str], states: dict[str, int]) -> None:
    """Who stayed got a mail; who was told that he had left got none from then on."""
    got = Counter(door.got)
    tally.mails += len(got)
    tally.lost += sum(address not in got for address in people if address not in leavers.left)
    tally.doubled += sum(got.values()) - len(got)
    tally.left += len(leavers.left)
    for address, position in leavers.left.items():
        if address in door.got[position:] and address not in leavers.too_late:
            tally.wronged.append(address)
    assert set(states) <= {"sent", "suppressed"}
    assert sum(states.values()) == len(people)


def _send_and_kill(command: list[str], door: Door, after: int) -> bool:
    """Run the command and kill it a random moment after so many more mails; False when it ended before that."""
    wanted = len(door.got) + after
    with subprocess.Popen(command, cwd=_PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while len(door.got) < wanted:
            try:
                process.wait(0.003)
                return False
            except subprocess.TimeoutExpired:
                continue
        try:
            process.wait(random.uniform(0, 0.03))
            return False
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return True


def test_a_few_kills_lose_nobody_and_double_one_mail_a_line_at_most(paper: Paper) -> None:
    tally = kill_at_random(paper, kills=2, readers=60)
    print(tally)
    assert (tally.lost, tally.wronged) == (0, [])


@pytest.mark.soak
def test_two_hundred_kills_lose_nobody(paper: Paper, capsys: pytest.CaptureFixture[str]) -> None:
    tally = kill_at_random(paper, kills=200, readers=20_000)
    words = f"{tally.left} left, {len(tally.wronged)} of them mailed after that"
    with capsys.disabled():
        print(f"\n{tally.kills} kills, {tally.mails} mailed: {tally.lost} lost, {tally.doubled} doubled; {words}")
    assert (tally.lost, tally.wronged) == (0, [])
