"""A sender killed at random moments: nobody is lost, and at most one mail a kill comes twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path

import pytest

from aggregator.tasks.issues import build_issue
from tests.tasks.paper import READERS, Paper, count_states, get_issue

_PROJECT = Path(__file__).resolve().parent.parent.parent
BOB = READERS[1]


@dataclass
class Tally:
    """What the kills did."""

    kills: int = 0
    lost: int = 0
    doubled: int = 0
    thrice: int = 0


def kill_at_random(paper: Paper, *, kills: int, readers: int) -> Tally:
    """Send issues by the real command, killed again and again; each issue is finished before the next."""
    tally = Tally()
    command = [sys.executable, "-m", "aggregator", "issues", "send", "weekly", "--config", str(paper.program.config)]
    emails = {f"reader{number}@example.org" for number in range(readers)}
    with paper.app() as app:
        paper.subscribe(app, *sorted(emails))
    while tally.kills < kills:
        # An hour an issue: the command goes by the real clock, which the test's must never overtake.
        paper.clock.move(hours=1)
        digest = blake2b(str(tally.kills).encode()).hexdigest()
        title = " ".join(digest[start : start + 6] for start in range(0, 48, 6))
        paper.post(tally.kills + 2, paper.clock() - timedelta(minutes=30), title=title)
        paper.smtp.mails.clear()
        with paper.app() as app:
            paper.read(app)
            issue = build_issue(app, paper.newsletter(app))
        before, process_killed = tally.kills, True
        while process_killed and tally.kills < kills:
            process_killed = _send_and_kill(command, paper, random.randint(1, max(2, readers // 4)))
            tally.kills += process_killed
        for _ in range(3):  # at once: rows of the dead are free, nobody waits for their leases
            if process_killed and subprocess.run(command, cwd=_PROJECT, capture_output=True, check=False).returncode:
                continue
            break
        with paper.app() as app:
            assert get_issue(app, issue.slug).state == "sent"
            assert count_states(app, issue) == {"sent": readers}
        got = Counter(paper.recipients())
        tally.lost += len(emails - set(got))
        tally.doubled += sum(got.values()) - len(got)
        tally.thrice += sum(count > 2 for count in got.values())
        assert tally.doubled <= tally.kills
        assert before < tally.kills or not process_killed
    return tally


def _send_and_kill(command: list[str], paper: Paper, after: int) -> bool:
    """Run the command and kill it a random moment after so many more mails; False when it ended before that."""
    wanted = len(paper.smtp.mails) + after
    with subprocess.Popen(command, cwd=_PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while len(paper.smtp.mails) < wanted:
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


def test_ten_kills_lose_nobody_and_double_one_mail_a_kill_at_most(paper: Paper) -> None:
    tally = kill_at_random(paper, kills=10, readers=60)
    print(tally)
    assert tally.lost == 0
    assert tally.doubled <= tally.kills


@pytest.mark.soak
def test_a_thousand_kills_lose_nobody(paper: Paper, capsys: pytest.CaptureFixture[str]) -> None:
    tally = kill_at_random(paper, kills=1000, readers=400)
    with capsys.disabled():
        print(f"\n{tally.kills} kills: {tally.lost} lost, {tally.doubled} doubled, {tally.thrice} thrice or more")
    assert tally.lost == 0
    assert tally.doubled <= tally.kills
