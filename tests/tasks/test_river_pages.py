"""Older entries: what stands below an entry, of everything, one tag or one language; nothing shifts."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from aggregator.app import App
from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId
from aggregator.storage import entries
from aggregator.storage.entries import EntryQuery
from aggregator.tasks.river import LEAST, MOST, build_river_page, build_stories_page, cut_page
from aggregator.tasks.site.found import Page
from aggregator.tasks.site.routes import find_page
from tests.fixtures.program import Program
from tests.fixtures.smtp_server import SmtpServer
from tests.pipeline.stories import make_entry
from tests.tasks.paper import SLOT, Paper

COUNT = 90


@pytest.fixture
def paper(program: Program, smtp_server: SmtpServer) -> Paper:
    """Ninety posts, three an hour (three at one instant each); each fifth in Japanese and about NVIDIA."""
    made = Paper(program, smtp_server)
    for number in range(COUNT):
        made.post(number, SLOT - timedelta(hours=2 + number // 3), title=f"NVIDIA, {number}" if number % 5 == 0 else "")
        if number % 5 == 0:
            path = made.folder / f"{number}.md"
            path.write_text(path.read_text(encoding="utf-8").replace("---\ntitle", "---\nlang: ja\ntitle"), "utf-8")
    made.configure()
    return made


def list_all(app: App, **query: str) -> list[EntryId]:
    with app.db.read() as conn:
        found = entries.list_entries(conn, EntryQuery(until=app.now(), combined_only=True, **query))  # type: ignore[arg-type]
    return [entry.id for entry in found]


def walk(app: App, path: str) -> list[EntryId]:
    """The entries as a reader meets them who goes from ``path`` to the end."""
    met: list[EntryId] = []
    while path:
        page = find_page(app, path)
        assert isinstance(page, Page)
        text = page.body.decode()
        river = text[text.index('class="river') :]
        met += [EntryId(int(number)) for number in re.findall(r'<a href="/entries/(\d+)"', river)]
        older = re.search(r'<a rel="next" href="([^"]+)"', text)
        path = older[1] if older else ""
    return met


@pytest.mark.parametrize(
    ("path", "query"), [("/", {}), ("/tags/nvidia", {"tag": "nvidia"}), ("/lang/ja", {"language": "ja"})]
)
def test_who_reads_to_the_end_has_met_every_entry_once(paper: Paper, path: str, query: dict[str, str]) -> None:
    """In the order of the river, whatever it is narrowed to; several entries of one instant included."""
    with paper.app() as app:
        paper.read(app)
        wanted = list_all(app, **query)

        assert walk(app, path) == wanted
        assert len(wanted) == (COUNT if path == "/" else COUNT // 5)


def test_a_page_does_not_shift_when_entries_come_in_or_its_place_is_hidden(paper: Paper) -> None:
    """It stands below an entry, and an entry's place never changes."""
    with paper.app() as app:
        paper.read(app)
        older = build_stories_page(app).older_id
        assert older is not None
        before = build_river_page(app, older)
        for number in range(COUNT, COUNT + 10):
            paper.post(number, SLOT - timedelta(hours=1))
        paper.read(app)
        after = build_river_page(app, older)

        assert before is not None and after is not None
        assert [entry.id for entry in after.river] == [entry.id for entry in before.river]
        assert after.older_id == before.older_id


def test_the_way_up_meets_every_entry_too(paper: Paper) -> None:
    """From the lowest page to the first one."""
    with paper.app() as app:
        paper.read(app)
        numbers = list_all(app)
        place: EntryId | None = numbers[-10]
        met = set(numbers[-9:])
        while place is not None:
            page = build_river_page(app, place)
            assert page is not None
            met |= {entry.id for entry in page.river}
            place = page.newer_id
        met |= {entry.id for entry in build_stories_page(app).river}

        assert met == set(numbers)


def test_from_the_second_page_the_way_up_is_the_first(paper: Paper) -> None:
    """However long the first one is: there is no page of nearly the same entries in between."""
    with paper.app() as app:
        paper.read(app)
        lengths = set()
        for number in range(COUNT, COUNT + 12):
            paper.post(number, SLOT - timedelta(hours=1))
            paper.read(app)
            first = build_stories_page(app)
            assert first.older_id is not None
            second = build_river_page(app, first.older_id)
            lengths.add(len(first.river))

            assert second is not None and second.newer_id is None

        assert len(lengths) > 3


@pytest.mark.parametrize(
    "path",
    [
        "/before/999999999999999999",
        "/before/0",
        "/before/",
        "/before/x",
        "/tags/nonesuch/before/1",
        "/lang/xx",
        "/lang/xx/before/1",
        "/lang/japanese",
        "/lang/JA",
    ],
)
def test_what_is_not_there_is_not_found(paper: Paper, path: str) -> None:
    """No entry, no tag, no entry in that language."""
    with paper.app() as app:
        paper.read(app)

        assert find_page(app, path) is None


def test_below_the_last_entry_there_is_no_page(paper: Paper) -> None:
    """An empty page would be one that search engines and exports walk into."""
    with paper.app() as app:
        paper.read(app)

        assert find_page(app, f"/before/{list_all(app)[-1]}") is None


def test_a_tag_is_counted_by_week(paper: Paper) -> None:
    """Each entry once, however many rows put the tag on it."""
    with paper.app() as app:
        paper.read(app)
        page = build_stories_page(app, tag=next(t for t in build_stories_page(app).tags.values() if t.slug == "nvidia"))

        assert page.by_week == (*(0,) * 11, COUNT // 5)


def make_row(numbers: list[int]) -> list[Entry]:
    return [make_entry(number) for number in numbers]


def test_a_page_ends_where_most_pages_end() -> None:
    """At certain entries, so that what comes in above moves no page below; never short, never long."""
    page, older = cut_page(make_row(list(range(100, 100 - MOST - 1, -1))))
    later, older_then = cut_page(make_row(list(range(105, 105 - MOST - 1, -1))))

    assert (page[-1].id, older) == (75, 75)
    assert (later[-1].id, older_then) == (75, 75)
    assert cut_page(make_row([7] * (MOST + 1)))[1] == 7 and len(cut_page(make_row([7] * (MOST + 1)))[0]) == MOST
    assert cut_page(make_row([15] * LEAST)) == (tuple(make_row([15] * LEAST)), None)
    assert cut_page([]) == ((), None)


def test_a_tag_page_is_the_same_all_day_when_nothing_happens(paper: Paper) -> None:
    """Its weeks end at midnight of the site's place, so that a static site need not be written anew."""
    with paper.app() as app:
        paper.read(app)
        pages = []
        for hours in (0.0, 5.5, 20.0):
            paper.clock.move(hours=hours)
            found = find_page(app, "/tags/nvidia")
            assert isinstance(found, Page)
            pages.append(found.body)

    assert pages[0] == pages[1] != pages[2]
