"""Documents and the endpoints that serve them, good and bad, for all cases of the zoo. Never judges."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.zoo.server import Endpoint, Visit


def rss(items: str, channel: str = "", head: str = '<?xml version="1.0"?>') -> bytes:
    """A document of RSS 2.0 around ``items``."""
    text = f'{head}<rss version="2.0"><channel><title>Zoo</title>{channel}{items}</channel></rss>'
    return text.encode("utf-8", "surrogatepass")


def item(number: int | str, inside: str = "") -> str:
    return f"<item><guid>urn:zoo:{number}</guid><title>Post {number}</title>{inside}</item>"


def items(count: int) -> str:
    return "".join(item(number) for number in range(count))


def atom(entries: str, head: str = "") -> bytes:
    return f'<feed xmlns="http://www.w3.org/2005/Atom"><title>Zoo</title>{head}{entries}</feed>'.encode()


HEALTHY = rss(items(3))


def serve(body: bytes, status: int = 200, **headers: str) -> Endpoint:
    """A proper answer, always the same."""

    async def endpoint(visit: Visit) -> None:
        await visit.answer(body, status, **headers)

    return endpoint


def say(data: bytes) -> Endpoint:
    """These bytes, then the end of the line."""

    async def endpoint(visit: Visit) -> None:
        await visit.send(data)

    return endpoint


def drip(head: bytes, data: bytes, seconds: float = 0.05) -> Endpoint:
    """``head`` at once, then byte by byte."""

    async def endpoint(visit: Visit) -> None:
        await visit.send(head)
        for place in range(len(data)):
            await visit.send(data[place : place + 1])
            if await visit.closed_within(seconds):
                return

    return endpoint


def pour(head: bytes, block: bytes) -> Endpoint:
    """``head``, then ``block`` without end."""

    async def endpoint(visit: Visit) -> None:
        await visit.send(head)
        while True:
            await visit.send(block)
            await asyncio.sleep(0)  # a line that takes all at once must not keep the server from the others

    return endpoint


async def hold(visit: Visit) -> None:
    """Never a byte."""
    await visit.hold()


def redirect(target: str, status: int = 302) -> Endpoint:
    return serve(b"", status, Location=target)


def in_turn(*endpoints: Endpoint) -> Endpoint:
    """One endpoint a request, the last one for ever."""

    async def endpoint(visit: Visit) -> None:
        await endpoints[min(visit.times, len(endpoints) - 1)](visit)

    return endpoint


def bodies_in_turn(bodies: Sequence[bytes]) -> Endpoint:
    return in_turn(*(serve(body) for body in bodies))
