"""Fixtures for every test: the corpus, the network guard, hypothesis. Never starts a server itself (see fixtures/)."""

from __future__ import annotations

import ipaddress
import os
import socket
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.fixtures.database",
    "tests.fixtures.http_server",
    "tests.fixtures.certificate",
    "tests.fixtures.smtp_server",
    "tests.fixtures.dns_server",
    "tests.fixtures.imap_server",
    "tests.fixtures.browser",
    "tests.fixtures.program",
]

_PROJECT = Path(__file__).resolve().parent.parent

# Machines that run tests differ in speed: no deadlines. The autouse guard below is harmless between examples.
_CHECKS_OFF = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)
settings.register_profile("local", deadline=None, suppress_health_check=_CHECKS_OFF)
settings.register_profile("ci", deadline=None, suppress_health_check=_CHECKS_OFF, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(autouse=True)
def _log_as_at_the_start() -> None:
    """A command that a test before has run in this process may have turned all but errors off."""
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of recorded feeds that lies beside a checkout, where there is one; read only."""
    folder = _PROJECT.parent / "shared" / "corpus"
    if not folder.is_dir():
        pytest.skip("the corpus of recorded feeds (../shared/corpus) is not on this machine")
    return folder


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _is_number(host: str) -> bool:
    """Whether a resolver reads it without asking anybody: 127.1, ::1, full-width digits."""
    plain = unicodedata.normalize("NFKC", host).partition("%")[0]
    try:
        ipaddress.ip_address(plain)
    except ValueError:
        try:
            socket.inet_aton(plain)
        except OSError:
            return False
    return True


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Fails a test whose process talks to anything but this machine, even when the code swallowed the error.

    Names other than localhost do not resolve, as on a machine without a network. A test of a guard that must
    refuse an address sees no attempt here, because a guard refuses before it connects.
    """
    attempts: list[str] = []

    def check(sock: socket.socket, address: object) -> None:
        if sock.family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(address, tuple):
            return
        if not _is_loopback(str(address[0])):
            attempts.append(f"{address[0]}:{address[1]}")
            raise PermissionError(f"tests may only reach this machine, not {address[0]}:{address[1]}")

    real_connect, real_connect_ex = socket.socket.connect, socket.socket.connect_ex
    real_sendto, real_getaddrinfo = socket.socket.sendto, socket.getaddrinfo

    def connect(self: socket.socket, address: Any) -> None:
        check(self, address)
        real_connect(self, address)

    def connect_ex(self: socket.socket, address: Any) -> int:
        check(self, address)
        return real_connect_ex(self, address)

    def sendto(self: socket.socket, data: Any, *rest: Any) -> int:
        check(self, rest[-1])
        return real_sendto(self, data, *rest)

    def getaddrinfo(host: Any, *rest: Any, **named: Any) -> Any:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if name and name.rstrip(".").lower() != "localhost" and not _is_number(name):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real_getaddrinfo(host, *rest, **named)

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect_ex)
    monkeypatch.setattr(socket.socket, "sendto", sendto)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield attempts
    if attempts:
        pytest.fail(f"reached for the network: {', '.join(attempts)}", pytrace=False)
