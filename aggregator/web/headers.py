"""The headers that every answer bears, and a bound on what a request may bring. Never reads a body: one that comes in
chunks, without its length, is let in, for nobody takes more of it than the server's own small buffer.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aggregator.model.settings import Site
from aggregator.web.websub import MAX_DELIVERY_BYTES

#: As ASGI wants them: names in lower case.
Fields = tuple[tuple[bytes, bytes], ...]

#: One-click POSTs are tiny.
MAX_BODY_BYTES = 64 * 1024
#: A list of subscribers or feeds may be long; who is not logged in sends less (`desk.login`).
MAX_DESK_BYTES = 32 * 1024 * 1024
#: Below these paths bodies may be larger, and are bounded by who reads them.
_LARGE = {"/websub/": MAX_DELIVERY_BYTES, "/admin/": MAX_DESK_BYTES, "/api/": MAX_DESK_BYTES}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
#: Of pages that only one person has.
PRIVATE = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
#: Of the desk: its own scripts, frames of its own (the mail as it will be), and forms whose Origin says that they are
#: ours, which `no-referrer` would turn into "null" (Fetch, "append a request Origin header").
DESK_HEADERS = {
    **HEADERS,
    **PRIVATE,
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
}
_HTTPS_ONLY = (b"strict-transport-security", b"max-age=31536000")


def make_security_fields(site: Site, headers: Mapping[str, str] = HEADERS) -> Fields:
    """``headers``; and where the site lives under https, browsers are told to stay there (RFC 6797)."""
    fields = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
    return (*fields, _HTTPS_ONLY) if site.url.startswith("https:") else fields


class SecurityHeaders:
    """ASGI middleware that adds ``fields`` to every answer, and answers with ``too_large`` itself."""

    def __init__(self, site: ASGIApp, *, fields: Fields, too_large: ASGIApp) -> None:
        self._site = site
        self._fields = fields
        self._too_large = too_large

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._site(scope, receive, send)
            return

        async def send_with_fields(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = message.get("headers", ())
                said = {name for name, _ in own}
                message["headers"] = [*own, *(field for field in self._fields if field[0] not in said)]
            await send(message)

        too_large = _announces_too_much(Headers(scope=scope), find_body_limit(scope["path"]))
        await (self._too_large if too_large else self._site)(scope, receive, send_with_fields)


def find_body_limit(path: str) -> int:
    """The most bytes that a request for this path may bring."""
    return next((limit for beginning, limit in _LARGE.items() if path.startswith(beginning)), MAX_BODY_BYTES)


def _announces_too_much(headers: Headers, limit: int) -> bool:
    length = headers.get("content-length", "0")
    # The length of the text first: `int` refuses thousands of digits.
    return not (length.isascii() and length.isdigit() and len(length) < 20) or int(length) > limit
