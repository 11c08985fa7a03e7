"""Every route of the desk that changes something, listed by the desk itself: whom it refuses. And what it lets in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

from starlette.routing import Route

from aggregator.app import App
from aggregator.tasks.desk.accounts import find_visitor, make_token
from aggregator.web.desk.desk import list_routes
from aggregator.web.desk.rooms import ACTIONS, ROOMS
from aggregator.web.headers import MAX_DESK_BYTES
from tests.fixtures.program import Program
from tests.web.conftest import Door, Reply
from tests.web.desk_door import Visitor, make_visitor

Serve = Callable[..., Door]
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
#: Open to people who are not logged in: it has a token of its own kind, and is tried below.
_LOGIN = "/admin/login"


def list_changing(app: App, beginning: str) -> Iterator[str]:
    """Paths that take a POST, with a number or a word in each place."""
    for route in list_routes(app):
        assert isinstance(route, Route)
        if "POST" in (route.methods or ()) and route.path.startswith(beginning):
            yield re.sub(r"\{\w+:path\}", "/x", re.sub(r"\{\w+\}", "word", re.sub(r"\{\w+:int\}", "1", route.path)))


def send(door: Door, path: str, **headers: str) -> Reply:
    body = urlencode({"csrf": headers.pop("csrf", "")}).encode()
    return door.ask(path, "POST", headers={**_FORM, **{n.replace("_", "-"): v for n, v in headers.items()}}, body=body)


def test_every_form_is_refused_to_everybody_but_editors_of_this_page(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        door = serve(app)
        editor, viewer = make_visitor(app, door), make_visitor(app, door, "vera", role="viewer")
        for path in list_changing(app, "/admin"):
            ours = {"Origin": door.url, "Sec_Fetch_Site": "same-origin", "csrf": editor.csrf, "Cookie": editor.cookie}
            refused = {
                "without token": send(door, path, **{**ours, "csrf": ""}).status,
                "with another session's token": send(door, path, **{**ours, "csrf": viewer.csrf}).status,
                "foreign origin": send(door, path, **{**ours, "Origin": "https://evil.example"}).status,
                "no origin at all": send(door, path, **{**ours, "Origin": "null"}).status,
                "another site's page": send(door, path, **{**ours, "Sec_Fetch_Site": "cross-site"}).status,
                "a neighbour's page": send(door, path, **{**ours, "Sec_Fetch_Site": "same-site"}).status,
            }
            assert set(refused.values()) == {403}, (path, refused)
            if path == _LOGIN:
                continue
            logged_out = send(door, path, **{**ours, "Cookie": "desk=nobody"}).status
            assert logged_out == (403 if path == "/admin/logout" else 401), path
            if path.removeprefix("/admin") not in _list_for_viewers() and path != "/admin/logout":
                asked = {**ours, "csrf": viewer.csrf, "Cookie": viewer.cookie}
                assert send(door, path, **asked).status == 403, path
        still = find_visitor(app, editor.cookie.removeprefix("desk="))

    assert still is not None and still.name == "anna"


def _list_for_viewers() -> set[str]:
    """What changes nothing but one's own account: these names, and previews, which show a page."""
    own = {"account.password", "account.language", "token.add", "token.remove"}
    found = {action.name: action for action in ACTIONS.values() if action.for_viewers}
    assert {name for name, action in found.items() if not action.shows} <= own
    return {re.sub(r"\{\w+\}", "word", re.sub(r"\{\w+:int\}", "1", action.path)) for action in found.values()}


def test_every_call_is_refused_without_a_token_and_to_tokens_that_may_look(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        door = serve(app)
        editor = make_visitor(app, door)
        account = find_visitor(app, editor.cookie.removeprefix("desk="))
        assert account is not None
        token = make_token(app, account, "a dashboard", "viewer")
        looking = {re.sub(r"\{\w+:int\}", "1", a.path) for a in ACTIONS.values() if a.for_viewers}
        for path in list_changing(app, "/api"):
            if path == "/api/v1/x":
                continue
            statuses = [
                send(door, path).status,
                send(door, path, Authorization="Bearer nobody").status,
                send(door, path, Cookie=editor.cookie, csrf=editor.csrf, Origin=door.url).status,
            ]
            assert statuses == [401, 401, 401], (path, statuses)
            if path.removeprefix("/api/v1") not in looking:
                assert send(door, path, Authorization=f"Bearer {token}").status == 403, path
        reading = door.ask("/api/v1/log", headers={"Authorization": f"Bearer {token}"}).status

    assert reading == 200


def test_every_page_asks_for_a_login_and_is_kept_by_nobody(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        door = serve(app)
        visitor = make_visitor(app, door)
        for page in (page for room in ROOMS for page in room.pages):
            path = re.sub(r"\{\w+\}", "word", re.sub(r"\{\w+:int\}", "999999", page.path))
            stranger = Visitor(door).get(path)
            assert stranger.status == 303 and "/admin/login" in stranger.headers["location"], path
            shown = visitor.get(path)
            assert shown.status in (200, 404), (path, shown.status, shown.text[:500])
            assert shown.headers["cache-control"] == stranger.headers["cache-control"] == "no-store", path
            policy = shown.headers["content-security-policy"]
            assert "unsafe" not in policy or "sandbox" in policy, path


def test_viewers_take_no_addresses_out_of_the_house(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        viewer = make_visitor(app, serve(app), "vera", role="viewer")
        closed = [page.path for room in ROOMS for page in room.pages if page.only_editors]
        statuses = {path: viewer.get(re.sub(r"\{\w+:int\}", "1", path)).status for path in closed}

    assert {"/subscribers/export.csv", "/feeds.opml"} <= set(statuses)
    assert set(statuses.values()) == {403}


def test_programs_are_answered_in_json_whatever_they_send(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        door = serve(app)
        editor = make_visitor(app, door)
        account = find_visitor(app, editor.cookie.removeprefix("desk="))
        assert account is not None
        token = {"Authorization": f"Bearer {make_token(app, account, 'tests', 'editor')}"}
        deep = b'{"x": ' + b"[" * 900 + b"]" * 900 + b"}"
        replies = [
            door.ask("/api/v1/log/1/undo", "POST", headers=token, body=body) for body in (b"[]", b"{", deep, b"\xff")
        ]
        other = door.ask("/api/v1/log", "DELETE", headers=token)
        huge = door.ask("/api/v1/log/1/undo", "POST", headers={**token, "Content-Length": str(MAX_DESK_BYTES + 1)})

    assert [reply.status for reply in replies] == [422] * 4
    assert [other.status, huge.status] == [405, 413]
    assert other.headers["content-type"] == huge.headers["content-type"] == "application/json"


def test_each_action_has_its_words_and_its_name_once(program: Program) -> None:
    names = [action.name for room in ROOMS for action in room.actions]

    assert len(names) == len(set(names))
    assert all(action.done for action in ACTIONS.values())


def test_numbers_that_no_database_counts_to_are_not_found(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        visitor = make_visitor(app, serve(app))
        replies = [visitor.post(f"/log/{number}/undo") for number in (2**63, 10**40, "9" * 5000, 999)]
        pages = [visitor.get(f"/log?before={number}&done={number}") for number in (2**64, "x", "", "-1", "%D9%A3")]

    assert [reply.status for reply in replies] == [404] * 4
    assert [page.status for page in pages] == [200] * 5


def test_forms_of_any_shape_are_no_fault_of_ours(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        door = serve(app)
        visitor = make_visitor(app, door)
        headers = {"Cookie": visitor.cookie, "Origin": door.url}
        bodies = {
            "multipart/form-data; boundary=x": b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1',
            "multipart/form-data": b"nothing",
            "application/x-www-form-urlencoded": b"csrf=%00&a=%ff%fe&" + b"b=1&" * 3000,
            "application/json": b"{",
            "text/plain": b"csrf=" + visitor.csrf.encode(),
        }
        statuses = {
            kind: door.ask("/admin/account/tokens", "POST", headers={**headers, "Content-Type": kind}, body=body).status
            for kind, body in bodies.items()
        }
        whole = visitor.post("/account/tokens", label="二\r\n" * 300_000).status
        huge = visitor.post("/account/tokens", label="x" * 2_000_000).status
        long = visitor.post("/account/tokens", label="x" * 101).status
        foreign = visitor.post("/account/tokens", label="a", role="god").status

    assert set(statuses.values()) <= {400, 403}
    assert (whole, huge) == (422, 413)
    assert (long, foreign) == (422, 422)
