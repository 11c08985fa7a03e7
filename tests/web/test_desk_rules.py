"""Rules at the desk: written, tried on what came last, put in order, obeyed, taken back; both databases."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

from aggregator.app import App
from aggregator.storage import audit, entries
from aggregator.storage.entries import EntryQuery
from aggregator.tasks.desk.rules import list_rules, set_rules
from aggregator.tasks.tag import is_retagging, retag_some
from tests.fixtures.program import Program
from tests.tasks.test_rulings import store
from tests.web.conftest import Door
from tests.web.desk_door import make_visitor

Serve = Callable[..., Door]
OWN = {"name": "ads", "when": {"title": ["ad", "promo"]}, "drop": True}
WEIGH = {"name": "cranes", "when": {"title": "crane*"}, "weight": 2}
TITLES = ("Harbour cranes learn to see", "Promo: cranes for sale", "<b>A quiet</b> day & more")


def names(app: App) -> list[str]:
    return [rule["name"] for rule in list_rules(app)]


def undo(visitor: Any, reply: Any) -> Any:
    return visitor.post(f"/log/{reply.headers['location'].partition('done=')[2].partition('#')[0]}/undo")


def test_a_rule_is_tried_written_moved_obeyed_and_taken_back(program: Program, serve: Serve) -> None:
    program.configure(rules=[OWN])
    with program.app() as app:
        ids = [store(app, f"feed-{place}", title, place) for place, title in enumerate(TITLES)]
        while retag_some(app).read:
            pass
        visitor = make_visitor(app, serve(app))
        page = visitor.get("/rules").text
        assert "config.yaml:" in page and "Back to the file" not in page and "has in its title" in page

        form = {"way": "fields", "name": "cranes", "title": "crane*\nderrick", "weight": "2"}
        tried = visitor.post("/rules/try", **form).text
        assert "holds for 2 of the newest 3" in tried and '<mark dir="auto">crane</mark>' in tried
        assert "hides what this one does something to" in tried and "would count otherwise" in tried
        assert "<h1>" not in tried and "<h1>" in visitor.post("/rules/try", whole="yes", **form).text
        assert names(app) == ["ads"]

        added = visitor.post("/rules/new", **form)
        assert "A rule was written" in visitor.follow(added).text and names(app) == ["ads", "cranes"]
        moved = visitor.post("/rules/move", item="2", before="1")
        shown = visitor.follow(moved).text
        assert names(app) == ["cranes", "ads"] and "Back to the file" in shown and "stands in place of" in shown
        assert is_retagging(app) and "is being judged again" in shown
        while is_retagging(app):
            retag_some(app)
        with app.db.read() as conn:
            found = {entry.id: entry for entry in entries.list_entries(conn, EntryQuery(ids=tuple(ids), hidden="too"))}
        assert [found[number].weight for number in ids] == [2, 2, 1] and found[ids[1]].hidden

        trace = visitor.get(f"/rules/trace?entry={ids[1]}").text
        assert trace.count('class="holds"') == 2 and ">promo</mark>" in trace.lower()
        assert "&lt;b&gt;" in visitor.get(f"/rules/trace?entry={ids[2]}").text
        assert undo(visitor, moved).status == undo(visitor, added).status == 303
        assert names(app) == ["ads"] and "Back to the file" not in visitor.get("/rules").text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_fields_and_yaml_say_the_same_and_mistakes_stand_at_their_fields(program: Program, serve: Serve) -> None:
    program.configure(rules=[OWN])
    with program.app() as app:
        visitor = make_visitor(app, serve(app))
        wrong = visitor.post("/rules/new", name="ads", title="/(/", weight="much", section="x")
        assert wrong.status == 422 and list_rules(app) == [OWN]
        for name in ("name", "title", "weight"):
            assert f'id="fault-{name}"' in wrong.text
        assert 'value="much"' in wrong.text and "/(/" in wrong.text
        nothing = visitor.post("/rules/new", name="lazy", title="x")
        assert nothing.status == 422 and "does nothing" in nothing.text

        yaml = visitor.post("/rules/write", name="new", feeds="A Feed", bears="openai, robotics", stop="yes").text
        text = unescape(yaml.partition('spellcheck="false">')[2].partition("</textarea>")[0])
        assert "scope: feed:A Feed" in text and "tag: [openai, robotics]" in text and "stop: true" in text
        back = visitor.post("/rules/write", way="yaml", yaml=text).text
        assert 'value="openai, robotics"' in back and 'id="yaml"' not in back
        more = visitor.post("/rules/write", way="yaml", yaml=f"{text}not: {{max_words: 3}}\n")
        assert more.status == 422 and "says more than the fields can" in more.text and "max_words: 3" in more.text
        for broken in (
            "a: [",
            "- a\n- b",
            "name: x\nwen: 1\ndrop: true",
            "name: 2024-01-01\nweight: .nan",
            "\t",
            "&a [*a]",
        ):
            assert visitor.post("/rules/new", way="yaml", yaml=broken).status == 422, broken
            assert "notice bad" in visitor.post("/rules/try", way="yaml", yaml=broken).text, broken
        assert visitor.follow(visitor.post("/rules/new", way="yaml", yaml=text)).status == 200
        assert "A Feed</textarea>" in visitor.get("/rules/2/edit").text
        assert visitor.get("/rules/9/edit").status == visitor.post("/rules/9/remove").status == 404


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_second_of_two_editors_sees_what_the_first_did(program: Program, serve: Serve) -> None:
    program.configure(rules=[OWN, WEIGH])
    with program.app() as app:
        visitor = make_visitor(app, serve(app))
        page = visitor.get("/rules/2/edit").text
        list_seen = visitor.get("/rules").text.partition('name="seen" value="')[2][:16]
        seen = page.partition('name="seen" value="')[2][:16]
        set_rules(app, [OWN, WEIGH | {"weight": 3}], who="ben", action="rule.edit")
        late = visitor.post("/rules/2/edit", name="cranes", title="crane*", weight="4", seen=seen)
        assert late.status == 422 and "weight: 3" in late.text and 'value="4"' in late.text
        assert visitor.post("/rules/move", item="1", step="down", seen=list_seen).status == 422
        again = late.text.partition('name="seen" value="')[2][:16]
        saved = visitor.post("/rules/2/edit", name="cranes", title="crane*", weight="4", seen=again)
        assert saved.status == 303 and list_rules(app)[1]["weight"] == 4
        off = visitor.post("/rules/1/off")
        assert "turned off" in visitor.follow(off).text and list_rules(app)[0]["off"] is True
        assert [rule.name for rule in app.settings.rules.rules] == ["cranes"]
        assert 'name="off" value="yes" checked' in visitor.get("/rules/1/edit").text
        assert visitor.post("/rules/1/on").status == 303 and list_rules(app)[0] == OWN
        reset = visitor.post("/rules/reset")
        assert visitor.follow(reset).status == 200 and list_rules(app)[1]["weight"] == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_list_that_cannot_be_read_stands_under_one_heading(program: Program, serve: Serve) -> None:
    """The file's rules, which hold in its place, are none of single feeds."""
    program.configure(rules=[OWN])
    with program.app() as app:
        with app.db.write() as conn:
            audit.set_setting(conn, "rules", [{"name": "newer", "sing": True}], who="anna", now=app.now())
        page = make_visitor(app, serve(app)).get("/rules").text

        assert "cannot be read any more" in page and "sing: true" in page
        assert "Of single feeds" not in page and "In the file, but not here" in page
