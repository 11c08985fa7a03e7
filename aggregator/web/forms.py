"""What all forms need: what was sent, that it was a form of ours and not too fast, from which network. Never stores."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from aggregator.app import App
from aggregator.model.letter import Origin
from aggregator.pipeline.tag import get_tags
from aggregator.render.tagnames import get_name
from aggregator.storage import meta
from aggregator.web.headers import MAX_BODY_BYTES, PRIVATE

#: The wording that people agree to: a new one for every change of subscribe.html.
FORM_VERSION = "2026-11"
#: Nobody fills a form faster, and one that lay open longer is asked for again.
FASTEST, SLOWEST = timedelta(seconds=3), timedelta(hours=1)
_MAX_FIELDS = 200


@dataclass(frozen=True, slots=True)
class Form:
    """Fields as they were sent; several of a name in their order."""

    fields: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str:
        """The first; empty where there is none."""
        return next((value for key, value in self.fields if key == name), "")

    def get_all(self, name: str) -> tuple[str, ...]:
        """All of that name."""
        return tuple(value for key, value in self.fields if key == name)


async def read_form(request: Request) -> Form:
    """What is not a small urlencoded form is an empty one."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return Form()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return Form()
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        return Form()
    return Form(tuple((name, value.replace("\0", "")) for name, value in pairs))


def answer_form(answer: Callable[[App, Request, Form], Response]) -> Callable[[Request], Any]:
    """A route of a function that may wait for the database: it gets a thread of its own."""

    async def serve(request: Request) -> Response:
        form = await read_form(request) if request.method == "POST" else Form()
        return await run_in_threadpool(answer, request.app.state.app, request, form)

    return serve


def show(body: str, status: int = 200) -> Response:
    """A page that nobody keeps."""
    return Response(body, status_code=status, media_type="text/html", headers=PRIVATE)


def make_stamp(app: App) -> str:
    """Proof that the form came from us, and when."""
    made = str(int(app.now().timestamp()))
    return f"{made}.{_prove(app, made)}"


def judge_stamp(app: App, stamp: str) -> str:
    """``ok``, ``fast``, ``old`` or ``wrong``."""
    made, _, proof = stamp.partition(".")
    if not (made.isascii() and made.isdigit() and len(made) < 12 and proof.isascii()):
        return "wrong"
    if not hmac.compare_digest(proof, _prove(app, made)):
        return "wrong"
    age = timedelta(seconds=app.now().timestamp() - int(made))
    return "fast" if age < FASTEST else "old" if age > SLOWEST else "ok"


def _prove(app: App, made: str) -> str:
    return hmac.new(_get_key(app), f"form:{made}".encode(), sha256).hexdigest()[:32]


def find_origin(app: App, request: Request) -> Origin:
    """The asker's network as a hash that only we can make, and the form's wording."""
    network = _find_network(request.client.host if request.client else "")
    proof = hmac.new(_get_key(app), f"network:{network}".encode(), sha256).hexdigest()[:32] if network else ""
    return Origin(network_hash=proof, form=FORM_VERSION)


def _find_network(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return host[:64]
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    return str(ip_network(f"{address}/{24 if isinstance(address, IPv4Address) else 64}", strict=False))


def _get_key(app: App) -> bytes:
    with app.db.read() as conn:
        return meta.get_identity(conn).signing_key


def list_topics(app: App, slugs: set[str]) -> list[tuple[str, str]]:
    """Slugs with their names, as the site says them."""
    known = get_tags(app.settings.tag_rules)
    language = app.settings.site.language
    return [(slug, get_name(known[slug], language) if slug in known else slug) for slug in sorted(slugs)]
