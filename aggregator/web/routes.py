"""Routes as every server of ours has them: refusals and faults are pages, and each answer bears its headers.
Never knows what is routed.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from aggregator.app import App
from aggregator.errors import StorageError
from aggregator.web.errors import ErrorLog, ErrorPages, show_error, show_fault, show_unavailable
from aggregator.web.headers import Fields, SecurityHeaders


def guard_routes(
    routes: Sequence[BaseRoute], app: App, *, errors: ErrorPages, error_log: ErrorLog, fields: Fields
) -> ASGIApp:
    """The application that answers by ``routes``; ``fields`` are the headers."""
    found = Starlette(
        routes=list(routes),
        exception_handlers={
            **dict.fromkeys((400, 404, 405, 413), show_error),
            StorageError: show_unavailable,
            500: show_fault,
        },
    )
    # A redirect would be built from the Host header, which is anybody's to write.
    found.router.redirect_slashes = False
    found.state.app = app
    found.state.errors = errors
    found.state.error_log = error_log

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await errors.answer(413, path=scope["path"])(scope, receive, send)

    return SecurityHeaders(found, fields=fields, too_large=refuse)
