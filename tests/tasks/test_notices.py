"""Who is told of what happens: programs by signed posts, editors by mail, each once; later when they are away."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aggregator.model.notice import EVENTS, Event
from aggregator.storage import notable, notices, troubles
from aggregator.tasks import notable as looking
from aggregator.tasks.notices import has_due
from tests.fixtures.program import Program
from tests.fixtures.smtp_server import SmtpServer
from tests.tasks.hooks import (
    EDITOR,
    KEY,
    SECRET,
    Hook,
    break_feeds,
    import_feeds,
    list_rows,
    mail_by,
    once,
    open_alerts,
    run,
)
from tests.tasks.told import open_press

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")


def verify_as_documented(request: Any) -> Any:
    """With the lines of docs/alerts.md, at the time of the request."""
    (lines,) = re.findall(r"^```python\n(.+?)^```", PAGE, re.M | re.S)
    found: dict[str, Any] = {}
    exec(lines, found)
    found["time"] = SimpleNamespace(time=lambda: float(request.headers["webhook-timestamp"]))
    with pytest.raises(ValueError, match="not signed by us"):
        found["verify"](SECRET, request.headers, request.body + b" ")
    return found["verify"](SECRET, request.headers, request.body)


def test_every_event_is_explained_with_its_document() -> None:
    documents = re.findall(r"^```json\n(.+?)^```", PAGE, re.M | re.S)
    found = "".join(documents)

    assert all(f"| `{kind}` |" in PAGE and f'"type": "{kind}"' in found for kind in EVENTS)


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
    assert verify_as_documented(request) == json.loads(request.body)
    assert request.headers["content-type"] == "application/json" and request.method == "POST"
    (body,) = hook.bodies
    assert (body["type"], body["url"]) == ("story.new", f"http://news.example.org/stories/{number}")
    assert body["data"]["title"] == "Nvidia releases a chip"
    assert body["data"]["tags"][0]["slug"] == "nvidia"


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


def test_what_happens_meanwhile_waits_with_all_else(program: Program) -> None:
    """A target that is left alone is not asked again by every new event."""
    program.configure()
    with program.app() as app, app.db.write() as conn:
        now, url = app.now(), "https://hook.example/in"
        kinds = {url: ("feed.broken",), "mail:ann@example.org": ("feed.broken",)}
        first, second = (
            Event(kind="feed.broken", subject=f"feed:{number}", at=now, text="Broken.") for number in (1, 2)
        )
        notices.note(conn, [first], kinds, now=now)
        notices.hold_back(conn, url, now + timedelta(hours=2))
        notices.note(conn, [second], kinds, now=now)
        later = now + timedelta(minutes=1)
        claimed = {
            target: len(notices.claim(conn, target, owner="me", until=later, limit=9, now=later)) for target in kinds
        }

    assert claimed == {url: 0, "mail:ann@example.org": 2}


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
        assert [row[1:3] for row in list_rows(press.app)] == [("waiting", 400)] * 2
        press.clock.move(minutes=1)
        run(press.app)
        hook.status = 200
        press.clock.move(minutes=1)
        press.tell("Three")
        run(press.app)

        assert [body["data"]["title"] for body in hook.bodies] == ["One", "Two"] * 2 + ["Three"]


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


@once
def test_a_mail_that_is_put_off_takes_later_alerts_along(program: Program, smtp_server: SmtpServer) -> None:
    smtp_server.answer("RCPT", "450 4.2.0 greylisted, try again")
    with open_press(program, alerts={"mail": [EDITOR, "gone@example.org"]}, mail=mail_by(smtp_server)) as press:
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
