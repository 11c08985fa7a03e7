"""The cluster's proxy: what it knows of the web is so, and nginx itself serves files, and without them asks the web."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.routing import Route

from aggregator.web.headers import HEADERS, MAX_BODY_BYTES
from aggregator.web.site import create_site
from aggregator.web.websub import MAX_DELIVERY_BYTES
from tests.fixtures.http_server import TestHttpServer
from tests.fixtures.program import Program
from tests.web.conftest import serve_site

CONFIG = Path(__file__).resolve().parent.parent / "examples" / "cluster" / "nginx.conf"
FEED = b"""<rss version="2.0"><channel><title>Bees</title><link>https://a.example.org/</link>
<item><title>A new model of bees</title><link>https://a.example.org/1</link></item></channel></rss>"""
#: What any path that is none of these is: a page, or the file of one.
PAGE = "/{path:path}"
on_postgres = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


@dataclass(frozen=True)
class Location:
    """One ``location`` of nginx."""

    sign: str
    pattern: str
    body: str

    def matches(self, path: str) -> bool:
        if self.sign.startswith("~"):
            return bool(re.search(self.pattern, path))
        return path == self.pattern if self.sign == "=" else path.startswith(self.pattern)


def list_locations() -> list[Location]:
    found = re.findall(r"location (?:(=|~|\^~) )?([^@\s]\S*) \{([^}]*)\}", CONFIG.read_text(encoding="utf-8"))
    return [Location(*one) for one in found]


def choose(path: str) -> Location:
    """As nginx does: the same path, else the longest beginning if it is marked, else the first expression, else it."""
    matching = [one for one in list_locations() if one.matches(path)]
    same = [one for one in matching if one.sign == "="]
    longest = max((one for one in matching if one.sign in ("", "^~")), key=lambda one: len(one.pattern))
    expressions = [one for one in matching if one.sign == "~"]
    return same[0] if same else longest if longest.sign else expressions[0] if expressions else longest


@on_postgres
def test_it_knows_every_path_that_is_no_page(program: Program) -> None:
    """Forms and search are never looked for among the files, and what is for the operator is shown to nobody."""
    program.configure()
    with program.app() as app:
        routes = cast("Any", create_site(app))._routes._site.routes
    paths = {route.path for route in routes if isinstance(route, Route)} - {PAGE}

    assert len(paths) >= 8
    for path in {*(re.sub(r"\{.*\}", "token", path) for path in paths), "/search", "/search.atom", "/search.json"}:
        body = choose(path).body
        assert "try_files" not in body and "error_page" not in body, path
        assert ("return 404" if path in ("/readyz", "/metrics") else "proxy_pass $web;") in body, path


def test_bodies_are_as_large_as_the_web_takes_them() -> None:
    """Its answers are friendlier than nginx's."""
    limits = re.findall(r"client_max_body_size (\d+)([km]);", CONFIG.read_text(encoding="utf-8"))
    sizes = [int(number) << {"k": 10, "m": 20}[unit] for number, unit in limits]

    assert sizes == [MAX_BODY_BYTES, MAX_DELIVERY_BYTES]
    assert f"{MAX_DELIVERY_BYTES >> 20}m" in choose("/websub/token").body


def test_files_bear_the_headers_of_the_web() -> None:
    """Those for security, word by word."""
    text = CONFIG.read_text(encoding="utf-8").replace('"', "")

    for name, value in HEADERS.items():
        assert f"add_header {name} {value} always;" in text


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def ask(port: int, path: str, method: str = "GET", **headers: str) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


@contextmanager
def run_nginx(folder: Path, site: Path, web: int) -> Iterator[int]:
    """Our configuration with other places in it: ``site``, a free port, and ``web``, the port of the web process."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed (apt install nginx-light)")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    text = CONFIG.read_text(encoding="utf-8")
    places = {" /tmp/": f" {folder}/", "root /site;": f"root {site};", "http://web:8000": f"http://127.0.0.1:{web}"}
    for old, new in {**places, "listen 8080;": f"listen 127.0.0.1:{port};"}.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    settings = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")  # pytest's folders are ours alone
    command = [program, "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", settings]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            _wait_for_port(process, port)
            yield port
        finally:
            process.terminate()
            assert process.stderr is not None
            said = process.stderr.read()
    assert "[emerg]" not in said and "token" not in said, said


def _wait_for_port(process: subprocess.Popen[str], port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
    pytest.fail("nginx does not answer")


@pytest.fixture
def published(program: Program, http_server: TestHttpServer) -> Path:
    """The folder of the site, of one entry."""
    program.configure(feeds=[{"url": http_server.add("/feed.xml", FEED)}])
    assert program.run("fetch", "--all").code == 0
    folder = program.folder / "site"
    assert program.run("publish", "--out", str(folder)).code == 0
    return folder


@on_postgres
def test_feeds_are_files_and_forms_come_from_the_web(program: Program, published: Path, tmp_path: Path) -> None:
    """A variant of a feed, search and pages too; what is for the operator nobody sees."""
    (tmp_path / "nginx").mkdir()
    with program.app() as app, serve_site(app) as door, run_nginx(tmp_path / "nginx", published, door.port) as port:
        feed, direct = ask(port, "/feed.atom"), door.ask("/feed.atom")
        form, front, found = (ask(port, path) for path in ("/subscribe", "/", "/search?q=bees"))
        entries, opened = ask(port, "/feed.atom?entries=1"), ask(port, "/feed.atom", Sec_Fetch_Dest="document")
        hidden = [ask(port, path).status for path in ("/readyz", "/metrics", "/.publishing/files")]
        missing, posted = ask(port, "/nothing"), ask(port, "/unsubscribe/token", "POST")
        same = [(ask(port, f"/feed{end}"), door.ask(f"/feed{end}")) for end in (".atom", ".rss", ".json", "s.opml")]

    written = (published / "feed.atom").stat()
    assert feed.body == (published / "feed.atom").read_bytes() == direct.body
    assert feed.headers["etag"] == f'"{int(written.st_mtime):x}-{written.st_size:x}"'
    assert (form.status, front.status, found.status) == (200, 200, 200)
    assert b'<form method="post"' in form.body and b"/subscribe" in front.body and b"A new model" in found.body
    assert b"entries=1" in entries.body
    assert entries.headers["etag"] != feed.headers["etag"]
    assert opened.headers["content-type"].startswith("text/html")  # for people, under the same address
    assert hidden == [404, 404, 404]
    assert (missing.status, posted.status) == (404, 200)  # who unsubscribes twice is told the same
    for ours, its in same:
        assert ours.headers["content-type"] == its.headers["content-type"]
        assert ours.headers.get("x-robots-tag") == its.headers.get("x-robots-tag")


@on_postgres
def test_without_the_web_there_are_still_feeds_and_pages(program: Program, published: Path, tmp_path: Path) -> None:
    """The published ones, on which nobody is told to subscribe."""
    (tmp_path / "nginx").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        nobody = probe.getsockname()[1]
    with run_nginx(tmp_path / "nginx", published, nobody) as port:
        feed, front, packed = ask(port, "/feed.atom"), ask(port, "/"), ask(port, "/feed.rss", Accept_Encoding="gzip")
        story = ask(port, "/stories/1")
        form, missing, token = ask(port, "/subscribe"), ask(port, "/nothing"), ask(port, "/confirm/token")

    assert (feed.status, front.status, story.status, packed.status) == (200, 200, 200, 200)
    assert front.body == (published / "index.html").read_bytes()
    assert b"/subscribe" not in front.body
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.body == (published / "feed.rss.gz").read_bytes()
    assert (form.status, missing.status, token.status) == (502, 503, 502)
