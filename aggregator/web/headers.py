"""The headers that every answer bears, and a bound on what a request may bring. Never reads a body: one that comes in
chunks, without its length, is let in, for nobody takes more of it than the server's own small buffer.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aggregator.web.websub import MAX_DELIVERY_BYTES

#: One-click POSTs are tiny.
MAX_BODY_BYTES = 64 * 1024
#: Below these paths bodies may be larger, and are bounded by who reads them.
_LARGE = {"/websub/": MAX_DELIVERY_BYTES}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_TOO_LARGE = PlainTextResponse("Too large.\n", status_code=413, headers={"Cache-Control": "no-store"})


class SecurityHeaders:
    """ASGI middleware around the whole site."""

    def __init__(self, site: ASGIApp) -> None:
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._site(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if _announces_too_much(Headers(scope=scope), _find_limit(scope["path"])):
            await _TOO_LARGE(scope, receive, send_with_headers)
            return
        await self._site(scope, receive, send_with_headers)


def _find_limit(path: str) -> int:
    return next((limit for beginning, limit in _LARGE.items() if path.startswith(beginning)), MAX_BODY_BYTES)


def _announces_too_much(headers: Headers, limit: int) -> bool:
    length = headers.get("content-length", "0")
    # The length of the text first: `int` refuses thousands of digits.
    return not (length.isascii() and length.isdigit() and len(length) < 20) or int(length) > limit
