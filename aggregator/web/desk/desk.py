"""The desk as one ASGI application: its rooms, its files, the API. Never a page of the public site."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from aggregator.app import App
from aggregator.render.desk import get_desk_assets
from aggregator.render.links import get_root
from aggregator.web.desk.api import list_api_routes
from aggregator.web.desk.login import list_login_routes
from aggregator.web.desk.rooms import ROOMS
from aggregator.web.desk.serving import make_action_route, make_call_route, make_listing_route, make_page_route
from aggregator.web.errors import ErrorLog, ErrorPages
from aggregator.web.headers import DESK_HEADERS, make_security_fields
from aggregator.web.health import check_health
from aggregator.web.routes import guard_routes

_KINDS = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}


def is_desk(path: str) -> bool:
    """Whether a path is the desk's, not the public site's."""
    return path.startswith(("/admin/", "/api/v1/")) or path in ("/admin", "/api/v1")


class Desk:
    """What `create_desk` makes; `security` and `errors` are what the server needs."""

    def __init__(self, app: App, *, errors: ErrorPages, error_log: ErrorLog) -> None:
        self.errors = errors
        self.security = make_security_fields(app.settings.site, DESK_HEADERS)
        #: All of them, for those who want to list them.
        self.routes = list_routes(app)
        #: What a proxy would have taken off where the site lives below a path; the desk's own listener has none.
        self._path = get_root(app.settings.site)
        self._routes = guard_routes(self.routes, app, errors=errors, error_log=error_log, fields=self.security)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._path and scope["type"] == "http" and scope["path"].startswith(f"{self._path}/"):
            scope = {**scope, "path": scope["path"].removeprefix(self._path)}
        await self._routes(scope, receive, send)


def create_desk(app: App) -> Desk:
    """For a server of its own (``web.admin_listen``)."""
    return Desk(app, errors=ErrorPages(app), error_log=ErrorLog())


def list_routes(app: App) -> list[Route]:
    """What the desk answers."""
    return [
        Route("/healthz", check_health),
        Route("/admin/static/{name}", _show_asset, methods=["GET", "HEAD"]),
        *list_login_routes(app),
        *(make_page_route(app, page) for room in ROOMS for page in room.pages),
        *(make_action_route(app, action) for room in ROOMS for action in room.actions),
        *(make_listing_route(app, listing) for room in ROOMS for listing in room.listings),
        *(make_call_route(app, action) for room in ROOMS for action in room.actions if not action.only_people),
        *list_api_routes(app),
    ]


async def _show_asset(request: Request) -> Response:
    name = request.path_params["name"]
    data = get_desk_assets().get(name)
    if data is None:
        raise HTTPException(404)
    return Response(data, media_type=_KINDS[name.rpartition(".")[2]], headers=_FOR_EVER)
