"""How much an entry is discussed, from wherever publishers say it; the same by every road."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.feed import Fetched, FetchRequest
from aggregator.model.ids import FeedId
from aggregator.model.parsed import ParsedFeed
from aggregator.pipeline.parse import parse_feed
from aggregator.pipeline.parse.counts import follow_path, read_count
from aggregator.pipeline.parse.fast import parse_quickly
from aggregator.sandbox import ParseSandbox

RSS = """<rss version="2.0" xmlns:slash="http://purl.org/rss/1.0/modules/slash/"><channel><title>T</title>
<item><title>One</title><link>https://e.org/1</link>{}</item></channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:thr="http://purl.org/syndication/thread/1.0">
<entry><id>1</id><title>One</title>{}</entry></feed>"""
ITEMS = json.dumps(
    {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "T",
        "items": [
            {"id": "1", "title": "One", "_hn": {"points": 412, "comments": "57"}},
            {"id": "2", "title": "Two", "_hn": {"points": -3}},
            {"id": "3", "title": "Three", "_hn": 5},
        ],
    }
)


def read_both(document: str, **options: Any) -> ParsedFeed:
    quick = parse_quickly(document.encode(), url="https://e.org/feed", **options)
    full = parse_feed(document.encode(), url="https://e.org/feed", **options)
    assert quick is None or quick == full
    return full


@pytest.mark.parametrize(
    ("said", "count"),
    [
        ("<slash:comments>57</slash:comments>", 57),
        ("<slash:comments> 0 </slash:comments>", 0),
        ("<slash:comments/>", None),
        ("", None),
        ("<slash:comments>many</slash:comments>", None),
        ("<slash:comments>-1</slash:comments>", None),
        ("<slash:comments>1234567890</slash:comments>", None),
        ("<slash:comments>\u0663</slash:comments>", None),
        ("<slash:comments a='1'>57</slash:comments>", None),
        ("<slash:comments><b>5</b></slash:comments>", None),
        ("<slash:comments>3</slash:comments><slash:comments>4</slash:comments>", 4),
    ],
)
def test_rss_tells_it_in_the_slash_module(said: str, count: int | None) -> None:
    assert read_both(RSS.format(said)).entries[0].discussion == count


def test_atom_tells_it_in_its_threading_extension() -> None:
    """RFC 4685, section 5."""
    assert read_both(ATOM.format("<thr:total>7</thr:total>")).entries[0].discussion == 7
    assert read_both(ATOM.format("<thr:total>seven</thr:total>")).entries[0].discussion is None


@pytest.mark.parametrize(
    ("points", "counts"),
    [("_hn.points", [412, None, None]), ("_hn.comments", [57, None, None]), ("_hn", [None, None, 5]), ("", [None] * 3)],
)
def test_a_json_feed_tells_it_where_the_editor_says(points: str, counts: list[int | None]) -> None:
    assert [entry.discussion for entry in read_both(ITEMS, points=points).entries] == counts


def test_a_child_process_is_told_where_it_stands() -> None:
    request = FetchRequest(feed_id=FeedId(1), url="https://e.org/feed", points="_hn.points")
    reply = Fetched(
        request=request, final_url=request.url, status=200, body=ITEMS.encode(), body_hash="", content_type=""
    )
    sandbox = ParseSandbox(quickly=False)
    try:
        assert sandbox.parse(reply).entries[0].discussion == 412
    finally:
        sandbox.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
)


@given(JSON, st.sampled_from(["", "a", "a.b", "a.b.a"]))
def test_whatever_stands_there_is_a_sane_number_or_nothing(value: Any, path: str) -> None:
    for found in (read_count(value), follow_path({"a": value}, path)):
        assert found is None or 0 <= found < 10**9
