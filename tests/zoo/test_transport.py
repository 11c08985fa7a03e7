"""Z15-Z24 from end to end: lines that stall, never end or lie. Each costs its own feed one sentence, nobody else."""

from __future__ import annotations

import gzip
import ssl
import zlib

import brotli
import pytest
import zstandard

from tests.zoo.conftest import Zoo, check_healthy, get_feed, list_stored, on_sqlite, run_round
from tests.zoo.documents import HEALTHY, drip, hold, items, pour, redirect, rss, say, serve
from tests.zoo.expect import Expected, Stored, check_animal, check_sentence, either, refused
from tests.zoo.server import Endpoint, Visit

OK = b"HTTP/1.1 200 OK\r\n"
TAGGED = OK + b'ETag: "1"\r\nConnection: close\r\n'
SECONDS = 2.0
MAX_BYTES = 300_000
MIB = 1024 * 1024


LONG = rss(items(400))
GZIPPED = gzip.compress(LONG)
RAW = zlib.compressobj(wbits=-15)
DEFLATED = RAW.compress(LONG) + RAW.flush()


def packed(coding: bytes, body: bytes) -> Endpoint:
    return say(TAGGED + b"Content-Encoding: " + coding + b"\r\n\r\n" + body)


async def wander(visit: Visit) -> None:
    """Every answer leads on, to an address never seen before."""
    await visit.answer(b"", 302, Location=f"{visit.asked.path}?seed={visit.rng.random()}")


async def chain(visit: Visit) -> None:
    """Fifty redirects, then a feed."""
    if visit.times < 50:
        await visit.answer(b"", 301, Location=f"{visit.asked.path}?step={visit.times}")
    else:
        await visit.answer(HEALTHY)


async def circle(visit: Visit) -> None:
    await visit.answer(b"", 302, Location=f"{visit.asked.path}?{visit.asked.query}")


async def bomb(visit: Visit) -> None:
    """One MiB on the line that unpacks to one GiB."""
    packer = zlib.compressobj(9, wbits=31)
    await visit.send(OK + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n")
    for _ in range(1024):
        await visit.send(packer.compress(bytes(MIB)))
    await visit.send(packer.flush())


CASES: dict[str, dict[str, tuple[Endpoint, Expected]]] = {
    "Z15 accept and never answer": {"silence": (hold, refused("timeout"))},
    "Z16 a header that drips": {"header": (drip(OK + b"X: ", b"y" * 1000), refused("timeout"))},
    "Z17 a body that drips": {
        "with length": (drip(OK + b"Content-Length: 1000\r\n\r\n", b"<rss>" * 200), refused("timeout")),
        "without length": (drip(OK + b"\r\n", HEALTHY), refused("timeout")),
        "chunks": (drip(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n<\r\n" * 200), refused("timeout")),
    },
    "Z18 a body without end": {
        "items": (pour(OK + b"\r\n", b"<item/>" * 1000), refused("too_large")),
        "chunks": (
            pour(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n"),
            refused("too_large"),
        ),
        "promised": (pour(OK + b"Content-Length: 99999999999\r\n\r\n", b"x" * 65536), refused("too_large")),
        "empty chunks of words": (
            pour(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 4000 + b"\r\ny\r\n"),
            refused("too_large", "connect", "bad_encoding", "timeout"),
        ),
    },
    "Z19 heads that no server sends": {
        "100 KiB in a line": (say(OK + b"X: " + b"y" * 102_400 + b"\r\n\r\n" + HEALTHY), refused("too_large")),
        "10,000 lines": (
            say(OK + b"".join(b"X-%d: y\r\n" % n for n in range(10_000)) + b"\r\n" + HEALTHY),
            refused("too_large"),
        ),
        "lines without end": (pour(OK, b"X-More: y\r\n" * 100), refused("too_large")),
        "NUL": (say(OK + b"X: a\0b\r\n\r\n" + HEALTHY), refused("connect")),
        "folded with LF": (say(TAGGED + b"X: a\n b\r\n\r\n" + HEALTHY), Stored(0)),
        "no status line": (say(b"Content-Type: text/xml\r\n\r\n" + HEALTHY), refused("connect")),
        "HTTP/0.9": (say(HEALTHY), refused("connect")),
        "nothing at all": (say(b""), refused("connect")),
        "100 without end": (pour(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), refused("connect")),
        "103 without end": (pour(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"), refused("timeout", "connect", "http")),
    },
    "Z20 redirects without end": {
        "to itself": (circle, refused("redirect")),
        "fifty": (chain, refused("redirect")),
        "ever new": (wander, refused("redirect")),
        "to nowhere": (serve(b"", 302), refused("redirect")),
        "to nonsense": (redirect("http://[half"), refused("redirect", "blocked")),
        "to a fragment of itself": (redirect("#again"), refused("redirect")),
    },
    "Z21 bombs": {
        "gzip": (bomb, refused("too_large")),
        "brotli": (packed(b"br", brotli.compress(bytes(8 * MIB))), refused("too_large")),
        "zstd": (packed(b"zstd", zstandard.ZstdCompressor().compress(bytes(8 * MIB))), refused("too_large")),
        "a thousand members": (packed(b"gzip", gzip.compress(b"") * 1_100), refused("too_large")),
    },
    "Z22 too many codings": {
        "gzip in gzip": (packed(b"gzip, gzip", gzip.compress(GZIPPED)), refused("bad_encoding")),
        "gzip in gzip, once said": (packed(b"gzip", gzip.compress(GZIPPED)), refused("not_a_feed")),
        "twenty": (packed(b",".join([b"gzip"] * 20), GZIPPED), refused("bad_encoding")),
        "unknown": (packed(b"rot13", HEALTHY), refused("bad_encoding")),
    },
    "Z23 codings that lie": {
        "corrupt": (packed(b"gzip", GZIPPED[:50] + b"\xff" * 50 + GZIPPED[100:]), refused("bad_encoding")),
        "truncated": (packed(b"gzip", GZIPPED[:-200]), Stored(50)),
        "cut in its head": (packed(b"gzip", GZIPPED[:11]), refused("bad_encoding")),
        "gzip named identity": (packed(b"identity", GZIPPED), refused("not_a_feed")),
        "plain named gzip": (packed(b"gzip", HEALTHY), refused("bad_encoding")),
        "raw deflate": (packed(b"deflate", DEFLATED), Stored(400, whole=True)),
        "brotli unasked": (packed(b"br", brotli.compress(LONG)), Stored(400, whole=True)),
        "zstd unasked": (packed(b"zstd", zstandard.ZstdCompressor().compress(LONG)), Stored(400, whole=True)),
        "truncated brotli": (packed(b"br", brotli.compress(LONG)[:-40]), Stored(0)),
    },
    "Z24 lengths that lie": {
        "too large": (say(TAGGED + b"Content-Length: 90000\r\n\r\n" + HEALTHY[:-10]), Stored(3)),
        "too small": (
            say(TAGGED + b"Content-Length: 150\r\n\r\n" + LONG),
            either("connect", "bad_encoding"),
        ),
        "no number": (say(TAGGED + b"Content-Length: ten\r\n\r\n" + HEALTHY), refused("connect")),
        "two of them": (say(TAGGED + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + HEALTHY), refused("connect")),
        "chunk of zz": (
            say(TAGGED + b"Transfer-Encoding: chunked\r\n\r\n5\r\n<rss>\r\nzz\r\nhalf\r\n"),
            refused("connect", "bad_encoding", "not_xml", "not_a_feed"),
        ),
        "chunks that end early": (
            say(TAGGED + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(LONG) + LONG[:-5000]),
            Stored(300),
        ),
        "a negative chunk": (
            say(TAGGED + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + HEALTHY),
            refused("connect", "bad_encoding"),
        ),
        "both": (
            say(TAGGED + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            refused("connect", "not_a_feed"),
        ),
    },
}


@on_sqlite
@pytest.mark.parametrize("case", CASES)
def test_a_hostile_line_costs_its_own_feed_one_sentence(case: str, zoo: Zoo) -> None:
    urls = {zoo.add(endpoint): (name, expected) for name, (endpoint, expected) in CASES[case].items()}
    zoo.add_healthy()

    with zoo.open(timeout_seconds=SECONDS, max_bytes=MAX_BYTES) as app:
        results = run_round(app)
        check_healthy(zoo, results)
        for url, (name, expected) in urls.items():
            check_animal(app, name, results[url], expected)


@on_sqlite
def test_a_feed_that_is_cut_off_is_asked_in_full_again_and_nothing_counts_as_gone(zoo: Zoo) -> None:
    """F22: half a document is stored, its validator is not, and what was stored before stays."""

    async def cut_later(visit: Visit) -> None:
        lines = TAGGED + b"Content-Length: %d\r\n\r\n" % len(LONG)
        await visit.send(lines + (LONG if visit.times == 0 else LONG[:-5000]))

    url = zoo.add(cut_later)
    with zoo.open() as app:
        run_round(app)
        assert (len(list_stored(app, url)), get_feed(app, url).etag) == (400, '"1"')
        zoo.clock.now = get_feed(app, url).next_due_at
        result = run_round(app)[url]
        assert (result.new, result.changed, len(list_stored(app, url))) == (0, 0, 400)
        zoo.clock.now = get_feed(app, url).next_due_at
        run_round(app)

    conditional = [asked.conditional for asked in zoo.server.requests]
    assert conditional == [False, True, False]


@on_sqlite
def test_https_never_leads_back_to_http(secure_zoo: tuple[Zoo, ssl.SSLContext]) -> None:
    """Z12."""
    zoo, trust = secure_zoo
    url = zoo.add(redirect("http://plain.example/feed"), host="secure.example", scheme="https")
    zoo.world.settle("plain.example")
    with zoo.open(tls=trust) as app:
        run_round(app)
        feed = get_feed(app, url)
        assert feed.failure_class == "redirect"
        check_sentence(feed.failure_reason)

    assert [asked.host for asked in zoo.server.requests] == ["secure.example"]


@on_sqlite
def test_who_sends_interim_answers_without_end_is_hung_up_on(zoo: Zoo) -> None:
    """Z19: an honest server sends one or two; a flood of them, 25 bytes each, keeps the loop from everybody else."""
    hung_up: list[bool] = []

    async def flood(visit: Visit) -> None:
        await visit.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 500)
        hung_up.append(await visit.closed_within(1.5))

    zoo.add(flood)
    with zoo.open(timeout_seconds=3.0) as app:
        run_round(app)
    assert hung_up == [True]


@on_sqlite
def test_a_handshake_that_never_ends_costs_its_own_feed_one_timeout(zoo: Zoo) -> None:
    """Z15 over TLS: the port is open, and who stands behind it says nothing to the first word of the handshake."""
    zoo.world.outside[zoo.world.settle("mute.example")] = zoo.server.plain_port  # waits for a head that never comes
    url = "https://mute.example/feed"
    zoo.specs.append({"url": url})
    zoo.add_healthy()
    with zoo.open(timeout_seconds=0.5) as app:
        results = run_round(app)
        check_healthy(zoo, results)
        assert results[url].failure_class == "timeout"
        check_sentence(results[url].reason)
