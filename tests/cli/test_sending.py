"""``aggregator issues send`` and what goes with it: rest, go on, break off, those who were missed, a test, how far."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from aggregator.storage import issues
from tests.cli.feeds import make_items, make_rss
from tests.fixtures.http_server import TestHttpServer
from tests.fixtures.program import Program

DAYS = ("01 Dec 2025", "02 Dec 2025", "03 Dec 2025")


@pytest.fixture
def paper(program: Program, http_server: TestHttpServer) -> Program:
    """A frozen issue and its two readers."""
    program.configure(feeds=[{"url": http_server.add("/feed.xml", make_rss(*make_items(DAYS)))}])
    program.run("fetch", "--all")
    for name in ("ana", "bo"):
        program.run("subscribers", "add", f"{name}@example.org")
    assert program.run("issues", "build", "--until", "2025-12-03").code == 0
    return program


def read_mails(program: Program) -> list[EmailMessage]:
    return [
        message_from_bytes(path.read_bytes(), policy=policy.SMTP)
        for path in sorted((program.folder / "var" / "outbox").glob("*.eml"))
    ]


def begin(program: Program) -> None:
    """It is being sent, and nobody has it yet."""
    with program.app() as app, app.db.write() as conn:
        (issue,) = issues.list_issues(conn, "weekly")
        assert issues.mark_sending(conn, issue.id, now=app.now())


def test_it_rests_until_the_editor_says_so(paper: Program) -> None:
    assert "is not being sent" in paper.run("issues", "pause").err
    begin(paper)

    paused = paper.run("issues", "pause", "--reason", "a wrong link")
    refused = paper.run("issues", "send")
    none_sent = read_mails(paper)
    (listed,) = paper.json("issues", "list")
    resumed = paper.run("issues", "resume")
    again = paper.run("issues", "resume")
    sent = paper.run("issues", "send")

    assert "sending (rests: a wrong link): 2 queued" in paused.out
    assert (refused.code, none_sent) == (2, [])
    assert "a wrong link" in refused.err
    assert listed["paused_reason"] == "a wrong link"
    assert "sending: 2 queued" in resumed.out
    assert "was not paused" in again.err
    assert (sent.code, len(read_mails(paper))) == (0, 2)


def test_who_was_stopped_gets_it_after_all(paper: Program) -> None:
    begin(paper)

    cancelled = paper.run("issues", "cancel", "--yes")
    missed = paper.run("issues", "send", "--missed", "--yes")
    nobody = paper.run("issues", "send", "--missed", "--yes")

    assert "sent: 2 suppressed" in cancelled.out
    assert missed.out.rstrip().endswith("sent: 2 sent")
    assert "nobody was missed" in nobody.err
    assert len(read_mails(paper)) == 2


def test_when_nobody_knows_any_more_who_got_it_nobody_was_missed(paper: Program) -> None:
    paper.run("issues", "send")
    with paper.app() as app, app.db.write() as conn:
        from aggregator.storage.schema import issues as table

        conn.execute(table.update().values(frozen_at=app.now().replace(year=app.now().year - 2)))

    told = paper.run("issues", "send", "--missed", "--yes")

    assert (told.code, "400 days" in told.err) == (2, True)


def test_a_test_is_marked_and_leaves_no_trace(paper: Program) -> None:
    told = paper.run("issues", "test", "editor@example.org")
    wrong = paper.run("issues", "test", "no address")

    (mail,) = read_mails(paper)
    assert told.out.startswith("editor@example.org: ")
    assert (mail["To"], str(mail["Subject"])[:7]) == ("editor@example.org", "[Test] ")
    assert "/unsubscribe/test>" in mail["List-Unsubscribe"]
    assert "is no e-mail address" in wrong.err
    assert paper.json("issues", "list")[0]["deliveries"] == {"queued": 2}


def test_how_far_it_is(paper: Program) -> None:
    waiting = paper.run("issues", "status")
    paper.run("issues", "send")
    done = paper.json("issues", "status")

    assert "2 mails left" in waiting.out
    assert done["deliveries"] == {"sent": 2}
    assert done["minutes_left"] is None
