"""One feed at the desk: what is said otherwise outlives a start with the same file, and is taken back; moves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from aggregator.app import App
from aggregator.errors import UsageError
from aggregator.model.account import Change
from aggregator.model.feed import Feed, FeedSpec, Move
from aggregator.model.ids import FeedId
from aggregator.storage import audit, feed_edits, feeds
from aggregator.tasks.desk import feeds as desk
from tests.fixtures.program import Program

ADDRESS = "https://a.example/feed"
ONE = FeedId(1)


def get(app: App) -> Feed:
    with app.db.read() as conn:
        return feeds.get_feeds(conn, [ONE])[ONE]


def line(app: App, number: int) -> Change:
    with app.db.read() as conn:
        found = audit.get(conn, number)
    assert found is not None
    return found


def test_what_is_said_here_outlives_a_start_and_is_taken_back(program: Program) -> None:
    program.configure(feeds=[{"url": ADDRESS, "weight": 2, "tags": ["openai"], "interval": "2h"}])
    with program.app() as app:
        number = desk.edit_feed(app, ONE, {"weight": 3.5, "title": "Ours", "interval": None, "tags": []}, who="anna")
    program.configure(feeds=[{"url": ADDRESS, "weight": 4, "tags": ["openai"], "interval": "2h", "language": "ja"}])
    with program.app() as app:
        later = get(app)
        desk.undo_edit(app, line(app, number), who="ben")
        after = get(app)

    assert (later.spec.weight, later.spec.title, later.spec.interval, later.spec.tags) == (3.5, "Ours", None, ())
    assert later.spec.language == "ja" and later.edits["weight"].base == 4 and later.edits["weight"].by == "anna"
    assert (after.spec.weight, after.spec.title, after.spec.tags) == (4, "", ("openai",))
    assert after.spec.interval == timedelta(hours=2) and after.edits == {}


def test_only_what_still_stands_is_taken_back_and_only_once(program: Program) -> None:
    program.configure(feeds=[{"url": ADDRESS}])
    with program.app() as app:
        first = desk.edit_feed(app, ONE, {"weight": 2.0}, who="anna")
        second = desk.edit_feed(app, ONE, {"weight": 3.0}, who="ben")
        with pytest.raises(UsageError, match="changed since"):
            desk.undo_edit(app, line(app, first), who="anna")
        undone = desk.undo_edit(app, line(app, second), who="anna")
        with pytest.raises(UsageError):
            desk.undo_edit(app, line(app, second), who="anna")
        with pytest.raises(UsageError, match="nothing"):
            desk.edit_feed(app, ONE, {"weight": 2.0}, who="anna")

        assert get(app).spec.weight == 2.0
        assert line(app, second).undone_by == undone and line(app, undone).action == "undo"


def test_no_line_holds_the_value_of_a_header(program: Program) -> None:
    program.configure(feeds=[{"url": ADDRESS}])
    with program.app() as app:
        number = desk.edit_feed(app, ONE, {"headers": [["Authorization", "Bearer secret"]]}, who="anna")
        told = line(app, number)
        with pytest.raises(UsageError, match="headers"):
            desk.undo_edit(app, told, who="anna")

        assert get(app).spec.headers == (("Authorization", "Bearer secret"),)
        assert "secret" not in str(told) and "Authorization" in str(told)


@pytest.mark.parametrize(
    "change",
    [
        (lambda app: desk.move_feed(app, ONE, "https://b.example/feed", who="anna"), desk.undo_move),
        (lambda app: desk.pause_feed(app, ONE, "too loud", who="anna"), desk.undo_pause),
    ],
    ids=["move", "pause"],
)
def test_what_is_taken_back_stands_as_it_stood(
    program: Program, change: tuple[Callable[[App], int], Callable[..., int]]
) -> None:
    program.configure(feeds=[{"url": ADDRESS}])
    do, undo = change
    with program.app() as app:
        before = get(app)
        number = do(app)
        between = get(app)
        undo(app, line(app, number), who="ben")
        after = get(app)

    def look(feed: Feed) -> Any:
        return feed.spec.url, feed.state, feed.paused_reason

    assert look(before) == look(after) != look(between)


def test_an_added_feed_comes_and_goes_and_one_of_the_file_stays(program: Program) -> None:
    program.configure(feeds=[{"url": ADDRESS}])
    with program.app() as app:
        number, added = desk.add_feed(app, FeedSpec(url="https://c.example/feed", origin="added"), who="anna")
        with pytest.raises(UsageError, match="already"):
            desk.add_feed(app, FeedSpec(url="https://c.example/feed", origin="added"), who="anna")
        removed = desk.remove_feed(app, number, who="anna")
        desk.undo_removal(app, line(app, removed), who="anna")
        with pytest.raises(UsageError, match="configuration"):
            desk.remove_feed(app, ONE, who="anna")
        desk.pause_feed(app, ONE, "", who="anna")
        with pytest.raises(UsageError, match="configuration"):
            desk.remove_feed(app, ONE, who="anna")
        with pytest.raises(UsageError, match="no http"):
            desk.move_feed(app, ONE, "javascript:x", who="anna")
        desk.undo_addition(app, line(app, added), who="anna")
        with app.db.read() as conn:
            left = [feed.id for feed in feeds.list_feeds(conn)]

    assert left == [ONE]


def test_a_redirect_waits_is_refused_waits_again_and_is_adopted(program: Program) -> None:
    program.configure(feeds=[{"url": ADDRESS}])
    with program.app() as app:
        with app.db.write() as conn:
            feed_edits.note_move(conn, ONE, Move(url="https://d.example/f", first_seen_at=app.now(), times=3), "moved")
        refused = desk.refuse_move(app, ONE, who="anna")
        between = get(app)
        desk.undo_refusal(app, line(app, refused), who="anna")
        again = get(app)
        desk.adopt_move(app, ONE, who="anna")

        assert between.move is None and between.alarm == ""
        assert again.move is not None and again.move.times == 3
        assert get(app).spec.url == "https://d.example/f"


def test_nobody_is_undone_by_an_older_line(program: Program) -> None:
    """Added, removed, added again by another: the first line takes nothing back; nor does a pause of the same words."""
    program.configure(feeds=[{"url": ADDRESS}])
    spec = FeedSpec(url="https://c.example/feed", origin="added")
    with program.app() as app:
        number, added = desk.add_feed(app, spec, who="anna")
        desk.remove_feed(app, number, who="ben")
        desk.add_feed(app, spec, who="carl")
        first = desk.pause_feed(app, ONE, "", who="anna")
        desk.resume_feed(app, ONE, who="ben")
        desk.pause_feed(app, ONE, "", who="anna")
        for undo, said in ((desk.undo_addition, added), (desk.undo_pause, first)):
            with pytest.raises(UsageError, match="since"):
                undo(app, line(app, said), who="anna")
