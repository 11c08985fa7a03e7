"""What a process without pages serves: whether it lives, and its figures. Never shows anything to readers."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from aggregator.app import App
from aggregator.web.errors import ErrorLog, ErrorPages
from aggregator.web.headers import make_security_fields
from aggregator.web.health import check_health
from aggregator.web.metrics import Metrics
from aggregator.web.routes import guard_routes


async def _find_nothing(_: Request) -> Response:
    """Routed, so that what is asked otherwise than by GET is answered alike wherever it is."""
    raise HTTPException(404)


class Watch:
    """/healthz, and for the networks of ``metrics_allow`` /metrics; at all else there is nothing."""

    def __init__(self, app: App, *, metrics_allow: Sequence[str]) -> None:
        self.errors = ErrorPages(app)
        self.security = make_security_fields(app.settings.site)
        routes = [
            Route("/healthz", check_health),
            Route("/metrics", Metrics(app, metrics_allow).show),
            Route("/{path:path}", _find_nothing),
        ]
        self._routes = guard_routes(routes, app, errors=self.errors, error_log=ErrorLog(), fields=self.security)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._routes(scope, receive, send)
