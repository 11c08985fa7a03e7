"""Who is told of what happens: programs by signed posts, editors by mail; each once, and never a flood."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from aggregator.app import App
from aggregator.storage import issues, notable, notices, schema, sending, troubles
from aggregator.tasks import notable as looking
from aggregator.tasks.due import get_tasks
from aggregator.tasks.issues import make_due_issues
from aggregator.tasks.notices import has_due, tell
from tests.fixtures.http_server import Answer
from tests.fixtures.program import Program
from tests.fixtures.smtp_server import SmtpServer
from tests.tasks.paper import Paper, ready, send_all
from tests.tasks.told import DAY, Press, open_press

KEY = b"a key of thirty-two bytes, no le"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
EDITOR = "editor@example.org"


#: For what no database has a part in.
once = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Hook:
    """Takes what it is told, or answers as the test wants."""

    def __init__(self, server: Any, path: str = "/hook") -> None:
        self.url = f"{server.url}{path}?token=geheim"
        self.status = 204
        self.headers: dict[str, str] = {}
        self.requests: list[Any] = []
        server.handle(path, self._take)

    def _take(self, request: Any) -> Answer:
        self.requests.append(request)
        return Answer(status=self.status, headers=self.headers)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.body) for request in self.requests]

    @property
    def kinds(self) -> list[str]:
        return [body["type"] for body in self.bodies]


def run(app: App) -> None:
    """What the daemon does."""
    get_tasks(app, pause=lambda seconds: False)["notices"]()


def list_rows(app: App) -> list[tuple[str, str, int, str]]:
    table = schema.notices
    query = sa.select(table.c.kind, table.c.state, table.c.code, table.c.reply_text).order_by(table.c.id)
    with app.db.read() as conn:
        return [tuple(row) for row in conn.execute(query)]


def import_feeds(app: App) -> None:
    """The first import of all feeds lies behind us."""
    with app.db.write() as conn:
        conn.execute(sa.update(schema.feeds).values(first_imported_at=app.now() - timedelta(hours=5)))


@contextmanager
def open_alerts(program: Program, *hooks: Hook, **alerts: Any) -> Iterator[Press]:
    webhooks = [{"url": hook.url, "secret": SECRET} for hook in hooks]
    with open_press(program, alerts={"webhooks": webhooks, **alerts}) as press:
        press.tell("Long ago", feed="a")
        press.tell("Long ago, too", feed="b")
        import_feeds(press.app)
        run(press.app)
        press.clock.move(minutes=2)
        yield press


def test_a_new_story_is_posted_and_signed_once(program: Program, http_server: Any) -> None:
    """By the words of the specification: id, timestamp and body, each with a dot between them."""
    hook = Hook(http_server)
    with open_alerts(program, hook) as press:
        assert has_due(press.app) and not hook.requests
        _, number = press.tell("Nvidia releases a chip", tags=["nvidia"])
        run(press.app)
        assert not has_due(press.app)
        press.clock.move(minutes=5)
        run(press.app)

    (request,) = hook.requests
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    digest = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{digest}"
    assert request.headers["content-type"] == "application/json" and request.method == "POST"
    (body,) = hook.bodies
    assert (body["type"], body["url"]) == ("story.new", f"http://news.example.org/stories/{number}")
    assert body["data"]["title"] == "Nvidia releases a chip"
    assert body["data"]["tags"][0]["slug"] == "nvidia"


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


def test_a_webhook_that_is_away_hears_all_of_it_later(program: Program, http_server: Any) -> None:
    """In the order in which it happened, under the same ids; meanwhile it is asked later and later."""
    hook = Hook(http_server)
    with open_alerts(program, hook) as press:
        hook.status = 503
        press.tell("One")
        press.tell("Two")
        run(press.app)
        for minutes, tries in ((0.5, 1), (0.5, 2), (1, 2), (1, 3), (3, 3), (1, 4), (7, 4), (1, 5)):
            press.clock.move(minutes=minutes)
            run(press.app)
            assert len(hook.requests) == tries
        hook.status = 200
        press.clock.move(hours=2)
        run(press.app)

        ids = [request.headers["webhook-id"] for request in hook.requests]
        assert [body["data"]["title"] for body in hook.bodies] == ["One"] * 6 + ["Two"]
        assert len(set(ids)) == 2 and len({request.body for request in hook.requests}) == 2
        assert [row[:3] for row in list_rows(press.app)] == [("story.new", "done", 200)] * 2


@once
def test_after_three_days_an_event_is_given_up(program: Program, http_server: Any) -> None:
    hook = Hook(http_server)
    with open_alerts(program, hook) as press:
        hook.status = 500
        press.tell("One")
        for _ in range(13):
            run(press.app)
            press.clock.move(hours=6)

        assert list_rows(press.app) == [("story.new", "failed", 500, "127.0.0.1 answered 500 Internal Server Error")]
        assert 5 < len(hook.requests) < 12


@once
def test_an_event_that_a_webhook_does_not_like_holds_up_no_other(program: Program, http_server: Any) -> None:
    hook = Hook(http_server)
    with open_alerts(program, hook) as press:
        hook.status = 400
        press.tell("One")
        press.tell("Two")
        run(press.app)

        assert [body["data"]["title"] for body in hook.bodies] == ["One", "Two"]
        assert [row[1:3] for row in list_rows(press.app)] == [("waiting", 400)] * 2


def test_a_webhook_that_says_that_it_is_gone_is_left_alone(program: Program, http_server: Any) -> None:
    """The other one is told all the same."""
    hook, other = Hook(http_server), Hook(http_server, "/other")
    with open_alerts(program, hook, other) as press:
        hook.status = 410
        press.tell("One")
        press.tell("Two")
        run(press.app)
        press.clock.move(minutes=2)
        press.tell("Three")
        run(press.app)

        assert len(hook.requests) == 1 and len(other.requests) == 3
        assert sorted(row[1] for row in list_rows(press.app)) == ["done"] * 3 + ["failed"] * 2


@once
def test_a_redirect_is_not_followed(program: Program, http_server: Any) -> None:
    hook, other = Hook(http_server), Hook(http_server, "/other")
    with open_alerts(program, hook) as press:
        hook.status, hook.headers = 307, {"Location": other.url}
        press.tell("One")
        run(press.app)

        assert not other.requests
        assert list_rows(press.app) == [("story.new", "waiting", 307, "127.0.0.1 answered 307 Temporary Redirect")]


@once
def test_private_networks_are_refused(program: Program, http_server: Any) -> None:
    hook = Hook(http_server)
    with open_press(program, alerts={"webhooks": [{"url": hook.url}]}, fetch={"allow_networks": []}) as press:
        press.tell("Long ago")
        import_feeds(press.app)
        run(press.app)
        press.clock.move(minutes=2)
        press.tell("One")
        run(press.app)

        (row,) = list_rows(press.app)
        assert not hook.requests and row[1] == "waiting" and "127.0.0.1 is not asked" in row[3]


def test_who_takes_a_webhook_out_ends_what_waits_for_it(program: Program, http_server: Any) -> None:
    hook = Hook(http_server)
    with open_alerts(program, hook) as press:
        hook.status = 500
        press.tell("One")
        run(press.app)
    program.configure(alerts={"mail": [EDITOR], "events": ["disk.low"]})
    with program.app(now=press.clock) as app:
        press.clock.move(hours=1)
        assert has_due(app)
        run(app)

        assert [row[1] for row in list_rows(app)] == ["failed"]


def test_two_that_look_at_once_tell_it_once(program: Program, http_server: Any) -> None:
    """And what a process had claimed that died is told when its lease ends."""
    hook = Hook(http_server)
    with open_alerts(program, hook) as press:
        app = press.app
        with app.db.read() as conn:
            before = notable.get_look(conn)
        assert before is not None
        press.tell("One")
        looking.look_around(app)
        with app.db.write() as conn:
            assert not notable.save_look(conn, before, before=before)
            until = app.now() + timedelta(minutes=15)
            assert notices.claim(conn, hook.url, owner="dead", until=until, limit=1, now=app.now())
        run(app)
        assert not hook.requests
        press.clock.move(minutes=16)
        run(app)
        assert hook.kinds == ["story.new"]


def break_feeds(app: App, *ids: int, **values: Any) -> None:
    with app.db.write() as conn:
        conn.execute(sa.update(schema.feeds).where(schema.feeds.c.id.in_(ids)).values(**values))


def test_a_feed_that_breaks_is_told_each_time_it_does(
    program: Program, http_server: Any, smtp_server: SmtpServer
) -> None:
    """Not while it stays broken."""
    hook = Hook(http_server)
    mail = {
        "from": "AI News <news@example.org>",
        "smtp": {"host": "127.0.0.1", "port": smtp_server.port, "tls": "none"},
    }
    webhooks = [{"url": hook.url}]
    with open_press(program, alerts={"webhooks": webhooks, "mail": [EDITOR]}, mail=mail) as press:
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


@once
def test_a_mail_that_is_put_off_takes_later_alerts_along(program: Program, smtp_server: SmtpServer) -> None:
    smtp_server.answer("RCPT", "450 4.2.0 greylisted, try again")
    mail = {
        "from": "AI News <news@example.org>",
        "smtp": {"host": "127.0.0.1", "port": smtp_server.port, "tls": "none"},
    }
    with open_press(program, alerts={"mail": [EDITOR, "gone@example.org"]}, mail=mail) as press:
        smtp_server.answer("RCPT", "550 5.1.1 no such user", to="gone@example.org", times=10)
        press.tell("Long ago", feed="a")
        run(press.app)
        with press.app.db.write() as conn:
            troubles.note_trouble(conn, "bounces cannot be read", "no such mailbox", now=press.clock())
        press.clock.move(minutes=1)
        run(press.app)
        assert not smtp_server.mails
        break_feeds(press.app, press.get_feed_id("a"), alarm="failed 12 times in a row")
        press.clock.move(minutes=1)
        run(press.app)

    (received,) = smtp_server.mails
    assert "2 alerts: Something does not work: bounces cannot be read" in received.message["Subject"]


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
