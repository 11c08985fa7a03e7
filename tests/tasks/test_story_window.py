"""Stories as entries come, round by round: what is in memory never matters, only what is stored."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa

from aggregator.app import App
from aggregator.model.entry import EntryChange
from aggregator.model.ids import FeedId
from aggregator.model.story import GroupedStory, Ruling
from aggregator.pipeline.group import group_entries
from aggregator.storage import entries as saving
from aggregator.storage import meta, rulings, story_groups
from aggregator.storage.schema import entries
from aggregator.tasks import group, story_window
from aggregator.tasks.group import regroup_since, regroup_stories
from aggregator.tasks.story_window import REACH, get_window
from tests.fixtures.program import Program
from tests.storage.samples import NOW, make_entry
from tests.tasks.test_rulings import SAME, list_groups, store

DAY = timedelta(days=1)
WORDS = "lantern harbour violin glacier copper orchard meadow signal velvet canyon".split()


@pytest.fixture
def ready(program: Program) -> Program:
    program.configure()
    return program


def store_news(app: App, count: int, *, seed: int, days: float = 20) -> None:
    """Invented reports, many of them of one event."""
    random = Random(seed)
    for number in range(count):
        title = f"The {' '.join(sorted(random.sample(WORDS[: 4 + seed], 2)))} report is out"
        store(app, random.choice("abcdef"), title, random.uniform(-24 * days, 0) + number / 1000)


def group_at_once(app: App) -> list[set[int]]:
    """What all stored entries make when nobody knows any story."""
    with app.db.read() as conn:
        ids = [int(number) for number in conn.execute(sa.select(entries.c.id)).scalars()]
        candidates = story_groups.get_candidates(conn, ids)  # type: ignore[arg-type]
    found = group_entries(candidates, (), app.settings.lexicon, keep_stories=False)
    return sorted((set(map(int, story.entry_ids)) for story in found), key=min)


def test_round_by_round_gives_what_all_at_once_gives(ready: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """In slices of a few entries, late ones among them; and doing it all again changes nothing."""
    monkeypatch.setattr(story_window, "SLICE", 7)
    monkeypatch.setattr(story_window, "SPARE", 5)
    monkeypatch.setattr(story_window, "PART", 3)
    with ready.app() as app:
        for turn in range(4):
            store_news(app, 12, seed=turn)
            regroup_stories(app)
        found, wanted = list_groups(app), group_at_once(app)
        changed = regroup_since(app, None, progress=lambda done, total: None)

        assert found == wanted
        assert any(len(story) > 1 for story in found)
        assert changed == 0
        assert list_groups(app) == wanted


def test_of_days_with_too_much_only_the_latest_is_looked_at(ready: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each entry gets its story all the same, whatever was in memory; all again gives the same twice."""
    monkeypatch.setattr(story_window, "SLICE", 7)
    monkeypatch.setattr(story_window, "MOST", 10)
    with ready.app() as app:
        for turn in range(4):
            store_news(app, 40, seed=turn, days=8)
            regroup_stories(app)
        with app.db.read() as conn:
            alone = conn.execute(sa.select(sa.func.count()).where(entries.c.story_id.is_(None))).scalar_one()
            newest = conn.execute(sa.select(sa.func.max(entries.c.effective_at))).scalar_one()
            seen = [count_between(conn, newest - late * DAY) for late in (0, 4)]
            monkeypatch.setattr(story_window, "MOST", 1_000)
            without_limit = [count_between(conn, newest - late * DAY) for late in (0, 4)]
            monkeypatch.setattr(story_window, "MOST", 10)
        regroup_since(app, None, progress=lambda done, total: None)
        changed = regroup_since(app, None, progress=lambda done, total: None)

    assert alone == 0
    assert max(seen) <= 10 + 10 + 1
    assert min(without_limit) > 40
    assert changed == 0


def count_between(conn: sa.Connection, first: datetime) -> int:
    """Entries within the view of a slice."""
    part = story_window.find_slice(conn, first)
    at = entries.c.effective_at
    query = sa.select(sa.func.count()).where(at >= part.since, at <= part.until)
    return int(conn.execute(query).scalar_one())


def test_memory_holds_only_what_may_still_change(ready: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story_window, "SLICE", 5)
    monkeypatch.setattr(story_window, "SPARE", 5)
    with ready.app() as app:
        store_news(app, 60, seed=6, days=120)
        regroup_stories(app)
        store(app, "a", SAME)
        regroup_stories(app)
        with app.db.read() as conn:
            query = sa.select(sa.func.count()).select_from(entries).where(entries.c.effective_at >= NOW - 3 * REACH)
            recent = conn.execute(query).scalar_one()
        known = len(get_window(app.db).known)

    assert known <= 2 * recent + 5


def test_what_another_process_grouped_is_seen(ready: Program) -> None:
    with ready.app() as one:
        first = store(one, "a", SAME)
        regroup_stories(one)
        with ready.app() as other:
            second = store(other, "b", SAME, 1)
            regroup_stories(other)
        third = store(one, "c", SAME, 2)
        regroup_stories(one)

        assert list_groups(one) == [{first, second, third}]


def test_an_entry_that_has_gone_is_forgotten(ready: Program) -> None:
    with ready.app() as app:
        first = store(app, "a", SAME)
        second = store(app, "b", SAME, 1)
        regroup_stories(app)
        with app.db.write() as conn:
            conn.execute(sa.delete(entries).where(entries.c.id == second))
        third = store(app, "c", SAME, 2)
        regroup_stories(app)

        assert list_groups(app) == [{first, third}]


def test_what_others_wrote_meanwhile_is_looked_at_again(ready: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between reading and writing another process puts the same entry into a story."""
    save = group._save
    calls: list[int] = []
    with ready.app() as app:
        number = store(app, "a", SAME)

        def save_late(app: App, *said: object) -> object:
            if not calls:
                calls.append(1)
                with app.db.write() as conn:
                    story = GroupedStory(story_id=None, entry_ids=(number,))
                    story_groups.save_groups(conn, [story], now=NOW, identity=meta.get_identity(conn))
            return save(app, *said)  # type: ignore[arg-type]

        monkeypatch.setattr(group, "_save", save_late)
        regroup_stories(app)
        with app.db.read() as conn:
            made = meta.count_rows(conn)["stories"]

        assert calls
        assert (list_groups(app), made) == ([{number}], 1)


def test_an_entry_that_waits_for_its_tags_waits_for_its_story(ready: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "tag_waiting", lambda app: 0)
    with ready.app() as app:
        number = store(app, "a", SAME, tagged=False)
        regroup_stories(app)
        before = list_groups(app)
        monkeypatch.undo()
        regroup_stories(app)

        assert before == []
        assert list_groups(app) == [{number}]


@pytest.mark.parametrize("ruled", [False, True])
def test_an_edited_entry_is_grouped_again_whatever_else_has_changed(ready: Program, ruled: bool) -> None:
    """A ruling makes the window read all of it anew; what waited in it to be looked at is not forgotten."""
    with ready.app() as app:
        first, second = store(app, "a", SAME), store(app, "b", SAME, 1)
        regroup_stories(app)
        edited = make_entry(f"b-{SAME}-1", content_hash="second", title="A violin glacier melts in the south")
        with app.db.write() as conn:
            change = EntryChange(feed_id=FeedId(2), entry_id=second, entry=edited, effective_at=None)
            later = NOW + timedelta(hours=2)
            saving.save(conn, [change], now=later, identity=meta.get_identity(conn))
            if ruled:
                rulings.add(conn, Ruling(kind="pin", entry_id=first), now=NOW)
        third = store(app, "c", "Copper orchards are for sale", 3)
        regroup_stories(app)

        assert list_groups(app) == [{first}, {second}, {third}]
