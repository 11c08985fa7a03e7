"""What an editor does to a feed by the desk's forms, and takes back; both databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from aggregator.app import App
from aggregator.model.feed import Feed
from aggregator.model.ids import FeedId
from aggregator.storage import audit, entries, held
from aggregator.storage import feeds as feed_store
from aggregator.storage.entries import EntryQuery
from aggregator.tasks.desk.accounts import create_account, make_token
from tests.fixtures.http_server import TestHttpServer
from tests.fixtures.program import Program
from tests.web.conftest import Door, Reply
from tests.web.desk_door import PASSWORD, Visitor, make_visitor
from tests.web.test_desk_feeds import ON_ONE, add, find_change

Serve = Callable[..., Door]


def get(app: App, number: FeedId) -> Feed:
    with app.db.read() as conn:
        return feed_store.get_feeds(conn, [number])[number]


def find_seen(visitor: Visitor, number: FeedId) -> str:
    """What the form of its settings holds."""
    return visitor.get(f"/feeds/{number}").text.partition('name="seen" value="')[2].partition('"')[0]


def list_log(app: App) -> str:
    """All of the audit log as one text."""
    with app.db.read() as conn:
        return repr(audit.list_changes(conn))


def test_settings_are_said_here_and_go_back(program: Program, serve: Serve) -> None:
    program.configure(feeds=[{"url": "https://lab.example/feed", "weight": 2, "headers": {"X-Key": "s3cret"}}])
    with program.app() as app:
        visitor, number = make_visitor(app, serve(app)), FeedId(1)
        typed: dict[str, Any] = {
            "title": "The <Lab>", "tags": "openai, gpt-4.1", "weight": "0.5", "interval": "6h", "language": "ja",
            "header_names": ["X-Key", "Authorization", ""], "header_values": ["", "Bearer hush", ""],
        }  # fmt: skip
        done = visitor.post(f"/feeds/{number}/edit", seen=find_seen(visitor, number), **typed)
        page, feed = visitor.follow(done), get(app, number)
        wrong = visitor.post(f"/feeds/{number}/edit", **typed | {"tags": "No Tag!", "interval": "soon"})
        number_wrong = visitor.post(f"/feeds/{number}/edit", **typed | {"weight": "heavy"})
        visitor.post(f"/feeds/{number}/edit", back="weight")
        back, log = get(app, number), list_log(app)

    assert feed.spec.title == "The <Lab>" and feed.spec.tags == ("openai", "gpt-4.1") and feed.spec.weight == 0.5
    assert feed.spec.interval == timedelta(hours=6) and feed.spec.language == "ja"
    assert feed.spec.headers == (("X-Key", "s3cret"), ("Authorization", "Bearer hush"))
    assert "The &lt;Lab&gt;" in page.text and "by anna" in page.text and "Otherwise: 2" in page.text
    assert wrong.status == 422 and wrong.text.count('class="fault"') == 3 and "No Tag!" in wrong.text
    assert "not kept" in wrong.text and "hush" not in wrong.text
    assert number_wrong.status == 422 and "A number is needed." in number_wrong.text and "heavy" in number_wrong.text
    assert back.spec.weight == 2.0 and back.spec.title == "The <Lab>"
    for text in (page.text, wrong.text, log):
        assert "s3cret" not in text and "hush" not in text
    assert "Authorization" in log


@ON_ONE
def test_the_second_to_save_sees_what_changed_and_loses_nothing(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        number = add(app, "lab")
        visitor = make_visitor(app, serve(app))
        seen = find_seen(visitor, number)
        first = visitor.post(f"/feeds/{number}/edit", title="First", seen=seen)
        second = visitor.post(f"/feeds/{number}/edit", title="Second", seen=seen)
        again = visitor.post(f"/feeds/{number}/edit", title="Second", seen=find_seen(visitor, number))
        kept = get(app, number).spec.title

    assert first.status == 303 and again.status == 303
    assert second.status == 422 and 'value="Second"' in second.text and "Stands there now: First" in second.text
    assert kept == "Second"


def test_a_new_address_is_asked_before_it_is_believed(
    program: Program, serve: Serve, http_server: TestHttpServer
) -> None:
    program.configure()
    item = "<item><title>One thing</title><link>http://lab.example/one</link><guid>tag:one-of-them</guid></item>"
    same, other = (
        f"<rss version='2.0'><channel><title>{title}</title>{item}</channel></rss>" for title in ("lab", "X")
    )
    good = http_server.add("/good", same.encode())
    strange = http_server.add("/strange", other.encode())
    with program.app() as app:
        number = add(app, "lab", url="http://lab.example/feed", first_imported_at=app.now())
        visitor = make_visitor(app, serve(app))
        path = f"/feeds/{number}/move"
        nothing = visitor.post(path, url=f"{http_server.url}/nothing")
        doubtful = visitor.post(path, url=strange)
        moved = visitor.follow(visitor.post(path, url=good))
        there = get(app, number).spec.url
        sure = visitor.post(path, url=strange, sure="true")
        undone = visitor.post(f"/log/{find_change(sure)}/undo")
        back = get(app, number).spec.url

    assert nothing.status == 422 and "There is no feed at" in nothing.text
    assert doubtful.status == 422 and "Tick the box" in doubtful.text
    assert "A feed lives at another address" in moved.text and there == good
    assert undone.status == 303 and back == good


def test_buttons_and_their_undo(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        now = app.now()
        number = add(app, "lab", moved_url="https://new.example/feed", moved_since=now, moved_times=2)
        visitor = make_visitor(app, serve(app))

        def press(name: str, **fields: str) -> str:
            reply = visitor.post(f"/feeds/{number}/{name}", **fields)
            assert reply.status == 303, (name, reply.text[-1500:])
            return find_change(reply)

        def undo(line: str) -> None:
            assert visitor.post(f"/log/{line}/undo").status == 303

        paused = press("pause", reason="too loud <b>")
        page = visitor.get(f"/feeds/{number}").text
        undo(paused)
        assert get(app, number).state == "active"
        press("pause")
        press("resume")
        refused = press("refuse")
        assert get(app, number).move is None
        undo(refused)
        adopted = press("adopt")
        assert get(app, number).spec.url == "https://new.example/feed"
        undo(adopted)
        assert get(app, number).spec.url == "https://lab.example/feed"
        press("fetch")
        assert "asked for by anna" in get(app, number).next_due_reason
        removed = press("remove")
        gone = visitor.get("/feeds").text
        undo(removed)
        added = visitor.post("/feeds/add", url="https://more.example/x", title="More", tags="openai", weight="3")
        again = visitor.post("/feeds/add", url="https://more.example/x")
        first, second = get(app, number), get(app, FeedId(2))

    assert "paused by anna: too loud &lt;b&gt;" in page and "Go on reading it" in page
    assert ">lab</a>" not in gone and first.state == "active"
    assert second.spec.weight == 3 and added.status == 303
    assert again.status == 422 and "is read already" in again.text


def test_held_entries_are_let_in_or_left_out(program: Program, serve: Serve, http_server: TestHttpServer) -> None:
    items = "".join(f"<item><title>Thing {n}</title><guid>{n}</guid></item>" for n in range(14))
    body = f"<rss version='2.0'><channel><title>Flood</title>{items}</channel></rss>".encode()
    program.configure(feeds=[{"url": http_server.add("/flood", body)}])
    assert program.run("fetch", "--all").code == 0
    with program.app() as app:
        number = FeedId(1)
        with app.db.write() as conn:
            stored = entries.list_entries(conn, EntryQuery(feed_id=number))
            shown = {entry.id for entry in entries.list_entries(conn, EntryQuery(feed_id=number, combined_only=True))}
            out = [entry.id for entry in stored if entry.id not in shown]
            held.hold_again(conn, number, out, alarm="4 new entries match nothing and are held for review: look")
        visitor = make_visitor(app, serve(app))
        page, listed = visitor.get(f"/feeds/{number}"), visitor.get("/feeds?trouble=held")
        left = visitor.post(f"/feeds/{number}/leave-out")
        twice = visitor.post(f"/feeds/{number}/leave-out")
        undone = visitor.post(f"/log/{find_change(left)}/undo")
        let_in = visitor.post(f"/feeds/{number}/release")
        with app.db.read() as conn:
            waiting = held.list_held(conn, number)

    assert len(out) == 4 and "4 new entries match nothing that this feed said before." in page.text
    assert ">Flood</a>" in listed.text
    assert (left.status, twice.status, undone.status, let_in.status) == (303, 422, 303, 303)
    assert waiting == ()


@ON_ONE
def test_programs_change_only_what_they_name(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        number = add(app, "lab", spec_title="Lab", headers=[["X-Key", "s3cret"]])
        account = create_account(app, "anna", PASSWORD, role="editor")
        door, token = serve(app), make_token(app, account, "tests", "editor")

        def call(path: str, values: object) -> Reply:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            return door.ask(f"/api/v1{path}", "POST", headers=headers, body=json.dumps(values).encode())

        done = call(f"/feeds/{number}/edit", {"weight": 2, "tags": "openai"})
        feed = get(app, number)
        odd: list[object] = [
            {"weight": "x"}, {"weight": 1e400}, {"tags": ["a"]}, {"no": 1}, {"title": "x" * 301}, {"interval": "-3h"},
            {"header_names": ["Host"], "header_values": ["x"]}, {"header_names": ["X-New"]}, {"back": ["url"]}, [],
            {"header_names": ["X-Y"], "header_values": ["a\r\nb: c"]}, {"language": "not a language"}, {},
        ]  # fmt: skip
        refused = [call(f"/feeds/{number}/edit", values).status for values in odd]
        added = call("/feeds/add", {"url": "https://more.example/feed", "interval": "6h"})
        undone = call(f"/log/{json.loads(done.body)['change']}/undo", {})

    assert done.status == 200 and feed.spec.weight == 2 and feed.spec.tags == ("openai",)
    assert feed.spec.title == "Lab" and feed.spec.headers == (("X-Key", "s3cret"),)
    assert refused == [422] * len(odd)
    assert json.loads(added.body)["feed"] == 2 and undone.status == 200
