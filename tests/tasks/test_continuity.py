"""Two weeks of one newsletter: nothing comes twice without a mark, and what returns says what is new about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from aggregator.app import App
from aggregator.model.ids import EntryId
from aggregator.model.newsletter import ComposedIssue, Issue, IssueItem, RenderedIssue
from aggregator.model.story import RulingKind
from aggregator.storage import entries, issues
from aggregator.storage.entries import EntryQuery
from aggregator.storage.schema import rulings
from aggregator.storage.schema import stories as stories_table
from aggregator.tasks.composing import compose_draft
from aggregator.tasks.issues import build_issue
from tests.fixtures.program import Program
from tests.fixtures.smtp_server import SmtpServer
from tests.storage.samples import RENDERED, add_draft, make_slot
from tests.tasks.paper import SLOT, WEEKLY, Paper

DAY = timedelta(days=1)
NAMES = ("Wire", "Daily", "Monde", "Nikkei", "Courier")
ROUND = "Northlight closes a large funding round with new investors"
CHIP = "Hayabusa chip leaves the laboratory after nine long years"
#: An excerpt is never longer than half of an article.
REST = (
    " And so it goes on for a while, as articles do, until everybody has been asked and has said what they think." * 6
)
QUIET = "A library that lends small models to schoolchildren opens"


class Press(Paper):
    """Five papers, each a folder of posts at an address of its own."""

    def configure_press(self, **newsletter: Any) -> None:
        for name in NAMES:
            (self.program.folder / name).mkdir(exist_ok=True)
        self.program.configure(
            feeds=[{"folder": name, "title": name} for name in NAMES],
            combined={"first_import": 1000},
            newsletters=[{**WEEKLY, **newsletter}],
            mail={"from": "AI Weekly <news@example.org>"},
        )

    def print_story(self, name: str, title: str, at: datetime, text: str = "One short sentence about it.") -> None:
        slug = title.split()[0].lower()
        head = f'---\ntitle: "{title}"\ndate: {at.isoformat()}\nurl: https://{name.lower()}.example/{slug}\n---\n'
        (self.program.folder / name / f"{slug}.md").write_text(f"{head}\n{text}{REST}\n", encoding="utf-8")

    def build(self, app: App) -> tuple[Issue, RenderedIssue]:
        self.read(app)
        issue = build_issue(app, self.newsletter(app))
        with app.db.read() as conn:
            rendered = issues.get_rendered(conn, issue.id)
        assert rendered is not None, issue.reason
        return issue, rendered


@pytest.fixture
def press(program: Program, smtp_server: SmtpServer) -> Press:
    return Press(program, smtp_server)


def find_entries(app: App, title: str) -> list[EntryId]:
    with app.db.read() as conn:
        return [entry.id for entry in entries.list_entries(conn, EntryQuery()) if entry.title == title]


def rule(app: App, kind: RulingKind, entry_id: EntryId) -> None:
    """What the desk does: the editor's word, and the story's score is to be reckoned anew."""
    with app.db.write() as conn:
        conn.execute(sa.insert(rulings), {"kind": kind, "entry_id": entry_id, "made_at": app.now()})
        conn.execute(sa.update(stories_table).values(score=None))


def read_text(rendered: RenderedIssue) -> str:
    return " ".join(rendered.mail_text.split())


def list_titles(rendered: RenderedIssue, titles: Sequence[str] = (ROUND, CHIP, QUIET)) -> list[str]:
    """Those that stand in it, in their order."""
    text = read_text(rendered)
    return sorted((title for title in titles if title in text), key=text.index)


def print_two_weeks(press: Press, app: App) -> tuple[RenderedIssue, RenderedIssue]:
    """The round is told in the first week by one paper, after the issue by two more; the chip is old news by then."""
    press.print_story(
        "Wire",
        ROUND,
        SLOT - DAY,
        "The company is worth $6 billion, say investors who were there. Others would not say anything at all about it.",
    )
    press.print_story("Wire", CHIP, SLOT - 2 * DAY)
    first = press.build(app)[1]
    press.clock.move(days=1)
    press.print_story(
        "Monde",
        ROUND,
        press.clock() - timedelta(hours=2),
        "People who know it say that it is worth $6.5 billion by now. They wished to remain unnamed, as people do.",
    )
    press.read(app)
    press.clock.move(days=1)
    press.print_story(
        "Nikkei",
        ROUND,
        press.clock() - timedelta(hours=2),
        "For $6.5 billion the company would not be sold, it says. Its founders want to stay where they are for long.",
    )
    press.print_story("Daily", QUIET, press.clock() - timedelta(hours=3))
    press.read(app)
    press.clock.move(days=5)
    return first, press.build(app)[1]


def test_a_story_that_was_told_does_not_come_back(press: Press) -> None:
    """Unless the editor says so, however much it has grown."""
    press.configure_press()
    with press.app() as app:
        first, second = print_two_weeks(press, app)

    assert set(list_titles(first)) == {ROUND, CHIP}
    assert list_titles(second) == [QUIET]
    assert "Update:" not in read_text(second) + second.web_html + second.mail_html


def test_what_has_grown_returns_as_one_marked_line(press: Press) -> None:
    """Where the newsletter allows it: with publishers and numbers that are new; once, until it grows again."""
    press.configure_press(developing=3)
    with press.app() as app:
        first, second = print_two_weeks(press, app)
        press.clock.move(days=1)
        press.print_story("Courier", "Agents book a quarter of all trains in the north", press.clock())
        press.clock.move(days=6)
        third = press.build(app)[1]

    line = "Update: + Monde and Nikkei; now $6.5 billion"
    assert "Update:" not in read_text(first)
    assert list_titles(second) == [QUIET, ROUND]
    _, _, returned = read_text(second).partition(" Still developing ")
    assert f" * {ROUND} {line} http://news.example.org/stories/" in returned
    for text in (second.mail_html, second.web_html):
        assert line in " ".join(text.replace("</strong>", "").split())
    assert second.subject.startswith(QUIET[:20])
    assert list_titles(third) == []
    assert "Still developing" not in read_text(third)


def test_a_story_that_the_editor_pins_after_its_issue_is_told_again_first_and_marked(press: Press) -> None:
    """A pin from before the issue recalls nothing, and one recall is one."""
    press.configure_press()
    with press.app() as app:
        press.print_story("Wire", ROUND, SLOT - DAY)
        press.print_story("Wire", CHIP, SLOT - 2 * DAY)
        press.read(app)
        rule(app, "pin", find_entries(app, ROUND)[0])
        first = press.build(app)[1]
        press.clock.move(days=2)
        rule(app, "pin", find_entries(app, CHIP)[0])
        press.print_story("Daily", QUIET, press.clock())
        press.clock.move(days=5)
        second = press.build(app)[1]
        press.print_story("Daily", "Agents book a quarter of all trains in the north", press.clock())
        press.clock.move(days=7)
        third = press.build(app)[1]

    assert list_titles(first)[0] == ROUND
    assert list_titles(second) == [CHIP, QUIET]
    assert "Update: an earlier issue told it" in read_text(second)
    assert list_titles(third) == []


def test_what_is_buried_after_its_issue_stays_where_it_is(press: Press) -> None:
    """The editor's last word is about the story; a buried one is not recalled, and does not develop."""
    press.configure_press(developing=3)
    with press.app() as app:
        press.print_story("Wire", ROUND, SLOT - DAY)
        press.build(app)
        press.clock.move(days=1)
        for kind in ("pin", "bury"):
            rule(app, kind, find_entries(app, ROUND)[0])
        press.print_story("Monde", ROUND, press.clock())
        press.print_story("Daily", QUIET, press.clock())
        press.clock.move(days=6)
        second = press.build(app)[1]

    assert list_titles(second) == [QUIET]


def test_a_story_that_began_before_the_first_issue_is_growing(press: Press) -> None:
    """Nobody told it yet, but it is not of this week alone."""
    press.configure_press()
    with press.app() as app:
        press.print_story("Wire", ROUND, SLOT - 8 * DAY)
        press.print_story("Monde", ROUND, SLOT - 6 * DAY)
        only = press.build(app)[1]

    assert list_titles(only) == [ROUND]
    assert "Growing: + Monde" in read_text(only)


def test_news_that_another_issue_told_meanwhile_is_told_once(press: Press) -> None:
    """What was composed before is not frozen: it is composed anew."""
    press.configure_press(developing=3)
    with press.app() as app:
        press.print_story("Wire", ROUND, SLOT - DAY)
        press.build(app)
        press.clock.move(days=1)
        press.print_story("Monde", ROUND, press.clock())
        press.print_story("Daily", QUIET, press.clock())
        press.read(app)
        story_id, items = 0, []
        for number, days in enumerate((2, 3)):
            at = press.clock() + days * DAY
            planned = make_slot(f"2026-W0{number + 1}", at=at, window_start=SLOT, window_end=at)
            composed = compose_draft(app, press.newsletter(app), planned)
            assert isinstance(composed, ComposedIssue)
            (story,) = composed.developing
            story_id = story.id
            told = tuple(entry.id for entry in story.entries)
            items.append(IssueItem(story_id=story.id, entry_ids=told, section="brief", again=True))
        with app.db.write() as conn:
            first, second = (add_draft(conn, f"2026-W1{n}", at=SLOT + (20 + n) * DAY) for n in range(2))
            assert issues.freeze(conn, first, RENDERED, items[:1], now=app.now())
            assert not issues.freeze(conn, second, RENDERED, items[1:], now=app.now())
            unmarked = [replace(items[1], again=False)]
            assert not issues.freeze(conn, second, RENDERED, unmarked, now=app.now())
            assert story_id in issues.mailed_story_ids(conn, "weekly")
