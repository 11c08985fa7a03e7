"""The fast road's rules: equal to feedparser's for odd feeds, tables equal to its own, and hard limits."""

import json
import re
import string
import time
from pathlib import Path
from typing import Any

import pytest
from feedparser.mixin import _FeedParserMixin
from feedparser.sanitizer import _HTMLSanitizer
from hypothesis import given
from hypothesis import strategies as st

from aggregator.pipeline.parse import MAX_BYTES, parse_feed
from aggregator.pipeline.parse.fast import names, parse_quickly
from tests.pipeline.odd_feeds import documents
from tests.pipeline.test_fast_corpus import read

URL = "https://news.example.org/feed.xml"
#: Odd documents, each with what is odd about it, and whether the fast road reads it at all.
CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "fast_cases.json").read_text())


def rss(inside: str, channel: str = "<title>T</title>") -> bytes:
    return f"<rss version='2.0'><channel>{channel}{inside}</channel></rss>".encode()


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_an_odd_document_is_the_same_on_both_roads(case: dict[str, Any]) -> None:
    body = case["document"].encode(case.get("encoding", "utf-8"))
    content_type, url = case.get("content_type", ""), case.get("url", URL)
    found = parse_quickly(body, content_type=content_type, url=url)

    assert (found is not None) == case.get("fast", True)
    assert found is None or found == parse_feed(body, content_type=content_type, url=url)


def test_the_tables_are_feedparsers_own() -> None:
    handlers = {
        re.sub("^_(start|end)_", "", name) for name in dir(_FeedParserMixin) if name.startswith(("_start_", "_end_"))
    }

    assert handlers == names.HANDLED
    assert {uri.lower(): prefix for uri, prefix in _FeedParserMixin.namespaces.items()} == names.NAMESPACES
    assert _HTMLSanitizer.acceptable_elements == names.HTML_ELEMENTS


@given(documents())
def test_whatever_stands_where_it_should_not_is_the_same_on_both_roads(document: str) -> None:
    found = read(parse_quickly, document.encode())

    assert found is None or found == read(parse_feed, document.encode())


@given(st.text(alphabet=string.printable + "é日\x85\ufffe", max_size=40), documents(), st.data())
def test_a_damaged_document_is_the_same_on_both_roads(damage: str, document: str, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(document)))
    body = (document[:position] + damage + document[position:]).encode()
    found = read(parse_quickly, body)

    assert found is None or found == read(parse_feed, body)


HOSTILE = {
    "depth": rss("<a>" * 1_000 + "</a>" * 1_000),
    "attributes": rss("<item " + " ".join(f"a{n}='{n}'" for n in range(2_000)) + "/>"),
    "a long tag": rss(f"<item a='{'x' * 70_000}'/>"),
    "entries": rss("<item/>" * 5_001),
    "entries in a comment": rss(f"<!--{'<item/>' * 5_001}--><item/>"),
    "prefixes": rss("".join(f"<a xmlns:p{n}='urn:{n}'/>" for n in range(200))),
    "entities": b"<!DOCTYPE rss [<!ENTITY a 'aaaaaaaaaa'>]><rss><channel><title>&a;</title><item/></channel></rss>",
    "a bomb": b"<!DOCTYPE rss [<!ENTITY a 'aa'><!ENTITY b '&a;&a;'>]><rss><channel><title>&b;</title></channel></rss>",
    "a file": b"<!DOCTYPE rss [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><rss><channel><title>&a;</title></channel></rss>",
    "size": rss(f"<item><description>{'x' * MAX_BYTES}</description></item>"),
    "nul": rss("<item/>") + b"\0<item/>",
    "categories": rss(f"<item>{''.join(f'<category>{n}</category>' for n in range(30_000))}</item>"),
    "a long author": rss(f"<item><author>{'a' * 100_000}</author></item>"),
    "long authors": rss("".join(f"<item><author>{'a@' * 150} {'b' * n}</author></item>" for n in range(100))),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_refused_or_read_at_once(name: str) -> None:
    started = time.process_time()
    found = read(parse_quickly, HOSTILE[name])
    seconds = time.process_time() - started

    assert seconds < 1
    assert found is None or found == read(parse_feed, HOSTILE[name])


@pytest.mark.parametrize("bad", [b"\xff", b"\xe9", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"])
@pytest.mark.parametrize(
    "document",
    [
        b"<!-- % --><rss><channel><title>T</title><item><title>x</title></item></channel></rss>",
        b"<rss><channel><title>%</title><item><title>x</title></item></channel></rss>",
        b"<rss><channel><title a='%'>T</title><item><title>x</title></item></channel></rss>",
        b"<rss><!-- % --><channel><title>T</title><item><title>x</title></item></channel></rss>",
        b"<rss><channel><title>T</title><item><description><![CDATA[%]]></description></item></channel></rss>",
        b"<rss><channel><title>T</title><item><title>x</title></item><?x %?></channel></rss>",
        b"<rss><channel><title>T</title><item><title>x</title></item></channel></rss><!-- % -->",
        b"\xef\xbb\xbf<rss><channel><title>%</title><item><title>x</title></item></channel></rss>",
    ],
)
def test_bytes_that_are_no_utf_8_are_the_same_on_both_roads(document: bytes, bad: bytes) -> None:
    body = document.replace(b"%", bad)
    found = read(parse_quickly, body)

    assert found is None or found == read(parse_feed, body)


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><html><head><title>Log in</title></head><body><br></body></html>",
        b"<html><head><title>Not found</title></head><body/></html>",
        b"%PDF-1.7 ...",
        b"\x1f\x8b\x08\x00",
        b'{"error": "no such feed"}',
    ],
)
def test_what_is_certainly_no_feed_is_refused_at_once(body: bytes) -> None:
    found = read(parse_quickly, body)

    assert isinstance(found, tuple) and found == read(parse_feed, body)


def test_long_json_is_left_to_a_child() -> None:
    body = json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "T", "items": [], "x": "y" * 300_000})

    assert parse_quickly(body.encode(), url=URL) is None


@pytest.mark.parametrize("part", ["<category>c</category>", "<author>a</author>", "<link>/l</link>", "<enclosure/>"])
def test_an_entry_of_countless_parts_is_left_to_a_child(part: str) -> None:
    def document(count: int) -> bytes:
        return f'<rss version="2.0"><channel><item><guid>1</guid>{part * count}</item></channel></rss>'.encode()

    assert parse_quickly(document(400), url=URL) == parse_feed(document(400), url=URL)
    assert parse_quickly(document(501), url=URL) is None


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(body: bytes) -> None:
    found = read(parse_quickly, body)

    assert found is None or found == read(parse_feed, body)
