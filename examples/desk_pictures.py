"""Takes the pictures of the desk for the documentation: an installation of sample posts, an editor, a draft that waits.

    python examples/desk_pictures.py [FOLDER] [OUT]     FOLDER: default var/desk-demo; OUT: default var/pictures

Needs Debian's chromium and the packages of the tests. Serves the desk itself on 127.0.0.1 and asks nobody else.
"""

from __future__ import annotations

import secrets
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from demo import STEPS, prepare_folder, run_step  # type: ignore[import-not-found]
from pictures import CHROMIUM, FLAGS, PROJECT, serve  # type: ignore[import-not-found]
from playwright.sync_api import Browser, Page, sync_playwright

from aggregator.app import open_app
from aggregator.config import load_config
from aggregator.model.newsletter import PlannedSlot
from aggregator.storage import issues
from aggregator.tasks.desk.accounts import create_account

#: Name of the picture, what it shows, colours, width and height.
PICTURES: tuple[tuple[str, str, Literal["light", "dark"], int, int], ...] = (
    ("desk-overview-light-wide", "/", "light", 1280, 1000),
    ("desk-draft-dark-wide", "/issues/1/edit?look=dark", "dark", 1280, 1000),
    ("desk-stories-light-narrow", "/stories", "light", 390, 844),
)


def main() -> int:
    """Write all pictures; prints each path."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else PROJECT / "var" / "desk-demo").resolve()
    out = Path(sys.argv[2] if len(sys.argv) > 2 else PROJECT / "var" / "pictures").resolve()
    out.mkdir(parents=True, exist_ok=True)
    password = secrets.token_urlsafe(16)
    furnish(folder, password)
    with serve(folder) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = log_in(browser, f"{url}/admin", password)
        for name, path, colours, width, height in PICTURES:
            page.emulate_media(color_scheme=colours)
            page.set_viewport_size({"width": width, "height": height})
            page.goto(f"{url}/admin{path}", wait_until="networkidle")
            page.screenshot(path=out / f"{name}.png")
            print(out / f"{name}.png")
        browser.close()
    return 0


def furnish(folder: Path, password: str) -> None:
    """Sample posts fetched, three subscribers, an account, and a draft of the last two weeks."""
    now = datetime.now(UTC)
    prepare_folder(folder, now=now)
    config = folder / "config.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("    top_stories:", "    review: manual\n    top_stories:"), encoding="utf-8")
    for title, arguments in STEPS[:3]:  # up to the subscribers
        if run_step(folder, arguments):
            sys.exit(f"desk_pictures: stopped: {title}")
    with open_app(load_config(config, {})) as app:
        create_account(app, "anna", password, role="editor")
        slot = PlannedSlot(
            slot_at=now, slug=f"{now:%G-W%V}", window_start=now - timedelta(days=14), window_end=now, state="draft"
        )
        with app.db.write() as conn:
            issues.add_slots(conn, "weekly", [slot], now=now, review_for=timedelta(days=1))


def log_in(browser: Browser, url: str, password: str) -> Page:
    """The desk's first page, by its own form."""
    page = browser.new_page()
    page.goto(f"{url}/login")
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Overview").wait_for()
    return page


if __name__ == "__main__":
    sys.exit(main())
