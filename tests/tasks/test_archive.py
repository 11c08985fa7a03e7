"""Weeks that are over become archives, which never change but for what readers may not see any more."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from aggregator.model.entry import Entry
from aggregator.storage import archives, entries
from aggregator.storage.entries import EntryQuery
from aggregator.storage.paging import Connection
from aggregator.tasks.archive import close_weeks, has_archives_due
from aggregator.tasks.site.feed_archives import find_start, find_week_start, name_week
from tests.fixtures.program import Program
from tests.tasks.told import ATOM, DAY, HOUR, NOW, WEEK, Press, find_path, list_ids, open_press

HISTORY = "{http://purl.org/syndication/history/1.0}"
OLD, LATER = "2026-W10", "2026-W11"


def get_body(press: Press, path: str) -> bytes:
    page = press.find(path)
    assert page is not None, path
    return page.body


def test_a_week_is_closed_once_when_it_is_over(program: Program) -> None:
    """A day later, as dates may lie a day ahead; until then it is there without the mark of an archive."""
    with open_press(program) as press:
        press.tell("One", tags=["nvidia"])
        assert not has_archives_due(press.app)
        open_week = press.read(f"/archive/{OLD}.atom")
        press.clock.at = datetime.fromisoformat("2026-03-10T00:59:00+00:00")
        assert not has_archives_due(press.app) and not close_weeks(press.app)
        press.clock.move(minutes=1)
        assert has_archives_due(press.app)
        assert (close_weeks(press.app), close_weeks(press.app)) == (1, 0)
        assert not has_archives_due(press.app)
        closed = press.read(f"/archive/{OLD}.atom")

    assert open_week.find(f"{HISTORY}archive") is None
    assert closed.find(f"{HISTORY}archive") is not None
    assert list_ids(open_week) == list_ids(closed) != []
    assert find_path(closed, "current") == "/feed.atom"
    assert find_path(closed, "self") == f"/archive/{OLD}.atom"


def test_a_site_without_a_daemon_has_archives_too(program: Program) -> None:
    """`aggregator publish` closes the weeks that are over."""
    with open_press(program) as press:
        press.tell("One")
    done = program.run("publish", "--out", "site")
    written = etree.fromstring((program.folder / f"site/archive/{OLD}.atom").read_bytes())

    assert done.code == 0, done
    assert written.find(f"{HISTORY}archive") is not None


def test_archives_lead_from_week_to_week(program: Program) -> None:
    """Weeks in which nothing happened, too; those of a tag or a feed lead to weeks in which it had something."""
    with open_press(program) as press:
        press.tell("One", tags=["nvidia"], language="de-AT")
        press.clock.move(weeks=3)
        press.tell("Two", feed="b", tags=["nvidia"], language="de")
        press.clock.move(weeks=2)
        press.tell("Three", feed="c")
        assert close_weeks(press.app) == 5
        found = [find_path(page, "self") for page in press.follow("/feed.atom", "prev-archive")]
        back = [find_path(page, "self") for page in press.follow(found[-1], "next-archive")]
        by_scope = {
            path: [list_ids(page) for page in press.follow(f"{path}.atom", "prev-archive")][1:]
            for path in ("/tags/nvidia", "/lang/de", f"/feeds/{press.get_feed_id('b')}")
        }
        one, two = press.read(f"/archive/{OLD}.atom"), press.read("/archive/2026-W13.atom")

    assert found == ["/feed.atom", *(f"/archive/2026-W{week}.atom" for week in (14, 13, 12, 11, 10))]
    assert back == [*reversed(found[1:]), "/archive/2026-W15.atom"]
    assert by_scope["/tags/nvidia"] == by_scope["/lang/de"] == [list_ids(two), list_ids(one)]
    assert [len(ids) for ids in by_scope[f"/feeds/{2}"]] == [1]


def test_what_is_closed_never_changes(program: Program) -> None:
    """Whatever comes in later, however old it claims to be; a merge, another lead, another title."""
    with open_press(program) as press:
        _, first = press.tell("One", tags=["nvidia"])
        _, second = press.tell("Two", feed="b", tags=["nvidia"], ago=2 * HOUR)
        press.clock.move(weeks=2)
        close_weeks(press.app)
        paths = [f"{stem}/archive/{OLD}.atom" for stem in ("", "/tags/nvidia", "/feeds/1", "/lang/en")]
        before = [get_body(press, path) for path in paths]
        press.tell("Late", feed="c", ago=2 * WEEK, tags=["nvidia"])
        press.tell("Imported", feed="a", ago=2 * WEEK, tags=["nvidia"])
        press.tell("Also", feed="d", story=first, ago=2 * WEEK - HOUR)
        press.merge(first, second)
        assert close_weeks(press.app) == 0
        press.clock.move(weeks=1)
        close_weeks(press.app)
        after = [get_body(press, path) for path in paths]
        later = press.list_titles("/archive/2026-W12.atom")

    assert before == after
    assert sorted(later) == ["Imported", "Late"]


def test_what_an_editor_hides_leaves_the_archives(program: Program) -> None:
    """Those that tell of it are made anew, also where it was but another voice; no other is."""
    with open_press(program) as press:
        _, first = press.tell("One")
        voice, _ = press.tell("Another voice", feed="b", story=first, ago=HOUR / 2)
        gone, _ = press.tell("Taken away", feed="c", tags=["nvidia"])
        press.clock.move(weeks=1)
        press.tell("Two", feed="d")
        press.clock.move(weeks=2)
        close_weeks(press.app)
        untouched = get_body(press, f"/archive/{LATER}.atom")
        body = get_body(press, f"/archive/{OLD}.atom")
        assert b"Taken away" in body and b"Another voice" in body
        press.hide(gone, voice)
        assert has_archives_due(press.app)
        assert close_weeks(press.app) == 1
        assert close_weeks(press.app) == 0
        anew = get_body(press, f"/archive/{OLD}.atom")
        assert b"One" in anew and b"Taken away" not in anew and b"Another voice" not in anew
        assert press.find(f"/tags/nvidia/archive/{OLD}.atom") is None
        assert get_body(press, f"/archive/{LATER}.atom") == untouched
        assert not has_archives_due(press.app)


def test_a_site_that_moves_has_its_archives_at_the_new_address(program: Program) -> None:
    """Under the ids of before."""
    with open_press(program) as press:
        press.tell("One")
        press.clock.move(weeks=2)
        close_weeks(press.app)
        before = press.read(f"/archive/{OLD}.atom")
    site = {"title": "AI News", "url": "https://other.example.net", "contact": "e@example.org"}
    with open_press(program, site=site) as press:
        press.clock.move(weeks=2)
        assert close_weeks(press.app) == 2
        after = press.read(f"/archive/{OLD}.atom")

    assert find_path(after, "self") == f"https://other.example.net/archive/{OLD}.atom"
    assert list_ids(after) == list_ids(before)
    assert after.findtext(f"{ATOM}id") == before.findtext(f"{ATOM}id")


def test_two_that_close_at_once_close_once(program: Program) -> None:
    with open_press(program) as press:
        press.tell("One")
        press.clock.move(weeks=2)
        close_weeks(press.app)
        with press.app.db.read() as conn:
            document = archives.get_document(conn, OLD)
        assert document is not None
        again = archives.Archive(week=OLD, made_with="x", document=b"other", items=(), entry_ids=frozenset())
        with press.app.db.write() as conn:
            assert not archives.save(conn, again, now=press.clock())
        assert get_body(press, f"/archive/{OLD}.atom") == document


def test_what_waits_for_its_tags_keeps_its_week_open(program: Program) -> None:
    """For three days: a machine that was off has not yet grouped what it read last."""
    with open_press(program, combined={"one_per_story": False}) as press:
        number, _ = press.tell("One")
        with press.app.db.write() as conn:
            from aggregator.storage import changes

            changes.note_changes(conn, [number], now=press.clock())
        press.clock.at = datetime.fromisoformat("2026-03-11T00:00:00+00:00")
        assert close_weeks(press.app) == 0
        press.clock.at = datetime.fromisoformat("2026-03-12T00:00:00+00:00")
        assert close_weeks(press.app) == 1


def test_entries_are_archived_where_entries_are_told(program: Program) -> None:
    """By the week in which they were first seen."""
    with open_press(program, combined={"one_per_story": False}) as press:
        _, told = press.tell("One", tags=["nvidia"])
        press.tell("Two", feed="b", story=told, tags=["nvidia"], ago=2 * HOUR)
        press.tell("A first import", feed="c", backlog=True, ago=DAY)
        press.clock.move(weeks=2)
        close_weeks(press.app)

        assert press.list_titles(f"/archive/{OLD}.atom") == ["One", "Two"]
        assert press.list_titles(f"/tags/nvidia/archive/{OLD}.atom") == ["One", "Two"]
        assert press.list_titles(f"/feeds/{press.get_feed_id('c')}/archive/{OLD}.atom") == ["A first import"]


#: Days after the start at which a story comes in, how many hours old it claims to be, and of which feed.
ARRIVALS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 700), st.integers(0, 3)), min_size=1, max_size=8)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ARRIVALS)
def test_what_was_ever_in_the_living_document_is_there_or_in_an_archive(
    program: Program, arrivals: list[tuple[int, int, int]]
) -> None:
    """After its week is closed; and no archive changes from then on."""
    with open_press(program, combined={"limit": 3, "per_feed": 2}) as press:
        with press.app.db.read() as conn:
            before = {entry.id for entry in list_all(conn)}
        # Each example goes on where the one before it has ended: the database is the same.
        press.clock.at = NOW + timedelta(days=60 * (len(before) + 1))
        start, seen, known = press.clock.at, set[str](), dict[str, bytes]()
        for day, hours, feed in sorted(arrivals):
            press.clock.at = start + timedelta(days=day)
            press.tell(f"Story of day {day}", ago=timedelta(hours=hours), feed=f"f{feed}")
            seen |= set(list_ids(press.read("/feed.atom")))
            close_weeks(press.app)
            known = check_unchanged(press, known)
        press.clock.move(weeks=2)
        close_weeks(press.app)
        known = check_unchanged(press, known)
        living = set(list_ids(press.read("/feed.atom")))
        archived = [number for body in known.values() for number in list_ids(etree.fromstring(body))]

    assert seen <= living | set(archived)
    assert len(archived) == len(set(archived))


def list_all(conn: Connection) -> tuple[Entry, ...]:
    return entries.list_entries(conn, EntryQuery())


def check_unchanged(press: Press, known: dict[str, bytes]) -> dict[str, bytes]:
    found = {}
    for page in press.follow("/feed.atom", "prev-archive"):
        path = find_path(page, "self")
        if path != "/feed.atom":
            found[path] = get_body(press, path)
    assert {path: found[path] for path in known} == known
    return found


def test_weeks_are_those_of_the_calendar() -> None:
    """ISO 8601: the first week of a year is the one with its first Thursday."""
    for text, week in (
        ("2026-01-01T00:00Z", "2026-W01"),
        ("2027-01-03T23:59Z", "2026-W53"),
        ("2024-12-30", "2025-W01"),
    ):
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
        at = at if at.tzinfo else at.replace(tzinfo=NOW.tzinfo)
        assert name_week(at) == week
        assert find_start(week) == find_week_start(at)
    assert find_start("2025-W53") is find_start("0000-W01") is None
