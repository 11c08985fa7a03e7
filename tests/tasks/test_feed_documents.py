"""Which feeds there are, what is in each, and that older pages lead to all the rest."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from aggregator.model.feed import FeedSpec
from aggregator.storage import entries, feeds
from aggregator.storage.entries import EntryQuery
from aggregator.storage.search_index import save_words
from tests.fixtures.program import Program
from tests.render.checks import check_json, check_rss
from tests.tasks.told import ATOM, DAY, HOUR, find_path, list_ids, open_press

SITE = "http://news.example.org"


def test_each_feed_is_there_in_three_formats(program: Program) -> None:
    """With the same items, a way to the page for people, and no search engine asked to keep it."""
    with open_press(program) as press:
        press.tell("A chip for all", tags=["nvidia"])
        press.tell("Ein Chip für alle", language="de", feed="b", ago=2 * HOUR)
        number = press.get_feed_id("a")
        for path, view, count in (
            ("/feed", "/feed", 2),
            ("/tags/nvidia", "/tags/nvidia", 1),
            ("/lang/de", "/lang/de", 1),
            (f"/feeds/{number}", f"/feeds/{number}", 1),
        ):
            atom, rss, feed = (press.find(f"{path}.{suffix}") for suffix in ("atom", "rss", "json"))
            assert atom and rss and feed
            assert len(list_ids(press.read(f"{path}.atom"))) == count
            assert len(check_rss(rss.body).findall("item")) == count
            assert len(check_json(feed.body)["items"]) == count
            assert [page.view_path for page in (atom, rss, feed)] == [view] * 3
            assert atom.noindex and rss.noindex and feed.noindex
            assert json.loads(feed.body)["feed_url"] == f"{SITE}{path}.json"
            assert atom.content_type.startswith("application/atom+xml")


@pytest.mark.parametrize(
    "path",
    [
        "/tags/no-such-tag.atom",
        "/lang/xx.atom",
        "/lang/xx/before/1.atom",
        "/feeds/99.atom",
        "/feeds/999999999999999999.rss",
        f"/feeds/{'9' * 40}.json",
        "/feed.xml",
        "/before/99.atom",
        "/before/999999999999999999.rss",
        f"/before/{'9' * 40}.atom",
        "/tags/nvidia/before/99.atom",
        "/issues/monthly.atom",
        "/archive/2026-W09.atom",
        "/archive/0000-W00.atom",
        "/archive/9999-W53.atom",
        "/archive/2026-W11.atom",
        "/tags/nvidia/archive/2026-W10.atom",
        "/feeds/1/archive/2026-W10.atom",
    ],
)
def test_what_is_not_there_is_nothing(program: Program, path: str) -> None:
    with open_press(program) as press:
        press.tell("A chip for all", tags=["nvidia"])

        assert press.find(path) is None


def test_every_entry_is_there_for_the_asking(program: Program) -> None:
    """Under another id, because it is another feed; the editor may make it what all get."""
    with open_press(program) as press:
        _, told = press.tell("A lead")
        press.tell("Another voice", story=told, feed="b", ago=HOUR / 2)
        default, each = press.read("/feed.atom"), press.read("/feed.atom?entries=1")

        assert press.list_titles("/feed.atom") == ["A lead"]
        assert press.list_titles("/feed.atom?entries=1") == ["Another voice", "A lead"]
        assert press.list_titles("/feed.atom?stories=0") == ["Another voice", "A lead"]
        assert press.list_titles("/feed.atom?entries=0") == ["A lead"]
        assert each.findtext(f"{ATOM}id") == f"{default.findtext(f'{ATOM}id')}/entries"
        assert find_path(each, "self") == "/feed.atom?entries=1"
    with open_press(program, combined={"one_per_story": False}) as press:
        assert press.list_titles("/feed.atom") == ["Another voice", "A lead"]
        assert press.read("/feed.atom?entries=1").findtext(f"{ATOM}id") == default.findtext(f"{ATOM}id")


def test_no_feed_crowds_out_the_others(program: Program) -> None:
    """Of each so many at most, and what is newest; its own feed holds them all, and older pages what is left out."""
    with open_press(program, combined={"per_feed": 2}) as press:
        for number in range(5):
            press.tell(f"Flood {number}", feed="flood", ago=(number + 1) * HOUR)
        press.tell("Quiet", feed="quiet", ago=9 * HOUR)
        first = press.list_titles("/feed.atom")
        all_told = [title for page in press.follow("/feed.atom", "next") for title in list_ids(page)]

        assert first[0] == "Flood 0"
        assert len(first) == 3
        assert "Quiet" in first
        assert len(set(all_told)) == 6
        assert len(press.list_titles(f"/feeds/{press.get_feed_id('flood')}.atom")) == 5
    with open_press(program, combined={"per_feed": 0}) as press:
        assert len(press.list_titles("/feed.atom")) == 6


def test_older_pages_lead_to_all_the_rest_and_back(program: Program) -> None:
    """Each story once on the pages; RSS and JSON have them, too; what comes in shifts none."""
    with open_press(program, combined={"limit": 5}) as press:
        told = [press.tell(f"Story {number}", feed=f"f{number}", ago=(number + 1) * HOUR)[0] for number in range(100)]
        first, *pages = press.follow("/feed.atom", "next")
        ids = [number for page in (first, *pages) for number in list_ids(page)]
        before = press.find(f"/before/{told[50]}.atom")
        press.tell("Newest", feed="new", ago=HOUR / 60)
        after = press.find(f"/before/{told[50]}.atom")
        json_next = json.loads(press.find("/feed.json").body)["next_url"]  # type: ignore[union-attr]

        assert len(ids) == len(set(ids)) == 100
        assert len(list_ids(first)) == 5
        assert [find_path(page, "first") for page in pages] == ["/feed.atom"] * len(pages)
        assert before and after and before.body == after.body
        assert json_next.startswith(f"{SITE}/before/") and json_next.endswith(".json")
        back = list(press.follow(find_path(pages[-1], "self"), "previous"))
        assert find_path(back[-1], "self") == "/feed.atom"
        assert {number for page in back for number in list_ids(page)} >= set(ids)


def test_a_feed_and_a_language_have_pages_of_their_own(program: Program) -> None:
    with open_press(program, combined={"limit": 5, "per_feed": 0}) as press:
        for number in range(40):
            ago = (number + 1) * HOUR
            press.tell(f"Story {number}", feed="ab"[number % 2], language="de", tags=["nvidia"], ago=ago)
        for path in (f"/feeds/{press.get_feed_id('a')}", "/lang/de", "/tags/nvidia"):
            ids = [number for page in press.follow(f"{path}.atom", "next") for number in list_ids(page)]
            assert len(ids) == len(set(ids)) == (20 if path.startswith("/feeds") else 40), path
        other = press.tell("Another feed's", feed="c", ago=2 * HOUR)[0]
        assert press.find(f"/feeds/{press.get_feed_id('a')}/before/{other}.atom") is None


def test_a_place_stays_one_when_its_entry_is_hidden(program: Program) -> None:
    with open_press(program) as press:
        first, _ = press.tell("First", ago=HOUR)
        press.tell("Second", ago=2 * HOUR)
        press.hide(first)

        assert press.list_titles(f"/before/{first}.atom") == ["Second"]
        assert press.list_titles("/feed.atom") == ["Second"]


def test_whole_content_only_where_the_editor_allows_it(program: Program) -> None:
    """Else the excerpt; a post of our own has no other place to be read at."""
    with open_press(program) as press:
        for feed, free in (("free", True), ("bound", False)):
            press.tell(feed, feed=feed, content_html="<p>The whole of it.</p>", excerpt="Its beginning.")
            with press.app.db.write() as conn:
                spec = FeedSpec(url=f"https://{feed}.example/feed", origin="added", full_content=free)
                feeds.add(conn, spec, press.clock())
        press.tell("own", feed="own", url="", content_html="<p>The whole of it.</p>", ago=9 * HOUR)
        found = {
            entry.findtext(f"{ATOM}title"): "The whole of it." in (entry.findtext(f"{ATOM}content") or "")
            for entry in press.read("/feed.atom").iter(f"{ATOM}entry")
        }

    assert found == {"free": True, "bound": False, "own": True}


def test_a_search_is_a_feed_whatever_is_asked(program: Program) -> None:
    """What cannot be searched for finds nothing, and is no fault."""
    with open_press(program) as press:
        press.tell("A chip for all")
        for asked in ("", "%22", "-chip", "x" * 5_000, "%00", "%EF%BF%BF"):
            assert press.list_titles(f"/search.atom?q={asked}") == []


def test_a_search_finds_a_story_by_the_newest_of_its_entries(program: Program) -> None:
    """Under its own id; every entry for the asking; an address that says again what was asked."""
    with open_press(program) as press:
        _, told = press.tell("Glacier stations report", ago=3 * HOUR)
        press.tell("A glacier reports by itself", feed="b", story=told, ago=2 * HOUR)
        press.tell("Kettles", feed="c")
        with press.app.db.write() as conn:
            found = entries.list_entries(conn, EntryQuery())
            save_words(conn, {entry.id: " ".join(entry.title.lower().split()) for entry in found})
        document = press.read("/search.atom?q=glacier")

        assert press.list_titles("/search.atom?q=glacier") == ["A glacier reports by itself"]
        assert list_ids(document) == [press.get_story(told).atom_id]
        assert find_path(document, "self") == "/search.atom?q=glacier"
        assert len(press.list_titles("/search.atom?q=glacier&entries=1")) == 2
        page = press.find("/search.json?q=glacier")
        assert page and page.view_path == "/search?q=glacier"


def test_whom_we_read_can_be_taken_over(program: Program) -> None:
    """No token, no header, no folder."""
    (program.folder / "posts").mkdir()
    sources = [
        {"url": "https://a.example/feed?token=sesame", "title": "A", "language": "en"},
        {"url": "https://b.example/feed", "headers": {"Authorization": "Bearer sesame"}},
        {"folder": "posts"},
    ]
    with open_press(program, feeds=sources) as press:
        page = press.find("/feeds.opml")
        assert page
        (outline,) = etree.fromstring(page.body).iter("outline")

    assert dict(outline.attrib) == {
        "type": "rss",
        "text": "A",
        "title": "A",
        "xmlUrl": "https://a.example/feed",
        "language": "en",
    }
    assert b"sesame" not in page.body and b"posts" not in page.body


def test_a_newsletter_has_a_feed_of_its_issues(program: Program) -> None:
    """Empty at first; one that is made no more keeps it as long as there are issues."""
    with open_press(program) as press:
        page = press.find("/issues/weekly.atom")
        assert page and not page.noindex
        assert list_ids(press.read("/issues/weekly.atom")) == []


def test_a_hub_stands_in_living_documents_that_it_is_told_of(program: Program) -> None:
    site = {"title": "AI News", "url": SITE, "contact": "e@example.org", "hub": "https://hub.example.org/"}
    with open_press(program, site=site, combined={"limit": 1}) as press:
        first, _ = press.tell("One", tags=["nvidia"])
        press.tell("Two", feed="b", ago=2 * HOUR)
        named = {
            path: b"https://hub.example.org/" in press.find(path).body  # type: ignore[union-attr]
            for path in ("/feed.atom", "/feed.rss", "/feed.json", "/tags/nvidia.atom", "/tags/nvidia.rss")
        }
        assert named == dict.fromkeys(named, True) | {"/tags/nvidia.rss": False}
        for path in (f"/before/{first}.atom", "/feed.atom?entries=1", f"/feeds/{press.get_feed_id('a')}.atom"):
            assert b"hub.example.org" not in press.find(path).body, path  # type: ignore[union-attr]


def test_the_same_content_makes_the_same_bytes(program: Program) -> None:
    """Also a day later, and after what came before the window has left it."""
    with open_press(program) as press:
        press.tell("One", tags=["nvidia"])
        press.tell("Two", feed="b", ago=2 * DAY)
        seen = [press.find(path) for path in ("/feed.atom", "/feed.rss", "/feed.json", "/tags/nvidia.atom")]
        press.clock.move(days=1)
        again = [press.find(path) for path in ("/feed.atom", "/feed.rss", "/feed.json", "/tags/nvidia.atom")]

        assert [page.body for page in seen if page] == [page.body for page in again if page]
        press.clock.move(weeks=2)
        assert len(press.list_titles("/feed.atom")) == 2


def test_what_no_rule_has_looked_at_yet_is_in_no_feed(program: Program) -> None:
    """Not even in that of where it comes from: readers' programs keep what they have seen once."""
    with open_press(program) as press:
        press.tell("Looked at")
        press.save("Fresh", feed="a")

        for path in ("/feed.atom", "/feed.atom?entries=1", f"/feeds/{press.get_feed_id('a')}.atom"):
            assert press.list_titles(path) == ["Looked at"], path


#: What happens to one of six stories: another lead, another voice, a merge with the next one; or nothing.
TURNS = st.lists(st.tuples(st.sampled_from(["lead", "voice", "merge", "hide", "wait"]), st.integers(0, 5)), max_size=8)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TURNS)
def test_nothing_is_shown_twice_whatever_happens_to_stories(program: Program, turns: list[tuple[str, int]]) -> None:
    """An id stands once; nothing is left of a story that another has swallowed; no change is dated back."""
    with open_press(program) as press:
        press.hide(*press.list_ids())  # of the examples before this one
        told = [press.tell(f"Story {number}", feed=f"f{number}", ago=(number + 1) * HOUR)[1] for number in range(6)]
        dates: dict[str, datetime] = {}
        for turn, number in turns:
            press.clock.move(minutes=5)
            if number < len(told) - 1 and turn == "merge":
                press.merge(told[number], told.pop(number + 1))
            elif number < len(told) and turn in ("lead", "voice"):
                press.tell("Another", feed="other", story=told[number], leads=turn == "lead", ago=HOUR / 60)
            elif number < len(told) and turn == "hide":
                press.hide(press.get_story(told[number]).lead.id)
                told = [one for one in told if press.has_story(one)]
            document = press.read("/feed.atom")
            ids, links = list_ids(document), [find_path(entry, "alternate") for entry in document.iter(f"{ATOM}entry")]
            assert len(ids) == len(set(ids)) == len(told)
            assert len(links) == len(set(links))
            for entry in document.iter(f"{ATOM}entry"):
                at = datetime.fromisoformat(entry.findtext(f"{ATOM}updated") or "")
                assert at >= dates.get(entry.findtext(f"{ATOM}id") or "", at)
                dates[entry.findtext(f"{ATOM}id") or ""] = at
