"""Stories: members, leads, merges, and what moves their date."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.entry import EntryChange
from aggregator.model.ids import EntryId, StoryId
from aggregator.model.story import GroupCandidate, GroupedStory, ScoreTerm, Story, StoryLink
from aggregator.storage import changes, entries, entry_links, stories, story_groups
from aggregator.storage.engine import Database
from aggregator.storage.schema import entries as entry_table
from aggregator.storage.stories import StoryQuery
from tests.storage.samples import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    ensure_feed,
    ensure_identity,
    make_entry,
    make_tag,
    save_entries,
    save_story,
)


def get_story(conn: Connection, story_id: StoryId) -> Story:
    found = stories.get(conn, story_id)
    assert isinstance(found, Story)
    return found


def test_candidates_come_with_what_grouping_looks_at(db: Database) -> None:
    with db.write() as conn:
        feed_id = ensure_feed(conn, weight=1.5)
        newer, older = save_entries(
            conn, make_entry("a", excerpt="Of it."), make_entry("b"), feed_id=feed_id, tags={"a": ("openai",)}
        )
        topic = replace(make_tag("agents", "topic"), rule="other")
        changes.save_tags(conn, {older: [topic]})
        entry_links.save_links(conn, {newer: ["https://b.example/1"]})
        story_id = save_story(conn, newer)
        found = story_groups.get_candidates(conn, [newer, older, EntryId(4711)])

    assert [candidate.id for candidate in found] == sorted([newer, older])
    by_id = {candidate.id: candidate for candidate in found}
    assert by_id[older].tags == ()
    assert by_id[newer] == GroupCandidate(
        id=newer,
        story_id=story_id,
        feed_id=feed_id,
        feed_weight=1.5,
        canonical_url="https://a.example/a",
        title="Title of a",
        language="en",
        effective_at=NOW,
        url="https://a.example/a",
        summary="Of it.",
        tags=(make_tag("openai"),),
        links=("https://b.example/1",),
    )


def test_standings_are_a_stretch_of_time_what_is_told_after_it_and_whole_stories(db: Database) -> None:
    with db.write() as conn:
        feed_id = ensure_feed(conn)

        def save(key: str, at: datetime, *, ready: bool = True) -> EntryId:
            (number,) = save_entries(
                conn, make_entry(key), feed_id=feed_id, at=at, tags={key: ("ai",)} if ready else None
            )
            return number

        long_ago, now, new = save("a", NOW - 30 * DAY), save("b", NOW), save("c", NOW)
        waiting, ahead, ahead_new = save("d", NOW, ready=False), save("e", NOW + DAY), save("f", NOW + DAY)
        save_story(conn, long_ago, now)
        save_story(conn, ahead)
        found = story_groups.list_standings(conn, since=NOW - DAY, until=NOW, grouped_until=NOW + 3 * DAY)
        oldest = stories.get_oldest_ungrouped(conn)
        then = [story_groups.find_next_ungrouped(conn, NOW + wait) for wait in (-MINUTE, MINUTE, 2 * DAY)]

    assert then == [NOW, NOW + DAY, None]
    assert set(found) == {long_ago, now, new, ahead}
    assert not {waiting, ahead_new} & set(found)
    assert oldest == NOW


def test_a_member_that_leaves_makes_a_story_and_takes_its_evidence_along(db: Database) -> None:
    later = NOW + DAY
    with db.write() as conn:
        identity = ensure_identity(conn)
        one, two, three = save_entries(conn, make_entry("1"), make_entry("2"), make_entry("3"))
        links = tuple(
            StoryLink(entry_id=number, other_id=one, strength=0.5, evidence=("names: 青い",)) for number in (two, three)
        )
        (first,) = stories.save_groups(
            conn, [GroupedStory(story_id=None, entry_ids=(one, two, three), links=links)], now=NOW, identity=identity
        )
        before = story_groups.get_links(conn, [one, two, three])
        atom_id = get_story(conn, first).atom_id
        parted = [
            GroupedStory(story_id=first, entry_ids=(one, two), links=links[:1]),
            GroupedStory(story_id=None, entry_ids=(three,)),
        ]
        touched = stories.save_groups(conn, parted, now=later, identity=identity)
        again = stories.save_groups(
            conn, [parted[0], replace(parted[1], story_id=touched[1])], now=later, identity=identity
        )
        old, new = get_story(conn, first), get_story(conn, touched[1])
        after = story_groups.get_links(conn, [one, two, three])

    assert before == {two: links[0], three: links[1]}
    assert after == {two: links[0]}
    assert (touched[0], again) == (first, ())
    assert ([e.id for e in old.entries], [e.id for e in new.entries]) == ([one, two], [three])
    assert (old.atom_id, old.updated_at) == (atom_id, NOW)
    assert new.atom_id != atom_id


def test_what_rules_hide_is_in_no_story_that_is_shown(db: Database) -> None:
    with db.write() as conn:
        feed_id = ensure_feed(conn, weight=2.0)
        lead, other, alone = save_entries(conn, *(make_entry(key) for key in "abc"), feed_id=feed_id)
        both, single = save_story(conn, lead, other), save_story(conn, alone)
        conn.execute(sa.update(entry_table).where(entry_table.c.id.in_([lead, alone])).values(hidden=True))
        found = {candidate.id: candidate for candidate in story_groups.get_candidates(conn, [lead, other])}
        listed = stories.list_stories(conn, StoryQuery())

        assert [entry.id for entry in get_story(conn, both).entries] == [other]
        assert stories.get(conn, single) is None
        assert [story.id for story in listed] == [both]
        assert stories.find_unscored(conn, limit=9) == (both,)
        assert found[lead].feed_weight < 0 < found[other].feed_weight


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
        stories.save_scores(conn, [(story_id, 3.5, 3.5, reasons)])
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
