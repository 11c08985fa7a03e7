"""The river, one story and one entry at the desk; both databases."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from aggregator.app import App
from aggregator.model.ids import EntryId, StoryId
from aggregator.model.parsed import ParsedEntry
from aggregator.model.rule import RuleDecision, Verdict
from aggregator.storage import audit, rules, rulings, story_pages
from aggregator.storage.entries import EntryQuery
from aggregator.storage.search_index import save_words
from aggregator.storage.story_pages import StoryPage
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.rulings import keep_apart
from tests.fixtures.program import Program
from tests.storage.samples import NOW, ensure_feed, make_entry, save_entries, tag_entries
from tests.tasks.test_rulings import SAME, get_story_of, list_groups, regroup_all, store
from tests.web.conftest import Door
from tests.web.desk_door import Visitor, make_visitor

Serve = Callable[..., Door]
HOSTILE = "<script>alert(1)</script> “A robot’s laundry & more"
LATER = NOW + timedelta(hours=20)


def store_some(app: App) -> Sequence[EntryId]:
    """One story of three feeds, and two of one each."""
    ids = [store(app, feed, SAME, place) for place, feed in enumerate("abc")]
    ids += [store(app, "d", "Harbour cranes learn to see"), store(app, "e", HOSTILE)]
    regroup_stories(app)
    return ids


def find_story(app: App, entry_id: EntryId) -> StoryId:
    return get_story_of(app, entry_id).id


def list_titles(text: str) -> list[str]:
    return [html.unescape(found) for found in re.findall(r"<h2[^>]*><a [^>]*>([^<]+)</a></h2>", text)]


def undo(visitor: Visitor, reply: Any) -> Any:
    """By the button of the page that an action leads to."""
    line = reply.headers["location"].partition("done=")[2]
    return visitor.post(f"/log/{line}/undo")


def test_stories_are_merged_split_and_led_and_all_of_it_is_taken_back(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app(now=lambda: LATER) as app:
        a, b, c, d, _ = store_some(app)
        visitor = make_visitor(app, serve(app))
        main, other = find_story(app, a), find_story(app, d)
        alone = visitor.post("/stories/merge", stories=str(main), back="/stories?days=3")
        assert alone.status == 422 and "Tick two stories" in alone.text and 'value="/stories?days=3"' in alone.text
        merged = visitor.post("/stories/merge", stories=[str(main), str(other)], back="/stories?days=1")
        assert merged.headers["location"].startswith("/admin/stories?days=1&done="), merged.headers
        assert "Stories were merged" in visitor.follow(merged).text
        assert {a, b, c, d} in list_groups(app)
        gone = visitor.get(f"/stories/{max(main, other)}")
        assert gone.status == 302 and gone.headers["location"] == f"/admin/stories/{min(main, other)}"
        assert undo(visitor, merged).status == 303
        assert [{a, b, c}, {d}] == [group for group in list_groups(app) if a in group or d in group]
        assert visitor.get(f"/stories/{other}").status == 200

        split = visitor.post(f"/stories/{main}/split", entries=str(c))
        shown = visitor.follow(split).text
        assert split.status == 303 and {a, b} in list_groups(app) and "Never together" in shown
        led = visitor.post(f"/stories/{main}/lead", entry=str(b))
        assert led.status == 303 and get_story_of(app, a).lead.id == b
        assert visitor.post(f"/stories/{main}/lead", entry=str(b)).status == 422
        assert undo(visitor, led).status == 303 and get_story_of(app, a).lead.id == a
        apart = visitor.post(f"/stories/{main}/never", entries=[str(a), str(b)])
        assert apart.status == 303 and {a} in list_groups(app)
        back = visitor.post(f"/stories/{main}/take-back", kind="never", entry=str(b), other=str(a))
        assert back.status == 303 and {a, b} in list_groups(app)
        assert visitor.post(f"/stories/{main}/take-back", kind="never", entry=str(b), other=str(a)).status == 422
        assert undo(visitor, back).status == 303 and {a} in list_groups(app)
        assert undo(visitor, apart).status == 303 and {a, b} in list_groups(app)
        assert undo(visitor, split).status == 303 and {a, b, c} in list_groups(app)
        regroup_all(app)
        assert {a, b, c} in list_groups(app) and {d} in list_groups(app)
        with app.db.read() as conn:
            assert rulings.list_rulings(conn) == ()
            assert {line.action for line in audit.list_changes(conn)} == {
                "account.add", "story.merge", "story.split", "story.lead", "story.never", "ruling.remove", "undo",
            }  # fmt: skip


def test_what_others_said_meanwhile_is_not_overwritten(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app(now=lambda: LATER) as app:
        a, b, c, *_ = store_some(app)
        visitor = make_visitor(app, serve(app))
        split = visitor.post(f"/stories/{find_story(app, a)}/split", entries=str(c))
        keep_apart(app, a, b)
        refused = undo(visitor, split)
        assert refused.status == 422 and "something else was said" in refused.text
        assert {a} in list_groups(app)
        assert visitor.post(f"/stories/{find_story(app, a)}/split", entries=str(a)).status == 422
        assert visitor.post(f"/stories/{find_story(app, a)}/split", entries=str(c)).status == 422
        assert visitor.post("/stories/999999/split", entries=str(c)).status == 404
        assert visitor.post(f"/stories/{find_story(app, a)}/split", entries=["x"]).status == 422
        assert visitor.post("/stories/999999/pin").status == 404


def test_a_story_is_put_first_and_last_and_where_its_score_says(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app(now=lambda: LATER) as app:
        a, *_, d, e = store_some(app)
        visitor = make_visitor(app, serve(app))
        page = visitor.get("/stories").text
        assert set(list_titles(page)) == {SAME, "Harbour cranes learn to see", HOSTILE}
        assert list_titles(page)[0] == SAME and "3 independent sources" in page and "<script>alert" not in page
        pinned = visitor.post(f"/stories/{find_story(app, e)}/pin", back="/stories")
        assert list_titles(visitor.follow(pinned).text)[0] == HOSTILE
        buried = visitor.post(f"/stories/{find_story(app, a)}/bury", back="/stories")
        assert list_titles(visitor.follow(buried).text)[-1] == SAME
        assert visitor.post(f"/stories/{find_story(app, a)}/bury").status == 422
        assert visitor.post(f"/stories/{find_story(app, a)}/unplace", back="//elsewhere.example").status == 422
        assert visitor.post(f"/stories/{find_story(app, a)}/unplace").status == 303
        assert list_titles(visitor.get("/stories?place=pin").text) == [HOSTILE]
        assert list_titles(visitor.get("/stories?place=bury").text) == []
        assert undo(visitor, pinned).status == 303
        assert list_titles(visitor.get("/stories").text)[0] == SAME
        assert {story["id"] for story in program.json("stories", "list")} == {find_story(app, n) for n in (a, d, e)}


def test_pages_tell_each_story_once_and_are_found_by_what_one_knows(
    program: Program, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.configure()
    with program.app(now=lambda: LATER) as app:
        ids = store_some(app)
        with app.db.write() as conn:
            tag_entries(conn, {ids[3]: ("openai",)})
            save_words(conn, {ids[0]: "a laboratory", ids[3]: "harbour cranes learn to see"})
        told = {find_story(app, number) for number in ids}
        week = EntryQuery(since=LATER - timedelta(days=7), until=LATER)

        def walk(read: Callable[..., StoryPage]) -> list[StoryId]:
            found: list[StoryId] = []
            below: int | None = None
            with app.db.read() as conn:
                while True:
                    page = read(conn, week, below=below, limit=1)
                    found += [story.id for story in page.stories]
                    if page.more is None or len(found) > 9:
                        return found
                    below = page.more

        by_rank = walk(story_pages.list_best)
        assert set(by_rank) == told and len(by_rank) == 3
        monkeypatch.setattr(story_pages, "_FEW", 0)
        monkeypatch.setattr(story_pages, "_LOOKED_AT", 2)
        assert walk(story_pages.list_best) == by_rank
        with app.db.read() as conn:
            day = replace(week, since=LATER - timedelta(days=1))
            assert len(story_pages.list_best(conn, day, below=None, limit=9).stories) == 3
        newest = walk(story_pages.list_newest)
        assert set(newest) == told and len(newest) == 3
        monkeypatch.undo()

        visitor = make_visitor(app, serve(app))
        feed = get_story_of(app, ids[3]).lead.feed_id
        for query in (
            f"feed={feed}",
            "feed=d.example",
            "tag=OpenAI",
            "tag=openai&order=newest",
            "q=crane+harbour+-lab",
        ):
            page = visitor.get(f"/stories?{query}")
            assert list_titles(page.text) == ["Harbour cranes learn to see"], query
        assert len(list_titles(visitor.get("/stories?language=en&day=2026-03-04").text)) == 3
        assert list_titles(visitor.get("/stories?day=2026-03-01").text) == []
        for query in ("q=-x", "tag=zzzzz", "feed=nothing", "day=2026-02-31", "before=abc&order=%00&days=%F0"):
            page = visitor.get(f"/stories?{query}")
            assert page.status == 200 and ("fault" in page.text) == ("before" not in query), query


def test_an_entry_says_why_it_is_what_it_is(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app(now=lambda: LATER) as app:
        with app.db.write() as conn:
            feed_id = ensure_feed(conn, "https://a.example/feed")
            said: dict[str, Any] = {"title": HOSTILE, "published_at": NOW - timedelta(days=90)}
            first = make_entry(
                "k<b>", **said, content_html='<p>Folded <img src="https://x.example/p.png" alt="a pile"> shirts.</p>',
                parsed=ParsedEntry(id="k<b>", content_html="<p onclick=x>Folded shirts.</p>", **said),
            )  # fmt: skip
            (number,) = save_entries(conn, first, feed_id=feed_id)
            tag_entries(conn, {number: ("openai", "robots")})
            drop = RuleDecision(rule="no <laundry>", action="drop")
            rules.save_verdicts(conn, {number: Verdict(hidden=True, decisions=(drop,))})
        visitor = make_visitor(app, serve(app))
        page = visitor.get(f"/entries/{number}")
        text = html.unescape(page.text)
        assert page.status == 200 and "<script>alert" not in page.text and "<laundry>" not in page.text
        assert "Folded a pile shirts." in text and "<img" not in page.text
        assert "no <laundry>" in text and "keeps it from readers" in text
        assert "more than 30 days back" in text and "onclick=x" in text
        assert visitor.get("/entries/999999").status == 404
        assert visitor.get(f"/stories?q={'x' * 2000}").status == 200
