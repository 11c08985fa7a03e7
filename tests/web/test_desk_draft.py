"""The draft of an issue at the desk: what stands where, in which words, when it goes; all of it taken back again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aggregator.app import App
from aggregator.model.newsletter import Issue, PlannedSlot
from aggregator.render.look import set_look
from aggregator.storage import issues
from aggregator.tasks.desk.sending import find_issue
from aggregator.tasks.issues import make_due_issues
from tests.fixtures.program import Program
from tests.fixtures.smtp_server import SmtpServer
from tests.web.conftest import Door, write_rss
from tests.web.desk_door import Visitor, make_visitor

TITLES = ("OpenAI shows a new model", "Anthropic raises money", "A robot that folds laundry", "NVIDIA sells chips")


@dataclass
class Paper:
    """A draft of four stories, and an editor; the test holds the clock."""

    app: App
    visitor: Visitor
    smtp: SmtpServer
    times: list[datetime]

    def get(self) -> Issue:
        return find_issue(self.app, 1)

    def order(self) -> dict[str, list[str]]:
        """Titles by place, as the page has them."""
        text = self.visitor.get("/issues/1/edit").text
        found: dict[str, list[str]] = {}
        for place, held in re.findall(r'data-list="(\w+)">(.*?)</[ou]l>', text, re.DOTALL):
            found[place] = re.findall(r'class="headline">(?:<a [^>]*>)?([^<]*)<', held)
        return found

    def number(self, title: str) -> str:
        text = self.visitor.get("/issues/1/edit").text
        (found,) = re.findall(rf'id="story-(\d+)"[^>]*>\s*<p class="headline">(?:<a [^>]*>)?{title}', text)
        return str(found)

    def mail(self, query: str = "") -> str:
        return self.visitor.get(f"/issues/1/draft.html{query}").text


@pytest.fixture
def paper(
    program: Program, http_server: Any, make_smtp_server: Callable[..., SmtpServer], serve: Callable[[App], Door]
) -> Iterator[Paper]:
    smtp = make_smtp_server()
    items = [(f"https://a.example/{number}", title) for number, title in enumerate(TITLES)]
    newsletter = {
        "slug": "weekly", "title": "AI Weekly", "schedule": "0 8 * * 1", "min_stories": 1, "review": "manual",
        "after_review": "skip", "review_for": "1d",
    }  # fmt: skip
    program.configure(
        feeds=[{"url": http_server.add("/a", write_rss(items))}],
        newsletters=[newsletter],
        mail={"from": "AI Weekly <news@example.org>", "smtp": {"host": "127.0.0.1", "port": smtp.port, "tls": "none"}},
    )
    program.json("fetch", "--all")
    times = [datetime.now(UTC) + timedelta(minutes=1)]
    with program.app(now=lambda: times[0]) as app:
        slot = PlannedSlot(
            slot_at=times[0], slug="2026-W48", window_start=times[0] - timedelta(days=7), window_end=times[0],
            state="draft",
        )  # fmt: skip
        with app.db.write() as conn:
            issues.add_slots(conn, "weekly", [slot], now=times[0], review_for=timedelta(days=1))
        yield Paper(app, make_visitor(app, serve(app)), smtp, times)


def test_stories_are_moved_and_moved_back(paper: Paper) -> None:
    before = paper.order()
    first, second, third, fourth = before["top"]
    moved = paper.visitor.post("/issues/1/place", item=paper.number(third), list="top", before=paper.number(first))
    shown = paper.visitor.follow(moved)
    dragged = paper.order()["top"]
    paper.visitor.post("/issues/1/place", item=paper.number(third), list="top", step="down")
    stepped = paper.order()["top"]
    paper.visitor.post("/issues/1/place", item=paper.number(fourth), list="brief")
    paper.visitor.post("/issues/1/place", item=paper.number(second), list="out")
    away = paper.order()
    (undo,) = re.findall(r'action="/admin(/log/\d+/undo)"', shown.text)
    paper.visitor.post("/issues/1/subject", subject="Mine")

    assert moved.headers["location"].endswith(f"#story-{paper.number(third)}")
    assert dragged == [third, first, second, fourth]
    assert stepped == [first, third, second, fourth]
    assert (away["top"], away["brief"], away["out"]) == ([first, third], [fourth], [second])
    assert second not in paper.mail() and fourth in paper.mail()
    refused = paper.visitor.post(undo)
    assert refused.status == 422 and "changed once more since" in refused.text
    restored = paper.visitor.follow(paper.visitor.post("/issues/1/restore", item=paper.number(second)))
    assert second in paper.order()["top"]
    (undo,) = re.findall(r'action="/admin(/log/\d+/undo)"', restored.text)
    paper.visitor.post("/issues/1/subject", subject="Mine again")
    assert paper.visitor.post(undo).status == 303 and paper.order() == away
    assert paper.get().edits.subject == "Mine again"
    paper.visitor.post("/issues/1/place", item=paper.number(first), list="top", end="1")
    assert paper.order()["top"] == [third, first]
    paper.visitor.post("/issues/1/place", item=paper.number(first), step="first")
    assert paper.order()["top"] == [first, third]
    assert paper.visitor.post("/issues/1/place", item=paper.number(first), step="up").status == 422
    assert paper.visitor.post("/issues/1/place", item="999", list="top").status == 422


def test_words_of_the_editor_stand_in_the_mail_and_the_sources_come_back(paper: Paper) -> None:
    number = paper.number(TITLES[0])
    paper.visitor.post(
        "/issues/1/story", item=number, headline="Better <b>said</b>", excerpt="In my words & no others."
    )
    paper.visitor.post(
        "/issues/1/introduction", introduction="Good **morning** <script>alert(1)</script> [x](javascript:1)"
    )
    paper.visitor.post("/issues/1/subject", subject="My subject")
    page, mail, text = paper.visitor.get("/issues/1/edit").text, paper.mail(), paper.mail("?part=text")
    preview = paper.visitor.post("/issues/1/introduction/preview", introduction="*so* <img src=x onerror=1>").text

    assert "Better &lt;b&gt;said&lt;/b&gt;" in mail and "In my words &amp; no others." in mail
    assert "Better <b>said</b>" in text and "Good morning" in text.replace("**", "")
    assert "<strong>morning</strong>" in mail and "<script" not in mail and 'href="javascript' not in mail
    assert "My subject" in page and TITLES[0] in page  # the source's own, in grey
    assert preview.strip().startswith("<p><em>so</em>") and "<img" not in preview
    paper.visitor.post("/issues/1/story", item=number, headline="", excerpt="")
    assert TITLES[0] in paper.mail()


def test_the_second_of_two_editors_sees_the_first(paper: Paper) -> None:
    text = paper.visitor.get("/issues/1/edit").text
    seen = re.findall(r'name="seen" value="(\w+)">\s*<p class="field"><label for="introduction"', text)[0]
    assert paper.visitor.post("/issues/1/introduction", introduction="Anna's", seen=seen).status == 303
    late = paper.visitor.post("/issues/1/introduction", introduction="Ben's", seen=seen)
    again = re.findall(r'name="seen" value="(\w+)">\s*<p class="field"><label for="introduction"', late.text)[0]
    decided = paper.visitor.post("/issues/1/introduction", introduction="Ben's", seen=again)

    assert late.status == 422 and "Anna&#39;s" in late.text and "Ben&#39;s</textarea>" in late.text
    assert decided.status == 303 and paper.get().edits.introduction == "Ben's"


def test_a_chosen_moment_is_kept_by_the_daemon_whoever_acts_or_not(paper: Paper) -> None:
    at = paper.times[0] + timedelta(hours=30)
    late = paper.visitor.post("/issues/1/schedule", at=(paper.times[0] - timedelta(hours=1)).isoformat())
    odd = paper.visitor.post("/issues/1/schedule", at="next Tuesday")
    chosen = paper.visitor.post("/issues/1/schedule", at=at.isoformat())
    states = []
    for hours in (25, 31):
        paper.times[0] += timedelta(hours=hours) - timedelta(hours=25 * (hours == 31))
        make_due_issues(paper.app)
        states.append(paper.get().state)

    assert (late.status, odd.status, chosen.status) == (422, 422, 303)
    assert states == ["draft", "sending"]


def test_a_test_goes_to_oneself_and_the_issue_to_nobody(paper: Paper) -> None:
    sent = paper.visitor.follow(paper.visitor.post("/issues/1/test", address="me@example.org"))
    wrong = paper.visitor.post("/issues/1/test", address="no address")

    assert "A test was sent" in sent.text and wrong.status == 422
    assert [mail.recipients for mail in paper.smtp.mails] == [("me@example.org",)]
    assert "test" in str(paper.smtp.mails[0].message["Subject"]).lower() and paper.get().state == "draft"


def test_yes_freezes_it_and_no_says_why(paper: Paper) -> None:
    yes = paper.visitor.post("/issues/1/approve")
    twice = paper.visitor.post("/issues/1/approve")
    gone = paper.visitor.get("/issues/1/edit")

    assert yes.status == 303 and paper.get().state == "sending"
    assert "no draft any more" in twice.text
    assert "no draft any more" in gone.text
    assert paper.visitor.post("/issues/1/skip", reason="no").status == 422


def test_a_look_is_the_mails_own(paper: Paper) -> None:
    light, dark = paper.mail("?look=light"), paper.mail("?look=dark")

    assert "prefers-color-scheme" not in light + dark
    assert "@media not all" in light and "@media all" in dark
    assert set_look("a{color-scheme:light dark}", "dark") == "a{color-scheme:dark}"
    assert "sandbox" in paper.visitor.get("/issues/1/draft.html").headers["content-security-policy"]
