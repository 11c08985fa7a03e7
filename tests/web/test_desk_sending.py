"""The desk's issues: what comes next, one that goes out by a real SMTP conversation, what became of its mails."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

from aggregator.app import App
from aggregator.storage import accounts, audit, issues
from aggregator.tasks.deliver import deliver_issue
from aggregator.tasks.desk.accounts import make_token
from aggregator.tasks.desk.sending import simplify
from aggregator.web.desk import aside
from tests.fixtures.http_server import TestHttpServer
from tests.fixtures.program import Program
from tests.fixtures.smtp_server import FOR_EVER, SmtpServer
from tests.web.conftest import Door, write_rss
from tests.web.desk_door import Visitor, make_visitor

Serve = Callable[..., Door]
PEOPLE = ("ana@example.org", "bo@example.net", "cy@example.net")
SCRIPT = "550 5.1.1 <script>alert(1)</script> no such user"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, what is counted is waited for, and counted for each page."""
    monkeypatch.setattr(aside, "PATIENCE_SECONDS", 30)


@pytest.fixture
def paper(program: Program, http_server: TestHttpServer, smtp_server: SmtpServer) -> Program:
    """News, and three readers."""
    feed = http_server.add("/feed.xml", write_rss([("https://a.example/1", "OpenAI <b>shows</b> a new model")]))
    smtp = {"host": smtp_server.host, "port": smtp_server.port, "tls": "none"}
    program.configure(feeds=[{"url": feed}], mail={"from": "AI Weekly <news@example.org>", "smtp": smtp})
    program.run("fetch", "--all")
    (program.folder / "people.csv").write_text("\n".join(("email", *PEOPLE)), encoding="utf-8")
    program.run("subscribers", "import", "people.csv")
    return program


def read_text(page: str) -> str:
    """What stands on a page, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


def build(visitor: Visitor) -> str:
    """An issue, by the button; its page."""
    reply = visitor.post("/issues/build", newsletter="weekly")
    assert reply.status == 303, reply.text
    return reply.headers["location"].removeprefix("/admin").partition("?")[0]


def test_an_issue_goes_out_and_what_became_of_its_mails_is_shown(
    paper: Program, serve: Serve, smtp_server: SmtpServer
) -> None:
    smtp_server.answer("RCPT", SCRIPT, to="bo@example.net", times=FOR_EVER)
    smtp_server.answer("RCPT", "451 4.7.1 try <ana@example.org> again, id 7f3a9bc0", to="ana@example.org", times=1)
    with paper.app() as app:
        door = serve(app)
        visitor = make_visitor(app, door)
        before = read_text(visitor.get("/issues").text)
        path = build(visitor)
        ready = visitor.get(path)
        queued = read_api(app, door, path, f"{path}/mails?state=queued", "/issues")
        sent = visitor.follow(visitor.post(f"{path}/send"))
        number = int(path.rpartition("/")[2])
        with app.db.read() as conn:
            issue = issues.list_issues(conn)[0]
        deliver_issue(app, issue.id)
        aside_dropped(app)
        page = visitor.get(path)
        refused = visitor.get(f"{path}/mails?state=bounced")
        elsewhere = visitor.get(f"{path}/mails?state=bounced&domain=example.org")
        answer = re.search(r"mails\?state=deferred&amp;answer=(\w+)", page.text)
        alike = visitor.get(f"{path}/mails?state=deferred&answer={answer[1] if answer else ''}")
        listed = read_text(visitor.get("/issues").text)
        with app.db.read() as conn:
            actions = [line.action for line in audit.list_changes(conn, subject=f"issue:{number}")]

    assert "Next slot:" in before and "There is no issue yet." in before
    assert "Send it now" in ready.text and "a new model" in ready.text and "<b>shows" not in ready.text
    assert "An issue goes out" in sent.text and 'data-refresh="2"' in sent.text
    assert queued[0]["domains"] == {"example.net": {"queued": 2}, "example.org": {"queued": 1}}
    assert {mail["address"] for mail in queued[1]["mails"]} == set(PEOPLE)
    assert queued[2][0]["deliveries"] == {"queued": 3}
    text = read_text(page.text)
    assert "2 of 3 mails are done" in text and "1 × came back" in text and "1 × to be tried again" in text
    assert "example.net 1 – – – 1" in text and "451 4.7.1 try <…> again, id …" in text
    assert "<script>alert" not in page.text + refused.text
    assert "bo@example.net" in refused.text and "ana@example.org" not in refused.text
    assert "bo@example.net" not in elsewhere.text
    assert "ana@example.org" in alike.text
    assert "1 delivered · 1 to be tried again · 1 came back" in listed
    assert actions == ["issue.send", "issue.build"]


def read_api(app: App, door: Door, *paths: str) -> list[Any]:
    """What a program reads."""
    with app.db.read() as conn:
        found = accounts.find(conn, "anna")
    assert found
    headers = {"Authorization": f"Bearer {make_token(app, found[0], 'x', 'editor')}"}
    return [json.loads(door.ask(f"/api/v1{path}", headers=headers).body) for path in paths]


def aside_dropped(app: object) -> None:
    """What was counted a moment ago counts no more."""
    from aggregator.web.desk import issue_sending
    from aggregator.web.desk import issues as room

    known: tuple[Any, ...] = (
        *issue_sending._PROGRESS.values(),
        *issue_sending._SUM.values(),
        *room._COUNTS.values(),
    )
    for kept in known:
        kept._kept.clear()


def test_it_rests_goes_on_and_is_broken_off(paper: Program, serve: Serve) -> None:
    with paper.app() as app:
        visitor = make_visitor(app, serve(app))
        path = build(visitor)
        early = visitor.post(f"{path}/pause", reason="too early")
        visitor.post(f"{path}/send")
        rests = visitor.follow(visitor.post(f"{path}/pause", reason="a <wrong> link"))
        undo = re.search(r'action="/admin(/log/\d+/undo)"', rests.text)
        assert undo
        undone = visitor.post(undo[1])
        again = visitor.post(undo[1])
        visitor.post(f"{path}/pause", reason="once more")
        goes_on = visitor.follow(visitor.post(f"{path}/resume"))
        asked = visitor.get(f"{path}/cancel")
        unsure = visitor.post(f"{path}/cancel")
        cancelled = visitor.follow(visitor.post(f"{path}/cancel", sure="true"))
        missed = visitor.follow(visitor.post(f"{path}/missed"))
        nobody = visitor.post(f"{path}/missed")

    assert early.status == 422 and "it is ready" in early.text
    assert "It rests: a &lt;wrong&gt; link" in rests.text and "Let it go on" in rests.text
    assert undone.status == 303 and again.status == 422
    assert "An issue goes on" in goes_on.text and "Let it rest" in goes_on.text
    assert "3 people have not got it" in asked.text
    assert unsure.status == 422 and 'aria-invalid="true"' in unsure.text
    assert "cancelled by the editor" in cancelled.text and "Send it to 3 people who missed it" in cancelled.text
    assert 'data-refresh="2"' in missed.text
    assert nobody.status == 422 and "nobody was missed" in nobody.text


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        ("550 5.1.1 <ana@example.org>: no such user", "550 5.1.1 <…>: no such user"),
        ("250 2.0.0 Ok: queued as 7F3A9BC01D", "250 2.0.0 Ok: queued as …"),
        ("550 5.7.606 Access denied, banned IP [198.51.100.7]", "550 5.7.606 Access denied, banned IP […]"),
        ("", ""),
    ],
)
def test_what_differs_from_mail_to_mail_is_left_out(reply: str, wanted: str) -> None:
    assert simplify(reply) == wanted
