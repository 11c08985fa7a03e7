"""Takes the pictures of the README from a demo that has run: front page and mail, light and dark, wide and narrow.

    python examples/pictures.py [DEMO] [OUT]        DEMO: default var/demo; OUT: default var/pictures

Needs Debian's chromium and the packages of the tests. Opens only files of the demo, over a server on 127.0.0.1.
"""

from __future__ import annotations

import email
import functools
import sys
import threading
from email import policy
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, sync_playwright

PROJECT = Path(__file__).resolve().parent.parent
CHROMIUM = "/usr/bin/chromium"
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
#: Of each kind of page: name, width, height.
SIZES = {
    "front": (("wide", 1280, 1050), ("narrow", 360, 780)),
    "mail": (("wide", 680, 900), ("narrow", 360, 780)),
}


def main() -> int:
    """Write all pictures; prints each path."""
    demo = Path(sys.argv[1] if len(sys.argv) > 1 else PROJECT / "var" / "demo").resolve()
    out = Path(sys.argv[2] if len(sys.argv) > 2 else PROJECT / "var" / "pictures").resolve()
    out.mkdir(parents=True, exist_ok=True)
    mail = write_mail(demo)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(demo / "site")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pages = {"front": f"http://127.0.0.1:{server.server_port}/", "mail": mail.as_uri()}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        for name, url in pages.items():
            for scheme in ("light", "dark"):
                take(browser, url, scheme, out, name)
        browser.close()
    server.shutdown()
    return 0


class Quiet(SimpleHTTPRequestHandler):
    """Serves the demo's static site without a line for each file."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def write_mail(demo: Path) -> Path:
    """The HTML part of the first mail in the outbox, as a file."""
    first = sorted((demo / "var" / "outbox").glob("**/*.eml"))[0]
    message = email.message_from_bytes(first.read_bytes(), policy=policy.default)
    part = message.get_body(("html",))
    path = demo / "var" / "mail.html"
    path.write_text(part.get_content() if part else "", encoding="utf-8")
    return path


def take(browser: Browser, url: str, scheme: Literal["light", "dark"], out: Path, name: str) -> None:
    """One page in one scheme, at each size."""
    for size, width, height in SIZES[name]:
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        page.goto(url)
        path = out / f"{name}-{scheme}-{size}.png"
        page.screenshot(path=path)
        print(path)
        page.close()


if __name__ == "__main__":
    sys.exit(main())
