"""What went wrong, in one class and one sentence for the editor. Never a traceback, never a whole address.

Sentences name the host and not the address: feed addresses may carry secret tokens.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from dataclasses import dataclass
from datetime import timedelta

import aiohttp

from aggregator.fetch.address import AddressBlocked
from aggregator.fetch.decode import BadCoding, TooLarge
from aggregator.model.feed import FetchFailed, FetchRequest

_MAX_CHARS = 200
#: How the HTTP parser words that a line, a header or their number is over the cap; it has no class of its own for them.
_TOO_LONG = ("Got more than", "Too many")


@dataclass(eq=False)
class FetchStopped(Exception):
    """The fetch ends here, for a reason that the client found itself."""

    failure_class: str
    reason: str
    status: int | None = None
    retry_after: timedelta | None = None
    #: Why nobody else should ask this host before ``retry_after``; empty: they may.
    pause: str = ""


def describe_failure(request: FetchRequest, error: Exception, *, host: str, timeout_seconds: float) -> FetchFailed:
    """The failure that ``error`` means while ``host`` was asked."""
    if isinstance(error, FetchStopped):
        return FetchFailed(
            request=request,
            failure_class=error.failure_class,
            reason=_one_line(error.reason),
            status=error.status,
            retry_after=error.retry_after,
        )
    failure_class, reason = _classify(error, host or "this feed", timeout_seconds)
    return FetchFailed(request=request, failure_class=failure_class, reason=_one_line(reason))


def _classify(error: Exception, host: str, timeout_seconds: float) -> tuple[str, str]:
    match error:
        case AddressBlocked():
            return "blocked", f"{host} is not asked: {error}"
        case TooLarge():
            return "too_large", f"the answer of {host} {error}"
        case BadCoding():
            return "bad_encoding", f"the answer of {host} {error}"
        case TimeoutError():
            return "timeout", f"{host} gave no complete answer within {timeout_seconds:g} seconds"
        case aiohttp.InvalidURL():
            return "blocked", f"{host} is not asked: the address is not written as an address should be"
        case aiohttp.ClientPayloadError():
            return "bad_encoding", f"the answer of {host} broke off before any of it could be read"
        case aiohttp.ClientResponseError():
            return _classify_bad_answer(error, host)
        case aiohttp.ServerDisconnectedError():
            return "connect", f"{host} closed the connection without an answer"
        case OSError():
            return _classify_os_error(error, host)
        case _:
            return "connect", f"unexpected {type(error).__name__} while {host} was asked: {error}"


def _classify_bad_answer(error: aiohttp.ClientResponseError, host: str) -> tuple[str, str]:
    if error.message.startswith(_TOO_LONG):
        return "too_large", f"the headers of {host}'s answer are too long"
    words = error.message.splitlines()[0].rstrip(": ") if error.message else ""
    return "connect", f"{host} does not answer in proper HTTP: {words or 'no reason known'}"


def _classify_os_error(error: OSError, host: str) -> tuple[str, str]:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    match cause:
        case AddressBlocked():
            return "blocked", f"{host} is not asked: {cause}"
        case ssl.SSLCertVerificationError():
            return "connect", f"the certificate of {host} is not valid: {cause.verify_message}"
        case ssl.SSLError():
            return "connect", f"no TLS connection with {host}: {cause.reason or cause}"
        case socket.gaierror() if cause.errno == socket.EAI_AGAIN:
            return "dns", f"the name server gave no answer about {host}"
        case socket.gaierror():
            return "dns", f"the name {host} does not resolve"
        case TimeoutError():
            return "timeout", f"no connection with {host} in time"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "dns", f"the name {host} does not resolve"
    if cause.errno == errno.ECONNREFUSED:
        return "connect", f"{host} refused the connection"
    if isinstance(cause, ConnectionResetError | BrokenPipeError) or cause.errno in (errno.ECONNRESET, errno.EPIPE):
        return "connect", f"{host} broke the connection"
    words = os.strerror(cause.errno) if cause.errno else str(cause) or type(cause).__name__
    return "connect", f"no connection with {host}: {words}"


def _one_line(text: str) -> str:
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return words if len(words) <= _MAX_CHARS else words[: _MAX_CHARS - 1] + "…"
