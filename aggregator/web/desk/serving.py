"""Pages and actions of the desk as routes: who may, what was sent, what is shown then. Never decides what a page says.

The order of refusals: no account at all (404, the desk is not there), a foreign page (403), nobody logged in (the
login, which keeps what was typed), no token of the session (403), a viewer (403), a field that will not do (422).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from aggregator.app import App
from aggregator.errors import AggregatorError, NotFound, StorageError
from aggregator.model.account import Account
from aggregator.storage import audit
from aggregator.tasks.desk.accounts import find_program, find_visitor
from aggregator.tasks.desk.settings import adopt_settings
from aggregator.web.desk import guard, login
from aggregator.web.desk.pages import show_refusal
from aggregator.web.desk.sending import Sent, check_fields, clean_text, make_fields, read_json, read_sent
from aggregator.web.desk.visit import Action, Done, Listing, Page, Visit, read_number
from aggregator.web.desk.words import N_, FieldError, Said, quote, say
from aggregator.web.headers import MAX_DESK_BYTES

_LOOK_ONLY = say(N_("You may look at everything here, and change nothing."))


class _Number(IntegerConvertor):
    """Of a path: databases count no further, and `int` refuses thousands of digits."""

    regex = "[0-9]{1,18}"


register_url_convertor("int", _Number())


def make_page_route(app: App, page: Page) -> Route:
    """GET below /admin."""

    def answer(request: Request) -> Response:
        if not login.is_open(app):
            return show_refusal(app, 404)
        account = find_visitor(app, guard.get_session(request))
        if account is None:
            return login.lead_to_login(app, request)
        if page.only_editors and not account.may_edit:
            return show_refusal(app, 403, _LOOK_ONLY, _make_visit(app, request, account))
        response = _shown(page.show, _make_visit(app, request, account))
        guard.set_session(request, response, guard.get_session(request))  # it lasts from now on, again
        return response

    async def serve(request: Request) -> Response:
        return await run_in_threadpool(answer, request)

    return Route(f"/admin{page.path}", serve, methods=["GET", "HEAD"])


def make_action_route(app: App, action: Action) -> Route:
    """POST of a form below /admin."""

    async def serve(request: Request) -> Response:
        account = await run_in_threadpool(find_visitor, app, guard.get_session(request))
        sent = await read_sent(request, MAX_DESK_BYTES if account else login.STRANGER_BYTES)
        return await run_in_threadpool(_act, app, action, request, account, sent)

    return Route(f"/admin{action.path}", serve, methods=["POST"])


def _act(app: App, action: Action, request: Request, account: Account | None, sent: Sent) -> Response:
    if not login.is_open(app):
        return show_refusal(app, 404)
    if not guard.is_ours(app, request):
        return show_refusal(app, 403, N_("This came from another site's page."))
    if account is None:
        return login.keep_over_login(app, request, sent)
    visit = replace(_make_visit(app, request, account), files=sent.files)
    if not guard.has_csrf(visit.csrf, dict(sent.fields), request):
        return login.ask_again(visit, request, sent)
    if not (account.may_edit or action.for_viewers):
        return show_refusal(app, 403, _LOOK_ONLY, visit)
    try:
        return _run(action, visit, sent)
    except FieldError as error:
        if action.page is None:
            return show_refusal(app, 422, error.errors[next(iter(error.errors))], visit)
        return _shown(action.page, replace(visit, sent=sent.fields, errors=error.errors), status=422)


def _run(action: Action, visit: Visit, sent: Sent) -> Response:
    try:
        done = action.run(visit, make_fields(action.fields, dict(sent.fields)))
    except NotFound as error:
        return show_refusal(visit.app, 404, quote(error), visit)
    except StorageError:
        raise
    except AggregatorError as error:
        raise FieldError({"": quote(error)}) from error
    if isinstance(done, Response):
        return done
    page, mark, place = done.to.partition("#")
    if done.change is not None:
        page += f"{'&' if '?' in page else '?'}{urlencode({'done': done.change})}"
    return RedirectResponse(f"{login.get_base(visit.app)}{page}{mark}{place}", status_code=303)


def _make_visit(app: App, request: Request, account: Account) -> Visit:
    adopt_settings(app)
    query = _read_query(request)
    done = read_number(query.pop("done", ""))
    change = None
    if done is not None:
        with app.db.read() as conn:
            change = audit.get(conn, done)
    return Visit(
        app=app,
        account=account,
        params=dict(request.path_params),
        query=query,
        csrf=guard.make_csrf(app, guard.get_session(request)),
        done=change if change is not None and change.who == account.name else None,
    )


def _read_query(request: Request) -> dict[str, str]:
    return {name: clean_text(value)[:1000] for name, value in request.query_params.items()}


def _shown(show: Callable[[Visit], Response], visit: Visit, status: int = 200) -> Response:
    try:
        response = show(visit)
    except NotFound as error:
        return show_refusal(visit.app, 404, quote(error), visit)
    except StorageError:
        raise
    except AggregatorError as error:
        return show_refusal(visit.app, 422, quote(error), visit)
    if status != HTTPStatus.OK:
        response.status_code = status
    return response


def make_listing_route(app: App, listing: Listing) -> Route:
    """GET of JSON below /api/v1."""

    def answer(request: Request) -> Response:
        program = find_caller(app, request)
        if isinstance(program, Response):
            return program
        if listing.only_editors and not program.may_edit:
            return refuse_call(403, {"": _LOOK_ONLY})
        visit = Visit(app=app, account=program, params=dict(request.path_params), query=_read_query(request))
        return _tell(lambda: listing.read(visit))

    async def serve(request: Request) -> Response:
        return await run_in_threadpool(answer, request)

    return Route(f"/api/v1{listing.path}", serve, methods=["GET"])


def make_call_route(app: App, action: Action) -> Route:
    """POST of JSON below /api/v1."""

    async def serve(request: Request) -> Response:
        program = await run_in_threadpool(find_caller, app, request)
        if isinstance(program, Response):
            return program
        if not (program.may_edit or action.for_viewers):
            return refuse_call(403, {"": _LOOK_ONLY})
        try:
            values = await read_json(request, MAX_DESK_BYTES)
            fields = check_fields(action.fields, values)
        except FieldError as error:
            return refuse_call(422, error.errors)
        visit = Visit(app=app, account=program, params=dict(request.path_params))
        return await run_in_threadpool(_tell, lambda: _describe(action.run(visit, fields)))

    return Route(f"/api/v1{action.path}", serve, methods=["POST"])


def _describe(done: Done | Response) -> Any:
    if isinstance(done, Response):
        return {"html": bytes(done.body).decode()}
    return {"change": done.change, **(done.body if isinstance(done.body, dict) else {})}


def _tell(read: Callable[[], Any]) -> Response:
    try:
        return JSONResponse(make_plain(read()))
    except NotFound as error:
        return refuse_call(404, {"": quote(error)})
    except FieldError as error:
        return refuse_call(422, error.errors)
    except StorageError:
        raise
    except AggregatorError as error:
        return refuse_call(422, {"": quote(error)})


def make_plain(value: Any) -> Any:
    """Instants as ISO 8601 in UTC, like the command line's JSON; bytes of headers that are no UTF-8: question marks."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if hasattr(value, "astimezone"):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(name): make_plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [make_plain(one) for one in value]
    return value


def find_caller(app: App, request: Request) -> Account | Response:
    """Whose program calls; else what it is told."""
    if not login.is_open(app):
        return refuse_call(404, {"": say(N_("There is nothing here."))})
    adopt_settings(app)
    token = guard.get_bearer(request)
    account = find_program(app, token) if token else None
    if account is None:
        refused = refuse_call(401, {"": say(N_("Show a token: Authorization: Bearer ..."))})
        refused.headers["WWW-Authenticate"] = 'Bearer realm="desk"'
        return refused
    return account


def refuse_call(status: int, errors: Mapping[str, Said]) -> Response:
    """As JSON, for programs."""
    said = {name: one.text for name, one in errors.items()}
    document = {"error": said.pop("", "") or HTTPStatus(status).phrase, "fields": said}
    return JSONResponse(document, status_code=status)
