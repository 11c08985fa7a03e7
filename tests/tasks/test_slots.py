"""Slots that end make one issue each, whatever happens to the program meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from aggregator.app import App
from aggregator.errors import RenderError
from aggregator.model.lane import Lane
from aggregator.model.newsletter import Issue, Newsletter
from aggregator.storage import issues, troubles
from aggregator.tasks import issues as issue_task
from aggregator.tasks.composing import compose_draft
from aggregator.tasks.due import defer_due, get_tasks
from aggregator.tasks.issues import build_issue, make_due_issues
from tests.fixtures.program import Program
from tests.fixtures.smtp_server import SmtpServer
from tests.tasks.paper import READERS, SLOT, WEEKLY, Paper, send_all


@pytest.fixture
def paper(program: Program, smtp_server: SmtpServer) -> Paper:
    """An hour before the slot, with a post of the day before."""
    made = Paper(program, smtp_server, at=SLOT - timedelta(hours=1))
    made.configure()
    made.post(1, SLOT - timedelta(days=1))
    return made


class Asked:
    """A queue that only notes what it is asked."""

    is_shared = False

    def __init__(self, asked: list[str]) -> None:
        self._asked = asked

    def defer(self, task: str, *, key: str, **ids: int | str) -> bool:
        self._asked.append(task)
        return True

    def run(self, tasks: Mapping[str, Callable[..., None]]) -> None: ...

    def stop(self) -> None: ...

    def measure(self) -> Sequence[Lane]:
        return ()

    def close(self) -> None: ...


def list_all(app: App) -> list[Issue]:
    with app.db.read() as conn:
        return list(issues.list_issues(conn))


def list_troubles(app: App) -> list[str]:
    with app.db.read() as conn:
        return [trouble.name for trouble in troubles.list_troubles(conn)]


def test_the_first_look_only_notes_the_time(paper: Paper) -> None:
    with paper.app() as app:
        paper.read(app)
        make_due_issues(app)
        assert list_all(app) == []


def test_a_slot_that_ends_makes_one_issue_however_often_it_is_looked_for(paper: Paper) -> None:
    with paper.app() as app:
        paper.subscribe(app, READERS[0])
        paper.read(app)
        for _ in range(3):
            make_due_issues(app)
        paper.clock.move(hours=1)
        for _ in range(5):
            make_due_issues(app)
            paper.clock.move(minutes=1)
        (issue,) = list_all(app)
        assert (issue.slug, issue.state, issue.slot_at) == ("2025-W50", "sending", SLOT)
        assert (issue.window_start, issue.window_end) == (SLOT - timedelta(days=7), SLOT)


@pytest.mark.parametrize(
    ("down", "made"),
    [
        (timedelta(minutes=1), 1),
        (timedelta(hours=5), 1),
        (timedelta(days=5), 1),
        (timedelta(days=6, hours=23), 0),
        (timedelta(days=7, hours=2), 1),
    ],
    ids=str,
)
def test_a_slot_missed_by_downtime_is_made_up_for_six_days(paper: Paper, down: timedelta, made: int) -> None:
    with paper.app() as app:
        paper.read(app)
        make_due_issues(app)
    paper.clock.at = SLOT + down
    if down > timedelta(days=7):
        paper.post(2, SLOT + timedelta(days=3))
    with paper.app() as app:
        paper.read(app)
        make_due_issues(app)
        make_due_issues(app)
        found = list_all(app)
    assert [issue.state for issue in found].count("sending") == made
    if not made:
        assert [(issue.state, issue.reason[:8]) for issue in found] == [("skipped", "too late")]


def test_slots_missed_in_a_row_are_merged_into_the_newest_and_nothing_is_left_out(paper: Paper) -> None:
    paper.program.configure(
        feeds=[{"folder": "posts"}], newsletters=[{**WEEKLY, "schedule": "0 8 * * *"}], combined={"first_import": 100}
    )
    with paper.app() as app:
        make_due_issues(app)
        send_first(paper, app)
        for day in range(4):
            paper.post(10 + day, SLOT + timedelta(days=day, hours=1))
        paper.clock.at = SLOT + timedelta(days=4, hours=2)
        paper.read(app)
        make_due_issues(app)
        found = list_all(app)
        assert [issue.state for issue in found] == ["sending", "skipped", "skipped", "skipped", "sending"]
        assert {issue.reason for issue in found[1:4]} == {f"merged into {found[0].slug}"}
        assert found[0].window_start == SLOT
        assert found[0].story_count == 4


def send_first(paper: Paper, app: App) -> None:
    paper.clock.at = SLOT + timedelta(minutes=1)
    paper.read(app)
    make_due_issues(app)


def test_two_programs_at_once_make_one_issue(paper: Paper) -> None:
    with paper.app() as app:
        paper.read(app)
        make_due_issues(app)
    paper.clock.move(hours=2)
    with paper.app() as one, paper.app() as two:
        gate = threading.Barrier(2)
        failures: list[BaseException] = []

        def look(app: App) -> None:
            try:
                gate.wait(10)
                make_due_issues(app)
            except BaseException as error:
                failures.append(error)
                raise

        threads = [threading.Thread(target=look, args=(app,)) for app in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert failures == []
        (issue,) = list_all(one)
        assert issue.state == "sending"


def test_a_broken_template_leaves_the_draft_and_a_mended_one_makes_it(paper: Paper) -> None:
    own = paper.program.folder / "templates"
    own.mkdir()
    with paper.app() as app:
        paper.read(app)
        make_due_issues(app)
        paper.clock.move(hours=1)
    (own / "newsletter.mjml").write_text("{{ nothing.of.that.name }}")
    with paper.app() as app:
        make_due_issues(app)
        make_due_issues(app)
        (draft,) = list_all(app)
        assert (draft.state, draft.reason[:15]) == ("draft", "newsletter.mjml")
        assert list_troubles(app) == ["the issue of weekly"]
    (own / "newsletter.mjml").unlink()
    with paper.app() as app:
        make_due_issues(app)
        assert [issue.state for issue in list_all(app)] == ["draft"]  # a pause, however often the daemon starts
        paper.clock.move(minutes=5)
        make_due_issues(app)
        assert list_troubles(app) == []
        assert [issue.reason for issue in list_all(app)] == [""]
        assert [issue.state for issue in list_all(app)] == ["sending"]


def test_one_newsletter_that_cannot_be_made_does_not_keep_another_back(paper: Paper) -> None:
    paper.program.configure(
        feeds=[{"folder": "posts"}],
        newsletters=[{**WEEKLY, "slug": "broken", "template": "mine.mjml"}, WEEKLY],
    )
    own = paper.program.folder / "templates"
    own.mkdir()
    for name in ("mine.mjml", "mine.txt"):
        (own / name).write_text("{{ nothing.of.that.name }}")
    with paper.app() as app:
        paper.read(app)
        make_due_issues(app)
        paper.clock.move(hours=1)
        make_due_issues(app)
        assert {issue.newsletter: issue.state for issue in list_all(app)} == {"broken": "draft", "weekly": "sending"}


def test_a_fault_of_ours_with_one_newsletter_costs_that_one_only(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    paper.program.configure(feeds=[{"folder": "posts"}], newsletters=[{**WEEKLY, "slug": "first"}, WEEKLY])
    real = compose_draft

    def compose(app: App, newsletter: Newsletter, draft: Issue) -> object:
        if newsletter.slug == "first":
            raise ValueError("a bug")
        return real(app, newsletter, draft)

    monkeypatch.setattr(issue_task, "compose_draft", compose)
    with paper.app() as app:
        paper.read(app)
        get_tasks(app)["round"]()
        paper.clock.move(hours=1)
        get_tasks(app)["round"]()
        assert {issue.newsletter: issue.state for issue in list_all(app)} == {"first": "draft", "weekly": "sending"}


def test_a_kill_right_after_the_freeze_leaves_an_issue_that_is_sent(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    with paper.app() as app:
        paper.subscribe(app, READERS[0])
        paper.read(app)
        make_due_issues(app)
        paper.clock.move(hours=1)

        def die(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            # The first words after the transaction that froze it.
            patch.setattr(issue_task, "log", type("Log", (), {"info": die, "error": die}))
            for _ in range(2):  # the row of the slot; the frozen issue
                with pytest.raises(KeyboardInterrupt):
                    make_due_issues(app)
        (issue,) = list_all(app)
        assert issue.state == "sending"
        assert send_all(app, issue).counts == {"sent": 1}
    assert paper.recipients() == [READERS[0]]


def test_an_issue_that_waits_for_its_sender_is_left_alone_by_the_daemon(paper: Paper) -> None:
    with paper.app() as app:
        paper.subscribe(app, READERS[0])
        paper.read(app)
        build_issue(app, paper.newsletter(app))
        make_due_issues(app)
        assert [issue.state for issue in list_all(app)] == ["ready"]


def test_after_downtime_feeds_are_read_before_the_issue_is_made(paper: Paper) -> None:
    with paper.app() as app:
        get_tasks(app)["round"]()
    paper.clock.move(days=2)
    missed = paper.post(2, SLOT - timedelta(minutes=30))
    with paper.app() as app:
        paper.subscribe(app, READERS[0])
        asked: list[str] = []
        watched = replace(app, queue=Asked(asked))
        defer_due(watched)
        assert asked == ["round", "bounces"]
        get_tasks(app)["round"]()
        asked.clear()
        defer_due(watched)
        assert asked == ["round", "bounces", "deliver"]
        get_tasks(app)["deliver"]()
    assert missed in paper.smtp.mails[0].message.get_body(("plain",)).get_content()  # type: ignore[union-attr]


def test_a_round_that_is_asked_to_stop_makes_no_issue(paper: Paper) -> None:
    with paper.app() as app:
        get_tasks(app)["round"]()
        paper.clock.move(hours=2)
        get_tasks(app, pause=lambda seconds: True)["round"]()
        assert list_all(app) == []


def test_feeds_that_cannot_be_read_do_not_keep_the_issue_back(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    with paper.app() as app:
        get_tasks(app)["round"]()
        paper.clock.move(days=1)

        def fail(*_: object) -> None:
            raise RenderError("a fault of the program")

        monkeypatch.setattr("aggregator.tasks.due.refresh_due", fail)
        get_tasks(app)["round"]()
        assert [issue.state for issue in list_all(app)] == ["sending"]
