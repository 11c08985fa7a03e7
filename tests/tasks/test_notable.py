"""What is worth telling: what begins, breaks, waits or is done, once; never a flood, never what is old."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from aggregator.storage import issues, sending
from aggregator.tasks import notable as looking
from aggregator.tasks.issues import make_due_issues
from aggregator.tasks.notices import has_due, tell
from tests.fixtures.program import Program
from tests.fixtures.smtp_server import SmtpServer
from tests.tasks.hooks import EDITOR, Hook, break_feeds, list_rows, mail_by, once, open_alerts, run
from tests.tasks.paper import Paper, ready, send_all
from tests.tasks.told import DAY, open_press


def test_what_is_no_news_is_told_to_nobody(program: Program, http_server: Any) -> None:
    """What is old, held back, hidden, another voice, or of a feed's first import."""
    hook = Hook(http_server)
    with open_alerts(program, hook) as press:
        _, known = press.tell("One that is told")
        run(press.app)
        press.clock.move(minutes=2)
        press.tell("Another voice", story=known, feed="b")
        press.tell("Old", ago=2 * DAY)
        press.tell("Backlog", backlog=True)
        press.tell("Of a new feed", feed="c")
        number, _ = press.tell("Hidden")
        press.hide(number)
        run(press.app)

        assert [body["data"]["title"] for body in hook.bodies] == ["One that is told"]


def test_a_flood_of_stories_is_counted(program: Program, http_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "MOST", 3)
    hook = Hook(http_server)
    with open_alerts(program, hook) as press:
        for number in range(8):
            press.tell(f"Story {number}")
        run(press.app)
        press.clock.move(minutes=2)
        run(press.app)

    assert [body["data"].get("title") for body in hook.bodies] == ["Story 0", "Story 1", "Story 2", None]
    assert hook.bodies[-1]["data"] == {"more": 5}


def test_a_feed_that_breaks_is_told_each_time_it_does(
    program: Program, http_server: Any, smtp_server: SmtpServer
) -> None:
    """Not while it stays broken."""
    hook = Hook(http_server)
    webhooks = [{"url": hook.url}]
    with open_press(program, alerts={"webhooks": webhooks, "mail": [EDITOR]}, mail=mail_by(smtp_server)) as press:
        press.tell("Long ago", feed="a")
        press.tell("Long ago, too", feed="b")
        a, b = press.get_feed_id("a"), press.get_feed_id("b")
        run(press.app)
        alarm = "failed 12 times in a row"
        break_feeds(press.app, a, alarm=alarm, failures=12, failure_reason="a.example answered 500")
        moved = {"moved_url": "https://new.example/feed?key=geheim", "moved_since": press.clock(), "moved_times": 2}
        break_feeds(press.app, b, alarm="moved permanently to https://new.example/feed?..., seen 2 times", **moved)
        for _ in range(3):
            press.clock.move(minutes=2)
            run(press.app)
        assert hook.kinds == ["feed.broken", "feed.moved"]
        break_feeds(press.app, a, alarm="", failures=0)
        press.clock.move(days=1)
        run(press.app)
        break_feeds(press.app, a, state="paused", paused_reason="gone: answers 410 since 2026-03-06")
        press.clock.move(minutes=2)
        run(press.app)

    assert hook.kinds == ["feed.broken", "feed.moved", "feed.broken"]
    assert hook.bodies[0]["data"]["last_failure"] == "a.example answered 500"
    assert hook.bodies[1]["data"]["moved_to"] == "https://new.example/feed"
    assert b"geheim" not in b"".join(request.body for request in hook.requests)
    first, second = smtp_server.mails
    assert first.message["Subject"].startswith("[AI News] 2 alerts: The feed a.example needs you: failed 12 times")
    assert first.message.get_content_type() == "text/plain"
    text = first.message.get_content()
    assert alarm in text and f"http://news.example.org/feeds/{b}" in text
    assert second.recipients == (EDITOR,) and "gone: answers 410" in second.message["Subject"]


def test_an_issue_is_told_as_a_draft_at_rest_and_sent(paper: Paper, http_server: Any) -> None:
    hook = Hook(http_server)
    paper.configure(newsletter={"review": "manual"}, alerts={"webhooks": [{"url": hook.url}]})
    with ready(paper) as (app, issue):
        run(app)
        paper.clock.move(minutes=2)
        with app.db.write() as conn:
            issues.mark_sending(conn, issue.id, now=app.now())
            sending.pause(conn, issue.id, "535 login refused", until=app.now() + timedelta(hours=1))
        run(app)
        with app.db.write() as conn:
            sending.resume(conn, issue.id)
        send_all(app, issue)
        for _ in range(2):
            paper.clock.move(minutes=2)
            run(app)

    assert hook.kinds == ["issue.paused", "issue.sent"]
    paused, sent = hook.bodies
    assert "rests while it is sent: 535 login refused" in paused["text"]
    assert (
        paused["data"]["state"] == "sending"
        and sent["data"]["deliveries"] == {"sent": 3}
        and sent["data"]["stories"] == 1
    )


def test_a_draft_that_waits_for_an_editor_is_told(paper: Paper, http_server: Any) -> None:
    hook = Hook(http_server)
    paper.configure(newsletter={"review": "manual"}, alerts={"webhooks": [{"url": hook.url}]})
    paper.clock.move(hours=-1)
    with paper.app() as app:
        make_due_issues(app)
        paper.clock.move(hours=2)
        make_due_issues(app)
        run(app)
        paper.clock.move(minutes=2)
        run(app)

    assert hook.kinds == ["issue.draft"]
    assert hook.bodies[0]["data"]["review_until"]


@once
def test_a_full_disk_is_told_once(program: Program, http_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hook, free = Hook(http_server), [2**29]
    monkeypatch.setattr(looking, "measure_disk", lambda app: (free[0], 2**40))
    with open_press(program, alerts={"webhooks": [{"url": hook.url, "events": ["disk.low"]}]}) as press:
        for room in (2**29, 2**30 + 1, 2**31):
            free[0] = room
            run(press.app)
            press.clock.move(minutes=2)

    assert [body["data"] for body in hook.bodies] == [{"free_bytes": 2**29, "total_bytes": 2**40}]


@once
def test_without_alerts_nothing_is_looked_at(program: Program) -> None:
    with open_press(program) as press:
        press.tell("One")
        assert not has_due(press.app)
        tell(press.app, pause=lambda seconds: False)
        assert not list_rows(press.app)
