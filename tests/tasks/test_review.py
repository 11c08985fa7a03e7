"""A draft before it is frozen: review and its deadline, the editor's changes, what its readers wish."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from aggregator import typesetter
from aggregator.app import App
from aggregator.errors import RenderError, UsageError
from aggregator.model.ids import StoryId
from aggregator.model.newsletter import Issue, IssueEdits
from aggregator.model.subscriber import NewSubscriber
from aggregator.storage import drafts, issues
from aggregator.tasks import issues as issue_task
from aggregator.tasks.composing import compose_draft
from aggregator.tasks.drafts import SeenDraft, approve_draft, edit_draft, refuse_draft, see_draft
from aggregator.tasks.issues import make_due_issues
from aggregator.tasks.subscribe import add_subscribers
from tests.fixtures.program import Program
from tests.fixtures.smtp_server import SmtpServer
from tests.tasks.paper import READERS, SLOT, Paper, count_states, send_all

HOUR = timedelta(hours=1)


@pytest.fixture
def paper(program: Program, smtp_server: SmtpServer) -> Paper:
    made = Paper(program, smtp_server, at=SLOT - HOUR)
    for number in range(3):
        made.post(number, SLOT - timedelta(days=1, hours=number))
    return made


def get_only(app: App) -> Issue:
    with app.db.read() as conn:
        (issue,) = issues.list_issues(conn)
    return issue


def start(paper: Paper, app: App) -> Issue:
    """The daemon before the slot and a minute after it."""
    paper.subscribe(app, *READERS)
    paper.read(app)
    make_due_issues(app)
    paper.clock.at = SLOT + timedelta(minutes=1)
    make_due_issues(app)
    return get_only(app)


@pytest.mark.parametrize(
    ("after_review", "word", "state", "reason"),
    [
        ("send", "", "sending", ""),
        ("skip", "", "skipped", "nobody approved it in time"),
        ("skip", "yes", "sending", ""),
        ("send", "no", "skipped", "not this week"),
    ],
)
def test_a_draft_waits_for_the_editor_until_its_deadline(
    paper: Paper, after_review: str, word: str, state: str, reason: str
) -> None:
    paper.configure(newsletter={"review": "manual", "review_for": "12h", "after_review": after_review})
    with paper.app() as app:
        draft = start(paper, app)
        assert (draft.state, draft.review_until) == ("draft", SLOT + 12 * HOUR)
        paper.clock.at = SLOT + 12 * HOUR - timedelta(seconds=1)
        make_due_issues(app)
        assert get_only(app).state == "draft"
        for _ in range(2):
            if word == "yes":
                assert approve_draft(app, paper.newsletter(app), draft).state == "sending"
            elif word == "no":
                assert refuse_draft(app, draft, "not this week").state == "skipped"
    paper.clock.at = SLOT + timedelta(days=2)  # a downtime over the deadline
    with paper.app() as app:
        make_due_issues(app)
        make_due_issues(app)
        issue = get_only(app)
        assert (issue.state, issue.reason) == (state, reason)
        assert count_states(app, issue) == ({"queued": 3} if state == "sending" else {})


def test_what_comes_for_the_window_during_review_is_in_the_issue(paper: Paper) -> None:
    paper.configure(newsletter={"review": "manual"})
    with paper.app() as app:
        draft = start(paper, app)
        paper.post(7, SLOT - timedelta(hours=2))
        paper.read(app)
        assert approve_draft(app, paper.newsletter(app), draft).story_count == 4


def test_what_the_editor_changes_is_frozen(paper: Paper) -> None:
    paper.configure(newsletter={"review": "manual"})
    with paper.app() as app:
        newsletter, draft = paper.newsletter(app), start(paper, app)
        seen = see_draft(app, newsletter, draft)
        assert isinstance(seen, SeenDraft)
        first, second, third = (story.id for story in seen.composed.top)

        def change(edits: IssueEdits) -> IssueEdits:
            return replace(
                edits, subject="Mine", introduction="Hello **you**.", placed=((third, "top"),), dropped=(first,)
            )

        for _ in range(2):
            draft = edit_draft(app, newsletter, draft, change)
        composed = compose_draft(app, newsletter, draft)
        assert [story.id for story in composed.top] == [third, second]  # type: ignore[union-attr]
        with pytest.raises(UsageError, match="holds no story 9999"):
            edit_draft(app, newsletter, draft, lambda edits: replace(edits, dropped=(StoryId(9999),)))
        issue = approve_draft(app, newsletter, draft)
        assert (issue.subject, issue.story_count, issue.edits.dropped) == ("Mine", 2, (first,))
        with app.db.read() as conn:
            rendered = issues.get_rendered(conn, issue.id)
        assert rendered is not None
        assert "<strong>you</strong>" in rendered.mail_html
        with pytest.raises(UsageError, match="no draft any more: it is sending"):
            edit_draft(app, newsletter, issue, lambda edits: replace(edits, subject="Too late"))


def test_a_change_while_the_issue_is_rendered_is_not_lost(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    paper.configure(newsletter={"review": "manual"})
    with paper.app() as app:
        draft = start(paper, app)
        asked: list[bool] = []

        def render_slowly(*args: object, **options: object) -> object:
            if not asked:
                asked.append(True)
                with app.db.write() as conn:
                    drafts.change_edits(conn, draft.id, lambda edits: replace(edits, subject="Just in time"))
            return typesetter.set_issue(*args, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(issue_task, "set_issue", render_slowly)
        assert approve_draft(app, paper.newsletter(app), draft).subject == "Just in time"


def test_a_yes_that_is_withdrawn_while_the_issue_is_rendered_holds_it_back(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chosen moment is obeyed beyond the time for review; until the last moment another may be chosen."""
    paper.configure(newsletter={"review": "manual", "review_for": "1h", "after_review": "skip"})
    with paper.app() as app:
        draft = start(paper, app)
        chosen = paper.clock.at + timedelta(hours=3)
        with app.db.write() as conn:
            assert drafts.schedule(conn, draft.id, draft.newsletter, chosen, before=None)

        def render_slowly(*args: object, **options: object) -> object:
            with app.db.write() as conn:
                assert drafts.schedule(conn, draft.id, draft.newsletter, chosen + HOUR, before=chosen)
            return typesetter.set_issue(*args, **options)  # type: ignore[arg-type]

        states = []
        with monkeypatch.context() as patch:
            patch.setattr(issue_task, "set_issue", render_slowly)
            for hours in (2, 1):
                paper.clock.move(hours=hours)
                make_due_issues(app)
                states.append(get_only(app).state)
        paper.clock.move(hours=1)
        make_due_issues(app)
        assert [*states, get_only(app).state] == ["draft", "draft", "sending"]


def test_a_kill_between_rendering_and_freezing_leaves_the_draft(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    paper.configure()
    with paper.app() as app:

        def die(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(issues, "mark_sending", die)  # inside of the transaction that freezes
            with pytest.raises(KeyboardInterrupt):
                start(paper, app)
        draft = get_only(app)
        assert (draft.state, draft.story_count, count_states(app, draft)) == ("draft", 0, {})
        make_due_issues(app)
        assert count_states(app, get_only(app)) == {"queued": 3}


def test_an_approved_draft_that_cannot_be_rendered_says_why_and_is_made_later(paper: Paper) -> None:
    paper.configure(newsletter={"review": "manual"})
    own = paper.program.folder / "templates"
    own.mkdir()
    with paper.app() as app:
        start(paper, app)
    (own / "newsletter.mjml").write_text("{{ nothing.of.that.name }}")
    with paper.app() as app:
        with pytest.raises(RenderError, match=r"newsletter\.mjml"):
            approve_draft(app, paper.newsletter(app), get_only(app))
        assert "newsletter.mjml" in get_only(app).reason
    (own / "newsletter.mjml").unlink()
    with paper.app() as app:
        paper.clock.move(minutes=6)
        make_due_issues(app)
        assert (get_only(app).state, get_only(app).reason) == ("sending", "")


@pytest.fixture
def wished(paper: Paper) -> Paper:
    """Of the three posts, one is about funding, and readers may choose."""
    paper.post(5, SLOT - timedelta(days=2), title="Northlight closes a large funding round with new investors")
    paper.configure(newsletter={"topics": ["funding", "robotics"], "languages": ["en", "ja"]})
    return paper


def test_who_chose_topics_gets_these_and_who_wishes_nothing_of_it_gets_no_mail(wished: Paper) -> None:
    with wished.app() as app:
        wishes = {"ada@example.org": ("funding",), "bob@example.org": ("robotics",), "cyd@example.org": ()}
        for email, topics in wishes.items():
            person = NewSubscriber(email=email, newsletter="weekly", topics=topics)
            add_subscribers(app, [person], consent="test")
        wished.read(app)
        make_due_issues(app)
        wished.clock.at = SLOT
        make_due_issues(app)
        issue = get_only(app)
        assert count_states(app, issue) == {"queued": 2, "suppressed": 1}
        with app.db.read() as conn:
            narrow, whole = (issues.get_rendered(conn, issue.id, variant) for variant in ("|funding", ""))
            empty = issues.get_rendered(conn, issue.id, "|robotics")
        send_all(app, issue)
    assert narrow is not None and whole is not None and empty is not None
    assert (empty.mail_html, empty.mail_text, narrow.web_html) == ("", "", "")
    texts = {m.recipients[0]: m.message.get_body(("plain",)).get_content() for m in wished.smtp.mails}  # type: ignore[union-attr]
    told = {email: text.count(" report ") for email, text in texts.items()}
    assert told["ada@example.org"] == 0 < told["cyd@example.org"]
    assert all("Northlight closes" in text for text in texts.values())


def test_what_is_wished_too_rarely_is_not_rendered_and_gets_the_whole_issue(
    wished: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts.list_variants, "__kwdefaults__", {"limit": 1})
    with wished.app() as app:
        people = [("ada", ("funding",)), ("bob", ("funding",)), ("cyd", ("robotics",))]
        for name, topics in people:
            person = NewSubscriber(email=f"{name}@example.org", newsletter="weekly", topics=topics)
            add_subscribers(app, [person], consent="test")
        wished.read(app)
        make_due_issues(app)
        wished.clock.at = SLOT
        make_due_issues(app)
        issue = get_only(app)
        assert count_states(app, issue) == {"queued": 3}
        send_all(app, issue)
    by_name = {mail.recipients[0]: mail.data for mail in wished.smtp.mails}
    assert b" report " not in by_name["ada@example.org"]
    assert b" report " in by_name["cyd@example.org"]
