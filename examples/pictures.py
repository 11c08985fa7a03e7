"""Takes the pictures of the documentation from a demo that has run: pages, light and dark, wide and narrow.

    python examples/pictures.py [DEMO] [OUT]        DEMO: default var/demo; OUT: default var/pictures

Needs Debian's chromium and the packages of the tests. Serves the demo itself on 127.0.0.1 and asks nobody else.

For mails: mail_pictures.py.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, sync_playwright

from aggregator.app import open_app
from aggregator.config import load_config
from aggregator.web.server import create_server
from aggregator.web.site import create_site

PROJECT = Path(__file__).resolve().parent.parent
CHROMIUM = "/usr/bin/chromium"
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
#: Of each kind of page: name, width, height.
PAGE = (("wide", 1280, 1000), ("narrow", 390, 844))


def main() -> int:
    """Write all pictures; prints each path."""
    demo = Path(sys.argv[1] if len(sys.argv) > 1 else PROJECT / "var" / "demo").resolve()
    out = Path(sys.argv[2] if len(sys.argv) > 2 else PROJECT / "var" / "pictures").resolve()
    out.mkdir(parents=True, exist_ok=True)
    with serve(demo) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        pages = {
            "front": f"{url}/",
            "story": url + find(url, "/", r'class="whole" href="([^"]+)"'),
            "tag": f"{url}/tags/anthropic",
            "search": f"{url}/search?q=Lanternfish",
            "issue": url + find(url, "/issues/", r'href="(/issues/[^/"]+/\d[^"]*)"'),
        }
        for name, address in pages.items():
            take(browser, address, PAGE, out, name)
        browser.close()
    return 0


@contextmanager
def serve(demo: Path) -> Iterator[str]:
    """The demo as its daemon would serve it; its address."""
    os.chdir(demo)
    with open_app(load_config(demo / "config.yaml", {})) as app:
        server = create_server(create_site(app))
        listener = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
            listener.close()


def find(url: str, path: str, pattern: str) -> str:
    """The first address on a page that ``pattern`` finds."""
    with urllib.request.urlopen(url + path, timeout=60) as answer:
        found = re.search(pattern, answer.read().decode())
    if found is None:
        sys.exit(f"pictures: nothing like {pattern} on {path}")
    return found[1]


def take(browser: Browser, url: str, sizes: tuple[tuple[str, int, int], ...], out: Path, name: str) -> None:
    """One page in both schemes at each size."""
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        for size, width, height in sizes:
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto(url)
            path = out / f"{name}-{scheme}-{size}.png"
            page.screenshot(path=path)
            print(path)
            page.close()


if __name__ == "__main__":
    sys.exit(main())
