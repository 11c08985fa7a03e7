"""Where a request may go: judged on the address about to be connected, however it was written. Never sends a byte."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Not public although `ipaddress` of some Python versions says so: IETF protocol assignments and the old 6to4 relay.
_CLOSED_V4 = tuple(ipaddress.IPv4Network(net) for net in ("192.0.0.0/24", "192.88.99.0/24"))
#: The only part of IPv6 that is handed out for the public net ...
_OPEN_V6 = ipaddress.IPv6Network("2000::/3")
#: ... less Teredo and other protocol assignments, documentation, 6to4 and documentation again (RFC 9637).
_CLOSED_V6 = tuple(ipaddress.IPv6Network(net) for net in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))

_LOW_PORTS = frozenset({80, 443})
#: Services above 1023 that must never be sent a request line: databases, caches, brokers, remote shells, cluster APIs.
_CLOSED_PORTS = frozenset(
    {1433, 1521, 1723, 2049, 2375, 2376, 2379, 2380, 3306, 3389, 4369, 5060, 5061, 5432, 5672, 5900, 5984, 6000, 6379}
    | {6443, 6660, 6665, 6666, 6667, 6668, 6669, 6697, 8086, 9042, 9092, 9200, 9300, 10250, 11211, 15672, 27017, 27018}
)

#: How long a judged answer of the name server is kept, in seconds.
ANSWER_SECONDS = 60.0
_MOST_ANSWERS = 1_000
#: No IP address is written longer, its zone included.
_MAX_LITERAL = 64


class AddressBlocked(OSError):
    """The guard refuses this address. An `OSError` because only that passes through the connector as it is."""


class AddressGuard:
    """Says which addresses, ports and URLs may be asked; ``allow_networks`` (CIDR) are let through although private."""

    def __init__(self, allow_networks: Iterable[str] = ()) -> None:
        self._allowed = tuple(ipaddress.ip_network(net, strict=False) for net in allow_networks)

    @property
    def has_own_networks(self) -> bool:
        return bool(self._allowed)

    def is_own(self, host: str) -> bool:
        """Whether ``host`` is an IP address inside ``allow_networks``."""
        address = _parse_address(host)
        return address is not None and any(address in net for net in self._allowed)

    def is_open(self, host: str) -> bool:
        """Whether the IP address ``host`` may be connected."""
        address = _parse_address(host)
        if address is None:
            return False
        return _is_public(address) or any(address in net for net in self._allowed)

    def check_url(self, url: URL) -> None:
        """Raises `AddressBlocked` when the scheme, userinfo or port alone forbids the request."""
        if url.scheme not in ("http", "https"):
            raise AddressBlocked(f"only http and https are fetched, not {url.scheme or 'an address without a scheme'}")
        if url.user is not None or url.password is not None:
            raise AddressBlocked("a user name or password in the address is not allowed")
        if not url.host:
            raise AddressBlocked("the address names no host")
        if not is_open_port(url.port or 0):
            raise AddressBlocked(f"port {url.port} is not allowed")

    def open_socket(self, addr_info: tuple[Any, ...]) -> socket.socket:
        """A socket for the address about to be connected (aiohttp's ``socket_factory``); raises `AddressBlocked`."""
        family, kind, proto, _, address = addr_info
        host, port = str(address[0]), int(address[1])
        if not self.is_open(host):
            raise AddressBlocked(f"{host} is not a public address")
        if not is_open_port(port):
            raise AddressBlocked(f"port {port} is not allowed")
        return socket.socket(family=family, type=kind, proto=proto)


class PinningResolver(AbstractResolver):
    """Asks ``inner`` (or the system) once, drops what the guard refuses, and keeps the judged answer for a minute."""

    def __init__(self, guard: AddressGuard, inner: AbstractResolver | None = None) -> None:
        self._guard = guard
        self._inner = inner
        self._answers: dict[tuple[str, int], tuple[float, list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The open addresses of ``host``. Raises `AddressBlocked` when none of them is, `OSError` when it has none."""
        key = (host, int(family))
        kept_until, answers = self._answers.get(key, (0.0, []))
        if kept_until < time.monotonic():
            answers = await self._ask(host, port, family)
            self._answers.pop(key, None)  # the order of the table is that of age
            self._forget_old()
            self._answers[key] = (time.monotonic() + ANSWER_SECONDS, answers)
        pinned = [answer for answer in answers if self._guard.is_open(answer["host"])]
        if answers and not pinned:
            raise AddressBlocked(f"{answers[0]['host']} is not a public address")
        return [ResolveResult(**{**answer, "port": port}) for answer in pinned]

    async def is_own(self, host: str) -> bool:
        """Whether all addresses of ``host`` lie in our allowed networks; False when it cannot be resolved."""
        if not self._guard.has_own_networks:
            return False
        if _parse_address(host) is not None:
            return self._guard.is_own(host)
        try:
            answers = await self.resolve(host)
        except OSError:
            return False
        return bool(answers) and all(self._guard.is_own(answer["host"]) for answer in answers)

    async def close(self) -> None:
        if self._inner is not None:
            await self._inner.close()

    async def _ask(self, host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
        if self._inner is not None:
            return await self._inner.resolve(host, port, family)
        return await _resolve_by_system(host, port, family)

    def _forget_old(self) -> None:
        """The older half, when there are many: ten thousand hosts may be asked, once each."""
        if len(self._answers) >= _MOST_ANSWERS:
            for key in list(islice(self._answers, _MOST_ANSWERS // 2)):
                del self._answers[key]


def is_open_port(port: int) -> bool:
    return (port in _LOW_PORTS or 1024 <= port <= 65535) and port not in _CLOSED_PORTS


def _parse_address(host: str) -> IPAddress | None:
    return _parse_literal(host) if len(host) <= _MAX_LITERAL else None


@lru_cache(maxsize=_MOST_ANSWERS)
def _parse_literal(host: str) -> IPAddress | None:
    """Remembered: a host is judged for its turn, for its line and for each request."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped  # the kernel connects ::ffff:127.0.0.1 to 127.0.0.1
    return address


def _is_public(address: IPAddress) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and not any(address in net for net in _CLOSED_V4)
    return address in _OPEN_V6 and not any(address in net for net in _CLOSED_V6)


async def _resolve_by_system(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    """getaddrinfo in a daemon thread: a name server that hangs then holds up neither other names nor the exit."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[list[ResolveResult]] = loop.create_future()

    def look_up() -> None:
        try:
            answers: list[ResolveResult] | OSError = _get_addresses(host, port, family)
        except OSError as error:
            answers = error
        except UnicodeError:  # a label that IDNA cannot write
            answers = socket.gaierror(socket.EAI_NONAME, "not a host name")
        with contextlib.suppress(RuntimeError):  # the loop ended in the meantime: nobody waits any more
            loop.call_soon_threadsafe(_settle, future, answers)

    threading.Thread(target=look_up, name="fetch-dns", daemon=True).start()
    return await future


def _settle(future: asyncio.Future[list[ResolveResult]], answers: list[ResolveResult] | OSError) -> None:
    if future.done():
        return
    if isinstance(answers, OSError):
        future.set_exception(answers)
    else:
        future.set_result(answers)


def _get_addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    found: Sequence[tuple[Any, ...]] = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    return [
        ResolveResult(
            hostname=host, host=str(address[0]), port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST
        )
        for kind, _, proto, _, address in found
    ]
