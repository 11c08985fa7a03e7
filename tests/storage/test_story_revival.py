"""A story that was swallowed and comes apart again is itself: whoever has it already is not shown it twice."""

from __future__ import annotations

from aggregator.model.ids import StoryId
from aggregator.model.story import GroupedStory, Story
from aggregator.storage import stories
from aggregator.storage.engine import Database
from tests.storage.samples import HOUR, NOW, ensure_feed, ensure_identity, make_entry, save_entries, save_story


def test_a_swallowed_story_that_comes_apart_has_its_old_id_and_address(db: Database) -> None:
    with db.write() as conn:
        identity = ensure_identity(conn)
        feed_id = ensure_feed(conn)
        one, two, three = save_entries(conn, make_entry("a"), make_entry("b"), make_entry("c"), feed_id=feed_id)
        first, second = save_story(conn, one), save_story(conn, two)
        before = stories.get(conn, second)
        swallowing = GroupedStory(story_id=first, entry_ids=(one, two), merged_ids=(second,))
        stories.save_groups(conn, [swallowing], now=NOW, identity=identity)
        assert stories.get(conn, second) == first

        apart = [GroupedStory(story_id=first, entry_ids=(one,)), GroupedStory(story_id=None, entry_ids=(two, three))]
        touched = stories.save_groups(conn, apart, now=NOW + HOUR, identity=identity)
        after = stories.get(conn, second)

    assert isinstance(before, Story) and isinstance(after, Story)
    assert (after.id, after.atom_id, after.updated_at) == (second, before.atom_id, before.updated_at)
    assert {entry.id for entry in after.entries} == {two, three}
    assert set(touched) == {first, second}


def test_what_was_never_a_story_gets_a_new_id(db: Database) -> None:
    with db.write() as conn:
        identity = ensure_identity(conn)
        one, two = save_entries(conn, make_entry("a"), make_entry("b"))
        first = save_story(conn, one, two)
        apart = [GroupedStory(story_id=first, entry_ids=(one,)), GroupedStory(story_id=None, entry_ids=(two,))]
        touched = stories.save_groups(conn, apart, now=NOW, identity=identity)

    assert set(touched) == {first, StoryId(first + 1)}
