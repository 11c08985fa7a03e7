"""Z45-Z54 from end to end: ids, dates and orders that say something else each time. No duplicate, no loss, no return.

Every case reads its feed again and again, each time when it is due by the program's own word, on both databases.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from aggregator.app import App
from aggregator.model.entry import Entry
from aggregator.storage import entries
from aggregator.storage.entries import EntryQuery
from aggregator.storage.entry_saving import MAX_EDITS
from aggregator.storage.entry_versions import MAX_VERSIONS, list_versions
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.refresh import refresh_feeds
from tests.zoo.conftest import START, Zoo, check_healthy, get_feed, list_stored, run_round, wait_until_due
from tests.zoo.documents import atom, bodies_in_turn, item, rss, serve
from tests.zoo.server import Visit

DAY = timedelta(days=1)


def read_again(zoo: Zoo, app: App, url: str, times: int) -> Iterator[Sequence[Entry]]:
    """What is stored of the feed after each further reading."""
    for _ in range(times):
        wait_until_due(zoo, app, url)
        assert not run_round(app)[url].failed
        yield list_stored(app, url)


def places(stored: Sequence[Entry]) -> list[tuple[int, datetime]]:
    """What must never move: which entry it is, and where it stands in the river."""
    return [(entry.id, entry.effective_at) for entry in stored]


def dated(number: int, claimed: datetime | str, guid: str = "") -> str:
    date = claimed if isinstance(claimed, str) else format_datetime(claimed)
    guid = guid or f"urn:zoo:{number}"
    return f"""<item><guid isPermaLink='false'>{guid}</guid><title>Post {number} on models</title>
        <link>http://e.example/{number}</link><pubDate>{date}</pubDate></item>"""


@pytest.mark.parametrize("link", [True, False])
def test_an_id_that_changes_with_each_fetch_republishes_nothing(link: bool, zoo: Zoo) -> None:
    """Z45, F20: more than half of a fetch is new by its ids, and stored by its titles and links."""

    async def restless(visit: Visit) -> None:
        parts = (
            f"<item><guid isPermaLink='false'>{visit.times}-{n}</guid><title>Post {n} on models</title>"
            + (f"<link>http://e.example/{n}</link>" if link else "")
            + f"<description>The text of post {n} stays the same.</description></item>"
            for n in range(20)
        )
        await visit.answer(rss("".join(parts)))

    url = zoo.add(restless)
    zoo.add_healthy(1)
    with zoo.open() as app:
        check_healthy(zoo, run_round(app))
        first = places(list_stored(app, url))
        assert len(first) == 20
        for stored in read_again(zoo, app, url, 5):
            assert places(stored) == first


def test_one_id_for_all_items_loses_none_of_them(zoo: Zoo) -> None:
    """Z46: the second half comes later, and pushes the first half out of the document."""
    posts = [f"<item><guid>same</guid><title>Post {n}</title></item>" for n in range(20)]
    url = zoo.add(bodies_in_turn([rss("".join(posts[n : n + 10])) for n in range(11)]))
    with zoo.open() as app:
        run_round(app)
        counts = [len(stored) for stored in read_again(zoo, app, url, 12)]

        assert counts == [*range(11, 21), 20, 20]
        assert sorted(entry.title for entry in list_stored(app, url)) == sorted(f"Post {n}" for n in range(20))


def test_the_ids_of_another_feed_take_nothing_from_it(zoo: Zoo) -> None:
    """Z47: a key is a feed's own, and no two entries have one public id."""
    victim = zoo.add(serve(rss("".join(item(n) for n in range(5)))))
    spoof = zoo.add(bodies_in_turn([rss("".join(f"<item><guid>urn:zoo:{n}</guid><title>Buy {x}</title></item>"
                                                for n in range(5))) for x in range(4)]))  # fmt: skip
    with zoo.open() as app:
        run_round(app)
        before = list_stored(app, victim)
        for stored in read_again(zoo, app, spoof, 3):
            assert len(stored) == 5
        assert list_stored(app, victim) == before
        everything = list_stored(app)
        assert len({entry.atom_id for entry in everything}) == len(everything) == 10


def test_200_entries_with_neither_id_nor_link_survive_ten_refetches(zoo: Zoo) -> None:
    """Z48: the document's order changes, what is unread in it does not."""

    async def nameless(visit: Visit) -> None:
        posts = [f"<item><title>Post {n}</title><description>Text {n}</description></item>" for n in range(200)]
        visit.rng.shuffle(posts)
        await visit.answer(rss("".join(posts) + f"<!-- {visit.times} -->"))

    url = zoo.add(nameless)
    with zoo.open() as app:
        run_round(app)
        first = places(list_stored(app, url))
        assert len(first) == 200
        for stored in read_again(zoo, app, url, 10):
            assert places(stored) == first

    assert zoo.server.count("/feed-0") == 11


ABSURD = [
    "Mon, 01 Jan 0001 00:00:00 GMT",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-12:00",
    "0000-00-00T00:00:00Z",
    "Fri, 30 Feb 2026 10:00:00 GMT",
    "2026-02-30",
    "Tue, 24 Nov 2026 03:00:00 +9999",
    "2026-11-24T03:00:00+99:99",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "-0001-11-30T00:00:00Z",
    "yesterday",
    "1" * 1000,
    "2026-11-24T25:61:61Z",
    "٢٠٢٦-١١-٢٤",
    "",
]


def test_no_date_is_believed_that_cannot_be(zoo: Zoo) -> None:
    """Z49: each entry is stored, at a time between the beginning of the web and a day from now."""
    url = zoo.add(serve(rss("".join(dated(n, date) for n, date in enumerate(ABSURD)))))
    twin = zoo.add(serve(atom("".join(
        f"<entry><id>urn:{n}</id><title>T{n}</title><published>{date}</published><updated>{date}</updated></entry>"
        for n, date in enumerate(ABSURD)))))  # fmt: skip
    with zoo.open() as app:
        run_round(app)
        for stored in (list_stored(app, url), list_stored(app, twin)):
            assert len(stored) == len(ABSURD)
            for entry in stored:
                assert datetime(1990, 1, 1, tzinfo=UTC) <= entry.effective_at <= START + DAY


def test_a_date_in_the_future_does_not_stick_to_the_top(zoo: Zoo) -> None:
    """Z50: what comes a week later stands above it."""
    future = [dated(n, START + n * 400 * DAY) for n in range(1, 4)]
    url = zoo.add(bodies_in_turn([rss("".join(future)), rss("".join(future) + dated(9, START + DAY / 2))]))
    with zoo.open() as app:
        run_round(app)
        assert [entry.effective_at for entry in list_stored(app, url)] == [START] * 3
        zoo.clock.now += 7 * DAY
        run_round(app)
        with app.db.read() as conn:
            newest = entries.list_entries(conn, EntryQuery(feed_id=get_feed(app, url).id, limit=1))
        assert newest[0].title == "Post 9 on models"


@pytest.mark.parametrize("field", ["pubDate", "updated"])
def test_dates_that_change_with_each_fetch_lift_nothing(field: str, zoo: Zoo) -> None:
    """Z51: the first claim stands."""

    async def restless(visit: Visit) -> None:
        now = START + visit.times * DAY
        if field == "pubDate":
            await visit.answer(rss("".join(dated(n, now - timedelta(hours=n)) for n in range(10))))
        else:
            await visit.answer(atom("".join(
                f"<entry><id>urn:{n}</id><title>T{n}</title><updated>{now.isoformat()}</updated></entry>"
                for n in range(10)), f"<updated>{now.isoformat()}</updated>"))  # fmt: skip

    url = zoo.add(restless)
    with zoo.open() as app:
        run_round(app)
        first = places(list_stored(app, url))
        for stored in read_again(zoo, app, url, 6):
            assert places(stored) == first


def test_entries_without_dates_stand_where_they_were_first_seen(zoo: Zoo) -> None:
    """Z52."""
    old, new = "".join(item(n) for n in range(30)), "".join(item(n) for n in range(30, 33))
    url = zoo.add(bodies_in_turn([rss(old), rss(new + old)]))
    with zoo.open() as app:
        run_round(app)
        wait_until_due(zoo, app, url)
        run_round(app)
        stored = list_stored(app, url)
        assert [entry.effective_at for entry in stored] == [START] * 30 + [zoo.clock.now] * 3
        regroup_stories(app)
        with app.db.read() as conn:
            shown = entries.list_entries(conn, EntryQuery(combined_only=True))
        assert len(shown) == 10 + 3, "of a first import the newest ten, and what came later"


def test_items_that_vanish_and_come_back_are_what_they_were(zoo: Zoo) -> None:
    """Z53: with the same words, months later, even from an empty document."""
    full = rss("".join(dated(n, START - n * DAY) for n in range(10)))
    url = zoo.add(bodies_in_turn([full, rss(""), rss(dated(3, START)), rss(""), full]))
    with zoo.open() as app:
        run_round(app)
        first = places(list_stored(app, url))
        for stored in read_again(zoo, app, url, 4):
            zoo.clock.now += 60 * DAY
            assert places(stored) == first


def test_many_edits_and_orders_leave_the_same_entries(zoo: Zoo) -> None:
    """Z54, fast form: every fetch another order and another text of one entry."""
    edit_often(zoo, times=30)


def edit_often(zoo: Zoo, *, times: int) -> None:
    """Reads a feed ``times`` times within a day or more; each time one entry is edited and all are shuffled.

    Of a day's edits the first two dozen are stored, after that the newest; earlier texts are kept, a few of them.
    """

    async def restless(visit: Visit) -> None:
        posts = [dated(n, START - n * DAY) for n in range(12)]
        posts[0] = posts[0].replace("on models", f"on models, edition {visit.times}.")
        random.Random(visit.times).shuffle(posts)
        await visit.answer(rss("".join(posts)))

    url = zoo.add(restless)
    with zoo.open() as app:
        run_round(app)
        number, first = get_feed(app, url).id, places(list_stored(app, url))
        edited_id = next(entry.id for entry in list_stored(app, url) if "edition" in entry.title)
        for edition in range(1, times + 1):
            zoo.clock.now += timedelta(minutes=10)
            refresh_feeds(app, [number])
            assert places(list_stored(app, url)) == first
            if edition <= MAX_EDITS:
                assert any(f"edition {edition}." in entry.title for entry in list_stored(app, url))
        assert not any(f"edition {times}." in entry.title for entry in list_stored(app, url))
        zoo.clock.now += 2 * DAY
        refresh_feeds(app, [number])
        assert any(f"edition {times + 1}." in entry.title for entry in list_stored(app, url))
        with app.db.read() as conn:
            assert 1 <= len(list_versions(conn, edited_id)) <= MAX_VERSIONS


def test_a_known_feed_that_changes_all_its_ids_and_links_floods_nobody(zoo: Zoo) -> None:
    """F20: a blog moves to another domain: http becomes https, ids and links change, titles and texts do not."""

    def post(n: int, home: str) -> str:
        text = f"What post {n} says about models, tools and prices, in a sentence long enough to tell it from others."
        return f"""<item><guid>{home}/{n}</guid><link>{home}/{n}</link><title>Post {n} on models</title>
            <pubDate>{format_datetime(START - n * DAY)}</pubDate><description>{text}</description></item>"""

    old = "".join(post(n, "http://old.example/posts") for n in range(20))
    new = "".join(post(n, "https://new.example/p") for n in range(20))
    url = zoo.add(bodies_in_turn([rss(old), rss(new), rss(new + post(99, "https://new.example/p"))]))
    with zoo.open() as app:
        run_round(app)
        first = places(list_stored(app, url))
        wait_until_due(zoo, app, url)
        run_round(app)
        assert places(list_stored(app, url)) == first
        wait_until_due(zoo, app, url)
        run_round(app)
        assert places(list_stored(app, url))[:20] == first
        assert len(list_stored(app, url)) == 21
