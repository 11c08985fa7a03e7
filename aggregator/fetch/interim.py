"""Interim answers (RFC 9110 15.2) are few, or the line is closed. Never looks at the answer itself.

aiohttp reads them for as long as they come, at 25 bytes each: a host that sends nothing else would keep the loop from
all others.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

#: An honest host sends one or two before its answer.
MAX_INTERIM = 20
#: Before the answer begins, so much of the line is read at a time: what stands in it is counted after it is parsed.
_PIECE = 2048


def limit_interim(connector: aiohttp.TCPConnector, loop: asyncio.AbstractEventLoop) -> None:
    """Let all lines of ``connector`` count; aiohttp has no public way to say which class reads them."""
    connector._factory = lambda: _CountingHandler(loop)  # type: ignore[assignment]


class _CountingHandler(ResponseHandler):
    """Reads answers as its parent does, and fails when too many interim ones come before one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._interim = 0
        self._answered = False

    def set_response_params(self, **params: Any) -> None:
        self._interim, self._answered = 0, False
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        start = 0
        while not self._answered and len(data) - start > _PIECE and self.exception() is None:
            super().data_received(data[start : start + _PIECE])
            start += _PIECE
        if self.exception() is None or not start:
            super().data_received(data[start:] if start else data)

    def feed_data(self, data: Any, size: int = 0) -> None:
        code = data[0].code
        if self._answered or not 100 <= code < 200 or code == 101:
            self._answered = True
            super().feed_data(data, size)
            return
        self._interim += 1
        if self._interim <= MAX_INTERIM:
            super().feed_data(data, size)
        elif self.exception() is None:
            self.set_exception(HttpProcessingError(message=f"more than {MAX_INTERIM} interim answers"))
            if self.transport is not None:
                self.transport.abort()
