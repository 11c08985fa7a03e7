"""/metrics, for Prometheus, and for those networks alone that may read it. Never tells a stranger that it is there.

An answer waits for the database, but not for long: what the process knows of itself comes whatever the database does.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from aggregator.app import App
from aggregator.metrics import CONTENT_TYPE, render_metrics
from aggregator.tasks.figures import Figures

#: This machine.
METRICS_ALLOW = ("127.0.0.0/8", "::1/128")
#: Prometheus itself waits ten seconds.
PATIENCE_SECONDS = 4.0
_HEADERS = {"Cache-Control": "no-store", "Content-Type": CONTENT_TYPE}


class Metrics:
    """One look at the database serves all who ask meanwhile."""

    def __init__(self, app: App, allow: Sequence[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(network) for network in allow)
        self._figures = Figures(app)
        self._look: asyncio.Task[None] | None = None

    async def show(self, request: Request) -> Response:
        """200; or 404, like any address at which there is nothing, to who may not know."""
        if not self._may_read(request.client.host if request.client is not None else ""):
            raise HTTPException(404)
        await run_in_threadpool(self._figures.measure)
        if self._look is None or self._look.done():
            self._look = asyncio.get_running_loop().create_task(run_in_threadpool(self._figures.look))
        done, _ = await asyncio.wait((self._look,), timeout=PATIENCE_SECONDS)
        return Response(render_metrics(self._figures.collect(is_late=not done)), headers=_HEADERS)

    def _may_read(self, address: str) -> bool:
        try:
            client = ipaddress.ip_address(address)
        except ValueError:
            return False  # a proxy that we trust said something odd
        if isinstance(client, ipaddress.IPv6Address) and client.ipv4_mapped is not None:
            client = client.ipv4_mapped
        return any(client in network for network in self._networks)
