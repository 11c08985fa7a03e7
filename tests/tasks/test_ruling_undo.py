"""What the editor said is taken back, through the program: all is as it was before, under the addresses of before."""

from __future__ import annotations

import pytest

from aggregator.app import App
from aggregator.errors import NotFound, UsageError
from aggregator.model.ids import EntryId
from aggregator.model.story import Ruling
from aggregator.storage import rulings
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.rulings import (
    Said,
    choose_lead,
    keep_apart,
    merge_stories,
    place_story,
    restore,
    split_story,
    take_back,
)
from tests.fixtures.program import Program
from tests.tasks.test_rulings import SAME, get_story_of, list_groups, regroup_all, store

OTHER = "Meridian cancels the launch of its weather satellite"


@pytest.fixture
def ready(program: Program) -> Program:
    program.configure()
    return program


def store_two_stories(app: App) -> list[EntryId]:
    """Three that tell the one, two that tell the other."""
    ids = [store(app, feed, SAME, place) for place, feed in enumerate("abc")]
    ids += [store(app, feed, OTHER, place) for place, feed in enumerate("de")]
    regroup_stories(app)
    assert list_groups(app) == [set(ids[:3]), set(ids[3:])]
    return ids


def test_a_merge_is_undone_with_what_came_since(ready: Program) -> None:
    with ready.app() as app:
        a, b, c, d, e = store_two_stories(app)
        first, second = get_story_of(app, a), get_story_of(app, d)
        said: list[Said] = []
        merge_stories(app, [first.id, second.id], then=lambda conn, one: said.append(one))
        late = [store(app, "f", SAME, 3), store(app, "g", OTHER, 3)]
        regroup_stories(app)
        assert list_groups(app) == [{a, b, c, d, e, *late}]
        restore(app, said[0])
        assert list_groups(app) == [{a, b, c, late[0]}, {d, e, late[1]}]
        assert (get_story_of(app, a).id, get_story_of(app, d).id) == (first.id, second.id)
        regroup_all(app)
        assert list_groups(app) == [{a, b, c, late[0]}, {d, e, late[1]}]


def test_a_split_is_undone_though_nothing_else_joins_the_two(ready: Program) -> None:
    with ready.app() as app:
        a, b, c, d, e = store_two_stories(app)
        story = get_story_of(app, a).id
        merge_stories(app, [story, get_story_of(app, d).id])
        said: list[Said] = []
        split_story(app, story, [d, c], then=lambda conn, one: said.append(one))
        assert {d, c} in list_groups(app)
        restore(app, said[0])
        assert list_groups(app) == [{a, b, c, d, e}]
        with pytest.raises(UsageError):
            restore(app, said[0])


def test_the_order_of_what_was_said_is_put_back(ready: Program) -> None:
    with ready.app() as app:
        a, b, c, *_ = store_two_stories(app)
        story = get_story_of(app, a).id
        said: list[Said] = []
        for number in (b, c, b):
            choose_lead(app, story, number, then=lambda conn, one: said.append(one))
        restore(app, said.pop())
        assert get_story_of(app, a).lead.id == c
        restore(app, said.pop())
        assert get_story_of(app, a).lead.id == b
        place_story(app, story, "pin", then=lambda conn, one: said.append(one))
        assert get_story_of(app, a).score > 900
        restore(app, said.pop())
        assert get_story_of(app, a).score < 900
        place_story(app, story, None, then=lambda conn, one: said.append(one))
        assert len(said) == 1, "nothing was said, and yet it was told"


def test_one_word_is_taken_back_by_itself(ready: Program) -> None:
    with ready.app() as app:
        a, b, c, d, e = store_two_stories(app)
        merge_stories(app, [get_story_of(app, a).id, get_story_of(app, d).id])
        with app.db.read() as conn:
            merged = rulings.list_rulings(conn)
        assert [one.kind for one in merged] == ["merge"] * 4
        for one in merged:
            take_back(app, one)
        assert list_groups(app) == [{a, b, c}, {d, e}]
        keep_apart(app, d, e)
        assert {e} in list_groups(app)
        take_back(app, Ruling(kind="never", entry_id=e, other_id=d))
        assert list_groups(app) == [{a, b, c}, {d, e}]
        with pytest.raises(NotFound):
            take_back(app, Ruling(kind="lead", entry_id=e))
