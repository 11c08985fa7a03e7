"""What went wrong, as a page within the site's frame. Never repeats anything of the request."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from aggregator.app import App
from aggregator.errors import StorageError
from aggregator.log import get_logger
from aggregator.render.page import render_error

log = get_logger(__name__)

_NO_STORE = {"Cache-Control": "no-store"}
#: How soon to come again, where the cause says nothing better.
_RETRY = {503: {"Retry-After": "60"}}


class ErrorPages:
    """One page for each status, made when it is first needed."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._bodies: dict[int, bytes] = {}

    def get_body(self, status: int) -> bytes:
        """The HTML."""
        if status not in self._bodies:
            page = render_error(self._app.settings.site, status, "", templates=self._app.templates)
            self._bodies[status] = page.encode()
        return self._bodies[status]

    def answer(self, status: int, headers: Mapping[str, str] | None = None) -> Response:
        """A whole answer."""
        found = {**_NO_STORE, **_RETRY.get(status, {}), **(headers or {})}
        return Response(self.get_body(status), status_code=status, media_type="text/html", headers=found)


def show_error(request: Request, error: Exception) -> Response:
    """For Starlette's own refusals: 404, and 405 with Allow (RFC 9110 15.5.6)."""
    status, headers = getattr(error, "status_code", 500), getattr(error, "headers", None)
    return _get_pages(request).answer(status, headers)


def show_unavailable(request: Request, error: Exception) -> Response:
    """The database is away."""
    assert isinstance(error, StorageError)
    log.error("web.unavailable", path=request.scope["path"], reason=str(error))
    return _get_pages(request).answer(503)


def show_fault(request: Request, error: Exception) -> Response:
    """A bug."""
    log.error("web.fault", path=request.scope["path"], exc_info=error)
    return _get_pages(request).answer(500)


def _get_pages(request: Request) -> ErrorPages:
    pages = request.app.state.errors
    assert isinstance(pages, ErrorPages)
    return pages
