"""The ASGI application: what is in memory goes out at once, all else by its route. Never renders a page itself."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from aggregator.app import App
from aggregator.render.links import get_root
from aggregator.tasks.site.found import Moved
from aggregator.tasks.site.routes import read_query
from aggregator.web.cache import Failed, Key, Pace, PageCache
from aggregator.web.conditions import Wishes, read_wishes
from aggregator.web.confirm import show_confirm
from aggregator.web.copies import Copy
from aggregator.web.desk.desk import Desk, is_desk
from aggregator.web.errors import ErrorLog, ErrorPages
from aggregator.web.forms import answer_form
from aggregator.web.headers import Fields, make_security_fields
from aggregator.web.health import Readiness, check_health
from aggregator.web.limits import RateLimit
from aggregator.web.metrics import METRICS_ALLOW, Metrics
from aggregator.web.preferences import show_preferences
from aggregator.web.privacy import show_privacy
from aggregator.web.routes import guard_routes
from aggregator.web.subscribe import show_subscribe
from aggregator.web.unsubscribe import show_unsubscribe
from aggregator.web.websub import take_call

_READING = ("GET", "HEAD")
_FORMS = tuple(
    Route(path, answer_form(answer), methods=["GET", "HEAD", "POST"])
    for path, answer in (
        ("/subscribe", show_subscribe),
        ("/confirm/{token}", show_confirm),
        ("/preferences/{token}", show_preferences),
        ("/unsubscribe/{token}", show_unsubscribe),
        ("/privacy", show_privacy),
    )
)
_MAX_PAIRS = 100
_MOVED = {"Cache-Control": "public, max-age=60"}


def create_site(
    app: App,
    *,
    pace: Pace | None = None,
    searches_per_minute: int = 0,
    metrics_allow: Sequence[str] = METRICS_ALLOW,
    with_desk: bool = True,
) -> Site:
    """The application over ``app``; it opens nothing and may be made before the database answers.

    ``searches_per_minute``: of one address, as far as they are not in memory; 0: no limit. ``metrics_allow``: networks
    for which /metrics is there. ``with_desk``: no, where it has a listener of its own.
    """
    site = Site(app, pace=pace or Pace(), searches_per_minute=searches_per_minute, metrics_allow=metrics_allow)
    if with_desk:
        site.desk = Desk(app, errors=site.errors, error_log=site.error_log)
    return site


class Site:
    """What `create_site` makes."""

    def __init__(self, app: App, *, pace: Pace, searches_per_minute: int, metrics_allow: Sequence[str]) -> None:
        self.errors = ErrorPages(app)
        self.error_log = ErrorLog()
        self.cache = PageCache(app, pace=pace, errors=self.error_log)
        #: None: it is not here.
        self.desk: Desk | None = None
        self._app = app
        self._limit = RateLimit(searches_per_minute)
        self.security = make_security_fields(app.settings.site)
        routes = [
            Route("/healthz", check_health),
            Route("/readyz", Readiness(app).check),
            Route("/metrics", Metrics(app, metrics_allow).show),
            *_FORMS,
            Route("/websub/{token}", take_call, methods=["GET", "POST"]),
            Route("/{path:path}", self._show_page, methods=["GET", "HEAD"]),
        ]
        self._routes = guard_routes(routes, app, errors=self.errors, error_log=self.error_log, fields=self.security)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.desk is not None and scope["type"] == "http" and is_desk(scope["path"]):
            await self.desk(scope, receive, send)
            return
        if scope["type"] == "http" and scope["method"] in _READING:
            if not self.cache.is_watched:
                await self.cache.prepare()
            copy = self.cache.get_fresh(read_key(scope["path"], scope["query_string"]))
            if copy is not None:
                wishes = read_wishes(scope["headers"])
                if not (wishes.wants_document and copy.page.view_path):
                    await self._send(copy, wishes, send, self.security)
                    return
        await self._routes(scope, receive, send)

    async def _send(self, copy: Copy, wishes: Wishes, send: Send, more: Fields = (), *, vary: bytes = b"") -> None:
        """200 or 304; of HEAD the server leaves the body out."""
        chosen = copy.choose(wishes)
        known = copy.find_known(wishes, chosen, self._app.now)
        fields = known.fields_304 if known else chosen.fields
        if vary:
            fields = (*(field for field in fields if field[0] != b"vary"), (b"vary", vary))
        await send({"type": "http.response.start", "status": 304 if known else 200, "headers": (*fields, *more)})
        await send({"type": "http.response.body", "body": b"" if known else chosen.body})

    async def _show_page(self, request: Request) -> ASGIApp:
        """Any page of `tasks.site`: 200, 301, 304 or 404; or 429, 500, 503."""
        key = read_key(request.scope["path"], request.scope["query_string"])
        if key[1] and self.cache.get_fresh(key) is None and (wait := self._limit.take(_get_client(request))):
            return self.errors.answer(429, {"Retry-After": str(wait)})
        found = await self.cache.find(key)
        if isinstance(found, Copy):
            return await self._answer(found, read_wishes(request.scope["headers"]))
        if isinstance(found, Moved):
            return RedirectResponse(get_root(self._app.settings.site) + found.path, status_code=301, headers=_MOVED)
        return self.errors.answer(found.status if isinstance(found, Failed) else 404)

    async def _answer(self, copy: Copy, wishes: Wishes) -> ASGIApp:
        """A browser that opens a feed gets the page for people, under the feed's address."""
        vary = b""
        if wishes.wants_document and copy.page.view_path:
            path, _, query = copy.page.view_path.partition("?")
            view = await self.cache.find(read_key(path, query.encode()))
            if isinstance(view, Copy):
                copy, vary = view, b"Accept-Encoding, Sec-Fetch-Dest"

        async def answer(_: Scope, __: Receive, send: Send) -> None:
            await self._send(copy, wishes, send, vary=vary)

        return answer


def read_key(path: str, query: bytes) -> Key:
    """``path`` as the server decoded it (`Request.url` would join it with the Host header and cut it at a decoded
    ``?``), and of ``query`` what the route of this path knows."""
    if not query:
        return path, ()
    try:
        pairs = parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MAX_PAIRS)
    except ValueError:
        return path, ()  # nobody asks for a hundred things
    return path, read_query(path, pairs)


def _get_client(request: Request) -> str:
    return request.client.host if request.client is not None else ""
