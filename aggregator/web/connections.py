"""One connection each: how long it may take for what, how much it may bring, and how many there may be at one time.

uvicorn waits for ever for the end of a request and for a reader who does not read, and counts idle connections as
busy ones. Here each has a limit; and where too many are open, those that have waited longest for nothing make room, so
that ten thousand idle ones never keep a reader out. Never looks into a page.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from heapq import nsmallest
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from aggregator.web.headers import Fields, find_body_limit

_MAX_FIELDS = 100
#: Requests that may come before the one before them is answered; each takes a hundred times its length.
_MAX_AHEAD = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of every connection, and of all together."""

    connections: int = 2_000
    #: From the first byte of a request to the end of its headers.
    head_seconds: float = 10.0
    #: From there to the end of its body.
    body_seconds: float = 60.0
    #: Between requests.
    idle_seconds: float = 15.0
    #: For the reader to take an answer.
    taking_seconds: float = 120.0
    #: Request line and headers; a search of some thousand characters is in it.
    head_bytes: int = 32 * 1024


class Connection(HttpToolsProtocol):
    """uvicorn's own, with `Limits`. ``make_error`` gives a page for a status, ``fields`` go with it."""

    def __init__(self, *, limits: Limits, make_error: Callable[[int], bytes], fields: Fields, **given: Any) -> None:
        super().__init__(**given)
        self._limits = limits
        self._make_error = make_error
        self._fields = fields
        #: When what is waited for began, and how long it may take; endless while we are the ones who work.
        self._since = 0.0
        self._patience = limits.idle_seconds
        #: When so much lay there for the reader that we wait until some of it is taken; endless while we need not.
        self._stuck_since = math.inf
        #: Bytes since the request began, and in the piece at hand.
        self._fed = self._piece = 0
        self._most = limits.head_bytes
        self._in_head = self._in_request = False
        self._refusal = 400

    @property
    def waits(self) -> bool:
        """Whether it waits for the other side."""
        return self._patience < math.inf or self._stuck_since < math.inf

    @property
    def since(self) -> float:
        """The loop's time at which it began to wait."""
        return self._since if self._patience < math.inf else self._stuck_since

    def is_overdue(self, now: float) -> bool:
        """Whether the other side took too long for what is its turn."""
        if now - self._stuck_since > self._limits.taking_seconds:
            return True
        is_taking = not self._in_request and self._patience < math.inf and self.transport.get_write_buffer_size()
        return now - self._since > (self._limits.taking_seconds if is_taking else self._patience)

    def cut(self) -> None:
        """End it now, whatever is under way."""
        self.connections.discard(self)  # at once: it counts no more
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= self._limits.connections and not make_room(self.connections):
            self.transport = transport
            self._refuse(503)
            return
        super().connection_made(transport)
        self._wait(self._limits.idle_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # also after an abort: the timer would keep all this in memory

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._piece = len(data)
        self._fed += self._piece
        self._unset_keepalive_if_required()
        # As uvicorn does it, but without lines in the log for whatever strangers send.
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse(self._refusal)
            return
        except httptools.HttpParserUpgrade:
            pass  # answered as if it had not been asked for (RFC 9110 7.8)
        if self._in_request and self._fed > self._most and not self.transport.is_closing():
            self._refuse(431 if self._in_head else 413)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stuck_since = math.inf

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= _MAX_AHEAD:
            self._break_off(400)
        super().on_message_begin()
        self._fed, self._most = self._piece, self._limits.head_bytes
        self._in_head = self._in_request = True
        self._wait(self._limits.head_seconds)

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= _MAX_FIELDS:
            self._break_off(431)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._fed > self._most and self._measure_head() > self._most:
            self._break_off(431)
        self._in_head = False
        self._wait(self._limits.body_seconds)
        super().on_headers_complete()
        # Twice: chunks have frames. What is announced and larger, `SecurityHeaders` refuses politely.
        self._most = self._piece + self._limits.head_bytes + 2 * find_body_limit(self.scope["path"])

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_request = False
        self._wait(self._limits.idle_seconds if self.cycle.response_complete else math.inf)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._in_request and self.cycle.response_complete:
            self._wait(self._limits.idle_seconds)

    def _wait(self, seconds: float) -> None:
        self._since, self._patience = self.loop.time(), seconds

    def _is_free(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _measure_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _break_off(self, status: int) -> None:
        self._refusal = status
        raise ValueError(f"refused with {status}")  # which ends the parser

    def _refuse(self, status: int) -> None:
        """A last answer, unless another one is under way."""
        if self._is_free():
            body = self._make_error(status)
            fields = [
                *self.server_state.default_headers,
                (b"content-type", b"text/html; charset=utf-8"),
                (b"content-length", str(len(body)).encode()),
                (b"cache-control", b"no-store"),
                (b"connection", b"close"),
                *([(b"retry-after", b"5")] if status == 503 else []),
                *self._fields,
            ]
            head = b"".join(name + b": " + value + b"\r\n" for name, value in fields)
            self.transport.write(STATUS_LINE[status] + head + b"\r\n" + body)
        self.transport.close()


def make_room(connections: Collection[Any]) -> bool:
    """End those that have waited longest for the other side, a fiftieth of all at once; False when all are at work."""
    idle = [connection for connection in connections if connection.waits]
    oldest = nsmallest(max(1, len(connections) // 50), idle, key=lambda connection: connection.since)
    for connection in oldest:
        connection.cut()
    return bool(oldest)


def end_overdue(connections: Collection[Any], now: float) -> None:
    """End all whose other side took too long; to be called about once a second."""
    for connection in [one for one in connections if one.is_overdue(now)]:
        connection.cut()
