"""From posts in a folder to three different mails, and out again with one click."""

from __future__ import annotations

import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa
import uvicorn

from aggregator.app import App
from aggregator.model.subscriber import Subscription
from aggregator.storage import issues, subscribers
from aggregator.storage.schema import issue_stories
from aggregator.tasks.issues import build_issue
from aggregator.web.site import create_site
from tests.fixtures.program import Program
from tests.fixtures.smtp_server import SmtpServer
from tests.tasks.paper import READERS, SLOT, Paper, count_states, send_all


@pytest.fixture
def paper(program: Program, smtp_server: SmtpServer) -> Paper:
    made = Paper(program, smtp_server)
    made.configure()
    return made


@contextmanager
def served(app: App) -> Iterator[str]:
    """The web app on a port of its own; its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_site(app), log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def test_three_readers_get_three_mails_and_one_leaves_by_the_address_in_hers(paper: Paper) -> None:
    first = [paper.post(number, SLOT - timedelta(days=number + 1)) for number in range(3)]
    for email in READERS:
        assert paper.program.run("subscribers", "add", email).code == 0
    assert paper.program.run("fetch", "--all").code == 0
    built = paper.program.json("issues", "build", "weekly", "--until", SLOT.isoformat())
    assert (built["state"], built["stories"], built["deliveries"]) == ("ready", 3, {"queued": 3})
    assert paper.smtp.mails == []

    assert paper.program.json("issues", "send", "weekly")["deliveries"] == {"sent": 3}

    assert sorted(paper.recipients()) == sorted(READERS)
    assert len({mail.data for mail in paper.smtp.mails}) == 3
    links = {}
    for mail in paper.smtp.mails:
        message = mail.message
        assert message.get_content_type() == "multipart/alternative"
        parts = list(message.iter_parts())
        assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
        assert all(title in part.get_content() for part in parts for title in first)
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        links[mail.recipients[0]] = message["List-Unsubscribe"].strip("<>")
        assert all(links[mail.recipients[0]] in part.get_content() for part in parts)
    assert len(set(links.values())) == 3
    assert len({mail.message["Message-ID"] for mail in paper.smtp.mails}) == 3

    assert paper.program.run("issues", "send", "weekly").code == 0
    assert len(paper.smtp.mails) == 3

    with paper.app() as app:
        with served(app) as url:
            path = links["bob@example.org"].removeprefix("http://news.example.org")
            with urllib.request.urlopen(url + path, timeout=10) as answer:
                assert answer.status == 200
            assert {item.state for item in subscriptions(app)} == {"confirmed"}
            post = urllib.request.Request(url + path, data=b"List-Unsubscribe=One-Click")
            with urllib.request.urlopen(post, timeout=10) as answer:
                assert answer.status == 200
                assert "Set-Cookie" not in answer.headers
        assert {item.email: item.state for item in subscriptions(app)}["bob@example.org"] == "ended"

        paper.clock.move(days=7)
        new = paper.post(8, paper.clock() - timedelta(days=1))
        paper.read(app)
        issue = build_issue(app, paper.newsletter(app))
        send_all(app, issue)
        later = paper.smtp.mails[3:]
        assert sorted(mail.recipients[0] for mail in later) == ["ada@example.org", "cyd@example.org"]
        text = later[0].message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
        assert new in text
        assert not any(title in text for title in first)


def subscriptions(app: App) -> list[Subscription]:
    with app.db.read() as conn:
        return list(subscribers.list_subscriptions(conn))


def test_a_mail_of_two_hundred_long_stories_stays_small_and_the_lowest_are_on_the_web(paper: Paper) -> None:
    paper.configure(newsletter={"top_stories": 100, "brief_stories": 100})
    for number in range(200):
        title = f"{number * 7919} " + " ".join(
            f"{chr(97 + number % 26)}{chr(97 + number // 26)}{k}x" for k in range(12)
        )
        text = f"The {number * 31337} word is long and goes on for a whole line of the page. " * 30
        paper.post(number, SLOT - timedelta(minutes=number + 1), title=title, text=text)
    with paper.app() as app:
        paper.subscribe(app, READERS[0])
        paper.read(app)
        issue = build_issue(app, paper.newsletter(app))
        send_all(app, issue)
        assert issue.story_count == 200
        with app.db.read() as conn:
            told = sa.select(issue_stories.c.section).where(issue_stories.c.issue_id == issue.id)
            sections = list(conn.execute(told.order_by(issue_stories.c.position)).scalars())
    html = paper.smtp.mails[0].message.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert len(html.encode()) <= 90_000
    assert sections == sorted(sections, key=["top", "brief", "more"].index)
    assert sections.count("more") > 0


def test_too_few_stories_make_no_issue_and_say_so(paper: Paper) -> None:
    paper.configure(newsletter={"min_stories": 3})
    paper.post(1, SLOT - timedelta(days=1))
    assert paper.program.run("fetch", "--all").code == 0
    told = paper.program.run("issues", "build", "weekly", "--until", SLOT.isoformat())
    assert told.code == 0
    assert "skipped" in told.out
    assert "too few stories: 1 found, 3 wanted" in told.out
    (issue,) = paper.program.json("issues", "list")
    assert (issue["state"], issue["reason"]) == ("skipped", "too few stories: 1 found, 3 wanted")
    assert paper.program.run("issues", "send", "weekly").code == 1


def test_a_late_entry_comes_once_with_the_next_issue_and_never_after_seven_days(paper: Paper) -> None:
    paper.post(1, SLOT - timedelta(days=1))
    with paper.app() as app:
        paper.subscribe(app, READERS[0])
        paper.read(app)
        send_all(app, build_issue(app, paper.newsletter(app)))

        paper.clock.move(hours=2)
        late = paper.post(2, SLOT - timedelta(days=2))
        too_late = paper.post(3, SLOT - timedelta(days=7, hours=1))
        paper.read(app)
        paper.clock.move(days=7)
        fresh = paper.post(4, paper.clock() - timedelta(days=1))
        paper.read(app)
        send_all(app, build_issue(app, paper.newsletter(app)))
        paper.clock.move(days=7)
        last = paper.post(5, paper.clock() - timedelta(days=1))
        paper.read(app)
        send_all(app, build_issue(app, paper.newsletter(app)))

    texts = [mail.message.get_body(("plain",)).get_content() for mail in paper.smtp.mails]  # type: ignore[union-attr]
    titles = [[title for title in (late, too_late, fresh, last) if title in text] for text in texts]
    assert sorted(titles[1]) == sorted([late, fresh])
    assert titles == [[], titles[1], [last]]


def test_the_moment_of_sending_decides_who_gets_it(paper: Paper) -> None:
    paper.post(1, SLOT - timedelta(days=1))
    with paper.app() as app:
        paper.subscribe(app, *READERS)
        paper.read(app)
        issue = build_issue(app, paper.newsletter(app))
        paper.subscribe(app, "new@example.org")
        with app.db.write() as conn:
            subscribers.remove(conn, "bob@example.org", newsletter="weekly", reason="test", now=app.now())
        send_all(app, issue)
        assert count_states(app, issue) == {"sent": 3, "suppressed": 1}
    assert sorted(paper.recipients()) == ["ada@example.org", "cyd@example.org", "new@example.org"]


def test_an_issue_built_twice_is_one_and_never_a_draft_for_the_daemon(paper: Paper) -> None:
    paper.post(1, SLOT - timedelta(days=1))
    with paper.app() as app:
        paper.read(app)
        first = build_issue(app, paper.newsletter(app), until=SLOT)
        again = build_issue(app, paper.newsletter(app), until=SLOT)
        assert (first.id, first.state) == (again.id, "ready")

        broken = paper.program.folder / "templates"
        broken.mkdir()
        (broken / "newsletter.mjml").write_text("{{ nothing.of.that.name }}")
    paper.clock.move(days=7)
    paper.post(2, paper.clock() - timedelta(days=1))
    with paper.app() as app:
        paper.read(app)
        with pytest.raises(Exception, match=r"newsletter\.mjml"):
            build_issue(app, paper.newsletter(app))
        with app.db.read() as conn:
            assert issues.list_issues(conn, states=("draft",)) == ()
