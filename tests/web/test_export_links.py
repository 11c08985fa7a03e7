"""Which links the static site follows: ours, whatever others write in their titles and addresses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from aggregator.app import App
from aggregator.errors import RenderError
from aggregator.publish import Group
from aggregator.tasks.site import export
from aggregator.tasks.site.found import Page, make_html
from tests.fixtures.program import Program
from tests.web.conftest import News

URL = "http://news.example.org"
SITE = {"title": "AI News", "contact": "editor@example.org", "timezone": "UTC", "url": URL}
#: What might be taken for one of our links, in a text.
BAIT = f'{URL}/feeds/7 /feeds/8 <a rel="next" href="{URL}/before/66"> "next_url":"{URL}/before/67" {URL}/feeds/009'
sqlite_only = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def list_names(app: App) -> Iterator[str]:
    for one in export.iter_site(app):
        yield from (file.name for file in (one.make() if isinstance(one, Group) else (one,)))


@sqlite_only
def test_titles_and_addresses_of_others_lead_to_no_file(news: News) -> None:
    """Neither another spelling of an address of ours, nor an older page, nor a tag that nothing here is about."""
    posts = [(f"{URL}/feeds/00{number}", f"OpenAI {URL}/before/{number} {BAIT}") for number in range(1, 6)]
    posts += [(f"{URL}/tags/mistral", f"{URL}/feeds/2/before/3.atom {URL}/tags/cohere {URL}/tags/cohere.rss")]
    feeds = [{"url": news.add_feed("/a", posts)}, {"url": news.add_feed("/b", [("https://b.example/x", "OpenAI")])}]
    news.program.configure(site=SITE, feeds=feeds)
    assert news.program.json("fetch", "--all")["failed"] == 0

    with news.program.app() as app:
        names = set(list_names(app))

    listed = {name for name in names if name.startswith("feeds/") and name.endswith("index.html")}
    assert listed == {"feeds/index.html", "feeds/1/index.html", "feeds/2/index.html"}
    assert "tags/openai.atom" in names
    assert [name for name in names if re.search("/0|before|mistral|cohere", name)] == []


@sqlite_only
def test_what_others_write_takes_no_place_of_our_older_pages(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """In each format the whole chain is published, though every page is full of addresses."""
    program.configure(site=SITE)
    monkeypatch.setattr(export, "find_page", find_baited)
    with program.app() as app:
        names = [name for name in list_names(app) if "before" in name]

    for ending, most in (("/index.html", export.MAX_PAGES_BACK), *((one, export.MAX_DOCUMENTS_BACK) for one in FEEDS)):
        assert [name for name in names if name.endswith(ending)] == [f"before/{n}{ending}" for n in range(1, most + 1)]


FEEDS = (".atom", ".rss", ".json")


def find_baited(app: App, path: str, query: object = ()) -> Page | None:
    """A list of older and older pages, and a feed of as many documents, as they are written down by us."""
    found = re.fullmatch(r"(?:/|/feed|/before/([0-9]+))(\.atom|\.rss|\.json)?", path)
    if found is None or path == "/feed":
        return None
    number, ending = int(found[1] or 0) + 1, found[2] or ""
    older = f"/before/{number}{ending}"
    bait = BAIT.replace("<", "&lt;")
    if ending == ".json":
        item = {"title": BAIT, "next_url": f"{URL}/before/70.json"}
        body = json.dumps({"title": BAIT, "next_url": URL + older, "items": [item]}, separators=(",", ":"))
        return Page(body=body.encode(), content_type="application/feed+json")
    if ending:
        name = "link" if ending == ".atom" else "atom:link"
        item_link = f'<link rel="alternate" href="{URL}/before/71{ending}"/><link>{URL}/before/72{ending}</link>'
        body = f'<feed><{name} href="{URL}{older}" rel="next"/>{item_link}<title>{bait}</title></feed>'
        return Page(body=body.encode(), content_type=f"application/{ending[1:]}+xml")
    bait_link = f'<a href="{URL}/before/73">{bait.replace(chr(34), "&#34;")}</a> <a href="{URL}/feeds/7">x</a>'
    return make_html(f'{bait_link}<a rel="next" href="{older}">older</a>')


@sqlite_only
def test_a_broken_page_takes_nothing_away_that_it_led_to(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither older pages, nor feeds, nor issues, until it is mended; feeds that are new are published all the same."""
    program.configure(site=SITE)
    pages = {
        "/issues/": '<a href="/issues/weekly">',
        "/issues/weekly": '<a href="/issues/weekly/1">',
        "/issues/weekly/1": "",
    }
    broken = set[str]()

    def find(app: App, path: str, query: object = ()) -> Page | None:
        if path in broken:
            raise RenderError("on purpose")
        if path == "/issues/weekly.atom":
            return Page(body=b"<feed/>", content_type="application/atom+xml")
        return make_html(pages[path]) if path in pages else find_baited(app, path)

    def publish(*names: str) -> set[str]:
        broken.clear()
        broken.update(names)
        assert program.run("publish", "--out", "site").code == bool(names)
        folder = program.folder / "site"
        return {
            path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if path.suffix in (".html", ".atom")
        }

    monkeypatch.setattr(export, "find_page", find)
    assert "issues/weekly.atom" in publish("/issues/weekly")
    whole = publish()
    assert whole >= {"index.html", "before/12/index.html", "issues/weekly/1/index.html"}
    assert publish("/issues/weekly") == whole
    assert publish("/") == whole
    pages["/issues/weekly"] = ""
    assert publish() == whole - {"issues/weekly/1/index.html"}
