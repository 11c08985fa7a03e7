"""The site as files, and the feed as its readers take it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

import feedparser
import pytest
import sqlalchemy as sa
from lxml import etree, html

from aggregator.app import App
from aggregator.errors import RenderError
from aggregator.model.ids import StoryId
from aggregator.model.story import GroupedStory
from aggregator.publish import Group
from aggregator.storage import meta, stories
from aggregator.storage.schema import entries, entry_tags
from aggregator.storage.stories import StoryQuery
from aggregator.tasks.site import export
from aggregator.tasks.site.found import Found, Page, Query, make_html
from aggregator.tasks.site.routes import find_page
from tests.fixtures.program import Program
from tests.web.conftest import FIRST, SECOND, Door, News, write_rss

ATOM = "{http://www.w3.org/2005/Atom}"
NEWS_SITE = {"title": "AI News", "contact": "editor@example.org", "timezone": "UTC"}
sqlite_only = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def find_dangling(folder: Path, url: str, root: str) -> list[str]:
    """Links of ours in the exported pages and feeds that lead to no file; search is not exported."""
    dangling = []
    for path in sorted(folder.rglob("*")):
        for link in list_links(path):
            inner = link.removeprefix(url) if link.startswith(url) else link
            if inner == link and not link.startswith("/"):
                assert re.match(r"https?://|mailto:|#", link), (path, link)
                continue
            inner = inner if inner != link else inner.removeprefix(root)
            assert inner.startswith("/"), (path, link)
            target = folder / unquote(urldefrag(inner).url.partition("?")[0]).strip("/")
            if not (target.is_file() or (target / "index.html").is_file() or inner.startswith("/search")):
                dangling.append(f"{path.relative_to(folder)} -> {link}")
    return dangling


def list_links(path: Path) -> list[str]:
    """Every address in a page or feed, in the HTML inside a feed, too."""
    if path.suffix == ".html":
        return [link for _, _, link, _ in html.fromstring(path.read_bytes()).iterlinks()]
    if path.suffix in (".atom", ".rss", ".opml", ".xml"):
        document = etree.fromstring(path.read_bytes())
        links = [element.get("href", "") for element in document.iter("{*}link") if element.get("href")]
        inside = [element.text or "" for element in document.iter("{*}content", "{*}encoded", "description")]
        links += [element.text for element in document.iter("link") if element.text]
    elif path.suffix == ".json":
        document = json.loads(path.read_bytes())
        links = [document[name] for name in ("home_page_url", "feed_url", "next_url") if name in document]
        links += [item["url"] for item in document["items"] if "url" in item]
        inside = [item.get("content_html", "") for item in document["items"]]
    else:
        return []
    return links + [link for text in inside for _, _, link, _ in html.fromstring(f"<div>{text}</div>").iterlinks()]


@pytest.mark.parametrize("root", ["", "/news"])
def test_every_link_of_the_exported_site_leads_to_a_file(news: News, root: str) -> None:
    program, url = news.program, f"http://news.example.org{root}"
    news.configure(site={**NEWS_SITE, "url": url})
    program.json("fetch", "--all")
    program.json("issues", "build")
    merge_two(program)

    first = program.run("publish", "--out", "site")
    assert first.code == 0, first.err
    folder = program.folder / "site"
    assert find_dangling(folder, url, root) == []
    assert (folder / "stories/2/index.html").exists(), "a merged story keeps its address"
    assert list(folder.glob("entries/*/index.html"))
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.html")}
    again = program.run("publish", "--out", "site")
    assert "0 files written" in again.out and " 0 removed" in again.out
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.html")} == before


def merge_two(program: Program) -> None:
    """Swallow the second story, to which the frozen issue links."""
    with program.app() as app, app.db.write() as conn:
        found = {story.id: story for story in stories.list_stories(conn, StoryQuery())}
        one, two = found[StoryId(1)], found[StoryId(2)]
        ids = tuple(entry.id for story in (one, two) for entry in story.entries)
        group = GroupedStory(story_id=one.id, entry_ids=ids, merged_ids=(two.id,))
        stories.save_groups(conn, [group], now=app.now(), identity=meta.get_identity(conn))


@sqlite_only
def test_files_of_pages_that_are_no_more_go_and_foreign_files_stay(news: News) -> None:
    news.configure()
    news.program.json("fetch", "--all")
    news.program.run("publish", "--out", "site")
    folder = news.program.folder / "site"
    (folder / "CNAME").write_text("news.example.org")
    assert (folder / "tags/openai.atom").exists()
    with news.program.app() as app, app.db.write() as conn:
        conn.execute(sa.delete(entry_tags))
    result = news.program.run("publish", "--out", "site")
    assert result.code == 0, result.err
    assert not (folder / "tags/openai.atom").exists()
    assert (folder / "CNAME").exists() and (folder / "feed.atom").exists()
    assert find_dangling(folder, "http://news.example.org", "") == []


def check_atom(data: bytes) -> etree._Element:
    """The musts of RFC 4287 4.1 and 3.3 that readers depend on."""
    feed = etree.fromstring(data)
    assert feed.tag == f"{ATOM}feed"
    for name in ("id", "title", "updated"):
        assert len(feed.findall(f"{ATOM}{name}")) == 1
    relations = [link.get("rel") for link in feed.findall(f"{ATOM}link")]
    assert relations[:2] == ["self", "alternate"]
    assert set(relations[2:]) <= {"alternate", "hub", "first", "previous", "next", "prev-archive", "next-archive"}
    assert feed.findtext(f"{ATOM}author/{ATOM}name")
    ids = []
    for entry in feed.findall(f"{ATOM}entry"):
        for name in ("id", "title", "updated", "published", "content", "source"):
            assert len(entry.findall(f"{ATOM}{name}")) == 1, name
        assert len(entry.findall(f"{ATOM}summary")) <= 1
        assert entry.findtext(f"{ATOM}author/{ATOM}name")
        assert entry.get("{http://www.w3.org/XML/1998/namespace}lang")
        links = [link.get("href", "") for link in entry.findall(f"{ATOM}link") if link.get("rel") == "alternate"]
        assert len(links) == 1 and links[0].startswith(("http://", "https://"))
        assert entry.find(f"{ATOM}source/{ATOM}id") is not None
        ids.append(entry.findtext(f"{ATOM}id") or "")
    assert len(ids) == len(set(ids)) and all(re.match(r"[a-z][a-z0-9+.-]*:\S+$", number) for number in ids)
    pattern = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
    for name in ("updated", "published"):
        assert all(pattern.fullmatch(element.text or "") for element in feed.iter(f"{ATOM}{name}"))
    latest = max(datetime.fromisoformat(e.text or "") for e in feed.findall(f"{ATOM}entry/{ATOM}updated"))
    assert datetime.fromisoformat(feed.findtext(f"{ATOM}updated") or "") >= latest
    assert not feedparser.parse(data).bozo
    return feed


def test_the_feed_is_atom_with_stable_bytes(site: tuple[Program, App, Door]) -> None:
    _, _, door = site
    data = door.ask("/feed.atom").body
    feed = check_atom(data)
    check_atom(door.ask("/tags/openai.atom").body)
    (post,) = [e for e in feed.findall(f"{ATOM}entry") if "業界" in (e.findtext(f"{ATOM}title") or "")]
    link = post.find(f"{ATOM}link").get("href")
    assert re.fullmatch(r"http://news\.example\.org/entries/\d+", link or "")
    page = door.ask((link or "").removeprefix("http://news.example.org"))
    assert page.status == 200 and "NVIDIAのチップ" in page.text and 'lang="ja"' in page.text
    assert post.get("{http://www.w3.org/XML/1998/namespace}lang") == "ja"


@sqlite_only
def test_the_same_content_has_the_same_bytes_whenever_it_is_asked(news: News, serve: Callable[[App], Door]) -> None:
    news.configure()
    news.program.json("fetch", "--all")
    later = datetime.now(UTC) + timedelta(days=30)
    with news.program.app() as app, news.program.app(now=lambda: later) as tomorrow:
        assert serve(app).ask("/feed.atom").body == serve(tomorrow).ask("/feed.atom").body


@sqlite_only
def test_updated_never_goes_back(news: News, serve: Callable[[App], Door], http_server: Any) -> None:
    news.configure()
    program = news.program
    program.json("fetch", "--all")
    with program.app() as app:
        door = serve(app)
        seen = [read_dates(door)]
        third = [("https://b.example/also", FIRST[1][1]), *SECOND]
        http_server.add("/b", write_rss(third, "Feed b"))
        program.json("fetch", "--all")
        assert "Also covered by" in door.ask("/feed.atom").text
        seen.append(read_dates(door))
        merge_two(program)
        seen.append(read_dates(door))
    for before, after in pairwise(seen):
        assert all(after[number] >= at for number, at in before.items() if number in after)
        assert after["feed"] >= before["feed"]


def read_dates(door: Door) -> dict[str, datetime]:
    feed = check_atom(door.ask("/feed.atom").body)
    dates = {e.findtext(f"{ATOM}id") or "": e.findtext(f"{ATOM}updated") or "" for e in feed.findall(f"{ATOM}entry")}
    return {
        number: datetime.fromisoformat(text)
        for number, text in {**dates, "feed": feed.findtext(f"{ATOM}updated") or ""}.items()
    }


class Shelf:
    """A made-up site for the export: a front page, older pages that never end, and links up to places of their own."""

    def __init__(self, url: str) -> None:
        self.asked: list[str] = []
        self._url = url

    def find(self, app: App, path: str, query: object = ()) -> Page | None:
        self.asked.append(path)
        if path == "/":
            return make_html(
                f'<a rel="next" href="/news/before/1">older</a> <a href="/news/odd">{self._url}/text</a>'
                '<a href="/news/search?q=1">search</a>'
            )
        if path == "/odd":
            raise RenderError("odd.html:1: on purpose")
        if match := re.fullmatch(r"/before/(\d+)", path):
            older, newer = (f"/news/before/{int(match[1]) + step}" for step in (1, 1000))
            head = f'<link rel="prev" href="{newer}">\n<link rel="next" href="{older}">'
            turn = f'<a rel="prev" href="{newer}">newer</a><a rel="next" href="{older}"><b>older</b></a>'
            return make_html(
                f'{head}{turn} <a href="/news/stories/4">told</a> {self._url}/before/77 <a href="/news/before/78">'
            )
        return None


@sqlite_only
def test_older_pages_are_a_chain_that_ends(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve of each list; newer is the page that led here; the last leads no further; one that fails is named."""
    program.configure(site={**NEWS_SITE, "url": "http://news.example.org/news"})
    shelf = Shelf("http://news.example.org/news")
    monkeypatch.setattr(export, "find_page", shelf.find)
    made: dict[str, bytes] = {}
    with program.app() as app:
        for one in export.iter_site(app):
            for file in one.make() if isinstance(one, Group) else (one,):
                try:
                    made[file.name] = file.make() or b""
                except RenderError as error:
                    made[file.name] = str(error).encode()

    chain = [f"before/{number}/index.html" for number in range(1, 13)]
    assert [name for name in made if "before" in name] == chain
    assert (
        re.findall(rb'rel="(\w+)" href="([^"]*)"', made["before/1/index.html"])
        == [
            (b"prev", b"/news/"),
            (b"next", b"/news/before/2"),
        ]
        * 2
    )
    assert re.findall(rb'rel="(\w+)" href="([^"]*)"', made[chain[-1]]) == [(b"prev", b"/news/before/11")] * 2
    assert b"older" not in made[chain[-1]] and b"told" in made[chain[-1]]
    assert made["odd/index.html"] == b"odd.html:1: on purpose"
    assert not any(re.match(r"/stories|/before/\d{4}|/before/.*\.", path) for path in shelf.asked)


@sqlite_only
def test_a_page_is_made_again_only_when_it_shows_a_change(news: News, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages of a large site are many; what tells of everything is always made."""
    news.configure()
    news.program.json("fetch", "--all")
    asked: list[str] = []

    def find(app: App, path: str, query: Query = ()) -> Found:
        asked.append(path)
        return find_page(app, path, query)

    def publish(*options: str) -> set[str]:
        asked.clear()
        result = news.program.run("publish", "--out", "site", *options)
        assert result.code == 0, result.err
        return {path for path in asked if path.startswith(("/stories/", "/entries/", "/tags/openai", "/feeds/1"))}

    monkeypatch.setattr(export, "find_page", find)
    first = publish()
    assert len(first) > 5 and publish() == set()
    with news.program.app() as app, app.db.write() as conn:
        conn.execute(sa.update(entries).where(entries.c.title.contains("laundry")).values(discussion=500))
    assert {path.split("/")[1] for path in publish()} == {"stories", "entries"}
    assert "/feed.atom" in asked and "/feeds/2.json" in asked
    assert publish("--anew") == first
    news.configure(site={**NEWS_SITE, "url": "http://news.example.org", "title": "Another"})
    assert publish() == first


@sqlite_only
def test_a_template_with_a_mistake_costs_the_pages_that_it_makes(news: News) -> None:
    """Exit code 1 with their names; what was published of them stays, the rest is brought up to date."""
    news.configure()
    program = news.program
    program.json("fetch", "--all")
    assert program.run("publish", "--out", "site").code == 0
    folder = program.folder / "site"
    before = (folder / "stories/1/index.html").read_bytes()
    (program.folder / "templates").mkdir()
    (program.folder / "templates" / "story.html").write_text("{{ nothing.of.this }}")
    (program.folder / "templates" / "entry.html").write_text("an entry")
    (program.folder / "templates" / "error.html").write_text("{{ nothing.of.this }}")
    (folder / "feed.atom").unlink()

    result = program.run("publish", "--out", "site")

    assert result.code == 1
    assert "stories/1/index.html: not made: story.html:1: UndefinedError" in result.err
    assert (folder / "stories/1/index.html").read_bytes() == before
    assert (folder / "entries/1/index.html").read_text() == "an entry"
    assert "404.html: not made: error.html:1: UndefinedError" in result.err
    assert (folder / "feed.atom").exists(), "what comes after it is made all the same"
