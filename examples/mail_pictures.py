"""Sets the issue of a week from what a database holds, by the real pipeline, and takes pictures of it as mail.

    python examples/mail_pictures.py CONFIG OUT [UNTIL] [INTRODUCTION]

CONFIG: a config.yaml whose database has entries, such as var/demo/config.yaml after `make demo`. UNTIL: the end of the
window (2026-08-17T00:00:00+09:00; default: now). INTRODUCTION: a Markdown file. Writes the first newsletter in English
and in Japanese, as HTML, text and pictures in both themes, wide and narrow. Needs Debian's chromium and the packages
of the tests; asks nobody. What is not the demo's may be others' property: keep its pictures to yourself.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, sync_playwright

from aggregator.app import App, open_app
from aggregator.config import load_config
from aggregator.model.newsletter import IssueEdits, PlannedSlot, RenderedIssue, TooFew
from aggregator.pipeline.tag import get_tags
from aggregator.tasks.composing import compose_draft
from aggregator.typesetter import set_issue

CHROMIUM = "/usr/bin/chromium"
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
LANGUAGES = ("en", "ja")
WIDTHS = (700, 375)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
#: A short issue, so that all of it fits into a picture.
TOP, BRIEF = 4, 5


def main() -> int:
    """Set, write, photograph."""
    config, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    until = datetime.fromisoformat(sys.argv[3]) if len(sys.argv) > 3 else datetime.now(UTC)
    introduction = Path(sys.argv[4]).read_text(encoding="utf-8") if len(sys.argv) > 4 else ""
    out.mkdir(parents=True, exist_ok=True)
    os.chdir(config.parent)
    with open_app(load_config(config, {})) as app, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        for language in LANGUAGES:
            mail = make_mail(app, language, until, introduction)
            (out / f"mail-{language}.html").write_text(mail.mail_html, encoding="utf-8")
            (out / f"mail-{language}.txt").write_text(mail.mail_text, encoding="utf-8")
            html, text = len(mail.mail_html.encode()), len(mail.mail_text.encode())
            print(f"{language}: {html:,} bytes of HTML, {text:,} of text: {mail.subject}")
            take(browser, out, f"mail-{language}")
        browser.close()
    return 0


def make_mail(app: App, language: str, until: datetime, introduction: str) -> RenderedIssue:
    """The whole issue of the week that ends at ``until``."""
    # Another name: what the newsletter itself has mailed already would be left out.
    newsletter = replace(app.settings.newsletters[0], slug=f"pictures-{language}", language=language)
    newsletter = replace(newsletter, top_stories=TOP, brief_stories=BRIEF)
    slug = f"{until:%G-W%V}"
    start = until - timedelta(days=7)
    slot = PlannedSlot(slot_at=until, slug=slug, window_start=start, window_end=until, state="draft", reason="")
    composed = compose_draft(app, newsletter, slot)
    if isinstance(composed, TooFew):
        sys.exit(composed.reason)
    site = app.settings.site
    return set_issue(
        composed,
        edits=IssueEdits(introduction=introduction),
        site=site,
        tags=get_tags(app.settings.tag_rules),
        templates=app.templates,
        archive_url=f"{site.url}/issues/{newsletter.slug}/{slug}",
    ).renderings[0]


def take(browser: Browser, out: Path, name: str) -> None:
    """One mail in both themes at each width, as long as it is."""
    for scheme in SCHEMES:
        for width in WIDTHS:
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.goto((out / f"{name}.html").as_uri())
            path = out / f"{name}-{scheme}-{width}.png"
            page.screenshot(path=path, full_page=True)
            print(path)
            page.close()


if __name__ == "__main__":
    sys.exit(main())
