"""The desk's subscribers: found, added, brought in as a list, taken out, ended, forgotten; nothing stays behind."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from urllib.parse import quote

import pytest

from aggregator.app import App
from aggregator.model.person import Candidate
from aggregator.storage import audit, imports, people, subscribers
from aggregator.web.desk import aside
from tests.fixtures.program import Program
from tests.web.conftest import Door
from tests.web.desk_door import Visitor, make_visitor

Serve = Callable[..., Door]
LIST = """email,newsletter,consent,=evil
ana@example.org,weekly,paper of 3 March,=1+1
bo@example.org,,,
bo@example.org,,,
no address at all,,,
<img src=x onerror=alert(1)>,weekly,,
cy@example.org,nothing,,
"""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, what is counted is waited for."""
    monkeypatch.setattr(aside, "PATIENCE_SECONDS", 30)


def add(visitor: Visitor, email: str, **fields: str) -> str:
    """By the form; the person's page."""
    reply = visitor.post("/subscribers/add", email=email, newsletter="weekly", **fields)
    assert reply.status == 303, reply.text
    return reply.headers["location"].removeprefix("/admin").partition("?")[0]


def read_log(app: App) -> str:
    with app.db.read() as conn:
        changes = audit.list_changes(conn)
    return json.dumps([[one.action, one.subject, one.title, one.before, one.after] for one in changes])


def test_somebody_is_added_found_ended_and_back(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        visitor = make_visitor(app, serve(app))
        place = add(visitor, "Ana.B@example.org", evidence="by <i>letter</i>")
        again = visitor.post("/subscribers/add", email="ana.b@example.org", newsletter="weekly")
        wrong = visitor.post("/subscribers/add", email="<script>", newsletter="weekly")
        exact = visitor.get(f"/subscribers?q={quote('ANA.B@example.org')}")
        beginning = visitor.get("/subscribers?q=ana")
        nobody = visitor.get("/subscribers?q=%25a")
        person = visitor.get(place)
        ended = visitor.follow(visitor.post(f"{place}/remove", newsletter="weekly"))
        undo = re.search(r'action="/admin(/log/\d+/undo)"', ended.text)
        assert undo
        undone = visitor.post(undo[1])
        back = visitor.get(place)
        page = visitor.get("/subscribers?newsletter=weekly&state=confirmed")
        log = read_log(app)

    assert again.status == 422 and "subscribes already" in again.text and 'value="ana.b@example.org"' in again.text
    assert wrong.status == 422 and "is no e-mail address" in wrong.text and "<script>" not in wrong.text
    assert exact.status == 303 and exact.headers["location"] == f"/admin{place}"
    assert "Ana.B@example.org" in beginning.text and "weekly: subscribes" in beginning.text
    assert "No address begins like that" in nobody.text
    assert "added at the desk by anna (by &lt;i&gt;letter&lt;/i&gt;)" in person.text
    assert "removed at the desk" in ended.text
    assert undone.status == 303 and "removed at the desk" not in back.text
    assert "Ana.B@example.org" in page.text
    assert "example.org" not in log


def test_wishes_are_changed_and_taken_back(program: Program, serve: Serve) -> None:
    letter = {"slug": "weekly", "title": "W", "schedule": "0 8 * * 1", "topics": ["agents", "chips"]}
    program.configure(newsletters=[{**letter, "languages": ["en", "ja"]}])
    with program.app() as app:
        visitor = make_visitor(app, serve(app))
        place = add(visitor, "ana@example.org", topics="chips")
        changed = visitor.follow(visitor.post(f"{place}/wishes", newsletter="weekly", language="ja", topics=["agents"]))
        foreign = visitor.post(f"{place}/wishes", newsletter="weekly", topics=["<b>"])
        with app.db.read() as conn:
            (tie,) = subscribers.list_subscriptions(conn)
        undo = re.search(r'action="/admin(/log/\d+/undo)"', changed.text)
        assert undo
        undone = visitor.post(undo[1])
        with app.db.read() as conn:
            (back,) = subscribers.list_subscriptions(conn)

    assert (tie.language, tie.topics) == ("ja", ("agents",))
    assert foreign.status == 422 and "does not offer &lt;b&gt;" in foreign.text
    assert undone.status == 303 and (back.language, back.topics) == ("", ("chips",))


def test_who_is_forgotten_leaves_nothing_but_a_number_in_the_log(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        visitor = make_visitor(app, serve(app))
        place = add(visitor, "ana@example.org")
        export = visitor.get(f"{place}/export.json")
        refused = visitor.post(f"{place}/forget", address="bo@example.org")
        gone = visitor.follow(visitor.post(f"{place}/forget", address=" ANA@example.org"))
        after = visitor.get(place).status
        known = visitor.get("/subscribers?q=ana@example.org")
        with app.db.read() as conn:
            suppression = people.get_suppression(conn, "ana@example.org")
        log = read_log(app)

    document = json.loads(export.body)
    assert document["email"] == "ana@example.org" and document["subscriptions"][0]["newsletter"] == "weekly"
    assert export.headers["content-disposition"] == f'attachment; filename="subscriber-{place.rpartition("/")[2]}.json"'
    assert refused.status == 422 and "not the address of this person" in refused.text
    assert "Somebody was forgotten" in gone.text and after == 404
    assert suppression is not None and "Nobody has this address" in known.text
    assert "ana@" not in log and '"subscriber.forget"' in log


def test_a_list_is_looked_through_before_it_is_stored(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        visitor = make_visitor(app, serve(app))
        found = visitor.post("/subscribers/import/try", text=LIST, origin="the fair")
        with app.db.read() as conn:
            before = len(subscribers.list_subscriptions(conn))
        kept = re.search(r'<textarea hidden name="text">\n(.*?)</textarea>', found.text, re.DOTALL)
        stored = visitor.follow(visitor.post("/subscribers/import", text=LIST, origin="the fair"))
        dry = visitor.post("/subscribers/import", text="email\nzoe@example.org\n", dry_run="true")
        none = visitor.post("/subscribers/import/try", text="name\nana\n")
        empty = visitor.post("/subscribers/import", text=" ")
        with app.db.read() as conn:
            after = subscribers.list_subscriptions(conn)
        page = visitor.get("/subscribers").text

    assert "2 people would be added" in found.text and before == 0 and kept
    assert "stands twice, first on line 3" in found.text and "found &#39;nothing&#39;" in found.text
    assert "<img" not in found.text and "&lt;img" in found.text
    assert "A list of subscribers was imported" in stored.text
    assert {item.email for item in after} == {"ana@example.org", "bo@example.org"}
    assert after[0].consent.startswith("imported from the fair (at the desk by anna) line 2 on ")
    assert dry.headers["location"] == "/admin/subscribers/import"
    assert none.status == 422 and "expected a header row" in none.text
    assert empty.status == 422
    assert 'class="chart-line"' in page and "ana@example.org" in page


def test_everybody_is_taken_out_as_csv_that_no_spreadsheet_runs(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        visitor = make_visitor(app, serve(app))
        add(visitor, "+ana@example.org", evidence="x")
        add(visitor, "bo@example.org", evidence='=cmd|"/c calc"')
        reply = visitor.get("/subscribers/export.csv")
        none = visitor.get("/subscribers/export.csv?state=ended")
        unknown = visitor.get("/subscribers/export.csv?newsletter=nothing").status
        kept = Candidate(email="cy@example.org", newsletter="former", language="", topics=(), consent="x")
        with app.db.write() as conn:
            imports.add_new(conn, [kept], now=app.now())
        former = visitor.get("/subscribers/export.csv?newsletter=former")
        huge = "9" * 40  # no database has such numbers
        nobody = [
            visitor.get(f"/subscribers/{huge}").status,
            visitor.post(f"/subscribers/{huge}/remove").status,
            visitor.get(f"/issues/{huge}").status,
            visitor.post(f"/issues/{huge}/pause").status,
            visitor.get(f"/subscribers?before={huge}").status,
        ]

    rows = list(csv.DictReader(reply.text.splitlines()))
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert {row["email"] for row in rows} == {"'+ana@example.org", "bo@example.org"}
    assert len(none.text.splitlines()) == 1 and unknown == 404
    assert [row["email"] for row in csv.DictReader(former.text.splitlines())] == ["cy@example.org"]
    assert nobody == [404, 404, 404, 404, 200]
