"""A web server that may do anything: raw bytes on raw sockets, in a thread of its own. Never decides what is right.

One endpoint a path; an endpoint is a coroutine that is handed a `Visit` and owns the open line until it returns. What
it does depends on the address alone: ``/name?seed=7`` gives `Visit.rng` its seed, so that a fault can be had again.
Every connection and every request is recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

_MAX_HEAD = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as it came; header names in lower case."""

    method: str
    #: Without its query.
    path: str
    query: str
    headers: Mapping[str, str]
    #: `time.monotonic` when its head was complete.
    at: float
    #: The same by the program's clock.
    when: datetime

    @property
    def host(self) -> str:
        return self.headers.get("host", "").partition(":")[0]

    @property
    def conditional(self) -> bool:
        return "if-none-match" in self.headers or "if-modified-since" in self.headers


class Visit:
    """One request and the line it came on, for an endpoint to answer in whatever way."""

    def __init__(self, asked: Asked, times: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked = asked
        #: How often this path was asked before.
        self.times = times
        self.rng = random.Random(parse_qs(asked.query).get("seed", ["0"])[0])
        self._reader, self._writer = reader, writer
        #: The request came over TLS.
        self.secure = writer.get_extra_info("ssl_object") is not None

    async def send(self, data: bytes) -> None:
        """Raises `ConnectionError` when the other side has gone: let it, it ends the endpoint."""
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self, body: bytes = b"", status: int = 200, **headers: str) -> None:
        """A proper answer; ``Content_Type=...`` becomes ``Content-Type: ...``."""
        fields = {"Content_Type": "application/xml", "Content_Length": str(len(body)), "Connection": "close", **headers}
        if status == 304:
            del fields["Content_Type"], fields["Content_Length"]
        lines = [f"HTTP/1.1 {status} Word", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
        await self.send("\r\n".join([*lines, "", ""]).encode() + (b"" if status == 304 else body))

    async def hold(self) -> None:
        """Says nothing until the other side hangs up."""
        while await self._reader.read(65536):
            pass

    async def closed_within(self, seconds: float) -> bool:
        """Whether the other side hangs up so soon: paces an endpoint without sleeping."""
        try:
            async with asyncio.timeout(seconds):
                await self.hold()
        except TimeoutError:
            return False
        return True


Endpoint = Callable[[Visit], Awaitable[None]]


@dataclass
class ZooServer:
    """Started at once, on two ports of 127.0.0.1: plain, and TLS when it is given a certificate."""

    tls: ssl.SSLContext | None = None
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    connections: int = 0
    requests: list[Asked] = field(default_factory=list)
    plain_port: int = 0
    tls_port: int = 0

    def __post_init__(self) -> None:
        self._endpoints: dict[str, Endpoint] = {}
        self._loop = asyncio.new_event_loop()
        self._listeners: list[asyncio.Server] = []
        #: Also of visits that are over: a line that was closed stays until its client has read all and said goodbye.
        self._lines: weakref.WeakSet[asyncio.WriteTransport] = weakref.WeakSet()
        self._thread = threading.Thread(target=self._loop.run_forever, name="zoo", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def put(self, path: str, endpoint: Endpoint) -> str:
        """Let ``endpoint`` answer every request for ``path``, whatever the host's name. Returns the path."""
        self._endpoints[path] = endpoint
        return path

    def count(self, path: str) -> int:
        return sum(asked.path == path for asked in self.requests)

    def asked_for(self, path: str) -> list[Asked]:
        return [asked for asked in self.requests if asked.path == path]

    def call(self, function: Callable[[], object]) -> None:
        """Run ``function`` in the server's loop, soon: sets an `asyncio.Event` that endpoints wait for."""
        self._loop.call_soon_threadsafe(function)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> None:
        self._listeners.append(await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_MAX_HEAD, backlog=1024))
        self.plain_port = self._listeners[0].sockets[0].getsockname()[1]
        if self.tls is not None:
            listener = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_MAX_HEAD, ssl=self.tls)
            self._listeners.append(listener)
            self.tls_port = listener.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        # asyncio loses a connection that it has accepted when its listener is closed in that moment (gh-109564).
        for listener in self._listeners:
            self._loop.remove_reader(listener.sockets[0].fileno())
        await asyncio.sleep(0)
        for listener in self._listeners:
            listener.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for line in list(self._lines):
            line.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._lines.add(writer.transport)
        self.connections += 1
        try:
            with contextlib.suppress(OSError, EOFError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await self._answer(reader, writer)
        except asyncio.CancelledError:
            pass  # the end of the zoo
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = _read_head(await reader.readuntil(b"\r\n\r\n"), self.now())
        times = self.count(asked.path)
        self.requests.append(asked)
        endpoint = self._endpoints.get(asked.path, _say_not_here)
        await endpoint(Visit(asked, times, reader, writer))


async def _say_not_here(visit: Visit) -> None:
    await visit.answer(b"nothing here", 404)


def _read_head(head: bytes, now: datetime) -> Asked:
    first, *rest = head.decode("latin-1").split("\r\n")
    method, target, *_ = [*first.split(" "), "", ""]
    parts = urlsplit(target)
    pairs = (line.partition(":") for line in rest if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    at = time.monotonic()
    return Asked(method=method, path=parts.path, query=parts.query, headers=headers, at=at, when=now)
