"""A small server of feeds for the benchmarks: one process of its own, so that its work is not counted as a client's.

    python bench/server.py [--folder FOLDER] [--hosts N]

Prints its port, then answers ``/feeds/NUMBER`` on 127.0.0.1 (and the next N - 1 addresses after it) with the files of a
folder, over and over, each number a feed of its own; without a folder with bodies that it makes up. `/mode/NAME` sets
how it answers from then on:

- ``fresh``: 200 with validators; 304 to those who send them back.
- ``plain``: 200 with the same bodies and no validator.
- ``touched``: as plain, and every body was made anew: another ``lastBuildDate``, else another comment at its end.
- ``two-new``: as plain, and every body begins with two entries that no body had before.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from random import Random

MODES = ("fresh", "plain", "touched", "two-new")

_ENTRY = re.compile(rb"<(item|entry)\b[^>]*>.*?</\1>", re.DOTALL)
#: What an entry is known by: the text of these elements, and the address of an Atom link.
_KNOWN_BY = re.compile(rb"<(guid|id|link|title)(\s[^>]*)?>(\s*<!\[CDATA\[)?([^<\]]+)")
#: The seconds of when a feed was made.
_BUILT = re.compile(rb"<lastBuildDate>[^<:]*:\d\d:(\d\d)")
_HREF = re.compile(rb"(<link\b[^>]*?\bhref=[\"'])([^\"']+)")
_WORDS = (
    "model agent data release paper open token safety chip training inference weights benchmark research company cloud"
    " market policy the of to and a in for with on that is by as from at it was new more than its"
).split()


class Bodies:
    """The documents that are served, in the form that a mode asks for."""

    def __init__(self, documents: list[bytes]) -> None:
        self._documents = documents
        self._forms = documents
        self._turn = 0
        self.validated = True

    def set_mode(self, mode: str) -> None:
        self._turn += 1
        self.validated = mode == "fresh"
        change: Callable[[bytes], bytes] = {"touched": self._touch, "two-new": self._add_two}.get(mode, bytes)
        self._forms = [change(document) for document in self._documents]

    def get(self, number: int) -> bytes:
        return self._forms[number % len(self._forms)]

    def _touch(self, document: bytes) -> bytes:
        built = _BUILT.search(document)
        if built is not None:
            return document[: built.start(1)] + b"%02d" % (self._turn % 60) + document[built.end(1) :]
        comment = f"\n<!-- made by turn {self._turn} -->\n"
        if document.lstrip()[:1] == b"{":
            return document + b" " * self._turn
        if document[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return document + comment.encode("utf-16-le" if document[:2] == b"\xff\xfe" else "utf-16-be")
        return document + comment.encode("ascii")

    def _add_two(self, document: bytes) -> bytes:
        """Two entries like the first one, under other names; nothing for a document without one that can be seen."""
        first = _ENTRY.search(document)
        if first is None:
            return self._touch(document)
        twins = b"\n".join(self._rename(first[0], number) for number in (1, 2))
        return document[: first.start()] + twins + b"\n" + document[first.start() :]

    def _rename(self, entry: bytes, number: int) -> bytes:
        mark = b"-turn%d-%d" % (self._turn, number)
        entry = _KNOWN_BY.sub(lambda found: found[0].rstrip() + mark, entry)
        return _HREF.sub(lambda found: found[0] + mark, entry)


def read_documents(folder: Path | None) -> list[bytes]:
    """The files of ``folder``, in the order of their names; made-up ones when there is no such folder."""
    if folder is None or not folder.is_dir():
        return [make_document(seed) for seed in range(100)]
    return [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]


def make_document(seed: int, entries: int = 23, words: int = 400) -> bytes:
    """An RSS document whose size and number of entries are those of a usual feed."""
    random = Random(seed)

    def say(count: int) -> str:
        return " ".join(random.choices(_WORDS, k=count))

    day = "Mon, 0{} Sep 2025 10:00:00 GMT"
    items = "\n".join(
        f"<item><title>{say(8)}</title><link>https://example.org/{seed}/{number}</link>"
        f"<guid>https://example.org/{seed}/{number}</guid><pubDate>{day.format(number % 9 + 1)}</pubDate>"
        f"<description>&lt;p&gt;{say(words // 2)}&lt;/p&gt;&lt;p&gt;&lt;a href=&quot;/more&quot;&gt;{say(words // 2)}"
        "&lt;/a&gt;&lt;/p&gt;</description></item>"
        for number in range(entries)
    )
    head = f"<title>Feed {seed}</title><link>https://example.org/{seed}</link><description>{say(10)}</description>"
    return f'<?xml version="1.0"?>\n<rss version="2.0"><channel>{head}\n{items}\n</channel></rss>'.encode()


class Answering(asyncio.Protocol):
    """One connection, kept open."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._unread = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while b"\r\n\r\n" in self._unread:
            head, _, self._unread = self._unread.partition(b"\r\n\r\n")
            assert self._transport is not None
            self._transport.writelines(self._answer(head))

    def _answer(self, head: bytes) -> list[bytes]:
        parts = head.split(b" ", 2)[1].split(b"/")
        if parts[1] == b"mode":
            self._bodies.set_mode(parts[2].decode("ascii"))
            return [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]
        if parts[1] != b"feeds":
            return [b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"]
        body = self._bodies.get(int(parts[2]))
        if not self._bodies.validated:
            return [_make_head(len(body), b""), body]
        tag = b'"%s-%d"' % (parts[2], len(body))
        if tag in head:
            return [b"HTTP/1.1 304 Not Modified\r\nETag: " + tag + b"\r\n\r\n"]
        return [_make_head(len(body), b"ETag: " + tag + b"\r\n"), body]


def _make_head(length: int, more: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n%b\r\n" % (length, more)


async def serve(bodies: Bodies, hosts: int) -> None:
    """Until it is killed."""
    loop = asyncio.get_running_loop()
    port = 0
    for host in range(1, hosts + 1):
        server = await loop.create_server(lambda: Answering(bodies), f"127.0.0.{host}", port, backlog=1024)
        port = server.sockets[0].getsockname()[1]
    print(port, flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Serve as the arguments say."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--folder", type=Path)
    arguments.add_argument("--hosts", type=int, default=1)
    said = arguments.parse_args()
    asyncio.run(serve(Bodies(read_documents(said.folder)), said.hosts))


if __name__ == "__main__":
    main()
