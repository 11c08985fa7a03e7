"""The editor's word, through the program: obeyed at once, and after whatever comes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from aggregator.app import App
from aggregator.model.ids import EntryId, StoryId
from aggregator.model.story import GroupedStory, Story
from aggregator.storage import rulings, stories, story_groups
from aggregator.storage.stories import StoryQuery
from aggregator.tasks.group import regroup_since, regroup_stories
from aggregator.tasks.rulings import choose_lead, keep_apart, merge_stories, split_story
from aggregator.tasks.story_window import StoryWindow
from tests.fixtures.program import Program
from tests.storage.samples import NOW, ensure_feed, make_entry, save_entries, tag_entries

HOUR = timedelta(hours=1)
SAME = "Northlight opens its harbour laboratory to the public"


def store(app: App, feed: str, title: str, after: float = 0.0, *, tagged: bool = True) -> EntryId:
    """One entry of a feed, so many hours after `NOW`; ready to be grouped when its tags are looked for already."""
    with app.db.write() as conn:
        feed_id = ensure_feed(conn, f"https://{feed}.example/feed")
        key = f"{feed}-{title}-{after}"
        url = f"https://{feed}.example/{after}/{title.replace(' ', '-')}"
        entry = make_entry(key, title=title, url=url, canonical_url=url)
        (number,) = save_entries(conn, entry, feed_id=feed_id, at=NOW + after * HOUR)
        if tagged:
            tag_entries(conn, {number: ()})
    return number


def list_groups(app: App) -> list[set[int]]:
    with app.db.read() as conn:
        found = stories.list_stories(conn, StoryQuery())
    return sorted(({int(entry.id) for entry in story.entries} for story in found), key=min)


def get_story_of(app: App, entry_id: EntryId) -> Story:
    with app.db.read() as conn:
        number = story_groups.get_standings(conn, [entry_id])[entry_id].story_id
        assert number is not None
        found = stories.get(conn, number)
    assert isinstance(found, Story)
    return found


def regroup_all(app: App) -> int:
    regroup_stories(app)
    return regroup_since(app, None, progress=lambda done, total: None)


@pytest.fixture
def ready(program: Program) -> Program:
    program.configure()
    return program


def store_three(app: App) -> Sequence[EntryId]:
    """Three that tell the same, in one story."""
    ids = [store(app, feed, SAME, place) for place, feed in enumerate("abc")]
    regroup_stories(app)
    assert list_groups(app) == [set(ids)]
    return ids


def test_what_is_split_off_stays_apart_whatever_comes(ready: Program) -> None:
    with ready.app() as app:
        a, b, c = store_three(app)
        story = get_story_of(app, a)
        ruled = split_story(app, story.id, [c])
        assert list_groups(app) == [{a, b}, {c}]
        new = store(app, "d", SAME, 3)
        changed = regroup_all(app)
        groups = list_groups(app)
        old, parted = get_story_of(app, a), get_story_of(app, c)

        assert ruled.changed
        assert ruled.story_ids == (story.id, parted.id)
        assert (old.id, old.atom_id) == (story.id, story.atom_id)
        assert changed == 0
        assert {a, b} <= groups[0]
        assert not any({a, c} <= group or {b, c} <= group for group in groups)
        assert sum(new in group for group in groups) == 1


def test_merged_stories_stay_one_and_the_old_address_leads_there(ready: Program) -> None:
    with ready.app() as app:
        one, other = store(app, "a", SAME), store(app, "b", "A violin glacier melts in the south")
        regroup_stories(app)
        first, second = get_story_of(app, one), get_story_of(app, other)
        ruled = merge_stories(app, [second.id, first.id])
        assert list_groups(app) == [{one, other}]
        store(app, "c", SAME, 1)
        changed = regroup_all(app)
        with app.db.read() as conn:
            moved = stories.get(conn, second.id)
        story = get_story_of(app, other)

    assert (ruled.changed, ruled.story_ids) == (True, (first.id,))
    assert (moved, story.id, story.atom_id) == (first.id, first.id, first.atom_id)
    assert len(story.entries) == 3
    assert changed == 0


def test_never_and_merge_take_each_other_back(ready: Program) -> None:
    with ready.app() as app:
        a, b, c = store_three(app)
        keep_apart(app, a, b)
        regroup_all(app)
        apart = list_groups(app)
        merge_stories(app, [get_story_of(app, a).id, get_story_of(app, b).id])
        regroup_all(app)
        together = list_groups(app)

    assert not any({a, b} <= group for group in apart)
    assert together == [{a, b, c}]


def test_a_chosen_lead_leads_whatever_comes_and_moves_the_date_once(ready: Program) -> None:
    with ready.app() as app:
        a, b, _ = store_three(app)
        story = get_story_of(app, a)
        assert story.lead.id == a
        assert choose_lead(app, story.id, b).changed
        assert not choose_lead(app, story.id, b).changed
        chosen = get_story_of(app, a)
        store(app, "d", SAME, -2)
        regroup_all(app)
        after = get_story_of(app, a)

    assert (chosen.lead.id, after.lead.id) == (b, b)
    assert chosen.updated_at > story.updated_at
    assert (after.updated_at, len(after.entries)) == (chosen.updated_at, 4)


def test_commands_say_what_came_of_it(ready: Program) -> None:
    with ready.app() as app:
        a, b, c = store_three(app)
        number = str(get_story_of(app, a).id)

    split = ready.json("stories", "split", number, str(c))
    assert [story["entries"] for story in split["stories"]] == [[a, b], [c]]
    why = ready.json("stories", "show", number, "--why")["why"]
    assert [(entry["id"], entry["with"]) for entry in why["entries"]] == [(a, None), (b, a)]
    assert why["entries"][1]["evidence"]
    assert {(said["kind"], frozenset((said["entry"], said["other"]))) for said in why["rulings"]} == {
        ("never", frozenset((a, c))),
        ("never", frozenset((b, c))),
    }
    assert "why" not in ready.json("stories", "show", number)
    assert "never" in ready.run("stories", "show", number, "--why").out
    assert ready.json("stories", "merge", number, str(split["stories"][1]["id"]))["stories"][0]["entries"] == [a, b, c]
    assert ready.json("stories", "lead", number, str(b))["stories"][0]["entries"][0] == b
    assert ready.json("stories", "never", str(a), str(b))["changed"]
    assert "said already" in ready.run("stories", "never", str(b), str(a)).out
    ready.json("stories", "regroup")
    assert ready.json("stories", "regroup", "--since", "2026-01-01") == {"entries": 3, "changed": 0}
    assert "0 stories have changed" in ready.run("stories", "regroup").out


def test_pin_bury_and_unpin(ready: Program) -> None:
    with ready.app() as app:
        number = str(get_story_of(app, store_three(app)[0]).id)

    def get_score() -> float:
        return float(ready.json("stories", "show", number)["score"])

    plain = get_score()
    assert ready.json("stories", "pin", number)["changed"]
    assert not ready.json("stories", "pin", number)["changed"]
    assert get_score() == plain + 1000
    assert ready.json("stories", "bury", number)["changed"]
    assert get_score() == plain - 1000
    assert ready.json("stories", "unpin", number)["changed"]
    assert not ready.json("stories", "unpin", number)["changed"]
    assert get_score() == plain


def test_mistakes_name_the_number(ready: Program) -> None:
    with ready.app() as app:
        a, b, c = store_three(app)
        number = str(get_story_of(app, a).id)
    for arguments, words in (
        (("merge", number), "one already"),
        (("merge", number, "4711"), "no story 4711"),
        (("split", number, "4711"), f"no entry 4711 in story {number}"),
        (("split", number, str(a), str(b), str(c)), f"all entries of story {number}"),
        (("never", str(a), "4711"), "no entry 4711"),
        (("never", str(a), str(a)), f"entry {a}"),
        (("lead", number, "4711"), f"no entry 4711 in story {number}"),
        (("pin", "4711"), "no story 4711"),
        (("unpin", "4711"), "no story 4711"),
    ):
        result = ready.run("stories", *arguments)
        assert result.code != 0, arguments
        assert words in result.err, (arguments, result.err)
    assert json.loads(ready.run("stories", "list", "--json").out)[0]["id"] == StoryId(int(number))


def test_a_merge_takes_back_nothing_about_entries_of_other_stories(ready: Program) -> None:
    with ready.app() as app:
        a, b = store(app, "a", SAME), store(app, "b", SAME, 1)
        other = store(app, "c", "A violin glacier melts in the south")
        regroup_stories(app)
        keep_apart(app, a, b)
        merge_stories(app, [get_story_of(app, a).id, get_story_of(app, other).id])
        regroup_all(app)

        assert list_groups(app) == [{a, other}, {b}]


def test_an_entry_that_no_round_has_grouped_yet_still_comes_to_its_story(ready: Program) -> None:
    """Its own neighbours have not been looked at, and only entries without a story are."""
    with ready.app() as app:
        a = store(app, "a", SAME)
        other = store(app, "b", "A violin glacier melts in the south")
        regroup_stories(app)
        new = store(app, "c", SAME, 1)
        ruled = keep_apart(app, new, other)
        regroup_stories(app)

        assert ruled.changed
        assert list_groups(app) == [{a, new}, {other}]


def test_a_word_that_is_said_while_grouping_thinks_is_obeyed(ready: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was thought without it is thought again."""
    words: list[Callable[[], object]] = []
    look = StoryWindow.look

    def look_and_talk(window: StoryWindow, *args: Any) -> tuple[GroupedStory, ...]:
        found = look(window, *args)
        while words:
            words.pop()()
        return found

    monkeypatch.setattr(StoryWindow, "look", look_and_talk)
    with ready.app() as app:
        a, b, _ = store_three(app)
        story, new = get_story_of(app, a), store(app, "d", SAME, 3)
        words.append(lambda: keep_apart(app, a, new))
        words.append(lambda: choose_lead(app, story.id, b))
        regroup_stories(app)
        groups, old = list_groups(app), get_story_of(app, b)

    assert not any({a, new} <= group for group in groups)
    assert old.lead.id == b


def test_a_large_story_is_parted_in_a_few_statements(ready: Program) -> None:
    """Each that leaves is kept apart from each that stays: that are hundreds of rulings, and others wait meanwhile."""
    statements: list[str] = []
    with ready.app() as app:
        ids = [store(app, f"feed{number}", SAME, number / 10) for number in range(40)]
        regroup_stories(app)
        story = get_story_of(app, ids[0])
        sa.event.listen(app.db.engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
        split_story(app, story.id, ids[20:])
        groups = list_groups(app)
        with app.db.read() as conn:
            said = rulings.list_rulings(conn)

    assert groups == [set(ids[:20]), set(ids[20:])]
    assert (len(said), len(set(said))) == (400 + 19, 400 + 19)
    assert len(statements) < 100
