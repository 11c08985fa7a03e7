"""Laws of parse, clean, identify and compare that no document may break, beside those in ``tests/pipeline``."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from aggregator.errors import ParseError
from aggregator.model.feed import FAILURE_CLASSES, FetchRequest, FolderRead, Reply
from aggregator.model.parsed import Enclosure, ParsedEntry, ParsedFeed
from aggregator.pipeline.clean import clean_html
from aggregator.pipeline.parse import parse_feed
from aggregator.tasks.refresh import refresh_feeds
from tests.fixtures.program import Program
from tests.pipeline.test_clean import BASE, find_faults
from tests.zoo.conftest import Clock, get_feed, list_stored
from tests.zoo.documents import atom, item, items, rss

URL = "https://news.example.org/feed.xml"
RICH = (
    "<link>https://e.example/1?a=1&amp;b=2</link><pubDate>Tue, 24 Nov 2026 03:00:00 GMT</pubDate>"
    "<author>a@e.example (Ann)</author><category domain='x'>AI</category><comments>https://e.example/c</comments>"
    "<description>&lt;p&gt;Words &amp;amp; more&lt;/p&gt;</description><source url='https://e.example/'>S</source>"
    "<content:encoded xmlns:content='http://purl.org/rss/1.0/modules/content/'><![CDATA[<p>x</p>]]></content:encoded>"
    "<media:content xmlns:media='http://search.yahoo.com/mrss/' url='https://e.example/m.mp4' medium='video'/>"
    "<enclosure url='https://e.example/a.mp3' length='123' type='audio/mpeg'/>"
)
DOCUMENTS = [
    rss(item(1, RICH) + item(2) + item(3, RICH), "<ttl>60</ttl><skipHours><hour>1</hour></skipHours>"),
    rss(items(3), head='<?xml version="1.0" encoding="utf-8"?><!DOCTYPE rss [<!ENTITY a "b">]>'),
    atom(
        "<entry xml:lang='de' xml:base='https://e.example/'><id>urn:1</id><title type='html'>T &amp;amp; t</title>"
        "<link rel='alternate' href='x'/><link rel='enclosure' href='y' length='1'/>"
        "<updated>2026-11-24T03:00:00Z</updated>"
        "<author><name>Ann</name></author><category term='ai'/><summary type='xhtml'>"
        "<div xmlns='http://www.w3.org/1999/xhtml'><p>x</p></div></summary>"
        "<content type='html'>&lt;p&gt;</content></entry>"
    ),
    b"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/'>"
    b"<channel rdf:about='x'><title>T</title></channel><item rdf:about='urn:1'><title>One</title><link>https://e/</link>"
    b"</item></rdf:RDF>",
    json.dumps(
        {
            "version": "https://jsonfeed.org/version/1.1",
            "title": "T",
            "items": [{"id": "1", "url": "https://e.example/1", "title": "One", "content_html": "<p>x</p>",
                       "date_published": "2026-11-24T03:00:00Z", "tags": ["ai"], "authors": [{"name": "Ann"}],
                       "attachments": [{"url": "https://e.example/a.mp3", "mime_type": "audio/mpeg"}]}],
        }
    ).encode(),
]  # fmt: skip
#: What a mutation puts in: the joints of markup, ends of numbers, bytes of other encodings.
JOINTS = [
    b"<", b">", b"</", b"/>", b"&", b"&#", b"&#x", b";", b"'", b'"', b"=", b"]]>", b"<![CDATA[", b"<!--", b"-->", b"<?",
    b"?>", b"<!DOCTYPE x [", b"]>", b"<!ENTITY a '&a;'>", b"&a;", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80",
    b"xmlns:a='b'", b"xml:base='http://['", b"xml:lang='\xc3'", b"<item>", b"</item>", b"<entry>", b"<channel/>", b"[",
    b"{", b"}", b":", b",", b"null", b"1e999", b"-1", b"\\ud800", b"NaN", b"\n" * 50,
    b"<svg>", b"<content type='xhtml'>",
]  # fmt: skip


def mutate(body: bytes, rng: random.Random, times: int) -> bytes:
    """``body`` with pieces cut, doubled, moved, overwritten or put in."""
    for _ in range(times):
        start = rng.randrange(len(body) + 1)
        end = min(len(body), start + rng.choice((1, 2, 5, 20, 100)))
        piece = body[start:end]
        match rng.randrange(5):
            case 0:
                body = body[:start] + body[end:]
            case 1:
                body = body[:end] + piece * rng.choice((1, 2, 50)) + body[end:]
            case 2:
                body = body[:start] + rng.choice(JOINTS) + body[start:]
            case 3:
                body = body[:start] + rng.choice(JOINTS) + body[end:]
            case _:
                rest = body[:start] + body[end:]
                place = rng.randrange(len(rest) + 1)
                body = rest[:place] + piece + rest[place:]
    return body


def check_parse(body: bytes, content_type: str = "") -> None:
    """Parsing gives a document that can be written as JSON, or a `ParseError` of a known class."""
    try:
        feed = parse_feed(body, content_type=content_type, url=URL)
    except ParseError as error:
        assert error.failure_class in FAILURE_CLASSES
        assert error.reason and "\n" not in error.reason
        return
    assert json.dumps(asdict(feed), default=str)
    indexes = [bad.index for bad in feed.rejected]
    assert len(set(indexes)) == len(indexes)


@settings(max_examples=300)
@given(st.sampled_from(DOCUMENTS), st.randoms(use_true_random=False), st.integers(1, 12))
def test_no_mutation_of_a_feed_raises_anything_but_a_parse_error(body: bytes, rng: random.Random, times: int) -> None:
    check_parse(mutate(body, rng, times))


ENCODINGS = ["utf-16", "utf-16-le", "utf-32-be", "utf-7", "cp1252", "shift_jis", "gb18030", "cp037", "iso2022_jp"]


@given(
    st.sampled_from(DOCUMENTS),
    st.sampled_from(ENCODINGS),
    st.sampled_from(["", *ENCODINGS]),
    st.randoms(use_true_random=False),
)
def test_no_mixture_of_encodings_raises_anything_but_a_parse_error(
    body: bytes, really: str, said: str, rng: random.Random
) -> None:
    encoded = body.decode().encode(really, "replace")
    check_parse(mutate(encoded, rng, 2), content_type=f"text/xml; charset={said}" if said else "")


NAMES = st.sampled_from(
    "a abbr b blockquote br code div em h1 hr i img li ol p pre q span strong table tbody td tr ul "
    "script style svg math title textarea noscript iframe form input template object select option "
    "plaintext xmp base link meta frame body html head foreignObject mtext annotation-xml x-y".split()
)
VALUES = st.sampled_from(
    ["x", "", "javascript:x", "https://e.example/", "//e.example", "/p", " \t\n", "\x00", "'", '"', "`", ">", "&quot;",
     "&#x6a;avascript:x", "data:text/html,x", "http://u@e.example/", "mailto:a@e.example", "1", "9999999", "\u202e"]
)  # fmt: skip
ATTRIBUTES = st.lists(
    st.tuples(
        st.sampled_from("href src title alt width height style onclick srcset colspan id rel xlink:href start".split()),
        VALUES,
        st.sampled_from(['{}="{}"', "{}='{}'", "{}={}", "{}", "{}=`{}`", '{} = "{}"', '/{}="{}"']),
    ),
    max_size=3,
)
TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["<", "&", "&lt;script&gt;", "<!--", "-->", "]]>", "<![CDATA[", "</p>", "{{x}}", "\n", "&#0;", "<!x"]
    ),
)


def write_element(name: str, attributes: Sequence[tuple[str, str, str]], inside: str, end: str) -> str:
    said = "".join(" " + form.format(key, value) for key, value, form in attributes)
    return f"<{name}{said}>{inside}{end.format(name)}"


TREES = st.recursive(
    TEXTS,
    lambda inner: st.builds(
        write_element,
        NAMES,
        ATTRIBUTES,
        st.lists(inner, max_size=4).map("".join),
        st.sampled_from(["</{}>", "</{}>", "", "</{}", "</div>", "<{}/>"]),
    ),
    max_leaves=25,
)


@settings(max_examples=300)
@given(TREES)
def test_what_was_cleaned_holds_nothing_off_the_list_and_is_clean(html: str) -> None:
    """The second reading is lxml's, another parser than the one that cleaned.

    Cleaning again changes at most the order of attributes.
    """
    cleaned = clean_html(html, BASE)

    assert list(find_faults(cleaned)) == []
    assert sorted(clean_html(cleaned, BASE)) == sorted(cleaned)


def test_preformatted_text_keeps_its_empty_first_line() -> None:
    """HTML 13.3: a reader drops one line end after ``<pre>``, so a writer must put one before another."""
    cleaned = clean_html("<pre>\n\nx</pre>", BASE)

    assert clean_html(cleaned, BASE) == cleaned


FEW = st.sampled_from(["", "a", "b", "a#", "\x00", "日本", "https://e.example/a", " "])
ENTRIES = st.lists(
    st.builds(
        ParsedEntry,
        id=FEW,
        url=FEW,
        title=FEW,
        author=FEW,
        summary_html=st.one_of(FEW, st.text(max_size=20)),
        categories=st.lists(FEW, max_size=2).map(tuple),
        enclosures=st.lists(st.builds(Enclosure, url=FEW, length=st.none() | st.integers(0, 2**53)), max_size=2).map(
            tuple
        ),
    ),
    max_size=8,
)


class Said:
    """A fetcher whose one feed says what the test wants."""

    def __init__(self) -> None:
        self.document = ParsedFeed()
        self.times = 0

    def fetch(self, requests: Sequence[FetchRequest], **_: object) -> Iterator[Reply]:
        self.times += 1
        return (FolderRead(request=one, feed=self.document, body_hash=str(self.times)) for one in requests)

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def said() -> Said:
    return Said()


@settings(max_examples=8, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(first=ENTRIES, second=ENTRIES, rng=st.randoms(use_true_random=False))
def test_through_the_database_all_are_counted_and_what_was_stored_is_unchanged(
    program: Program, said: Said, first: list[ParsedEntry], second: list[ParsedEntry], rng: random.Random
) -> None:
    """Stored + rejected + folded is the whole document; the same document in another order brings nothing."""
    clock = Clock()
    url = f"https://e.example/{rng.random()}"
    program.configure(feeds=[{"url": url}])
    with program.app(now=clock, fetcher=said) as app:
        number = get_feed(app, url).id
        for document in (first, second, first + second):
            for again in (False, True):
                said.document = ParsedFeed(entries=tuple(document))
                (result,) = refresh_feeds(app, [number]).results
                counted = result.new + result.changed + result.unchanged + len(result.rejected) + result.folded
                assert counted == len(document)
                assert not again or (result.new, result.changed) == (0, 0)
                rng.shuffle(document)
        stored = list_stored(app, url)
        assert len({entry.atom_id for entry in stored}) == len(stored)


def test_an_entry_with_a_lone_surrogate_costs_itself_only(program: Program, said: Said) -> None:
    """F23: no parser of ours lets one through, but one that does must not cost the round."""
    url = "https://e.example/feed"
    program.configure(feeds=[{"url": url}])
    with program.app(now=Clock(), fetcher=said) as app:
        number = get_feed(app, url).id
        said.document = ParsedFeed(entries=(ParsedEntry(id="1", title="T"),))
        refresh_feeds(app, [number])
        odd = ParsedEntry(id="\ud800", title="\ud800")
        said.document = ParsedFeed(entries=(odd, ParsedEntry(id="1", title="T"), ParsedEntry(id="2", title="U")))
        (result,) = refresh_feeds(app, [number]).results
        assert result.new + result.unchanged + len(result.rejected) == 3
        assert [entry.title for entry in list_stored(app, url)][-1] == "U"
