"""Search through the public door, on both databases: what is there is found, and every question gets an answer."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import sqlalchemy as sa
from lxml import html

from aggregator.app import App
from aggregator.storage import meta
from aggregator.storage.schema import entries
from tests.fixtures.program import Program
from tests.web.conftest import Door

Site = tuple[Program, App, Door]
ODD = [
    "",
    " ",
    "a" * 10_000,
    "新" * 3_000,
    "word " * 2_000,
    "-" * 900,
    '"' * 900,
    "(((((((((",
    "&& || !! () * ^ ~",
    "AND OR NOT NEAR",
    "NEAR(a b, 3)",
    "-openai",
    "--",
    '"openai',
    '""',
    "openai*",
    "title:openai",
    "language:",
    "language:ja",
    "language:xx-yy",
    "'; DROP TABLE entries; --",
    "' OR '1'='1",
    "%",
    "_",
    "\\",
    "\\0",
    ":*",
    "<->",
    "a <-> b",
    "!(openai)",
    "{openai}",
    "^openai",
    "openai + openai",
    "新",
    "モデ",
    "モデル -新",
    "🤖",
    "\u202eopenai",
    "a" + "\u0301" * 500,
    "ｏｐｅｎａｉ",
    "İstanbul ß ﬃ",
    "\u0e01\u0e33",
    "ﷺ" * 50,
    " ".join(f"w{number}" for number in range(300)),
    "x" * 900,
    "{{ 7*7 }}",
    "<script>alert(1)</script>",
    "</title><img src=x onerror=alert(1)>",
]
#: As they stand in the address: what no text can say.
RAW = [
    "%00",
    "open%00ai",
    "%ED%A0%80",
    "%ED%A0%80openai%ED%B0%80",
    "%FF%FE",
    "%",
    "%zz",
    "+%2B+",
    "a&q=b",
    "%F4%90%80%80",
]


def ask(door: Door, query: str, before: str = "") -> html.HtmlElement:
    """The page; nothing that was asked acts in it."""
    reply = door.ask(f"/search?q={query}{before}")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8"), query[:80]
    document = html.document_fromstring(reply.text)
    assert not document.xpath("//script|//img|//*[@onerror]")
    assert document.findtext(".//h1") == "Search"
    assert len(reply.body) < 60_000
    return document


def list_found(document: html.HtmlElement) -> list[str]:
    return [heading.text_content() for heading in document.findall(".//li[@class='post']/h3")]


def test_what_is_there_is_found_in_every_language(site: Site) -> None:
    """Words, words side by side, two Japanese signs, one; nothing that is not wanted; all words have to be there."""
    door = site[2]
    robot, model, waves = "A robot that folds laundry", "OpenAI shows a new model", "AI業界を揺るがす二つの波"
    wanted = {
        "robot": {robot},
        "ROBOTS laundry": {robot},
        '"folds laundry"': {robot},
        '"laundry folds"': set(),
        "openai": {model, waves},
        "openai -model": {waves},
        "openai language:ja": {waves},
        "モデル": {waves},
        "業界": {waves},
        "波": {waves},
        "robot openai": set(),
        "xyzzy": set(),
    }
    for query, titles in wanted.items():
        assert set(list_found(ask(door, quote(query)))) == titles, query


def test_a_find_is_shown_where_it_stands(site: Site) -> None:
    """Deep in the text, where the excerpt does not reach."""
    document = ask(site[2], quote("NVIDIA チップ"))
    (post,) = document.findall(".//li[@class='post']")

    assert [mark.text for mark in post.iter("mark")] == ["NVIDIA", "チップ"]


def test_every_question_gets_an_answer_or_a_sentence(site: Site) -> None:
    """Ten thousand signs, operators alone, one Chinese character, what no text can say: never a fault."""
    door = site[2]
    for query in [*(quote(text) for text in ODD), *RAW]:
        document = ask(door, query)
        main = document.find(".//main").text_content()
        assert "post" in main or "There is" in main or "too" in main or "Every word" in main, query[:80]
    assert door.ask(f"/search?q={quote('新' * 10_000)}").status < 500
    assert ask(door, "").find(".//input[@name='q']").get("value") == ""
    assert door.ask("/search").status == 200


def test_a_place_that_was_never_given_is_no_page(site: Site) -> None:
    """Any number is a place, whoever made it up."""
    door = site[2]
    for place in ("x", "-1", "1.5", "%00", "9" * 19, "9" * 4_000, "%D9%A3"):
        assert door.ask(f"/search?q=openai&before={place}").status == 404, place
    for place in ("0", "1", "9" * 18):
        ask(door, "openai", f"&before={place}")
    assert "There is nothing older." in ask(door, "openai", "&before=0").text_content()


def test_a_search_is_kept_out_of_search_engines_and_has_feeds(site: Site) -> None:
    """Its address as a feed is the same question."""
    door = site[2]
    reply = door.ask(f"/search?{urlencode({'q': 'OpenAI model'})}")
    document = html.document_fromstring(reply.text)
    feeds = document.xpath("//link[@rel='alternate']/@href")

    assert document.xpath("//meta[@name='robots']/@content") == ["noindex"]
    assert feeds == [f"/search.{kind}?q=OpenAI%20model" for kind in ("atom", "rss", "json")]
    assert [mark.text for mark in document.iter("mark")]
    assert [door.ask(feed).status for feed in feeds] == [200, 200, 200]


def test_what_a_rule_hides_is_not_found(site: Site) -> None:
    """Not even by its exact words."""
    _, app, door = site
    found = list_found(ask(door, "laundry"))
    with app.db.write() as conn:
        conn.execute(sa.update(entries).where(entries.c.title.contains("laundry")).values(hidden=True))
        meta.renew_revision(conn)

    assert found == ["A robot that folds laundry"]
    assert list_found(ask(door, "laundry")) == []
