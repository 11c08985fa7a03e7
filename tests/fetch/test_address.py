"""The guard over addresses, ports and URLs, alone and with the client before it."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from aggregator.fetch.address import AddressBlocked, AddressGuard, is_open_port
from aggregator.model.feed import Fetched, FetchFailed
from tests.fetch.conftest import Ask, FixedResolver, OpenFetcher, make_request
from tests.fixtures.http_server import Answer, TestHttpServer

PUBLIC = """
    1.1.1.1  8.8.8.8  93.184.216.34  100.63.255.255  100.128.0.1  172.15.255.255  172.32.0.1  192.0.1.1  192.88.98.1
    198.17.255.255  198.20.0.1  223.255.255.254  11.0.0.1
    2001:4860:4860::8888  2606:4700:4700::1111  2a00:1450:4001::1  2400:cb00::1  2001:200::1  2003::1  2620:fe::fe
    ::ffff:8.8.8.8  ::ffff:0808:0808
""".split()
CLOSED = """
    0.0.0.0  0.1.2.3  10.0.0.1  100.64.0.1  100.127.255.255  127.0.0.1  127.255.255.255  169.254.169.254  172.16.0.1
    172.31.255.255  192.0.0.1  192.0.0.9  192.0.2.1  192.88.99.1  192.168.1.1  198.18.0.1  198.19.255.255  198.51.100.1
    203.0.113.1  224.0.0.1  239.255.255.255  240.0.0.1  255.255.255.255
    ::  ::1  ::127.0.0.1  ::8.8.8.8  ::ffff:127.0.0.1  ::ffff:10.0.0.1  ::ffff:169.254.169.254  64:ff9b::7f00:1
    64:ff9b::808:808  64:ff9b:1::1  100::1  2001::1  2001:0:53aa::1  2001:10::1  2001:1ff:ffff::1  2001:db8::1
    2002:7f00:1::  2002:808:808::1  3fff::1  3fff:fff::1  3ffe::1x  4000::1  5f00::1  fc00::1  fd12::1  fe80::1
    fe80::1%eth0  fec0::1  ff02::1  localhost  not-an-address  127.1  2130706433  0x7f.1  0177.0.0.1
""".split()


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_open(address: str) -> None:
    assert AddressGuard().is_open(address)


@pytest.mark.parametrize("address", CLOSED)
def test_everything_else_is_closed(address: str) -> None:
    assert not AddressGuard().is_open(address)


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_judged_as_the_address_inside(address: ipaddress.IPv4Address) -> None:
    guard = AddressGuard()

    assert guard.is_open(f"::ffff:{address}") == guard.is_open(str(address))


@given(st.ip_addresses())
def test_what_is_open_is_never_private_by_the_standard_library(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if AddressGuard().is_open(str(address)):
        assert not (address.is_private or address.is_loopback or address.is_link_local or address.is_multicast)


def test_only_the_networks_that_the_editor_names_are_let_through() -> None:
    guard = AddressGuard(("10.1.0.0/16", "fd00::/8"))

    assert guard.is_open("10.1.2.3")
    assert guard.is_open("::ffff:10.1.2.3")
    assert guard.is_open("fd00::5")
    assert not guard.is_open("10.2.0.1")
    assert not guard.is_open("127.0.0.1")
    assert guard.is_own("10.1.2.3")
    assert not guard.is_own("8.8.8.8")


@pytest.mark.parametrize("port", [80, 443, 1024, 8000, 8080, 8443, 65535])
def test_ports_of_web_servers_are_open(port: int) -> None:
    assert is_open_port(port)


@pytest.mark.parametrize("port", [0, 1, 22, 25, 53, 81, 1023, 3306, 5432, 6379, 9200, 11211, 27017, 65536])
def test_ports_of_other_services_are_closed(port: int) -> None:
    assert not is_open_port(port)


@pytest.mark.parametrize(
    "url",
    """file:///etc/passwd ftp://example.org/ gopher://example.org/ data:text/xml,x feed://example.org/
    javascript:alert(1) //example.org/ /etc/passwd http://user:pw@example.org/ http://user@example.org/
    http://example.org:25/ http:///x https://example.org:6379/""".split(),
)
def test_an_address_can_be_refused_by_how_it_is_written(url: str, ask: Ask) -> None:
    with pytest.raises(AddressBlocked):
        AddressGuard().check_url(URL(url))

    reply = ask(url)

    assert isinstance(reply, FetchFailed)
    assert reply.failure_class == "blocked"


def test_the_socket_is_refused_and_not_only_the_name() -> None:
    guard = AddressGuard()

    with pytest.raises(AddressBlocked, match=r"127\.0\.0\.1 is not a public address"):
        guard.open_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80)))
    with pytest.raises(AddressBlocked, match="port 25"):
        guard.open_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 25)))


@pytest.mark.parametrize(
    "host",
    "127.0.0.1 127.1 0 2130706433 0x7f000001 0x7f.1 0177.0.0.1 ①②⑦.⓪.⓪.① localhost [::1] [::ffff:127.0.0.1] "
    "[::ffff:7f00:1] 169.254.169.254 [64:ff9b::7f00:1] [2002:7f00:1::] 10.0.0.1".split(),
)
def test_no_way_to_write_a_private_address_reaches_it(
    host: str, http_server: TestHttpServer, open_fetcher: OpenFetcher
) -> None:
    http_server.add("/feed", b"secret")
    fetcher = open_fetcher(allow_networks=())

    (reply,) = fetcher.fetch([make_request(f"http://{host}:{http_server.port}/feed")])

    assert isinstance(reply, FetchFailed)
    assert reply.failure_class == "blocked"
    assert http_server.requests == []


def test_of_mixed_answers_only_the_open_ones_are_tried(http_server: TestHttpServer, open_fetcher: OpenFetcher) -> None:
    http_server.add("/feed", b"<rss/>")
    resolver = FixedResolver({"mixed.example": [["10.0.0.1", "169.254.169.254", "127.0.0.1", "::1"]]})

    (reply,) = open_fetcher(resolver=resolver).fetch([make_request(f"http://mixed.example:{http_server.port}/feed")])

    assert isinstance(reply, Fetched)
    assert reply.final_url == f"http://mixed.example:{http_server.port}/feed"
    assert http_server.requests[0].headers["host"] == f"mixed.example:{http_server.port}"


def test_a_name_is_looked_up_once_so_a_second_answer_is_never_used(
    http_server: TestHttpServer, open_fetcher: OpenFetcher
) -> None:
    http_server.handle("/one", lambda _: Answer(status=302, headers={"Location": "/two", "Connection": "close"}))
    http_server.add("/two", b"<rss/>")
    resolver = FixedResolver({"rebinding.example": [["127.0.0.1"], ["10.0.0.1"]]})

    (reply,) = open_fetcher(resolver=resolver).fetch([make_request(f"http://rebinding.example:{http_server.port}/one")])

    assert isinstance(reply, Fetched)
    assert resolver.lookups == ["rebinding.example"]


def test_a_name_that_turns_private_is_refused(http_server: TestHttpServer, open_fetcher: OpenFetcher) -> None:
    resolver = FixedResolver({"private.example": [["10.0.0.1", "fd00::1"]]})

    (reply,) = open_fetcher(resolver=resolver).fetch([make_request("http://private.example/feed")])

    assert isinstance(reply, FetchFailed)
    assert (reply.failure_class, reply.reason) == (
        "blocked",
        "private.example is not asked: 10.0.0.1 is not a public address",
    )


@pytest.mark.parametrize(
    "target",
    [
        "http://10.0.0.1/",
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706433/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1/",
        "data:text/xml,<rss/>",
        "feed://127.0.0.1/",
        "javascript:alert(1)",
        "http://user:pw@127.0.0.1/",
        "http://127.0.0.1:25/",
    ],
)
def test_a_redirect_gets_no_further_than_a_first_address(target: str, http_server: TestHttpServer, ask: Ask) -> None:
    url = http_server.handle("/feed", lambda _: Answer(status=301, headers={"Location": target}))

    reply = ask(url)

    assert isinstance(reply, FetchFailed)
    assert reply.failure_class == "blocked"
    assert len(http_server.requests) == 1
