"""The site behind a real server on 127.0.0.1, and a feed of news of the hour. Never a client that forgives."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from xml.sax.saxutils import escape

import pytest
import uvicorn
from argon2 import PasswordHasher

from aggregator.app import App
from aggregator.tasks.desk import accounts
from aggregator.web.cache import Pace
from aggregator.web.connections import Limits
from aggregator.web.server import create_server
from aggregator.web.site import create_site
from tests.fixtures.program import Program
from tests.web.stage import Stage


@dataclass(frozen=True)
class Reply:
    """One answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Door:
    """A running site."""

    def __init__(self, server: uvicorn.Server, port: int) -> None:
        self.server = server
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def ask(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Reply:
        """One request on a connection of its own; ``path`` goes out as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection._validate_path = lambda url: None  # type: ignore[attr-defined]
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            assert len(fields) == len(answer.getheaders()), "a header came twice"
            return Reply(answer.status, fields, answer.read())
        finally:
            connection.close()


#: Every answer looks for new content first, and waits for the new page however slow the machine is.
AT_ONCE = Pace(watch_seconds=0, patience_seconds=60, retry_seconds=0)


@contextmanager
def serve_site(
    app: App, *, pace: Pace = AT_ONCE, limits: Limits | None = None, proxies: Sequence[str] = (), searches: int = 0
) -> Iterator[Door]:
    """``app`` as the daemon serves it, on a free port."""
    site = create_site(app, pace=pace, searches_per_minute=searches)
    with run_server(create_server(site, limits=limits, trusted_proxies=proxies)) as door:
        yield door


@contextmanager
def run_server(server: uvicorn.Server) -> Iterator[Door]:
    """On a free port of 127.0.0.1."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="web")
    thread.start()
    try:
        yield Door(server, listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each hash takes a core for a tenth of a second, as it should; tests log in a few hundred times."""
    monkeypatch.setattr(accounts, "_get_hasher", lambda: _CHEAP)


_CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def serve() -> Iterator[Callable[..., Door]]:
    """Starts sites that end with the test; it takes what `serve_site` takes."""
    with ExitStack() as stack:
        yield lambda app, **options: stack.enter_context(serve_site(app, **options))


@dataclass(frozen=True)
class News:
    """An installation with two feeds and a folder of posts, all of it fetched."""

    program: Program
    add_feed: Callable[[str, list[tuple[str, str]]], str]

    def configure(self, **sections: Any) -> None:
        feeds = [{"url": self.add_feed("/a", FIRST)}, {"url": self.add_feed("/b", SECOND)}, {"folder": "posts"}]
        self.program.configure(feeds=feeds, **sections)


FIRST = [("https://a.example/one", "OpenAI shows a new model"), ("https://a.example/two", "Anthropic raises money")]
SECOND = [("https://b.example/one", "OpenAI shows a new model"), ("https://b.example/x", "A robot that folds laundry")]
POST = """---
title: AI業界を揺るがす二つの波
date: {date}
lang: ja
---
OpenAIは新しいモデルを発表した。[前の記事](/posts/old)も読んでください。

NVIDIAのチップを使う。
"""


def write_rss(items: list[tuple[str, str]], title: str = "A feed") -> bytes:
    """RSS with items of the last minutes: link, title."""
    now = datetime.now(UTC)
    parts = [
        f"<item><guid isPermaLink='false'>{escape(link)}</guid><link>{escape(link)}</link><title>{escape(name)}</title>"
        f"<pubDate>{format_datetime(now - timedelta(minutes=10 + number))}</pubDate>"
        f"<description>{escape(name)} is what this is about, in a sentence or two.</description></item>"
        for number, (link, name) in enumerate(items)
    ]
    return f"<rss version='2.0'><channel><title>{escape(title)}</title>{''.join(parts)}</channel></rss>".encode()


@pytest.fixture
def news(program: Program, http_server: Any) -> News:
    """Not fetched yet."""
    posts = program.folder / "posts"
    posts.mkdir()
    date = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%d %H:%M:%S +0000}"
    (posts / "post.md").write_text(POST.format(date=date), encoding="utf-8")
    return News(program, lambda path, items: str(http_server.add(path, write_rss(items, f"Feed {path[1:]}"))))


@pytest.fixture
def site(news: News, serve: Callable[[App], Door]) -> Iterator[tuple[Program, App, Door]]:
    """Fetched, with one issue, and served."""
    news.configure()
    assert news.program.json("fetch", "--all")["failed"] == 0
    assert news.program.json("issues", "build")["state"] == "ready"
    with news.program.app() as app:
        yield news.program, app, serve(app)


@pytest.fixture
def stage(program: Program, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Pages that the test writes; ``serve(stage.app)`` shows them."""
    program.configure()
    with program.app() as app:
        stage = Stage(app)
        stage.gate.set()
        monkeypatch.setattr("aggregator.web.cache.find_page", stage.find)
        yield stage
        stage.gate.set()
