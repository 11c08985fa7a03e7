"""What the editor's own feed addresses hold never reaches a reader."""

from __future__ import annotations

import gzip
from pathlib import Path

import brotli
import pytest

from tests.fixtures.http_server import TestHttpServer
from tests.fixtures.program import Program

SECRET = "SECRET123"
#: A feed without a title, whose id is its own address; a post without a link that points into its own page.
FEED = """<feed xmlns="http://www.w3.org/2005/Atom"><id>{url}</id><updated>2025-12-02T00:00:00Z</updated>
<entry><id>tag:a.example,2025:1</id><title>A post</title><updated>2025-12-02T00:00:00Z</updated>
<content type="html"><![CDATA[<p>See the <a href="#note">note</a> and <a href="more">more</a>.</p>]]></content>
</entry></feed>"""


def read_plain(path: Path) -> str:
    """A file's text, taken out of its compressed form."""
    body = path.read_bytes()
    unpack = {".gz": gzip.decompress, ".br": brotli.decompress}.get(path.suffix, bytes)
    return bytes(unpack(body)).decode()


@pytest.mark.parametrize("title", ["", "A private feed"])
def test_a_token_in_a_feeds_address_stays_with_the_editor(
    program: Program, http_server: TestHttpServer, title: str
) -> None:
    url = f"{http_server.url}/private/feed.xml?token={SECRET}"
    http_server.add("/private/feed.xml?token=" + SECRET, FEED.format(url=url).encode())
    http_server.add("/private/feed.xml", FEED.format(url=url).encode())
    feed = {"url": url, **({"title": title} if title else {})}
    program.configure(feeds=[feed], combined={"window": "3650d"})

    assert program.json("fetch", "--all")["new"] == 1
    assert program.run("issues", "build", "--until", "2025-12-05").code == 0
    assert program.run("publish", "--out", "site").code == 0
    assert program.run("issues", "preview", "--out", "preview").code == 0

    written = [path for name in ("site", "preview") for path in (program.folder / name).rglob("*") if path.is_file()]
    assert len(written) > 8
    for path in written:
        assert SECRET not in read_plain(path), path.relative_to(program.folder)
