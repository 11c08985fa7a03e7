"""What went wrong: as a page within the site's frame, which repeats nothing of the request, and in the log, which
strangers cannot fill.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from aggregator.app import App
from aggregator.errors import RenderError
from aggregator.log import get_logger
from aggregator.render.page import render_error
from aggregator.web.limits import RateLimit

log = get_logger(__name__)

_NO_STORE = {"Cache-Control": "no-store"}
_BARE = "<!doctype html><html lang=en><title>{status}</title><main><p>Something went wrong ({status}).</p></main>"
#: How soon to come again, where the cause says nothing better.
_RETRY = {503: {"Retry-After": "60"}}
#: Of each kind; half of them at once.
_LINES_PER_MINUTE = 20
#: What follows is a key to something: it is in no log (threats: secrets).
_TOKENS = ("/unsubscribe/", "/websub/", "/confirm/", "/preferences/")


class ErrorPages:
    """One page for each status, made when it is first needed."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._bodies: dict[int, bytes] = {}

    def get_body(self, status: int) -> bytes:
        """The HTML; a bare sentence where the editor's own template for it has a mistake."""
        if status not in self._bodies:
            try:
                page = render_error(self._app.settings.site, status, "", templates=self._app.templates)
            except RenderError as error:
                log.error("web.fault", path="the page for errors", reason=str(error))
                page = _BARE.format(status=status)
            self._bodies[status] = page.encode()
        return self._bodies[status]

    def answer(self, status: int, headers: Mapping[str, str] | None = None, *, path: str = "") -> Response:
        """A whole answer: a page; for programs, by the ``path`` that was asked, JSON as the API's document says."""
        found = {**_NO_STORE, **_RETRY.get(status, {}), **(headers or {})}
        if path.startswith("/api/"):
            return JSONResponse({"error": HTTPStatus(status).phrase, "fields": {}}, status_code=status, headers=found)
        return Response(self.get_body(status), status_code=status, media_type="text/html", headers=found)


class ErrorLog:
    """Writes down what went wrong, so many lines of each kind; the next one says how many were left out."""

    def __init__(self) -> None:
        self._limit = RateLimit(_LINES_PER_MINUTE)
        self._left_out: Counter[str] = Counter()

    def tell(self, event: str, path: str, **fields: Any) -> None:
        """One line, or none. What is a token in ``path`` stays out."""
        if self._limit.take(event):
            self._left_out[event] += 1
            return
        if left_out := self._left_out.pop(event, 0):
            fields["left_out"] = left_out
        log.error(event, path=_hide_token(path), **fields)


def _hide_token(path: str) -> str:
    return next((f"{start}..." for start in _TOKENS if path.startswith(start)), path[:200])


def show_error(request: Request, error: Exception) -> Response:
    """For Starlette's own refusals: 400, 404, 413, and 405 with Allow (RFC 9110 15.5.6)."""
    return _answer(request, getattr(error, "status_code", 500), getattr(error, "headers", None))


def show_unavailable(request: Request, error: Exception) -> Response:
    """The database is away."""
    request.app.state.error_log.tell("web.unavailable", request.scope["path"], reason=str(error))
    return _answer(request, 503)


def show_fault(request: Request, error: Exception) -> Response:
    """A bug."""
    request.app.state.error_log.tell("web.fault", request.scope["path"], exc_info=error)
    return _answer(request, 500)


def _answer(request: Request, status: int, headers: Mapping[str, str] | None = None) -> Response:
    pages = request.app.state.errors
    assert isinstance(pages, ErrorPages)
    return pages.answer(status, headers, path=request.scope["path"])
