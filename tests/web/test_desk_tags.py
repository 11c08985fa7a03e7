"""Tags at the desk: counted, explained, given names and taken back; names that no tag knows; both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from aggregator.tasks.desk import tags
from aggregator.tasks.tag import is_retagging, retag_some, tag_waiting
from aggregator.web.desk.tags import COUNTS, NAMES
from tests.fixtures.program import Program
from tests.storage.samples import NOW
from tests.tasks.test_rulings import store
from tests.web.conftest import Door
from tests.web.desk_door import make_visitor

Serve = Callable[..., Door]
LATER = NOW + timedelta(hours=20)
TITLES = ("OpenAI meets the Orrery people", "A day at Orrery Labs with OpenAI", "Why we like Orrery Labs & <b>tea</b>")


def test_a_tag_is_made_named_explained_and_taken_back(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app(now=lambda: LATER) as app:
        for place, title in enumerate(TITLES):
            store(app, f"feed-{place}", title, place, tagged=False)
        tag_waiting(app)
        visitor = make_visitor(app, serve(app))
        COUNTS.get(app, patience=10)
        page = visitor.get("/tags?words=openai&order=used").text
        assert 'class="trend"' in page and 'data-label="Last 7 days">2<' in page

        tried = visitor.post("/tags/try", name="Orrery Labs", kind="org").text
        assert "would catch 2 of the newest 3" in tried and ">Orrery Labs</mark>" in tried and "<h1" not in tried
        assert "<h1" in visitor.post("/tags/try", name="Orrery Labs", whole="yes").text
        clash = visitor.post("/tags/new", name="Orrery", aliases="OpenAI")
        assert clash.status == 422 and "belongs to" in clash.text and 'value="Orrery"' in clash.text
        made = visitor.post("/tags/new", name="Orrery Labs", kind="org", ja="オーラリー")
        assert made.headers["location"].startswith("/admin/tags/orrery-labs?done=")
        assert "made here" in visitor.follow(made).text
        assert visitor.post("/tags/new", name="orrery labs").status == 422

        more = visitor.post("/tags/alias/try", slug="orrery-labs", alias="Orrery").text
        assert "would catch 1 of the newest 3" in more and "found in 3 of them" in more
        named = visitor.post("/tags/alias", slug="Orrery Labs", alias="Orrery")
        while is_retagging(app):
            retag_some(app)
        shown = visitor.follow(named).text
        assert 'data-label="Caught">1<' in shown and 'data-label="Caught">2<' in shown and "/admin/tags/openai" in shown
        assert "&lt;b&gt;tea" in shown and visitor.post("/tags/alias", slug="orrery-labs", alias="Orrery").status == 422
        assert visitor.post("/tags/alias", slug="nobody", alias="Orrery").status == 422
        assert "taxonomy.yaml:" in visitor.get("/tags/openai").text

        gone = visitor.post("/tags/remove", slug="orrery-labs")
        assert gone.headers["location"].startswith("/admin/tags?") and visitor.get("/tags/orrery-labs").status == 404
        line = gone.headers["location"].partition("done=")[2]
        assert visitor.post(f"/log/{line}/undo").status == 303
        assert tags.list_added(tags.get_added(app), "orrery-labs") == ("Orrery",)
        visitor.post("/tags/remove", slug="orrery-labs", alias="Orrery")
        assert (
            not tags.list_added(tags.get_added(app), "orrery-labs") and visitor.get("/tags/orrery-labs").status == 200
        )


def test_names_that_no_tag_knows_are_offered_until_somebody_decides(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app(now=lambda: LATER) as app:
        for place, title in enumerate(
            (*TITLES[1:], "Who pays Orrery Labs", "Who pays Quill Harbour", "Long walks at Quill Harbour")
        ):
            store(app, f"feed-{place}", title, place)
        store(app, "feed-9", "They drink tea at Quill Harbour", 9)
        visitor = make_visitor(app, serve(app))
        NAMES.get(app, patience=10)
        page = visitor.get("/tags/candidates").text
        assert page.index("Orrery Labs</h2>") and page.index("Quill Harbour</h2>") and page.count("</h2>") == 2
        dismissed = visitor.post("/tags/candidates/dismiss", name="Quill Harbour")
        assert "Quill Harbour</h2>" not in visitor.follow(dismissed).text
        assert visitor.post("/tags/candidates/dismiss", name="quill harbour").status == 422
        line = dismissed.headers["location"].partition("done=")[2]
        assert visitor.post(f"/log/{line}/undo").status == 303
        assert "Quill Harbour</h2>" in visitor.get("/tags/candidates").text
        visitor.post("/tags/alias", slug="openai", alias="Orrery Labs")
        assert "Orrery Labs</h2>" not in visitor.get("/tags/candidates").text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_odd_words_are_refused_where_they_stand(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        visitor = make_visitor(app, serve(app))
        for sent in (
            {"name": ""}, {"name": "!!"}, {"name": "X", "slug": "Not A Slug"}, {"name": "a.atom"},
            {"name": "Fine Name", "parents": "nobody"}, {"name": "Fine Name", "aliases": "#"},
            {"name": "Fine Name", "only_with": "<nothing>"}, {"name": "Fine Name", "kind": "person"},
        ):  # fmt: skip
            added = visitor.post("/tags/new", **sent)
            assert added.status == 422, (sent, added.text)
            assert visitor.post("/tags/try", **sent).status in (200, 422), sent
        for alias in ("", "=", "##", "ja:", "'\"\\", "a: b"):
            assert visitor.post("/tags/alias", slug="openai", alias=alias).status in (303, 422), alias
        for path in ("/tags/nobody", "/tags/a%00b", "/tags/..%2f"):
            assert visitor.get(path).status == 404
        for query in ("?after=99999999999", "?after=x&kind=q&order=w&words=%00", "?words=" + "x" * 900):
            assert visitor.get(f"/tags{query}").status == 200
