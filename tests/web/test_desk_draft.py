"""The draft of an issue at the desk: what stands where, in which words, when it goes; all of it taken back again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aggregator.app import App
from aggregator.model.ids import StoryId
from aggregator.model.newsletter import Issue, PlannedSlot
from aggregator.storage import issues
from aggregator.storage.drafts import pack_edits, unpack_edits
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
    number, visitor = paper.number(TITLES[0]), paper.visitor
    visitor.post("/issues/1/story", item=number, headline="Better <b>said</b>", excerpt="In my words\n& no others.")
    visitor.post("/issues/1/introduction", introduction="Good **morning** <script>alert(1)</script> [x](javascript:1)")
    visitor.post("/issues/1/subject", subject="My <i>subject</i>")
    page, mail, text = visitor.get("/issues/1/edit").text, paper.mail(), paper.mail("?part=text")
    frame = visitor.get("/issues/1/draft.html?look=dark")

    assert "Better &lt;b&gt;said&lt;/b&gt;" in mail and "In my words &amp; no others." in mail
    assert "Better <b>said</b>" in text and "In my words & no others." in text
    assert "<strong>morning</strong>" in mail and "<script" not in mail and 'href="javascript' not in mail
    assert "My &lt;i&gt;subject&lt;/i&gt;" in page and TITLES[0] in page  # the source's own, beside
    assert "sandbox" in frame.headers["content-security-policy"] and "@media all" in frame.text
    assert "a{pointer-events:none}" in frame.text
    visitor.post("/issues/1/story", item=number, headline=TITLES[0], excerpt="In my words & no others.")
    assert [(head, bool(excerpt)) for _, head, excerpt in paper.get().edits.texts] == [("", True)]
    visitor.post("/issues/1/story", item=number, headline="Whatever", own="1")
    assert not paper.get().edits.texts and TITLES[0] in paper.mail()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_words_are_seen_before_they_are_saved(paper: Paper) -> None:
    visitor = paper.visitor
    part = visitor.post("/issues/1/introduction/preview", introduction="*so* <img src=x onerror=1>").text
    whole = visitor.post("/issues/1/introduction/preview", introduction="*so*", whole="1").text
    line = visitor.post("/issues/1/subject/preview", subject="").text
    mine = visitor.post("/issues/1/subject/preview", subject="Mine <b>").text

    assert part.strip().startswith("<p><em>so</em>") and "<img" not in part
    assert "<h1" in whole and "<p><em>so</em></p>" in whole and "*so*</textarea>" in whole
    assert "AI Weekly" in line and TITLES[0] in line and "Mine &lt;b&gt;" in mine
    assert not paper.get().edits.introduction and not paper.get().edits.subject
    assert "it is skipped at" in visitor.get("/issues").text
    paper.times[0] += timedelta(hours=25)
    assert "It is skipped with the next look." in visitor.get("/issues").text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_second_of_two_editors_sees_the_first(paper: Paper) -> None:
    def find_seen(text: str, name: str) -> str:
        (found,) = re.findall(rf'name="seen" value="(\w+)">\s*<p class="field"><label for="{name}"', text)
        return str(found)

    text, number = paper.visitor.get("/issues/1/edit").text, paper.number(TITLES[0])
    seen, of_story = find_seen(text, "introduction"), find_seen(text, f"headline-{number}")
    assert paper.visitor.post("/issues/1/introduction", introduction="Anna's", seen=seen).status == 303
    late = paper.visitor.post("/issues/1/introduction", introduction="Ben's", seen=seen)
    decided = paper.visitor.post(
        "/issues/1/introduction", introduction="Ben's", seen=find_seen(late.text, "introduction")
    )
    paper.visitor.post("/issues/1/story", item=number, headline="Anna's", seen=of_story)
    story = paper.visitor.post("/issues/1/story", item=number, headline="Ben's", seen=of_story)

    assert late.status == 422 and "Anna&#39;s" in late.text and "Ben&#39;s</textarea>" in late.text
    assert decided.status == 303 and paper.get().edits.introduction == "Ben's"
    assert story.status == 422 and 'value="Ben&#39;s"' in story.text and "<q>Anna&#39;s</q>" in story.text


def test_a_test_goes_to_oneself_and_a_moment_is_chosen(paper: Paper) -> None:
    at, visitor = paper.times[0] + timedelta(hours=30), paper.visitor
    sent = visitor.follow(visitor.post("/issues/1/test", address="me@example.org"))
    wrong = visitor.post("/issues/1/test", address="no address")
    late, odd, far = (
        visitor.post("/issues/1/schedule", at=moment)
        for moment in ((paper.times[0] - timedelta(hours=1)).isoformat(), "next Tuesday", "2099-01-01T08:00")
    )
    chosen = visitor.follow(visitor.post("/issues/1/schedule", at=at.isoformat()))
    (undo,) = re.findall(r'action="/admin(/log/\d+/undo)"', chosen.text)
    states = []
    for hours in (25, 6):
        paper.times[0] += timedelta(hours=hours)
        make_due_issues(paper.app)
        states.append(paper.get().state)

    assert "A test was sent" in sent.text and 'value="me@example.org"' in sent.text and wrong.status == 422
    assert [mail.recipients for mail in paper.smtp.mails] == [("me@example.org",)]
    assert "test" in str(paper.smtp.mails[0].message["Subject"]).lower()
    assert (late.status, odd.status, far.status) == (422, 422, 422)
    assert "whoever acts or not" in chosen.text
    assert states == ["draft", "sending"] and "no draft any more" in visitor.post(undo).text


def test_no_says_why_and_is_taken_back_and_yes_freezes_it(paper: Paper) -> None:
    visitor = paper.visitor
    no = visitor.follow(visitor.post("/issues/1/skip", reason="holidays"))
    skipped = paper.get()
    (undo,) = re.findall(r'action="/admin(/log/\d+/undo)"', no.text)
    again = visitor.post(undo)
    back = paper.get()
    yes, twice = visitor.post("/issues/1/approve"), visitor.post("/issues/1/approve")
    gone = visitor.get("/issues/1/edit")

    assert (skipped.state, skipped.reason) == ("skipped", "holidays")
    assert (again.status, back.state, back.reason) == (303, "draft", "")
    assert yes.status == 303 and paper.get().state == "sending"
    assert "no draft any more" in twice.text and "no draft any more" in gone.text
    assert visitor.post("/issues/1/skip", reason="no").status == 422


def test_edits_of_an_earlier_program_are_read() -> None:
    """Without words for stories."""
    stored = {"subject": "S", "introduction": "", "placed": [[3, "top"]], "dropped": [4]}
    edits = unpack_edits(stored)

    assert edits.texts == () and pack_edits(edits) == stored
    told = replace(edits, texts=((StoryId(3), "Head", ""),))
    assert unpack_edits(pack_edits(told)) == told
