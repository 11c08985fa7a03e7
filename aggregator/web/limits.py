"""How often one stranger may ask for what costs: a bucket of tokens for each address. Never sleeps, never locks.

Its own few lines, because the event loop alone calls it: a library would bring locks, a clock thread and its own
dependencies for the same arithmetic.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

#: More addresses than this are not remembered; who has as many is not stopped by counting.
_MAX_CLIENTS = 20_000
_IPV6_NETWORK = 64
_MAX_NAME = 64


class RateLimit:
    """``per_minute`` requests of one address, half of them at once; 0: no limit."""

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = monotonic) -> None:
        self._rate = per_minute / 60
        self._most = max(1.0, per_minute / 2)
        self._clock = clock
        #: Tokens, and when they were counted; who asked last stands last.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> int:
        """0, and a token is gone; else the whole seconds after which there is one."""
        if not self._rate:
            return 0
        client, now = name_client(address), self._clock()
        tokens, counted_at = self._buckets.pop(client, (self._most, now))
        tokens = min(self._most, tokens + (now - counted_at) * self._rate)
        wait = 0 if tokens >= 1 else math.ceil((1 - tokens) / self._rate)
        self._buckets[client] = (tokens if wait else tokens - 1, now)
        if len(self._buckets) > _MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return wait


def name_client(address: str) -> str:
    """Who counts as one: an IPv4 address, or a /64 of IPv6, of which anybody has 2**64 addresses."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:_MAX_NAME]  # a proxy that we trust said something odd
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(parsed), _IPV6_NETWORK), strict=False))
    return str(parsed)
