"""A week in the eyes of feed readers: each story comes once, whatever is edited, merged or published again.

Our own reader is fifty lines; the real ones (newsboat, lemon24/reader) are asked by `make soak` where they are:
newsboat in the path, and a Python that has `reader` named by READER_PYTHON.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import feedparser
import pytest
from starlette.types import Message, Receive, Scope, Send

from aggregator.app import App
from aggregator.storage import stories
from aggregator.storage.stories import StoryQuery
from aggregator.web.server import create_server
from aggregator.web.site import Site, create_site
from tests.fixtures.program import Program
from tests.tasks.world import World
from tests.web.conftest import AT_ONCE, Door
from tests.web.press import FEEDS, Press

URL = "http://news.example.org"
sqlite_only = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@contextmanager
def open_press(program: Program, *, url: str = URL, limit: int = 60) -> Iterator[tuple[App, Press]]:
    program.configure(
        site={"title": "AI News", "url": url, "contact": "editor@example.org", "timezone": "UTC"},
        feeds=[{"url": feed} for feed in FEEDS],
        combined={"limit": limit, "window": "3d"},
    )
    world = World()
    with program.app(now=world, fetcher=world) as app:
        press = Press(app, world)
        press.begin()
        yield app, press


@dataclass
class Follower:
    """A reader as they all are: asks with what it was told, keeps items by their id, shows those that it never saw."""

    door: Door
    etag: str = ""
    links: dict[str, str] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)

    def poll(self, path: str = "/feed.atom") -> list[str]:
        """The ids that are shown now."""
        reply = self.door.ask(path, headers={"If-None-Match": self.etag} if self.etag else {})
        self.statuses[reply.status] += 1
        if reply.status == 304:
            return []
        self.etag = reply.headers["etag"]
        entries = feedparser.parse(reply.body).entries
        assert len(entries) == len({entry.id for entry in entries})
        fresh = [entry for entry in entries if entry.id not in self.links]
        for entry in fresh:
            assert entry.link not in self.links.values(), f"{entry.link} is shown twice"
        self.links |= {entry.id: entry.link for entry in entries}
        return [entry.id for entry in fresh]


def walk(door: Door, between: Callable[[], object] = lambda: None) -> tuple[set[str], list[str]]:
    """The ids of the living document, and those of all pages that follow by ``next``, with something happening in
    between."""
    documents: list[list[str]] = []
    path = "/feed.atom"
    while path:
        found = feedparser.parse(door.ask(path).body)
        documents.append([entry.id for entry in found.entries])
        following = next((link.href for link in found.feed.links if link.rel == "next"), "")
        path = following.removeprefix(URL)
        between()
    return set(documents[0]), [number for document in documents[1:] for number in document]


@sqlite_only
def test_a_week_of_edits_and_merges_shows_nothing_twice(program: Program, serve: Callable[..., Door]) -> None:
    """And asking twice costs the reader nothing: 304, also after a round that brought nothing."""
    with open_press(program) as (app, press):
        follower = Follower(serve(app))
        shown = follower.poll()
        for _ in range(28):
            press.pass_hours(4)
            shown += follower.poll()
            before = follower.statuses[304]
            follower.poll()
            press.publish()
            follower.poll()
            assert follower.statuses[304] == before + 2
    assert len(shown) == len(set(shown)) > 60


@sqlite_only
def test_whoever_walks_back_by_next_meets_every_story_once(program: Program, serve: Callable[..., Door]) -> None:
    """Also while new ones come in between two pages. The living document holds the best of a window that is too full
    for it; what it leaves out stands on the pages, where some of the best stand once more."""
    with open_press(program, limit=5) as (app, press):
        for _ in range(24):
            press.pass_hours(4)
        door = serve(app)
        with app.db.read() as conn:
            stored = {story.atom_id for story in stories.list_stories(conn, StoryQuery(combined_only=True))}
        living, pages = walk(door)
        _, moving = walk(door, lambda: press.pass_hours(1) if press.random.random() < 0.7 else None)

    assert living | set(pages) == stored and len(stored) > 40
    assert len(pages) == len(set(pages))
    assert len(moving) == len(set(moving))


class Counted:
    """A site that counts its answers."""

    def __init__(self, site: Site) -> None:
        self.statuses: Counter[int] = Counter()
        self.errors, self.security = site.errors, site.security
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def count(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.statuses[message["status"]] += 1
            await send(message)

        await self._site(scope, receive, count)


@contextmanager
def serve_counted(app: App, listener: socket.socket) -> Iterator[Counter[int]]:
    counted = Counted(create_site(app, pace=AT_ONCE, searches_per_minute=0))
    server = create_server(cast(Site, counted))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="web")
    thread.start()
    try:
        yield counted.statuses
    finally:
        server.should_exit = True
        thread.join()


def run_newsboat(folder: Path, url: str) -> tuple[set[str], set[str]]:
    """Reload, and say which items are unread and which there are at all; then all of them are read."""
    folder.mkdir(exist_ok=True)
    (folder / "urls").write_text(f"{url}\n")
    (folder / "config").write_text("reload-threads 1\n")
    cache = folder / "cache.db"
    options = ("-u", folder / "urls", "-C", folder / "config", "-c", cache, "-x")
    command = ["newsboat", *map(str, options), "reload"]
    subprocess.run(
        command, check=True, capture_output=True, timeout=60, env={"HOME": str(folder), "PATH": os.environ["PATH"]}
    )
    with sqlite3.connect(cache) as conn:
        rows = conn.execute("SELECT guid, unread FROM rss_item").fetchall()
        conn.execute("UPDATE rss_item SET unread = 0")
    conn.close()
    assert len(rows) == len({guid for guid, _ in rows})
    return {guid for guid, unread in rows if unread}, {guid for guid, _ in rows}


READER = """
import json, sys
from reader import make_reader
url, path = sys.argv[1:]
with make_reader(path) as reader:
    reader.add_feed(url, exist_ok=True)
    reader.update_feed(url)
    entries = list(reader.get_entries())
    assert not reader.get_feed(url).last_exception, reader.get_feed(url).last_exception
    print(json.dumps([[entry.id, entry.read] for entry in entries]))
    for entry in entries:
        reader.mark_entry_as_read(entry)
"""


def run_reader(folder: Path, url: str) -> tuple[set[str], set[str]]:
    """The same of lemon24/reader."""
    folder.mkdir(exist_ok=True)
    command = [os.environ["READER_PYTHON"], "-c", READER, url, str(folder / "reader.sqlite")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    rows = json.loads(done.stdout)
    assert len(rows) == len({number for number, _ in rows})
    return {number for number, read in rows if not read}, {number for number, _ in rows}


REAL = {"newsboat": run_newsboat, "reader": run_reader}


@pytest.mark.soak
@sqlite_only
@pytest.mark.parametrize("name", REAL)
def test_a_real_reader_shows_nothing_twice_in_a_week(program: Program, tmp_path: Path, name: str) -> None:
    """What is unread after a reload is new to it; of two reloads in a row the second is answered by 304."""
    if name == "newsboat" and shutil.which(name) is None:
        pytest.skip("newsboat is not installed")
    if name == "reader" and "READER_PYTHON" not in os.environ:
        pytest.skip("READER_PYTHON names no Python that has reader")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with open_press(program, url=url) as (app, press), serve_counted(app, listener) as statuses:
            known: set[str] = set()
            for turn in range(28):
                unread, there = REAL[name](tmp_path / name, f"{url}/feed.atom")
                assert unread == there - known, "something came twice, or was lost"
                known |= there
                before = Counter(statuses)
                assert REAL[name](tmp_path / name, f"{url}/feed.atom")[0] == set()
                # newsboat forgets the validators of a feed that it meets for the first time.
                assert statuses - before == Counter({304: 1}) or (name == "newsboat" and turn == 0)
                press.pass_hours(4)
    assert len(known) > 60
    print(f"\n{name}: {len(known)} stories in a week, {dict(statuses)}")
