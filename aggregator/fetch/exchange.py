"""One request and its answer, redirects by hand, body under caps. Never decides when to ask, never parses."""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
from yarl import URL

from aggregator.fetch.address import AddressGuard
from aggregator.fetch.decode import BadCoding, BodyDecoder
from aggregator.fetch.failures import FetchStopped
from aggregator.fetch.headers import (
    MAX_HEADER_BYTES,
    MAX_HEADER_COUNT,
    count_header_bytes,
    find_blocker,
    find_fresh_for,
    find_retry_after,
    get_validator,
    make_request_headers,
)
from aggregator.model.feed import Fetched, FetchRequest, NotModified
from aggregator.model.settings import FetchSettings

MAX_REDIRECTS = 5

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Redirects after which a form is posted again (RFC 9110 15.4.8, 15.4.9); the others would turn it into a GET.
_KEEP_METHOD = frozenset({307, 308})
_DOCUMENTS = frozenset({200, 203})
#: After a third of the time-out a body must have come at this rate, bytes a second.
_MIN_RATE = 1024
_DEFAULT_AGENT = "aggregator (no contact configured)"


@dataclass(slots=True)
class Trail:
    """Where one fetch stands: the address to ask next, what was asked already, and the time that was used."""

    url: URL
    visited: set[URL]
    #: The editor's own headers go to the feed's first origin only.
    with_own_headers: bool = True
    used_seconds: float = 0.0

    @property
    def host(self) -> str:
        return self.url.host or ""


class Exchange:
    """Asks one address after the other for one batch of settings."""

    def __init__(self, session: aiohttp.ClientSession, guard: AddressGuard, settings: FetchSettings) -> None:
        self._session = session
        self._guard = guard
        self._settings = settings

    def start(self, request: FetchRequest) -> Trail:
        """Raises `AddressBlocked` or `FetchStopped` when the address alone is refused."""
        try:
            url = URL(request.url).with_fragment(None)
        except ValueError:
            raise FetchStopped("blocked", "the address is not written as an address should be") from None
        self._guard.check_url(url)
        return Trail(url, {url})

    async def ask(self, request: FetchRequest, trail: Trail) -> Fetched | NotModified | None:
        """One hop; None: ``trail`` now points to where the answer redirects. Raises whatever goes wrong."""
        started = time.monotonic()
        headers = make_request_headers(
            request, self._settings.user_agent or _DEFAULT_AGENT, with_own=trail.with_own_headers
        )
        try:
            async with asyncio.timeout(max(0.0, self._settings.timeout_seconds - trail.used_seconds)):
                method, form = ("POST", aiohttp.FormData(request.form)) if request.form else ("GET", None)
                asked = self._session.request(method, trail.url, headers=headers, data=form, allow_redirects=False)
                async with asked as answer:
                    return await self._read(request, trail, answer)
        finally:
            trail.used_seconds += time.monotonic() - started

    async def _read(
        self, request: FetchRequest, trail: Trail, answer: aiohttp.ClientResponse
    ) -> Fetched | NotModified | None:
        if len(answer.raw_headers) > MAX_HEADER_COUNT or count_header_bytes(answer.raw_headers) > MAX_HEADER_BYTES:
            raise FetchStopped("too_large", f"the headers of {trail.host}'s answer are too long", answer.status)
        if request.form and 200 <= answer.status < 300:
            answer.close()  # "accepted" is all that a form is answered with
            return Fetched(request=request, final_url=str(trail.url), status=answer.status, body=b"", body_hash="")
        if answer.status in (_KEEP_METHOD if request.form else _REDIRECTS):
            answer.close()  # its body is of no use and may be endless
            self._follow(trail, answer)
            return None
        if answer.status == 304 and (request.etag or request.last_modified):
            return _make_not_modified(request, answer)
        if answer.status not in _DOCUMENTS:
            answer.close()
            raise _make_refusal(trail.host, answer)
        return await self._read_document(request, trail, answer)

    async def _read_document(
        self, request: FetchRequest, trail: Trail, answer: aiohttp.ClientResponse
    ) -> Fetched | NotModified:
        body, truncated = await self._read_body(answer)
        body_hash = hashlib.blake2b(body, digest_size=16).hexdigest()
        if body_hash == request.body_hash:
            return _make_not_modified(request, answer, with_validators=not truncated)
        return Fetched(
            request=request,
            final_url=str(trail.url),
            status=answer.status,
            body=body,
            body_hash=body_hash,
            content_type=answer.headers.get("Content-Type", ""),
            # Half a document must not be answered with 304 next time.
            etag="" if truncated else get_validator(answer.headers, "ETag"),
            last_modified="" if truncated else get_validator(answer.headers, "Last-Modified"),
            fresh_for=None if truncated else find_fresh_for(answer.headers, datetime.now(UTC)),
        )

    async def _read_body(self, answer: aiohttp.ClientResponse) -> tuple[bytes, bool]:
        """The decoded body, and whether the line broke before its end. Raises when nothing at all could be read."""
        decoder = BodyDecoder(",".join(answer.headers.getall("Content-Encoding", ())), self._settings.max_bytes)
        started = time.monotonic()
        broken: Exception | None = None
        try:
            async for chunk in answer.content.iter_any():
                decoder.feed(chunk)
                elapsed = time.monotonic() - started
                if elapsed > self._settings.timeout_seconds / 3 and decoder.read_bytes < _MIN_RATE * elapsed:
                    raise FetchStopped("timeout", f"{answer.url.host} sends too slowly")
        except (aiohttp.ClientPayloadError, aiohttp.ClientOSError, ConnectionError) as error:
            broken = error
            for chunk in _get_unread(answer.content):
                decoder.feed(chunk)
        body, complete = decoder.finish()
        if broken is not None and not body:
            raise broken
        if not complete and not body:
            raise BadCoding("ends before its coding begins")
        return body, broken is not None or not complete

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
        trail.url = target


def _make_not_modified(
    request: FetchRequest, answer: aiohttp.ClientResponse, *, with_validators: bool = True
) -> NotModified:
    return NotModified(
        request=request,
        status=answer.status,
        etag=get_validator(answer.headers, "ETag") if with_validators else "",
        last_modified=get_validator(answer.headers, "Last-Modified") if with_validators else "",
        fresh_for=find_fresh_for(answer.headers, datetime.now(UTC)),
    )


def _make_refusal(host: str, answer: aiohttp.ClientResponse) -> FetchStopped:
    words = "".join(c for c in answer.reason or "" if c.isascii() and c.isprintable())[:60].strip()
    blocker = find_blocker(answer.headers)
    reason = f"{host} answered {answer.status} {words}".rstrip() + (f" ({blocker})" if blocker else "")
    if answer.status == 304:
        reason = f"{host} answered 304 although nothing was known of the document yet"
    return FetchStopped("http", reason, answer.status, find_retry_after(answer.headers, datetime.now(UTC)))


def _get_unread(stream: aiohttp.StreamReader) -> tuple[bytes, ...]:
    """What had come before the line broke. There is no public way: after an error the stream only repeats the error."""
    return tuple(bytes(part) for part in getattr(stream, "_buffer", ()))
