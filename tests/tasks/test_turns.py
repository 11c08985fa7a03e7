"""Two processes take the jobs of one queue, and send one issue together."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import ExitStack

import pytest

from aggregator.storage import issues
from aggregator.tasks import turns
from aggregator.tasks.due import get_tasks
from tests.fixtures.smtp_server import Wait
from tests.tasks.paper import Paper, count_states, get_issue, ready


def test_a_process_that_is_free_is_asked_and_helps(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one's only line waits for an answer: what it has not claimed arrives meanwhile."""
    if paper.program.is_sqlite:
        pytest.skip("with SQLite one process takes the jobs")
    monkeypatch.setattr(turns, "MANY", 2)
    paper.configure(mail={"smtp": {"host": "127.0.0.1", "port": paper.smtp.port, "tls": "none", "connections": 1}})
    people = [f"r{n}@example.org" for n in range(130)]
    held = Wait()
    with ready(paper, *people) as (app, issue), paper.app() as other, ExitStack() as stack:
        with app.db.write() as conn:
            issues.mark_sending(conn, issue.id, now=app.now())
        paper.smtp.answer("DOT", held)
        helped, over = threading.Event(), threading.Event()
        paper.smtp.on_dot = lambda *_: helped.set() if len(paper.smtp.mails) >= 5 else None
        for one in (app, other):
            tasks = get_tasks(one, pause=lambda _: over.is_set())
            thread = threading.Thread(target=one.queue.run, args=({"deliver": tasks["deliver"]},))
            thread.start()
            stack.callback(thread.join, 30)
            stack.callback(one.queue.stop)
        stack.callback(over.set)
        app.queue.defer("deliver", key="deliver")
        held.wait_until_it_came()
        assert helped.wait(20)
        assert get_issue(app, issue.slug).state == "sending"
        held.let_go()
        for _ in range(400):
            if get_issue(app, issue.slug).state != "sending":
                break
            over.wait(0.05)
        assert count_states(app, issue) == {"sent": len(people)}
    assert Counter(paper.recipients()) == Counter(people)
