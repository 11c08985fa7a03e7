"""Who gets to the desk: no account, no desk; sessions, logins that fail, what was typed when a session ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from aggregator.tasks.desk.accounts import MOST_FAILURES, SESSION, change_password, change_role, create_account
from aggregator.web.desk.desk import create_desk
from aggregator.web.server import create_server
from aggregator.web.site import create_site
from tests.fixtures.program import Program
from tests.web.conftest import Door, run_server
from tests.web.desk_door import PASSWORD, Visitor, find_csrf, make_visitor

Serve = Callable[..., Door]


def test_without_an_account_there_is_no_desk(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        door = serve(app)

        assert [door.ask(path).status for path in ("/admin", "/admin/", "/admin/login", "/admin/log")] == [404] * 4
        assert door.ask("/admin/login", "POST").status == 404
        assert door.ask("/api/v1/log").status == 404


def test_a_login_opens_the_desk_and_a_logout_closes_it(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        visitor = make_visitor(app, serve(app))
        before = visitor.get("/")
        cookie = visitor.cookie
        left = visitor.post("/logout")
        after = visitor.get("/")

    assert before.status == 200 and "anna" in before.text
    assert cookie.startswith("desk=")
    assert left.status == 303 and "Max-Age=0" in left.headers["set-cookie"]
    assert after.status == 303 and after.headers["location"] == "/admin/login"


def test_the_cookie_is_for_our_pages_only(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        door = serve(app, proxies=["127.0.0.0/8"])
        create_account(app, "anna", PASSWORD, role="editor")
        plain, secure = Visitor(door), Visitor(door, headers={"X-Forwarded-Proto": "https"})
        cookies = [visitor.log_in("anna").headers["set-cookie"] for visitor in (plain, secure)]

    assert cookies[0].startswith("desk=") and "HttpOnly" in cookies[0] and "samesite=strict" in cookies[0].lower()
    assert cookies[1].startswith("__Host-desk=") and "Secure" in cookies[1] and "Path=/" in cookies[1]


def test_wrong_names_and_wrong_passwords_sound_alike(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        door = serve(app)
        create_account(app, "anna", PASSWORD, role="editor")
        replies = [Visitor(door).log_in(*tried) for tried in (("anna", "wrong password"), ("nobody", PASSWORD))]

    assert [reply.status for reply in replies] == [401, 401]
    assert all("do not belong together" in reply.text for reply in replies)
    assert not any("set-cookie" in reply.headers for reply in replies)


def test_who_fails_too_often_waits(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        door = serve(app)
        create_account(app, "anna", PASSWORD, role="editor")
        tried = [Visitor(door).log_in("anna", "wrong").status for _ in range(MOST_FAILURES["pair"])]
        refused = Visitor(door).log_in("anna")

    assert set(tried) == {401}
    assert refused.status == 429 and refused.headers["retry-after"] == "900"


def test_a_session_ends_by_itself_and_lasts_while_it_is_used(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        times = [app.now()]

        def now() -> datetime:
            return times[0]

        with program.app(now=now) as moved:
            visitor = make_visitor(moved, serve(moved))
            times[0] += SESSION - timedelta(hours=1)
            used = visitor.get("/").status
            times[0] += SESSION - timedelta(hours=1)
            still = visitor.get("/").status
            times[0] += SESSION + timedelta(hours=1)
            over = visitor.get("/").status

    assert (used, still, over) == (200, 200, 303)


def test_a_new_password_logs_everybody_of_the_account_out(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        visitor = make_visitor(app, serve(app))
        change_password(app, "anna", "another long password")
        status = visitor.get("/").status
        again = [visitor.log_in("anna", password).status for password in (PASSWORD, "another long password")]

    assert status == 303
    assert again == [401, 303]


def test_the_old_password_is_not_guessed_for_ever(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        visitor = make_visitor(app, serve(app))
        tried = [
            visitor.post("/account/password", old_password=guess, new_password="another long password").text
            for guess in ["wrong"] * MOST_FAILURES["pair"] + [PASSWORD]
        ]

    assert all("not your password" in text for text in tried[:-1])
    assert "too many wrong passwords" in tried[-1]


def test_a_site_below_a_path_has_its_desk_there_and_alone_at_its_own_address(program: Program, serve: Serve) -> None:
    program.configure(site={"title": "AI News", "url": "http://news.example.org/ai", "timezone": "Europe/Berlin"})
    with program.app() as app:
        create_account(app, "anna", PASSWORD, role="editor")
        with run_server(create_server(create_desk(app))) as door:
            leads = door.ask("/admin/").headers["location"]
            page = door.ask(leads)

    assert leads == "/ai/admin/login"
    assert page.status == 200 and 'action="/ai/admin/login"' in page.text


def test_what_was_typed_survives_the_end_of_a_session(program: Program, serve: Serve) -> None:
    program.configure()
    typed = "Hours of work <b>&amp;</b>\n\n第二段落"
    with program.app() as app:
        door = serve(app)
        visitor = make_visitor(app, door)
        late = Visitor(door, csrf=visitor.csrf)
        kept = late.post("/account/tokens", label=typed, role="viewer")
        late.csrf = find_csrf(kept.text)
        back = late.post(
            "/login",
            name="anna",
            password=PASSWORD,
            to="/account/tokens",
            **{"kept:label": typed, "kept:role": "viewer"},
        )

    assert kept.status == 401 and 'name="kept:label"' in kept.text and "&lt;b&gt;" in kept.text
    assert back.status == 200 and 'action="/admin/account/tokens"' in back.text
    assert "第二段落" in back.text and "&lt;b&gt;&amp;amp;" in back.text and PASSWORD not in back.text


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nb"])
def test_a_login_leads_only_to_the_desk(program: Program, serve: Serve, to: str) -> None:
    program.configure()
    with program.app() as app:
        door = serve(app)
        create_account(app, "anna", PASSWORD, role="editor")
        visitor = Visitor(door)
        visitor.csrf = find_csrf(visitor.get("/login").text)
        reply = visitor.post("/login", name="anna", password=PASSWORD, to=to)

    assert reply.headers["location"] == "/admin/"


def test_what_a_role_may_holds_from_the_next_request_on(program: Program, serve: Serve) -> None:
    program.configure()
    with program.app() as app:
        visitor = make_visitor(app, serve(app))
        change_role(app, "anna", "viewer")
        page = visitor.get("/account")

    assert "change nothing" in page.text


def test_with_an_address_of_its_own_the_desk_is_there_and_nowhere_else(program: Program, serve: Serve) -> None:
    program.configure(web={"listen": "127.0.0.1:8000", "admin_listen": "127.0.0.1:8001"})
    with program.app() as app:
        create_account(app, "anna", PASSWORD, role="editor")
        public = create_server(create_site(app, with_desk=False))
        with run_server(public) as outside, run_server(create_server(create_desk(app))) as inside:
            shut = [outside.ask(path).status for path in ("/admin/login", "/admin", "/api/v1/log")]
            visitor = Visitor(inside)
            entered = visitor.log_in("anna").status
            found = [inside.ask(path).status for path in ("/", "/feed.atom", "/healthz")]

    assert shut == [404, 404, 404]
    assert entered == 303
    assert found == [404, 404, 200]
