"""Processes that send one issue together: none is left behind, and one that cannot start costs nobody his mail."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from aggregator.app import App
from aggregator.model.newsletter import Issue
from aggregator.storage import issues
from aggregator.tasks import senders
from aggregator.tasks.senders import Senders
from tests.tasks.paper import READERS, Paper, count_states, get_issue, ready


@pytest.fixture
def _two_for_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "MANY", 2)


def open_senders(paper: Paper, app: App, issue: Issue) -> Senders:
    with app.db.write() as conn:
        issues.mark_sending(conn, issue.id, now=app.now())
    return Senders(app, issue, paper.program.config)


@pytest.mark.usefixtures("_two_for_few")
def test_a_stop_is_heard_while_a_helper_still_sends(
    paper: Paper, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow = tmp_path / "slow"
    slow.write_text(f'#!/bin/sh\necho $$ > "{tmp_path}/number"\nexec sleep 600\n')
    slow.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(slow))
    paper.configure(mail={"processes": 2})
    with ready(paper) as (app, issue):
        both = open_senders(paper, app, issue)
        assert both.count == 2
        done = both.deliver(
            is_stopping=lambda: count_states(app, issue) == {"sent": 3} and (tmp_path / "number").exists()
        )
    assert done.counts["sent"] == 3
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "number").read_text()), 0)


@pytest.mark.usefixtures("_two_for_few")
def test_a_helper_that_cannot_start_leaves_its_part_to_us(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    paper.configure(mail={"processes": 2})
    with ready(paper) as (app, issue):
        assert open_senders(paper, app, issue).deliver().counts["sent"] == 3
        assert get_issue(app, issue.slug).state == "sent"
    assert Counter(paper.recipients()) == Counter(READERS)


def test_a_helper_whose_starter_is_gone_sends_nothing_more(paper: Paper) -> None:
    with ready(paper) as (app, issue):
        open_senders(paper, app, issue)
        command = ("issues", "send", "weekly", "--issue", issue.slug, "--starter")
        assert paper.program.run(*command, str(os.getpid())).code == 0  # nobody starts himself
        assert count_states(app, issue) == {"queued": 3}
        assert paper.program.run(*command, str(os.getppid())).code == 0
        assert count_states(app, issue) == {"sent": 3}
