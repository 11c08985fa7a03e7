"""A draft looked at without composing all of its window: the same head, whatever was told, placed or grew."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from aggregator.model.ids import StoryId
from aggregator.model.newsletter import ComposedIssue, Issue
from aggregator.storage import drafts, issues
from aggregator.tasks import composing
from aggregator.tasks.composing import compose_draft, count_window, find_held, glance_at_draft
from aggregator.tasks.drafts import SeenDraft, approve_draft, glance_at, see_draft
from aggregator.tasks.issues import make_due_issues
from tests.fixtures.program import Program
from tests.fixtures.smtp_server import SmtpServer
from tests.tasks.paper import READERS, SLOT, Paper

HOUR, WEEK = timedelta(hours=1), timedelta(days=7)


@pytest.fixture
def paper(program: Program, smtp_server: SmtpServer) -> Paper:
    made = Paper(program, smtp_server, at=SLOT - HOUR)
    made.configure(newsletter={"review": "manual"})
    for number in range(4):
        made.post(number, SLOT - timedelta(days=1, hours=number))
    return made


def test_a_glance_shows_the_head_of_the_issue(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    with paper.app() as app:
        newsletter = paper.newsletter(app)
        paper.subscribe(app, *READERS)
        paper.read(app)
        make_due_issues(app)
        paper.clock.at = SLOT + timedelta(minutes=1)
        make_due_issues(app)
        draft = _get_draft(paper)
        seen, glance = see_draft(app, newsletter, draft), glance_at(app, newsletter, draft)
        assert isinstance(seen, SeenDraft)
        assert isinstance(glance, SeenDraft)
        with app.db.read() as conn:
            counts = count_window(conn, draft)
        assert glance_at_draft(app, newsletter, draft, counts) == seen.composed
        assert (counts.entry_count, counts.feed_count) == (4, 1)

        monkeypatch.setattr(composing, "GLANCED", 2)
        best = [story.id for story in seen.composed.top]
        assert _list_top(glance_at_draft(app, newsletter, draft)) == best[:2]
        with app.db.write() as conn:
            drafts.change_edits(conn, draft.id, lambda edits: replace(edits, placed=((best[3], "top"),)))
        draft = _get_draft(paper)
        assert _list_top(glance_at_draft(app, newsletter, draft)) == [best[3], *best[:2]]

        approve_draft(app, newsletter, draft)
        paper.clock.at = SLOT + WEEK - HOUR
        paper.post(9, SLOT + WEEK - 2 * HOUR)
        paper.read(app)
        paper.clock.at = SLOT + WEEK + HOUR
        make_due_issues(app)
        draft = _get_draft(paper)
        told = compose_draft(app, newsletter, draft)
        assert isinstance(told, ComposedIssue)
        assert glance_at_draft(app, newsletter, draft) == replace(told, mentioned=())
        (fresh,) = _list_top(told)
        assert find_held(app, newsletter, draft, [*best, fresh]) == {fresh}


def _get_draft(paper: Paper) -> Issue:
    with paper.app() as app, app.db.read() as conn:
        return issues.list_issues(conn, states=("draft",))[0]


def _list_top(composed: object) -> list[StoryId]:
    assert isinstance(composed, ComposedIssue)
    return [story.id for story in composed.top]
