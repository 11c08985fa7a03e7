"""Logging in and out. What was typed while a session ended is kept over the login. Never says which names there are."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

import anyio
import anyio.to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from aggregator.app import App
from aggregator.render.links import get_root
from aggregator.storage import accounts
from aggregator.tasks.desk.accounts import find_visitor, log_in, log_out
from aggregator.web.desk import guard
from aggregator.web.desk.pages import show_bare, show_page, show_refusal
from aggregator.web.desk.sending import Sent, read_sent
from aggregator.web.desk.visit import Visit
from aggregator.web.desk.words import N_

#: Names of fields that are never shown again.
_SECRET = ("password", "header_value", guard.CSRF_FIELD)
_KEPT = "kept:"
#: Who is not logged in may send what a person types, for it is kept over the login.
STRANGER_BYTES = 1024 * 1024
#: Logins tried at one time: each takes 64 MB and a core for a moment, and none may take a reader's thread.
_AT_ONCE = 2


def get_base(app: App) -> str:
    """What the desk's paths begin with."""
    return f"{get_root(app.settings.site)}/admin"


def list_login_routes(app: App) -> list[Route]:
    """``/admin/login`` and ``/admin/logout``."""

    turns = anyio.CapacityLimiter(_AT_ONCE)

    async def enter(request: Request) -> Response:
        if request.method != "POST":
            return await run_in_threadpool(_show_door, app, request)
        sent = await read_sent(request, STRANGER_BYTES)
        return await anyio.to_thread.run_sync(_enter, app, request, sent, limiter=turns)

    async def leave(request: Request) -> Response:
        return await run_in_threadpool(_leave, app, request, await read_sent(request, STRANGER_BYTES))

    return [
        Route("/admin/login", enter, methods=["GET", "HEAD", "POST"]),
        Route("/admin/logout", leave, methods=["POST"]),
    ]


def lead_to_login(app: App, request: Request) -> Response:
    """For who asks for a page."""
    path = request.scope["path"].removeprefix("/admin")
    query = f"?{request.url.query}" if request.url.query else ""
    to = urlencode({"to": path + query}) if path not in ("", "/") else ""
    return RedirectResponse(f"{get_base(app)}/login{'?' + to if to else ''}", status_code=303)


def keep_over_login(app: App, request: Request, sent: Sent) -> Response:
    """For who sends something after the session has ended: it waits in the login's form."""
    return _show_login(app, to=request.scope["path"].removeprefix("/admin"), kept=_list_kept(sent), status=401)


def ask_again(visit: Visit, request: Request, sent: Sent) -> Response:
    """For who is logged in, and sends the form of another session: what was typed is shown, to be sent again."""
    to = request.scope["path"].removeprefix("/admin")
    return show_page(visit, "again.html", status=403, to=to, kept=_list_kept(sent), again=False)


def _list_kept(sent: Sent) -> list[tuple[str, str]]:
    return [
        (name, value)
        for name, values in sent.fields.items()
        for value in values
        if not any(word in name for word in _SECRET)
    ]


def _show_login(
    app: App, *, to: str = "", name: str = "", kept: Sequence[tuple[str, str]] = (), said: str = "", status: int = 200
) -> Response:
    csrf = guard.make_csrf(app, "")
    return show_bare(app, "login.html", status=status, to=to, name=name, kept=kept, said=said, csrf=csrf)


def is_open(app: App) -> bool:
    """Whether there is an account: without one there is no desk."""
    with app.db.read() as conn:
        return accounts.exist(conn)


def _show_door(app: App, request: Request) -> Response:
    if not is_open(app):
        return show_refusal(app, 404)
    to = request.query_params.get("to", "")[:1000]
    if find_visitor(app, guard.get_session(request)):
        return RedirectResponse(get_base(app) + _check_way(to), status_code=303)
    return _show_login(app, to=to)


def _enter(app: App, request: Request, sent: Sent) -> Response:
    if not is_open(app):
        return show_refusal(app, 404)
    if not guard.is_ours(app, request) or not guard.has_csrf(guard.make_csrf(app, ""), dict(sent.fields), request):
        return show_refusal(app, 403, N_("This came from another site's page."))
    name, password, to = (sent.fields.get(field, [""])[0] for field in ("name", "password", "to"))
    kept = [(key.removeprefix(_KEPT), value) for key, value in _list_kept(sent) if key.startswith(_KEPT)]
    found = log_in(app, name, password, guard.get_network(request))
    if found.account is None:
        said = N_("Too many logins have failed. Please try again later.") if found.wait else ""
        said = said or N_("This name and password do not belong together.")
        response = _show_login(app, to=to, name=name[:100], kept=kept, said=said, status=429 if found.wait else 401)
        if found.wait:
            response.headers["Retry-After"] = str(round(found.wait.total_seconds()))
        return response
    response = _go_on(app, Visit(app=app, account=found.account, csrf=guard.make_csrf(app, found.token)), to, kept)
    guard.set_session(request, response, found.token)
    return response


def _go_on(app: App, visit: Visit, to: str, kept: Sequence[tuple[str, str]]) -> Response:
    way = _check_way(to)
    if kept:
        return show_page(visit, "again.html", to=way, kept=kept, again=True)
    return RedirectResponse(get_base(app) + way, status_code=303)


def _check_way(to: str) -> str:
    """Only below the desk: what begins with a second slash or holds a backslash would be another site."""
    return to if to.startswith("/") and not to.startswith("//") and "\\" not in to and to.isprintable() else "/"


def _leave(app: App, request: Request, sent: Sent) -> Response:
    session = guard.get_session(request)
    if not guard.is_ours(app, request) or not guard.has_csrf(guard.make_csrf(app, session), dict(sent.fields), request):
        return show_refusal(app, 403, N_("This came from another site's page."))
    if session:
        log_out(app, session)
    response = RedirectResponse(f"{get_base(app)}/login", status_code=303)
    guard.set_session(request, response, "")
    return response
