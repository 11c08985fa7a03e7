"""Lists of feeds: real ones read whole, hostile ones named, our own read back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.feed import MAX_OPML_BYTES, FeedSpec, PageRules
from aggregator.pipeline import opml
from aggregator.pipeline.opml import parse_opml, render_opml

NOW = datetime(2025, 11, 24, 8, tzinfo=UTC)


def outline(body: str) -> bytes:
    return f'<?xml version="1.0"?><opml version="2.0"><head/><body>{body}</body></opml>'.encode()


def test_every_feed_of_the_real_list_is_found(corpus: Path) -> None:
    """426 of 426, each with the title and the language of its outline."""
    data = (corpus / "opml" / "ai-sources.opml").read_bytes()
    result = parse_opml(data)
    outlines = [node for node in ElementTree.fromstring(data).iter("outline") if node.get("xmlUrl")]

    assert result.problems == ()
    assert [feed.url for feed in result.feeds] == list(dict.fromkeys(node.get("xmlUrl") for node in outlines))
    assert len(result.feeds) == 426
    assert all(feed.title and feed.language and feed.origin == "opml" for feed in result.feeds)
    assert {tag for feed in result.feeds for tag in feed.tags} >= {"research", "company"}


def test_every_list_of_the_corpus_is_survived(corpus: Path) -> None:
    """Lists with mistakes of all kinds: what is a feed on the web is kept, once."""
    files = sorted((corpus / "opml").glob("*.opml"))
    counts = {path.name: parse_opml(path.read_bytes()) for path in files}

    assert len(files) >= 40
    assert sum(len(result.feeds) for result in counts.values()) >= 1_000
    for name, result in counts.items():
        addresses = [feed.url for feed in result.feeds]
        assert len(addresses) == len(set(addresses)), name
        assert all(address.startswith(("http://", "https://")) for address in addresses), name


def test_hostile_files_of_the_corpus_give_problems(corpus: Path) -> None:
    """Bombs, external entities and pages that are no list: a sentence, never an exception or a feed."""
    files = [path for folder in ("bombs", "not-a-feed", "broken") for path in (corpus / "hostile" / folder).iterdir()]

    assert len(files) >= 10
    for path in files:
        result = parse_opml(path.read_bytes())
        assert result.problems, path.name
        assert result.feeds == (), path.name


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize(
    "start", ["<!DOCTYPE opml [<!ENTITY a 'b'>]>", "<!-- x --><!doctype opml>", "\n<!ENTITY a 'b'>"]
)
def test_a_document_type_is_refused_in_any_encoding(encoding: str, start: str) -> None:
    """Nothing reads a DTD before this is asked."""
    result = parse_opml(f'{start}<opml version="2.0"><body/></opml>'.encode(encoding))

    assert result.feeds == ()
    assert result.problems == ("found a document type declaration, expected OPML without one",)


def test_a_document_type_in_a_comment_is_no_document_type() -> None:
    """The W3C validator's cases describe themselves in comments."""
    data = b'<!-- <!DOCTYPE opml> --><opml version="2.0"><body><outline text="A" xmlUrl="https://a.example/f"/></body></opml>'

    assert [feed.url for feed in parse_opml(data).feeds] == ["https://a.example/f"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_lists_are_read_in_their_encoding(encoding: str) -> None:
    """Exports of Windows programs are UTF-16."""
    text = (
        '<opml version="2.0"><body><outline text="機械学習" xmlUrl="https://a.example/f" language="ja"/></body></opml>'
    )
    (feed,) = parse_opml(text.encode(encoding)).feeds

    assert (feed.title, feed.language) == ("機械学習", "ja")


@pytest.mark.parametrize("data", [b"", b" \n", b"\x00\xff", b"plain words", b"<html><body>Not found</body></html>"])
def test_what_is_no_list_is_named(data: bytes) -> None:
    """A saved web page is the usual mistake."""
    result = parse_opml(data)

    assert result.feeds == ()
    assert len(result.problems) == 1 and result.problems[0].endswith("expected OPML")


def test_a_large_file_is_refused() -> None:
    """Before anything parses it."""
    (problem,) = parse_opml(b" " * (MAX_OPML_BYTES + 1)).problems

    assert problem == "found more than 8,388,608 bytes, expected less"


def test_too_many_feeds_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a word about the rest."""
    monkeypatch.setattr(opml, "MAX_FEEDS", 2)
    result = parse_opml(outline("".join(f'<outline text="{n}" xmlUrl="https://a.example/{n}"/>' for n in range(5))))

    assert len(result.feeds) == 2
    assert result.problems == ("found more than 2 feeds, expected less: the rest is left out",)


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "javascript:alert(1)", "feed.xml", "https://", "https://a.example:0/", "http://[::1/", ""],
)
def test_addresses_that_are_not_on_the_web_are_named(url: str) -> None:
    """The others of the list stay."""
    result = parse_opml(outline(f'<outline text="A" xmlUrl="{url}"/><outline text="B" xmlUrl="https://b.example/f"/>'))

    assert [feed.url for feed in result.feeds] == ["https://b.example/f"]
    assert len(result.problems) == (1 if url else 0)


def test_a_password_in_an_address_is_not_repeated() -> None:
    """threats.md T19: messages end up in logs."""
    result = parse_opml(outline('<outline text="A" xmlUrl="https://me:geheim@a.example/f"/>'))

    assert result.feeds == ()
    assert result.problems and "geheim" not in "".join(result.problems)


def test_folders_become_tags_when_they_are_tags_already() -> None:
    """Nested, with words that make no tag in between; an outline's own category counts too."""
    body = (
        '<outline text="research"><outline text="Deep Learning"><outline text="gpt-4.1">'
        '<outline text="A" xmlUrl="https://a.example/f" category="/ai/policy,Other Things"/>'
        "</outline></outline></outline>"
    )
    (feed,) = parse_opml(outline(body)).feeds

    assert set(feed.tags) == {"ai", "policy", "research", "gpt-4.1"}


def test_lists_within_the_list_are_not_followed() -> None:
    """A list must not make us fetch another one."""
    result = parse_opml(outline('<outline type="include" text="More" url="https://a.example/more.opml"/>'))

    assert result.feeds == ()
    assert "which is not followed" in result.problems[0]


def test_deep_nesting_is_survived() -> None:
    """Neither library recurses on our stack."""
    depth = 5_000
    result = parse_opml(outline('<outline text="a">' * depth + "</outline>" * depth))

    assert result.feeds == ()


@given(st.binary(max_size=200))
def test_no_bytes_break_it(data: bytes) -> None:
    """Inside a list that is otherwise good, too."""
    for document in (data, outline("").replace(b"<body>", b"<body>" + data)):
        result = parse_opml(document)
        assert all(feed.url.lower().startswith(("http://", "https://")) for feed in result.feeds)


_WORDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp", "Cf", "Cn", "Co"], exclude_characters="&<\ufffd"),
    min_size=1,
)
_FEEDS = st.builds(
    FeedSpec,
    url=st.from_regex(r"https://[a-z]{1,9}\.example/[a-z0-9?&=<]{0,9}", fullmatch=True),
    origin=st.just("opml"),
    title=st.lists(_WORDS, min_size=1, max_size=3).map(" ".join).map(lambda title: title[:200].strip()),
    language=st.sampled_from(["", "en", "zh-CN"]),
    tags=st.lists(st.sampled_from(["openai", "gpt-4.1", "policy"]), unique=True).map(tuple),
    weight=st.sampled_from([1.0, 0.0, 0.25, 2.5, 100.0]),
    interval=st.none() | st.integers(1, 10**6).map(lambda seconds: timedelta(seconds=seconds)),
    full_content=st.booleans(),
    page=st.none() | st.just(PageRules(items='li[class~="post"] > a', date="time")),
)


@given(st.lists(_FEEDS, unique_by=lambda feed: feed.url, max_size=5))
def test_what_is_written_reads_back(feeds: list[FeedSpec]) -> None:
    """Addresses, titles, languages, tags, weights, intervals and rules for pages."""
    result = parse_opml(render_opml(feeds, "Ours", NOW))

    assert result.problems == ()
    assert list(result.feeds) == feeds


@pytest.mark.parametrize(
    "attribute",
    ['weight="heavy"', 'weight="-1"', 'weight="101"', 'weight="nan"', 'interval="soon"', 'interval="5"', 'tags="A! #"'],
)
def test_a_setting_that_is_wrong_counts_as_not_said(attribute: str) -> None:
    namespaced = f'xmlns:n="{opml.NAMESPACE}" n:{attribute} n:page-title="h2"'
    (feed,) = parse_opml(outline(f'<outline xmlUrl="https://a.example/f" {namespaced}/>')).feeds

    assert feed == FeedSpec(url="https://a.example/f", origin="opml", title=feed.title)


def test_headers_of_a_feed_stay_at_home() -> None:
    feed = FeedSpec(url="https://a.example/f", headers=(("Authorization", "Bearer sesame"),))

    assert b"sesame" not in render_opml([feed], "Ours", NOW)


def test_written_lists_are_opml_for_everybody() -> None:
    """Folders stay at home; characters that XML forbids are dropped."""
    feeds = [FeedSpec(url="folder:/srv/posts"), FeedSpec(url="https://a.example/f", title="A\x00 & <B>\ufffe")]
    root = ElementTree.fromstring(render_opml(feeds, "Feeds \x0bof ours", NOW))
    (node,) = root.iter("outline")

    assert root.get("version") == "2.0"
    assert root.findtext("head/title") == "Feeds of ours"
    assert root.findtext("head/dateCreated") == "Mon, 24 Nov 2025 08:00:00 +0000"
    assert dict(node.attrib) == {
        "type": "rss",
        "text": "A & <B>",
        "title": "A & <B>",
        "xmlUrl": "https://a.example/f",
    }


@pytest.mark.parametrize(
    "body", [b"<!--" * 250_000, b"<outline text='a' type='rss' xmlUrl='http://a.example/1'>" * 15_000]
)
def test_a_list_made_to_take_long_is_done_with_at_once(body: bytes) -> None:
    """Each took minutes to hours: comments without an end, folders without a bottom."""
    began = process_time()
    found = parse_opml(b"<opml version='2.0'><body>" + body)

    assert found.feeds == ()
    assert process_time() - began < 3
