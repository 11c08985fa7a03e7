"""Documents of which only the new entries are read: what is stored in the end is the same as when all are read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.ids import EntryId
from aggregator.model.parsed import ParsedFeed
from aggregator.pipeline.compare import compare_entries
from aggregator.pipeline.identify import identify_entries
from aggregator.pipeline.parse.fast import parse_quickly

URL = "https://news.example.org/feed.xml"
Stored = dict[str, tuple[EntryId, str]]

# fmt: off
# What is usual stands in them several times.
HEADS = st.sampled_from((
    *["<rss version='2.0'><channel><title>T</title><link>https://e.org/</link>{}"] * 12,
    "<rss version='2.0'><channel><title>New</title><link>https://e.org/</link>{}",
    "<rss version='2.0'><channel><link>https://other.org/</link>{}",
    "<rss version='2.0' xml:base='https://b.org/'><channel>{}",
    "<rss version='2.0' xmlns:dc='http://purl.org/dc/elements/1.1/'><channel>{}",
    "<rss version='2.0' xmlns:dc='urn:dc'><channel>{}",
    "<rss version='2.0'><channel><!-- {}",
    "<rss version='2.0'><channel><title><![CDATA[{}",
    "<rss version='2.0'><channel xml:lang='ja'><itunes:summary xmlns:itunes='urn:i'>x</itunes:summary>{}",
    "<rss version='2.0'><channel><box>{}",
))
TAILS = st.sampled_from((
    *["</channel></rss>"] * 12, "</channel></rss>\n", "<title>late</title></channel></rss>", " --></channel></rss>",
    "]]></title></channel></rss>", "</box></channel></rss>", "<!-- x --></channel></rss>",
    "</channel></rss>\n<!-- cached -->", "<!-- ]]></title> --></channel></rss>",
    "<!-- <item><guid>1</guid></item> --></channel></rss>",
    "</channel><!-- a - b --></rss><!-- c --> ", "</channel><!-- a -- b --></rss>", "</channel><!-- a </rss>",
))
KEYS = st.sampled_from((
    *(f"<guid>{number}</guid>" for number in range(12)), "<link>5</link>", "<guid> 1 </guid>", "",
))
INSIDE = st.sampled_from((
    *["<title>a</title>", "<title>b</title>", "<link>x</link>"] * 9,
    "", "<title>b</title>", "<title>c</title>", "<description>d</description>",
    "<description><![CDATA[<item><guid>9</guid></item>]]></description>", "<!-- <item> -->", "<!-- </item> -->",
    "<description><![CDATA[</item><item>]]></description>", "<item><guid>8</guid></item>", "<link>relative</link>",
    "<dc:creator xmlns:dc='http://purl.org/dc/elements/1.1/'>Ann</dc:creator>", "<dc:creator>Ann</dc:creator>",
    "<description><![CDATA[", "]]></description>", "<!--", "-->", "<description>",
))
GAPS = st.sampled_from((*[""] * 12, "\n", "\n  ", "<!-- g -->", "text", "<ttl>5</ttl>", "<item/>"))
# fmt: on
ENTRIES = st.builds(
    lambda start, key, inside, end: f"{start}{key}{''.join(inside)}{end}",
    st.sampled_from((*["<item>"] * 9, "<item xml:base='https://x.org/'>", "<item >")),
    KEYS,
    st.lists(INSIDE, max_size=2),
    st.sampled_from((*["</item>"] * 9, "</item >")),
)


@st.composite
def histories(draw: st.DrawFn) -> list[str]:
    """A document and what becomes of it: entries come, go, change and move; head, tail and gaps change now and then."""
    entries = draw(st.lists(ENTRIES, max_size=5))
    head, tail, gap = draw(HEADS), draw(TAILS), draw(GAPS)
    documents = []
    for _ in range(draw(st.integers(2, 4))):
        match draw(st.sampled_from(["insert", "insert", "remove", "change", "move", "head", "tail", "gap", "nothing"])):
            case "insert":
                entries.insert(draw(st.integers(0, len(entries))), draw(ENTRIES))
            case "remove" if entries:
                entries.pop(draw(st.integers(0, len(entries) - 1)))
            case "change" if entries:
                entries[draw(st.integers(0, len(entries) - 1))] = draw(ENTRIES)
            case "move":
                entries = draw(st.permutations(entries))
            case "head":
                head = draw(HEADS)
            case "tail":
                tail = draw(TAILS)
            case "gap":
                gap = draw(GAPS)
        documents.append(head.format("") + gap.join(entries) + tail)
    return documents


def store(stored: Stored, feed: ParsedFeed) -> Stored:
    """What the database holds after a round."""
    found = compare_entries(identify_entries(feed).entries, stored)
    after = dict(stored)
    for entry in found.new:
        after[entry.key] = (EntryId(len(after)), entry.content_hash)
    for entry_id, entry in found.changed:
        key = next(key for key, (number, _) in stored.items() if number == entry_id)
        after[key] = (entry_id, entry.content_hash)
    return after


def hold(stored: Stored) -> dict[str, str]:
    return {key: content_hash for key, (_, content_hash) in stored.items()}


def follow(documents: list[str]) -> int:
    """Read a history on both ways; the number of entries that were not read again."""
    in_full: Stored = {}
    reduced: Stored = {}
    slices, skipped = b"", 0
    for document in documents:
        full, part = (
            parse_quickly(document.encode(), url=URL),
            parse_quickly(document.encode(), url=URL, slices=slices),
        )
        assert (full is None) == (part is None)
        if full is None or part is None:
            slices = b""
            continue
        in_full, reduced = store(in_full, full), store(reduced, part)
        slices, skipped = part.slices, skipped + part.skipped
        assert hold(in_full) == hold(reduced)
        assert len(part.entries) + part.skipped == len(full.entries)
        assert (part.title, part.site_url, part.language) == (full.title, full.site_url, full.language)
    return skipped


@given(histories())
def test_after_any_edits_the_same_is_stored(documents: list[str]) -> None:
    follow(documents)


def rss(*items: str, head: str = "<title>T</title>") -> str:
    return f"<rss version='2.0'><channel>{head}{''.join(items)}</channel></rss>"


ONE, TWO, THREE = (f"<item><guid>{n}</guid><title>{n}</title></item>" for n in "123")


@pytest.mark.parametrize(
    ("documents", "skipped"),
    [
        ([rss(ONE, TWO), rss(ONE, TWO)], 2),
        ([rss(ONE, TWO), rss(THREE, ONE, TWO)], 2),
        ([rss(ONE, TWO) + "<!-- cached at 1 -->", rss(ONE, TWO) + "\n<!-- cached at 2 -->\n<!-- x -->"], 2),
        ([rss(ONE, TWO), rss(ONE, TWO, "<!--", THREE, "-->")], 2),
        ([rss(ONE, TWO), rss("<title><![CDATA[", ONE, TWO, "<!-- ]]></title> -->")], 0),
        ([rss(ONE, TWO), rss(THREE, ONE), rss(THREE, ONE, head="<title>U</title>")], 3),
        ([rss(ONE, TWO), rss(TWO, ONE.replace("<title>1", "<title>new"))], 1),
        ([rss(ONE), rss(ONE, ONE.replace("<title>1", "<title>another"))], 0),
        ([rss(ONE, TWO), rss(ONE, TWO, TWO)], 0),
        ([rss(ONE, TWO), rss(ONE, TWO, head="<link>https://other.org/</link>")], 0),
        ([rss(ONE, TWO), rss(ONE, TWO).replace("<rss", "<rss xml:lang='de'")], 0),
        ([rss(ONE, TWO), rss("<!--", ONE, "-->", TWO)], 0),
        ([rss(ONE, TWO), rss(THREE, "<ttl>1</ttl>", ONE, TWO)], 0),
        ([rss(ONE), rss(f"<item><description><![CDATA[</item>{ONE}<item>]]></description></item>")], 0),
        ([rss(ONE), rss(f"<title><![CDATA[{ONE}]]></title>")], 0),
    ],
)
def test_as_many_entries_are_passed_over_as_may_be(documents: list[str], skipped: int) -> None:
    assert follow(documents) == skipped


@pytest.mark.parametrize("record", [b"x", b"x" * 24, b"x" * 25, b"\0" * 4000])
def test_a_record_that_is_none_of_ours_changes_nothing(record: bytes) -> None:
    document = rss(ONE, TWO).encode()

    assert parse_quickly(document, url=URL, slices=record) == parse_quickly(document, url=URL, slices=b"")


def test_recorded_feeds_are_passed_over_the_second_time(corpus: Path) -> None:
    usable = 0
    for file in sorted((corpus / "feeds" / "general").iterdir()):
        body = file.read_bytes()
        first = parse_quickly(body, url=URL, slices=b"")
        if first is not None and first.slices:
            second = parse_quickly(body, url=URL, slices=first.slices)
            assert second is not None
            assert (second.skipped, second.entries) == (len(first.entries), ())
            usable += 1

    assert usable > 60


@pytest.mark.parametrize(
    "series", ["anthropic-engineering", "cursor-blog", "xai-news", "wenweipo-zh", "juya-ai-daily-zh"]
)
def test_a_recorded_series_ends_in_the_same(corpus: Path, series: str) -> None:
    files = sorted(path for path in (corpus / "feeds" / "series" / series).iterdir() if path.is_file())

    follow([file.read_text("utf-8") for file in files])
