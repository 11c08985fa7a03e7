"""Pages of stories: each is told once, in the place of what leads it, whatever comes in meanwhile."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId, StoryId
from aggregator.model.story import Story
from aggregator.storage import entries, paging
from aggregator.storage.engine import Database
from aggregator.storage.entries import EntryQuery
from aggregator.storage.paging import Connection
from tests.storage.samples import DAY, MINUTE, NOW, make_entry, save_entries, save_story

ALL = EntryQuery(combined_only=True)
KEYS = count()


def get(conn: Connection, number: EntryId) -> Entry:
    found = entries.get(conn, number, hidden="too")
    assert found is not None
    return found


def walk(conn: Connection, query: EntryQuery, *, limit: int, place: Entry | None = None) -> list[Story]:
    found: list[Story] = []
    while page := paging.list_page(conn, query, place, limit=limit):
        found += page
        place = page[-1].lead
    return found


def test_a_story_stands_where_its_lead_does(db: Database) -> None:
    with db.write() as conn:
        a, b, c, d = save_entries(conn, *(make_entry(key) for key in "abcd"))
        told = save_story(conn, c, a), save_story(conn, b), save_story(conn, d)
    with db.read() as conn:
        found = paging.list_page(conn, ALL, None, limit=10)
        below = paging.list_page(conn, ALL, get(conn, b), limit=10)
        above = paging.find_newer(conn, ALL, get(conn, d), limit=1)

    assert [story.id for story in found] == [told[1], told[0], told[2]]
    assert [story.lead.id for story in found] == [b, c, d]
    assert [story.lead.id for story in below] == [c, d]
    assert [story.lead.id for story in above] == [c]


def test_a_tag_or_a_language_tells_a_story_by_what_belongs_there(db: Database) -> None:
    """By the lead where it can, else by the oldest entry that does belong."""
    with db.write() as conn:
        made = (make_entry("a"), make_entry("b", language="de-AT"), make_entry("c", language="de"), make_entry("d"))
        a, b, c, d = save_entries(conn, *made, tags={"b": ["chips"], "d": ["chips"]})
        one, other = save_story(conn, a, b, c), save_story(conn, d)
    with db.read() as conn:
        chips = paging.list_page(conn, EntryQuery(tag="chips", combined_only=True), None, limit=9)
        german = paging.list_page(conn, EntryQuery(language="de", combined_only=True), None, limit=9)

    assert [(story.id, story.lead.id) for story in chips] == [(one, b), (other, d)]
    assert [(story.id, story.lead.id) for story in german] == [(one, c)]
    assert [entry.id for entry in german[0].entries] == [c, a, b]


def test_what_a_first_import_may_not_bring_stands_in_no_page_of_all(db: Database) -> None:
    with db.write() as conn:
        old = save_entries(conn, make_entry("old"), backlog=True)
        new = save_entries(conn, make_entry("new"), at=NOW - DAY)
        save_story(conn, *old, *new)
        save_story(conn, *save_entries(conn, make_entry("older"), backlog=True, at=NOW - 2 * DAY))
    with db.read() as conn:
        found = paging.list_page(conn, ALL, None, limit=9)

    assert [story.lead.id for story in found] == [*new]


def test_a_window_ends_where_it_is_told_to(db: Database) -> None:
    with db.write() as conn:
        for entry_id in save_entries(conn, *(make_entry(str(number)) for number in range(50))):
            save_story(conn, entry_id)
    with db.read() as conn:
        found = paging.list_page(conn, ALL, None, limit=99, since=NOW - 40 * MINUTE)

    assert len(found) == 41


#: Minutes before now of the entries of each story, lead first.
STORIES = st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=4), min_size=1, max_size=15)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=STORIES, later=STORIES, limit=st.integers(1, 7), turn=st.integers(0, 6))
def test_each_story_is_told_once_also_while_others_arrive(
    db: Database, made: list[list[int]], later: list[list[int]], limit: int, turn: int
) -> None:
    """Wherever those that arrive stand: those that were there before are each on exactly one page."""
    with db.write() as conn:
        known = {add(conn, minutes) for minutes in made}
        found: list[StoryId] = []
        place, pages = None, 0
        while page := paging.list_page(conn, ALL, place, limit=limit):
            found += [story.id for story in page]
            place = page[-1].lead
            if pages == turn:
                for minutes in later:
                    add(conn, minutes)
            pages += 1
        back = paging.find_newer(conn, ALL, place, limit=999) if place else ()
        again = walk(conn, ALL, limit=5)
        conn.rollback()

    assert len(found) == len(set(found))
    assert known <= set(found)
    assert [story.id for story in back] == [story.id for story in again][: len(back)]
    assert [story.id for story in again] == [
        story.id for story in sorted(again, key=lambda one: (one.lead.effective_at, one.lead.id), reverse=True)
    ]


def add(conn: Connection, minutes: list[int]) -> StoryId:
    ids = [save_entries(conn, make_entry(str(next(KEYS))), at=NOW - timedelta(minutes=ago))[0] for ago in minutes]
    return save_story(conn, *ids)
