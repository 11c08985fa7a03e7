"""Stories: members, leads, merges, and what moves their date."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.engine import Connection

from aggregator.model.entry import EntryChange
from aggregator.model.ids import StoryId
from aggregator.model.story import GroupCandidate, GroupedStory, ScoreTerm, Story
from aggregator.storage import entries, stories
from aggregator.storage.engine import Database
from aggregator.storage.stories import StoryQuery
from tests.storage.samples import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    ensure_feed,
    ensure_identity,
    make_entry,
    save_entries,
    save_story,
)


def get_story(conn: Connection, story_id: StoryId) -> Story:
    found = stories.get(conn, story_id)
    assert isinstance(found, Story)
    return found


def test_candidates_are_every_entry_since_then_grouped_or_not(db: Database) -> None:
    with db.write() as conn:
        feed_id = ensure_feed(conn, weight=1.5)
        newer, older = save_entries(conn, make_entry("a"), make_entry("b", language="ja"), feed_id=feed_id)
        save_entries(conn, make_entry("c"), feed_id=feed_id, at=NOW - DAY)
        oldest = stories.get_oldest_ungrouped(conn)
        story_id = save_story(conn, newer)
        found = stories.get_candidates(conn, since=NOW - MINUTE)

    assert oldest == NOW - DAY
    assert [candidate.id for candidate in found] == [older, newer]
    assert found[1] == GroupCandidate(
        id=newer,
        story_id=story_id,
        feed_id=feed_id,
        feed_weight=1.5,
        canonical_url="https://a.example/a",
        title="Title of a",
        language="en",
        effective_at=NOW,
        url="https://a.example/a",
    )


def test_nothing_is_ungrouped_when_all_have_a_story(db: Database) -> None:
    with db.write() as conn:
        save_story(conn, *save_entries(conn, make_entry("a"), make_entry("b")))

        assert stories.get_oldest_ungrouped(conn) is None


def test_a_new_story_has_a_name_for_ever_and_its_lead_first(db: Database) -> None:
    with db.write() as conn:
        one, two, three = save_entries(conn, make_entry("1"), make_entry("2"), make_entry("3"))
        story_id = save_story(conn, two, one, three)
        story = get_story(conn, story_id)

    assert story.atom_id == f"tag:news.example.org,2026-03-04:story/{story_id}"
    assert [entry.id for entry in story.entries] == [two, three, one]
    assert (story.score, story.reasons, story.updated_at) == (0.0, (), NOW - MINUTE)


def test_another_source_touches_a_story_but_moves_its_date_only_as_the_new_lead(db: Database) -> None:
    later = NOW + DAY
    with db.write() as conn:
        identity = ensure_identity(conn)
        one, two, three = save_entries(conn, make_entry("1"), make_entry("2"), make_entry("3"))
        story_id = save_story(conn, one)

        def regroup(*ids: int) -> tuple[StoryId, ...]:
            group = GroupedStory(story_id=story_id, entry_ids=ids)  # type: ignore[arg-type]
            return stories.save_groups(conn, [group], now=later, identity=identity)

        assert regroup(one, two) == (story_id,)
        assert get_story(conn, story_id).updated_at == NOW
        assert regroup(one, two) == ()
        assert regroup(three, one, two) == (story_id,)
        story = get_story(conn, story_id)

    assert (story.lead.id, story.updated_at) == (three, later)


def test_an_edited_lead_moves_the_date_and_an_edited_other_does_not(db: Database) -> None:
    with db.write() as conn:
        feed_id = ensure_feed(conn)
        lead, other = save_entries(conn, make_entry("lead"), make_entry("other"), feed_id=feed_id)
        story_id = save_story(conn, lead, other)

        def edit(number: int, key: str) -> None:
            entry = make_entry(key, content_hash="second")
            change = EntryChange(feed_id=feed_id, entry_id=number, entry=entry, effective_at=None)  # type: ignore[arg-type]
            entries.save(conn, [change], now=NOW + HOUR, identity=ensure_identity(conn))

        edit(other, "other")
        assert get_story(conn, story_id).updated_at == NOW
        edit(lead, "lead")
        assert get_story(conn, story_id).updated_at == NOW + HOUR


def test_a_swallowed_story_leads_to_the_one_that_swallowed_it_however_often(db: Database) -> None:
    with db.write() as conn:
        identity = ensure_identity(conn)
        ids = save_entries(conn, *(make_entry(key) for key in "abc"))
        first, second, third = (save_story(conn, number) for number in ids)
        merge = GroupedStory(story_id=second, entry_ids=(ids[1],), merged_ids=(third,))
        stories.save_groups(conn, [merge], now=NOW, identity=identity)
        again = GroupedStory(story_id=first, entry_ids=ids[:2], merged_ids=(second,))
        touched = stories.save_groups(conn, [again], now=NOW, identity=identity)
        found = [stories.get(conn, number) for number in (second, third)]
        survivor = get_story(conn, first)
        listed = stories.list_stories(conn, StoryQuery())

    assert touched == (first,)
    assert found == [first, first]
    assert {entry.id for entry in survivor.entries} == set(ids)
    assert [story.id for story in listed] == [first]


def test_an_unknown_story_is_none(db: Database) -> None:
    with db.read() as conn:
        assert stories.get(conn, StoryId(5)) is None


def test_scores_come_back_with_their_reasons(db: Database) -> None:
    reasons = (ScoreTerm(name="sources", value="3", points=1.5), ScoreTerm(name="interest", value="半導体", points=2.0))
    with db.write() as conn:
        story_id = save_story(conn, *save_entries(conn, make_entry("a")))
        stories.save_scores(conn, [(story_id, 3.5, reasons)])
        stories.save_scores(conn, [])
        story = get_story(conn, story_id)

    assert (story.score, story.reasons) == (3.5, reasons)


def test_stories_are_listed_by_their_newest_entry_in_the_window(db: Database) -> None:
    with db.write() as conn:
        old, new = (
            save_entries(conn, make_entry("old"), at=NOW - 3 * DAY),
            save_entries(conn, make_entry("new"), make_entry("mid", language="ja"), tags={"new": ("ai",)}),
        )
        both = save_story(conn, old[0], new[1])
        single = save_story(conn, new[0])
        (hidden,) = save_entries(conn, make_entry("hidden", language="fr"), at=NOW + MINUTE, backlog=True)
        backlog = save_story(conn, hidden)

        def ask(**query: object) -> list[StoryId]:
            return [story.id for story in stories.list_stories(conn, StoryQuery(**query))]  # type: ignore[arg-type]

        assert ask() == [backlog, single, both]
        assert ask(combined_only=True) == [single, both]
        assert ask(limit=1) == [backlog]
        assert ask(since=NOW - 4 * DAY, until=NOW - DAY) == [both]
        assert ask(since=NOW - 2 * DAY, until=NOW) == [both]
        assert ask(tag="ai") == [single]
        assert ask(language="ja") == [both]
        assert ask(ids=[both, single]) == [single, both]
        assert ask(ids=[both, single], limit=1) == [single]
        assert ask(ids=()) == []
        (story,) = stories.list_stories(conn, StoryQuery(language="ja"))

    assert [entry.id for entry in story.entries] == [old[0], new[1]]


def test_many_stories_are_saved_at_once_each_with_its_own_members(db: Database) -> None:
    with db.write() as conn:
        ids = save_entries(conn, *(make_entry(f"k{number}") for number in range(1_200)))
        groups = [GroupedStory(story_id=None, entry_ids=ids[place : place + 2]) for place in range(0, 1_200, 2)]
        touched = stories.save_groups(conn, [*groups], now=NOW, identity=ensure_identity(conn))
        listed = stories.list_stories(conn, StoryQuery())
        same = [replace(group, story_id=number) for group, number in zip(groups, touched, strict=True)]
        again = stories.save_groups(conn, same, now=NOW, identity=ensure_identity(conn))

    assert len(touched) == len(listed) == 600
    assert {tuple(sorted(entry.id for entry in story.entries)) for story in listed} == {g.entry_ids for g in groups}
    assert again == ()
