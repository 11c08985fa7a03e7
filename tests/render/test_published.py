"""All three formats with what is really out there: entries of the corpus in many languages, and hostile ones.

Each feed is valid, harmless, read back by the reference parser and by our own, and the same bytes when made again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import struct_time
from typing import Any

import feedparser
import pytest
from lxml import html

from aggregator.model.published import FeedItem, PublishedFeed
from aggregator.pipeline.parse import parse_feed
from aggregator.render.atom import render_atom
from aggregator.render.jsonfeed import render_json
from aggregator.render.rss import render_rss
from tests.render.checks import check_atom, check_json, check_rss
from tests.render.published import make_feed
from tests.render.real import choose_by_language, load_items, make_item_of_markup
from tests.render.samples import SITE

#: Larger documents take their time and say the same.
MAX_BYTES = 400_000
#: File in the corpus, key of the vector in it.
VECTORS = (
    ("dompurify.json", "payload"),
    ("html5-security-cheatsheet.json", "payload"),
    ("html5lib-sanitizer.json", "input"),
    ("miniflux-sanitizer.json", "input"),
)
FORMATS: dict[str, tuple[Callable[[PublishedFeed], bytes], Callable[[bytes], Any]]] = {
    "atom": (render_atom, check_atom),
    "rss": (render_rss, check_rss),
    "json": (render_json, check_json),
}
every_format = pytest.mark.parametrize("name", FORMATS)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:feedparser")


def find_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size <= MAX_BYTES)


@pytest.fixture(scope="module")
def real_items(corpus: Path) -> tuple[FeedItem, ...]:
    """At most 120 entries of each language, at most 12 of each document."""
    paths = [path for name in ("world", "samples", "general") for path in find_files(corpus / "feeds" / name)]
    return choose_by_language(load_items(paths))


def write(name: str, items: tuple[FeedItem, ...]) -> bytes:
    """Checked, and made twice."""
    render, check = FORMATS[name]
    feed = make_feed(*items, self_url=f"{SITE.url}/feed.{name}")
    data = render(feed)
    assert render(feed) == data
    check(data)
    return data


def as_moment(parsed: struct_time) -> datetime:
    return datetime(*parsed[:6], tzinfo=UTC)


def drop_fraction(at: datetime) -> datetime:
    return at.replace(microsecond=0)


def list_lines(content: str) -> list[str]:
    """XML turns line ends into one kind, and parsers drop white space around a text."""
    return mend(content).strip().splitlines()


def mend(text: str) -> str:
    """As feedparser reads a text that was UTF-8 taken for Latin-1 by its publisher, and could be nothing else."""
    try:
        return text.encode("iso-8859-1").decode("utf-8")
    except UnicodeError:
        return text


@every_format
def test_real_entries_make_a_valid_feed(name: str, real_items: tuple[FeedItem, ...]) -> None:
    """500 of them in ten languages, half of them with their whole content."""
    assert len(real_items) >= 500
    assert len({item.language.partition("-")[0] for item in real_items}) >= 10

    write(name, real_items)


def test_the_reference_parser_reads_real_entries_back_from_atom(real_items: tuple[FeedItem, ...]) -> None:
    """Every value that Atom has a name for comes back as it went in."""
    parsed = feedparser.parse(write("atom", real_items), sanitize_html=False, resolve_relative_uris=False)

    assert not parsed.bozo
    assert len(parsed.entries) == len(real_items)
    for entry, item in zip(parsed.entries, real_items, strict=True):
        assert (entry.id, entry.link, entry.title, entry.author) == (
            item.id,
            item.url,
            mend(item.title),
            mend(item.author),
        )
        assert as_moment(entry.published_parsed) == drop_fraction(item.published_at)
        assert as_moment(entry.updated_parsed) == drop_fraction(item.updated_at)
        assert entry.get("summary", "").split() == mend(item.summary or item.content_html).split()
        assert list_lines(entry.content[0].value) == list_lines(item.content_html)
        assert (entry.content[0].type, entry.content[0].language) == ("text/html", item.language)
        assert item.origin is not None
        assert (entry.source.id, entry.source.title) == (item.origin.id, mend(item.origin.title))
        assert entry.source.get("rights", "").split() == mend(item.origin.rights).split()
        assert [(found.href, found.get("type", "")) for found in entry.enclosures] == [
            (enclosure.url, enclosure.type) for enclosure in item.enclosures
        ]
        assert [found["url"] for found in entry.get("media_thumbnail", [])] == [item.image_url] * bool(item.image_url)


def test_the_reference_parser_reads_real_entries_back_from_rss(real_items: tuple[FeedItem, ...]) -> None:
    """The same through RSS, which has room for less."""
    parsed = feedparser.parse(write("rss", real_items), sanitize_html=False, resolve_relative_uris=False)

    assert not parsed.bozo
    assert len(parsed.entries) == len(real_items)
    for entry, item in zip(parsed.entries, real_items, strict=True):
        assert (entry.id, entry.link, entry.title, entry.author) == (
            item.id,
            item.url,
            mend(item.title),
            mend(item.author),
        )
        assert as_moment(entry.published_parsed) == drop_fraction(item.published_at)
        assert item.origin is not None
        assert entry.source.title == mend(item.origin.title)
        if item.summary:
            summary = html.fragment_fromstring(entry.summary, create_parent="p")
            assert str(summary.text_content()).split() == mend(item.summary).split()
            assert list_lines(entry.content[0].value) == list_lines(item.content_html)
        assert len(entry.enclosures) == min(1, len(item.enclosures))


@every_format
def test_our_own_reader_reads_real_entries_back(name: str, real_items: tuple[FeedItem, ...]) -> None:
    """An aggregator of this kind can read another one, in each format."""
    parsed = parse_feed(write(name, real_items), url=f"{SITE.url}/feed.{name}")

    assert not parsed.rejected
    assert parsed.title == SITE.title
    assert len(parsed.entries) == len(real_items)
    for entry, item in zip(parsed.entries, real_items, strict=True):
        assert (entry.id, entry.url, entry.author) == (item.id, item.url, item.author)
        assert list_lines(entry.content_html or entry.summary_html) == list_lines(item.content_html)
        assert entry.published_at is not None
        assert abs(entry.published_at - item.published_at) < timedelta(seconds=1)
        assert len(entry.enclosures) >= min(1, len(item.enclosures))


def test_a_json_feed_of_real_entries_says_the_same(real_items: tuple[FeedItem, ...]) -> None:
    """Every value, through a JSON parser that knows nothing of feeds."""
    feed = json.loads(write("json", real_items))

    for found, item in zip(feed["items"], real_items, strict=True):
        assert (found["id"], found["url"], found["title"]) == (item.id, item.url, item.title)
        assert (found["content_html"], found.get("summary", "")) == (item.content_html, item.summary)
        assert (found["language"], found.get("image", "")) == (item.language, item.image_url)
        assert datetime.fromisoformat(found["date_modified"]) == item.updated_at
        assert [attached["url"] for attached in found.get("attachments", [])] == [one.url for one in item.enclosures]


@every_format
def test_hostile_documents_make_a_valid_feed(name: str, corpus: Path) -> None:
    """Odd texts, addresses, ids, dates, encodings and markup, each document's entries as items."""
    folders = ("text", "urls", "ids", "dates", "encodings-made", "sanitize", "entities", "illformed", "broken")
    items = load_items(path for folder in folders for path in find_files(corpus / "hostile" / folder))

    assert len(items) > 300
    write(name, items)


@every_format
def test_vectors_in_every_field_do_nothing(name: str, corpus: Path) -> None:
    """As content, summary, title, author, address, id and in the feed's own fields: nothing active comes out."""
    payloads = [
        vector[key]
        for file, key in VECTORS
        for vector in json.loads((corpus / "hostile" / "xss" / file).read_text(encoding="utf-8"))
    ]
    items = tuple(make_item_of_markup(number * 2, payload) for number, payload in enumerate(payloads, start=1))

    assert len(items) > 250
    write(name, items)
    for payload in payloads:
        render, check = FORMATS[name]
        check(render(make_feed(items[0], title=payload, subtitle=payload, author=payload, language=payload)))
