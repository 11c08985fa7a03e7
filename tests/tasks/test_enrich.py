"""What the joined stages make of one entry."""

from __future__ import annotations

import pytest

from aggregator.model.entry import IdentifiedEntry
from aggregator.model.parsed import Enclosure, ParsedEntry
from aggregator.storage import feeds
from aggregator.tasks.enrich import enrich_entry
from tests.fixtures.program import Program


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("", "https://news.example.org/posts/1/a.mp3"),
        ("/audio/", "https://news.example.org/audio/a.mp3"),
        ("https://cdn.example.org/", "https://cdn.example.org/a.mp3"),
    ],
)
def test_an_enclosure_and_an_image_have_the_same_base(program: Program, base_url: str, expected: str) -> None:
    program.configure(feeds=[{"url": "https://news.example.org/feed.xml"}])
    parsed = ParsedEntry(
        id="1",
        url="https://news.example.org/posts/1/",
        base_url=base_url,
        content_html="<p>One <img src='a.mp3'></p>",
        enclosures=(Enclosure(url="a.mp3", type="audio/mpeg", length=None),),
    )
    with program.app() as app:
        with app.db.read() as conn:
            (feed,) = feeds.list_feeds(conn)
        item = IdentifiedEntry(key="1", content_hash="1", parsed=parsed)
        entry = enrich_entry(item, feed=feed, document=None)

    assert [enclosure.url for enclosure in entry.enclosures] == [expected]
    assert expected in entry.content_html


def test_the_excerpt_of_an_entry_without_content_is_what_its_page_shows(program: Program) -> None:
    program.configure(feeds=[{"url": "https://news.example.org/feed.xml"}])
    summary = "<video>Your browser knows no video.</video><p>A <b>model</b> was released today.</p>"
    parsed = ParsedEntry(id="1", url="https://news.example.org/posts/1/", summary_html=summary)
    with program.app() as app:
        with app.db.read() as conn:
            (feed,) = feeds.list_feeds(conn)
        item = IdentifiedEntry(key="1", content_hash="1", parsed=parsed)
        entry = enrich_entry(item, feed=feed, document=None)

    assert entry.excerpt == "A model was released today."
