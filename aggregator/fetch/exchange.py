"""One request and its answer, redirects by hand, body under caps. Never decides when to ask, never parses."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp
from yarl import URL

from aggregator.fetch.address import AddressGuard
from aggregator.fetch.body import Hold, Received, read_body, read_page
from aggregator.fetch.failures import FetchStopped
from aggregator.fetch.headers import (
    MAX_HEADER_BYTES,
    MAX_HEADER_COUNT,
    count_header_bytes,
    find_fresh_for,
    find_retry_after,
    get_validator,
    make_request_headers,
)
from aggregator.fetch.hosts import ASSUMED_WAIT, is_named
from aggregator.fetch.links import find_hub_links
from aggregator.fetch.walls import find_blocker, find_page_blocker
from aggregator.model.feed import Exchanged, Fetched, FetchRequest, Hop, NotModified
from aggregator.model.said import say_wait
from aggregator.model.settings import FetchSettings

MAX_REDIRECTS = 5

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Redirects after which a form is posted again (RFC 9110 15.4.8, 15.4.9); the others would turn it into a GET.
_KEEP_METHOD = frozenset({307, 308})
_DOCUMENTS = frozenset({200, 203})
#: Errors whose page may name the wall that sent it.
_WALLS = frozenset({401, 403, 429, 503})
_DEFAULT_AGENT = "aggregator (no contact configured)"


@dataclass(slots=True)
class Trail:
    """Where one fetch stands: the address to ask next, what was asked already, and the time that was used."""

    url: URL
    visited: set[URL]
    #: The editor's own headers go to the feed's first origin only.
    with_own_headers: bool = True
    used_seconds: float = 0.0
    #: When it was asked last, by the clock of `time.monotonic`; None: it is not being asked now.
    asked_at: float | None = None
    received: Received = field(default_factory=Received)
    hops: list[Hop] = field(default_factory=list)
    #: Of the feed's own address, wherever it leads; empty before its host's turn was asked for.
    host_key: str = ""
    own: bool = False

    @property
    def host(self) -> str:
        return self.url.host or ""

    def stop(self) -> None:
        """The time since it was asked last is used."""
        if self.asked_at is not None:
            self.used_seconds += time.monotonic() - self.asked_at
            self.asked_at = None

    def sum_up(self) -> Exchanged:
        """What there is to tell of it, whatever came of it."""
        self.stop()
        return Exchanged(
            hops=tuple(self.hops),
            received_bytes=self.received.count,
            seconds=round(self.used_seconds, 3),
            host_key=self.host_key,
            own=self.own,
        )


class Exchange:
    """Asks one address after the other for one batch of settings."""

    def __init__(
        self,
        keeping: aiohttp.ClientSession,
        closing: aiohttp.ClientSession,
        guard: AddressGuard,
        settings: FetchSettings,
    ) -> None:
        """``keeping`` keeps lines open for the next request to a host, ``closing`` does not."""
        self._keeping = keeping
        self._closing = closing
        self._guard = guard
        self._settings = settings
        self._unpacking = asyncio.Lock()

    def start(self, request: FetchRequest) -> Trail:
        """Raises `AddressBlocked` or `FetchStopped` when the address alone is refused."""
        try:
            url = URL(request.url).with_fragment(None)
        except ValueError:
            raise FetchStopped("blocked", "the address is not written as an address should be") from None
        self._guard.check_url(url)
        return Trail(url, {url})

    async def ask(
        self, request: FetchRequest, trail: Trail, hold: Hold, *, keep_line: bool = True
    ) -> Fetched | NotModified | None:
        """One hop; None: ``trail`` now points to where the answer redirects. Raises whatever goes wrong."""
        trail.asked_at = time.monotonic()
        agent, own = self._settings.user_agent or _DEFAULT_AGENT, trail.with_own_headers
        headers = make_request_headers(request, agent, with_own=own, keep_line=keep_line)
        try:
            async with asyncio.timeout(max(0.0, self._settings.timeout_seconds - trail.used_seconds)):
                method, data = "POST" if request.is_post else "GET", _make_data(request)
                session = self._keeping if keep_line else self._closing
                asked = session.request(method, trail.url, headers=headers, data=data, allow_redirects=False)
                async with asked as answer:
                    return await self._read(request, trail, answer, hold)
        finally:
            trail.stop()

    async def _read(
        self, request: FetchRequest, trail: Trail, answer: aiohttp.ClientResponse, hold: Hold
    ) -> Fetched | NotModified | None:
        if len(answer.raw_headers) > MAX_HEADER_COUNT or count_header_bytes(answer.raw_headers) > MAX_HEADER_BYTES:
            raise FetchStopped("too_large", f"the headers of {trail.host}'s answer are too long", answer.status)
        if request.is_post and 200 <= answer.status < 300:
            answer.close()  # "accepted" is all that a form is answered with
            return Fetched(
                request=request,
                final_url=str(trail.url),
                status=answer.status,
                body=b"",
                body_hash="",
                exchanged=trail.sum_up(),
            )
        if not request.body and answer.status in (_KEEP_METHOD if request.form else _REDIRECTS):
            answer.close()  # its body is of no use and may be endless
            self._follow(trail, answer)
            return None
        if answer.status == 304 and (request.etag or request.last_modified):
            return _make_not_modified(request, trail, answer)
        if answer.status not in _DOCUMENTS:
            raise await self._refuse(trail, answer)
        return await self._read_document(request, trail, answer, hold)

    async def _read_document(
        self, request: FetchRequest, trail: Trail, answer: aiohttp.ClientResponse, hold: Hold
    ) -> Fetched | NotModified:
        body = await read_body(answer, self._settings, trail.received, hold, self._unpacking)
        whole = not body.truncated
        if body.hash == request.body_hash:
            return _make_not_modified(request, trail, answer, with_validators=whole)
        hub_url, self_url = find_hub_links(answer.headers.getall("Link", ()), trail.url)
        return Fetched(
            request=request,
            final_url=str(trail.url),
            status=answer.status,
            body=body.data,
            body_hash=body.hash,
            content_type=answer.headers.get("Content-Type", ""),
            # Half a document must not be answered with 304 next time.
            etag=get_validator(answer.headers, "ETag") if whole else "",
            last_modified=get_validator(answer.headers, "Last-Modified") if whole else "",
            fresh_for=find_fresh_for(answer.headers, datetime.now(UTC)) if whole else None,
            truncated=body.truncated,
            exchanged=trail.sum_up(),
            hub_url=hub_url,
            self_url=self_url,
        )

    async def _refuse(self, trail: Trail, answer: aiohttp.ClientResponse) -> FetchStopped:
        """What an answer without a document says, the wall that sent it and the wait that it asks for included."""
        words = "".join(c for c in answer.reason or "" if c.isascii() and c.isprintable())[:60].strip()
        blocker = find_blocker(answer.headers)
        if not blocker and answer.status in _WALLS and "html" in answer.headers.get("Content-Type", "html").lower():
            blocker = find_page_blocker(await read_page(answer, trail.received))
        if not answer.content.at_eof():
            answer.close()
        reason = f"{trail.host} answered {answer.status} {words}".rstrip() + (f" ({blocker})" if blocker else "")
        if answer.status == 304:
            reason = f"{trail.host} answered 304 although nothing was known of the document yet"
        wait, pause = find_retry_after(answer.headers, datetime.now(UTC)), ""
        if wait is not None and answer.status >= 400:
            pause = f"{trail.host} asks for {say_wait(wait)} (Retry-After)"
        elif wait is None and self._means_rate_limit(trail, answer.status):
            wait = ASSUMED_WAIT
            pause = f"{trail.host} answered {answer.status} and said no time: left alone for {say_wait(wait)}"
            reason += f"; it said no time: left alone for {say_wait(wait)}"
        return FetchStopped("http", reason, answer.status, wait, pause)

    def _means_rate_limit(self, trail: Trail, status: int) -> bool:
        """429, or a 403 of a host that says it instead (FreshRSS 8928)."""
        return status == 429 or (
            status == 403 and is_named(trail.url.raw_host or "", self._settings.forbidden_as_rate_limit)
        )

    def _follow(self, trail: Trail, answer: aiohttp.ClientResponse) -> None:
        """Points ``trail`` to the next hop (RFC 9110 15.4), or raises why not."""
        location = answer.headers.get("Location", "").strip()
        target, trouble = trail.url, ""
        try:
            target = trail.url.join(URL(location)).with_fragment(None)
        except ValueError:
            trouble = "to something that is no address"
        else:
            self._guard.check_url(target)
        if not location:
            trouble = "without saying where to"
        elif trail.url.scheme == "https" and target.scheme == "http":
            trouble = "from https to http, which is refused"
        elif target in trail.visited:
            trouble = trouble or "in a circle"
        elif len(trail.visited) > MAX_REDIRECTS:
            trouble = f"more than {MAX_REDIRECTS} times"
        if trouble:
            raise FetchStopped("redirect", f"{trail.host} redirects {trouble}", answer.status)
        trail.with_own_headers = trail.with_own_headers and target.origin() == trail.url.origin()
        trail.visited.add(target)
        trail.hops.append(Hop(status=answer.status, url=str(target)))
        trail.url = target


def _make_data(request: FetchRequest) -> aiohttp.FormData | bytes | None:
    return request.body or (aiohttp.FormData(request.form) if request.form else None)


def _make_not_modified(
    request: FetchRequest, trail: Trail, answer: aiohttp.ClientResponse, *, with_validators: bool = True
) -> NotModified:
    return NotModified(
        request=request,
        status=answer.status,
        etag=get_validator(answer.headers, "ETag") if with_validators else "",
        last_modified=get_validator(answer.headers, "Last-Modified") if with_validators else "",
        fresh_for=find_fresh_for(answer.headers, datetime.now(UTC)),
        exchanged=trail.sum_up(),
    )
