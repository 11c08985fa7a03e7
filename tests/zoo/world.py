"""A small internet for one test: names, public addresses, and a record of every place that was to be connected.

Each name gets a public address of its own. The program resolves it, judges it and connects to it as it would outside;
only the last step, ``connect``, is turned to the zoo's server on 127.0.0.1. So the address guard runs without any
network allowed, and whatever it lets through to another place stands in `World.strays`.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.zoo.server import ZooServer

#: Public by every rule, and nobody's here.
_HOME = "93.184."
#: Events of the interpreter by which something may leave this process.
_LEAVING = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.gethostbyname", "urllib.Request")


@dataclass
class World:
    """Which names there are, and who was connected."""

    server: ZooServer
    #: name -> its answers in turn, the last one for ever; each answer is a list of addresses.
    names: dict[str, list[Sequence[str]]] = field(default_factory=dict)
    lookups: list[str] = field(default_factory=list)
    #: (address, port) of every connection that was asked for.
    connected: list[tuple[str, int]] = field(default_factory=list)
    #: Public addresses where nobody listens.
    dead: set[str] = field(default_factory=set)
    #: Public addresses of servers in other processes, with their ports there.
    outside: dict[str, int] = field(default_factory=dict)
    #: Those that lead to none of our names.
    strays: list[tuple[str, int]] = field(default_factory=list)

    def settle(self, name: str) -> str:
        """Give ``name`` a public address of its own, once; returns the address."""
        if name not in self.names:
            number = len(self.names) + 1
            self.names[name] = [[f"{_HOME}{number // 250}.{number % 250 + 1}"]]
        return self.names[name][0][0]

    def url(self, name: str, path: str, *, scheme: str = "http") -> str:
        self.settle(name)
        return f"{scheme}://{name}{path}"

    def find_way(self, address: str, port: int) -> int | None:
        """The server's port behind a public address; None for any other place."""
        if not address.startswith(_HOME) or port not in (80, 443):
            return None
        if address in self.outside:
            return self.outside[address]
        return self.server.plain_port if port == 80 else self.server.tls_port


class WorldResolver(AbstractResolver):
    """Answers from the world's names, and remembers who was asked for."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self._world.lookups.append(host)
        turns = self._world.names.get(host)
        if turns:
            addresses = turns.pop(0) if len(turns) > 1 else turns[0]
        else:  # 127.1 and 0x7f.1 are addresses to every system's resolver; real names are known to nobody
            host = "127.0.0.1" if host.rstrip(".").lower() == "localhost" else host
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
            addresses = [str(address[0]) for *_, address in found]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        return None


def lead_to_server(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn connections to the world's public addresses to the server; note and refuse all others."""
    really_connect = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family not in (socket.AF_INET, socket.AF_INET6):
            really_connect(self, address)
            return
        host, port = str(address[0]), int(address[1])
        world.connected.append((host, port))
        if host in world.dead:
            raise ConnectionRefusedError(f"nobody listens at {host}")
        way = world.find_way(host, port)
        if way is None:
            world.strays.append((host, port))
            raise ConnectionRefusedError(f"the zoo has no way to {host}:{port}")
        really_connect(self, ("127.0.0.1", way))

    monkeypatch.setattr(socket.socket, "connect", connect)


class SocketLog:
    """Every connection of this process, as the interpreter's own audit hook sees it: below any wrapper of Python's."""

    def __init__(self) -> None:
        self._on = False
        self.seen: list[tuple[str, Any]] = []
        sys.addaudithook(self._hear)  # for the rest of the process: there is no way back

    def _hear(self, event: str, details: tuple[Any, ...]) -> None:
        if self._on and event in _LEAVING:
            self.seen.append((event, details[-1]))

    def start(self) -> None:
        self.seen = []
        self._on = True

    def stop(self) -> list[tuple[str, Any]]:
        self._on = False
        return self.seen
