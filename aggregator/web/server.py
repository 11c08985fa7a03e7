"""The web server around the site: uvicorn, with limits that hold without a proxy in front. Never opens its socket."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
from collections.abc import Iterator, Sequence
from typing import Any, cast

import uvicorn

from aggregator.web.connections import Connection, Limits, end_overdue
from aggregator.web.desk.desk import Desk
from aggregator.web.site import Site
from aggregator.web.watch import Watch

_GRACEFUL_SECONDS = 10
_TICKS_A_SECOND = 10


class WebServer(uvicorn.Server):
    """uvicorn's, which looks once a second for connections that take too long."""

    async def on_tick(self, counter: int) -> bool:
        """uvicorn calls it ten times a second."""
        if counter % _TICKS_A_SECOND == 0:
            connections: set[Any] = self.server_state.connections
            end_overdue(connections, asyncio.get_running_loop().time())
        return await super().on_tick(counter)


def create_server(
    site: Site | Watch | Desk, *, trusted_proxies: Sequence[str] = (), limits: Limits | None = None
) -> WebServer:
    """To be run with a listening socket. Of ``trusted_proxies`` (networks) it believes X-Forwarded-For and -Proto."""
    limits = limits or Limits()
    connection = functools.partial(Connection, limits=limits, make_error=site.errors.get_body, fields=site.security)
    return WebServer(
        uvicorn.Config(
            site,
            http=cast("type[asyncio.Protocol]", connection),
            loop="uvloop",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(_list_networks(trusted_proxies)),
            timeout_keep_alive=round(limits.idle_seconds),
            timeout_graceful_shutdown=_GRACEFUL_SECONDS,
        )
    )


def _list_networks(given: Sequence[str]) -> Iterator[str]:
    """The networks, those of IPv4 also as a socket of IPv6 shows them (::ffff:0:0/96)."""
    for network in map(ipaddress.ip_network, given):
        yield str(network)
        if network.version == 4:
            yield f"::ffff:{network.network_address}/{96 + network.prefixlen}"
