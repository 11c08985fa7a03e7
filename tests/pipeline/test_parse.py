"""Bytes to entries: fields, faults that must cost one entry at most, and limits."""

import dataclasses
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import ParseError
from aggregator.model.feed import FAILURE_CLASSES
from aggregator.model.parsed import Enclosure, ParsedEntry, ParsedFeed
from aggregator.pipeline.identify import identify_entries
from aggregator.pipeline.parse import MAX_BYTES, parse_feed

URL = "https://news.example.org/feed.xml"

ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="de">
<id>urn:feed</id><title>F&amp;F</title><link href="/" /><link rel="self" href="/feed.xml"/>
<rights>CC BY</rights><author><name>Ann</name></author><updated>2026-11-24T03:00:00Z</updated>
<entry xml:lang="ja" xml:base="https://cdn.example.org/x/"><id>urn:1</id>
<title type="html">A &lt;b&gt;b&lt;/b&gt;</title>
<link href="one.html"/><link rel="enclosure" href="a.mp3" type="audio/mpeg" length="123"/>
<author><name>Bob</name><email>b@e.org</email></author><author><name>Cy</name></author>
<category term="ai" label="AI"/><category term="ml"/>
<published>2026-11-23T12:00:00+09:00</published><updated>2026-11-24T00:00:00Z</updated>
<summary>short &lt; text</summary><content type="html">&lt;p&gt;long&lt;/p&gt;</content></entry>
<entry><title>Only &lt;T&gt; a title</title></entry>
</feed>"""


def rss(items: str, channel: str = "") -> bytes:
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>T</title>{channel}{items}</channel></rss>'.encode()


def item(inside: str = "", number: int = 1) -> str:
    return f"<item><title>T{number}</title><link>https://e.org/{number}</link>{inside}</item>"


def test_every_field_of_an_atom_feed_is_read() -> None:
    feed = parse_feed(ATOM.encode(), url=URL)

    assert (feed.id, feed.title, feed.site_url) == ("urn:feed", "F&F", "https://news.example.org/")
    assert (feed.language, feed.rights, feed.author) == ("de", "CC BY", "Ann")
    assert feed.updated_at == datetime(2026, 11, 24, 3, tzinfo=UTC)
    assert feed.entries[0] == ParsedEntry(
        id="urn:1",
        url="https://cdn.example.org/x/one.html",
        title="A <b>b</b>",
        author="Bob, Cy",
        summary_html="short &lt; text",
        content_html="<p>long</p>",
        published_at=datetime(2026, 11, 23, 3, tzinfo=UTC),
        updated_at=datetime(2026, 11, 24, tzinfo=UTC),
        categories=("AI", "ml"),
        enclosures=(Enclosure(url="https://cdn.example.org/x/a.mp3", type="audio/mpeg", length=123),),
        language="ja",
        base_url="https://cdn.example.org/x/",
    )
    assert feed.entries[1] == ParsedEntry(
        title="Only &lt;T> a title", language="de", base_url="https://news.example.org/"
    )


def test_every_field_of_an_rss_feed_is_read() -> None:
    feed = parse_feed(
        rss(
            item(
                "<guid isPermaLink='false'>g</guid>"
                "<dc:creator xmlns:dc='http://purl.org/dc/elements/1.1/'>Ann</dc:creator>"
                "<pubDate>Tue, 24 Nov 2026 03:00:00 GMT</pubDate><category>AI</category><category>AI</category>"
                "<description>&lt;p&gt;x&lt;/p&gt;</description><enclosure url='/a.mp3' length='x' type='audio/mpeg'/>"
            ),
            "<link>https://news.example.org/</link><language>en-us</language><ttl>90</ttl>",
        ),
        url=URL,
    )

    assert (feed.language, feed.ttl_minutes, feed.site_url) == ("en-us", 90, "https://news.example.org/")
    assert feed.entries == (
        ParsedEntry(
            id="g",
            url="https://e.org/1",
            title="T1",
            author="Ann",
            summary_html="<p>x</p>",
            published_at=datetime(2026, 11, 24, 3, tzinfo=UTC),
            categories=("AI",),
            enclosures=(Enclosure(url="/a.mp3", type="audio/mpeg"),),
            base_url="https://e.org/1",
        ),
    )


@pytest.mark.parametrize(
    "date",
    [
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-12:00",
        "0000-00-00",
        "Tue, 31 Nov 2026 99:99:99 GMT",
        "9" * 5000,
        "+99:99",
    ],
)
def test_no_date_costs_an_entry(date: str) -> None:
    feed = parse_feed(rss(item(f"<pubDate>{date}</pubDate>")), url=URL)

    assert len(feed.entries) == 1


def test_elements_named_like_the_parsers_own_fields_do_no_harm() -> None:
    names = (
        "published_parsed updated_parsed tags links authors content enclosures title_detail summary_detail id".split()
    )
    inside = "".join(f"<{name}>x</{name}><{name} a='b'/>" for name in names)

    feed = parse_feed(rss(item(inside) + item(number=2)), url=URL)

    assert len(feed.entries) + len(feed.rejected) == 2
    assert feed.entries[-1].title == "T2"


def test_too_much_of_something_is_cut_and_costs_no_entry() -> None:
    feed = parse_feed(
        rss(
            item(
                f"<author>{'a' * 9000}</author><description>&lt;p&gt;{'word ' * 120_000}</description>"
                + "".join(f"<category>c{number}</category>" for number in range(300))
            )
            + f"<item><title>{'t' * 5000}</title></item>"
        ),
        url=URL,
    )

    first, second = feed.entries
    assert len(first.author) <= 320 and len(first.categories) == 100 and len(second.title) == 2048
    assert 100_000 < len(first.summary_html) < 140_000 and "<p>" not in first.summary_html
    assert any("characters was cut" in warning for warning in feed.warnings)


def test_small_literal_entities_are_written_out_and_others_are_not_opened() -> None:
    doctype = '<!DOCTYPE rss [<!ENTITY pub "Acme"><!ENTITY dash "&#8212;"><!ENTITY x SYSTEM "file:///etc/hostname">]>'
    body = doctype.encode() + rss("<item><title>&pub; &dash; &x; &eacute; R&D</title></item>").partition(b"?>")[2]

    feed = parse_feed(body, url=URL)

    assert feed.entries[0].title == "Acme — &x; é R&D"
    assert feed.warnings == ()


HOSTILE = {
    "bytes": (b" " * (MAX_BYTES + 1), "bytes"),
    "entries": (rss("<item/>" * 5_001), "5,000 entries"),
    "entities": (b"<!DOCTYPE r [" + b"".join(b'<!ENTITY e%d "x">' % n for n in range(65)) + b"]><rss/>", "65 entities"),
    "entity growth": (b'<!DOCTYPE r [<!ENTITY a "%s">]><rss>%s</rss>' % (b"x" * 250, b"&a;" * 5_000), "would add"),
    "start tag": (rss(f"<item a='{'x' * 70_000}'/>"), "start tag of more"),
    "attributes": (rss("<item " + " ".join(f"attribute{n}='x'" for n in range(300)) + "/>"), "attributes"),
    "nested elements": (rss("<a>" * 200_000 + "</a>" * 200_000), "400,000 tags"),
    "less than": (rss("< " * 400_001), "400,000 tags"),
    "elements behind CDATA in a comment": (rss("<!-- <![CDATA[ -->" + "<a/>" * 400_001), "400,000 tags"),
    "elements behind CDATA in an instruction": (rss("<?a <![CDATA[ ?>" + "<a/>" * 400_001), "400,000 tags"),
    "prefixes": (rss("".join(f"<x{n}:a xmlns:x{n}='u:{n}'/>" for n in range(50_000))), "100 namespace prefixes"),
    "prolog": (b"<?xml version='1.0'?>" + b"\n" * 140_000 + b"<rss/>", "first 131,072"),
}


@pytest.mark.parametrize("limit", HOSTILE)
def test_a_document_over_a_limit_is_refused_with_the_limit_named(limit: str) -> None:
    body, words = HOSTILE[limit]

    with pytest.raises(ParseError) as caught:
        parse_feed(body, url=URL)

    assert caught.value.failure_class == "too_hostile"
    assert words in caught.value.reason


def test_what_real_feeds_do_a_thousand_times_is_no_attack() -> None:
    """XHTML content declares its namespace in each entry; tags in CDATA are text."""
    declared = (
        '<entry><id>{}</id><content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">x</div></content></entry>'
    )
    atom = '<feed xmlns="http://www.w3.org/2005/Atom">' + "".join(declared.format(n) for n in range(2_000)) + "</feed>"

    assert len(parse_feed(atom.encode(), url=URL).entries) == 2_000
    assert len(parse_feed(rss(item(f"<description><![CDATA[{'<br>' * 400_001}]]></description>"))).entries) == 1


SLOW = {
    "encoding=' in the declaration": b"<?xml " + b"encoding='" * 20_000 + b"?>" + rss(item()),
    "unclosed processing instructions": b"<?a" * 100_000,
    "authors without an at": rss(item(f"<author>{'a' * 100_000}</author>")),
    "authors with dots": rss(item(f"<author>a@{'a.' * 30_000}!</author>")),
    "many authors": rss("".join(item(f"<author>{'a' * 512}</author>") for _ in range(4_900))),
    "authors in CDATA": rss(item(f"<author><![CDATA[{'a' * 100_000}]]></author>")),
    "unclosed CDATA": rss("<item><title>" + "<![CDATA[" * 50_000),
    "unclosed comments": rss("<!--" * 50_000),
    "less than": rss("<" * 200_000),
    "ampersands": rss("<item><title>" + "&" * 200_000),
    "references": rss("<item><title>&#" + "9" * 200_000 + ";" + "&#xD800;" * 20_000 + "</title></item>"),
    "nesting": rss("<a>" * 20_000),
}


@pytest.mark.parametrize("name", SLOW)
def test_no_small_document_takes_long(name: str) -> None:
    started = time.process_time()
    try:
        parse_feed(SLOW[name], url=URL)
    except ParseError as error:
        assert error.failure_class in FAILURE_CLASSES

    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("body", "failure_class", "words"),
    [
        (b"", "not_a_feed", "empty"),
        (b" \n", "not_a_feed", "empty"),
        (b"<!DOCTYPE html><html><title>Home</title>", "web_page", 'a web page ("Home")'),
        (b"<html><head><title>Just a moment...</title>", "web_page", "Cloudflare challenge"),
        (b"<html><title>Log in</title><input type='password'>", "web_page", "login page"),
        (b'<html><link rel=alternate type="application/rss+xml" href="/f.xml">', "web_page", "names a feed at /f.xml"),
        (b'{"error": 1}', "not_a_feed", "this is JSON"),
        (b"%PDF-1.7", "not_a_feed", "PDF"),
        (b"\x89PNG\r\n\x1a\n", "not_a_feed", "PNG"),
        (b"\x1f\x8b\x08", "not_a_feed", "gzip"),
        (b"hello", "not_a_feed", "neither XML nor a feed"),
        (b"<urlset><url/></urlset>", "not_a_feed", "sitemap"),
        (b"<opml version='2.0'><body/></opml>", "not_a_feed", "OPML"),
        (b"<note><to>you", "not_xml", "begins with <note>"),
    ],
)
def test_what_is_no_feed_is_named(body: bytes, failure_class: str, words: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_feed(body, url=URL)

    assert caught.value.failure_class == failure_class
    assert words in caught.value.reason


def test_a_feed_without_entries_is_no_failure() -> None:
    assert parse_feed(rss(""), url=URL).entries == ()


def test_a_path_is_never_opened(tmp_path: Path) -> None:
    file = tmp_path / "feed.xml"
    file.write_bytes(rss(item()))

    with pytest.raises(ParseError):
        parse_feed(str(file).encode(), url=URL)


PIECES = json.loads((Path(__file__).parent / "data" / "pieces.json").read_text())["xml"]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_no_mixture_of_markup_raises_anything_but_a_parse_error(text: str) -> None:
    try:
        feed = parse_feed(text.encode(), url=URL)
    except ParseError as error:
        assert error.failure_class in FAILURE_CLASSES
    else:
        found = identify_entries(feed)
        assert len(found.entries) + found.folded + len(found.rejected) == len(feed.entries) + len(feed.rejected)


@given(
    st.binary(max_size=200),
    st.sampled_from(["", "text/xml; charset=utf-7", "a/b; charset=a\0b", "x; charset=shift_jis"]),
)
def test_no_bytes_raise_anything_but_a_parse_error(body: bytes, content_type: str) -> None:
    for document in (body, b"<rss><channel><item><title>" + body):
        try:
            parse_feed(document, content_type=content_type, url=URL)
        except ParseError as error:
            assert error.failure_class in FAILURE_CLASSES


def iter_texts(feed: ParsedFeed) -> Iterator[str]:
    for entry in feed.entries:
        yield from (value for value in dataclasses.astuple(entry) if isinstance(value, str))


@pytest.mark.parametrize("cut", range(0, 1000, 97))
def test_entries_before_a_cut_survive_it(cut: int) -> None:
    body = rss("".join(item(number=number) for number in range(20)))
    feed = parse_feed(body[: len(body) - cut], url=URL)

    assert len(feed.entries) >= 20 - cut // 40 - 1
    assert feed.entries[0].title == "T0"
    assert json.dumps(list(iter_texts(feed)))
