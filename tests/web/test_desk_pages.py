"""Every page of the desk in a real browser, full of what strangers wrote: nothing runs, nothing is asked of others, and
all of it is for everybody (WCAG A and AA by axe), in both themes and widths. The desk lists its pages itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Dialog, Page

from aggregator.app import App
from aggregator.model.newsletter import PlannedSlot
from aggregator.storage import audit, entries, feeds, issues, stories
from aggregator.storage.entries import EntryQuery
from aggregator.tasks.desk.accounts import create_account
from aggregator.web.desk.rooms import ROOMS
from tests.fixtures.program import Program
from tests.fixtures.smtp_server import FOR_EVER, SmtpServer
from tests.web.conftest import Door, write_rss
from tests.web.desk_door import PASSWORD
from tests.web.test_hostile import RUN, VECTORS, read_vectors, write_hostile

OPTIONS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
Looks = tuple[tuple[Literal["light", "dark"], int], ...]
#: Each theme and each width; and, in the long tests, each with each.
LOOKS: Looks = (("light", 1280), ("dark", 390))
ALL_LOOKS: Looks = (*LOOKS, ("dark", 1280), ("light", 390))
#: What is saved, not shown.
FILES = (".csv", ".json", ".opml")
#: What a page is about, for each name in its path.
Places = Mapping[str, Sequence[int | str]]
SCRIPT = f"<script>{RUN}</script><img src=x onerror={RUN}>"
NEWSLETTERS = [
    {"slug": "weekly", "title": f"AI Weekly {SCRIPT}", "schedule": "0 8 * * 1", "min_stories": 1},
    {"slug": "slow", "title": "Slow", "schedule": "0 8 * * 1", "min_stories": 1, "review": "manual"},
]
CSV = f'email,newsletter,language,topics\r\nann@example.org,weekly,,\r\n"{SCRIPT}@example.org",weekly,,"{SCRIPT}"\r\n'


@dataclass
class Room:
    """A furnished desk, and somebody who is logged in with a browser."""

    app: App
    door: Door
    places: Places

    def list_paths(self) -> Iterator[tuple[str, str]]:
        """Paths of pages as they are written, and with numbers in them."""
        for page in (page for room in ROOMS for page in room.pages):
            names = re.findall(r"\{(\w+)(?::\w+)?\}", page.path)
            assert set(names) <= set(self.places), f"{page.path}: say in this test where such a number comes from"
            for values in product(*(self.places[name] for name in names)):
                path = page.path
                for name, value in zip(names, values, strict=True):
                    path = re.sub(rf"\{{{name}(:\w+)?\}}", str(value), path)
                yield page.path, path


@pytest.fixture
def vectors() -> list[str]:
    """What stands in every field of the feed that means harm."""
    return VECTORS[:24]


@pytest.fixture
def room(
    vectors: list[str],
    program: Program,
    http_server: Any,
    make_smtp_server: Callable[..., SmtpServer],
    serve: Callable[[App], Door],
) -> Iterator[Room]:
    """Feeds that mean harm, one that fails, issues of every kind, a server's harmful answers, a log of it all."""
    server = make_smtp_server()
    server.answer("RCPT", f"550 5.1.1 {SCRIPT} no such user", to="bad@example.org", times=FOR_EVER)
    program.configure(
        feeds=[
            {"url": http_server.add("/hostile", write_hostile(vectors)), "title": f"Harm {SCRIPT}"},
            {"url": http_server.add("/calm", write_rss([("https://a.example/1", "OpenAI shows a new model")]))},
            {"url": http_server.url + f"/gone?{RUN}"},
        ],
        newsletters=NEWSLETTERS,
        mail={
            "from": "AI Weekly <news@example.org>",
            "smtp": {"host": "127.0.0.1", "port": server.port, "tls": "none"},
        },
        combined={"first_import": 1000, "limit": 1000},
        rules=[{"name": f"no {SCRIPT}", "when": {"title": ["robot"]}, "drop": True}],
    )
    program.run("fetch", "--all")
    for address in ("ann@example.org", "bad@example.org"):
        assert program.run("subscribers", "add", address, "--newsletter", "weekly").code == 0
    (program.folder / "people.csv").write_text(CSV, encoding="utf-8")
    program.run("subscribers", "import", "people.csv", "--newsletter", "weekly")
    assert program.json("issues", "build", "weekly")["state"] == "ready"
    add_draft(program, "slow", datetime.now(UTC) - timedelta(minutes=1))
    program.run("issues", "send", "weekly")
    with program.app() as app:
        create_account(app, "anna", PASSWORD, role="editor")
        yield Room(app, serve(app), find_places(app))


def add_draft(program: Program, newsletter: str, end: datetime) -> None:
    """An issue that waits for the editor, of the seven days before ``end``."""
    with program.app() as app, app.db.write() as conn:
        slot = PlannedSlot(
            slot_at=end, slug="draft", window_start=end - timedelta(days=7), window_end=end, state="draft"
        )
        issues.add_slots(conn, newsletter, [slot], now=end, review_for=timedelta(days=1))


def find_places(app: App) -> Places:
    with app.db.write() as conn:
        line = audit.record(
            conn, who="anna", action="feed.edit", subject="feed:1", title=SCRIPT, before=[SCRIPT],
            after={SCRIPT: SCRIPT}, now=app.now(),
        )  # fmt: skip
    with app.db.read() as conn:
        every = feeds.list_feeds(conn)
        held = entries.list_entries(conn, EntryQuery(limit=3))
        told = [entry.story_id for entry in held if entry.story_id]
        assert stories.get(conn, told[0]) is not None
        return {
            "feed": [feed.id for feed in every],
            "entry": [entry.id for entry in held],
            "story": told[:2],
            "issue": [issue.id for issue in issues.list_issues(conn)],
            "slug": ["openai"],
            "tag": ["openai"],
            "subscriber": [1],
            "person": [1],
            "rule": [1],
            "number": [1],
            "change": [line],
        }


def find_faults(page: Page, looks: Looks) -> Iterator[str]:
    """By axe, and what scrolls sideways."""
    for theme, width in looks:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")  # it is painted
        for fault in Axe().run(page, options=OPTIONS).response["violations"]:
            yield f"{theme} {width}: {fault['id']}: {[node['html'][:300] for node in fault['nodes'][:3]]}"
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            yield f"{theme} {width}: {wide} pixels wide"


def enter(room: Room, page: Page) -> None:
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Overview").wait_for()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("looks", [LOOKS, pytest.param(ALL_LOOKS, marks=pytest.mark.soak)], ids=["some", "all"])
def test_every_page_is_for_everybody_and_runs_nothing(room: Room, browser_page: Page, looks: Looks) -> None:
    page = browser_page
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    page.goto(f"{room.door.url}/admin/login")
    faults = {"/login": list(find_faults(page, looks))}
    enter(room, page)
    missing = {written for written, _ in room.list_paths()}
    for written, path in room.list_paths():
        if page.request.get(f"{room.door.url}/admin{path}").status in (404, 422):
            continue  # a draft has no frozen mail, and what is frozen is no draft
        missing.discard(written)
        if path.endswith(FILES):
            continue
        answer = page.goto(f"{room.door.url}/admin{path}", wait_until="load")
        assert answer is not None and answer.status == 200, (path, answer and answer.status)
        assert page.evaluate("window.pwned === undefined"), path
        if not (answer.headers.get("content-type", "").startswith("text/html")) or "sandbox" in answer.headers.get(
            "content-security-policy", ""
        ):
            continue  # the mail in its frame is held against axe where it is made
        assert page.locator("h1").count() == 1, path
        faults[path] = list(find_faults(page, looks))

    assert not {path: found for path, found in faults.items() if found}
    assert not missing


class TestCorpus:
    """The corpus's vectors in titles, addresses and tags of feeds; what a server and a list of people say is harmful,
    too."""

    @pytest.fixture
    def vectors(self, corpus: Path) -> list[str]:
        return read_vectors(corpus)

    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    def test_no_vector_runs_at_the_desk(self, room: Room, browser_page: Page) -> None:
        ran: list[str] = []

        def note(dialog: Dialog) -> None:
            ran.append(dialog.message)
            dialog.dismiss()

        browser_page.on("dialog", note)
        browser_page.goto(f"{room.door.url}/admin/login")
        enter(room, browser_page)
        with room.app.db.read() as conn:
            held = entries.list_entries(conn, EntryQuery(limit=25))
        for path in [*(path for _, path in room.list_paths()), *(f"/entries/{entry.id}" for entry in held)]:
            if browser_page.request.get(f"{room.door.url}/admin{path}").status in (404, 422) or path.endswith(FILES):
                continue
            browser_page.goto(f"{room.door.url}/admin{path}", wait_until="load")
            assert browser_page.evaluate("window.pwned === undefined"), path

        assert not ran
