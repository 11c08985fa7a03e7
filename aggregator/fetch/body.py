"""One body off the line, in pieces: under caps, and without holding up the loop. Never decides what it means."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from aggregator.fetch.decode import BadCoding, BodyDecoder, TooLarge
from aggregator.fetch.failures import FetchStopped
from aggregator.model.settings import FetchSettings

#: After a third of the time-out a body must have come at this rate, bytes a second.
_MIN_RATE = 1024
#: So long a body may be unpacked before others have their turn.
_TURN_SECONDS = 0.005
#: Of a page that an error comes with, decoded; and how long it is waited for.
_PAGE_BYTES = 16 * 1024
_PAGE_SECONDS = 2.0

#: Told how many bytes a body has grown to; False: it must not grow any further.
Hold = Callable[[int], bool]


@dataclass(slots=True)
class Received:
    """Bytes of the line so far; counted here because the fetch may end in an exception."""

    count: int = 0


@dataclass(frozen=True, slots=True)
class Body:
    """One whole document, or what came of it."""

    data: bytes
    #: blake2b-128, hex.
    hash: str
    #: The line broke before its end.
    truncated: bool


async def read_body(
    answer: aiohttp.ClientResponse, settings: FetchSettings, received: Received, hold: Hold, unpacking: asyncio.Lock
) -> Body:
    """The decoded body. Raises when nothing at all could be read, and for every cap.

    ``unpacking`` is everybody's: one body is unpacked at a time, else their turns would add up.
    """
    inflow = _Inflow(_find_coding(answer), settings.max_bytes, received, unpacking)
    started = time.monotonic()
    broken: Exception | None = None
    try:
        async for chunk in answer.content.iter_any():
            await inflow.take(chunk)
            elapsed = time.monotonic() - started
            if elapsed > settings.timeout_seconds / 3 and inflow.decoder.read_bytes < _MIN_RATE * elapsed:
                raise FetchStopped("timeout", f"{answer.url.host} sends too slowly")
            if not hold(inflow.decoder.decoded_bytes):
                raise FetchStopped("timeout", f"{answer.url.host} sends a large document too slowly")
    except (aiohttp.ClientPayloadError, aiohttp.ClientOSError, ConnectionError) as error:
        broken = error
        for chunk in _get_unread(answer.content):
            await inflow.take(chunk)
    data, complete = inflow.decoder.finish()
    if broken is not None and not data:
        raise broken
    if not complete and not data:
        raise BadCoding("ends before its coding begins")
    return Body(data, inflow.digest.hexdigest(), broken is not None or not complete)


async def read_page(answer: aiohttp.ClientResponse, received: Received) -> bytes:
    """The beginning of a page that came with an error; whatever goes wrong ends it, nothing is raised."""
    parts = bytearray()
    try:
        decoder = BodyDecoder(_find_coding(answer), 4 * _PAGE_BYTES)
        async with asyncio.timeout(_PAGE_SECONDS):
            async for chunk in answer.content.iter_any():
                received.count += len(chunk)
                for piece in decoder.unpack(chunk):
                    parts += piece
                    if len(parts) >= _PAGE_BYTES:
                        return bytes(parts[:_PAGE_BYTES])
    except (BadCoding, TooLarge, TimeoutError, aiohttp.ClientError, OSError):
        pass
    return bytes(parts[:_PAGE_BYTES])


class _Inflow:
    """Unpacks and hashes what comes, and lets others have their turn in between."""

    def __init__(self, coding: str, max_bytes: int, received: Received, unpacking: asyncio.Lock) -> None:
        self.decoder = BodyDecoder(coding, max_bytes)
        self.digest = hashlib.blake2b(digest_size=16)
        self._received = received
        self._unpacking = unpacking

    async def take(self, chunk: bytes) -> None:
        self._received.count += len(chunk)
        async with self._unpacking:
            since = time.monotonic()
            for piece in self.decoder.unpack(chunk):
                self.digest.update(piece)
                if time.monotonic() - since > _TURN_SECONDS:
                    await asyncio.sleep(0)
                    since = time.monotonic()


def _find_coding(answer: aiohttp.ClientResponse) -> str:
    return ",".join(answer.headers.getall("Content-Encoding", ()))


def _get_unread(stream: aiohttp.StreamReader) -> tuple[bytes, ...]:
    """What had come before the line broke. There is no public way: after an error the stream only repeats the error."""
    return tuple(bytes(part) for part in getattr(stream, "_buffer", ()))
