"""Who asks, and whether the request is really theirs. Never shows a page.

A request that changes something needs, all of them: a session (a cookie that scripts cannot read and that no other
site's page sends), the role of an editor, an Origin or Sec-Fetch-Site that is ours (Fetch Metadata), and the session's
own token in the form. Programs show a bearer token instead of all but the role: no browser adds that by itself.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from aggregator.app import App
from aggregator.storage import meta
from aggregator.tasks.desk.accounts import SESSION
from aggregator.web.limits import name_client

#: With the prefix a browser takes it only over https, for the whole host, from the host itself (RFC 6265bis).
COOKIE, SECURE_COOKIE = "desk", "__Host-desk"
CSRF_FIELD = "csrf"


def is_secure(request: Request) -> bool:
    """Whether it came over TLS, as far as we or a proxy that we trust know."""
    return request.url.scheme == "https"


def get_session(request: Request) -> str:
    """What the cookie holds; empty: there is none."""
    found = request.cookies.get(SECURE_COOKIE if is_secure(request) else COOKIE, "")
    return found if found.isascii() and len(found) < 100 else ""


def set_session(request: Request, response: Response, token: str) -> None:
    """From now on; an empty ``token`` takes the cookie away."""
    secure = is_secure(request)
    response.set_cookie(
        SECURE_COOKIE if secure else COOKIE,
        token,
        max_age=round(SESSION.total_seconds()) if token else 0,
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def make_csrf(app: App, session: str) -> str:
    """What forms of this session hold; of nobody's session, those of the login."""
    with app.db.read() as conn:
        key = meta.get_identity(conn).signing_key
    return hmac.new(key, f"desk form:{session}".encode(), sha256).hexdigest()[:40]


def is_ours(app: App, request: Request) -> bool:
    """Whether a page of ours sent it, as far as the browser says: no other site's page may."""
    site = request.headers.get("sec-fetch-site", "")
    if site not in ("", "same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or _names_us(app, request, origin)


def _names_us(app: App, request: Request, origin: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    ours = urlsplit(app.settings.site.url)
    if (parts.scheme, parts.netloc) == (ours.scheme, ours.netloc):
        return True
    # The scheme is a proxy's to know; the host is what the browser asked for.
    return parts.scheme in ("http", "https") and bool(parts.netloc) and parts.netloc == request.headers.get("host")


def has_csrf(expected: str, sent: Mapping[str, list[str]], request: Request) -> bool:
    """In the form, or in the header that scripts of ours set."""
    found = (sent.get(CSRF_FIELD) or [request.headers.get("x-csrf-token", "")])[0]
    return hmac.compare_digest(expected.encode(), found.encode("utf-8", "replace"))


def get_bearer(request: Request) -> str:
    """The token that a program shows (RFC 6750); empty: none."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def get_network(request: Request) -> str:
    """Where it comes from, for the caps of logins."""
    return name_client(request.client.host if request.client else "")
