"""Front page and combined feed hold the same stories: those that rank first, when there are more than fit."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aggregator.app import App
from aggregator.model.story import Story
from aggregator.storage import stories
from aggregator.storage.stories import StoryQuery
from aggregator.tasks import river
from aggregator.tasks.river import build_stories_page
from aggregator.tasks.site.feed_documents import build_living
from aggregator.tasks.site.feed_scopes import get_combined
from aggregator.tasks.site.found import Page
from aggregator.tasks.site.routes import find_page
from tests.fixtures.program import Program
from tests.fixtures.smtp_server import SmtpServer
from tests.tasks.paper import SLOT, Paper
from tests.tasks.test_continuity import rule

TITLES = (
    "Harbour ferries learn to read the water",
    "A violin that listens to its player",
    "Glacier stations report by themselves",
    "Lanterns for a thousand small villages",
    "Kettles that know when tea is ready",
)


@pytest.fixture
def paper(program: Program, smtp_server: SmtpServer) -> Paper:
    """A story a day, the oldest first; the third is of the editor's interest."""
    made = Paper(program, smtp_server)
    for number, title in enumerate(TITLES):
        made.post(number, SLOT - timedelta(days=5 - number, hours=1), title=title)
    return made


def configure(paper: Paper, limit: int, window: str = "7d") -> None:
    paper.configure(interests="Above all we want glacier stations.")
    text = paper.program.config.read_text(encoding="utf-8")
    found = f"first_import: 1000\n  limit: {limit}\n  window: {window}"
    paper.program.config.write_text(text.replace("first_import: 1000", found), encoding="utf-8")


def list_titles(found: tuple[Story, ...]) -> list[str]:
    return [story.lead.title for story in found]


def get_story(app: App, title: str) -> Story:
    with app.db.read() as conn:
        return next(s for s in stories.list_stories(conn, StoryQuery()) if s.lead.title == title)


def test_the_feed_holds_what_the_front_page_does_by_date(paper: Paper) -> None:
    """What is pinned is in, what is buried is out, when not all have room; the feed keeps to time."""
    configure(paper, limit=3)
    with paper.app() as app:
        paper.read(app)
        rule(app, "pin", get_story(app, TITLES[1]).lead.id)
        rule(app, "bury", get_story(app, TITLES[4]).lead.id)
        paper.read(app)
        front = list_titles(build_stories_page(app).stories)
        feed = [item.title for item in build_living(app, get_combined(app)).items]

    assert front == [TITLES[1], TITLES[2], TITLES[3]]
    assert feed == [TITLES[3], TITLES[2], TITLES[1]]


def test_where_all_have_room_the_feed_holds_all_and_older_ones_too(paper: Paper) -> None:
    """A quiet week is no reason for an empty feed."""
    configure(paper, limit=4, window="3d")
    with paper.app() as app:
        paper.read(app)
        rule(app, "bury", get_story(app, TITLES[4]).lead.id)
        paper.read(app)

        assert list_titles(build_stories_page(app).stories) == [TITLES[3], TITLES[4]]
        assert [item.title for item in build_living(app, get_combined(app)).items] == list(reversed(TITLES[1:]))


def test_the_front_page_says_why_its_first_story_is_first(paper: Paper) -> None:
    """By the terms that are stored with it."""
    configure(paper, limit=5)
    with paper.app() as app:
        paper.read(app)
        first = build_stories_page(app).stories[0]
        shown = find_page(app, "/")
        story = find_page(app, f"/stories/{first.id}")

    assert first.lead.title == TITLES[2]
    assert isinstance(shown, Page) and isinstance(story, Page)
    for page in (shown, story):
        assert page.body.decode().count("we care for glacier stations") == 1


def test_of_a_crowded_window_the_best_are_looked_at(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same stories in the same order as when all are; front page and feed agree."""
    configure(paper, limit=2)
    with paper.app() as app:
        paper.read(app)
        all_looked_at = list_titles(build_stories_page(app).stories)
        monkeypatch.setattr(river, "CROWDED", 2)
        monkeypatch.setattr(river, "BEST", 1)
        page = build_stories_page(app)
        feed = build_living(app, get_combined(app))

    assert TITLES[2] in all_looked_at, "which is not among the newest"
    assert list_titles(page.stories) == all_looked_at
    assert page.story_count == 2
    assert {item.title for item in feed.items} == set(all_looked_at)
