"""What feeds tell of comments reaches the scores, and costs next to nothing while it only grows a little."""

from __future__ import annotations

import json
from collections.abc import Callable

import sqlalchemy as sa

from aggregator.model.entry import Entry
from aggregator.model.story import Story
from aggregator.storage import entries, stories
from aggregator.storage.entries import EntryQuery
from aggregator.storage.schema import entry_versions
from aggregator.storage.stories import StoryQuery
from aggregator.tasks.group import regroup_stories
from tests.fixtures.http_server import TestHttpServer
from tests.fixtures.program import Program
from tests.tasks.world import DAY, HOUR, A, Desk, give


def write_feed(*counts: int | str) -> bytes:
    """An item for each count: what is no number says nothing of comments."""
    items = "".join(
        f"<item><guid isPermaLink='false'>{number}</guid><title>{title}</title>"
        f"<link>https://site.example.org/{number}</link><description>About {title}.</description>"
        f"<slash:comments>{count}</slash:comments></item>"
        for number, (count, title) in enumerate(zip(counts, ("Glacier", "Violin", "Harbour"), strict=False))
    )
    namespace = "xmlns:slash='http://purl.org/rss/1.0/modules/slash/'"
    return f"<rss version='2.0' {namespace}><channel><title>T</title>{items}</channel></rss>".encode()


def read(desk: Desk, *counts: int | str) -> tuple[Entry, ...]:
    """One more look at the feed; its entries in their order."""
    desk.world.answers[A] = give(write_feed(*counts))
    desk.fetch_after(DAY)
    with desk.app.db.read() as conn:
        return tuple(sorted(entries.list_entries(conn, EntryQuery()), key=lambda entry: entry.guid))


def list_stories(desk: Desk) -> dict[str, Story]:
    with desk.app.db.read() as conn:
        return {story.lead.title: story for story in stories.list_stories(conn, StoryQuery())}


def list_unscored(desk: Desk) -> set[str]:
    with desk.app.db.read() as conn:
        found = stories.find_unscored(conn, limit=100)
        return {story.lead.title for story in stories.list_stories(conn, StoryQuery(ids=found))}


def test_comments_are_stored_with_the_entry_and_count_in_its_story(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(A)
    found = read(desk, 63, "many")
    regroup_stories(desk.app)

    assert [entry.discussion for entry in found] == [63, None]
    reasons = {t.name: (t.value, t.points) for t in list_stories(desk)["Glacier"].reasons}
    assert reasons["discussion"] == ("63", 1.8)
    assert "discussion" not in {term.name for term in list_stories(desk)["Violin"].reasons}


def test_a_comment_more_is_no_edit_and_no_work(open_desk: Callable[..., Desk]) -> None:
    """The number is kept up with; the score waits until it has moved by a fifth since it was reckoned."""
    desk = open_desk(A)
    before = read(desk, 100, 100, 0)
    regroup_stories(desk.app)
    after = read(desk, 119, 100, 0)

    assert [entry.discussion for entry in after] == [119, 100, 0]
    assert [entry.updated_at for entry in after] == [entry.updated_at for entry in before]
    assert list_unscored(desk) == set()
    assert [entry.discussion for entry in read(desk, 120, 81, 0)] == [120, 81, 0]
    assert list_unscored(desk) == {"Glacier"}
    read(desk, 120, 80, 1)
    assert list_unscored(desk) == {"Glacier", "Violin", "Harbour"}
    with desk.app.db.read() as conn:
        assert not conn.execute(sa.select(entry_versions)).all()


def test_small_steps_add_up(open_desk: Callable[..., Desk]) -> None:
    """Each look is held against the number that the story was scored with."""
    desk = open_desk(A)
    read(desk, 100)
    regroup_stories(desk.app)
    for count in (105, 110, 115):
        read(desk, count)
        assert list_unscored(desk) == set()
    read(desk, 120)
    assert list_unscored(desk) == {"Glacier"}


def test_a_feed_that_falls_silent_about_it_changes_nothing(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(A)
    read(desk, 100)
    regroup_stories(desk.app)

    assert [entry.discussion for entry in read(desk, "")] == [100]
    assert list_unscored(desk) == set()
    desk.pass_time(HOUR)


def test_points_of_a_json_feed_are_found_where_the_configuration_says(
    program: Program, http_server: TestHttpServer
) -> None:
    items = [{"id": "1", "title": "Glacier", "_hn": {"points": 412}}, {"id": "2", "title": "Violin"}]
    body = json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "T", "items": items}).encode()
    program.configure(feeds=[{"url": http_server.add("/feed.json", body), "points": "_hn.points"}])
    assert program.json("fetch", "--all")["new"] == 2

    with program.app() as app, app.db.read() as conn:
        found = {entry.title: entry.discussion for entry in entries.list_entries(conn, EntryQuery())}
    assert found == {"Glacier": 412, "Violin": None}
