"""The pages that list things, through the public door, on both databases: every link leads somewhere, no question is
answered by a fault."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, timedelta

from lxml import html

from aggregator.app import App
from aggregator.storage import feeds
from tests.fixtures.program import Program
from tests.web.conftest import Door, News, Reply

Site = tuple[Program, App, Door]


def read(reply: Reply) -> html.HtmlElement:
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return html.document_fromstring(reply.text)


def list_links(document: html.HtmlElement) -> list[str]:
    """Our own pages that the main part leads to."""
    links = document.find(".//main").xpath(".//a/@href")
    return sorted({link.partition("#")[0] for link in links if link.startswith("/")})


def test_every_page_that_a_list_leads_to_is_there(site: Site) -> None:
    """Also what those lead to, as far as they list something."""
    _, _, door = site
    asked: set[str] = set()
    for path in ("/feeds", "/feed", "/issues/", "/issues/weekly", "/tags/"):
        for link in list_links(read(door.ask(path))):
            assert link in asked or door.ask(link).status == 200, (path, link)
            asked.add(link)
            if re.fullmatch(r"/feeds/\d+|/issues/weekly(/\d{4}-\d\d)?|/tags/all/[a-z]+", link):
                inner = {*list_links(read(door.ask(link)))} - asked
                assert not [one for one in inner if door.ask(one).status != 200], link
                asked |= inner


def test_a_feed_has_a_page_with_what_it_wrote(site: Site) -> None:
    """Its name, its posts, how it stands, and its own feed; search engines are asked to leave it out."""
    _, app, door = site
    with app.db.read() as conn:
        stored = {feed.name: feed for feed in feeds.list_feeds(conn)}
    one = stored["Feed a"]
    reply = door.ask(f"/feeds/{one.id}")
    document = read(reply)

    assert document.findtext(".//h1") == "Feed a"
    assert [link.get("href") for link in document.findall(".//h3/a")] == [
        "https://a.example/one",
        "https://a.example/two",
    ]
    assert "Read on" in document.find(".//dl[@class='facts']").text_content()
    assert one.spec.url in document.xpath("//dl//a/@href")
    assert f"/feeds/{one.id}.atom" in document.xpath("//link[@rel='alternate']/@href")
    assert "noindex" in reply.headers.get("x-robots-tag", "") or document.xpath("//meta[@content='noindex']")


LOST = [
    "/feeds/0",
    "/feeds/99999",
    "/feeds/" + "9" * 18,
    "/feeds/" + "9" * 400,
    "/feeds/page/0",
    "/feeds/page/2",
    "/feeds/page/" + "9" * 400,
    "/feeds/1/before/0",
    "/feeds/1/before/" + "9" * 18,
    "/feeds/x",
    "/issues/nothing",
    "/issues/weekly/1999-01",
    "/issues/weekly/2025-13",
    "/issues/" + "a" * 9_000,
    "/tags/all/nothing",
    "/tags/all/org/7",
]


def test_a_page_that_a_list_does_not_have_is_a_plain_404(site: Site) -> None:
    """Whatever the number; of another feed's entry, too."""
    door = site[2]
    other = re.findall(r"/entries/(\d+)", door.ask("/").text)[0]
    found = [feed for feed in (1, 2, 3) if door.ask(f"/feeds/{feed}/before/{other}").status == 200]

    assert len(found) == 1
    for path in LOST:
        reply = door.ask(path)
        assert reply.status == 404, path
        assert "There is no page at this address." in reply.text


def test_a_removed_feed_has_no_page_and_a_paused_one_says_so(site: Site) -> None:
    """Who asked to be left out is left out; what is read no more stays readable."""
    _, app, door = site
    with app.db.write() as conn:
        removed, paused = feeds.list_feeds(conn)[:2]
        feeds.remove(conn, removed.id, now=app.now())
        feeds.sync_specs(conn, (), now=app.now())
    listed = read(door.ask("/feeds"))

    assert door.ask(f"/feeds/{removed.id}").status == 404
    assert "We read it no more" in read(door.ask(f"/feeds/{paused.id}")).text_content()
    assert not listed.xpath("//ul[@class='roll']")


def test_older_posts_are_a_page_away(news: News, serve: Callable[[App], Door]) -> None:
    """Thirty on a page, each post once, the first page linked from the last."""
    items = [(f"https://a.example/{number}", f"Post number {number} of many") for number in range(70)]
    news.program.configure(feeds=[{"url": news.add_feed("/long", items)}])
    assert news.program.json("fetch", "--all")["new"] == 70
    with news.program.app() as app:
        door = serve(app)
        (first,) = [link for link in list_links(read(door.ask("/feeds"))) if re.fullmatch(r"/feeds/\d+", link)]
        path, seen, pages = first, [], 0
        while path:
            document = read(door.ask(path))
            seen += document.xpath("//li[@class='post']//h3/a/@href")
            path, pages = next(iter(document.xpath("//nav/a[@rel='next']/@href")), ""), pages + 1

        assert pages == 3
        assert seen == [link for link, _ in items]
        assert document.xpath("//nav/a[@rel='first']/@href") == [first]


def test_issues_stand_under_their_month(site: Site) -> None:
    """By the site's own calendar; the month has a page with the same issue."""
    _, app, door = site
    assert door.ask("/issues/weekly").text.count('class="month"') == 1
    document = read(door.ask("/issues/weekly"))
    (link,) = document.xpath("//ol[@class='shelf']//a/@href")
    now = app.now().astimezone(UTC)
    months = {f"{at:%Y-%m}" for at in (now, now - timedelta(days=8), now + timedelta(days=1))}
    found = [month for month in months if door.ask(f"/issues/weekly/{month}").status == 200]

    assert len(found) == 1
    assert link in list_links(read(door.ask(f"/issues/weekly/{found[0]}")))


def test_how_to_follow_names_every_way(site: Site) -> None:
    """The address in full, three formats, tags, newsletters, the list of feeds."""
    document = read(site[2].ask("/feed"))
    links = list_links(document)

    assert document.find(".//p[@class='box']").text == "http://news.example.org/feed.atom"
    assert {"/feed.atom", "/feed.rss", "/feed.json", "/feeds.opml", "/tags/openai.atom", "/issues/weekly"} <= set(links)
