"""Walls that answer instead of the site are named, by their headers or by the words of their page."""

from __future__ import annotations

import gzip

import pytest

from aggregator.fetch.walls import find_page_blocker
from aggregator.model.feed import FetchFailed
from tests.fetch.conftest import Ask
from tests.fixtures.http_server import Answer, Line, TestHttpServer

PAGES = {
    "a Cloudflare challenge page": "<title>Just a moment...</title><script src='/challenge-platform/x.js'></script>",
    "a Cloudflare error page": "<title>Attention Required! | Cloudflare</title><h1>Sorry, you have been blocked</h1>",
    "a DataDome challenge page": "<script src='https://ct.captcha-delivery.com/c.js'></script>",
    "an AWS WAF challenge page": "<script src='https://a1b2.edge.sdk.awswaf.com/a1b2/challenge.js'></script>",
    "an Imperva challenge page": "<iframe src='/_Incapsula_Resource?SWUDNSAI=31'>Request unsuccessful.</iframe>",
    "an Akamai error page": "<h1>Access Denied</h1> https://errors.edgesuite.net/18.1",
    "an Anubis challenge page": "<title>Making sure you’re not a bot!</title>",
    "a login page": '<form><input name=user><input type="password" name=pass></form>',
    "": "<h1>403 Forbidden</h1><hr>nginx",
}
HTML = {"Content-Type": "text/html; charset=utf-8"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_known_by_its_words(name: str) -> None:
    assert find_page_blocker(PAGES[name].encode()) == name
    assert find_page_blocker(PAGES[name].upper().encode()) == name


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_where_headers_are_silent_the_page_is_read(status: int, http_server: TestHttpServer, ask: Ask) -> None:
    body = gzip.compress(b"<html>" + PAGES["a DataDome challenge page"].encode() + b"x" * 100_000)
    answer = Answer(body, status, {**HTML, "Content-Encoding": "gzip"})

    reply = ask(http_server.handle("/feed", lambda _: answer))

    assert isinstance(reply, FetchFailed)
    assert "(a DataDome challenge page)" in reply.reason
    assert reply.exchanged.received_bytes > 0


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (401, {"WWW-Authenticate": "Basic"}, "(it wants a login)"),
        (403, {"cf-mitigated": "challenge", **HTML}, "(a Cloudflare challenge page)"),
        (403, {"X-DataDome": "protected", **HTML}, "(a DataDome challenge page)"),
        (404, HTML, "404 Not Found"),
        (403, {"Content-Type": "application/xml"}, "403 Forbidden"),
    ],
)
def test_a_header_is_enough_and_other_pages_are_not_read(
    status: int, headers: dict[str, str], words: str, http_server: TestHttpServer, ask: Ask
) -> None:
    reply = ask(http_server.handle("/feed", lambda _: Answer(PAGES["an Akamai error page"].encode(), status, headers)))

    assert isinstance(reply, FetchFailed)
    assert reply.reason.endswith(words)
    assert reply.exchanged.received_bytes == 0


@pytest.mark.parametrize("ending", ["hold", "break", "bomb", "nonsense"])
def test_whatever_is_wrong_with_the_page_the_status_is_told(
    ending: str, http_server: TestHttpServer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aggregator.fetch.body._PAGE_SECONDS", 0.2)
    head = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n"

    def answer(line: Line) -> None:
        if ending == "bomb":
            line.send(head + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(32 * 1024 * 1024)))
        elif ending == "nonsense":
            line.send(head + b"Content-Encoding: br\r\n\r\n\xff\xff\xff")
        else:
            line.send(head + b"Content-Length: 5000\r\n\r\n<html>")
        if ending == "hold":
            line.wait_until_closed()

    reply = ask(http_server.script("/feed", answer))

    assert isinstance(reply, FetchFailed)
    assert (reply.failure_class, reply.status, reply.reason) == ("http", 403, "127.0.0.1 answered 403 Forbidden")
