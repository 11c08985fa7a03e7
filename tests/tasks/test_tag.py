"""Tags after a change of the taxonomy: all stored entries again, newest first, whatever breaks off in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest

from aggregator.app import App
from aggregator.model.ids import EntryId, FeedId
from aggregator.pipeline.query import make_words, read_query
from aggregator.storage import audit, changes, entries, feed_edits, feeds, meta, stories
from aggregator.storage.entries import EntryQuery
from aggregator.storage.search import search
from aggregator.storage.search_index import save_words
from aggregator.tasks import tag
from aggregator.tasks.desk.feeds import edit_feed, undo_edit
from aggregator.tasks.desk.rules import set_rules
from aggregator.tasks.due import defer_due, get_tasks
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.tag import Tagged, is_retagging, plan_retagging, retag_some, retag_stored, tag_waiting
from tests.fixtures.program import Program
from tests.tasks.test_group import list_stories, read_posts

WORDS = ("lantern harbour", "violin orchestra", "glacier research", "saffron kitchen", "bicycle workshop")
POST = "---\ntitle: The {words} report\ndate: 2025-12-0{day}\n---\nA zorbian hovercraft with {words}.\n"


@pytest.fixture
def stored(program: Program) -> Program:
    """Five posts, read, tagged and grouped with the taxonomy as it comes."""
    folder = program.folder / "posts"
    folder.mkdir()
    for number, words in enumerate(WORDS):
        (folder / f"{number}.md").write_text(POST.format(words=words, day=number + 1), encoding="utf-8")
    write_taxonomy(program, "harbours: Lantern Harbour")
    with program.app() as app:
        read_posts(app)
        regroup_stories(app)
        assert plan_retagging(app) == 0, "what was tagged with this taxonomy needs no other round"
    return program


def write_taxonomy(program: Program, *rows: str) -> None:
    (program.folder / "tags.yaml").write_text("topics:\n" + "".join(f"  {row}\n" for row in rows), encoding="utf-8")
    program.configure(feeds=[{"folder": "posts"}], tags=["tags.yaml"])


def get_slugs(app: App) -> list[list[str]]:
    """The tags of each entry, the oldest entry first."""
    with app.db.read() as conn:
        found = entries.list_entries(conn, EntryQuery())
    return [[one.slug for one in entry.tags] for entry in sorted(found, key=lambda entry: entry.id)]


def get_revision(app: App) -> str:
    with app.db.read() as conn:
        return meta.get_revision(conn)


def retag_all(app: App) -> Tagged:
    done = Tagged()
    while is_retagging(app):
        some = retag_some(app)
        done = Tagged(read=done.read + some.read, changed=done.changed + some.changed)
    return done


def test_what_is_stored_of_a_feed_follows_what_the_desk_says_of_it(stored: Program) -> None:
    """Its tags at the next round, its weight in the scores; and when that is taken back."""
    with stored.app() as app:
        number = edit_feed(app, FeedId(1), {"tags": ["openai"], "weight": 3.0}, who="anna")
        with app.db.read() as conn:
            unscored = len(stories.find_unscored(conn, limit=10))
            change = audit.get(conn, number)
        tag_waiting(app)
        tagged = get_slugs(app)
        regroup_stories(app)
        assert change is not None
        undo_edit(app, change, who="anna")
        with app.db.read() as conn:
            again = len(stories.find_unscored(conn, limit=10))
        tag_waiting(app)

        assert all("openai" in slugs for slugs in tagged) and not any("openai" in slugs for slugs in get_slugs(app))
        assert unscored == again > 0


def test_a_rule_for_a_feed_holds_when_the_feed_has_moved(stored: Program) -> None:
    """It names the address that the file has."""
    with stored.app() as app:
        with app.db.write() as conn:
            scope = f"feed:{feeds.get_feeds(conn, [FeedId(1)])[FeedId(1)].spec.url}"
            assert feed_edits.move(conn, FeedId(1), "https://moved.example/feed")
        set_rules(app, [{"name": "ours", "scope": scope, "tag": "ours"}], who="anna", action="rule.add")
        retag_all(app)

        assert all("ours" in slugs for slugs in get_slugs(app))


def test_what_the_desk_sets_meanwhile_counts_for_what_another_process_tags(stored: Program) -> None:
    """Which has not looked since: its work is done once more, and no mixture is left."""
    with stored.app() as app, stored.app() as other:
        rule = {"name": "violins", "when": {"title": "violin"}, "tag": "violins"}
        set_rules(app, [rule], who="anna", action="rule.add")
        with app.db.write() as conn:
            changes.note_changes(conn, [EntryId(number) for number in range(1, 6)], now=app.now())
        tag_waiting(other)
        slugs = get_slugs(app)

        assert slugs[1] == ["violins"] and "violins" not in sum(slugs[2:], slugs[0])
        assert is_retagging(app) and is_retagging(other), "what waited before the change is judged, too"


def test_a_new_tag_is_put_on_stored_entries_and_only_their_stories_lose_their_score(stored: Program) -> None:
    write_taxonomy(stored, "harbours: Lantern Harbour", "violins: Violin")
    with stored.app() as app:
        before = get_slugs(app)
        assert plan_retagging(app) == 5
        done = retag_all(app)
        after = get_slugs(app)
        with app.db.read() as conn:
            unscored = stories.find_unscored(conn, limit=10)
        regroup_stories(app)
        with_violins = [
            story.id for story in list_stories(app) if any("violin" in entry.title for entry in story.entries)
        ]

    assert sorted(before) == [[], [], [], [], ["harbours"]]
    assert sorted(after) == [[], [], [], ["harbours"], ["violins"]]
    assert done == Tagged(read=5, changed=1)
    assert list(unscored) == with_violins


def test_twice_changes_nothing(stored: Program) -> None:
    write_taxonomy(stored, "violins: Violin")
    with stored.app() as app:
        plan_retagging(app)
        retag_all(app)
        revision, slugs = get_revision(app), get_slugs(app)
        assert plan_retagging(app) == 0
        assert plan_retagging(app, anew=True) == 5
        assert retag_all(app) == Tagged(read=5, changed=0)
        assert (get_revision(app), get_slugs(app)) == (revision, slugs)


def test_killed_half_way_it_goes_on_where_it_stood(stored: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tag, "CHUNK", 2)
    write_taxonomy(stored, "crafts: hovercraft")
    saved = changes.save_tags

    def die(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    with stored.app() as app:
        plan_retagging(app)
        retag_some(app)
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(changes, "save_tags", die)
            retag_some(app)
        assert changes.save_tags is saved
        newest_first = get_slugs(app)
    with stored.app() as app:
        left = plan_retagging(app)
        done = retag_all(app)
        slugs = get_slugs(app)

    assert [len(one) for one in newest_first] == [0, 0, 0, 1, 1] or newest_first[0] == ["harbours"]
    assert newest_first[3:] == [["crafts"], ["crafts"]]
    assert left == 1, "two were tagged, two more wait in the change table"
    assert done.read == 3
    assert slugs == [["crafts"]] * 5


def test_what_is_new_goes_before_what_is_tagged_again(stored: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tag, "CHUNK", 2)
    order: list[list[EntryId]] = []
    saved = changes.save_tags

    def note(conn: Any, tags: Mapping[EntryId, Sequence[Any]], claimed: Mapping[EntryId, datetime]) -> int:
        order.append(sorted(tags, reverse=True))
        return saved(conn, tags, claimed)

    monkeypatch.setattr(changes, "save_tags", note)
    write_taxonomy(stored, "crafts: hovercraft")
    (stored.folder / "posts" / "9.md").write_text(POST.format(words="new thing", day=9), encoding="utf-8")
    with stored.app() as app:
        plan_retagging(app)
        retag_some(app)
        read_posts(app)
        retag_all(app)

    assert order == [[5, 4], [6], [3, 2], [1]]


def test_another_change_in_between_begins_anew(stored: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tag, "CHUNK", 2)
    write_taxonomy(stored, "crafts: hovercraft")
    with stored.app() as app:
        plan_retagging(app)
        retag_some(app)
    write_taxonomy(stored, "zorbs: zorbian")
    with stored.app() as app:
        assert plan_retagging(app) == 5
        retag_all(app)
        assert get_slugs(app) == [["zorbs"]] * 5


def test_tags_of_two_taxonomies_are_found_at_the_next_start(stored: Program) -> None:
    write_taxonomy(stored, "crafts: hovercraft")
    (stored.folder / "posts" / "9.md").write_text(POST.format(words="new thing", day=9), encoding="utf-8")
    with stored.app() as app:
        read_posts(app)
        tag_waiting(app)
    write_taxonomy(stored, "harbours: Lantern Harbour")
    with stored.app() as app:
        assert plan_retagging(app) == 6
        retag_all(app)
        assert sorted(get_slugs(app)) == [[], [], [], [], [], ["harbours"]]


def test_the_daemon_does_it_beside_its_rounds_until_it_is_asked_to_stop(stored: Program) -> None:
    write_taxonomy(stored, "crafts: hovercraft")
    asked: list[str] = []

    class Queue:
        def defer(self, task: str, *, key: str, **_: int | str) -> bool:
            asked.append(task)
            return True

        def run(self, tasks: object) -> None: ...
        def stop(self) -> None: ...

    with stored.app(queue=Queue()) as app:
        plan_retagging(app)
        defer_due(app)
        retag_stored(app, pause=lambda _: True)
        assert is_retagging(app)
        get_tasks(app, pause=lambda _: False)["retag"]()
        assert get_slugs(app) == [["crafts"]] * 5
        assert all(story.score is not None for story in list_stories(app))
        assert asked.count("retag") == 1
        defer_due(app)
        assert asked.count("retag") == 1


def test_the_command_tags_what_changed_and_says_so(stored: Program) -> None:
    assert "All entries are tagged with this taxonomy." in stored.run("tags", "refresh").out
    write_taxonomy(stored, "crafts: hovercraft")
    assert stored.json("tags", "refresh") == {"entries": 5, "changed": 5}
    assert stored.json("tags", "refresh") == {"entries": 0, "changed": 0}
    assert stored.run("tags", "refresh", "--all").out == "5 entries read again, 0 bear other tags now.\n"
    counts = {row["slug"]: row["entries"] for row in stored.json("tags", "list")}
    assert (counts["crafts"], counts.get("harbours")) == (5, None)


def test_what_is_tagged_is_found_by_its_words_what_is_hidden_is_not(stored: Program) -> None:
    with stored.app() as app:
        assert [len(search_for(app, words)) for words in ("lantern", "HOVERCRAFTS", '"zorbian hovercraft"')] == [
            1,
            5,
            5,
        ]
    hide = {"name": "no violins", "when": {"title": "violin"}, "drop": True}
    stored.configure(feeds=[{"folder": "posts"}], tags=["tags.yaml"], rules=[hide])
    with stored.app() as app:
        plan_retagging(app)
        retag_all(app)
        assert [len(search_for(app, words)) for words in ("violin", "hovercraft")] == [0, 4]


def test_an_edited_entry_is_found_by_its_new_words(stored: Program) -> None:
    (stored.folder / "posts" / "0.md").write_text(POST.format(words="submarine opera", day=1), encoding="utf-8")
    with stored.app() as app:
        read_posts(app)
        regroup_stories(app)
        assert [len(search_for(app, words)) for words in ("lantern", "submarine")] == [0, 1]


def test_what_was_stored_before_there_was_a_search_is_found_after_the_start(stored: Program) -> None:
    with stored.app() as app:
        with app.db.write() as conn:
            everything = entries.list_entries(conn, EntryQuery())
            save_words(conn, {entry.id: "" for entry in everything})
            made = changes.get_made_with(conn)
            changes.set_made_with(conn, changes.MadeWith(taxonomy=made.taxonomy.partition(" words:")[0]))
        assert search_for(app, "hovercraft") == ()
        assert plan_retagging(app) == 5
        assert retag_all(app) == Tagged(read=5, changed=0)
        assert len(search_for(app, "hovercraft")) == 5


def test_an_entry_whose_words_cannot_be_made_costs_itself(stored: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(**parts: str) -> str:
        if "lantern" in parts["title"]:
            raise ValueError("no words")
        return make_words(**parts)

    monkeypatch.setattr(tag, "make_words", stumble)
    with stored.app() as app:
        plan_retagging(app, anew=True)
        retag_all(app)
        assert [len(search_for(app, words)) for words in ("hovercraft", "lantern")] == [4, 0]
        assert sorted(get_slugs(app)) == [[], [], [], [], ["harbours"]]


def search_for(app: App, words: str) -> tuple[EntryId, ...]:
    with app.db.read() as conn:
        return search(conn, read_query(words), limit=20).ids
