"""The ASGI application: routes, caching, errors. Never renders a page itself; keeps no state but a cache."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from aggregator.app import App
from aggregator.errors import StorageError
from aggregator.log import get_logger
from aggregator.render.links import get_root
from aggregator.render.page import render_error
from aggregator.tasks.site.found import Moved, Page
from aggregator.web.cache import PageCache
from aggregator.web.headers import SecurityHeaders
from aggregator.web.health import check_health, check_readiness
from aggregator.web.unsubscribe import show_unsubscribe
from aggregator.web.websub import take_call

log = get_logger(__name__)

_BRIEFLY = "public, max-age=60"
_FOR_EVER = "public, max-age=31536000, immutable"
_STATES = {404: "There is no page at this address.", 405: "This address takes no such request."}


def create_site(app: App) -> ASGIApp:
    """The application over ``app``; it opens nothing and may be made before the database answers."""
    site = Starlette(
        routes=[
            Route("/healthz", check_health),
            Route("/readyz", check_readiness),
            Route("/unsubscribe/{token}", show_unsubscribe, methods=["GET", "HEAD", "POST"]),
            Route("/websub/{token}", take_call, methods=["GET", "POST"]),
            Route("/{path:path}", show_page, methods=["GET", "HEAD"]),
        ],
        exception_handlers={404: _show_error, 405: _show_error, StorageError: _show_unavailable, 500: _show_fault},
    )
    # A redirect would be built from the Host header, which is anybody's to write.
    site.router.redirect_slashes = False
    site.state.app = app
    site.state.cache = PageCache(app)
    return SecurityHeaders(site)


def show_page(request: Request) -> Response:
    """Any page of `tasks.site`: 200, 301, 304 or 404."""
    found = request.app.state.cache.find(_path(request))
    if found is None:
        return _error_page(request, 404)
    if isinstance(found, Moved):
        where = get_root(request.app.state.app.settings.site) + found.path
        return RedirectResponse(where, status_code=301, headers={"Cache-Control": _BRIEFLY})
    return _answer(request, found)


def _path(request: Request) -> str:
    """As the server decoded it. `Request.url` would join it with the Host header and cut it at a decoded ``?``."""
    return str(request.scope["path"])


def _answer(request: Request, page: Page) -> Response:
    etag = page.etag
    headers = {"ETag": etag, "Cache-Control": _FOR_EVER if page.immutable else _BRIEFLY}
    if _has(",".join(request.headers.getlist("if-none-match")), etag):
        return Response(status_code=304, headers=headers)
    return Response(page.body, headers=headers, media_type=page.content_type)


def _has(if_none_match: str, etag: str) -> bool:
    """Weak comparison, as a GET asks for (RFC 9110 13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or tags == ["*"]


def _error_page(request: Request, status: int, message: str = "") -> Response:
    app: App = request.app.state.app
    text = message or _STATES.get(status, "Something went wrong.")
    body = render_error(app.settings.site, status, text, templates=app.templates)
    return Response(body, status_code=status, media_type="text/html", headers={"Cache-Control": "no-store"})


def _show_error(request: Request, error: Exception) -> Response:
    response = _error_page(request, getattr(error, "status_code", 500))
    response.headers.update(getattr(error, "headers", None) or {})  # Allow, with 405 (RFC 9110 15.5.6)
    return response


def _show_unavailable(request: Request, error: Exception) -> Response:
    log.error("web.unavailable", path=_path(request), reason=str(error))
    response = _error_page(request, 503, "The database does not answer just now. Please try again in a minute.")
    response.headers["Retry-After"] = "60"
    return response


def _show_fault(request: Request, error: Exception) -> Response:
    log.error("web.fault", path=_path(request), exc_info=error)
    return _error_page(request, 500, "This page could not be made. The fault is written down.")
